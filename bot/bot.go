package bot

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// Rules returns the facts that count now for a request: policy, rosters and time.
func (b *Bot) Rules(tx Tx, r Request) (Rules, error) {
	asked, err := tx.Roster(r.Roster)
	if err != nil {
		return Rules{}, fmt.Errorf("read roster %s: %w", r.Roster, err)
	}
	return Rules{Policy: b.Policy, Roster: b.Roster, Asked: asked, Now: tx.Now()}, nil
}

// Hash identifies the configuration of the bot, whichever process uses it: the SHA-256 of the
// options as JSON. It leaves out the roster, which has a hash of its own, the fields that belong to
// one process (Holder, Log), and Ledger and Chat. It contains no secret.
func (o Options) Hash() string {
	body, err := json.Marshal(map[string]any{
		"app": o.App, "admin": o.Admin, "reason": o.Reason, "policy": o.Policy, "evidence": o.Evidence,
		"evidence_ttl": o.EvidenceTTL, "forget_reasons": o.ForgetReasons, "on_request": o.OnRequest,
		"callbacks": o.Callbacks, "index": o.Index, "index_ttl": o.IndexTTL, "calls_per_second": o.CallsPerSecond,
		"lease_ttl": o.LeaseTTL, "window": o.Window,
	})
	if err != nil {
		// unreachable: strings, numbers and lists of them always marshal
		panic(fmt.Sprintf("bot: configuration cannot be written: %v", err))
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Audit appends an entry about what the bot did where no person acted.
func (b *Bot) Audit(tx Tx, what string, id RequestID, digest string, more map[string]any) error {
	_, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: what, Request: id, Digest: digest,
		Detail: Detail(more)})
	return err
}

// AuditTraces appends entries about calls and their answers, where no person acted.
func (b *Bot) AuditTraces(tx Tx, id RequestID, all []Trace) error {
	for _, t := range all {
		if _, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: t.What, Request: id,
			Detail: t.Detail}); err != nil {
			return err
		}
	}
	return nil
}

// Chat is the part of the Chat service that the bot uses. *recall.Client is one.
type Chat interface {
	GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error)
	GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error)
	GetGroupInfo(ctx context.Context, g recall.GroupID) (recall.GroupInfo, error)
	GetGroupInfos(ctx context.Context, g []recall.GroupID) ([]recall.GroupInfo, error)
	GetAppIDGroupList(ctx context.Context, next uint64) (recall.GroupPage, error)
	GetJoinedGroupList(ctx context.Context, member recall.UserID) ([]recall.GroupID, int, error)
	PortraitGet(ctx context.Context, accounts []recall.UserID) (map[recall.UserID]string, error)
}

// What Options are taken for what they leave out.
const (
	DefaultEvidence    = EvidenceExcerpt
	DefaultEvidenceTTL = 720 * time.Hour
	DefaultIndexTTL    = 2 * time.Hour
)

// Options has the configuration of a Bot.
type Options struct {
	App    recall.SDKAppID
	Admin  recall.UserID // the app's admin; its messages are marked
	Reason string        // sent with each recall; never what a requester wrote
	Ledger Ledger
	Chat   Chat
	Policy Policy
	Roster Roster

	Evidence    Evidence      // "": DefaultEvidence
	EvidenceTTL time.Duration // from the request's end; 0: DefaultEvidenceTTL
	// ForgetReasons forgets the words of reasons with the evidence (AUDIT_REASON=ttl).
	ForgetReasons bool
	// OnRequest keeps message content off the card (CARD_CONTENT=on-request).
	OnRequest bool

	// Callbacks says that the service's callbacks arrive (History.Hear). The end of a request then
	// waits for the callbacks of its recalls, for 10 s at most.
	Callbacks bool
	// Index says what History.Hear keeps of messages, "": IndexOff; IndexTTL says for how long, 0:
	// DefaultIndexTTL.
	Index    Index
	IndexTTL time.Duration

	// CallsPerSecond is the quota of the recall API; 0: 200. It determines how many batches are
	// claimed at a time; Chat keeps the pace.
	CallsPerSecond int
	// Holder names this process among replicas and must be new at each start; "": a random name.
	Holder string
	// LeaseTTL is how long a lease lasts without renewal; 0: 10 s. Window is how long a new holder
	// waits before its first recall: the quota's one second and a guard; 0: 1.1 s.
	LeaseTTL, Window time.Duration

	// Watch is told of each step of a request, as the log is; nil: nobody.
	Watch func(Step)

	Log *slog.Logger
}

// Evidence says what is kept of the messages of a request.
type Evidence string

// The kinds of evidence.
const (
	EvidenceFull    Evidence = "full"
	EvidenceExcerpt Evidence = "excerpt"
	EvidenceHash    Evidence = "hash"
)

// Overlap returns a Refusal if an open request contains one of these messages of a talk. Of a
// stopping request only messages without an outcome count. but is the id of the request that is
// about to be sealed or taken back, and is "" for a request that is being asked. on is the platform
// on which the refusal is read.
func (b *Bot) Overlap(tx Tx, t Talk, seqs command.Ranges, but RequestID, on Platform) error {
	if seqs.Count() == 0 {
		return nil
	}
	inTheWay := func(r Request, shared command.Ranges) error {
		return NewRefusal("overlap", "id", r.ID, "seqs", Code(Cut(shared.Words(), 100)), "what", howEnded(r),
			"command", Code(command.Command{Verb: command.VerbShow, Request: r.ID}.Write(on.TypesOptions())))
	}
	states := []State{Proposed, Approved, Running}
	if but == "" { // two requests that are being prepared may meet: the first to seal wins
		states = append(states, Preparing)
	}
	open, err := tx.Requests(Query{App: b.App, Group: t.Group, Topic: &t.Topic, States: states, Seqs: seqs, Limit: 2})
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(r Request) bool { return r.ID == but })
	if len(open) > 0 {
		return inTheWay(open[0], open[0].Shared(t, seqs))
	}
	stopping, err := tx.Requests(Query{App: b.App, Group: t.Group, Topic: &t.Topic, States: []State{Stopping},
		Seqs: seqs, Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range stopping {
		shared, err := unsettled(tx, r, t, seqs)
		if err != nil {
			return err
		}
		if shared.Count() > 0 {
			return inTheWay(r, shared)
		}
	}
	return nil
}

// unsettled returns those of the seqs of a talk that the request covers and that have no outcome
// yet.
func unsettled(tx Tx, r Request, t Talk, seqs command.Ranges) (command.Ranges, error) {
	const atOnce = 1000
	part, ok := r.In(t)
	if !ok {
		return nil, nil
	}
	var open []recall.Seq
	for from := IDOf(part, 0); ; {
		page, err := tx.Unsettled(r.ID, from, atOnce)
		if err != nil {
			return nil, err
		}
		for _, id := range page {
			if id.Part() == part {
				open = append(open, id.Seq())
			}
		}
		if len(page) < atOnce || page[len(page)-1].Part() != part {
			return command.MakeRanges(open...).Intersect(seqs), nil
		}
		from = page[len(page)-1] + 1
	}
}

// Redraw makes the teller draw the request again.
func (b *Bot) Redraw(tx Tx, id RequestID) error {
	tx.Wake(WakeTeller)
	return tx.Want(id)
}

// RedrawAtOnce makes the teller draw the request again without the pause between edits of progress,
// which is not for what a person did nor for an end.
func (b *Bot) RedrawAtOnce(tx Tx, id RequestID) error {
	views, err := tx.ViewOf(id)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Tries == 0 && !v.After.IsZero() {
			v.After = time.Time{}
			if err := tx.PutView(v); err != nil {
				return err
			}
		}
	}
	return b.Redraw(tx, id)
}

// LinesMost is how many outcomes are told line by line in a thread. Of more there is a summary, and
// a file.
const LinesMost = 50

// RedrawWithin makes the teller draw the request again within d. The worker is about to change it
// once more, and has it drawn then (RedrawAtOnce), so that it is drawn once.
func (b *Bot) RedrawWithin(tx Tx, id RequestID, d time.Duration) error {
	views, err := tx.ViewOf(id)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Tries == 0 && v.After.IsZero() {
			v.After = tx.Now().Add(d)
			if err := tx.PutView(v); err != nil {
				return err
			}
		}
	}
	return b.Redraw(tx, id)
}

// Ended does what every end of a request needs: it clears all timers, sets the one of the evidence,
// adds the last posts, and has the card rendered. A request that is refused before it has a card is
// told to its requester alone.
func (b *Bot) Ended(tx Tx, r Request) error {
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	ttl := b.EvidenceTTL
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
	if len(views) == 0 && r.State == Refused { // nobody but its requester has heard of it
		if err := tx.AddPost(Post{Request: r.ID, Place: r.Place, Key: string(r.ID) + "/receipt", Kind: PostNotice,
			Line: Say("note.ended.refused", "id", r.ID, "why", r.RefusedFor)}); err != nil {
			return err
		}
	}
	for _, v := range views {
		if r.State.HasReceipt() {
			if err := tx.AddPost(Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/outcomes",
				Kind: PostOutcomes}); err != nil {
				return err
			}
		}
		if err := tx.AddPost(Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/receipt",
			Kind: PostReceipt}); err != nil {
			return err
		}
		if r.State.HasReceipt() && r.Tally.Total > LinesMost {
			if err := tx.AddPost(Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/file",
				Kind: PostFile}); err != nil {
				return err
			}
		}
	}
	tx.Wake(WakeTimer)
	return b.RedrawAtOnce(tx, r.ID)
}

// End stores a request that has ended. If it was approved, each message without an outcome gets
// one: not sent, for the reason why, or what the seal says. A request with a receipt gets its
// number.
func (b *Bot) End(tx Tx, r Request, why Why) error {
	if r.State.HasReceipt() {
		// one part is enough: a larger request was wound down before
		_, _, err := SettleRest(tx, r.ID, func(Message) Outcome {
			return Outcome{Class: ClassNotSent, Why: why, At: tx.Now()}
		})
		if err != nil {
			return err
		}
		if err := r.number(tx); err != nil {
			return err
		}
		counts, err := tx.Progress(r.ID)
		if err != nil {
			return err
		}
		if n := counts[""]; n > 0 {
			// unreachable: messages of finished batches have outcomes, and the worker has given the
			// others theirs
			return fmt.Errorf("end %s: %d messages have no outcome", r.ID, n)
		}
		rests, err := tx.Rests(r.ID)
		if err != nil {
			return err
		}
		sums := map[string]any{"number": r.Receipt, "state": string(r.State), "sums": counts}
		if r.ReceiptRun > 0 {
			sums["run"] = r.ReceiptRun
		}
		if len(rests) > 0 {
			sums["rests"] = rests
		}
		for _, p := range r.Parts {
			if p.StillShown.Count() > 0 {
				sums["still_shown"] = r.Seqs(func(p Part) command.Ranges { return p.StillShown })
				break
			}
		}
		e, err := tx.Append(Entry{Process: time.Now(), Actor: "bot", What: "receipt", Request: r.ID, Digest: r.Digest,
			Detail: Detail(sums)})
		if err != nil {
			return err
		}
		r.AuditHead = fmt.Sprintf("%d %s", e.N, e.Hash)
	}
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	return b.Ended(tx, r)
}

// Bot is what packages intake and worker share: the options with their defaults, and the changes
// that both make in a transaction. It starts nothing and keeps no state of its own.
type Bot struct {
	Options
	RosterHash string // of Options.Roster
	// Nickname returns what an account calls itself, "" where that is not known; nil: of nobody.
	// Package history sets it.
	Nickname func(recall.UserID) string

	began time.Time // when this process did
}

// New returns a Bot. It reads nothing and starts nothing. It returns an error that names what is
// missing from the options.
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
	o.Evidence = cmp.Or(o.Evidence, DefaultEvidence)
	o.EvidenceTTL = cmp.Or(o.EvidenceTTL, DefaultEvidenceTTL)
	o.CallsPerSecond = cmp.Or(o.CallsPerSecond, recall.DefaultCallsPerSecond)
	o.Holder = cmp.Or(o.Holder, rand.Text())
	o.LeaseTTL = cmp.Or(o.LeaseTTL, 10*time.Second)
	o.Window = cmp.Or(o.Window, 1100*time.Millisecond)
	o.Index = cmp.Or(o.Index, IndexOff)
	o.IndexTTL = cmp.Or(o.IndexTTL, DefaultIndexTTL)
	watch := o.Watch
	o.Ledger = stepped{o.Ledger, func(s Step) {
		s.Log(o.Log)
		if watch != nil {
			watch(s)
		}
	}}
	return &Bot{began: time.Now(), Options: o, RosterHash: o.Roster.Hash()}, nil
}
