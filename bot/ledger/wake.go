package ledger

import (
	"slices"
	"sync"

	"recallbot/bot"
)

// hub passes wakes on to the subscribers in this process. Its zero value is ready.
type hub struct {
	mu   sync.Mutex
	subs map[*subscriber]bool
}

type subscriber struct {
	wakes  chan struct{} // of one: wakes that nobody has taken yet are one wake
	topics []bot.Topic
}

func (h *hub) subscribe(topics []bot.Topic) (<-chan struct{}, func()) {
	s := &subscriber{wakes: make(chan struct{}, 1), topics: slices.Clone(topics)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[*subscriber]bool{}
	}
	h.subs[s] = true
	return s.wakes, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.subs[s] {
			delete(h.subs, s)
			close(s.wakes)
		}
	}
}

func (h *hub) wake(topics ...bot.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		if slices.ContainsFunc(topics, func(t bot.Topic) bool { return slices.Contains(s.topics, t) }) {
			s.wake()
		}
	}
}

// wakeAll wakes every subscriber. It is for when wakes may have been missed.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.wake()
	}
}

func (s *subscriber) wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}
