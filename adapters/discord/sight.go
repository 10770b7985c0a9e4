package discord

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"recallbot/bot"
)

// sight is what this process remembers of a card. Nothing depends on it: all of it may be
// forgotten.
type sight struct {
	request  bot.RequestID
	progress bot.Ref // the message in the thread that shows progress when the card is old
	look     look
	drawn    time.Time // when it was given that look
}

// drawnFor is how long what a card shows is remembered, so that an edit that would change nothing
// is not sent. It is short, since an edit also finds out that the message was deleted.
const drawnFor = 10 * time.Second

// look identifies what a message shows.
type look [sha256.Size]byte

func lookOf(m *message) look {
	body, err := json.Marshal([]any{m.Content, m.Embeds, m.Components})
	if err != nil {
		panic(err) // unreachable: a message always marshals
	}
	return sha256.Sum256(body)
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

// put records that the message at shows a request as m.
func (s *sights) put(at string, id bot.RequestID, m *message) {
	s.change(at, func(v *sight) { v.request, v.look, v.drawn = id, lookOf(m), time.Now() })
}

func (s *sights) progress(message string, at bot.Ref) {
	s.change(message, func(v *sight) { v.progress = at })
}
