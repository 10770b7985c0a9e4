package discord

import (
	"sync"

	"recallbot/bot"
)

// sight is what this process remembers of a card. Nothing depends on it: all of it may be
// forgotten.
type sight struct {
	request  bot.RequestID
	progress bot.Ref // the message in the thread that shows progress when the card is old
}

// sights holds a bounded number of cards, by message.
type sights struct {
	mu    sync.Mutex
	cards map[string]sight
}

const maxSights = 2000

func (s *sights) get(message string) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cards[message]
}

func (s *sights) change(message string, f func(*sight)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cards == nil {
		s.cards = map[string]sight{}
	}
	for k := range s.cards {
		if len(s.cards) < maxSights {
			break
		}
		delete(s.cards, k)
	}
	v := s.cards[message]
	f(&v)
	s.cards[message] = v
}

func (s *sights) put(message string, id bot.RequestID) {
	s.change(message, func(v *sight) { v.request = id })
}

func (s *sights) progress(message string, at bot.Ref) {
	s.change(message, func(v *sight) { v.progress = at })
}
