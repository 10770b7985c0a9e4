package command

// A Verb is what a command wants done.
type Verb string

// The verbs. The table in table.go says what each takes.
const (
	VerbRecall   Verb = "recall" // ask for a recall of Scope, for Reason
	VerbForm     Verb = "form"   // /recall alone: a form for the same
	VerbFind     Verb = "find"
	VerbGroups   Verb = "groups"
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
	ListAll  = "all"
)

// A Command is one command that was read. Parse and ParseOptions make it; every one that they
// return can be written with Write and read again as the same.
type Command struct {
	Verb    Verb
	Scope   Scope     // VerbRecall, VerbFind; the group of VerbList
	Reason  string    // VerbRecall: as typed, but for hidden characters; may be empty
	Request RequestID // VerbShow, VerbWithdraw, VerbStop, where it may be ""
	Named   string    // VerbGroups: words in the name or id of a group; may be empty
	List    string    // VerbList: ListOpen, ListMine, ListAll, or "" for that of a group in Scope
}
