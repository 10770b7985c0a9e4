package bot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Surface is a chat platform as the teller uses it. Its calls are made one at a time for a request; they may retry within ctx by the platform's own
// rules. A nil error means that the platform has accepted what was sent.
type Surface interface {
	Platform() Platform
	// Post puts up a card as a new message and returns where it stands. key is the same when the teller tries again after a lost answer.
	Post(ctx context.Context, at Place, c Card, key string) (Ref, error)
	// Edit makes the message at ref show the card as it is now.
	Edit(ctx context.Context, ref Ref, c Card) error
	// Reply puts a note into the thread of the card at ref, and returns where it stands. Where a thread had to be made for it, the returned
	// Ref.Thread names it, and the teller passes it on from then on.
	Reply(ctx context.Context, ref Ref, n Note) (Ref, error)
}

// Errors of a Surface beside *Later. Any other error is tried again with growing pauses.
var (
	// ErrGone: the message, its thread or its channel does not exist any more.
	ErrGone = errors.New("gone from the platform")
	// ErrForbidden: the platform does not let the bot do this here until people change something, such as letting it back into the channel.
	ErrForbidden = errors.New("not allowed by the platform")
	// ErrRefused: the platform does not take this for what it says: for its form, its length or a word in it. It speaks of what was sent alone, so that
	// something else may be taken in its place.
	ErrRefused = errors.New("refused by the platform for what it says")
)

// Later is a platform asking to wait before the same call is made again.
type Later struct {
	After time.Duration
	Err   error
}

// Error says how long to wait, and why.
func (l *Later) Error() string { return fmt.Sprintf("try again in %v: %v", l.After, l.Err) }

// Unwrap returns the platform's own error.
func (l *Later) Unwrap() error { return l.Err }
