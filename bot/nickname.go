package bot

import (
	"strings"

	"recallbot/recall"
)

// nameRunes is how many characters of the name of a group or a person are shown.
const nameRunes = 40

// nick returns what an account calls itself, in so many characters as a card shows; "" where that
// is not known, or says no more than the id.
func (b *Bot) nick(id recall.UserID) string {
	if b.Nickname == nil || id == "" {
		return ""
	}
	name := strings.TrimSpace(b.Nickname(id))
	if name == string(id) {
		return ""
	}
	return name
}

// who is an id with a nickname beside it, if there is one.
func who(id Span, name string) Line {
	if name == "" {
		return Line{id}
	}
	return Say("card.nick", "id", id, "name", Quote(Cut(name, nameRunes)))
}
