package bot

import "strconv"

// Traits has what the bot must know about a platform. Everything else about it is in its adapter.
type Traits struct {
	ID   Platform
	Name string // as people call it
	// TypesOptions says that commands on the platform have typed options, not text.
	TypesOptions bool
	// Workspace is the workspace of every account on a platform where user ids are global; "" if
	// each workspace has its own.
	Workspace string
	// Announces says that clients announce all that a new message says. Surface.Post then leaves
	// the messages out of a card, and the teller edits it at once: an edit announces nothing.
	Announces bool
	// Typed returns what a person meant by words that they typed, if the platform's clients send
	// something else for some characters; nil if they do not.
	Typed func(words string) string
	// Text has the sentences that only the people of the platform read, in the form of text/en.txt.
	// The bot uses two kinds of them: "refuse.trouble.TROUBLE.ID" in place of the common sentence,
	// and "answer.help.ID" at the end of the help.
	Text string
}

// traits has the platforms of this program. Only Register writes it.
var traits = map[Platform]Traits{}

// Register adds a platform and returns its id. It is called once for each platform, while the
// packages of the program are initialized. It panics if the id, or one of the sentences, exists
// already.
func Register(t Traits) Platform {
	if _, twice := traits[t.ID]; twice || t.ID == "" {
		panic("bot: the platform " + strconv.Quote(string(t.ID)) + " is registered twice, or has no id")
	}
	traits[t.ID] = t
	addSentences(english, string(t.ID), t.Text)
	return t.ID
}

// Traits returns the traits of the platform. A platform that is not part of this program, which an
// old ledger may name, has its id as its name.
func (p Platform) Traits() Traits {
	if t, ok := traits[p]; ok {
		return t
	}
	return Traits{ID: p, Name: string(p)}
}

// TypesOptions reports whether commands on the platform have typed options, not text.
func (p Platform) TypesOptions() bool { return traits[p].TypesOptions }

// Typed returns what a person on the platform meant by words that they typed.
func (p Platform) Typed(words string) string {
	if typed := traits[p].Typed; typed != nil {
		return typed(words)
	}
	return words
}
