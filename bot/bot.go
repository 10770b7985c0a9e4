package bot

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"recallbot/recall"
)

// Chat is the part of the Chat service that the bot uses. *recall.Client is one.
type Chat interface {
	GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error)
	GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error)
	GetGroupInfo(ctx context.Context, g recall.GroupID) (recall.GroupInfo, error)
}

// Options is what a Bot is made of.
type Options struct {
	App    recall.SDKAppID
	Admin  recall.UserID // the app's admin: messages sent by it are marked
	Reason string        // sent with each recall; never what a requester wrote
	Ledger Ledger
	Chat   Chat
	Policy Policy
	Roster Roster

	Evidence    Evidence      // "": EvidenceExcerpt
	EvidenceTTL time.Duration // from the request's end; 0: 720 h
	// OnRequest keeps message content off the card (CARD_CONTENT=on-request).
	OnRequest bool

	// Callbacks says that the service's callbacks come in (Hear): the end of a request then waits for those of its recalls, 10 s at most.
	Callbacks bool
	// Index says what Hear keeps of messages, "": IndexOff; and IndexTTL for how long, 0: 2 h.
	Index    Index
	IndexTTL time.Duration

	// CallsPerSecond is the quota of the recall API; 0: 200. It sizes the chunks in which batches are claimed; the pace itself is Chat's.
	CallsPerSecond int
	// Holder names this process among replicas and must be new at each start; "": a random name.
	Holder string
	// LeaseTTL is how long a lease lasts without renewal; 0: 10 s. Window is what a new holder waits before its first recall: the quota's
	// one second and its guard; 0: 1.1 s.
	LeaseTTL, Window time.Duration

	Log *slog.Logger
}

// Evidence says what is kept of the messages of a request.
type Evidence string

// What can be kept.
const (
	EvidenceFull    Evidence = "full"
	EvidenceExcerpt Evidence = "excerpt"
	EvidenceHash    Evidence = "hash"
)

// Bot is the whole of what people can make happen. Adapters call Do for every event; Run works on what is stored.
type Bot struct {
	o        Options
	log      *slog.Logger
	surfaces []Surface
	roster   string // the hash of the configured roster

	indexKey []byte       // of the HMACs in the index; it ends with the process
	forgot   atomic.Int64 // when callbacks were last forgotten, in unix nanoseconds
}

// New returns a Bot. It reads nothing and starts nothing. It returns an error that names what is missing from the options.
func New(o Options) (*Bot, error) {
	switch {
	case o.Ledger == nil:
		return nil, errors.New("bot: Options.Ledger is missing")
	case o.Chat == nil:
		return nil, errors.New("bot: Options.Chat is missing")
	case o.App == 0:
		return nil, errors.New("bot: Options.App is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Evidence = cmp.Or(o.Evidence, EvidenceExcerpt)
	o.EvidenceTTL = cmp.Or(o.EvidenceTTL, 720*time.Hour)
	o.CallsPerSecond = cmp.Or(o.CallsPerSecond, 200)
	o.Holder = cmp.Or(o.Holder, rand.Text())
	o.LeaseTTL = cmp.Or(o.LeaseTTL, 10*time.Second)
	o.Window = cmp.Or(o.Window, 1100*time.Millisecond)
	o.Index = cmp.Or(o.Index, IndexOff)
	o.IndexTTL = cmp.Or(o.IndexTTL, 2*time.Hour)
	b := &Bot{o: o, log: o.Log, roster: o.Roster.Hash(), indexKey: make([]byte, 32)}
	rand.Read(b.indexKey)
	return b, nil
}

// Attach gives the bot a platform to show requests on. It must be called before Run.
func (b *Bot) Attach(s Surface) { b.surfaces = append(b.surfaces, s) }

// Policy returns the configured policy, so that adapters know which groups and roles matter.
func (b *Bot) Policy() Policy { return b.o.Policy }

// ApproversThen returns the groups of a platform whose members might approve by the policy that a request was asked under; none where there is no such request. That
// policy counts beside the one of now, so an adapter that asks its platform who is in which group asks about these as well.
func (b *Bot) ApproversThen(ctx context.Context, id RequestID, on Platform) (groups []string, err error) {
	err = b.o.Ledger.View(ctx, func(tx Tx) error {
		r, err := tx.Request(id)
		groups = groupsOf(r.Policy.Crowds[on].Approvers)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
	return groups, err
}

// Note stores an event as being checked, so that it can be acknowledged before the person's right is known. Where the event is known already,
// first is false and answer is the stored one, or nil while it is being checked.
func (b *Bot) Note(ctx context.Context, e Event) (first bool, answer *Answer, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return false, nil, fmt.Errorf("write event: %w", err)
	}
	err = b.o.Ledger.Tx(ctx, func(tx Tx) error {
		first, answer = false, nil
		prior, err := tx.AddEvent(StoredEvent{ID: e.ID, Platform: e.Place.Platform, Body: body})
		if err != nil {
			return err
		}
		if first = prior == nil; first || prior.Answer == nil {
			return nil
		}
		answer, err = b.again(tx, prior.Answer)
		return err
	})
	if err != nil {
		return false, nil, fmt.Errorf("store event: %w", err)
	}
	return first, answer, nil
}

// Do handles an event: it is stored, takes effect and gets its answer in one transaction. A repeat of an event changes nothing and gets the
// first answer. An event stored by Note is closed by Do. m is what the platform says of the account now.
//
// A Refusal or a Mistake is an Answer, not an error. An error means that nothing was stored and the person should try again.
func (b *Bot) Do(ctx context.Context, e Event, m Member) (Answer, error) {
	if e.Act.Kind == ActComplete {
		return b.complete(ctx, e, m)
	}
	cmd, mistake := command(e.Act, e.Place.Platform)
	if mistake == nil && cmd.Verb == "find" {
		return b.find(ctx, e, m, cmd)
	}
	if e.Act.Kind == ActTurnFind {
		return b.turnFound(ctx, e, m)
	}
	if e.Act.Kind == ActShowAll && b.o.Evidence == EvidenceHash {
		return b.pageAfresh(ctx, e, m)
	}
	return b.settle(ctx, e, func(tx Tx, noted time.Time) (Answer, error) {
		if mistake != nil {
			return mistake.answer(), nil
		}
		a := act{b: b, tx: tx, e: e, m: m, noted: noted}
		return a.do(cmd)
	})
}

// GiveUp closes an event that Note stored, because the platform could not tell in time who may do what. The answer says so.
func (b *Bot) GiveUp(ctx context.Context, e Event) (Answer, error) {
	return b.settle(ctx, e, func(tx Tx, _ time.Time) (Answer, error) {
		return Answer{}, refuse("could_not_check")
	})
}

// settle runs fn in the transaction that stores the event and its answer. A Refusal becomes the answer and is audited; whatever fn wrote
// before it refused is part of the same transaction, so fn refuses before it writes.
func (b *Bot) settle(ctx context.Context, e Event, fn func(tx Tx, noted time.Time) (Answer, error)) (Answer, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return Answer{}, fmt.Errorf("write event: %w", err)
	}
	var answer Answer
	err = b.o.Ledger.Tx(ctx, func(tx Tx) error {
		prior, err := tx.AddEvent(StoredEvent{ID: e.ID, Platform: e.Place.Platform, Body: body})
		if err != nil {
			return err
		}
		noted := tx.Now()
		if prior != nil {
			if prior.Answer != nil {
				first, err := b.again(tx, prior.Answer)
				if err == nil {
					answer = *first
				}
				return err
			}
			noted = prior.At
		}
		answer, err = fn(tx, noted)
		if no, ok := errors.AsType[*Refusal](err); ok {
			stale := answer
			answer = Answer{Kind: Whisper, Lines: []Line{no.Why}, Refused: no.Key, Card: stale.Card, Stale: stale.Stale}
			err = b.auditRefused(tx, e, no)
		}
		if err != nil {
			return err
		}
		out, err := json.Marshal(answer.withoutContent())
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return tx.CloseEvent(e.ID, out)
	})
	if err != nil {
		return Answer{}, fmt.Errorf("handle event %s: %w", e.ID, err)
	}
	return answer, nil
}

// Unfinished is an event without an answer.
type Unfinished struct {
	Event Event
	Age   time.Duration
}

// Unfinished yields the events of a platform that were stored by Note and have no answer, oldest first, with their age: after a restart an adapter checks the
// young ones again and gives up the old ones.
func (b *Bot) Unfinished(ctx context.Context, p Platform) iter.Seq2[Unfinished, error] {
	return func(yield func(Unfinished, error) bool) {
		var found []Unfinished
		err := b.o.Ledger.View(ctx, func(tx Tx) error {
			found = nil
			events, err := tx.OpenEvents(p)
			for _, s := range events {
				u := Unfinished{Age: tx.Now().Sub(s.At)}
				if err := json.Unmarshal(s.Body, &u.Event); err != nil {
					return fmt.Errorf("read event %s: %w", s.ID, err)
				}
				found = append(found, u)
			}
			return err
		})
		if err != nil {
			yield(Unfinished{}, fmt.Errorf("list unfinished events: %w", err))
			return
		}
		for _, u := range found {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// ShowingNow returns the card of a request as it is now, for an adapter that repairs a stale message.
func (b *Bot) ShowingNow(ctx context.Context, id RequestID) (c Card, err error) {
	err = b.o.Ledger.View(ctx, func(tx Tx) error {
		r, err := tx.Request(id)
		if err == nil {
			c, err = b.card(tx, r, 0)
		}
		return err
	})
	return c, err
}

// Remember keeps a small value for an adapter between starts (the hash of its registered commands).
func (b *Bot) Remember(ctx context.Context, key, value string) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error { return tx.PutNote(key, value) })
}

// Recollect returns what was remembered under key, "" when nothing was.
func (b *Bot) Recollect(ctx context.Context, key string) (value string, err error) {
	err = b.o.Ledger.View(ctx, func(tx Tx) error {
		value, err = tx.Note(key)
		return err
	})
	return value, err
}

// audit appends an entry about what the event's person did.
func (b *Bot) audit(tx Tx, e Event, what string, id RequestID, digest string, more map[string]any) error {
	person, _ := b.o.Roster.Of(e.By)
	_, err := tx.Append(Entry{
		Process: time.Now(), Actor: e.By.String(), Person: person, Event: e.ID,
		What: what, Request: id, Digest: digest, Detail: detail(more),
	})
	return err
}

// auditRefused appends an entry about what a person tried and was refused: which request, on the word of which card, why.
func (b *Bot) auditRefused(tx Tx, e Event, no *Refusal) error {
	cmd, _ := command(e.Act, e.Place.Platform)
	more := map[string]any{"act": string(e.Act.Kind), "command": e.Act.Command, "why": no.Key}
	if cmd.Verb != "" {
		more["verb"] = cmd.Verb
	}
	if group := cmp.Or(cmd.Scope.Group, cmd.ListGroup); group != "" {
		more["group"] = string(group)
	}
	// What a button carried proves nothing, and may be of any length.
	id, card := Cut(Visible(string(cmp.Or(e.Act.Request, cmd.Request))), 40), Cut(Visible(e.Act.Digest), 80)
	return b.audit(tx, e, "refused", RequestID(id), card, more)
}

// auditOwn appends an entry about what the bot did where no person acted.
func (b *Bot) auditOwn(tx Tx, what string, id RequestID, digest string, more map[string]any) error {
	_, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: what, Request: id, Digest: digest, Detail: detail(more)})
	return err
}

// auditTold appends what calls were answered and what was found out, where no person acted.
func (b *Bot) auditTold(tx Tx, id RequestID, digest string, all []told) error {
	for _, t := range all {
		if _, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: t.what, Request: id, Digest: digest, Detail: t.detail}); err != nil {
			return err
		}
	}
	return nil
}

// auditRead appends that the event's person was shown what messages say, after the calls that were made for it. more says what.
func (b *Bot) auditRead(tx Tx, e Event, id RequestID, digest string, calls []told, more map[string]any) error {
	person, _ := b.o.Roster.Of(e.By)
	for _, t := range append(calls, tell("read", more)) {
		_, err := tx.Append(Entry{
			Process: time.Now(), Actor: e.By.String(), Person: person, Event: e.ID,
			What: t.what, Request: id, Digest: digest, Detail: t.detail,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// command reads what was typed or filled in, where the act is a command.
func command(a Act, on Platform) (Command, *Mistake) {
	var c Command
	var err error
	switch {
	case a.Kind == ActCommand && a.Options == nil && a.Sub == "":
		c, err = Parse(a.Command, a.Text)
	case a.Kind == ActCommand:
		c, err = ParseOptions(cmp.Or(a.Command, "recall"), a.Sub, a.Options)
	case a.Kind == ActForm:
		c, err = parseForm(a.Options, on)
	default:
		return Command{}, nil
	}
	if m, ok := errors.AsType[*Mistake](err); ok {
		return Command{}, m
	}
	return c, nil
}

// parseForm reads the form of /recall as the command that it stands for. A corrected command is in the form in which it can be typed there.
func parseForm(in map[string]string, on Platform) (Command, error) {
	text := quoteWord(in["group"]) + " " + in["what"]
	if t := strings.TrimSpace(in["topic"]); t != "" {
		text += " topic:" + quoteWord(t)
	}
	if r := strings.TrimSpace(in["reason"]); r != "" {
		text += " reason:" + quoteWord(r)
	}
	return readText("recall", text).result(on == Discord)
}

func quoteWord(s string) string {
	s = strings.TrimSpace(s)
	if r, _ := utf8.DecodeRuneInString(s); s == "" || isQuote(r) {
		return s
	}
	return quote(s)
}

// answer is what a person sees who typed something that cannot be read.
func (m *Mistake) answer() Answer {
	l := Say("mistake."+m.Key, "quoted", Quote(Cut(m.Quoted, 100)), "expected", Code(m.Expected), "corrected", Code(m.Corrected), "count", m.Count, "max", m.Max)
	return Answer{Kind: Whisper, Lines: []Line{l}, Refused: "mistake." + m.Key}
}

// act is one event on its way through a transaction.
type act struct {
	b     *Bot
	tx    Tx
	e     Event
	m     Member
	noted time.Time // when the event was first stored
}

func (a *act) do(cmd Command) (Answer, error) {
	p := a.b.o.Policy
	if err := p.MayBeUsedIn(a.e.Place); err != nil && !a.allowedThen(cmp.Or(a.e.Act.Request, cmd.Request)) {
		return Answer{}, err
	}
	switch a.e.Act.Kind {
	case ActCommand, ActForm:
		switch cmd.Verb {
		case "help":
			return help(a.e.Place.Platform), nil
		case "whoami":
			return a.whoami(), nil
		case "form":
			if err := p.MayAsk(a.m, a.b.o.Roster); err != nil {
				return Answer{}, err
			}
			return Answer{Kind: ShowForm, Form: askForm(p)}, nil
		case "recall":
			return a.ask(cmd)
		case "list":
			return a.list(cmd)
		case "show":
			return a.show(cmd.Request)
		case "withdraw":
			return a.withdraw(cmd.Request)
		case "stop":
			return a.stop(cmd.Request)
		}
	case ActApprove:
		return a.decide(Approve)
	case ActReject:
		return a.decide(Reject)
	case ActAskApprove, ActAskReject:
		return a.askOnceMore()
	case ActStop:
		return a.stop(a.e.Act.Request)
	case ActShowAll:
		return a.page()
	case ActRecallFind:
		return a.recallFound()
	}
	return Answer{}, refuse("forged")
}

// allowedThen reports whether the place is where an open request was asked, so that a changed list of channels takes nobody's decision away. What
// speaks against the place itself counts as ever.
func (a *act) allowedThen(id RequestID) bool {
	if id == "" || a.e.Place.Trouble != "" {
		return false
	}
	r, err := a.tx.Request(id)
	return err == nil && r.App == a.b.o.App && r.State.Open() && r.Policy.MayBeUsedIn(a.e.Place) == nil &&
		r.Place.Platform == a.e.Place.Platform && r.Place.Workspace == a.e.Place.Workspace && r.Place.Channel == a.e.Place.Channel
}

// ask stores a new request, to be prepared.
func (a *act) ask(cmd Command) (Answer, error) {
	b, p, now := a.b, a.b.o.Policy, a.tx.Now()
	if err := p.MayAsk(a.m, b.o.Roster); err != nil {
		return Answer{}, err
	}
	if err := p.MayTouch(cmd.Scope.Group); err != nil {
		return Answer{}, err
	}
	if p.ReasonRequired && strings.TrimSpace(cmd.Reason) == "" {
		with := cmd
		with.Reason = "spam"
		return Answer{}, refuse("reason_required", "corrected", Code(with.on(a.e.Place.Platform)))
	}
	if n := cmd.Scope.Seqs.Count(); n > p.MaxMessages {
		less := cmd
		less.Scope.Seqs = cmd.Scope.Seqs.First(p.MaxMessages)
		return Answer{}, refuse("too_many", "n", n, "max", p.MaxMessages, "corrected", Code(less.on(a.e.Place.Platform)))
	}
	// How many would be sent is not known yet: the numbers as asked are the most, and a filter needs the ordinary approvals at least.
	var others *int
	if a.m.ApproversKnown {
		others = new(p.Others(a.m, b.o.Roster))
		if need := p.Needed(cmd.Scope.Seqs.Count()); *others < need {
			return Answer{}, refuse("too_few_approvers", "need", need, "have", *others)
		}
	}
	person, _ := b.o.Roster.Of(a.e.By)
	open, err := a.openRequests(person)
	if err != nil {
		return Answer{}, err
	}
	if open >= MaxOpen {
		return Answer{}, refuse("too_many_open", "n", open)
	}
	if err := a.b.overlap(a.tx, cmd.Scope, cmd.Scope.Seqs, "", a.e.Place.Platform); err != nil {
		return Answer{}, err
	}
	scope := cmd.Scope
	scope.Filter = scope.Filter.Absolute(now)
	r := Request{
		App: b.o.App, State: Preparing, Scope: scope, Reason: cmd.Reason, Covers: scope.Seqs,
		By:       Actor{Person: person, Account: a.e.By, Name: a.m.Name},
		Accounts: b.o.Roster.Accounts(a.e.By),
		Place:    a.e.Place, Policy: p, Roster: b.roster, Others: others, Asked: now,
	}
	if r.ID, err = a.newID(); err != nil {
		return Answer{}, err
	}
	if err := a.tx.PutRoster(b.o.Roster); err != nil {
		return Answer{}, err
	}
	if err := a.tx.AddRequest(r); err != nil {
		return Answer{}, err
	}
	if err := a.tx.AddView(View{Request: r.ID, Place: r.Place, Wanted: 1}); err != nil {
		return Answer{}, err
	}
	if err := a.tx.SetDue(Due{r.ID, DueStart, now.Add(p.StartWithin)}); err != nil {
		return Answer{}, err
	}
	told := cmd.withoutReason()
	if told.Scope.Filter.Text != "" {
		told.Scope.Filter.Text = "…" // a phrase that messages hold is content; the seal names what it found
	}
	err = b.audit(a.tx, a.e, "asked", r.ID, "", map[string]any{
		"command": told.String(), "group": string(r.Scope.Group), "place": r.Place, "roster": r.Roster, "policy": r.Policy,
	})
	if err != nil {
		return Answer{}, err
	}
	a.tx.Wake(WakePreparer, WakeTeller, WakeTimer)
	return Answer{Kind: Accepted, Lines: []Line{Say("answer.asked", "id", r.ID)}}, nil
}

// openRequests counts the open requests of a person, those asked from an account of theirs under another name among them.
func (a *act) openRequests(person PersonID) (n int, err error) {
	open, err := a.tx.Requests(Query{App: a.b.o.App, States: openStates(), Limit: 1000})
	mine := a.b.o.Roster.Accounts(a.e.By)
	for _, r := range open {
		own := func(a Account) bool { return slices.ContainsFunc(r.Accounts, a.Is) }
		if r.By.Person == person || slices.ContainsFunc(mine, own) {
			n++
		}
	}
	return n, err
}

func (a *act) newID() (RequestID, error) {
	for {
		id := NewRequestID(rand.Reader)
		if _, err := a.tx.Request(id); errors.Is(err, ErrNotFound) {
			return id, nil
		} else if err != nil {
			return "", err
		}
	}
}

func openStates() []State {
	return slices.DeleteFunc(States(), func(s State) bool { return !s.Open() })
}

// overlap returns a Refusal when an open request of the same group and topic holds one of the seqs. Of a stopping request only messages without
// an outcome count. but names the request that asks, which does not stand in its own way. on is where it is read.
func (b *Bot) overlap(tx Tx, s Scope, seqs Ranges, but RequestID, on Platform) error {
	if seqs.Count() == 0 {
		return nil
	}
	open, err := tx.Requests(Query{App: b.o.App, Group: s.Group, Topic: &s.Topic, States: openStates(), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range open {
		if r.ID == but || !r.Covers.Overlaps(seqs) {
			continue
		}
		// Two requests that are being prepared may meet: the first to seal wins, so only sealed ones stand in a sealing's way.
		if but != "" && r.State == Preparing {
			continue
		}
		shared := r.Covers.Intersect(seqs)
		if r.State == Stopping {
			if shared, err = unsettled(tx, r.ID, shared); err != nil {
				return err
			}
			if shared.Count() == 0 {
				continue
			}
		}
		return refuse("overlap", "id", r.ID, "seqs", Code(Cut(shared.String(), 100)), "what", settledHow(r), "command", Code(Command{Verb: VerbShow, Request: r.ID}.on(on)))
	}
	return nil
}

// unsettled returns those of the seqs that have no outcome yet.
func unsettled(tx Tx, id RequestID, seqs Ranges) (Ranges, error) {
	const atOnce = 1000
	var open []recall.Seq
	for from := recall.Seq(0); ; {
		page, err := tx.Unsettled(id, from, atOnce)
		if err != nil {
			return nil, err
		}
		if open = append(open, page...); len(page) < atOnce {
			return MakeRanges(open...).Intersect(seqs), nil
		}
		from = page[len(page)-1] + 1
	}
}

// request reads a request that m may see.
func (a *act) request(id RequestID) (Request, error) {
	if err := a.b.o.Policy.MayRead(a.m, a.b.o.Roster); err != nil {
		return Request{}, err
	}
	if id == "" { // a command that names none is a mistake, so this is a button that the bot never made
		return Request{}, &Refusal{Key: "no_such_request", Why: Say("refuse.forged")}
	}
	r, err := a.tx.Request(id)
	if errors.Is(err, ErrNotFound) || err == nil && r.App != a.b.o.App {
		return Request{}, refuse("no_such_request", "id", Code(string(id)))
	}
	return r, err
}

// readable reads a request that m may see whole: of a group that may be touched now, or still open.
func (a *act) readable(id RequestID) (Request, error) {
	r, err := a.request(id)
	if err == nil && !r.State.Open() {
		err = a.b.o.Policy.MayTouch(r.Scope.Group)
	}
	return r, err
}

// rules is what holds now for a request.
func (b *Bot) rules(tx Tx, r Request) (Rules, error) {
	asked, err := tx.Roster(r.Roster)
	if err != nil {
		return Rules{}, fmt.Errorf("read roster %s: %w", r.Roster, err)
	}
	return Rules{Policy: b.o.Policy, Roster: b.o.Roster, Asked: asked, Now: tx.Now()}, nil
}

// decide is the way of every verdict, whatever the shape of the event, to Decide.
func (a *act) decide(v Verdict) (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	d := Decision{Verdict: v, By: a.m, Place: a.e.Place, Digest: wholeDigest(r, a.e.Act.Digest), Reason: strings.TrimSpace(a.e.Act.Reason), Event: a.e.ID}
	next, err := Decide(r, d, now)
	if no, ok := errors.AsType[*Refusal](err); ok {
		if no.Key == "too_late" && a.noted.Before(r.Deadline) {
			err = refuse("expired_while_checked", "deadline", r.Deadline)
		}
		return a.stale(r, no), err
	}
	if err != nil {
		return Answer{}, err
	}
	if v == Approve && a.e.Act.Typed {
		if n, ok := typedNumber(a.e.Act.Count); !ok || n != r.Tally.Send {
			return Answer{}, refuse("wrong_count", "typed", Quote(Cut(a.e.Act.Count, 30)), "n", r.Tally.Send)
		}
	}
	if err := a.tx.PutRequest(next); err != nil {
		return Answer{}, err
	}
	what, key := "approved", "answer.approved"
	switch {
	case next.State == Rejected:
		what, key = "rejected", "answer.rejected"
		if err := a.b.ended(a.tx, next); err != nil {
			return Answer{}, err
		}
	case next.State == Approved:
		if err := a.b.granted(a.tx, next); err != nil {
			return Answer{}, err
		}
	default:
		key = "answer.approved_more"
	}
	err = a.b.audit(a.tx, a.e, what, r.ID, r.Digest, map[string]any{"state": string(next.State), "have": len(next.Approvals), "need": next.Needed, "reason_given": d.Reason != ""})
	if err != nil {
		return Answer{}, err
	}
	return a.changed(next, Say(key, "id", r.ID, "n", next.Awaits()))
}

// typedNumber reads a number as a person types it: spaces and thousands separators aside, any full-width digits folded.
func typedNumber(s string) (int, bool) {
	s = strings.NewReplacer(",", "", ".", "", " ", "", "'", "").Replace(foldString(s))
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

// wholeDigest is the sealed digest when the card's is the beginning of it, DigestShort characters at least; else what the card carried.
func wholeDigest(r Request, onCard string) string {
	if len(onCard) >= DigestShort && r.Digest != "" && strings.HasPrefix(r.Digest, onCard) {
		return r.Digest
	}
	return "card:" + onCard
}

// stale says that the card which was pressed must be repaired, when a refusal comes from what it showed.
func (a *act) stale(r Request, no *Refusal) Answer {
	switch no.Key {
	case "stale_card", "decided_already", "too_late", "expired_while_checked", "still_preparing":
	default:
		return Answer{}
	}
	c, err := a.b.card(a.tx, r, 0)
	if err != nil {
		return Answer{} // the repair is a kindness; the refusal stands without it
	}
	return Answer{Card: &c, Stale: true}
}

// changed wakes the teller for a request that a person has just changed, and answers with the card as it is now.
func (a *act) changed(r Request, said Line) (Answer, error) {
	if err := a.b.show(a.tx, r.ID); err != nil {
		return Answer{}, err
	}
	c, err := a.b.card(a.tx, r, 0)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Kind: Changed, Card: &c, Lines: []Line{said}}, nil
}

// show makes the teller draw the request again.
func (b *Bot) show(tx Tx, id RequestID) error {
	tx.Wake(WakeTeller)
	return tx.Want(id)
}

// granted sets in motion what an approval by enough people sets in motion.
func (b *Bot) granted(tx Tx, r Request) error {
	if err := tx.Grant(r.ID, r.Digest); err != nil {
		return err
	}
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	if err := tx.SetDue(Due{r.ID, DueStart, r.Granted.Add(r.Policy.StartWithin)}); err != nil {
		return err
	}
	tx.Wake(WakeRunner, WakeTimer)
	return nil
}

// ended does what every end needs: no timers but the evidence's, the last posts, the card once more.
func (b *Bot) ended(tx Tx, r Request) error {
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	ttl := b.o.EvidenceTTL
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return err
	}
	if counts[ClassRecalled]+counts[ClassUnknown] == 0 { // it recalled nothing
		ttl = min(ttl, 24*time.Hour)
	}
	if r.Digest == "" { // what a preparation stored before it was cut short goes at once
		ttl = 0
	}
	if err := tx.SetDue(Due{r.ID, DueEvidence, tx.Now().Add(ttl)}); err != nil {
		return err
	}
	views, err := tx.ViewOf(r.ID)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Tries == 0 && !v.After.IsZero() { // the pause between edits of progress is not for the end
			v.After = time.Time{}
			if err := tx.PutView(v); err != nil {
				return err
			}
		}
		if r.State.HasReceipt() {
			if err := tx.AddPost(Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/outcomes", Kind: PostOutcomes}); err != nil {
				return err
			}
		}
		if err := tx.AddPost(Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/receipt", Kind: PostReceipt}); err != nil {
			return err
		}
	}
	tx.Wake(WakeTeller, WakeTimer)
	return tx.Want(r.ID)
}

// askOnceMore answers a press with the form that asks once more. It decides nothing; what it can refuse already, it does.
func (a *act) askOnceMore() (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	v := Approve
	if a.e.Act.Kind == ActAskReject {
		v = Reject
	}
	if _, err := Decide(r, Decision{Verdict: v, By: a.m, Place: a.e.Place, Digest: wholeDigest(r, a.e.Act.Digest)}, now); err != nil {
		if no, ok := errors.AsType[*Refusal](err); ok {
			return a.stale(r, no), err
		}
		return Answer{}, err
	}
	if v == Reject {
		return Answer{Kind: ShowForm, Form: rejectForm(r)}, nil
	}
	return Answer{Kind: ShowForm, Form: approveForm(r)}, nil
}

func (a *act) withdraw(id RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := Withdraw(r, a.m, now)
	if err != nil {
		return Answer{}, err
	}
	return a.end(next, "withdrawn", "answer.withdrawn")
}

func (a *act) stop(id RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := Stop(r, a.m, now)
	if no, ok := errors.AsType[*Refusal](err); ok {
		return a.stale(r, no), err
	}
	if err != nil {
		return Answer{}, err
	}
	if next.State == Stopping {
		if err := a.tx.PutRequest(next); err != nil {
			return Answer{}, err
		}
		if err := a.b.audit(a.tx, a.e, "stopping", id, r.Digest, nil); err != nil {
			return Answer{}, err
		}
		a.tx.Wake(WakeRunner)
		return a.changed(next, Say("answer.stopping", "id", id))
	}
	return a.end(next, "stopped", "answer.stopped")
}

// end stores a request that a person has just ended.
func (a *act) end(r Request, what, key string) (Answer, error) {
	if err := a.b.audit(a.tx, a.e, what, r.ID, r.Digest, nil); err != nil {
		return Answer{}, err
	}
	if err := a.b.putEnded(a.tx, r, WhyStopped); err != nil {
		return Answer{}, err
	}
	return a.changed(r, Say(key, "id", r.ID))
}

// putEnded stores a request that has ended. Where it was approved and nothing of it ran, every message gets its outcome now: not sent, for
// the reason given, or what the seal says of it. A request with a receipt gets its number.
func (b *Bot) putEnded(tx Tx, r Request, why Why) error {
	if r.State.HasReceipt() {
		for more := true; more; {
			var err error
			if _, more, err = settleRest(tx, r.ID, Outcome{Class: ClassNotSent, Why: why, At: tx.Now()}); err != nil {
				return err
			}
		}
		var err error
		if r.Receipt, err = tx.NextReceipt(); err != nil {
			return err
		}
		counts, err := tx.Progress(r.ID)
		if err != nil {
			return err
		}
		if n := counts[""]; n > 0 {
			return fmt.Errorf("end %s: %d messages have no outcome", r.ID, n) // unreachable: what is in a batch that is done has one
		}
		rests, err := tx.Rests(r.ID)
		if err != nil {
			return err
		}
		sums := map[string]any{"number": r.Receipt, "state": string(r.State), "sums": counts}
		if len(rests) > 0 {
			sums["rests"] = rests
		}
		if r.StillShown.Count() > 0 {
			sums["still_shown"] = r.StillShown.String()
		}
		e, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: "receipt", Request: r.ID, Digest: r.Digest, Detail: detail(sums)})
		if err != nil {
			return err
		}
		r.AuditHead = fmt.Sprintf("%d %s", e.N, e.Hash)
	}
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	return b.ended(tx, r)
}
