package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

const (
	pageTries      = 3   // tries of one page before all reading fails; a large request has thousands of pages
	maxEarlier     = 5   // earlier requests that a card names
	earlierScanned = 500 // requests with some of the same messages that are counted, and as many rejected ones
)

// prepare reads the messages of a request, turns a filter into seqs, and seals the request or
// refuses it. It returns when the request is no longer preparing, or when ctx ends. It waits while
// messages cannot be read; the timer ends the request if that takes longer than StartWithin.
func (w *Worker) prepare(ctx context.Context, l bot.Lease, id bot.RequestID) error {
	pause := history.ReadRetry
	for {
		var r bot.Request
		var now time.Time
		err := w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
			now = tx.Now()
			r, err = tx.Request(id)
			return err
		})
		if err != nil || r.State != bot.Preparing {
			return err
		}
		purpose := recall.ForNumbers
		if !r.Scope.Filter.IsZero() {
			purpose = recall.ForFilter
		}
		rd := w.Reader(r.Scope, "seal", purpose, r.By.Person)
		rd.Tries, rd.Ledger = pageTries, now
		rd.Store = func(ctx context.Context, all []bot.Trace) error {
			return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
				if err := tx.Fence(l); err != nil {
					return err
				}
				return w.AuditTraces(tx, id, all)
			})
		}
		stored := &sealing{b: w, lease: l, id: id}
		long := false
		rd.Long = func(ctx context.Context) error {
			select {
			case w.filters <- struct{}{}:
				long = true
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p, err := w.readForSeal(ctx, rd, r, stored)
		if long {
			<-w.filters
		}
		var no *bot.Refusal
		if err == nil && !stored.over && stored.err == nil {
			if no, err = stored.seal(ctx, p, rd.Traces); no == nil && err == nil && !stored.over {
				return nil
			}
		}
		if untold := rd.StoreTraces(ctx); untold != nil { // what was read may be used only if it is audited
			return fmt.Errorf("audit what was read for %s: %w", id, untold)
		}
		if stored.over {
			return nil
		}
		if stored.err != nil {
			return fmt.Errorf("store what was read for %s: %w", id, stored.err)
		}
		if no == nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if no != nil || errors.As(err, &no) {
			return w.refusePreparing(ctx, l, id, no, 0)
		}
		kind, api := history.JudgeRead(err)
		switch kind {
		case history.ReadRefused:
			return w.refusePreparing(ctx, l, id, refusedByAPI(r, api), api.Code)
		case history.ReadAppPaused:
			if err := w.pauseApp(ctx, l, api); err != nil {
				return err
			}
			pause = probeEvery
		}
		if err := w.waitToRead(ctx, l, id, whatFailed(err)); err != nil {
			return err
		}
		w.Log.Warn("reading for a request failed; it will be tried again", "request", id, "in", pause, "err", err)
		if !history.Sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(pause*2, history.ReadRetryMost)
	}
}

// waitToRead stores why the messages of a request cannot be read now. The card shows it, and so
// does the refusal if it lasts.
func (w *Worker) waitToRead(ctx context.Context, l bot.Lease, id bot.RequestID, why bot.Line) error {
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || r.State != bot.Preparing || r.Waiting.String() == why.String() {
			return err
		}
		r.Waiting = why
		if err := tx.PutRequest(r); err != nil {
			return err
		}
		return w.Show(tx, id)
	})
}

// whatFailed returns a line that says why something could not be read. It never repeats an error of
// the program.
func whatFailed(err error) bot.Line {
	if _, api := history.JudgeRead(err); api != nil {
		return bot.Say("failed.code", "words", bot.Quote(bot.Cut(bot.ApiWords(api.Code, api.Info), 200)), "code",
			bot.CodeWords(api.Code))
	}
	return bot.Say("failed.no_answer")
}

func refusedByAPI(r bot.Request, api *recall.Error) *bot.Refusal {
	switch api.Code {
	case recall.CodeNoGroup, recall.CodeBadGroupID:
		return bot.NewRefusal("no_group", "group", bot.Code(string(r.Scope.Group)), "code", bot.CodeWords(api.Code))
	}
	return bot.NewRefusal("api", "words", bot.Quote(bot.Cut(bot.ApiWords(api.Code, api.Info), 200)), "code",
		bot.CodeWords(api.Code))
}

// readForSeal reads the group and the messages of a request that is preparing, and passes the
// messages to stored as they are read. Each is dated by the ledger's clock, not later than it was
// read: by the time when its page was requested, or when the Reader began. Messages count as unread
// only if the group's type keeps no history. readForSeal returns a *Refusal if the request must
// end.
func (w *Worker) readForSeal(ctx context.Context, rd *history.Reader, r bot.Request, stored *sealing) (prepared,
	error) {
	info, err := rd.Group(ctx)
	if err != nil {
		return prepared{}, err
	}
	r.Group = bot.GroupFacts{Type: info.Type, Name: info.Name, Members: info.Members}
	r.Group.NextSeq = history.NextSeq(info, r.Scope)
	p := prepared{request: r, key: make([]byte, 32)}
	rand.Read(p.key)
	keep := func(at *bot.Message, m bot.Message) error {
		err := stored.add(ctx, m)
		m.Evidence = ""
		*at = m
		return err
	}

	hasHistory := r.Group.Type == "" || r.Group.Type.HasHistory()
	var read []bot.Message                 // as sealed, one for each seq in order; no status where it was not found
	var arrived map[recall.Seq]bot.Arrival // what callbacks told of a group without history
	if !r.Scope.Filter.IsZero() {
		var matches map[recall.Seq]bot.Message
		rd.Keep = func(m recall.Message) bot.Message { return w.sealed(m, p.key, r.Policy, rd.Ledger) }
		if matches, arrived, err = w.filtered(ctx, rd, &p.request, hasHistory); err != nil {
			return prepared{}, err
		}
		read = make([]bot.Message, p.request.Covers.Count())
		place := p.request.Covers.Places()
		for seq := range p.request.Covers.All() {
			if m, ok := matches[seq]; ok {
				if err := keep(&read[place(seq)], m); err != nil {
					return prepared{}, err
				}
			}
		}
	} else {
		if hasHistory {
			// Messages may arrive in any order.
			read = make([]bot.Message, r.Covers.Count())
			place := r.Covers.Places()
			reading, stop := context.WithCancel(ctx)
			defer stop()
			err = rd.Each(reading, r.Covers, func(m recall.Message, asked time.Time) {
				at := &read[place(m.Seq)]
				if at.Status == "" && keep(at, w.sealed(m, p.key, r.Policy, rd.At(asked))) != nil {
					stop()
				}
			})
			if kind, _ := history.JudgeRead(err); err != nil && kind != history.ReadNever {
				return prepared{}, err
			}
			if err != nil {
				stored.again()
				read, hasHistory = nil, false
			}
		}
		if !hasHistory {
			p.blind = true
			if arrived, err = w.Arrived(ctx, r.Scope, r.Covers); err != nil {
				return prepared{}, err
			}
		}
	}
	if p.messages = read; read == nil {
		p.messages = make([]bot.Message, p.request.Covers.Count())
	}
	i := 0
	for seq := range p.request.Covers.All() {
		m := &p.messages[i]
		i++
		a, told := arrived[seq]
		var other bot.Message // that was not found in history
		switch {
		case m.Status != "":
			continue
		case r.Group.NextSeq > 0 && seq >= r.Group.NextSeq: // whatever a callback says
			other = bot.Message{Seq: seq, Status: bot.SealAbsent, Read: rd.Ledger}
		case told:
			other = w.SealArrived(a, p.key, r.Policy, rd.Ledger)
		case !p.blind:
			other = bot.Message{Seq: seq, Status: bot.SealAbsent, Read: rd.Ledger}
		default:
			other = bot.Message{Seq: seq, Status: bot.SealUnread}
		}
		if err := keep(m, other); err != nil {
			return prepared{}, err
		}
	}
	p.request.Tally = bot.TallyOf(p.messages)
	p.request.Tally.Unchecked = p.blind && r.Group.NextSeq == 0
	p.blind = p.request.Tally.Unread > 0
	if p.blind && len(r.Policy.Protected) > 0 {
		return prepared{}, bot.NewRefusal("protected_unreadable")
	}
	if p.request.Tally.Send == 0 {
		return prepared{}, bot.NewRefusal("nothing_to_send", "why", whyNothing(p.request.Tally))
	}
	return p, nil
}

// sealed returns the seal of one message as it was read.
func (w *Worker) sealed(m recall.Message, key []byte, p bot.Policy, at time.Time) bot.Message {
	out := bot.Message{Seq: m.Seq, Sender: m.From, Sent: m.Time, Read: at, Status: bot.SealNormal,
		Admin: w.Admin != "" && m.From == w.Admin}
	switch m.Status {
	case recall.StatusRecalled:
		out.Status = bot.SealRecalled
		return out
	case recall.StatusDeletedOrExpired:
		out.Status = bot.SealGone
		return out
	}
	if p.IsProtected(m.From) {
		out.Status = bot.SealProtected
	}
	out.HMAC = bot.ContentHMAC(key, m)
	switch w.Evidence {
	case bot.EvidenceExcerpt:
		out.Evidence = m.Excerpt(history.MaxExcerpt)
	case bot.EvidenceFull:
		out.Evidence = m.Excerpt(history.MaxFull)
	}
	return out
}

// filtered turns the filter into seqs: it sets what the request covers. For a group without history
// it returns the messages that callbacks reported.
func (w *Worker) filtered(ctx context.Context, rd *history.Reader, r *bot.Request,
	hasHistory bool) (map[recall.Seq]bot.Message, map[recall.Seq]bot.Arrival, error) {
	var s history.Searched
	err := error(nil)
	switch {
	case hasHistory:
		s, err = rd.Search(ctx)
	case w.Indexing():
		s, err = w.SearchArrived(ctx, r.Scope, r.Group.NextSeq)
	default:
		return nil, nil, bot.NewRefusal("filter_incomplete", "reached", bot.Say("card.notice.blind.history"))
	}
	if err != nil {
		return nil, nil, err
	}
	if !s.Complete {
		return nil, nil, bot.NewRefusal("filter_incomplete", "reached", bot.Line{bot.At(s.Reached)})
	}
	if len(s.Matches) == 0 {
		return nil, nil, bot.NewRefusal("filter_none")
	}
	if n := len(s.Matches); n > r.Policy.MaxMessages {
		narrow := command.Command{Verb: "recall", Scope: r.Scope}
		narrow.Scope.Filter = r.Scope.Filter.WithoutText() // others read it too
		narrow.Scope.Filter.Last = r.Policy.MaxMessages
		return nil, nil, bot.NewRefusal("filter_too_many", "n", n, "max", r.Policy.MaxMessages, "corrected",
			bot.Code(narrow.Write(r.Place.Platform.TypesOptions())))
	}
	found := make(map[recall.Seq]bot.Message, len(s.Matches))
	seqs := make([]recall.Seq, 0, len(s.Matches))
	for _, m := range s.Matches {
		found[m.Seq] = m
		seqs = append(seqs, m.Seq)
	}
	r.Covers = command.MakeRanges(seqs...)
	if s.Arrived != nil {
		return nil, s.Arrived, nil
	}
	return found, nil, nil
}

// whyNothing returns a line that says why no message of a request would be sent.
func whyNothing(t bot.Tally) bot.Line {
	var l bot.Line
	for _, part := range []struct {
		n    int
		mark string
	}{{t.Recalled, "recalled"}, {t.Gone, "gone"}, {t.Absent, "absent"}, {t.Protected, "protected"}} {
		if part.n == 0 {
			continue
		}
		if l != nil {
			l = append(l, bot.Span{Kind: bot.Words, Text: ", "})
		}
		l = append(l, bot.Say("nothing."+part.mark, "n", part.n)...)
	}
	return l
}

// propose opens the request for decisions on what was prepared. Its messages are stored already.
func (w *Worker) propose(tx bot.Tx, r bot.Request, p prepared, digest string, after *later) error {
	r.Group, r.Covers = p.request.Group, p.request.Covers
	err := w.Overlap(tx, r.Scope, r.Covers, r.ID, r.Place.Platform)
	if err != nil {
		return err
	}
	if r.Group.New, r.Earlier, r.EarlierMore, err = w.earlier(tx, r); err != nil {
		return err
	}
	if err := w.unpause(tx, after); err != nil { // the service has just answered
		return err
	}
	now := tx.Now()
	if r, err = bot.Propose(r, digest, p.request.Tally, p.blind, now); err != nil {
		return err
	}
	if r.Others != nil && *r.Others < r.Needed { // a filter that found so many
		return bot.NewRefusal("too_few_for_these", "n", r.Tally.Send, "need", r.Needed, "have", *r.Others)
	}
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return err
	}
	if counts[""] != len(p.messages) {
		// unreachable: under the lease nobody else stores any
		return fmt.Errorf("%d messages are stored of %d", counts[""], len(p.messages))
	}
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	if err := tx.PutEvidenceKey(r.ID, p.key); err != nil {
		return err
	}
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueDeadline, At: r.Deadline}); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueRemind, At: now.Add(r.Policy.RemindAfter)}); err != nil {
		return err
	}
	err = w.Audit(tx, "sealed", r.ID, r.Digest, map[string]any{
		"total": r.Tally.Total, "send": r.Tally.Send, "unread": r.Tally.Unread, "recalled": r.Tally.Recalled,
		"gone": r.Tally.Gone, "absent": r.Tally.Absent,
		"protected": r.Tally.Protected, "seqs": r.Covers.String(), "blind": r.Blind, "need": r.Needed,
		"type": r.Group.Type, "members": r.Group.Members, "next_seq": r.Group.NextSeq,
	})
	if err != nil {
		return err
	}
	tx.Wake(bot.WakeTimer)
	return w.Show(tx, r.ID)
}

// earlier reports whether the group is new to the bot, and which ended requests held some of the
// same messages: newest first, at most maxEarlier, and the number of the others. Rejected requests
// come before all others, so that many withdrawn requests cannot hide one.
func (w *Worker) earlier(tx bot.Tx, r bot.Request) (fresh bool, earlier []bot.Earlier, more int, err error) {
	// r has no digest yet
	before, err := tx.Requests(bot.Query{App: r.App, Group: r.Scope.Group, Sealed: true, Limit: 1})
	if err != nil {
		return false, nil, 0, err
	}
	held := bot.Query{App: r.App, Group: r.Scope.Group, Topic: &r.Scope.Topic, States: []bot.State{bot.Rejected},
		Seqs: r.Covers, Limit: earlierScanned}
	same, err := tx.Requests(held)
	if err != nil {
		return false, nil, 0, err
	}
	held.States = slices.DeleteFunc(bot.States(), func(s bot.State) bool { return s.Open() || s == bot.Rejected })
	others, err := tx.Requests(held)
	if err != nil {
		return false, nil, 0, err
	}
	same = append(same, others...)
	told := same[:min(len(same), maxEarlier)]
	slices.SortStableFunc(told, func(a, b bot.Request) int { return b.Asked.Compare(a.Asked) })
	for _, o := range told {
		by := o.EndedBy
		if by.Zero() && len(o.Approvals) > 0 {
			by = o.Approvals[0].By
		}
		earlier = append(earlier, bot.Earlier{ID: o.ID, State: o.State, By: by, Reason: o.EndReason, Ended: o.Ended})
	}
	return len(before) == 0, earlier, len(same) - len(told), nil
}

// refusePreparing ends a request that is still preparing, because the bot cannot or must not
// continue. The audit log gets only the key of the reason, because its words may repeat what the
// requester searched for.
func (w *Worker) refusePreparing(ctx context.Context, l bot.Lease, id bot.RequestID, no *bot.Refusal,
	code recall.Code) error {
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || r.State != bot.Preparing {
			return err
		}
		if r, err = bot.Refuse(r, no.Why, tx.Now()); err != nil {
			return err
		}
		more := map[string]any{"why": no.Key}
		if code != recall.CodeOK {
			more["code"] = int(code)
		}
		if err := w.Audit(tx, "refused by the bot", id, "", more); err != nil {
			return err
		}
		return w.End(tx, r, "")
	})
}

// seal stores the last part and the records of the calls, and opens the request for decisions, in
// one transaction. Of two requests for the same message, the first to be sealed wins: no says why
// this one must end. If the request was not sealed, no record of the calls is stored.
func (s *sealing) seal(ctx context.Context, p prepared, called []bot.Trace) (no *bot.Refusal, err error) {
	digest := bot.Digest(p.request.App, p.request.Scope.Group, p.request.Scope.Topic, p.messages)
	var after later
	err = s.store(ctx, func(tx bot.Tx, r bot.Request) error {
		after = nil
		if err := s.b.AuditTraces(tx, r.ID, called); err != nil {
			return err
		}
		return s.b.propose(tx, r, p, digest, &after)
	})
	switch {
	case errors.As(err, &no):
		s.err = nil
		return no, nil
	case err == nil:
		after.do()
	case !errors.Is(err, errOver):
		return nil, fmt.Errorf("seal %s: %w", s.id, err)
	}
	return nil, nil
}
