package recall

import (
	"context"
	"slices"
)

// A Purpose is what a call is for. The smaller is the more urgent.
type Purpose int

// The purposes, the most urgent first.
const (
	ForProof   Purpose = iota // what became of messages, or whether they are what was approved
	ForNumbers                // what is to be decided, asked for by the numbers of its messages
	ForFilter                 // what is to be decided and must be searched for
	ForSearch                 // what one person wants to see: searches, suggestions
	purposes
)

// A Turn says when a call is admitted among those that wait for the same quota:
//
//   - The more urgent purpose goes first. So that the others go on all the same,
//     they get every fifth slot while they wait, each of them in turn.
//   - Of one purpose each person gets as many slots as any other who waits.
//   - Of one person the smaller work goes first, and then who asked first.
//
// The zero Turn is the most urgent, and of the person "".
type Turn struct {
	For    Purpose
	Person string // on whose behalf
	Size   int    // of the work that the call is part of, in any measure that is the same for one purpose

	// Aside calls take a fifth of Config.ReadsPerSecond at most, even where
	// nobody else waits: another process has the more urgent ones.
	Aside bool
}

type turnKey struct{}

// InTurn returns a context whose calls are admitted by t.
func InTurn(ctx context.Context, t Turn) context.Context { return context.WithValue(ctx, turnKey{}, t) }

func turnOf(ctx context.Context) Turn {
	t, _ := ctx.Value(turnKey{}).(Turn)
	return t
}

// passedMost is how many slots in a row go past others who wait.
const passedMost = 4

// A line has the calls that wait for a slot. Its zero value is empty.
type line struct {
	n      int // how many wait
	joined int // how many ever have
	passed int // slots in a row that went past somebody less urgent
	slots  int // how many were given
	queues [purposes]queue
}

// A queue is the part of a line that waits for one purpose.
type queue struct {
	n      int
	slot   int                 // the last slot that it was given
	round  int                 // of whom it was given to
	people map[string]*inQueue // who waits, and who did since the queue was last empty
}

// inQueue has the calls of one person that wait. A person who has had more slots is in a later
// round; one who comes again begins with the others.
type inQueue struct {
	round   int
	waiters []*waiter
}

type waiter struct {
	turn     Turn
	number   int // in the order in which they joined
	admitted chan struct{}
}

// before reports whether of the calls of one person w goes before o.
func (w *waiter) before(o *waiter) bool {
	if w.turn.Size != o.turn.Size {
		return w.turn.Size < o.turn.Size
	}
	return w.number < o.number
}

// join adds one to the line.
func (l *line) join(t Turn) *waiter {
	t.For = min(max(t.For, 0), purposes-1)
	w := &waiter{turn: t, number: l.joined, admitted: make(chan struct{})}
	q := &l.queues[t.For]
	if q.people == nil {
		q.people = map[string]*inQueue{}
	}
	who := q.people[t.Person]
	if who == nil {
		who = &inQueue{}
		q.people[t.Person] = who
	}
	if len(who.waiters) == 0 {
		who.round = max(who.round, q.round)
	}
	who.waiters = append(who.waiters, w)
	q.n++
	l.n++
	l.joined++
	return w
}

// leave removes w from the line. It returns false where w is no longer in it.
func (l *line) leave(w *waiter) bool {
	q := &l.queues[w.turn.For]
	who := q.people[w.turn.Person]
	if who == nil {
		return false
	}
	at := slices.Index(who.waiters, w)
	if at < 0 {
		return false
	}
	who.waiters = slices.Delete(who.waiters, at, at+1)
	l.n--
	if q.n--; q.n == 0 {
		q.people, q.round = nil, 0
	}
	return true
}

// next removes and returns the call whose turn it is. The line must not be empty.
func (l *line) next() *waiter {
	q := l.nextQueue()
	var first *waiter
	var whose *inQueue
	for _, who := range q.people {
		if len(who.waiters) == 0 {
			continue
		}
		w := who.waiters[0]
		for _, o := range who.waiters[1:] {
			if o.before(w) {
				w = o
			}
		}
		if first == nil || who.round < whose.round || who.round == whose.round && w.number < first.number {
			first, whose = w, who
		}
	}
	l.slots++
	q.slot, q.round = l.slots, whose.round
	whose.round++
	l.leave(first)
	return first
}

// nextQueue returns the queue whose turn it is.
func (l *line) nextQueue() *queue {
	var first, other *queue // the most urgent; of the others the one that has waited longest for a slot
	for i := range l.queues {
		switch q := &l.queues[i]; {
		case q.n == 0:
		case first == nil:
			first = q
		case other == nil || q.slot < other.slot:
			other = q
		}
	}
	if other == nil {
		return first
	}
	if l.passed < passedMost {
		l.passed++
		return first
	}
	l.passed = 0
	return other
}
