package bot

import (
	"errors"
	"slices"
	"strings"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// DigestShort is how many characters of a digest a button carries: enough that no two seals of one
// request meet.
const DigestShort = 16

// Card is a request as people see it, independent of any platform. A platform shows every fact of
// it, in this order: state, notices, facts, samples, warnings, earlier requests, closing facts,
// progress, buttons.
type Card struct {
	ID      RequestID `json:"id"`
	State   State     `json:"state"`
	Version int       `json:"version"`
	Digest  string    `json:"digest,omitempty"`

	Title    Line     `json:"title"`             // the state in words, with the id
	Notices  []Line   `json:"notices,omitempty"` // what must be read first: blind, paused
	Facts    []Fact   `json:"facts"`             // above the messages: group, how many, senders, times
	Samples  []Sample `json:"samples,omitempty"`
	Showing  Line     `json:"showing,omitempty"` // "showing 6 of 340", or that content is only in Show all
	Warnings []Line   `json:"warnings,omitempty"`
	Earlier  []Line   `json:"earlier,omitempty"`
	// the facts below the messages: who asked, the reason, approvals, until when
	Closing  []Fact   `json:"closing,omitempty"`
	Progress Line     `json:"progress,omitempty"`
	Buttons  []Button `json:"buttons,omitempty"`

	// Notify are the approver groups that the first post of the card mentions; the reminder
	// mentions them again. An edit notifies nobody.
	Notify []string `json:"notify,omitempty"`

	// Shown is the state that the edited message shows, or "" if that is not known.
	Shown State `json:"-"`
}

// OnlyProgress reports whether the edited message shows everything of the card but the progress.
// Other edits may go before such an edit.
func (c Card) OnlyProgress() bool { return c.Shown == c.State && len(c.Progress) > 0 }

// Fact is a named fact of a card.
type Fact struct {
	Name  string `json:"name"`
	Value Line   `json:"value"`
}

// Sample is one message as the card shows it.
type Sample struct {
	Seq    uint32    `json:"seq"`
	Sender string    `json:"sender,omitempty"` // text of others
	Sent   time.Time `json:"sent,omitzero"`
	Text   Line      `json:"text,omitempty"`
	Marks  []Line    `json:"marks,omitempty"` // already recalled, does not exist, protected sender, ...
	// Skipped is how many messages are left out before this one.
	Skipped int `json:"skipped,omitempty"`
}

// ButtonKind says what a button does.
type ButtonKind string

// The buttons of a card.
const (
	ButtonApprove ButtonKind = "approve"
	ButtonReject  ButtonKind = "reject"
	ButtonShowAll ButtonKind = "show_all"
	ButtonStop    ButtonKind = "stop"
)

// Button is a button of a card. Its payload is opaque to platforms and proves nothing: the id of
// the request and the short digest.
type Button struct {
	Kind  ButtonKind `json:"kind"`
	Label string     `json:"label"`
	// Speech is the label for screen readers, at most 75 characters.
	Speech string `json:"speech"`
	// Confirm is the question that a platform asks before the button takes effect, if it can ask;
	// nil for none.
	Confirm *Confirm `json:"confirm,omitempty"`
}

// Confirm is what a platform asks before a button takes effect.
type Confirm struct {
	Title string `json:"title"`
	Text  string `json:"text"`
	Yes   string `json:"yes"`
	No    string `json:"no"`
}

// Note is a message in the thread of a card.
type Note struct {
	Key   string // the same for the same post, so that a platform can tell a repeat
	Lines []Line
	// File is attached to the note; nil for none.
	File *File
	// Mention notifies one account: the requester, once, when it ends. Nil for nobody.
	Mention *Account
	// Notify mentions the approver groups, for the reminder.
	Notify []string
	// Loud shows the note in the channel as well (the reminder).
	Loud bool
}

// File is a file in a thread.
type File struct {
	Name  string
	Type  string // a media type
	Title string
	Body  []byte
}

// samplesShown is how many messages a card shows at most. Of a larger request it shows the first
// and the last samplesEnds.
const (
	samplesShown = 10
	samplesEnds  = 3
	sampleRunes  = 200 // characters of one message on a card
)

// Card returns the card of a request from its state in tx. version is the version that the view
// should show.
func (b *Bot) Card(tx Tx, r Request, version int) (Card, error) {
	c := Card{
		ID: r.ID, State: r.State, Version: version, Digest: r.Digest,
		Title:   title(r),
		Facts:   facts(r),
		Closing: closing(r),
		Notify:  GroupsOf(b.Policy.Crowds[r.Place.Platform].Approvers),
	}
	paused, err := tx.Paused(r.App)
	if err != nil {
		return Card{}, err
	}
	c.Notices = notices(r, paused)
	c.Warnings = warnings(r, b.Policy)
	for _, e := range r.Earlier {
		key, args := "card.earlier", []any{"id", e.ID, "state", Say("state." + string(e.State)), "who", ActorName(e.By),
			"when", e.Ended}
		if e.Reason != "" {
			key, args = "card.earlier.reason", append(args, "reason", Quote(Cut(e.Reason, 200)))
		}
		c.Earlier = append(c.Earlier, Say(key, args...))
	}
	if n := r.EarlierMore; n > 0 {
		c.Earlier = append(c.Earlier, Say("card.earlier.more", "n", n))
	}
	if r.Digest != "" {
		if err := b.samples(tx, r, &c); err != nil {
			return Card{}, err
		}
	}
	if r.State == Running || r.State == Stopping || r.State.HasReceipt() {
		if err := progress(tx, r, &c); err != nil {
			return Card{}, err
		}
	}
	c.Buttons = buttons(r)
	return c, nil
}

func title(r Request) Line {
	key := "card." + string(r.State)
	switch {
	case r.State == Stopped && r.EndedBy.Zero():
		key += ".alone"
	case r.State == Stopping && r.EndedBy.Zero():
		key += ".alone"
	}
	who, when := ActorName(r.EndedBy), r.Ended
	if r.State == Approved || r.State == Running || r.State == Done || r.State == NotStarted {
		who = people(r.Approvals)
	}
	if r.State == Done {
		when = r.Granted
	}
	return Say(key, "id", r.ID, "who", who, "when", when, "within", r.Policy.StartWithin, "n", r.Awaits())
}

func notices(r Request, paused *Pause) []Line {
	var l []Line
	if r.Blind {
		l = append(l, Say("card.notice.blind", "n", r.Tally.Unread))
		if r.Group.Type != "" && !r.Group.Type.HasHistory() {
			l = append(l, Say("card.notice.blind.history"))
		}
	}
	if paused != nil && r.State.Open() {
		l = append(l, Say("card.notice.paused", "code", CodeWords(paused.Code), "words",
			Quote(Cut(ApiWords(paused.Code, paused.Info), 200)), "when", paused.Since))
	}
	if r.Waiting != nil && paused == nil {
		l = append(l, Say("card.notice.waiting", "why", r.Waiting, "till", r.Asked.Add(r.Policy.StartWithin)))
	}
	if r.State == Refused {
		l = append(l, r.RefusedFor)
	}
	if r.State == Rejected && r.EndReason != "" {
		l = append(l, Say("card.notice.rejected", "reason", Quote(Cut(r.EndReason, 500))))
	}
	if r.Tally.Unchecked && r.State == Proposed {
		l = append(l, Say("card.notice.unchecked"))
	}
	return l
}

func facts(r Request) []Fact {
	group := Say("card.fact.group.value", "group", Code(string(r.Scope.Group)), "name", Quote(Cut(r.Group.Name, 100)))
	if r.Group.Type != "" {
		key := "card.fact.group.type"
		if r.Group.Members == 0 {
			key = "card.fact.group.type.only"
		}
		group = append(group, Span{Kind: Words, Text: " ("})
		group = append(group, Say(key, "type", Quote(string(r.Group.Type)), "n", r.Group.Members)...)
		group = append(group, Span{Kind: Words, Text: ")"})
	}
	l := []Fact{{Say("card.fact.group").String(), group}}
	if r.Scope.Topic != "" {
		l = append(l, Fact{Say("card.fact.topic").String(), Line{Code(string(r.Scope.Topic))}})
	}
	seqs := Code(Cut(r.Covers.String(), 600))
	messages := Say("card.fact.messages").String()
	switch {
	case r.Digest == "" && r.Scope.Filter.IsZero():
		l = append(l, Fact{messages, Say("card.fact.messages.asked", "n", r.Covers.Count(), "seqs", seqs)})
	case r.Digest == "":
		l = append(l, Fact{messages, Say("card.fact.messages.filter", "filter", filterWords(r.Scope.Filter))})
	case r.Tally.Send == r.Tally.Total:
		l = append(l, Fact{messages, Say("card.fact.messages.sealed.all", "n", r.Tally.Total, "seqs", seqs)})
	case r.State == Proposed:
		l = append(l, Fact{messages, Say("card.fact.messages.sealed", "send", r.Tally.Send, "n", r.Tally.Total, "seqs",
			seqs)})
	default:
		l = append(l, Fact{messages, Say("card.fact.messages.sent", "send", r.Tally.Send, "n", r.Tally.Total, "seqs",
			seqs)})
	}
	if len(r.Tally.Senders) > 0 {
		var who Line
		for i, s := range r.Tally.Senders[:min(len(r.Tally.Senders), 10)] {
			if i > 0 {
				who = append(who, Span{Kind: Words, Text: ", "})
			}
			who = append(who, Say("card.fact.senders.one", "who", Quote(string(s.ID)), "n", s.N)...)
		}
		if others := r.Tally.Others + max(0, len(r.Tally.Senders)-10); others > 0 {
			who = append(who, Span{Kind: Words, Text: " "})
			who = append(who, Say("card.fact.senders.others", "n", others)...)
		}
		l = append(l, Fact{Say("card.fact.senders").String(), who})
	}
	if !r.Tally.First.IsZero() {
		key := "card.fact.times.span"
		if r.Tally.First.Equal(r.Tally.Last) {
			key = "card.fact.times.one"
		}
		l = append(l, Fact{Say("card.fact.times").String(), Say(key, "first", r.Tally.First, "last", r.Tally.Last)})
	}
	return l
}

func closing(r Request) []Fact {
	l := []Fact{{Say("card.fact.by").String(), Say("card.fact.by.value", "who", ActorName(r.By), "when", r.Asked)}}
	if r.Reason != "" {
		l = append(l, Fact{Say("card.fact.reason").String(), Line{Quote(Cut(r.Reason, 500))}})
	}
	if r.Needed > 0 {
		v := Say("card.fact.approvals.none", "need", r.Needed)
		if len(r.Approvals) > 0 {
			v = Say("card.fact.approvals.value", "have", len(r.Approvals), "need", r.Needed, "who", people(r.Approvals))
		}
		l = append(l, Fact{Say("card.fact.approvals").String(), v})
	}
	if r.State == Proposed {
		l = append(l, Fact{Say("card.fact.deadline").String(), Line{At(r.Deadline)}})
	}
	return l
}

// filterWords returns a filter for a card. Notifications read the facts of a card aloud and must
// not show content, so the phrase is left out.
func filterWords(f command.Filter) Line {
	return Line{Code(Cut(f.WithoutText().String(), 300))}
}

func warnings(r Request, p Policy) []Line {
	var l []Line
	if r.Group.New {
		l = append(l, Say("card.warn.new"))
	}
	if r.Tally.Protected > 0 {
		l = append(l, Say("card.warn.protected", "n", r.Tally.Protected, "seqs",
			Code(Cut(r.Tally.Shielded.String(), 300))))
	}
	if n := len(r.Tally.Senders) + r.Tally.Others; n > 1 {
		l = append(l, Say("card.warn.senders", "n", n))
	}
	if r.Group.Type != "" && !r.Group.Type.HasHistory() {
		l = append(l, Say("card.warn.avchatroom"))
	}
	if n := r.Tally.Callback; n > 0 {
		l = append(l, Say("card.warn.callback", "n", n))
	}
	if n := r.StillShown.Count(); n > 0 {
		l = append(l, Say("card.warn.still", "n", n, "seqs", Code(Cut(r.StillShown.String(), 300))))
	}
	if r.State == Proposed && !r.Tally.First.IsZero() && r.Sealed.Sub(r.Tally.First) > 6*24*time.Hour {
		l = append(l, Say("card.warn.retention"))
	}
	return l
}

// samples puts the messages on the card: all up to samplesShown, else the first and last few.
func (b *Bot) samples(tx Tx, r Request, c *Card) error {
	var shown []Message
	if r.Tally.Total <= samplesShown {
		all, err := tx.Messages(r.ID, 0, samplesShown)
		if err != nil {
			return err
		}
		shown = all
	} else {
		first, err := tx.Messages(r.ID, 0, samplesEnds)
		if err != nil {
			return err
		}
		last, err := tx.Messages(r.ID, r.Covers.FromEnd(samplesEnds), samplesEnds)
		if err != nil {
			return err
		}
		shown = append(first, last...)
	}
	skipped := r.Tally.Total - len(shown)
	removals, err := RemovalsOf(tx, r, shown)
	if err != nil {
		return err
	}
	for i, m := range shown {
		s := b.Sample(m, r, removals, sampleRunes, !b.OnRequest)
		if skipped > 0 && i == samplesEnds {
			s.Skipped = skipped
		}
		c.Samples = append(c.Samples, s)
	}
	forgotten := false
	if !r.State.Open() {
		_, err := tx.EvidenceKey(r.ID)
		if forgotten = errors.Is(err, ErrNotFound); err != nil && !forgotten {
			return err
		}
	}
	switch {
	case b.OnRequest || b.Evidence == EvidenceHash:
		c.Showing = Say("card.showing.hidden")
	case forgotten:
		c.Showing = Say("card.showing.forgotten")
	case skipped > 0:
		c.Showing = Say("card.showing.some", "shown", len(shown), "n", r.Tally.Total)
	}
	return nil
}

// HideContent returns the card without the content of the messages, as with
// CARD_CONTENT=on-request. had reports whether there was any.
func HideContent(c Card) (plain Card, had bool) {
	c.Samples = slices.Clone(c.Samples)
	for i := range c.Samples {
		had = had || c.Samples[i].Text != nil
		c.Samples[i].Text = nil
	}
	c.Showing = Say("card.showing.hidden")
	return c, had
}

// Sample returns one message as the card shows it. Marks say what is special about it. That a
// message will not be sent is said only before the sending.
//
// A recall that only a callback reports is shown where history does not say otherwise, or has not
// been asked since. Such a callback alone does not keep the message from being sent.
func (b *Bot) Sample(m Message, r Request, removals map[recall.Seq]Removal, runes int, text bool) Sample {
	out := Sample{Seq: uint32(m.Seq), Sender: string(m.Sender), Sent: m.Sent}
	if text && m.Evidence != "" {
		out.Text = Line{Quote(Cut(m.Evidence, runes))}
	}
	was, removed := removals[m.Seq]
	var mark Line
	switch {
	case m.Status == SealRecalled && removed:
		mark = Say("card.mark.recalled.when", "when", was.At)
	case m.Status != SealNormal:
		mark = Say("card.mark." + string(m.Status))
	}
	if !m.Sends() && (r.State == Proposed || r.State == Approved) {
		mark = Say("card.mark.withheld", "mark", mark)
	}
	if mark != nil {
		out.Marks = append(out.Marks, mark)
	}
	if removed && m.Sends() && (m.Callback || m.Status == SealUnread || was.Came.After(m.Read)) {
		out.Marks = append(out.Marks, Say("card.mark.removed", "when", was.At))
	}
	if m.Admin {
		out.Marks = append(out.Marks, Say("card.mark.admin"))
	}
	if m.Callback {
		out.Marks = append(out.Marks, Say("card.mark.callback"))
	}
	if m.Outcome.Settled() {
		out.Marks = []Line{m.Outcome.Words()}
	}
	return out
}

func progress(tx Tx, r Request, c *Card) error {
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return err
	}
	total, done := 0, 0
	for class, n := range counts {
		total += n
		if class != "" {
			done += n
		}
	}
	parts := sums(counts, false)
	if done == 0 {
		c.Progress = Say("card.progress.none", "total", total)
		return nil
	}
	c.Progress = Say("card.progress", "done", done, "total", total, "rest", parts)
	if r.Confirming() {
		c.Progress = append(c.Progress, Span{Kind: Words, Text: "; "})
		c.Progress = append(c.Progress, Say("card.progress.confirming")...)
	}
	if r.State == Running && done < total && !r.Begun.IsZero() {
		if spent := tx.Now().Sub(r.Begun); spent > 3*time.Second {
			left := time.Duration(float64(spent) / float64(done) * float64(total-done))
			c.Progress = append(c.Progress, Span{Kind: Words, Text: "; "})
			c.Progress = append(c.Progress, Say("card.progress.left", "left", left.Round(time.Second))...)
		}
	}
	return nil
}

// sums returns counts by class, such as "339 recalled, 1 not found". With all set it has every
// class, as in a receipt.
func sums(counts map[Class]int, all bool) Line {
	var l Line
	for _, class := range Classes() {
		if counts[class] == 0 && !all {
			continue
		}
		if l != nil {
			sep := ", "
			if all {
				sep = " + "
			}
			l = append(l, Span{Kind: Words, Text: sep})
		}
		l = append(l, Say("note.summary", "n", counts[class], "words", Say("class."+string(class)))...)
	}
	return l
}

func buttons(r Request) []Button {
	speech := func(kind string) string {
		return Say("button."+kind+".speech", "id", r.ID, "n", r.Tally.Send).String()
	}
	label := func(kind string) string { return Say("button." + kind).String() }
	showAll := Button{Kind: ButtonShowAll, Label: label("show_all"), Speech: speech("show_all")}
	if r.Confirming() {
		return []Button{showAll} // there is nothing left to stop
	}
	switch r.State {
	case Proposed:
		where := r.Scope.Group
		return []Button{
			{Kind: ButtonApprove, Label: label("approve"), Speech: speech("approve"), Confirm: &Confirm{
				Title: Say("confirm.approve.title", "n", r.Tally.Send).String(),
				Text: BlindFirst(r, Say("confirm.approve.text", "n", r.Tally.Send, "group",
					Code(string(where)))).String(),
				Yes: Say("confirm.approve.yes").String(), No: Say("confirm.no").String(),
			}},
			{Kind: ButtonReject, Label: label("reject"), Speech: speech("reject")},
			showAll,
		}
	case Approved, Running:
		return []Button{
			{Kind: ButtonStop, Label: label("stop"), Speech: speech("stop"), Confirm: &Confirm{
				Title: Say("confirm.stop.title").String(), Text: Say("confirm.stop.text", "id", r.ID).String(),
				Yes: Say("confirm.stop.yes").String(), No: Say("confirm.no").String(),
			}},
			showAll,
		}
	case Preparing:
		return nil
	}
	if r.Digest == "" {
		return nil
	}
	return []Button{showAll}
}

// BlindFirst adds in front of a line that the request is blind, if it is. Cards have a notice for
// that.
func BlindFirst(r Request, l Line) Line {
	if !r.Blind {
		return l
	}
	return slices.Concat(Say("blind.first", "n", r.Tally.Unread), Line{{Kind: Words, Text: " "}}, l)
}

// GroupsOf returns the user groups and roles of a list, in the order of the list.
func GroupsOf(list []Principal) []string {
	var l []string
	for _, p := range list {
		if p.Group != "" {
			l = append(l, p.Group)
		}
	}
	return l
}

// RemovalsOf returns the recalls of these messages that callbacks reported.
func RemovalsOf(tx Tx, r Request, messages []Message) (map[recall.Seq]Removal, error) {
	seqs := make([]recall.Seq, len(messages))
	for i, m := range messages {
		seqs[i] = m.Seq
	}
	return tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, seqs, time.Time{})
}

// Receipt is the final account of a request, or how it ended without one.
func (b *Bot) Receipt(tx Tx, r Request) ([]Line, error) {
	if !r.State.HasReceipt() {
		key := "note.ended." + string(r.State)
		if r.State == Rejected && r.EndReason != "" {
			key += ".reason"
		}
		return []Line{Say(key, "id", r.ID, "who", ActorName(r.EndedBy), "why", r.RefusedFor, "reason",
			Quote(Cut(r.EndReason, 500)))}, nil
	}
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return nil, err
	}
	l := []Line{Say("note.receipt.title", "number", r.Receipt, "id", r.ID)}
	if r.Blind {
		l = append(l, Say("note.receipt.blind", "n", r.Tally.Unread))
	}
	l = append(l, Say("note.receipt.sum", "total", r.Tally.Total, "sum", sums(counts, true)))
	if n := counts[ClassRecalled]; n > 0 {
		rests, err := tx.Rests(r.ID)
		if err != nil {
			return nil, err
		}
		l = append(l, Say("note.receipt.confirmed", "n", n, "callback", rests[ByCallback], "history", rests[ByHistory],
			"answer", rests[ByAnswer]))
	}
	if n := r.StillShown.Count(); n > 0 {
		l = append(l, Say("note.receipt.still", "n", n, "seqs", Code(Cut(r.StillShown.String(), 300))))
	}
	l = append(l, Say("note.receipt.asked", "who", ActorName(r.By), "when", r.Asked))
	var who Line
	for i, a := range r.Approvals {
		if i > 0 {
			who = append(who, Span{Kind: Words, Text: ", "})
		}
		who = append(who, Say("note.receipt.approved.one", "who", ActorName(a.By), "when", a.At)...)
	}
	l = append(l, Say("note.receipt.approved", "who", who))
	if !r.EndedBy.Zero() {
		l = append(l, Say("note.receipt.stopped", "who", ActorName(r.EndedBy)))
	}
	l = append(l, Say("note.receipt.ended", "when", r.Ended))
	n, hash, _ := strings.Cut(r.AuditHead, " ")
	return append(l, Say("note.receipt.audit", "n", Span{Kind: Words, Text: n}, "hash", Code(hash))), nil
}
