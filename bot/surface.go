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

// Surface is a chat platform as the teller uses it. The teller makes one call at a time for a
// request. A call may be retried within ctx by the platform's own rules. A nil error means that the
// platform has accepted what was sent.
type Surface interface {
	Platform() Platform
	// Post posts a card as a new message and returns its address. key is the same if the teller
	// tries again after a lost answer, and another one after the message was deleted.
	Post(ctx context.Context, at Place, c Card, key string) (Ref, error)
	// Edit changes the message at ref to show the card as it is now.
	Edit(ctx context.Context, ref Ref, c Card) error
	// Reply posts a note in the thread of the card at ref, and returns its address. If a thread had
	// to be created for it, the returned Ref.Thread has its id, and the teller passes that on from
	// then on.
	Reply(ctx context.Context, ref Ref, n Note) (Ref, error)
	// Whisper tells one person alone what no answer to an event can tell them any more, in the
	// first of these ways that works: as an answer to what they did last, as a message in the
	// channel that they alone see, as a direct message. If none works, it posts Whisper.Aloud.
	Whisper(ctx context.Context, w Whisper) error
	// Progress tells the requester alone how far the reading for their request is, in place of what
	// their command was answered. It shows a line where and as often as the platform lets it, and
	// drops others: the next one follows soon. Nothing depends on it.
	Progress(ctx context.Context, id RequestID, l Line, r Reading)
}

// Reading is how the reading for a request goes on.
type Reading string

// How it can go on.
const (
	ReadingOn   Reading = "on"   // another line follows
	ReadingDone Reading = "done" // it is read, which is told to those who were told that it takes long
	ReadingOver Reading = "over" // it is over, and there is nothing to take back: the offer goes
)

// Whisper is what one person is told alone.
type Whisper struct {
	To    Account
	At    Place  // where they asked
	Card  Ref    // of their request; zero if none stands
	Key   string // the same if the teller tries again after a lost answer
	Lines []Line
	// Aloud is all that others may read. It is posted in the thread of the card, or in the channel
	// if there is no card, with a mention of To.
	Aloud Line
}

// Errors of a Surface beside *Later. Any other error is tried again with growing pauses. Post may
// wrap one in a *Barred.
var (
	// ErrGone says that the message, its thread or its channel no longer exists.
	ErrGone = errors.New("gone from the platform")
	// ErrForbidden says that the platform does not let the bot do this here until people change
	// something, such as letting it back into the channel.
	ErrForbidden = errors.New("not allowed by the platform")
	// ErrRefused says that the platform does not accept this content: its form, its length or a
	// word in it. Other content may be accepted in its place.
	ErrRefused = errors.New("content refused by the platform")
)

// Barred is the error of a Post that people must make possible. Its Err wraps ErrForbidden, ErrGone
// or ErrRefused.
type Barred struct {
	// Why says in the platform's words why the bot cannot post there and what to do, to the person
	// who asked.
	Why Line
	Err error
}

// Error is the text of Err.
func (b *Barred) Error() string { return b.Err.Error() }

// Unwrap returns Err.
func (b *Barred) Unwrap() error { return b.Err }

// Posted remembers for a Surface which messages of its notes exist, so that a note that is tried
// again continues where it stopped. It lives as long as the process. If it has too many notes, it
// forgets the least recently used. The zero value is empty.
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

// Key returns the key of a note at a place. A note whose content has changed has another key,
// because it may be split into messages elsewhere.
func (p *Posted) Key(where string, n Note) string {
	body, err := json.Marshal(n)
	if err != nil {
		panic(err) // unreachable: notes always marshal
	}
	sum := sha256.Sum256(append([]byte(where+"\n"), body...))
	return string(sum[:])
}

// Of returns the ids of the messages of a note that exist, in order.
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

// Forget forgets a note whose messages no longer exist.
func (p *Posted) Forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.notes, key)
}

// LaterMost is the longest pause before a call is made again, even if the platform asks for a
// longer one.
const LaterMost = 10 * time.Minute

// Later is the error of a platform that asks for a pause before the same call is made again. After
// is at most LaterMost.
type Later struct {
	After time.Duration
	Err   error
}

// Error says how long to wait, and why.
func (l *Later) Error() string { return fmt.Sprintf("try again in %v: %v", l.After, l.Err) }

// Unwrap returns the platform's own error.
func (l *Later) Unwrap() error { return l.Err }
