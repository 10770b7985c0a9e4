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
	"reflect"
	"sync/atomic"
	"time"

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
	leads    atomic.Bool  // this process holds the app's lease
	searches searches     // that read just now

	unheld, unseen, unclaimed, unstored complaint // of the runner's loop
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
// A Refusal or a Mistake is an Answer, not an error. An error means that the event is not known to have been handled: one that Note has stored stays Unfinished.
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

// Unfinished yields the events of a platform that were stored by Note and have no answer, oldest first, with their age. One that is so
// old that no process can be at work on it was left by one that has ended, and an adapter takes it up.
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

// Replaced is told by an adapter whose answer to a press has put a card into a message, beside what the teller shows there. Where the request has moved on since that card was
// made, it is shown once more: the answer may have arrived after something newer, and would hide it.
func (b *Bot) Replaced(ctx context.Context, c Card) error {
	if now, err := b.ShowingNow(ctx, c.ID); err != nil || reflect.DeepEqual(now, c) {
		return err
	}
	return b.o.Ledger.Tx(ctx, func(tx Tx) error { return b.show(tx, c.ID) })
}

// Shared reports whether other processes may be at work on the same ledger. Where none is, what was begun before this one was has been left.
func (b *Bot) Shared() bool { return b.o.Ledger.Shared() }

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

// overlap returns a Refusal when an open request of the same group and topic holds one of the seqs. Of a stopping request only messages without
// an outcome count. but names the request that is about to be sealed, "" for one that is being asked. on is where it is read.
func (b *Bot) overlap(tx Tx, s Scope, seqs Ranges, but RequestID, on Platform) error {
	if seqs.Count() == 0 {
		return nil
	}
	inTheWay := func(r Request, shared Ranges) error {
		return refuse("overlap", "id", r.ID, "seqs", Code(Cut(shared.String(), 100)), "what", settledHow(r), "command", Code(Command{Verb: VerbShow, Request: r.ID}.on(on)))
	}
	states := []State{Proposed, Approved, Running}
	if but == "" { // two requests that are being prepared may meet: the first to seal wins
		states = append(states, Preparing)
	}
	open, err := tx.Requests(Query{App: b.o.App, Group: s.Group, Topic: &s.Topic, States: states, Seqs: seqs, Limit: 1})
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return inTheWay(open[0], open[0].Covers.Intersect(seqs))
	}
	stopping, err := tx.Requests(Query{App: b.o.App, Group: s.Group, Topic: &s.Topic, States: []State{Stopping}, Seqs: seqs, Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range stopping {
		shared, err := unsettled(tx, r.ID, r.Covers.Intersect(seqs))
		if err != nil {
			return err
		}
		if shared.Count() > 0 {
			return inTheWay(r, shared)
		}
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

// show makes the teller draw the request again.
func (b *Bot) show(tx Tx, id RequestID) error {
	tx.Wake(WakeTeller)
	return tx.Want(id)
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

// putEnded stores a request that has ended. Where it was approved and nothing of it ran, every message gets its outcome now: not sent, for
// the reason given, or what the seal says of it. A request with a receipt gets its number.
func (b *Bot) putEnded(tx Tx, r Request, why Why) error {
	if r.State.HasReceipt() {
		_, _, err := settleRest(tx, r.ID, Outcome{Class: ClassNotSent, Why: why, At: tx.Now()}) // all of it: what is more was wound down
		if err != nil {
			return err
		}
		if r.Receipt, err = tx.NextReceipt(); err != nil {
			return err
		}
		counts, err := tx.Progress(r.ID)
		if err != nil {
			return err
		}
		if n := counts[""]; n > 0 {
			return fmt.Errorf("end %s: %d messages have no outcome", r.ID, n) // unreachable: what is in a batch that is done has one, and a long rest was wound down
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
