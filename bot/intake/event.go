package intake

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Event is something a person did on a platform: typed a command, pressed a button, sent a form.
// Its id is the platform's, so that the same event delivered twice acts once.
type Event struct {
	ID    bot.EventID `json:"id"`
	Place bot.Place   `json:"place"`
	Act   Act         `json:"act"`
	// Reply is what the adapter needs to answer the person later (a response URL,
	// an interaction's token). It is a secret, kept only until the event has its answer.
	Reply string `json:"reply,omitempty"`
	// By is the account that acted. Its groups and troubles are not asked of the platform yet;
	// Bot.Do gets them as a Member.
	By bot.Account `json:"by"`
	// Name is what the platform shows for that account.
	Name string `json:"name,omitempty"`
	// Progress, where it is set, is called once when a search takes longer than 2 s, with what to
	// say to the person alone. Bot.Do returns after it has.
	Progress func(bot.Line) `json:"-"`

	// What Read made of the act.
	read    bool
	command command.Command
	mistake *command.Mistake
}

// Read returns the event with the command that was typed or filled in, or the mistake in it, where
// the act is one. An adapter calls it once, when it makes the event, so that a command is parsed
// once however many ask what it says; of an event that was read it does nothing.
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
	return e
}

// Verb is what the command wants done, "" where the act is none or has a mistake.
func (e Event) Verb() command.Verb { return e.Read().command.Verb }

// Decides reports whether the act may change what becomes of a request, so that what is known of
// the account from before does not do.
func (e Event) Decides() bool {
	switch e.Act.Kind {
	case ActApprove, ActReject, ActStop:
		return true
	}
	return e.Verb().Decides()
}

// needs is the right that the act needs.
func (e Event) needs() command.Right {
	switch e.Act.Kind {
	case ActCommand, ActForm:
		return e.Verb().Needs()
	case ActRecallFind:
		return command.RightAsk
	case ActApprove, ActAskApprove, ActReject, ActAskReject, ActStop, ActShowAll, ActTurnFind, ActComplete:
		return command.RightRead
	}
	return command.RightNone // it is refused whoever sent it
}

// ActKind says what a person did.
type ActKind string

// The acts. Those that decide end in Decide whatever their shape: button, form or command.
const (
	ActCommand ActKind = "command" // typed: Command and Text, or Command, Sub and Options
	ActForm    ActKind = "form"    // sent the form of /recall: Options
	// pressed Approve where the platform itself asked once more, or sent the form of it
	ActApprove    ActKind = "approve"
	ActAskApprove ActKind = "ask approve" // pressed Approve where the bot must ask once more: answered by a form
	ActReject     ActKind = "reject"      // sent the form of Reject, or rejected without one
	ActAskReject  ActKind = "ask reject"  // pressed Reject: answered by a form
	ActStop       ActKind = "stop"        // pressed Stop
	ActShowAll    ActKind = "show all"    // pressed Show all, or turned a page of it
	ActTurnFind   ActKind = "turn find"   // turned a page of what a search found: Search and Page
	ActRecallFind ActKind = "recall find" // pressed the button that asks for a recall of what a search found: Search
	ActComplete   ActKind = "complete"    // types a group: Text so far. Never stored; answered from what is known
	// used a button, form or command that the bot never made: refused, and audited
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
	// of the card that was pressed: the first DigestShort characters, or all
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

// AnswerKind says how an adapter answers the person who acted.
type AnswerKind string

// The kinds of answer. All but Accepted and Changed are seen by the person alone.
const (
	Accepted AnswerKind = "accepted" // a card follows in the channel; nothing need be said
	Changed  AnswerKind = "changed"  // the press took effect; the teller draws the card
	Whisper  AnswerKind = "whisper"  // Lines, to the person alone
	ShowForm AnswerKind = "form"     // open Form
	ShowCard AnswerKind = "card"     // Card, to the person alone, with its buttons
	ShowPage AnswerKind = "page"     // Page, to the person alone
	Choices  AnswerKind = "choices"  // Groups, for autocompletion
)

// Answer is what the bot says to the person who acted. The first answer to an event is stored, and
// is the answer to every repeat of it.
type Answer struct {
	Kind  AnswerKind `json:"kind"`
	Lines []bot.Line `json:"lines,omitempty"`
	Form  *Form      `json:"form,omitempty"`
	// the request as it is now: with ShowCard to the person alone, else in the place of the card
	// that was pressed and that the person alone sees (Act.Private)
	Card   *bot.Card `json:"card,omitempty"`
	Page   *Page     `json:"page,omitempty"`
	Groups []string  `json:"groups,omitempty"`
	// Found is kept with the answer to a search, for the buttons of its pages; adapters leave it
	// alone.
	Found *Found `json:"found,omitempty"`
	// Repeated says that the event had its answer already: this is that one, and whoever closed the
	// event gives it to the person.
	Repeated bool `json:"-"`
	// Refused names the reason when the answer is a Refusal or a Mistake; "" otherwise. For tests,
	// metrics and the audit.
	Refused string `json:"refused,omitempty"`
}

// FormKind says what a form is for.
type FormKind string

// The forms.
const (
	FormAsk     FormKind = "ask"     // /recall without arguments; sent as ActForm
	FormApprove FormKind = "approve" // asks once more; sent as ActApprove
	FormReject  FormKind = "reject"  // an optional reason; sent as ActReject
)

// Form is a modal to be filled in. Its inputs are short texts.
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
	Max         int    `json:"max,omitempty"` // characters
}

// Page is one page of the messages of a request, or of what find found.
type Page struct {
	Title   bot.Line      `json:"title"`
	Request bot.RequestID `json:"request,omitempty"`
	Digest  string        `json:"digest,omitempty"`
	Samples []bot.Sample  `json:"samples"`
	Notes   []bot.Line    `json:"notes,omitempty"`
	Number  int           `json:"number"` // from 0
	Of      int           `json:"of"`
	// Search names the search that found these, "" for none: the buttons that turn the page and ask
	// for a recall carry it. It proves nothing.
	Search bot.EventID `json:"search,omitempty"`
	// Recall is the label of the button that asks for a recall of exactly what the search found, on
	// all its pages; "" for no such button.
	Recall string `json:"recall,omitempty"`
}

const (
	findWithin = 60 * time.Second // how long a search may take before the person is told that it failed
	findQuiet  = 2 * time.Second  // how long it may take before the person is told that it goes on
	findShown  = 20               // messages shown at a time
)

// Found is what a search found, kept with its answer for a day: which messages, nothing that they
// say.
type Found struct {
	By       bot.Account    `json:"by"`
	Group    recall.GroupID `json:"group"`
	Topic    recall.TopicID `json:"topic,omitempty"`
	Seqs     command.Ranges `json:"seqs"`
	Callback bool           `json:"callback,omitempty"` // the index was searched, not history
}

// page returns the seqs of page n, newest first, and the number of that page, which is the nearest
// that there is.
func (f Found) page(n int) ([]recall.Seq, int) {
	all := slices.Collect(f.Seqs.All())
	slices.Reverse(all)
	n = min(max(n, 0), (len(all)-1)/findShown)
	return all[n*findShown : min(len(all), (n+1)*findShown)], n
}
