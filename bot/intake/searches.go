package intake

import (
	"sync"

	"recallbot/bot"
)

const (
	searchesOfOne = 2 // searches of one person at once, at most
	searchesOfAll = 8 // of everybody, in this process
)

// searches counts who reads messages just now: by a search, by turning its pages, or by a page of a
// request that is read afresh. Each holds what it found, and calls the service as long as it takes.
// Its zero value is empty.
type searches struct {
	mu     sync.Mutex
	of     map[bot.PersonID]int
	events map[bot.EventID]chan struct{} // closed when it has ended
}

// begin counts one more search until end is called. It returns a Refusal where there are as many as
// may be; or, where the same event is at it already, what is closed when that has ended.
func (s *searches) begin(by bot.PersonID, id bot.EventID) (end func(), already <-chan struct{}, no error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if running, ok := s.events[id]; ok {
		return nil, running, nil
	}
	switch {
	case s.of[by] >= searchesOfOne:
		return nil, nil, bot.NewRefusal("searching", "n", searchesOfOne)
	case len(s.events) >= searchesOfAll:
		return nil, nil, bot.NewRefusal("others_searching", "n", searchesOfAll)
	}
	if s.of == nil {
		s.of, s.events = map[bot.PersonID]int{}, map[bot.EventID]chan struct{}{}
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
