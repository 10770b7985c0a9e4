package bot

import "strconv"

// Traits is what a platform tells the bot of itself. Everything else about it stays in its adapter.
type Traits struct {
	ID   Platform
	Name string // for people
	// TypesOptions says that commands are typed options there, not text.
	TypesOptions bool
	// Workspace is that of every account, where user ids are global; "" where each workspace has
	// its own.
	Workspace string
	// Text holds the sentences that only its people read, in the form of text/en.txt. The bot
	// itself says two kinds of them: "refuse.trouble.TROUBLE.ID", in place of the one for every
	// platform, and "answer.help.ID", at the end of the help.
	Text string
}

// traits of the platforms that are part of this program. Only Register writes it.
var traits = map[Platform]Traits{}

// Register makes a platform known and returns its id. It is called while a program initializes its
// packages, once for a platform. It panics for an id, or for a sentence, that is there already.
func Register(t Traits) Platform {
	if _, twice := traits[t.ID]; twice || t.ID == "" {
		panic("bot: the platform " + strconv.Quote(string(t.ID)) + " is registered twice, or has no id")
	}
	traits[t.ID] = t
	addSentences(english, string(t.ID), t.Text)
	return t.ID
}

// Traits returns what the platform tells of itself. One that is no part of this program, as an old
// ledger may name, is called by its id.
func (p Platform) Traits() Traits {
	if t, ok := traits[p]; ok {
		return t
	}
	return Traits{ID: p, Name: string(p)}
}

// TypesOptions reports whether commands are typed options there, not text.
func (p Platform) TypesOptions() bool { return traits[p].TypesOptions }
