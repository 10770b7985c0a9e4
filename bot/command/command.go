package command

import "recallbot/recall"

// A Verb is what a command wants done.
type Verb string

// The verbs. The table in table.go says what each takes.
const (
	VerbRecall   Verb = "recall" // ask for a recall of Scope, for Reason
	VerbForm     Verb = "form"   // /recall alone: a form for the same
	VerbFind     Verb = "find"
	VerbList     Verb = "list"
	VerbShow     Verb = "show"
	VerbWithdraw Verb = "withdraw"
	VerbStop     Verb = "stop"
	VerbHelp     Verb = "help"
	VerbWhoami   Verb = "whoami"
)

// What a list is of, when it is not of a group.
const (
	ListOpen = "open"
	ListMine = "mine"
)

// A Command is one command that was read. Parse and ParseOptions make it; every one that they
// return can be written with Write and read again as the same.
type Command struct {
	Verb      Verb
	Scope     Scope          // VerbRecall, VerbFind
	Reason    string         // VerbRecall: as typed, but for hidden characters; may be empty
	Request   RequestID      // VerbShow, VerbWithdraw, VerbStop
	List      string         // VerbList: ListOpen, ListMine, or the id in ListGroup
	ListGroup recall.GroupID // VerbList of a group, which may itself be named "open"
}
