package bot

import (
	"cmp"
	"context"
	"sync"
	"time"
)

const (
	searchesOfOne = 2 // searches of one person at once, at most
	searchesOfAll = 8 // of everybody, in this process
)

// searches counts who reads messages just now: by a search, by turning its pages, or by a page of a request that is read afresh. Each holds what it found, and calls the service
// as long as it takes. Its zero value is empty.
type searches struct {
	mu     sync.Mutex
	of     map[PersonID]int
	events map[EventID]chan struct{} // closed when it has ended
}

// begin counts one more search until end is called. It returns a Refusal where there are as many as may be; or, where the same event is at it already, what is closed when that has ended.
func (s *searches) begin(by PersonID, id EventID) (end func(), already <-chan struct{}, no error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if running, ok := s.events[id]; ok {
		return nil, running, nil
	}
	switch {
	case s.of[by] >= searchesOfOne:
		return nil, nil, refuse("searching", "n", searchesOfOne)
	case len(s.events) >= searchesOfAll:
		return nil, nil, refuse("others_searching", "n", searchesOfAll)
	}
	if s.of == nil {
		s.of, s.events = map[PersonID]int{}, map[EventID]chan struct{}{}
	}
	over := make(chan struct{})
	s.of[by]++
	s.events[id] = over
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.of[by]--; s.of[by] == 0 {
			delete(s.of, by)
		}
		delete(s.events, id)
		close(over)
	}, nil, nil
}

// beginSearch stores the event of a search and counts it until end is called. answer is set instead where the event has its answer already, or where allowed or the number of searches
// refuses it: that is one transaction, since a hundred may be refused while others wait for theirs.
func (b *Bot) beginSearch(ctx context.Context, e Event, allowed func(tx Tx) error) (end func(), answer *Answer, err error) {
	by, _ := b.o.Roster.Of(e.By)
	for {
		var refusal error
		err := b.o.Ledger.View(ctx, func(tx Tx) error {
			refusal = allowed(tx)
			return nil
		})
		if err != nil {
			return nil, &Answer{}, err
		}
		var already <-chan struct{}
		if refusal == nil {
			end, already, refusal = b.searches.begin(by, e.ID)
		}
		switch {
		case refusal != nil:
			answer, err := b.settle(ctx, e, func(Tx, time.Time) (Answer, error) { return Answer{}, refusal })
			return nil, &answer, err
		case already == nil:
			_, prior, err := b.Note(ctx, e)
			if err != nil || prior != nil {
				end()
				return nil, cmp.Or(prior, &Answer{}), err
			}
			return end, nil, nil
		}
		select {
		case <-already:
		case <-ctx.Done():
			return nil, &Answer{}, ctx.Err()
		}
	}
}
