package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

const (
	maxEarlier     = 5   // earlier requests that a card names
	earlierScanned = 500 // requests with some of the same messages that are counted, and as many rejected ones
)

// prepare reads the messages of a request, turns a filter into seqs, and seals the request or
// refuses it. It returns when the request is no longer preparing, or when ctx ends. It waits while
// messages cannot be read; the timer ends the request if that takes longer than StartWithin.
func (w *Worker) prepare(ctx context.Context, l bot.Lease, id bot.RequestID) error {
	pause := history.ReadRetry
	var telling *report
	defer func() {
		if telling != nil {
			telling.end(ctx, false)
		}
	}()
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
		if telling == nil {
			telling = w.report(ctx, r)
		}
		purpose := recall.ForNumbers
		if !r.Scope.Filter.IsZero() && !r.Exact {
			purpose = recall.ForFilter
		}
		rd := w.Reader(r.Scope, "seal", purpose, r.By.Person).On(r.Place.Platform)
		rd.Tries, rd.Ledger = pageTries, now
		rd.Store = w.recorder(l, id)
		telling.reader.Store(rd)
		stored := &sealing{b: w, lease: l, id: id}
		long := false
		rd.Long = func(ctx context.Context) error {
			if long { // another group of a sweep
				return nil
			}
			select {
			case w.filters <- struct{}{}:
				long = true
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var p prepared
		switch {
		case r.Exact:
			p, err = w.exactForSeal(ctx, rd, r, stored)
		case r.Scope.Sweeps():
			p, err = w.sweepForSeal(ctx, rd, r, stored, telling)
		default:
			p, err = w.readForSeal(ctx, rd, r, stored)
		}
		if long {
			<-w.filters
		}
		var no *bot.Refusal
		if err == nil && !stored.over && stored.err == nil {
			if no, err = stored.seal(ctx, p, rd.Traces); no == nil && err == nil && !stored.over {
				telling.end(ctx, true)
				telling = nil
				return w.seekReplies(ctx, l, p)
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
		why := history.WhatFailed(err)
		telling.waiting.Store(&why)
		if err := w.waitToRead(ctx, l, id, why); err != nil {
			return err
		}
		w.Log.Warn("reading for a request failed; it will be tried again", "request", id, "in", pause, "err", err)
		if !history.Sleep(ctx, pause) {
			return ctx.Err()
		}
		telling.waiting.Store(nil)
		pause = min(pause*2, history.ReadRetryMost)
	}
}

// waitToRead stores why the messages of a request cannot be read now. The refusal says it if it
// lasts, and who has the request shown reads it.
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
		return tx.PutRequest(r)
	})
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
// messages to stored as they are read. It returns a *Refusal if the request must end.
func (w *Worker) readForSeal(ctx context.Context, rd *history.Reader, r bot.Request, stored *sealing) (prepared,
	error) {
	info, err := rd.Group(ctx)
	if err != nil {
		return prepared{}, err
	}
	if r.Scope.Name != "" && command.AsRead(info.Name) != command.AsRead(r.Scope.Name) {
		return prepared{}, bot.NewRefusal("renamed", "name", bot.Quote(bot.Cut(r.Scope.Name, 40)), "group",
			bot.Code(string(r.Scope.Group)))
	}
	r.Parts = []bot.Part{r.Only()}
	p := prepared{request: r, key: make([]byte, 32)}
	rand.Read(p.key)
	if err := w.readPart(ctx, rd, &p, 0, info, stored); err != nil {
		return prepared{}, err
	}
	return p, p.sends()
}

// exactForSeal reads the messages of a sweep that was asked by their numbers, a group after the
// other. A group that cannot be read any more is left out, and named.
func (w *Worker) exactForSeal(ctx context.Context, rd *history.Reader, r bot.Request, stored *sealing,
	left ...bot.LeftOut) (prepared, error) {
	asked := r.Parts
	r.Parts = nil
	p := prepared{request: r, key: make([]byte, 32)}
	rand.Read(p.key)
	swept := bot.Swept{Left: left}
	p.request.Swept = &swept
	for i, part := range asked {
		leave := func(name string, why bot.Line) {
			swept.Left = append(swept.Left, bot.LeftOut{Talk: part.Talk, Name: name, Why: why})
		}
		if w.Policy.MayTouch(part.Group) != nil {
			leave("", bot.Say("sweep.left.policy"))
			continue
		}
		rd.TurnTo(part.Talk)
		info, err := rd.Group(ctx)
		kind, api := history.JudgeRead(err)
		switch {
		case err != nil && kind == history.ReadRefused && (api.Code == recall.CodeNoGroup ||
			api.Code == recall.CodeBadGroupID):
			leave("", bot.Say("sweep.left.gone"))
			continue
		case err != nil && kind == history.ReadRefused:
			leave("", history.WhatFailed(err))
			continue
		case err != nil:
			return prepared{}, err
		case info.Type != "" && !info.Type.HasHistory():
			leave(info.Name, bot.Say("sweep.left.live"))
			continue
		}
		p.request.Parts = append(p.request.Parts, part)
		err = w.readPart(ctx, rd, &p, len(p.request.Parts)-1, info, stored)
		if kind, _ := history.JudgeRead(err); err != nil && (kind == history.ReadRefused || kind == history.ReadNever) {
			why := history.WhatFailed(err)
			if kind == history.ReadNever {
				why = bot.Say("sweep.left.live")
			}
			stored.again() // it has messages of this group: the others are read again
			r.Parts = slices.Delete(slices.Clone(asked), i, i+1)
			left = append(left, bot.LeftOut{Talk: part.Talk, Name: info.Name, Why: why})
			return w.exactForSeal(ctx, rd, r, stored, left...)
		}
		if err != nil {
			return prepared{}, err
		}
		swept.Looked++
		swept.Read += part.Covers.Count()
	}
	if swept.Looked == 0 {
		return prepared{}, bot.NewRefusal("exact_none", "left", bot.LeftOutLine(&swept))
	}
	return p, p.sends()
}

// readPart reads the messages of one part of a request, and adds them to p. Each is dated by the
// ledger's clock, not later than it was read: by the time when its page was requested, or when the
// Reader began. Messages count as unread only if the group's type keeps no history.
func (w *Worker) readPart(ctx context.Context, rd *history.Reader, p *prepared, n int, info recall.GroupInfo,
	stored *sealing) (err error) {
	r := p.request
	r.Parts[n].Facts = bot.GroupFacts{Type: info.Type, Name: info.Name, Members: info.Members}
	r.Parts[n].Facts.NextSeq = history.NextSeq(info, rd.Scope)
	part := r.Parts[n]
	keep := func(at *bot.Message, m bot.Message) error {
		m.Part = n
		err := stored.add(ctx, m)
		m.Evidence = ""
		*at = m
		return err
	}

	hasHistory := !part.KeepsNone()
	var read []bot.Message                 // as sealed, one for each seq in order; no status where it was not found
	var arrived map[recall.Seq]bot.Arrival // what callbacks told of a group without history
	if !r.Scope.Filter.IsZero() && !r.Exact {
		var matches []bot.Message
		found := func(m recall.Message, of recall.PartOf) error {
			if len(matches) == r.Policy.MaxMessages { // this will be refused
				return nil
			}
			sealed := w.sealed(m, p.key, r.Policy, rd.Ledger)
			sealed.Of = of
			matches = append(matches, bot.Message{})
			return keep(&matches[len(matches)-1], sealed)
		}
		if arrived, err = w.filtered(ctx, rd, &p.request, hasHistory, found); err != nil {
			return err
		}
		part = p.request.Only()
		read = make([]bot.Message, part.Covers.Count())
		place := part.Covers.Places()
		for _, m := range matches {
			read[place(m.Seq)] = m
		}
	} else {
		if hasHistory {
			// Messages may arrive in any order.
			read = make([]bot.Message, part.Covers.Count())
			place := part.Covers.Places()
			reading, stop := context.WithCancel(ctx)
			defer stop()
			err = rd.Each(reading, part.Covers, func(m recall.Message, asked time.Time) {
				at, is := &read[place(m.Seq)], w.sealed(m, p.key, r.Policy, rd.At(asked))
				// of a group that was made anew under its old id, where others have these numbers
				if r.Exact && m.Status == recall.StatusNormal && m.From != r.Scope.Filter.From {
					is = bot.Message{Seq: m.Seq, Status: bot.SealAbsent, Read: is.Read}
				}
				if at.Status == "" && keep(at, is) != nil {
					stop()
				}
			})
			if kind, _ := history.JudgeRead(err); err != nil && (kind != history.ReadNever || r.Exact) {
				return err
			}
			if err != nil {
				stored.again()
				read, hasHistory = nil, false
			}
		}
		if !hasHistory {
			p.blind = true
			if arrived, err = w.Arrived(ctx, rd.Scope, part.Covers); err != nil {
				return err
			}
		}
	}
	if read == nil {
		read = make([]bot.Message, part.Covers.Count())
	}
	i := 0
	for seq := range part.Covers.All() {
		m := &read[i]
		i++
		a, told := arrived[seq]
		var other bot.Message // that was not found in history
		switch {
		case m.Status != "":
			continue
		case part.Facts.NextSeq > 0 && seq >= part.Facts.NextSeq: // whatever a callback says
			other = bot.Message{Seq: seq, Status: bot.SealAbsent, Read: rd.Ledger}
		case told:
			other = w.SealArrived(a, p.key, r.Policy, rd.Ledger)
		case !p.blind:
			other = bot.Message{Seq: seq, Status: bot.SealAbsent, Read: rd.Ledger}
		default:
			other = bot.Message{Seq: seq, Status: bot.SealUnread}
		}
		if err := keep(m, other); err != nil {
			return err
		}
	}
	p.messages = append(p.messages, read...)
	partly := p.request.Tally.Partly
	p.request.Tally = bot.TallyOf(p.messages)
	p.request.Tally.Partly = partly
	p.request.Tally.Unchecked = p.blind && part.Facts.NextSeq == 0
	p.blind = p.request.Tally.Unread > 0
	if p.blind && len(r.Policy.Protected) > 0 {
		return bot.NewRefusal("protected_unreadable")
	}
	return nil
}

// filtered turns the filter into seqs: it sets what the request covers, and calls found with each
// message of a group that has history. For a group without history it returns the messages that
// callbacks reported.
func (w *Worker) filtered(ctx context.Context, rd *history.Reader, r *bot.Request, hasHistory bool,
	found func(recall.Message, recall.PartOf) error) (map[recall.Seq]bot.Arrival, error) {
	var s history.Searched
	err := error(nil)
	switch {
	case hasHistory:
		s, err = rd.Search(ctx, found)
	case w.Indexing():
		s, err = w.SearchArrived(ctx, r.Scope, r.Only().Facts.NextSeq)
	default:
		return nil, bot.NewRefusal("filter_no_history")
	}
	if err != nil {
		return nil, err
	}
	f := r.Scope.Filter
	suggest := func(f command.Filter) bot.Span {
		cmd := command.Command{Verb: command.VerbRecall, Scope: r.Scope, Reason: r.Reason}
		cmd.Scope.Filter = f.WithoutText() // others read it too
		return bot.Code(cmd.Write(r.Place.Platform.TypesOptions()))
	}
	r.Tally.Partly = s.Partly
	var no *bot.Refusal
	n, most := len(s.Found), r.Policy.MaxMessages
	first, rest, divided := s.Parts(f)
	switch {
	case !s.Complete && s.Exhausted() && n == 0:
		return nil, bot.NewRefusal("filter_index_none", "begins", s.Begins)
	case !s.Complete && s.Exhausted():
		no = bot.NewRefusal("filter_index", "begins", s.Begins, "n", n, "first", suggest(first))
	case !s.Complete && divided:
		no = bot.NewRefusal("filter_incomplete", "n", n, "read", s.Read, "seq", seqText(s.ReachedSeq), "reached",
			s.Reached, "first", suggest(first), "rest", suggest(rest))
	case !s.Complete && n == 0:
		return nil, bot.NewRefusal("filter_undivided_none", "read", s.Read, "seq", seqText(s.ReachedSeq))
	case !s.Complete:
		return nil, bot.NewRefusal("filter_undivided", "n", n, "read", s.Read, "seq", seqText(s.ReachedSeq), "first",
			bot.Code(byNumbers(*r, s.Found)))
	case n == 0 && s.Quiet(f):
		return nil, bot.NewRefusal("filter_quiet", "since", f.Since.At, "newest", s.Newest)
	case n == 0 && s.Partly > 0:
		return nil, bot.NewRefusal("filter_none_partly", "n", s.Partly)
	case n == 0:
		return nil, bot.NewRefusal("filter_none")
	case n > most:
		f.Last = most
		no = bot.NewRefusal("filter_too_many", "n", n, "max", most, "corrected", suggest(f))
	}
	if no != nil {
		if f.Text != "" {
			no.Why = bot.Say("refuse.filter_phrase", "why", no.Why, "withheld", bot.Code(command.Withheld))
		}
		return nil, no
	}
	seqs := make([]recall.Seq, 0, n)
	for _, m := range s.Found {
		seqs = append(seqs, m.Seq)
	}
	r.Parts[0].Covers = command.MakeRanges(seqs...)
	return s.Arrived, nil
}

// numbersMost is how many characters a suggested command may have.
const numbersMost = 1500

// byNumbers returns the command that asks for as many of the messages, the first ones, as one
// request and one line can hold.
func byNumbers(r bot.Request, found []history.Found) string {
	cmd := command.Command{Verb: command.VerbRecall, Scope: r.Scope, Reason: r.Reason}
	cmd.Scope.Filter = command.Filter{}
	for n := min(len(found), r.Policy.MaxMessages); ; n = n * 3 / 4 {
		seqs := make([]recall.Seq, 0, n)
		for _, m := range found[:n] {
			seqs = append(seqs, m.Seq)
		}
		cmd.Scope.Seqs = command.MakeRanges(seqs...)
		if s := cmd.Write(r.Place.Platform.TypesOptions()); len(s) <= numbersMost || n <= 1 {
			return s
		}
	}
}

func seqText(s recall.Seq) bot.Span { return bot.Code(strconv.FormatUint(uint64(s), 10)) }

// propose opens the request for decisions on what was prepared. Its messages are stored already.
func (w *Worker) propose(tx bot.Tx, r bot.Request, p prepared, digest string, after *later) error {
	r.Parts, r.Swept = slices.Clone(p.request.Parts), p.request.Swept
	for _, part := range r.Parts {
		if err := w.Overlap(tx, part.Talk, part.Covers, r.ID, r.Place.Platform); err != nil {
			return err
		}
	}
	err := w.earlier(tx, &r)
	if err != nil {
		return err
	}
	if err := w.unpause(tx, after); err != nil { // the service has just answered
		return err
	}
	now := tx.Now()
	if r, err = bot.Propose(r, digest, p.request.Tally, p.blind, now); err != nil {
		return err
	}
	if len(repliedTo(p)) > 0 {
		r.Replies = &bot.Replies{Sought: true}
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
	more := map[string]any{
		"total": r.Tally.Total, "send": r.Tally.Send, "unread": r.Tally.Unread, "recalled": r.Tally.Recalled,
		"gone": r.Tally.Gone, "absent": r.Tally.Absent,
		"protected": r.Tally.Protected, "blind": r.Blind, "need": r.Needed,
	}
	for _, part := range r.Parts {
		is := map[string]any{"seqs": part.Covers.String(), "type": part.Facts.Type, "members": part.Facts.Members,
			"next_seq": part.Facts.NextSeq}
		if !r.Scope.Sweeps() {
			maps.Copy(more, is)
			continue
		}
		is["group"], is["topic"] = part.Group, part.Topic
		groups, _ := more["groups"].([]any)
		more["groups"] = append(groups, is)
	}
	err = w.Audit(tx, "sealed", r.ID, r.Digest, more)
	if err != nil {
		return err
	}
	tx.Wake(bot.WakeTimer)
	return w.firstView(tx, r)
}

// firstView has the card of a request posted. A request that an earlier version was asked for has a
// card already.
func (w *Worker) firstView(tx bot.Tx, r bot.Request) error {
	views, err := tx.ViewOf(r.ID)
	if err != nil {
		return err
	}
	if len(views) > 0 {
		return w.Redraw(tx, r.ID)
	}
	tx.Wake(bot.WakeTeller)
	return tx.AddView(bot.View{Request: r.ID, Place: r.Place, Wanted: 1})
}

// earlier finds whether each group is new to the bot, and which ended requests held some of the
// same messages: newest first, at most maxEarlier, and the number of the others. Rejected requests
// come before all others, so that many withdrawn requests cannot hide one.
func (w *Worker) earlier(tx bot.Tx, r *bot.Request) error {
	var same, others []bot.Request
	add := func(all *[]bot.Request, q bot.Query) error {
		found, err := tx.Requests(q)
		for _, o := range found { // a sweep may hold some in several groups
			if !slices.ContainsFunc(*all, func(a bot.Request) bool { return a.ID == o.ID }) {
				*all = append(*all, o)
			}
		}
		return err
	}
	for i, part := range r.Parts {
		// r has no digest yet
		before, err := tx.Requests(bot.Query{App: r.App, Group: part.Group, Sealed: true, Limit: 1})
		if err != nil {
			return err
		}
		r.Parts[i].Facts.New = len(before) == 0
		held := bot.Query{App: r.App, Group: part.Group, Topic: &part.Topic, States: []bot.State{bot.Rejected},
			Seqs: part.Covers, Limit: earlierScanned}
		if err := add(&same, held); err != nil {
			return err
		}
		held.States = slices.DeleteFunc(bot.States(), func(s bot.State) bool { return s.Open() || s == bot.Rejected })
		if err := add(&others, held); err != nil {
			return err
		}
	}
	same = append(same, others...)
	told := same[:min(len(same), maxEarlier)]
	slices.SortStableFunc(told, func(a, b bot.Request) int { return b.Asked.Compare(a.Asked) })
	for _, o := range told {
		by := o.EndedBy
		if by.Zero() && len(o.Approvals) > 0 {
			by = o.Approvals[0].By
		}
		r.Earlier = append(r.Earlier,
			bot.Earlier{ID: o.ID, State: o.State, By: by, Reason: o.EndReason, Ended: o.Ended})
	}
	r.EarlierMore = len(same) - len(told)
	return nil
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
	kinds := s.kinds.Kinds()
	if p.request.Tally.Send > bot.UnfoldedMost && len(kinds.Alike) > 0 {
		p.request.Tally.Odd = kinds.OddMessages()
	}
	digest := bot.Digest(p.request.App, p.request.Parts, p.messages)
	var after later
	err = s.store(ctx, func(tx bot.Tx, r bot.Request) error {
		after = nil
		if err := s.b.AuditTraces(tx, r.ID, called); err != nil {
			return err
		}
		err := s.b.propose(tx, r, p, digest, &after)
		if err != nil || p.request.Tally.Total <= bot.UnfoldedMost || kinds.Messages == 0 {
			return err
		}
		return tx.PutKinds(r.ID, kinds)
	})
	switch {
	case errors.As(err, &no):
		s.err = nil
		return no, nil
	case err == nil:
		after.run()
	case !errors.Is(err, errOver):
		return nil, fmt.Errorf("seal %s: %w", s.id, err)
	}
	return nil, nil
}
