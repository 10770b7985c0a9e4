package intake

import (
	"sync"

	"recallbot/bot"
)

const (
	searchesOfOne = 2 // searches of one person at the same time, at most
	searchesOfAll = 8 // searches of everybody in this process at the same time, at most
)

// searches counts the searches that are running in this process: a search, turning a page of one,
// or reading a page of a request again. Each holds its result in memory, and calls the service
// until it ends. The zero value is empty.
type searches struct {
	mu     sync.Mutex
	of     map[bot.PersonID]int
	events map[bot.EventID]chan struct{} // closed when the search has ended
}

// begin counts a search until end is called. It returns a Refusal if too many are running. If a
// search for the same event is running, begin counts nothing and returns a channel that is closed
// when that search has ended.
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
