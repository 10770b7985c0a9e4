package bot

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/recall"
)

const (
	tellAtOnce     = 4               // requests shown at once on one platform
	tellPoll       = 5 * time.Second // the slow look where no wake came
	progressEvery  = 3 * time.Second // between edits of a card while its request runs
	tellRetryMost  = time.Minute     // the longest pause after failures
	linesMost      = 50              // outcomes told line by line; of more there is a summary and a file
	tellCallWithin = 30 * time.Second
	tellEndWithin  = 3 * time.Second    // for a call that is on its way when the process stops
	tellLaterMost  = LaterMost          // the longest pause, and after what a platform forbids
	tellForbidden  = 7 * 24 * time.Hour // how long after the text was to go what is forbidden is still tried
	tellSeldom     = time.Hour          // the longest pause after what a platform forbids, for a request that ended tellOld ago
	tellOld        = 24 * time.Hour
	tellLogAgain   = 24 * time.Hour // after which the log is told again of what stays forbidden
	tellAsItIs     = 7              // refusals in a row, within about a minute at best, before a post that is refused for what it says gives way to a sentence
)

// tell keeps what one platform shows equal to what is stored: it renders every view until its shown version is the wanted one, and posts what is queued, in
// order for each request. With replicas one of them tells on a platform, by lease.
func (b *Bot) tell(ctx context.Context, s Surface) {
	wakes, cancel := b.o.Ledger.Subscribe(WakeTeller)
	defer cancel()
	for ctx.Err() == nil {
		b.alone(ctx, "teller/"+string(s.Platform()), nil, func(ctx context.Context, l Lease) error {
			t := &teller{b: b, s: s, lease: l, busy: map[RequestID]bool{}, done: make(chan RequestID, tellAtOnce), outages: map[outage]noted{}, refused: map[placed]int{}}
			t.loop(ctx, wakes)
			return nil
		})
	}
}

type teller struct {
	b     *Bot
	s     Surface
	lease Lease // fences what is written
	busy  map[RequestID]bool
	done  chan RequestID
	wg    sync.WaitGroup

	mu      sync.Mutex
	outages map[outage]noted
	refused map[placed]int // how often in a row a post was refused for what it says
}

// placed names a post: one of the same key may be put in several places.
type placed struct {
	at  Place
	key string
}

// outage is a channel in which something only people can mend goes wrong, and what: one of the errors of a Surface, or errWithText.
type outage struct {
	channel string
	kind    error
}

// errWithText: cards are refused for what they quote, and stand without it. What is refused without it too is another matter.
var errWithText = errors.New("refused with the text")

// noted is when the log was told of an outage, and until when what goes wrong is still the same one.
type noted struct{ at, until time.Time }

// loop tells under the lease until ctx ends. A call that is on its way then has a moment to end and to be stored: cut off, it would be made again. Where
// the lease was lost it is cut off all the same: others tell now.
func (t *teller) loop(ctx context.Context, wakes <-chan struct{}) {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	for ctx.Err() == nil {
		next, err := t.start(ctx, calls)
		if err != nil && ctx.Err() == nil {
			t.b.log.Error("cannot look for what is to be shown", "platform", t.s.Platform(), "err", err)
		}
		wait := tellPoll
		if !next.IsZero() {
			wait = min(wait, max(time.Until(next), time.Millisecond))
		}
		timer := time.NewTimer(wait)
		select {
		case id := <-t.done:
			delete(t.busy, id)
		case <-wakes:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	if errors.Is(context.Cause(ctx), errNotHeld) {
		cut()
	}
	late := time.AfterFunc(tellEndWithin, cut)
	defer late.Stop()
	go func() {
		t.wg.Wait()
		close(t.done)
	}()
	for range t.done {
	}
}

// start begins what is due, each within calls, and returns when the next is.
func (t *teller) start(ctx, calls context.Context) (next time.Time, err error) {
	var views []View
	var posts []Post
	var now time.Time
	err = t.b.o.Ledger.View(ctx, func(tx Tx) (err error) {
		now = tx.Now()
		if views, err = tx.Views(t.s.Platform(), 50); err != nil {
			return err
		}
		posts, err = tx.Posts(t.s.Platform(), 50)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	later := func(at time.Time, tries int) bool {
		if !at.After(now) || at.Sub(now) > max(tellLaterMost, grown(tries)) { // the latter was put off before the ledger's clock was set back
			return false
		}
		if at := time.Now().Add(at.Sub(now)); next.IsZero() || at.Before(next) {
			next = at
		}
		return true
	}
	begin := func(id RequestID, fn func(context.Context) error) {
		if t.busy[id] || len(t.busy) >= tellAtOnce {
			return
		}
		t.busy[id] = true
		t.wg.Go(func() {
			defer func() { t.done <- id }()
			call, cancel := context.WithTimeout(calls, tellCallWithin)
			defer cancel()
			if err := fn(call); err != nil && ctx.Err() == nil {
				if !errors.Is(err, ErrFenced) && !errors.Is(err, ErrEnded) { // else the lease's keeper tells it, and ends ctx
					t.b.log.Error("telling failed; it will be tried again", "request", id, "platform", t.s.Platform(), "err", err)
				}
				sleep(ctx, time.Second)
			}
		})
	}
	for _, v := range views {
		if !later(v.After, v.Tries) {
			begin(v.Request, func(ctx context.Context) error { return t.show(ctx, v) })
		}
	}
	for _, p := range posts {
		if !later(p.After, p.Tries) {
			begin(p.Request, func(ctx context.Context) error { return t.post(ctx, p) })
		}
	}
	return next, nil
}

// show renders one view as its request is now.
func (t *teller) show(ctx context.Context, v View) error {
	var c Card
	var over bool
	var most time.Duration
	err := t.b.o.Ledger.View(ctx, func(tx Tx) error {
		views, err := tx.ViewOf(v.Request)
		if err != nil {
			return err
		}
		for _, now := range views {
			if now.Place == v.Place {
				v = now
			}
		}
		r, err := tx.Request(v.Request)
		if err != nil {
			return err
		}
		over, most = t.over(r, tx.Now()), pauseMost(r, tx.Now())
		c, err = t.b.card(tx, r, v.Wanted)
		return err
	})
	if err != nil {
		return err
	}
	first := v.Ref == Ref{}
	put := func(c Card) error {
		if !first {
			return t.s.Edit(ctx, v.Ref, c)
		}
		ref, err := t.s.Post(ctx, v.Place, c, string(v.Request)+"/card")
		v.Ref = ref
		return err
	}
	if err = put(c); errors.Is(err, ErrRefused) { // it may be what the messages say, which is why they are to be recalled
		if plain, had := hideContent(c); had {
			refused := err
			if err = put(plain); err == nil && !t.known(outage{v.Place.Channel, errWithText}, tellLaterMost) {
				t.b.log.Warn("the platform refuses a card that quotes the messages; it is shown without", "request", v.Request, "platform", t.s.Platform(), "channel", v.Place.Channel, "err", refused)
			}
		}
	}
	untold := false
	if errors.Is(err, ErrGone) && !first {
		var unread error
		if untold, unread = t.untold(ctx, v); unread != nil {
			return unread
		}
	}
	pause := time.Duration(0)
	switch {
	case err == nil:
		v.Shown = c.Version
		if !first { // one posted anew proves itself by an edit
			v.Tries = 0
		}
		if first && c.Version > 1 { // an attempt whose answer was lost may have put up an older version, which the platform now gives back
			v.Shown--
		}
		if c.State == Running || c.State == Stopping {
			pause = progressEvery
		}
	case errors.Is(err, ErrGone) && !first && (c.State.Open() || untold):
		t.b.log.Warn("a card was deleted; it is posted anew", "request", v.Request, "platform", t.s.Platform())
		v.Ref, v.Shown = Ref{}, 0
		v.Tries++
		pause = t.retryIn(err, v.Tries, most, "card", v.Request, v.Place) // grows where somebody deletes whatever is posted
	case errors.Is(err, ErrGone), over && lasting(err):
		t.b.log.Error("a card cannot be shown any more", "request", v.Request, "platform", t.s.Platform(), "err", err)
		v.Dead = true
	default:
		v.Tries++
		pause = t.retryIn(err, v.Tries, most, "card", v.Request, v.Place)
	}
	return t.b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(t.lease); err != nil {
			return err
		}
		r, err := tx.Request(v.Request)
		if err != nil {
			return err
		}
		if v.Tries == 0 && !r.State.Open() { // it ended while it was drawn: the end is shown at once
			pause = 0
		}
		v.After = time.Time{}
		if pause > 0 {
			v.After = tx.Now().Add(pause)
		}
		tx.Wake(WakeTeller)
		return tx.PutView(v)
	})
}

// untold reports whether something is still to be posted in the thread of the card.
func (t *teller) untold(ctx context.Context, v View) (found bool, err error) {
	err = t.b.o.Ledger.View(ctx, func(tx Tx) error {
		posts, err := tx.PostsOf(v.Request)
		found = slices.ContainsFunc(posts, func(p Post) bool { return p.Place == v.Place })
		return err
	})
	return found, err
}

// lasting reports whether only people can mend what went wrong.
func lasting(err error) bool { return kindOf(err) != nil }

// kindOf is which of the errors that only people can mend err is, nil where it is none.
func kindOf(err error) error {
	for _, kind := range []error{ErrGone, ErrForbidden, ErrRefused} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// over reports whether what is forbidden is not tried any more. Until then it may be allowed again: the bot is let back into the channel, or the channel opened.
func (t *teller) over(r Request, now time.Time) bool {
	return !r.State.Open() && now.Sub(r.Ended) > t.b.o.EvidenceTTL+tellForbidden
}

// grown is the pause after so many failures in a row.
func grown(tries int) time.Duration { return min(time.Second<<min(max(tries-1, 0), 12), tellSeldom) }

// pauseMost is the longest pause between tries of what only people can mend: hundreds of cards may wait for weeks, and those of young requests share the platform's rates with them.
func pauseMost(r Request, now time.Time) time.Duration {
	if !r.State.Open() && now.Sub(r.Ended) > tellOld {
		return tellSeldom
	}
	return tellLaterMost
}

// retryIn is how long to wait after a failure: what the platform asks for, or a pause that grows, up to most where only people can mend it.
func (t *teller) retryIn(err error, tries int, most time.Duration, what string, id RequestID, at Place) time.Duration {
	if later, ok := errors.AsType[*Later](err); ok {
		return min(max(later.After, 100*time.Millisecond), tellLaterMost)
	}
	kind := kindOf(err)
	if kind == nil {
		most = tellRetryMost
	}
	pause := min(grown(tries), most)
	if kind == nil || !t.known(outage{at.Channel, kind}, pause) {
		t.b.log.Warn("the platform did not take a message; it will be tried again", "what", what, "request", id, "platform", t.s.Platform(), "channel", at.Channel, "in", pause, "err", err)
	}
	return pause
}

// known notes that an outage lasts, with a next try after pause, and reports whether the log was told of it: once, and again each day, until nothing went wrong so for longer than the pauses between tries.
func (t *teller) known(o outage, pause time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(t.outages, func(_ outage, was noted) bool { return now.After(was.until) })
	was, known := t.outages[o]
	if known = known && now.Sub(was.at) < tellLogAgain; !known {
		was.at = now
	}
	if until := now.Add(2 * max(pause, tellLaterMost)); until.After(was.until) {
		was.until = until
	}
	t.outages[o] = was
	return known
}

// post puts one queued post into its thread, once its card stands.
func (t *teller) post(ctx context.Context, p Post) error {
	var v View
	var n *Note
	var over bool
	var most time.Duration
	err := t.b.o.Ledger.View(ctx, func(tx Tx) error {
		views, err := tx.ViewOf(p.Request)
		if err != nil {
			return err
		}
		for _, now := range views {
			if now.Place == p.Place {
				v = now
			}
		}
		r, err := tx.Request(p.Request)
		if err != nil {
			return err
		}
		over, most = t.over(r, tx.Now()), pauseMost(r, tx.Now())
		n, err = t.b.note(tx, r, p)
		return err
	})
	if err != nil {
		return err
	}
	pause, gone := time.Duration(0), false
	switch {
	case n == nil || v.Dead: // there is nothing to say any more, or nowhere to say it
		p.Posted = true
	case v.Ref == Ref{}:
		pause = time.Second // the card is not posted yet, and is next tried at v.After
	default:
		p.Ref, err = t.s.Reply(ctx, v.Ref, *n)
		times := t.refusals(p, err)
		if refused := err; times >= tellAsItIs {
			// Where this is refused too it is not the words: both are tried on, and what was to be said comes first once it is taken.
			if p.Ref, err = t.s.Reply(ctx, v.Ref, instead(p)); err == nil {
				t.b.log.Error("a post is refused for what it says; a sentence stands in its place", "request", p.Request, "platform", t.s.Platform(), "post", p.Key, "err", refused)
			}
		}
		switch {
		case err == nil:
			p.Posted, p.Tries = true, 0
			if p.Ref.Thread != "" {
				v.Ref.Thread = p.Ref.Thread
			}
		case over && lasting(err):
			t.b.log.Error("a thread cannot be written to any more", "request", p.Request, "platform", t.s.Platform(), "post", p.Key, "err", err)
			p.Posted = true
		default:
			p.Tries++
			tries := p.Tries
			if times > 0 && times < tellAsItIs { // it may give way soon, however long it could not be put up before
				tries = times
			}
			pause = t.retryIn(err, tries, most, p.Key, p.Request, p.Place)
			gone = errors.Is(err, ErrGone)
		}
	}
	err = t.b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(t.lease); err != nil {
			return err
		}
		p.After = time.Time{}
		if pause > 0 {
			p.After = tx.Now().Add(pause)
		}
		if v.Ref == (Ref{}) && v.After.After(p.After) {
			p.After = v.After
			if most := tx.Now().Add(tellLaterMost); p.After.After(most) { // further ahead it would count as put off by another clock
				p.After = most
			}
		}
		if err := tx.PutPost(p); err != nil {
			return err
		}
		if v.Request != "" && p.Ref.Thread != "" {
			if err := tx.PutView(v); err != nil {
				return err
			}
		}
		tx.Wake(WakeTeller)
		if gone { // perhaps with its card, which is then posted anew
			return tx.Want(p.Request)
		}
		return nil
	})
	if err == nil && p.Posted {
		t.refusals(p, nil) // it is told of no more
	}
	return err
}

// refusals notes what came of a post, and returns how often in a row it was refused for what it says. Who takes the lease over counts anew.
func (t *teller) refusals(p Post, err error) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := placed{p.Place, p.Key}
	if !errors.Is(err, ErrRefused) {
		delete(t.refused, id)
		return 0
	}
	t.refused[id]++
	return t.refused[id]
}

// note writes a post as it is to be read now; nil when there is nothing to say any more.
func (b *Bot) note(tx Tx, r Request, p Post) (_ *Note, err error) {
	n := &Note{Key: p.Key}
	switch p.Kind {
	case PostReminder:
		if r.State != Proposed {
			return nil, nil
		}
		n.Lines = []Line{blindFirst(r, Say("note.reminder", "id", r.ID, "n", r.Awaits(), "deadline", r.Deadline))}
		n.Notify, n.Loud = groupsOf(b.o.Policy.Crowds[r.Place.Platform].Approvers), true
	case PostNotice:
		n.Lines = []Line{p.Line}
	case PostOutcomes:
		if r.Tally.Total > linesMost {
			n.Lines, n.File, err = outcomeFile(tx, r)
			return n, err
		}
		if n.Lines, err = outcomeLines(tx, r); err != nil {
			return nil, err
		}
	case PostReceipt:
		n.Mention = &r.By.Account
		if n.Lines, err = b.receipt(tx, r); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// instead is what is posted where a platform does not take a post for what it says, so that what comes after it is not kept waiting: in words of the bot alone, without
// anything that a platform could object to, and as a post of its own.
func instead(p Post) Note {
	return Note{Key: p.Key + "/instead", Lines: []Line{
		Say("note.instead", "platform", platformName(p.Place.Platform), "command", Code("/recalls show "+string(p.Request))),
	}}
}

// outcomeLines is a line for each message.
func outcomeLines(tx Tx, r Request) ([]Line, error) {
	all, err := tx.Sealed(r.ID, 0, linesMost)
	if err != nil {
		return nil, err
	}
	removals, err := removalsOf(tx, r, all)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, m := range all {
		seq, words := Code(formatInt(int64(m.Seq))), m.Outcome.Words()
		l := Say("note.outcome", "seq", seq, "words", words)
		if r.StillShown.Contains(m.Seq) {
			l = Say("note.outcome.still", "seq", seq, "words", words)
		} else if was, ok := removals[m.Seq]; ok && m.Outcome.Class == ClassAlready {
			l = Say("note.outcome.when", "seq", seq, "words", words, "when", was.At)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// outcomeFile is a summary by outcome, and a CSV file with a row for each message. Neither has content.
func outcomeFile(tx Tx, r Request) ([]Line, *File, error) {
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	if err := w.Write([]string{"seq", "outcome", "code", "time", "confirmed by"}); err != nil {
		return nil, nil, fmt.Errorf("write outcomes: %w", err) // unreachable: into memory
	}
	counts := map[string]int{}
	var order []string
	words := map[string]Line{}
	for from := recall.Seq(0); ; {
		page, err := tx.Sealed(r.ID, from, 1000)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range page {
			o := m.Outcome
			code := ""
			if o.Code != 0 {
				code = codeDigits(o.Code)
			}
			row := []string{formatInt(int64(m.Seq)), string(o.Class), code, o.At.UTC().Format(time.RFC3339), restsOn(r, m)}
			if err := w.Write(row); err != nil {
				return nil, nil, fmt.Errorf("write outcomes: %w", err) // unreachable: into memory
			}
			said := o.Words()
			if counts[said.String()]++; counts[said.String()] == 1 {
				order = append(order, said.String())
				words[said.String()] = said
			}
		}
		if len(page) < 1000 {
			break
		}
		from = page[len(page)-1].Seq + 1
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, nil, fmt.Errorf("write outcomes: %w", err)
	}
	var l []Line
	for _, said := range order {
		l = append(l, Say("note.summary", "n", counts[said], "words", words[said]))
	}
	l = append(l, Say("note.csv"))
	return l, &File{Name: strings.ToLower(string(r.ID)) + "-outcomes.csv", Type: "text/csv", Title: Say("note.csv.title", "id", r.ID).String(), Body: body.Bytes()}, nil
}

// restsOn says what the outcome of a message rests on, and what speaks against it.
func restsOn(r Request, m Message) string {
	if r.StillShown.Contains(m.Seq) {
		return string(m.Outcome.Confirmed) + "; history still shows it"
	}
	return string(m.Outcome.Confirmed)
}

// removalsOf returns the recalls of these messages that callbacks told of.
func removalsOf(tx Tx, r Request, messages []Message) (map[recall.Seq]Removal, error) {
	seqs := make([]recall.Seq, len(messages))
	for i, m := range messages {
		seqs[i] = m.Seq
	}
	return tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, seqs, time.Time{})
}

// receipt is the final account of a request, or how it ended without one.
func (b *Bot) receipt(tx Tx, r Request) ([]Line, error) {
	if !r.State.HasReceipt() {
		key := "note.ended." + string(r.State)
		if r.State == Rejected && r.EndReason != "" {
			key += ".reason"
		}
		return []Line{Say(key, "id", r.ID, "who", name(r.EndedBy), "why", r.RefusedFor, "reason", Quote(Cut(r.EndReason, 500)))}, nil
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
		l = append(l, Say("note.receipt.confirmed", "n", n, "callback", rests[ByCallback], "history", rests[ByHistory], "answer", rests[ByAnswer]))
	}
	if n := r.StillShown.Count(); n > 0 {
		l = append(l, Say("note.receipt.still", "n", n, "seqs", Code(Cut(r.StillShown.String(), 300))))
	}
	l = append(l, Say("note.receipt.asked", "who", name(r.By), "when", r.Asked))
	var who Line
	for i, a := range r.Approvals {
		if i > 0 {
			who = append(who, Span{Kind: Words, Text: ", "})
		}
		who = append(who, Say("note.receipt.approved.one", "who", name(a.By), "when", a.At)...)
	}
	l = append(l, Say("note.receipt.approved", "who", who))
	if !r.EndedBy.Zero() {
		l = append(l, Say("note.receipt.stopped", "who", name(r.EndedBy)))
	}
	l = append(l, Say("note.receipt.ended", "when", r.Ended))
	n, hash, _ := strings.Cut(r.AuditHead, " ")
	return append(l, Say("note.receipt.audit", "n", Span{Kind: Words, Text: n}, "hash", Code(hash))), nil
}
