package intake

import (
	"cmp"
	"errors"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Event is something a person did on a platform: they typed a command, pressed a button or sent a
// form. Its id is the platform's, so that an event that is delivered twice is applied once.
type Event struct {
	ID    bot.EventID `json:"id"`
	Place bot.Place   `json:"place"`
	Act   Act         `json:"act"`
	// Reply is what the adapter needs to answer the person later (a response URL, an interaction's
	// token). It is a secret, and is kept only until the event has its answer.
	Reply string `json:"reply,omitempty"`
	// By is the account that acted. Its groups and troubles have not been read from the platform
	// yet; Intake.Do gets them as a Member.
	By bot.Account `json:"by"`
	// Name is the name that the platform shows for that account.
	Name string `json:"name,omitempty"`
	// Progress, if it is set, is called once when a search takes longer than 2 s, with a line for
	// the person alone. Intake.Do returns after that call has returned.
	Progress func(bot.Line) `json:"-"`

	// The result of Read.
	read    bool
	command command.Command
	mistake *command.Mistake
}

// Read returns the event with its command parsed, or with the mistake in the command. An adapter
// calls it once, when it creates the event, so that a command is parsed only once. For an event
// that has been read it does nothing.
func (e Event) Read() Event {
	if e.read {
		return e
	}
	e.read = true
	var err error
	switch {
	case e.Act.Kind == ActCommand && e.Act.Options == nil && e.Act.Sub == "":
		e.command, err = command.Parse(e.Act.Command, e.Act.Text)
	case e.Act.Kind == ActCommand:
		e.command, err = command.ParseOptions(cmp.Or(e.Act.Command, "recall"), e.Act.Sub, e.Act.Options)
	case e.Act.Kind == ActForm:
		e.command, err = command.ParseForm(e.Act.Options, e.Place.Platform.TypesOptions())
	}
	if m, ok := errors.AsType[*command.Mistake](err); ok {
		e.command, e.mistake = command.Command{}, m
	}
	e.command.Scope.Filter.Text = e.Place.Platform.Typed(e.command.Scope.Filter.Text)
	return e
}

// Verb returns the verb of the command, or "" if the act is not a command or has a mistake.
func (e Event) Verb() command.Verb { return e.Read().command.Verb }

// Decides reports whether the act may change the state of a request. If so, what an earlier answer
// of the platform said about the account is not enough.
func (e Event) Decides() bool {
	switch e.Act.Kind {
	case ActApprove, ActReject, ActAskReject, ActStop, ActUse, ActAskAgain, ActAskWithout:
		return true
	}
	return e.Verb().Decides()
}

// Asks reports whether the act may ask for a recall. If so, it matters who could approve.
func (e Event) Asks() bool {
	switch e.Act.Kind {
	case ActForm, ActUse, ActAskAgain, ActAskWithout, ActRecallFind, ActRecallKind,
		ActRecallReplies:
		return true
	}
	return e.Verb() == command.VerbRecall
}

// needs returns the right that the act needs.
func (e Event) needs() command.Right {
	switch e.Act.Kind {
	case ActCommand, ActForm, ActUse:
		return e.Verb().Needs()
	case ActRecallFind, ActRecallKind, ActRecallReplies, ActAskAgain, ActAskWithout, ActAskSweep:
		return command.RightAsk
	case ActApprove, ActAskApprove, ActReject, ActAskReject, ActStop, ActShowAll, ActTurnFind, ActComplete:
		return command.RightRead
	}
	return command.RightNone // it is refused for everybody
}

// ActKind says what a person did.
type ActKind string

// The kinds of act. An act that decides goes through bot.Decide, whether it is a button, a form or
// a command.
const (
	ActCommand ActKind = "command" // typed: Command and Text, or Command, Sub and Options
	ActForm    ActKind = "form"    // sent the form of /recall: Options
	// pressed Approve on a platform that asked for a confirmation itself, or sent the form of
	// Approve
	ActApprove ActKind = "approve"
	// pressed Approve on a platform that asks for no confirmation itself: answered by a form
	ActAskApprove ActKind = "ask approve"
	ActReject     ActKind = "reject" // sent the form of Reject, or rejected without one
	// pressed Reject: answered by a form, or by taking the request back if its requester pressed it
	ActAskReject ActKind = "ask reject"
	ActStop      ActKind = "stop" // pressed Stop
	// pressed Ask again: a new request of whoever pressed, for what is left of Request
	ActAskAgain ActKind = "ask again"
	// pressed Ask again without: the same, without the messages that are unlike the rest
	ActAskWithout ActKind = "ask without"
	ActShowAll    ActKind = "show all"    // pressed Show all, or turned a page of it
	ActTurnFind   ActKind = "turn find"   // turned a page of what a search found: Search and Page
	ActRecallFind ActKind = "recall find" // pressed the button that asks for a recall of what a search found: Search
	// pressed the button that asks for a recall of one kind of what a search found: Search, and its
	// number as Page
	ActRecallKind ActKind = "recall kind"
	// pressed the button that asks for a recall of what quotes the messages of a request
	ActRecallReplies ActKind = "recall replies"
	// pressed the button that opens the form for everything of a sender: Text
	ActAskSweep ActKind = "ask sweep"
	ActComplete ActKind = "complete" // types a group: Text so far. Never stored; answered from what is known
	// pressed the button of a command that an answer offered: Search is the event of that answer,
	// Page the number of the command
	ActUse ActKind = "use"
	// used a button or form that the bot never made, a command that it does not have (Command), or
	// another action of the platform (Sub): refused, and audited
	ActForged ActKind = "forged"
)

// Act is what a person did, as the adapter understood it.
type Act struct {
	Kind    ActKind           `json:"kind"`
	Command string            `json:"command,omitempty"` // recall or recalls
	Text    string            `json:"text,omitempty"`    // as typed, where commands are text
	Sub     string            `json:"sub,omitempty"`     // the subcommand, where commands are typed options
	Options map[string]string `json:"options,omitempty"` // typed options by name; nil where commands are text

	Request bot.RequestID `json:"request,omitempty"`
	// the digest of the pressed card: its first DigestShort characters, or all
	Digest string      `json:"digest,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Count  string      `json:"count,omitempty"` // the number of messages, as the person typed it; checked when Typed
	Typed  bool        `json:"typed,omitempty"`
	Page   int         `json:"page,omitempty"`   // of Show all, or of a search, from 0
	Search bot.EventID `json:"search,omitempty"` // Page.Search of the page whose button was pressed
	// the message whose button was pressed; of one that the person alone sees, its channel alone
	Card bot.Ref `json:"card,omitzero"`
}

// Private reports whether the button stood under a message that the person alone sees.
func (a Act) Private() bool { return a.Card.Channel != "" && a.Card.Message == "" }

// OfLines reports whether the button stood below lines that the person alone sees. The answer to it
// replaces them where the press took effect.
func (a Act) OfLines() bool { return a.Private() && a.Kind == ActStop && a.Digest == "" }

// AnswerKind says how an adapter answers the person who acted.
type AnswerKind string

// The kinds of answer. All but Accepted and Changed are shown to the person alone.
const (
	Accepted AnswerKind = "accepted" // a card follows in the channel; no answer is needed
	Changed  AnswerKind = "changed"  // the press took effect; the teller renders the card
	Whisper  AnswerKind = "whisper"  // Lines, to the person alone
	ShowForm AnswerKind = "form"     // open Form
	ShowCard AnswerKind = "card"     // Card, to the person alone, with its buttons
	ShowPage AnswerKind = "page"     // Page, to the person alone
	Choices  AnswerKind = "choices"  // Groups, for autocompletion
)

// Answer is the bot's answer to the person who acted. The first answer to an event is stored, and
// is the answer to every repeat of the event.
type Answer struct {
	Kind  AnswerKind `json:"kind"`
	Lines []bot.Line `json:"lines,omitempty"`
	Form  *Form      `json:"form,omitempty"`
	// Card is the request as it is now. With ShowCard it is shown to the person alone; otherwise it
	// replaces the pressed card if that card is shown to the person alone (Act.Private).
	Card   *bot.Card `json:"card,omitempty"`
	Page   *Page     `json:"page,omitempty"`
	Groups []Choice  `json:"groups,omitempty"`
	Offer  *Offer    `json:"offer,omitempty"`
	// Tell says that the person of a Changed answer is told its Lines even if the card shows that
	// the press took effect.
	Tell bool `json:"tell,omitempty"`
	// Request is the request that was asked for, if the kind is Accepted: bot.Surface.Progress may
	// later replace the answer.
	Request bot.RequestID `json:"request,omitempty"`
	// Found is kept with the answer to a search, for the buttons of its pages. Adapters ignore it.
	Found *Found `json:"found,omitempty"`
	// Repeated says that the event already had an answer, which is this one. Whoever closed the
	// event gives it to the person.
	Repeated bool `json:"-"`
	// Refused names the reason if the answer is a Refusal or a Mistake, and is "" otherwise. It is
	// for tests, metrics and the audit log.
	Refused string `json:"refused,omitempty"`
	// Input is the input of the sent form that a Refusal or Mistake is about, and is "" if no form
	// was sent. A platform may show the answer there.
	Input string `json:"input,omitempty"`
}

// Choice is a group that an autocompletion offers.
type Choice struct {
	Group string `json:"group"`
	Name  string `json:"name,omitempty"` // chosen by others, with nothing hidden in it
}

// FormKind says what a form is for.
type FormKind string

// The forms.
const (
	FormAsk     FormKind = "ask"     // /recall without arguments; sent as ActForm
	FormApprove FormKind = "approve" // asks for a confirmation; sent as ActApprove
	FormReject  FormKind = "reject"  // an optional reason; sent as ActReject
)

// Form is a modal dialog. Its inputs are short texts.
type Form struct {
	Kind    FormKind      `json:"kind"`
	Title   string        `json:"title"` // adapters cut it
	Submit  string        `json:"submit"`
	Inputs  []Input       `json:"inputs"`
	Request bot.RequestID `json:"request,omitempty"`
	Digest  string        `json:"digest,omitempty"`
}

// Input is one line of a form. Name is the option's name (group, what, topic, reason, count).
type Input struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Placeholder string `json:"placeholder,omitempty"`
	Required    bool   `json:"required,omitempty"`
	Long        bool   `json:"long,omitempty"`
	Max         int    `json:"max,omitempty"`   // characters
	Value       string `json:"value,omitempty"` // with which it is opened
}

// Page is one page of the messages of a request, or of what a search found.
type Page struct {
	Title   bot.Line      `json:"title"`
	Request bot.RequestID `json:"request,omitempty"`
	Digest  string        `json:"digest,omitempty"`
	Samples []bot.Sample  `json:"samples"`
	Notes   []bot.Line    `json:"notes,omitempty"`
	Number  int           `json:"number"` // from 0
	Of      int           `json:"of"`
	// Search names the search that found these messages, and is "" if no search did. The buttons
	// that turn the page and that ask for a recall carry it. It proves nothing.
	Search bot.EventID `json:"search,omitempty"`
	// Sweep is the sender for whom the page has a button that opens the form for everything of
	// theirs; "" for none.
	Sweep string `json:"sweep,omitempty"`
	// Recall is the label of the button that asks for a recall of exactly what the search found, on
	// all its pages, or of what quotes the messages of the request. It is "" if there is no such
	// button.
	Recall string `json:"recall,omitempty"`
	// Kinds are the labels of the buttons that ask for a recall of exactly one kind of what the
	// search found; "" for one that has no button.
	Kinds []string `json:"kinds,omitempty"`
	// Without is the label of the button that asks for the messages of the request again without
	// those that are unlike the rest; "" if there is no such button.
	Without string `json:"without,omitempty"`
}

// Found is the result of a search, kept with its answer for a day: the numbers of the messages, and
// none of their content.
type Found struct {
	By       bot.Account    `json:"by"`
	Group    recall.GroupID `json:"group"`
	Topic    recall.TopicID `json:"topic,omitempty"`
	Seqs     command.Ranges `json:"seqs"`
	Callback bool           `json:"callback,omitempty"` // the index was searched, not history
	// Parts are what a sweep found in place of Seqs, and Sweep is the command that found it.
	Parts []bot.Part      `json:"parts,omitempty"`
	Sweep command.Command `json:"sweep,omitzero"`
	// Outside has the messages whose text does not have the phrase, with what has it.
	Outside map[recall.Seq]recall.PartOf `json:"outside,omitempty"`
	// Kinds are what the messages were folded into, without what they say; nil where they were not.
	// Of are the messages of each of those kinds that has a button, by their part.
	Kinds *bot.Kinds               `json:"kinds,omitempty"`
	Of    []map[int]command.Ranges `json:"of,omitempty"`
}

// Offer is what a person can do by a button under an answer, as if they had typed it: one button a
// command. It is kept with the answer for a day.
type Offer struct {
	Event    bot.EventID       `json:"event"` // whose answer it is
	By       bot.Account       `json:"by"`    // nobody else can use it
	Commands []command.Command `json:"commands"`
	// Names are the labels of the buttons; nil if they only count the commands.
	Names []string `json:"names,omitempty"`
}

// Labels returns the labels of the buttons, one for each command. It returns none for a nil Offer.
func (o *Offer) Labels() (labels []string) {
	switch {
	case o == nil:
		return nil
	case o.Names != nil:
		return o.Names
	case len(o.Commands) == 1:
		return []string{bot.Say("button.use.one").String()}
	}
	for i := range o.Commands {
		labels = append(labels, bot.Say("button.use", "n", i+1).String())
	}
	return labels
}
