package bot

import (
	"slices"
	"strings"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// DigestShort is how many characters of a digest a button carries: enough that no two seals of one
// request meet.
const DigestShort = 16

// Card is a request as people see it, independent of any platform. Who decides reads it on a phone,
// so what is decided comes first: what, how many and where, who asks and why, until when, what is
// unusual, and then the messages, one line each. A platform shows every fact of it in the order of
// these fields. Where buttons can only end a message, what is small stands above them.
type Card struct {
	ID      RequestID `json:"id"`
	State   State     `json:"state"`
	Version int       `json:"version"`
	Digest  string    `json:"digest,omitempty"`

	Title   Line     `json:"title"`             // the headline, with the sign of the state
	Head    []Line   `json:"head"`              // who asked and why, who approved, how it goes or ended
	Call    Line     `json:"call,omitempty"`    // how many people must approve, until when; Notify stand before it
	Unusual []Line   `json:"unusual,omitempty"` // bold: blind, paused, protected, ...
	Samples []Sample `json:"samples,omitempty"`
	Below   []Line   `json:"below,omitempty"` // what to know of the messages: senders, times, what is left out
	Buttons []Button `json:"buttons,omitempty"`
	Small   []Line   `json:"small"` // ids, type and size of the group, numbers, earlier requests; one after the other

	// Notify are the approver groups that the first post of the card mentions; the reminder
	// mentions them again. An edit notifies nobody.
	Notify []string `json:"notify,omitempty"`

	// Shown is the state that the edited message shows, or "" if that is not known.
	Shown State `json:"-"`
}

// OnlyProgress reports whether the edited message shows everything of the card but the progress.
// Other edits may go before such an edit.
func (c Card) OnlyProgress() bool {
	return c.Shown == c.State && (c.State == Running || c.State == Stopping)
}

// Sample is one message as the card shows it.
type Sample struct {
	Seq    uint32    `json:"seq"`
	Sender string    `json:"sender,omitempty"` // text of others
	Name   string    `json:"name,omitempty"`   // what the sender calls itself; "" where that is not known
	Sent   time.Time `json:"sent,omitzero"`    // in Show all; a card has the times of all messages in one line
	Text   Line      `json:"text,omitempty"`
	Marks  []Line    `json:"marks,omitempty"` // already recalled, does not exist, protected sender, ...
	// Skipped is how many messages are left out before this one.
	Skipped int `json:"skipped,omitempty"`
	// Alike is how many messages read like this one and are shown with it; 0 for a message by
	// itself. Such a line has no number and no sender.
	Alike int `json:"alike,omitempty"`
	// Above is a bold line above this one: what the next samples are.
	Above Line `json:"above,omitempty"`
}

// Who names the sender of the message: the id, and beside it the nickname, each in a frame of its
// own.
func (s Sample) Who() Line { return who(Quote(s.Sender), s.Name) }

// NameSenders sets the nicknames of those who sent the messages, as far as they are known.
func (b *Bot) NameSenders(samples []Sample) {
	for i, s := range samples {
		samples[i].Name = b.nick(recall.UserID(s.Sender))
	}
}

// Accounts are those whose nicknames the card of r shows, as far as they are known.
func (c Card) Accounts(r Request) (ids []recall.UserID) {
	if r.Scope.Sweeps() {
		ids = append(ids, r.Scope.Filter.From)
	}
	for _, s := range c.Samples {
		if s.Sender != "" {
			ids = append(ids, recall.UserID(s.Sender))
		}
	}
	return ids
}

// ButtonKind says what a button does.
type ButtonKind string

// The buttons of a card.
const (
	ButtonApprove ButtonKind = "approve"
	ButtonReject  ButtonKind = "reject"
	ButtonShowAll ButtonKind = "show_all"
	ButtonStop    ButtonKind = "stop"
	// ButtonAskAgain makes a new request, of whoever presses it, for what is left of an old one.
	ButtonAskAgain ButtonKind = "ask_again"
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

// samplesShown is how many messages a card shows at most. Of more that could not be read it shows
// the first and the last samplesEnds.
const (
	samplesShown   = UnfoldedMost
	samplesEnds    = 3
	sampleRunes    = 500 // characters of one message on a card, of which a phone shows less
	kindRunesShown = 120 // of one of thousands
	OddShown       = 8   // OddShown is how many kinds that are unlike the rest are shown, and
	KindsShown     = 5   // KindsShown how many of the others
	notGoneShown   = 5   // messages that stand on the card of a request that ended without them gone
	confirmWhere   = 120 // characters of a group or topic in the question before an approval
)

// facts is what the card of a request shows beside the request itself.
type facts struct {
	paused   *Pause
	counts   map[Class]int // by outcome
	messages []Message     // those that the card shows, in order
	kinds    *Kinds        // in place of messages; nil where they are not folded
	removals map[MessageID]Removal
	now      time.Time
	moved    time.Time // of one that runs: when an outcome was last stored, or when it began
	silent   time.Time // since when nothing of it was answered, though it was asked
	outage   bool      // that is long ago
}

// outageAfter is for how long a request that runs has no outcome before its card says that the
// service does not answer.
const outageAfter = 10 * time.Second

// Card returns the card of a request from its state in tx. version is the version that the view
// should show.
func (b *Bot) Card(tx Tx, r Request, version int) (Card, error) {
	f := facts{now: tx.Now()}
	var err error
	if f.paused, err = tx.Paused(r.App); err != nil {
		return Card{}, err
	}
	sent := r.State == Running || r.State == Stopping || r.State.HasReceipt()
	if sent {
		if f.counts, err = tx.Progress(r.ID); err != nil {
			return Card{}, err
		}
	}
	if r.State == Running && !r.Confirming() {
		if err := b.look(&f, tx, r); err != nil {
			return Card{}, err
		}
	}
	switch {
	case r.State == Proposed && r.Tally.Total <= samplesShown:
		f.messages, err = tx.Messages(r.ID, 0, samplesShown)
	case r.State == Proposed:
		if f.kinds, err = tx.Kinds(r.ID); err != nil || f.kinds != nil {
			break
		}
		if f.messages, err = tx.Messages(r.ID, 0, samplesEnds); err == nil {
			var last []Message
			last, err = tx.Messages(r.ID, r.Nth(max(0, r.Count()-samplesEnds)), samplesEnds)
			f.messages = append(f.messages, last...)
		}
	case r.State.HasReceipt() && r.gone(f.counts).left() > 0:
		f.messages, err = tx.NotGone(r.ID, notGoneShown)
	}
	if err != nil {
		return Card{}, err
	}
	if f.removals, err = RemovalsOf(tx, r, f.messages); err != nil {
		return Card{}, err
	}
	c := b.card(r, f)
	c.Version = version
	return c, nil
}

// look finds out since when nothing of a request that runs was answered. Unless the app is paused,
// that takes calls that failed: they wait to be made again, or their answers to be looked up. What
// was not tried yet only waits for its turn. While no process ran, nobody asked the service: only
// the time counts for which this one has run.
func (b *Bot) look(f *facts, tx Tx, r Request) (err error) {
	if f.moved, err = tx.LastOutcome(r.ID); err != nil {
		return err
	}
	if f.moved.Before(r.Begun) {
		f.moved = r.Begun
	}
	f.silent = f.moved
	if begun := f.now.Add(-time.Since(b.began)); begun.After(f.moved) {
		f.silent = begun
	}
	if f.paused != nil || b.Policy.Hold || f.now.Sub(f.silent) < outageAfter {
		return nil
	}
	// Those that were not tried come first; there are fewer than these.
	waiting, err := tx.Batches(r.ID, RestBatches+b.CallsPerSecond/2, BatchPending, BatchDoubt)
	f.outage = slices.ContainsFunc(waiting, Batch.tried)
	return err
}

// card makes the card of a request.
func (b *Bot) card(r Request, f facts) Card {
	c := Card{
		ID: r.ID, State: r.State, Digest: r.Digest,
		Title:   b.headline(r, f),
		Head:    told(r, f),
		Unusual: unusual(r, f, b.Policy.Hold),
		Small:   small(r),
		Buttons: buttons(r, f),
		Notify:  GroupsOf(b.Policy.Crowds[r.Place.Platform].Approvers),
	}
	if r.State == Proposed {
		c.Call = Say("card.call", "n", r.Awaits(), "deadline", Until(r.Deadline, r.Sealed))
	}
	b.messages(r, f, &c)
	return c
}

// gone is what became of the messages that the approvers were asked to recall.
type gone struct {
	of       int // messages that were to be sent
	recalled int
	before   int // they were recalled, deleted or expired when it was their turn
	unsure   int // not certain
	not      int // they are still there
}

func (g gone) all() int  { return g.recalled + g.before }
func (g gone) left() int { return g.unsure + g.not }

// gone counts what became of the messages that were to be sent. Those that the seal already named
// as recalled, gone, absent or protected have outcomes too, and are not counted; while a request
// runs they get them with their turn, so as many outcomes of a class may still be theirs. A message
// that history still shows is not certain, whatever the API answered.
func (r Request) gone(counts map[Class]int) gone {
	t, still := r.Tally, r.StillShown()
	g := gone{
		of: t.Send, recalled: counts[ClassRecalled] - still, unsure: counts[ClassUnknown] + still,
		before: max(0, counts[ClassAlready]-t.Recalled) + max(0, counts[ClassNotFound]-t.Gone),
		not:    max(0, counts[ClassRefused]+counts[ClassNotSent]-t.Absent-t.Protected),
	}
	return g
}

// inWords says how long it is until something happens.
func inWords(d time.Duration) Line {
	if d < 2*time.Minute {
		return Say("duration.seconds", "n", int(d.Round(time.Second)/time.Second))
	}
	return Line{{Kind: Words, Text: Duration(d)}}
}

// about says how long something takes, of which nobody knows more than that.
func about(d time.Duration) Line {
	if d < 90*time.Second {
		return Say("duration.seconds", "n", int(max(d, time.Second).Round(time.Second)/time.Second))
	}
	return Say("duration.minutes", "n", int(d.Round(time.Minute)/time.Minute))
}

// ago says how long before something was.
func ago(d time.Duration) Line {
	if d < time.Minute {
		return Say("duration.just")
	}
	return Line{{Kind: Words, Text: Duration(d)}}
}

// WhereNamed names the group of a request as people know it, with its topic if it has one.
func WhereNamed(r Request) Line {
	if r.Scope.Sweeps() {
		return sweptWhere(r)
	}
	return r.Only().Named()
}

// WhereShort names the group of a request in at most most characters: by its name, or a topic by
// the end of its id.
func WhereShort(r Request, most int) Line {
	if r.Scope.Sweeps() || r.Only().Facts.Name != "" && r.Scope.Topic == "" {
		return WhereNamed(r)
	}
	return Line{WhereEnd(r.Scope, most)}
}

// Headline is the headline of a request that waits.
func (b *Bot) Headline(r Request) Line { return b.headline(r, facts{}) }

// headline says in one line what is to be done or was done, to how many messages, and where.
func (b *Bot) headline(r Request, f facts) Line {
	n, key := r.Tally.Send, "card."+string(r.State)
	g := r.gone(f.counts)
	if f.outage {
		return Say("card.outage", "since", Clock(f.silent, r.Sealed))
	}
	switch r.State {
	case Preparing, Refused:
		if n = r.Count(); n == 0 {
			key += ".filter"
		}
	case Withdrawn:
		if n == 0 {
			n = r.Count()
		}
		if n == 0 {
			key += ".filter"
		}
	case Approved:
		if r.Delay() > 0 {
			key += ".delay"
		}
	case Done, Stopped:
		switch {
		case r.State == Stopped && g.left() > 0:
		case g.left() == 0 && g.before == 0:
			key = "card.done"
		case g.left() == 0:
			key = "card.done.gone"
		case g.unsure == 0:
			key = "card.done.not"
		case g.not == 0:
			key = "card.done.unsure"
		default:
			key = "card.done.both"
		}
		if n == 1 && Known(key+".one") {
			key += ".one"
		}
	}
	of := ofSender(r, b.nick(r.Scope.Filter.From))
	return Say(key, "n", n, "of", of, "where", WhereNamed(r), "in", inWords(r.Delay()), "done",
		settledOf(f.counts, r), "gone", g.all(), "recalled", g.recalled, "before", g.before, "not", g.not, "unsure",
		g.unsure)
}

// settledOf is how many of the messages that are to be sent have their outcome.
func settledOf(counts map[Class]int, r Request) int {
	return max(r.Tally.Send-counts[""], 0)
}

// told says who asked and why, who approved, and how it goes or how it ended.
func told(r Request, f facts) []Line {
	l := []Line{asked(r)}
	at := func(t time.Time) Span { return Clock(t, r.Sealed) }
	approved := func() {
		if len(r.Approvals) > 0 {
			l = append(l, Say("card.approved.by", "who", names(r.Approvals)))
		}
	}
	switch r.State {
	case Proposed, Approved:
		approved()
	case Running, Stopping:
		approved()
		if p := progress(r, f); p != nil {
			l = append(l, p)
		}
		rest := Say("card.outage.rest", "till", at(f.moved.Add(r.Policy.StartWithin)))
		switch {
		case f.outage: // whose headline does not say it
			l = append(l, Say("card.outage.gone", "gone", r.gone(f.counts).all(), "n", r.Tally.Send, "of",
				ofSender(r, ""), "where", WhereNamed(r), "rest", rest))
		case f.paused != nil && !f.moved.IsZero():
			l = append(l, rest)
		}
	case Done, NotStarted:
		approved()
		l = append(l, Say("card.ended", "when", at(r.Ended)))
	case Stopped:
		approved()
		if r.EndedBy.Zero() {
			l = append(l, Say("card.stopped.alone", "when", at(r.Ended), "within", r.Policy.StartWithin))
		} else {
			l = append(l, Say("card.stopped.by", "who", Line{name(r.EndedBy)}, "when", at(r.Ended)))
		}
	case Rejected:
		if r.EndReason != "" {
			l = append(l, Say("card.rejected.why", "who", Line{name(r.EndedBy)}, "when", at(r.Ended), "why",
				Quote(Cut(r.EndReason, 500))))
		} else {
			l = append(l, Say("card.rejected.by", "who", Line{name(r.EndedBy)}, "when", at(r.Ended)))
		}
	case Withdrawn:
		if r.EndedBy.Zero() {
			l = append(l, Say("card.withdrawn.alone", "when", at(r.Ended)))
		} else {
			l = append(l, Say("card.withdrawn.by", "who", Line{name(r.EndedBy)}, "when", at(r.Ended)))
		}
	case Expired:
		l = append(l, Say("card.expired.when", "when", at(r.Ended)))
	case Refused:
		l = append(l, r.RefusedFor)
	}
	return l
}

// asked says who asked and why.
func asked(r Request) Line {
	if r.Reason == "" {
		return Say("card.asked", "who", Line{name(r.By)})
	}
	return Say("card.asked.why", "who", Line{name(r.By)}, "why", Quote(Cut(r.Reason, 500)))
}

// name is what a person is called on the card. It proves nothing: the account stands in the small
// print and in the receipt.
func name(a Actor) Span {
	if a.Name == "" {
		return Code(a.Account.User)
	}
	return Quote(Cut(a.Name, nameRunes))
}

// names lists who approved.
func names(approvals []Approval) Line {
	var who []Line
	for _, a := range approvals {
		who = append(who, Line{name(a.By)})
	}
	return Listed(who)
}

// unusual says what is not as it mostly is, for everybody to see before the messages.
func unusual(r Request, f facts, hold bool) []Line {
	var l []Line
	if r.Blind && r.State.Open() {
		key := "card.blind"
		if r.KeepsNone() {
			key = "card.blind.live"
		}
		l = append(l, Say(key, "n", r.Tally.Unread))
	}
	if f.paused != nil && r.State.Open() {
		l = append(l, Say("card.paused", "code", CodeWords(f.paused.Code), "words",
			Quote(Cut(ApiWords(f.paused.Code, f.paused.Info), 200)), "when", Clock(f.paused.Since, r.Sealed)))
	}
	if hold && r.State.Open() {
		l = append(l, Say("card.hold"))
	}
	if n := r.StillShown(); n > 0 {
		l = append(l, Say("card.still", "n", n, "seqs", seqsOf(r, func(p Part) command.Ranges { return p.StillShown })))
	}
	if r.State != Proposed {
		if r.Waiting != nil && f.paused == nil {
			l = append(l, Say("card.waiting", "why", r.Waiting, "till", r.Asked.Add(r.Policy.StartWithin)))
		}
		return l
	}
	t := r.Tally
	if t.Protected > 0 {
		l = append(l, Say("card.protected", "n", t.Protected, "seqs", Code(Cut(t.Shielded.Words(), 300))))
	}
	if r.KeepsNone() {
		l = append(l, Say("card.live"))
	}
	if r.Scope.Name != "" {
		l = append(l, Say("card.by_name", "name", Quote(Cut(r.Scope.Name, nameRunes))))
	}
	switch names := r.byNames(); {
	case len(names) == 1:
		l = append(l, Say("card.by_name", "name", names[0]))
	case len(names) > 1:
		l = append(l, Say("card.by_names", "names", Listed(names)))
	}
	if t.Unchecked {
		l = append(l, Say("card.unchecked"))
	}
	if t.Partly > 0 {
		l = append(l, Say("card.partly", "n", t.Partly))
	}
	if t.Callback > 0 {
		l = append(l, Say("card.callback", "n", t.Callback))
	}
	for _, line := range []Line{LeftOutLine(r.Swept), TopicsLine(r.Swept), JoinedLine(r.Scope)} {
		if line != nil {
			l = append(l, line)
		}
	}
	if t.Admin > 0 && t.Total > samplesShown { // else the message says so itself
		l = append(l, Say("card.admin", "n", t.Admin))
	}
	if !t.First.IsZero() && r.Sealed.Sub(t.First) > 6*24*time.Hour {
		l = append(l, Say("card.retention"))
	}
	return l
}

// messages puts the messages on the card, one line each, and what is to be known of all of them
// below. Before the decision these are all up to samplesShown, else what they were folded into, or,
// where they could not be read, the first and the last few. After an end they are some of those
// that are not gone, with their outcome and without text.
func (b *Bot) messages(r Request, f facts, c *Card) {
	waiting := r.State == Proposed
	skipped := 0
	switch {
	case f.kinds != nil:
		c.Samples = b.KindSamples(*f.kinds, r, !b.OnRequest, "card.odd.some")
		skipped = r.Tally.Total
	case waiting:
		skipped = r.Tally.Total - len(f.messages)
	}
	for i, m := range f.messages {
		s := b.Sample(m, r, f.removals, sampleRunes, waiting && !b.OnRequest)
		s.Sent = time.Time{}
		if skipped > 0 && i == samplesEnds {
			s.Skipped = skipped
		}
		c.Samples = append(c.Samples, s)
	}
	switch {
	case !waiting:
		if n := r.gone(f.counts).left(); r.State.HasReceipt() && n > len(f.messages) {
			c.Below = append(c.Below, Say("card.not_gone.more", "n", n-len(f.messages)))
		}
		return
	case b.OnRequest || b.Evidence == EvidenceHash:
		c.Below = append(c.Below, Say("card.showing.hidden"))
	}
	if l := span(r); l != nil {
		c.Below = append(c.Below, l)
	}
	c.Below = append(c.Below, inGroups(r, f.kinds)...)
	if left := leftOut(r.Tally); left != nil && skipped > 0 { // else each message says so itself
		c.Below = append(c.Below, left)
	}
	c.Below = append(c.Below, replies(r, f.now)...)
}

// KindSamples returns the messages of a large request as kinds: first what is unlike the rest, then
// the largest kinds. more says where those are that are unlike the rest and are not shown.
func (b *Bot) KindSamples(k Kinds, r Request, text bool, more string) (list []Sample) {
	add := func(kinds []Kind, most int, above Line) {
		for i, kind := range kinds[:min(len(kinds), most)] {
			s := b.KindSample(kind, r, kindRunesShown, text)
			if i == 0 {
				s.Above = above
			}
			list = append(list, s)
		}
	}
	odd, shown := k.OddMessages(), min(len(k.Odd), OddShown)
	switch {
	case k.Messages <= UnfoldedMost:
		add(k.Odd, UnfoldedMost, nil)
		return list
	case len(k.Alike) == 0:
		add(k.Odd, shown, Say("card.kinds.none", "n", k.Messages, "shown", shown))
		return list
	case len(k.Odd) > shown || k.Further > 0:
		add(k.Odd, shown, Say(more, "n", odd, "shown", shown))
	default:
		add(k.Odd, shown, Say("card.odd", "n", odd))
	}
	key := "card.kinds"
	if odd == 0 {
		key += ".all"
	}
	if len(k.Alike) > KindsShown {
		key += ".some"
	}
	add(k.Alike, KindsShown, Say(key, "n", k.Messages-odd, "kinds", len(k.Alike), "shown", KindsShown))
	return list
}

// KindSample returns one kind of messages, or the only message of its kind, as the card shows it.
func (b *Bot) KindSample(k Kind, r Request, runes int, text bool) Sample {
	s := Sample{Seq: uint32(k.First), Sender: string(k.Sender), Name: b.nick(k.Sender)}
	if k.N > 1 {
		s = Sample{Alike: k.N, Marks: unseen(k)}
	} else if r.Scope.Sweeps() { // the headline says whose messages all of them are
		s.Sender, s.Name, s.Marks = "", "", []Line{Say("card.in", "group", r.Parts[k.Part].Named())}
	}
	if text && k.Text != "" {
		s.Text = EvidenceLine(k.Text, runes)
	}
	return s
}

// unseen says what a kind does not show of its messages: how many texts they are, what differs, and
// who sent only a few of them.
func unseen(k Kind) (marks []Line) {
	var differs, rare []Line
	for _, d := range k.Differs {
		differs = append(differs, Say("card.differ."+string(d)))
	}
	for _, c := range k.Rare {
		rare = append(rare, Say("card.sender", "who", Quote(Cut(string(c.Sender), nameRunes)), "n", c.N))
	}
	if k.Texts > 1 {
		marks = append(marks, Say("card.kind.texts", "n", k.Texts, "what", Listed(differs)))
	}
	switch {
	case k.RareMore > 0:
		marks = append(marks, Say("card.kind.rare.more", "who", Listed(rare), "n", k.RareMore))
	case rare != nil:
		marks = append(marks, Say("card.kind.rare", "who", Listed(rare)))
	}
	return marks
}

// span says who sent the messages, and when. Where each sender stands beside their message, and
// they are few, the names are not repeated.
func span(r Request) Line {
	t := r.Tally
	if t.First.IsZero() {
		return nil
	}
	first, last := Clock(t.First, r.Sealed), Clock(t.Last, r.Sealed)
	senders := len(t.Senders) + t.Others
	key := "card.sent"
	switch {
	case senders > 3:
		key = "card.sent.by"
	case senders > 1 || t.Total > samplesShown:
		key = "card.sent.names"
	}
	if t.First.Truncate(time.Minute).Equal(t.Last.Truncate(time.Minute)) { // they read the same
		key += ".once"
	}
	var who Line
	for i, s := range t.Senders[:min(len(t.Senders), 3)] {
		if i > 0 {
			who = append(who, Span{Kind: Words, Text: ", "})
		}
		who = append(who, Say("card.sender", "who", Quote(Cut(string(s.ID), nameRunes)), "n", s.N)...)
	}
	return Say(key, "n", senders, "who", who, "first", first, "last", last)
}

// soughtMost is how long replies are looked for. Where it takes longer, the process was stopped.
const soughtMost = time.Minute

// replies says which later messages quote some of the messages; nil where none does.
func replies(r Request, now time.Time) (lines []Line) {
	found := r.Replies
	if found == nil {
		return nil
	}
	say := func(key string, seqs, quoted command.Ranges, where Line) {
		n := seqs.Count()
		if n == 1 {
			key += ".one"
		}
		if n > 0 {
			lines = append(lines, Say(key, "n", n, "quoted", Code(quoted.Words()), "seqs",
				Code(Cut(seqs.Words(), 300)), "group", where))
		}
	}
	say("card.replies", found.Seqs, found.Quoted, nil)
	for _, in := range found.In {
		say("card.replies.in", in.Seqs, in.Quoted, r.Parts[in.Part].Named())
	}
	if found.Unread || found.Sought && now.Sub(r.Sealed) > soughtMost {
		lines = append(lines, Say("card.replies.unread"))
	}
	return lines
}

// leftOut says which of the messages would not be sent, and why.
func leftOut(t Tally) Line {
	var l Line
	for _, part := range []struct {
		n    int
		mark SealStatus
	}{{t.Recalled, SealRecalled}, {t.Gone, SealGone}, {t.Absent, SealAbsent}} {
		if part.n == 0 {
			continue
		}
		if l != nil {
			l = append(l, Span{Kind: Words, Text: ", "})
		}
		l = append(l, Say("nothing."+string(part.mark), "n", part.n)...)
	}
	if l == nil {
		return nil
	}
	return Say("card.left_out", "what", l)
}

// small has what is seldom needed for a decision, and always kept on the card.
func small(r Request) []Line {
	l := []Line{{Code(string(r.ID))}}
	facts := r.Only().Facts
	if r.Scope.Sweeps() {
		facts = GroupFacts{} // each group has its own
	} else {
		l = append(l, Line{Where(r.Scope)})
	}
	if facts.Type != "" {
		l = append(l, Line{Quote(Cut(string(facts.Type), 40))})
	}
	if facts.Members > 0 {
		l = append(l, Say("card.members", "n", facts.Members))
	}
	if facts.New {
		l = append(l, Say("card.new"))
	}
	switch {
	case r.Count() > 0 && !r.Scope.Sweeps():
		l = append(l, Say("card.numbers", "seqs", Code(Cut(r.Only().Covers.Words(), 200))))
	case r.Exact:
		l = append(l, Say("card.numbers", "seqs", seqsOf(r, func(p Part) command.Ranges { return p.Covers })))
	case !r.Scope.Filter.IsZero():
		l = append(l, Say("card.filter", "filter", filterWords(r.Scope)))
	}
	for _, e := range r.Earlier {
		key, args := "card.earlier", []any{"id", e.ID, "state", Say("state." + string(e.State)), "ago",
			ago(r.Sealed.Sub(e.Ended)), "who", Line{name(e.By)}}
		if e.By.Zero() {
			key += ".alone"
		}
		if e.Reason != "" {
			key, args = "card.earlier.reason", append(args, "reason", Quote(Cut(e.Reason, 200)))
		}
		l = append(l, Say(key, args...))
	}
	if n := r.EarlierMore; n > 0 {
		l = append(l, Say("card.earlier.more", "n", n))
	}
	return append(l, Say("card.account", "account", Code(r.By.Account.User)))
}

// Whole is what a card may have cut: the reason and the small print of a request.
func Whole(r Request) []Line {
	return []Line{asked(r), smallPrint(small(r))}
}

// SmallPrint is what is small on a card, as one line.
func (c Card) SmallPrint() Line { return smallPrint(c.Small) }

func smallPrint(parts []Line) (l Line) {
	for i, part := range parts {
		if i > 0 {
			l = append(l, Span{Kind: Words, Text: " · "})
		}
		l = append(l, part...)
	}
	return l
}

// filterWords returns a filter for a card. Notifications read a card aloud and must not show
// content, so the phrase is left out.
func filterWords(s command.Scope) Line {
	only := command.Scope{In: s.In, Joined: s.Joined, Filter: s.Filter.WithoutText()}
	words := command.Command{Verb: command.VerbFind, Scope: only}.String()
	return Line{Code(Cut(strings.TrimPrefix(words, "/recalls find "), 300))}
}

// HideContent returns the card without the content of the messages, as with
// CARD_CONTENT=on-request. had reports whether there was any.
func HideContent(c Card) (plain Card, had bool) {
	c.Samples = slices.Clone(c.Samples)
	for i := range c.Samples {
		had = had || c.Samples[i].Text != nil
		c.Samples[i].Text = nil
	}
	if had {
		c.Below = slices.Insert(slices.Clone(c.Below), 0, Say("card.showing.hidden"))
	}
	return c, had
}

// Sample returns one message as the card shows it. Marks say what is special about it. That a
// message will not be sent is said only before the sending.
//
// A recall that only a callback reports is shown where history does not say otherwise, or has not
// been asked since. Such a callback alone does not keep the message from being sent.
func (b *Bot) Sample(m Message, r Request, removals map[MessageID]Removal, runes int, text bool) Sample {
	out := Sample{Seq: uint32(m.Seq), Sender: string(m.Sender), Name: b.nick(m.Sender), Sent: m.Sent}
	if r.Scope.Sweeps() { // the headline says whose messages all of them are
		out.Sender, out.Name, out.Marks = "", "", []Line{Say("card.in", "group", r.Parts[m.Part].Named())}
	}
	if text && m.Evidence != "" {
		out.Text = EvidenceLine(m.Evidence, runes)
	}
	where := len(out.Marks)
	was, removed := removals[m.ID()]
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
	if mark := OutsideText(m.Of); mark != nil {
		out.Marks = append(out.Marks, mark)
	}
	if m.Outcome.Settled() {
		out.Marks = append(out.Marks[:min(len(out.Marks), where)], m.Outcome.Words())
	}
	return out
}

// progress says how much is left of a request that runs, and what went wrong so far; nil where
// there is nothing to say yet.
func progress(r Request, f facts) Line {
	g, done := r.gone(f.counts), settledOf(f.counts, r)
	var l Line
	add := func(s Line) {
		if l != nil {
			l = append(l, Span{Kind: Words, Text: " "})
		}
		l = append(l, s...)
	}
	if r.Confirming() {
		add(Say("card.progress.confirming"))
	}
	if r.State == Running && done > 0 && done < r.Tally.Send && !r.Begun.IsZero() && !f.outage && f.paused == nil {
		if spent := f.now.Sub(r.Begun); spent > 3*time.Second {
			left := time.Duration(float64(spent) / float64(done) * float64(r.Tally.Send-done))
			add(Say("card.progress.left", "left", about(left)))
		}
	}
	if n := g.left(); n > 0 {
		add(Say("card.progress.not", "n", n))
	}
	return l
}

// sums returns the counts of the classes that there are, such as "339 recalled, 1 not found".
func sums(counts map[Class]int, sep string) Line {
	var l Line
	for _, class := range Classes() {
		if counts[class] == 0 {
			continue
		}
		if l != nil {
			l = append(l, Span{Kind: Words, Text: sep})
		}
		l = append(l, Say("note.summary", "n", counts[class], "words", Say("class."+string(class)))...)
	}
	return l
}

func buttons(r Request, f facts) []Button {
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
		return []Button{
			{Kind: ButtonApprove, Label: label("approve"), Speech: speech("approve"), Confirm: &Confirm{
				Title: Say("confirm.approve.title", "n", r.Tally.Send).String(),
				Text:  BlindFirst(r, toApprove(r)).String(),
				Yes:   Say("confirm.approve.yes").String(), No: Say("confirm.no").String(),
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
	if n := left(r, f.counts); n > 0 {
		again := Button{Kind: ButtonAskAgain, Label: Say("button.ask_again", "n", n).String(),
			Speech: Say("button.ask_again.speech", "n", n, "id", r.ID).String()}
		return []Button{again, showAll}
	}
	return []Button{showAll}
}

// left is how many messages of a request that ended could still be recalled: those that were to be
// sent, without those that are gone.
func left(r Request, counts map[Class]int) int {
	switch {
	case r.State.Open():
		return 0
	case r.State.HasReceipt():
		return r.gone(counts).left()
	}
	return r.Tally.Send
}

// toApprove says what an approval does.
func toApprove(r Request) Line {
	key := "confirm.approve.text"
	if r.Tally.Odd > 0 {
		key = "confirm.approve.text.odd"
	}
	return Say(key, "n", r.Tally.Send, "of", ofSender(r, ""), "where", WhereShort(r, confirmWhere), "odd", r.Tally.Odd)
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
func RemovalsOf(tx Tx, r Request, messages []Message) (map[MessageID]Removal, error) {
	ids := make([]MessageID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID()
	}
	return r.Removals(tx, ids, time.Time{})
}

// Receipt is the final account of a request, or how it ended without one.
func (b *Bot) Receipt(tx Tx, r Request) ([]Line, error) {
	if !r.State.HasReceipt() {
		key := "note.ended." + string(r.State)
		if r.State == Rejected && r.EndReason != "" {
			key += ".reason"
		}
		if r.State == Withdrawn && r.EndedBy.Zero() {
			key += ".alone"
		}
		return []Line{Say(key, "id", r.ID, "who", ActorName(r.EndedBy), "why", r.RefusedFor, "reason",
			Quote(Cut(r.EndReason, 500)))}, nil
	}
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return nil, err
	}
	l := []Line{Say("note.receipt.title", "number", Span{Kind: Words, Text: r.ReceiptNumber()}, "id", r.ID)}
	if r.Blind {
		l = append(l, Say("note.receipt.blind", "n", r.Tally.Unread))
	}
	l = append(l, Say("note.receipt.sum", "total", r.Tally.Total, "sum", sums(counts, " + ")))
	inGroup, err := receiptGroups(tx, r)
	if err != nil {
		return nil, err
	}
	l = append(l, inGroup...)
	if n := counts[ClassRecalled]; n > 0 {
		rests, err := tx.Rests(r.ID)
		if err != nil {
			return nil, err
		}
		l = append(l, Say("note.receipt.confirmed", "n", n, "callback", rests[ByCallback], "history", rests[ByHistory],
			"answer", rests[ByAnswer]))
	}
	if n := r.StillShown(); n > 0 {
		l = append(l, Say("note.receipt.still", "n", n, "seqs",
			seqsOf(r, func(p Part) command.Ranges { return p.StillShown })))
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

// receiptGroups says what became of the messages of a sweep in each group, the largest first.
func receiptGroups(tx Tx, r Request) (lines []Line, err error) {
	if !r.Scope.Sweeps() {
		return nil, nil
	}
	counts := make([]map[Class]int, len(r.Parts))
	for i := range counts {
		counts[i] = map[Class]int{}
	}
	const atOnce = 1000
	for from, more := MessageID(0), true; more; {
		page, err := tx.Sealed(r.ID, from, atOnce)
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			counts[m.Part][m.Outcome.Class]++
		}
		if more = len(page) == atOnce; more {
			from = page[atOnce-1].ID() + 1
		}
	}
	for _, i := range largest(r) {
		lines = append(lines, Say("note.receipt.group", "group", r.Parts[i].Named(), "total", r.Parts[i].Covers.Count(),
			"sum", sums(counts[i], ", ")))
	}
	return lines, nil
}
