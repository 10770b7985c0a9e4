package bot

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Surface is a chat platform as the teller uses it. Its calls are made one at a time for a request;
// they may retry within ctx by the platform's own rules. A nil error means that the platform has
// accepted what was sent.
type Surface interface {
	Platform() Platform
	// Post puts up a card as a new message and returns where it stands. key is the same when the
	// teller tries again after a lost answer.
	Post(ctx context.Context, at Place, c Card, key string) (Ref, error)
	// Edit makes the message at ref show the card as it is now.
	Edit(ctx context.Context, ref Ref, c Card) error
	// Reply puts a note into the thread of the card at ref, and returns where it stands. Where a
	// thread had to be made for it, the returned Ref.Thread names it, and the teller passes it on
	// from then on.
	Reply(ctx context.Context, ref Ref, n Note) (Ref, error)
}

// Errors of a Surface beside *Later. Any other error is tried again with growing pauses.
var (
	// ErrGone: the message, its thread or its channel does not exist any more.
	ErrGone = errors.New("gone from the platform")
	// ErrForbidden: the platform does not let the bot do this here until people change something,
	// such as letting it back into the channel.
	ErrForbidden = errors.New("not allowed by the platform")
	// ErrRefused: the platform does not take this for what it says: for its form, its length or a
	// word in it. It speaks of what was sent alone, so that something else may be taken in its
	// place.
	ErrRefused = errors.New("refused by the platform for what it says")
)

// Posted remembers for a Surface, while the process lives, which messages of its notes stand: so
// that a note that is tried again, however much later, goes on where it stopped. Of many notes it
// forgets those asked for least lately. The zero value remembers nothing yet.
type Posted struct {
	mu    sync.Mutex
	notes map[string]*postedNote
}

type postedNote struct {
	messages []string
	used     time.Time
}

// postedMost is how many notes are remembered.
const postedMost = 2000

// Key is what a note is remembered by where it is put. A note that says something else by now is
// another one: its messages may be cut elsewhere.
func (p *Posted) Key(where string, n Note) string {
	body, err := json.Marshal(n)
	if err != nil {
		panic(err) // unreachable: notes always marshal
	}
	sum := sha256.Sum256(append([]byte(where+"\n"), body...))
	return string(sum[:])
}

// Of returns the ids of the messages that stand, in order.
func (p *Posted) Of(key string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.notes[key]
	if n == nil {
		return nil
	}
	n.used = time.Now()
	return slices.Clone(n.messages)
}

// Add remembers the next message of a note.
func (p *Posted) Add(key, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.notes[key]
	if n == nil {
		if p.notes == nil {
			p.notes = map[string]*postedNote{}
		}
		if len(p.notes) >= postedMost {
			oldest := ""
			for k, o := range p.notes {
				if oldest == "" || o.used.Before(p.notes[oldest].used) {
					oldest = k
				}
			}
			delete(p.notes, oldest)
		}
		n = &postedNote{}
		p.notes[key] = n
	}
	n.messages, n.used = append(n.messages, message), time.Now()
}

// Forget forgets a note whose messages do not stand any more.
func (p *Posted) Forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.notes, key)
}

// LaterMost is the longest pause that a platform is granted, whatever it asks for: then it is tried
// again.
const LaterMost = 10 * time.Minute

// Later is a platform asking to wait before the same call is made again. After is at most
// LaterMost.
type Later struct {
	After time.Duration
	Err   error
}

// Error says how long to wait, and why.
func (l *Later) Error() string { return fmt.Sprintf("try again in %v: %v", l.After, l.Err) }

// Unwrap returns the platform's own error.
func (l *Later) Unwrap() error { return l.Err }
