package worker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/recall"
)

const (
	tellAtOnce     = 4               // requests shown at once on one platform
	tellPoll       = 5 * time.Second // the slow look where no wake came
	progressEvery  = 3 * time.Second // between edits of a card while its request runs
	tellRetryMost  = time.Minute     // the longest pause after failures
	tellCallWithin = 30 * time.Second
	tellEndWithin  = 3 * time.Second    // for a call that is on its way when the process stops
	tellLaterMost  = bot.LaterMost      // the longest pause, and after what a platform forbids
	tellForbidden  = 7 * 24 * time.Hour // how long after the text was to go what is forbidden is still tried
	// the longest pause after what a platform forbids, for a request that ended tellOld ago
	tellSeldom   = time.Hour
	tellOld      = 24 * time.Hour
	tellLogAgain = 24 * time.Hour // after which the log is told again of what stays forbidden
	// refusals in a row, within about a minute at best, before a post that is refused for what it
	// says gives way to a sentence
	tellAsItIs = 7
	// how long a card that nobody has seen may be barred, before its request is taken back
	tellBarredMost = time.Minute
)

// tellAnew is how long after each time that a card was found deleted it is posted anew. When it is
// deleted once more, it is not.
var tellAnew = []time.Duration{time.Second, 30 * time.Second, 2 * time.Minute}

// tell keeps what one platform shows equal to what is stored: it renders every view until its shown
// version is the wanted one, and posts what is queued, in order for each request. With replicas one
// of them tells on a platform, by lease.
func (w *Worker) tell(ctx context.Context, s bot.Surface) {
	wakes, cancel := w.Ledger.Subscribe(bot.WakeTeller)
	defer cancel()
	for ctx.Err() == nil {
		w.alone(ctx, "teller/"+string(s.Platform()), nil, func(ctx context.Context, l bot.Lease) error {
			t := &teller{w: w, s: s, lease: l, busy: map[bot.RequestID]bool{},
				done: make(chan bot.RequestID, tellAtOnce), outages: map[outage]noted{}, refused: map[placed]int{},
				drawn: map[bot.Ref]bot.State{}, asking: map[bot.RequestID]bool{}}
			t.loop(ctx, wakes)
			return nil
		})
	}
}

type teller struct {
	w     *Worker
	s     bot.Surface
	lease bot.Lease // fences what is written
	busy  map[bot.RequestID]bool
	done  chan bot.RequestID
	wg    sync.WaitGroup

	mu      sync.Mutex
	outages map[outage]noted
	refused map[placed]int         // how often in a row a post was refused for what it says
	drawn   map[bot.Ref]bot.State  // what the cards of open requests show, as far as it is known
	asking  map[bot.RequestID]bool // nicknames are being read for their cards

	calls context.Context // of what is done beside
}

// placed names a post: one of the same key may be put in several places.
type placed struct {
	at  bot.Place
	key string
}

// outage is a channel in which something only people can mend goes wrong, and what: one of the
// errors of a Surface, or errWithText.
type outage struct {
	channel string
	kind    error
}

// errWithText: cards are refused for what they quote, and stand without it. What is refused without
// it too is another matter.
var errWithText = errors.New("refused with the text")

// noted is when the log was told of an outage, and until when what goes wrong is still the same
// one.
type noted struct{ at, until time.Time }

// loop tells under the lease until ctx ends. A call that is on its way then has a moment to end and
// to be stored: cut off, it would be made again. Where the lease was lost it is cut off all the
// same: others tell now.
func (t *teller) loop(ctx context.Context, wakes <-chan struct{}) {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	t.calls = calls
	for ctx.Err() == nil {
		next, err := t.start(ctx, calls)
		if err != nil && ctx.Err() == nil {
			t.w.Log.Error("cannot look for what is to be shown", "platform", t.s.Platform(), "err", err)
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
	var views []bot.View
	var posts []bot.Post
	var now time.Time
	err = t.w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
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
		// the latter was put off before the ledger's clock was set back
		if !at.After(now) || at.Sub(now) > max(tellLaterMost, grown(tries)) {
			return false
		}
		if at := time.Now().Add(at.Sub(now)); next.IsZero() || at.Before(next) {
			next = at
		}
		return true
	}
	begin := func(id bot.RequestID, fn func(context.Context) error) {
		if t.busy[id] || len(t.busy) >= tellAtOnce {
			return
		}
		t.busy[id] = true
		t.wg.Go(func() {
			defer func() { t.done <- id }()
			call, cancel := context.WithTimeout(calls, tellCallWithin)
			defer cancel()
			if err := fn(call); err != nil && ctx.Err() == nil {
				// else the lease's keeper tells it, and ends ctx
				if !errors.Is(err, bot.ErrFenced) && !errors.Is(err, bot.ErrEnded) {
					t.w.Log.Error("telling failed; it will be tried again", "request", id, "platform", t.s.Platform(),
						"err", err)
				}
				history.Sleep(ctx, time.Second)
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
			do := t.post
			if p.Kind == bot.PostCopy {
				do = t.copy
			}
			begin(p.Request, func(ctx context.Context) error { return do(ctx, p) })
		}
	}
	return next, nil
}

// show renders one view as its request is now.
func (t *teller) show(ctx context.Context, v bot.View) error {
	var c bot.Card
	var over bool
	var most time.Duration
	var called time.Time // when people are called to decide, if this calls them
	var who []recall.UserID
	draw := func(tx bot.Tx) error {
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
		if called = (time.Time{}); r.State == bot.Proposed && v.Ref == (bot.Ref{}) && v.Gone == 0 {
			called = tx.Now()
			r = bot.Called(r, called) // the card shows the deadline that it will have
		}
		over, most = t.over(r, tx.Now()), pauseMost(r, tx.Now())
		c, err = t.w.Card(tx, r, v.Wanted)
		who = c.Accounts(r)
		return err
	}
	err := t.w.Ledger.View(ctx, draw)
	if err == nil && t.named(v.Request, who) {
		err = t.w.Ledger.View(ctx, draw)
	}
	if err != nil {
		return err
	}
	first := v.Ref == bot.Ref{}
	c.Shown = t.state(v.Ref)
	if v.Gone > 0 { // the first one called
		c.Notify = nil
	}
	refused, err := t.put(c, func(c bot.Card) error {
		if !first {
			return t.s.Edit(ctx, v.Ref, c)
		}
		ref, err := t.s.Post(ctx, v.Place, c, cardKey(v))
		v.Ref = ref
		return err
	})
	if refused != nil && err == nil && !t.known(outage{v.Place.Channel, errWithText}, tellLaterMost) {
		t.w.Log.Warn("the platform refuses a card that quotes the messages; it is shown without", "request", v.Request,
			"platform", t.s.Platform(), "channel", v.Place.Channel, "err", refused)
	}
	untold := false
	if errors.Is(err, bot.ErrGone) && !first {
		var unread error
		if untold, unread = t.untold(ctx, v); unread != nil {
			return unread
		}
	}
	pause, why, posted := time.Duration(0), bot.Line(nil), err == nil
	switch {
	case posted:
		t.drew(v.Ref, c.State)
		v.Shown, v.Tries, v.Seen, v.Barred = c.Version, 0, true, time.Time{}
		// an attempt whose answer was lost may have put up an older version, which the platform now
		// gives back
		if first && c.Version > 1 {
			v.Shown--
		}
		if first && t.s.Platform().Traits().Announces { // it stands without the messages
			v.Shown = 0
		}
		if c.State == bot.Running || c.State == bot.Stopping {
			pause = progressEvery
		}
	case errors.Is(err, bot.ErrGone) && !first && (c.State.Open() || untold):
		t.drew(v.Ref, "")
		v.Ref, v.Shown = bot.Ref{}, 0
		v.Gone++
		if v.Gone > len(tellAnew) {
			t.w.Log.Error("a card was deleted too often to be posted anew", "request", v.Request, "platform",
				t.s.Platform(), "times", v.Gone)
			v.Dead = true
			break
		}
		pause = tellAnew[v.Gone-1]
		t.w.Log.Warn("a card was deleted; it is posted anew", "request", v.Request, "platform", t.s.Platform(), "in",
			pause, "err", err)
	case errors.Is(err, bot.ErrGone) && (!first || v.Seen), over && lasting(err):
		t.drew(v.Ref, "")
		t.w.Log.Error("a card cannot be shown any more", "request", v.Request, "platform", t.s.Platform(), "err", err)
		v.Dead = true
	default:
		v.Tries++
		pause = t.retryIn(err, v.Tries, most, "card", v.Request, v.Place)
		if _, later := errors.AsType[*bot.Later](err); first && !later && !lasting(err) {
			v.Seen = true // perhaps: the answer was lost
		} else if first && lasting(err) {
			why = whyBarred(err)
		}
	}
	store := func(tx bot.Tx, thread string) error {
		v, pause := v, pause
		v.Ref.Thread = cmp.Or(thread, v.Ref.Thread)
		if err := tx.Fence(t.lease); err != nil {
			return err
		}
		r, err := tx.Request(v.Request)
		if err != nil {
			return err
		}
		if v.Tries == 0 && r.State != c.State { // it changed while it was drawn: that is shown at once
			pause = 0
		}
		if posted && !called.IsZero() {
			if err := t.w.called(tx, r, called); err != nil {
				return err
			}
		}
		switch {
		case v.Dead && v.Gone > len(tellAnew):
			err = tx.AddPost(t.notice(v, "deleted", bot.Say("note.deleted", "id", r.ID, "n", v.Gone, "command",
				bot.Code("/recalls show "+string(r.ID)))))
		case why != nil:
			pause, err = t.barred(tx, &v, r, why, pause)
		}
		if err != nil {
			return err
		}
		v.After = time.Time{}
		if pause > 0 {
			v.After = tx.Now().Add(pause)
		}
		tx.Wake(bot.WakeTeller)
		return tx.PutView(v)
	}
	var queued *bot.Post
	if posted && !first && !c.State.Open() { // an edit that is not known to have been made is made again
		if queued, err = t.queued(ctx, v); err != nil {
			return err
		}
	}
	return t.posts(ctx, queued, store)
}

// queued is the first post that is to be put into the thread of a card now; nil for none, and for a
// file.
func (t *teller) queued(ctx context.Context, v bot.View) (p *bot.Post, err error) {
	err = t.w.Ledger.View(ctx, func(tx bot.Tx) error {
		p = nil
		posts, err := tx.PostsOf(v.Request)
		i := slices.IndexFunc(posts, func(p bot.Post) bool { return p.Place == v.Place && p.Kind != bot.PostCopy })
		if i >= 0 && posts[i].Kind != bot.PostFile && !posts[i].After.After(tx.Now()) {
			p = &posts[i]
		}
		return err
	})
	return p, err
}

// named reads what those on a card call themselves, where that is not known, and reports whether
// the card is to be drawn again for it. It never holds a card up: what comes late is shown by an
// edit.
func (t *teller) named(id bot.RequestID, who []recall.UserID) bool {
	t.mu.Lock()
	asking := t.asking[id]
	t.mu.Unlock()
	if asking { // and not answered yet
		return false
	}
	work := func(read func()) {
		t.mu.Lock()
		t.asking[id] = true
		t.mu.Unlock()
		t.wg.Go(func() {
			read()
			t.mu.Lock()
			delete(t.asking, id)
			t.mu.Unlock()
		})
	}
	return t.w.AskNicknames(t.calls, who, work, func(found bool) {
		if !found {
			return
		}
		err := t.w.Ledger.Tx(t.calls, func(tx bot.Tx) error {
			if err := tx.Fence(t.lease); err != nil {
				return err
			}
			return t.w.Redraw(tx, id)
		})
		if err != nil && t.calls.Err() == nil {
			t.w.Log.Warn("nicknames came late, and are not shown", "request", id, "err", err)
		}
	})
}

// called stores the deadline that the posted card of a request shows, and sets the timers by it.
func (w *Worker) called(tx bot.Tx, r bot.Request, at time.Time) error {
	if r.State != bot.Proposed {
		return nil
	}
	r = bot.Called(r, at)
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueDeadline, At: r.Deadline}); err != nil {
		return err
	}
	tx.Wake(bot.WakeTimer)
	return tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueRemind, At: at.Add(r.Policy.RemindAfter)})
}

// cardKey is the key under which the card of a view is posted. A message that was deleted has used
// its key up.
func cardKey(v bot.View) string {
	key := string(v.Request) + "/card"
	if v.Gone > 0 {
		key += "/" + strconv.Itoa(v.Gone)
	}
	return key
}

// notice is a post that tells the requester alone why their card does not stand.
func (t *teller) notice(v bot.View, key string, why bot.Line) bot.Post {
	return bot.Post{Request: v.Request, Place: v.Place, Key: fmt.Sprintf("%s/%s/%d", v.Request, key, v.Gone),
		Kind: bot.PostNotice, Line: why}
}

// whyBarred says why a card cannot be posted, to the person who asked.
func whyBarred(err error) bot.Line {
	if b, ok := errors.AsType[*bot.Barred](err); ok {
		return b.Why
	}
	switch kindOf(err) {
	case bot.ErrGone:
		return bot.Say("note.barred.gone")
	case bot.ErrForbidden:
		return bot.Say("note.barred.forbidden")
	}
	return bot.Say("note.barred.refused")
}

// barred handles a card that the platform does not let be posted: its requester is told once. If
// nobody can have seen it and that lasts, the request is taken back, or if it has ended meanwhile,
// told to its requester alone. It returns the pause until the next try.
func (t *teller) barred(tx bot.Tx, v *bot.View, r bot.Request, why bot.Line, pause time.Duration) (time.Duration,
	error) {
	if v.Barred.IsZero() {
		v.Barred = tx.Now()
		said := bot.Say("note.barred", "id", r.ID, "why", why)
		if !v.Seen {
			said = slices.Concat(said, bot.Line{{Kind: bot.Words, Text: " "}},
				bot.Say("note.barred.until", "id", r.ID))
		}
		if err := tx.AddPost(t.notice(*v, "barred", said)); err != nil {
			return 0, err
		}
	}
	left := tellBarredMost - tx.Now().Sub(v.Barred)
	switch {
	case v.Seen:
	case left > 0:
		return min(pause, left), nil
	case !r.State.Open():
		v.Dead = true
	default:
		next, err := bot.Unposted(r, why, tx.Now())
		if err != nil { // somebody found it in another way, and decided
			break
		}
		if err := t.w.Audit(tx, "withdrawn", r.ID, r.Digest, map[string]any{"why": "card not posted"}); err != nil {
			return 0, err
		}
		v.Dead = true
		return 0, t.w.End(tx, next, "")
	}
	return pause, nil
}

// state is the state that a message shows; "" where this teller has not drawn it.
func (t *teller) state(ref bot.Ref) bot.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drawn[messageOf(ref)]
}

// drew notes the state that a message shows from now on. It forgets one that is drawn for the last
// time, and one that is gone, for which s is "".
func (t *teller) drew(ref bot.Ref, s bot.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drawn[messageOf(ref)] = s; !s.Open() {
		delete(t.drawn, messageOf(ref))
	}
}

// messageOf is a message without its thread, which is known only later.
func messageOf(ref bot.Ref) bot.Ref { return bot.Ref{Channel: ref.Channel, Message: ref.Message} }

// untold reports whether something is still to be posted in the thread of the card.
func (t *teller) untold(ctx context.Context, v bot.View) (found bool, err error) {
	err = t.w.Ledger.View(ctx, func(tx bot.Tx) error {
		posts, err := tx.PostsOf(v.Request)
		found = slices.ContainsFunc(posts, func(p bot.Post) bool {
			return p.Place == v.Place && p.Kind != bot.PostCopy
		})
		return err
	})
	return found, err
}

// lasting reports whether only people can mend what went wrong.
func lasting(err error) bool { return kindOf(err) != nil }

// kindOf is which of the errors that only people can mend err is, nil where it is none.
func kindOf(err error) error {
	for _, kind := range []error{bot.ErrGone, bot.ErrForbidden, bot.ErrRefused} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// over reports whether what is forbidden is not tried any more. Until then it may be allowed again:
// the bot is let back into the channel, or the channel opened.
func (t *teller) over(r bot.Request, now time.Time) bool {
	return !r.State.Open() && now.Sub(r.Ended) > t.w.EvidenceTTL+tellForbidden
}

// grown is the pause after so many failures in a row.
func grown(tries int) time.Duration { return min(time.Second<<min(max(tries-1, 0), 12), tellSeldom) }

// pauseMost is the longest pause between tries of what only people can mend: hundreds of cards may
// wait for weeks, and those of young requests share the platform's rates with them.
func pauseMost(r bot.Request, now time.Time) time.Duration {
	if !r.State.Open() && now.Sub(r.Ended) > tellOld {
		return tellSeldom
	}
	return tellLaterMost
}

// retryIn is how long to wait after a failure: what the platform asks for, or a pause that grows,
// up to most where only people can mend it.
func (t *teller) retryIn(err error, tries int, most time.Duration, what string, id bot.RequestID,
	at bot.Place) time.Duration {
	if later, ok := errors.AsType[*bot.Later](err); ok {
		return min(max(later.After, 100*time.Millisecond), tellLaterMost)
	}
	kind := kindOf(err)
	if kind == nil {
		most = tellRetryMost
	}
	pause := min(grown(tries), most)
	if kind == nil || !t.known(outage{at.Channel, kind}, pause) {
		t.w.Log.Warn("the platform did not take a message; it will be tried again", "what", what, "request", id,
			"platform", t.s.Platform(), "channel", at.Channel, "in", pause, "err", err)
	}
	return pause
}

// known notes that an outage lasts, with a next try after pause, and reports whether the log was
// told of it: once, and again each day, until nothing went wrong so for longer than the pauses
// between tries.
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

// copy draws a request in a copy of its card, once.
func (t *teller) copy(ctx context.Context, p bot.Post) error {
	var c bot.Card
	known := false
	err := t.w.Ledger.View(ctx, func(tx bot.Tx) error {
		views, err := tx.ViewOf(p.Request)
		if err != nil {
			return err
		}
		known = slices.ContainsFunc(views, func(v bot.View) bool { return messageOf(v.Ref) == messageOf(p.Ref) })
		r, err := tx.Request(p.Request)
		if err != nil {
			return err
		}
		c, err = t.w.Card(tx, r, 0)
		return err
	})
	if err != nil {
		return err
	}
	if !known {
		_, err = t.put(c, func(c bot.Card) error { return t.s.Edit(ctx, p.Ref, c) })
	}
	pause := time.Duration(0)
	if p.Posted = err == nil || lasting(err); p.Posted { // what cannot be drawn there stands in the card itself
		p.Tries = 0
	} else {
		p.Tries++
		pause = t.retryIn(err, p.Tries, tellRetryMost, "copy", p.Request, p.Place)
	}
	return t.w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(t.lease); err != nil {
			return err
		}
		p.After = time.Time{}
		if pause > 0 {
			p.After = tx.Now().Add(pause)
		}
		tx.Wake(bot.WakeTeller)
		return tx.PutPost(p)
	})
}

// put draws a card. Where the platform refuses it, perhaps for what the messages say, which is why
// they are to be recalled, it is drawn without: refused is then why.
func (t *teller) put(c bot.Card, draw func(bot.Card) error) (refused, err error) {
	if err = draw(c); errors.Is(err, bot.ErrRefused) {
		if plain, had := bot.HideContent(c); had {
			refused, err = err, draw(plain)
		}
	}
	return refused, err
}

// joinWithin is how long it may take from the first of several posts until what was put up is
// stored.
const joinWithin = 3 * time.Second

// posting is what came of one try to put up a post.
type posting struct {
	post  bot.Post
	view  bot.View
	pause time.Duration
	gone  bool      // its message, thread or channel
	next  *bot.Post // what is to be put up there after it
}

// post puts the queued posts of a request into their thread, once its card stands: the given one,
// and those behind it while all goes well.
func (t *teller) post(ctx context.Context, p bot.Post) error {
	return t.posts(ctx, &p, func(bot.Tx, string) error { return nil })
}

// posts puts up a post and those behind it while all goes well. What was put up within a moment is
// stored together, and with it what else is to be stored, which is told the thread; but nothing
// waits for a file.
func (t *teller) posts(ctx context.Context, next *bot.Post, also func(tx bot.Tx, thread string) error) error {
	began := time.Now()
	var tried []posting
	var unread error
	thread := ""
	for next != nil && unread == nil {
		var one posting
		if one, unread = t.reply(ctx, *next, thread); unread != nil {
			break
		}
		tried = append(tried, one)
		thread, next = one.view.Ref.Thread, one.next
		if !one.post.Posted || time.Since(began) > joinWithin || next != nil && next.Kind == bot.PostFile {
			break
		}
	}
	if unread != nil && len(tried) == 0 {
		return unread
	}
	if len(tried) > 0 && ctx.Err() != nil { // what was put up is stored all the same: it would be put up again
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellEndWithin)
		defer cancel()
		ctx = late
	}
	err := t.w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if len(tried) > 0 {
			if err := t.posted(tx, tried); err != nil {
				return err
			}
		}
		return also(tx, thread)
	})
	if err != nil {
		return err
	}
	for _, one := range tried {
		if one.post.Posted {
			t.refusals(one.post, nil) // it is told of no more
		}
	}
	return unread
}

// reply tries to put up one post. thread is the thread of its card, as far as it is known better
// than the ledger does.
func (t *teller) reply(ctx context.Context, p bot.Post, thread string) (posting, error) {
	one := posting{}
	var n *bot.Note
	var who bot.Account
	var over, open bool
	var most time.Duration
	err := t.w.Ledger.View(ctx, func(tx bot.Tx) error {
		one = posting{}
		views, err := tx.ViewOf(p.Request)
		if err != nil {
			return err
		}
		for _, now := range views {
			if now.Place == p.Place {
				one.view = now
			}
		}
		one.view.Ref.Thread = cmp.Or(thread, one.view.Ref.Thread)
		queue, err := tx.PostsOf(p.Request)
		if err != nil {
			return err
		}
		for i, q := range queue {
			if behind := queue[:i]; one.next == nil && q.Place == p.Place && q.Kind != bot.PostCopy &&
				!q.After.After(tx.Now()) &&
				slices.ContainsFunc(behind, func(b bot.Post) bool { return b.Place == p.Place && b.Key == p.Key }) {
				one.next = &q
			}
		}
		r, err := tx.Request(p.Request)
		if err != nil {
			return err
		}
		who, over, most = r.By.Account, t.over(r, tx.Now()), pauseMost(r, tx.Now())
		open = r.State.Open()
		n, err = t.w.note(tx, r, p)
		return err
	})
	if err != nil {
		return posting{}, err
	}
	v := &one.view
	switch {
	case n == nil:
		p.Posted = true
	case v.Dead && n.Mention != nil || p.Kind == bot.PostNotice && (v.Dead || v.Ref == bot.Ref{}):
		if !open && v.Ref == (bot.Ref{}) { // what the command was answered offers to take it back
			t.s.Progress(ctx, p.Request, bot.Say("answer.asked.over", "id", p.Request), bot.ReadingOver)
		}
		err = t.s.Whisper(ctx, bot.Whisper{To: who, At: p.Place, Card: v.Ref, Key: p.Key, Lines: n.Lines,
			Aloud: bot.Say("note.aloud", "id", p.Request, "command", bot.Code("/recalls show "+string(p.Request)))})
		if p.Posted = err == nil || over && lasting(err); !p.Posted {
			p.Tries++
			one.pause = t.retryIn(err, p.Tries, most, p.Key, p.Request, p.Place)
		}
	case v.Dead, p.Kind == bot.PostNotice: // there is nowhere to say it, or the card stands meanwhile
		p.Posted = true
	case v.Ref == bot.Ref{}:
		one.pause = time.Second // the card is not posted yet, and is next tried at v.After
	default:
		p.Ref, err = t.s.Reply(ctx, v.Ref, *n)
		times := t.refusals(p, err)
		if refused := err; times >= tellAsItIs {
			// Where this is refused too it is not the words: both are tried on, and what was to be
			// said comes first once it is taken.
			if p.Ref, err = t.s.Reply(ctx, v.Ref, instead(p)); err == nil {
				t.w.Log.Error("a post is refused for what it says; a sentence stands in its place", "request",
					p.Request, "platform", t.s.Platform(), "post", p.Key, "err", refused)
			}
		}
		switch {
		case err == nil:
			p.Posted, p.Tries = true, 0
			if p.Ref.Thread != "" {
				v.Ref.Thread = p.Ref.Thread
			}
		case over && lasting(err):
			t.w.Log.Error("a thread cannot be written to any more", "request", p.Request, "platform", t.s.Platform(),
				"post", p.Key, "err", err)
			p.Posted = true
		default:
			p.Tries++
			tries := p.Tries
			if times > 0 && times < tellAsItIs { // it may give way soon, however long it could not be put up before
				tries = times
			}
			one.pause = t.retryIn(err, tries, most, p.Key, p.Request, p.Place)
			one.gone = errors.Is(err, bot.ErrGone)
		}
	}
	one.post = p
	return one, nil
}

// posted stores what came of posts of one request.
func (t *teller) posted(tx bot.Tx, tried []posting) error {
	if err := tx.Fence(t.lease); err != nil {
		return err
	}
	for _, one := range tried {
		p, v := one.post, one.view
		p.After = time.Time{}
		if one.pause > 0 {
			p.After = tx.Now().Add(one.pause)
		}
		if v.Ref == (bot.Ref{}) && p.Kind != bot.PostNotice && v.After.After(p.After) {
			p.After = v.After
			// further ahead it would count as put off by another clock
			if most := tx.Now().Add(tellLaterMost); p.After.After(most) {
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
		if one.gone { // perhaps with its card, which is then posted anew
			if err := tx.Want(p.Request); err != nil {
				return err
			}
		}
	}
	tx.Wake(bot.WakeTeller)
	return nil
}

// refusals notes what came of a post, and returns how often in a row it was refused for what it
// says. Who takes the lease over counts anew.
func (t *teller) refusals(p bot.Post, err error) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := placed{p.Place, p.Key}
	if !errors.Is(err, bot.ErrRefused) {
		delete(t.refused, id)
		return 0
	}
	t.refused[id]++
	return t.refused[id]
}

// note writes a post as it is to be read now; nil when there is nothing to say any more.
func (w *Worker) note(tx bot.Tx, r bot.Request, p bot.Post) (_ *bot.Note, err error) {
	n := &bot.Note{Key: p.Key}
	switch p.Kind {
	case bot.PostReminder:
		if r.State != bot.Proposed {
			return nil, nil
		}
		n.Lines = []bot.Line{w.Headline(r), bot.BlindFirst(r, bot.Say("note.reminder", "id", r.ID, "n", r.Awaits(),
			"deadline", bot.Until(r.Deadline, r.Sealed)))}
		n.Notify, n.Loud = bot.GroupsOf(w.Policy.Crowds[r.Place.Platform].Approvers), true
	case bot.PostNotice:
		n.Lines = []bot.Line{p.Line}
	case bot.PostOutcomes:
		if r.Tally.Total > bot.LinesMost {
			n.Lines, err = outcomeSummary(tx, r)
			return n, err
		}
		if n.Lines, err = outcomeLines(tx, r); err != nil {
			return nil, err
		}
	case bot.PostFile:
		n.Lines = []bot.Line{bot.Say("note.csv")}
		n.File, err = outcomeFile(tx, r)
		return n, err
	case bot.PostReceipt:
		n.Mention = &r.By.Account
		if n.Lines, err = w.Receipt(tx, r); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// instead is what is posted where a platform does not take a post for what it says, so that what
// comes after it is not kept waiting: in words of the bot alone, without anything that a platform
// could object to, and as a post of its own.
func instead(p bot.Post) bot.Note {
	return bot.Note{Key: p.Key + "/instead", Lines: []bot.Line{
		bot.Say("note.instead", "platform", bot.PlatformName(p.Place.Platform), "command",
			bot.Code("/recalls show "+string(p.Request))),
	}}
}

// outcomeLines is a line for each message.
func outcomeLines(tx bot.Tx, r bot.Request) ([]bot.Line, error) {
	all, err := tx.Sealed(r.ID, 0, bot.LinesMost)
	if err != nil {
		return nil, err
	}
	removals, err := bot.RemovalsOf(tx, r, all)
	if err != nil {
		return nil, err
	}
	var lines []bot.Line
	for _, m := range all {
		seq, words := bot.SeqWords(r, m), m.Outcome.Words()
		l := bot.Say("note.outcome", "seq", seq, "words", words)
		if r.Still(m.ID()) {
			l = bot.Say("note.outcome.still", "seq", seq, "words", words)
		} else if was, ok := removals[m.ID()]; ok && m.Outcome.Class == bot.ClassAlready {
			l = bot.Say("note.outcome.when", "seq", seq, "words", words, "when", was.At)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// eachSealed calls f with every message of a request, without what they say.
func eachSealed(tx bot.Tx, id bot.RequestID, f func(bot.Message)) error {
	for from := bot.MessageID(0); ; {
		page, err := tx.Sealed(id, from, 1000)
		if err != nil {
			return err
		}
		for _, m := range page {
			f(m)
		}
		if len(page) < 1000 {
			return nil
		}
		from = page[len(page)-1].ID() + 1
	}
}

// outcomeSummary counts the messages by what became of them, a line an outcome.
func outcomeSummary(tx bot.Tx, r bot.Request) (lines []bot.Line, err error) {
	counts := map[string]int{}
	var all []bot.Line
	err = eachSealed(tx, r.ID, func(m bot.Message) {
		words := m.Outcome.Words()
		if counts[words.String()]++; counts[words.String()] == 1 {
			all = append(all, words)
		}
	})
	for _, words := range all {
		lines = append(lines, bot.Say("note.summary", "n", counts[words.String()], "words", words))
	}
	return lines, err
}

// outcomeFile is a CSV file with a row for each message. It has no content of theirs.
func outcomeFile(tx bot.Tx, r bot.Request) (*bot.File, error) {
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	row := func(cells ...string) { w.Write(cells) } // w.Error tells what went wrong
	row("group", "topic", "seq", "outcome", "code", "time", "confirmed by")
	err := eachSealed(tx, r.ID, func(m bot.Message) {
		code := ""
		if m.Outcome.Code != 0 {
			code = bot.CodeDigits(m.Outcome.Code)
		}
		part := r.Parts[m.Part]
		row(bot.Cell(string(part.Group)), bot.Cell(string(part.Topic)), strconv.FormatUint(uint64(m.Seq), 10),
			string(m.Outcome.Class), code, m.Outcome.At.UTC().Format(time.RFC3339), restsOn(r, m))
	})
	w.Flush()
	if err := errors.Join(err, w.Error()); err != nil {
		return nil, fmt.Errorf("write outcomes: %w", err)
	}
	return &bot.File{Name: strings.ToLower(string(r.ID)) + "-outcomes.csv", Type: "text/csv",
		Title: bot.Say("note.csv.title", "id", r.ID).String(), Body: body.Bytes()}, nil
}

// restsOn says what the outcome of a message rests on, and what speaks against it.
func restsOn(r bot.Request, m bot.Message) string {
	if r.Still(m.ID()) {
		return string(m.Outcome.Confirmed) + "; history still shows it"
	}
	return string(m.Outcome.Confirmed)
}
