package bot

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/recall"
)

// Index says what is kept of the messages that callbacks tell of, so that those of groups without history can be found.
type Index string

// What can be kept.
const (
	IndexOff     Index = "off"
	IndexHash    Index = "hash"    // who and when, and an HMAC of what
	IndexExcerpt Index = "excerpt" // the beginning of what, too
)

const (
	arrivalsMost = 200_000             // rows of the index, all groups together; the oldest go first
	removalsMost = 200_000             // rows of recalls that were told of
	keepRemovals = 30 * 24 * time.Hour // how long they are kept
	forgetAtOnce = 50_000              // rows that one transaction forgets at most
	forgetEvery  = 5 * time.Second     // between two looks for what to forget, while callbacks come
	lateLookedAt = 50                  // requests with the same messages that a late callback is audited for
	auditedRuns  = 100                 // runs of seqs that an entry about late callbacks names at most; beside them stands how many seqs it is about
	auditedBy    = 10                  // accounts that it names at most
)

// Arrival is a message as the after-send callback told of it. Nothing but the callback says that it exists.
type Arrival struct {
	Group  recall.GroupID `json:"group"`
	Topic  recall.TopicID `json:"topic,omitempty"`
	Seq    recall.Seq     `json:"seq"`
	Sender recall.UserID  `json:"sender"`
	Sent   time.Time      `json:"sent,omitzero"` // to the second, by the service's clock
	// HMAC is over the content under a key that no place keeps: it tells two messages apart, and nobody can test a guess against it.
	HMAC    []byte `json:"hmac"`
	Excerpt string `json:"excerpt,omitempty"` // with IndexExcerpt
	// Disputed says that another callback told of another message with this number: nobody knows which of the two is made up.
	Disputed bool      `json:"disputed,omitempty"`
	Came     time.Time `json:"-"` // by the ledger's clock
}

// Same reports whether two callbacks may have told of the same message. Their HMACs need not be equal for that: each process has its own key.
func (a Arrival) Same(o Arrival) bool {
	return a.Sender == o.Sender && a.Sent.Equal(o.Sent) && (a.Excerpt == o.Excerpt || a.Excerpt == "" || o.Excerpt == "")
}

// Removal is a recall as the after-recall callback told of it, whoever made it.
type Removal struct {
	Group recall.GroupID `json:"group"`
	Topic recall.TopicID `json:"topic,omitempty"`
	Seq   recall.Seq     `json:"seq"`
	By    recall.UserID  `json:"by,omitempty"`
	At    time.Time      `json:"at"` // by the service's clock; when it came, where the callback does not say
	Came  time.Time      `json:"-"`  // by the ledger's clock
}

// Wants reports whether a callback is of any use here: it is of a group that may be touched, and tells of a recall, or of a
// message while the index is on. It reads nothing.
func (b *Bot) Wants(c recall.Callback) bool {
	switch c := c.(type) {
	case recall.AfterSendMsg:
		return b.indexing() && !c.OnlineOnly && c.Seq > 0 && b.o.Policy.MayTouch(c.Group) == nil
	case recall.AfterRecallMsg:
		return len(c.Seqs) <= recall.MaxCallbackSeqs && b.o.Policy.MayTouch(c.Group) == nil
	}
	return false
}

func (b *Bot) indexing() bool { return b.o.Index == IndexHash || b.o.Index == IndexExcerpt }

// Hear takes in callbacks, in one transaction. What Wants does not want is left out. A callback that comes twice changes nothing.
//
// The signature of a callback does not cover what it says. So a message it tells of is marked as known from a callback alone, and a recall it tells of
// does three things and no other: it confirms what the API has answered, it settles what else would be told as unknown because the service itself can say nothing, and it is
// shown. What comes for a request that has ended is audited.
func (b *Bot) Hear(ctx context.Context, callbacks []recall.Callback) error {
	var arrivals []Arrival
	removals := map[talk][]Removal{}
	now := time.Now().Truncate(time.Millisecond)
	for _, c := range callbacks {
		if !b.Wants(c) {
			continue
		}
		switch c := c.(type) {
		case recall.AfterSendMsg:
			arrivals = append(arrivals, b.arrival(c))
		case recall.AfterRecallMsg:
			at := c.EventTime
			if at.IsZero() {
				at = now
			}
			t := talk{c.Group, c.Topic}
			for _, s := range c.Seqs {
				removals[t] = append(removals[t], Removal{Group: c.Group, Topic: c.Topic, Seq: s, By: c.Operator, At: at})
			}
		}
	}
	if len(arrivals) == 0 && len(removals) == 0 {
		return nil
	}
	err := b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if len(arrivals) > 0 {
			if _, err := tx.AddArrivals(b.o.App, arrivals); err != nil {
				return err
			}
		}
		for _, t := range slices.SortedFunc(maps.Keys(removals), talk.compare) {
			if _, err := tx.AddRemovals(b.o.App, removals[t]); err != nil {
				return err
			}
			if err := b.heard(tx, t, removals[t]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take in callbacks: %w", err)
	}
	return b.forgetCallbacks(ctx, forgetEvery)
}

// talk is a group or a topic of it: what seqs count in.
type talk struct {
	group recall.GroupID
	topic recall.TopicID
}

func (t talk) compare(o talk) int {
	return cmp.Or(cmp.Compare(t.group, o.group), cmp.Compare(t.topic, o.topic))
}

// arrival is what the index keeps of a message.
func (b *Bot) arrival(c recall.AfterSendMsg) Arrival {
	m := c.Message()
	a := Arrival{Group: c.Group, Topic: c.Topic, Seq: c.Seq, Sender: c.From, Sent: c.Time, HMAC: ContentHMAC(b.indexKey, m)}
	if b.o.Index == IndexExcerpt {
		a.Excerpt = m.Excerpt(maxExcerpt)
	}
	return a
}

// sealArrived fixes one message as a callback told of it.
func (b *Bot) sealArrived(a Arrival, key []byte, p Policy, now time.Time) Message {
	out := Message{Seq: a.Seq, Sender: a.Sender, Sent: a.Sent, Read: now, Status: SealNormal, Callback: true, Admin: b.o.Admin != "" && a.Sender == b.o.Admin}
	if p.IsProtected(a.Sender) {
		out.Status = SealProtected
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(a.HMAC)
	out.HMAC = mac.Sum(nil)
	if b.o.Evidence != EvidenceHash {
		out.Evidence = a.Excerpt
	}
	return out
}

// arrived returns what the index has of those messages. What callbacks contradict each other about it does not know.
func (b *Bot) arrived(ctx context.Context, s Scope, seqs Ranges) (map[recall.Seq]Arrival, error) {
	if !b.indexing() {
		return nil, nil
	}
	found := map[recall.Seq]Arrival{}
	err := b.o.Ledger.View(ctx, func(tx Tx) error {
		for _, r := range seqs {
			kept, err := tx.Arrivals(b.o.App, s.Group, s.Topic, r.From, r.To, arrivalsMost)
			if err != nil {
				return err
			}
			for _, a := range kept {
				if !a.Disputed {
					found[a.Seq] = a
				}
			}
		}
		return nil
	})
	return found, err
}

// searchArrived searches the index as search does history, below the number that the service gives next, where that is known. It is complete only back to when the index begins;
// what a lost callback would have told it cannot know, and where callbacks contradict each other it refuses.
func (b *Bot) searchArrived(ctx context.Context, s Scope, next recall.Seq) (searched, error) {
	f := s.Filter
	if f.Text != "" && b.o.Index != IndexExcerpt {
		return searched{}, refuse("index_no_text")
	}
	out := searched{Arrived: map[recall.Seq]Arrival{}}
	err := b.o.Ledger.View(ctx, func(tx Tx) error {
		kept, err := tx.Arrivals(b.o.App, s.Group, s.Topic, 1, next-1, maxSearched) // next 0: all
		if err != nil {
			return err
		}
		seqs := make([]recall.Seq, len(kept))
		for i, a := range kept {
			seqs[i] = a.Seq
		}
		removed, err := tx.Removals(b.o.App, s.Group, s.Topic, seqs, time.Time{})
		if err != nil {
			return err
		}
		first, err := tx.FirstArrival(b.o.App)
		if err != nil {
			return err
		}
		if out.Reached = first; first.IsZero() {
			out.Reached = tx.Now()
		}
		for _, a := range kept {
			if a.Disputed {
				return refuse("index_disputed", "seq", Code(formatInt(int64(a.Seq))))
			}
			if !f.Since.IsZero() && a.Sent.Before(f.Since.At.Truncate(time.Second)) {
				out.Complete = true
				return nil
			}
			out.Read, out.Reached = out.Read+1, a.Sent
			m := recall.Message{Seq: a.Seq, From: a.Sender, Time: a.Sent}
			if _, gone := removed[a.Seq]; gone || !f.Matches(m, a.Excerpt) {
				continue
			}
			out.Matches, out.Arrived[a.Seq] = append(out.Matches, Message{Seq: a.Seq}), a
			if f.Last > 0 && len(out.Matches) == f.Last {
				out.Complete = true
				return nil
			}
		}
		out.Complete = len(kept) < maxSearched && !f.Since.IsZero() && !first.IsZero() && !f.Since.At.Before(first)
		return nil
	})
	return out, err
}

// heard lets recalls that callbacks told of take effect on the requests that hold these messages.
func (b *Bot) heard(tx Tx, t talk, told []Removal) error {
	var seqs []recall.Seq
	by := map[recall.UserID]bool{}
	for _, r := range told {
		seqs, by[r.By] = append(seqs, r.Seq), true
	}
	these := MakeRanges(seqs...)
	held := Query{App: b.o.App, Group: t.group, Topic: &t.topic, States: []State{Proposed, Approved, Running, Stopping}, Seqs: these, Limit: 1000}
	open, err := tx.Requests(held)
	if err != nil {
		return err
	}
	held.States, held.Limit = []State{Done, Stopped, NotStarted}, lateLookedAt
	ended, err := tx.Requests(held)
	if err != nil {
		return err
	}
	for _, r := range append(open, ended...) {
		shared := r.Covers.Intersect(these)
		if !r.State.Open() {
			who := slices.Sorted(maps.Keys(by))
			runs := shared[:min(len(shared), auditedRuns)]
			err := b.auditOwn(tx, "callback after the end", r.ID, r.Digest, map[string]any{"n": shared.Count(), "seqs": runs.String(), "by": who[:min(len(who), auditedBy)]})
			if err != nil {
				return err
			}
			continue
		}
		if r.State == Running || r.State == Stopping {
			if err := b.settleTold(tx, r, slices.Collect(shared.All())); err != nil {
				return err
			}
		}
		if err := b.show(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// settleTold does what callbacks may do for a request that runs: it confirms those of the seqs that the API has answered, where a callback since the beginning told that they were
// recalled and history does not show them as still there. What is in doubt the service itself is asked about.
func (b *Bot) settleTold(tx Tx, r Request, seqs []recall.Seq) error {
	told, err := tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, seqs, r.Begun)
	if err != nil || len(told) == 0 {
		return err
	}
	for s := range told {
		if r.StillShown.Contains(s) {
			delete(told, s)
		}
	}
	tx.Wake(WakeRunner)
	_, err = tx.Confirm(r.ID, slices.Sorted(maps.Keys(told)), ByCallback)
	return err
}

// unlessTold makes an outcome unknown, whose answer was lost, recalled where a callback has told so since the request began.
func (b *Bot) unlessTold(tx Tx, r Request, outcomes map[recall.Seq]Outcome) error {
	var unknown []recall.Seq
	for s, o := range outcomes {
		if o.Class == ClassUnknown && o.Why == WhyNoAnswer { // what history shows, or lacks, no callback takes away
			unknown = append(unknown, s)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	told, err := tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, unknown, r.Begun)
	for s := range told {
		outcomes[s] = Outcome{Class: ClassRecalled, Why: WhyTold, At: tx.Now(), Confirmed: ByCallback}
	}
	return err
}

// forgetCallbacks takes from memory what callbacks told long ago, or beyond what is kept. While the index is off nothing of it is kept.
// Where that was done less than every ago it does nothing.
func (b *Bot) forgetCallbacks(ctx context.Context, every time.Duration) error {
	last, now := b.forgot.Load(), time.Now().UnixNano()
	if now-last < int64(every) || !b.forgot.CompareAndSwap(last, now) {
		return nil
	}
	for {
		n := 0
		err := b.o.Ledger.Tx(ctx, func(tx Tx) (err error) {
			before := tx.Now().Add(-b.o.IndexTTL)
			if !b.indexing() {
				before = tx.Now().Add(time.Millisecond)
			}
			if n, err = tx.ForgetArrivals(before, arrivalsMost, forgetAtOnce); err != nil || n == forgetAtOnce {
				return err
			}
			_, err = tx.ForgetRemovals(tx.Now().Add(-keepRemovals), removalsMost, forgetAtOnce)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget callbacks: %w", err)
		}
		if n < forgetAtOnce {
			return nil
		}
	}
}
