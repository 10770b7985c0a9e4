package bot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"recallbot/recall"
)

const (
	readRetry      = time.Second // the first pause after a failed read; doubled up to readRetryMost
	readRetryMost  = 8 * time.Second
	pageTries      = 3   // of one page, before the whole reading has failed: a flood has thousands
	maxEarlier     = 5   // earlier requests told on a card
	earlierScanned = 500 // requests with some of the same messages that are counted, and as many rejected ones
)

// prepare reads the messages of a request, turns a filter into seqs, and seals it; or it refuses. It returns when the request is no longer preparing,
// or when ctx ends. What cannot be read is waited for: time ends the request when that takes longer than StartWithin.
func (b *Bot) prepare(ctx context.Context, l Lease, id RequestID) error {
	pause := readRetry
	for {
		var r Request
		var now time.Time
		err := b.o.Ledger.View(ctx, func(tx Tx) (err error) {
			now = tx.Now()
			r, err = tx.Request(id)
			return err
		})
		if err != nil || r.State != Preparing {
			return err
		}
		purpose := recall.ForNumbers
		if !r.Scope.Filter.IsZero() {
			purpose = recall.ForFilter
		}
		rd := b.reading(r.Scope, "seal", purpose, r.By.Person)
		rd.tries, rd.ledger = pageTries, now
		rd.store = func(ctx context.Context, all []told) error {
			return b.o.Ledger.Tx(ctx, func(tx Tx) error {
				if err := tx.Fence(l); err != nil {
					return err
				}
				return b.auditTold(tx, id, all)
			})
		}
		stored := &sealing{b: b, lease: l, id: id}
		p, err := b.readForSeal(ctx, rd, r, stored)
		if untold := rd.storeTold(ctx); untold != nil { // what was read is of no use to who cannot tell that it was
			return fmt.Errorf("tell what was read for %s: %w", id, untold)
		}
		if stored.over {
			return nil
		}
		if stored.err != nil {
			return fmt.Errorf("store what was read for %s: %w", id, stored.err)
		}
		if err == nil {
			return stored.seal(ctx, p)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if no, ok := errors.AsType[*Refusal](err); ok {
			return b.refusePreparing(ctx, l, id, no, 0)
		}
		kind, api := judgeRead(err)
		switch kind {
		case readRefused:
			return b.refusePreparing(ctx, l, id, refusedByAPI(r, api), api.Code)
		case readAppPaused:
			if err := b.pauseApp(ctx, l, api); err != nil {
				return err
			}
			pause = probeEvery
		}
		if err := b.waitToRead(ctx, l, id, whatFailed(err)); err != nil {
			return err
		}
		b.log.Warn("reading for a request failed; it will be tried again", "request", id, "in", pause, "err", err)
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(pause*2, readRetryMost)
	}
}

// waitToRead notes why the messages of a request cannot be read just now: the card says so, and so does the refusal when that lasts.
func (b *Bot) waitToRead(ctx context.Context, l Lease, id RequestID, why Line) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || r.State != Preparing || r.Waiting.String() == why.String() {
			return err
		}
		r.Waiting = why
		if err := tx.PutRequest(r); err != nil {
			return err
		}
		return b.show(tx, id)
	})
}

// whatFailed says in words why something could not be read. An error of the program is not repeated.
func whatFailed(err error) Line {
	if _, api := judgeRead(err); api != nil {
		return Say("failed.code", "words", Quote(Cut(apiWords(api.Code, api.Info), 200)), "code", codeWords(api.Code))
	}
	return Say("failed.no_answer")
}

// sleep waits and reports whether it was left in peace.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func refusedByAPI(r Request, api *recall.Error) *Refusal {
	switch api.Code {
	case recall.CodeNoGroup, recall.CodeBadGroupID:
		return refuse("no_group", "group", Code(string(r.Scope.Group)), "code", codeWords(api.Code))
	}
	return refuse("api", "words", Quote(Cut(apiWords(api.Code, api.Info), 200)), "code", codeWords(api.Code))
}

// prepared is what a reading found, ready to be sealed.
type prepared struct {
	request  Request
	messages []Message // in order, without what they say
	key      []byte
	blind    bool
}

// readForSeal reads the group and the messages of a request that is preparing. Each message is dated by the ledger's clock, never later than it was read: by when its page
// was asked for, or by when the reading began. Only what the group's type keeps no history of is taken as unread. It returns a *Refusal when the request must end. What messages
// say goes to stored as it is read.
func (b *Bot) readForSeal(ctx context.Context, rd *reading, r Request, stored *sealing) (prepared, error) {
	info, err := rd.group(ctx)
	if err != nil {
		return prepared{}, err
	}
	r.Group = GroupFacts{Type: info.Type, Name: info.Name, Members: info.Members}
	r.Group.NextSeq = nextSeq(info, r.Scope)
	p := prepared{request: r, key: make([]byte, 32)}
	rand.Read(p.key)
	keep := func(at *Message, m Message) error {
		err := stored.add(ctx, m)
		m.Evidence = ""
		*at = m
		return err
	}

	hasHistory := r.Group.Type == "" || r.Group.Type.HasHistory()
	var read []Message                 // as sealed, one for each seq in order; no status where it was not found
	var arrived map[recall.Seq]Arrival // what callbacks told of a group without history
	if !r.Scope.Filter.IsZero() {
		var matches map[recall.Seq]Message
		rd.keep = func(m recall.Message) Message { return b.sealed(m, p.key, r.Policy, rd.ledger) }
		if matches, arrived, err = b.filtered(ctx, rd, &p.request, hasHistory); err != nil {
			return prepared{}, err
		}
		read = make([]Message, p.request.Covers.Count())
		place := p.request.Covers.places()
		for seq := range p.request.Covers.All() {
			if m, ok := matches[seq]; ok {
				if err := keep(&read[place(seq)], m); err != nil {
					return prepared{}, err
				}
			}
		}
	} else {
		if hasHistory {
			// Each message is sealed as it comes, in its place.
			read = make([]Message, r.Covers.Count())
			place := r.Covers.places()
			reading, stop := context.WithCancel(ctx)
			defer stop()
			err = rd.each(reading, r.Covers, func(m recall.Message, asked time.Time) {
				at := &read[place(m.Seq)]
				if at.Status == "" && keep(at, b.sealed(m, p.key, r.Policy, rd.at(asked))) != nil {
					stop()
				}
			})
			if kind, _ := judgeRead(err); err != nil && kind != readNever {
				return prepared{}, err
			}
			if err != nil {
				stored.again()
				read, hasHistory = nil, false
			}
		}
		if !hasHistory {
			p.blind = true
			if arrived, err = b.arrived(ctx, r.Scope, r.Covers); err != nil {
				return prepared{}, err
			}
		}
	}
	if p.messages = read; read == nil {
		p.messages = make([]Message, p.request.Covers.Count())
	}
	i := 0
	for seq := range p.request.Covers.All() {
		m := &p.messages[i]
		i++
		a, told := arrived[seq]
		var other Message // that was not found in history
		switch {
		case m.Status != "":
			continue
		case r.Group.NextSeq > 0 && seq >= r.Group.NextSeq: // whatever a callback says
			other = Message{Seq: seq, Status: SealAbsent, Read: rd.ledger}
		case told:
			other = b.sealArrived(a, p.key, r.Policy, rd.ledger)
		case !p.blind:
			other = Message{Seq: seq, Status: SealAbsent, Read: rd.ledger}
		default:
			other = Message{Seq: seq, Status: SealUnread}
		}
		if err := keep(m, other); err != nil {
			return prepared{}, err
		}
	}
	p.request.Tally = tally(p.messages)
	p.request.Tally.Unchecked = p.blind && r.Group.NextSeq == 0
	p.blind = p.request.Tally.Unread > 0
	if p.blind && len(r.Policy.Protected) > 0 {
		return prepared{}, refuse("protected_unreadable")
	}
	if p.request.Tally.Send == 0 {
		return prepared{}, refuse("nothing_to_send", "why", whyNothing(p.request.Tally))
	}
	return p, nil
}

// nextSeq is the number that the service gives next, 0 where that is not known: it does not say it of topics, and a group that stores nothing may not count either.
func nextSeq(info recall.GroupInfo, s Scope) recall.Seq {
	if s.Topic != "" || info.Type != "" && !info.Type.HasHistory() && info.NextMsgSeq <= 1 {
		return 0
	}
	return info.NextMsgSeq
}

// sealed fixes one message as it was read.
func (b *Bot) sealed(m recall.Message, key []byte, p Policy, at time.Time) Message {
	out := Message{Seq: m.Seq, Sender: m.From, Sent: m.Time, Read: at, Status: SealNormal, Admin: b.o.Admin != "" && m.From == b.o.Admin}
	switch m.Status {
	case recall.StatusRecalled:
		out.Status = SealRecalled
		return out
	case recall.StatusDeletedOrExpired:
		out.Status = SealGone
		return out
	}
	if p.IsProtected(m.From) {
		out.Status = SealProtected
	}
	out.HMAC = ContentHMAC(key, m)
	switch b.o.Evidence {
	case EvidenceExcerpt:
		out.Evidence = m.Excerpt(maxExcerpt)
	case EvidenceFull:
		out.Evidence = m.Excerpt(maxFull)
	}
	return out
}

// filtered turns the filter into seqs: it sets what the request covers. Of a group without history it returns what callbacks told.
func (b *Bot) filtered(ctx context.Context, rd *reading, r *Request, hasHistory bool) (map[recall.Seq]Message, map[recall.Seq]Arrival, error) {
	var s searched
	err := error(nil)
	switch {
	case hasHistory:
		s, err = rd.search(ctx)
	case b.indexing():
		s, err = b.searchArrived(ctx, r.Scope, r.Group.NextSeq)
	default:
		return nil, nil, refuse("filter_incomplete", "reached", Say("card.notice.blind.history"))
	}
	if err != nil {
		return nil, nil, err
	}
	if !s.Complete {
		return nil, nil, refuse("filter_incomplete", "reached", Line{At(s.Reached)})
	}
	if len(s.Matches) == 0 {
		return nil, nil, refuse("filter_none")
	}
	if n := len(s.Matches); n > r.Policy.MaxMessages {
		narrow := Command{Verb: "recall", Scope: r.Scope}
		narrow.Scope.Filter = r.Scope.Filter.withoutText() // others read it too
		narrow.Scope.Filter.Last = r.Policy.MaxMessages
		return nil, nil, refuse("filter_too_many", "n", n, "max", r.Policy.MaxMessages, "corrected", Code(narrow.on(r.Place.Platform)))
	}
	found := make(map[recall.Seq]Message, len(s.Matches))
	seqs := make([]recall.Seq, 0, len(s.Matches))
	for _, m := range s.Matches {
		found[m.Seq] = m
		seqs = append(seqs, m.Seq)
	}
	r.Covers = MakeRanges(seqs...)
	if s.Arrived != nil {
		return nil, s.Arrived, nil
	}
	return found, nil, nil
}

// whyNothing says why no message of a request would be sent.
func whyNothing(t Tally) Line {
	var l Line
	for _, part := range []struct {
		n    int
		mark string
	}{{t.Recalled, "recalled"}, {t.Gone, "gone"}, {t.Absent, "absent"}, {t.Protected, "protected"}} {
		if part.n == 0 {
			continue
		}
		if l != nil {
			l = append(l, Span{Kind: Words, Text: ", "})
		}
		l = append(l, Say("nothing."+part.mark, "n", part.n)...)
	}
	return l
}

// propose fixes the request to what was prepared, whose messages are stored.
func (b *Bot) propose(tx Tx, r Request, p prepared, digest string) error {
	r.Group, r.Covers = p.request.Group, p.request.Covers
	err := b.overlap(tx, r.Scope, r.Covers, r.ID, r.Place.Platform)
	if err != nil {
		return err
	}
	if r.Group.New, r.Earlier, r.EarlierMore, err = b.earlier(tx, r); err != nil {
		return err
	}
	if err := b.unpause(tx); err != nil { // the service has just answered
		return err
	}
	now := tx.Now()
	if r, err = Propose(r, digest, p.request.Tally, p.blind, now); err != nil {
		return err
	}
	if r.Others != nil && *r.Others < r.Needed { // a filter that found so many
		return refuse("too_few_for_these", "n", r.Tally.Send, "need", r.Needed, "have", *r.Others)
	}
	counts, err := tx.Progress(r.ID)
	if err != nil {
		return err
	}
	if counts[""] != len(p.messages) {
		return fmt.Errorf("%d messages are stored of %d", counts[""], len(p.messages)) // unreachable: under the lease nobody else stores any
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
	if err := tx.SetDue(Due{r.ID, DueDeadline, r.Deadline}); err != nil {
		return err
	}
	if err := tx.SetDue(Due{r.ID, DueRemind, now.Add(r.Policy.RemindAfter)}); err != nil {
		return err
	}
	err = b.auditOwn(tx, "sealed", r.ID, r.Digest, map[string]any{
		"total": r.Tally.Total, "send": r.Tally.Send, "unread": r.Tally.Unread, "recalled": r.Tally.Recalled, "gone": r.Tally.Gone, "absent": r.Tally.Absent,
		"protected": r.Tally.Protected, "seqs": r.Covers.String(), "blind": r.Blind, "need": r.Needed,
		"type": r.Group.Type, "members": r.Group.Members, "next_seq": r.Group.NextSeq,
	})
	if err != nil {
		return err
	}
	tx.Wake(WakeTimer)
	return b.show(tx, r.ID)
}

// earlier tells whether the bot touched the group before, and which settled requests held some of the same messages: newest first, at most maxEarlier, and how many more.
// Those that somebody rejected come before all others, so that no number of withdrawals hides one.
func (b *Bot) earlier(tx Tx, r Request) (fresh bool, earlier []Earlier, more int, err error) {
	before, err := tx.Requests(Query{App: r.App, Group: r.Scope.Group, Sealed: true, Limit: 1}) // r has no digest yet
	if err != nil {
		return false, nil, 0, err
	}
	held := Query{App: r.App, Group: r.Scope.Group, Topic: &r.Scope.Topic, States: []State{Rejected}, Seqs: r.Covers, Limit: earlierScanned}
	same, err := tx.Requests(held)
	if err != nil {
		return false, nil, 0, err
	}
	held.States = slices.DeleteFunc(States(), func(s State) bool { return s.Open() || s == Rejected })
	others, err := tx.Requests(held)
	if err != nil {
		return false, nil, 0, err
	}
	same = append(same, others...)
	told := same[:min(len(same), maxEarlier)]
	slices.SortStableFunc(told, func(a, b Request) int { return b.Asked.Compare(a.Asked) })
	for _, o := range told {
		by := o.EndedBy
		if by.Zero() && len(o.Approvals) > 0 {
			by = o.Approvals[0].By
		}
		earlier = append(earlier, Earlier{ID: o.ID, State: o.State, By: by, Reason: o.EndReason, Ended: o.Ended})
	}
	return len(before) == 0, earlier, len(same) - len(told), nil
}

// refusePreparing ends a request that is still preparing, because the bot itself cannot or must not go on. The audit log gets the reason's name: its words may repeat
// what the requester was looking for.
func (b *Bot) refusePreparing(ctx context.Context, l Lease, id RequestID, no *Refusal, code recall.Code) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || r.State != Preparing {
			return err
		}
		if r, err = Refuse(r, no.Why, tx.Now()); err != nil {
			return err
		}
		more := map[string]any{"why": no.Key}
		if code != recall.CodeOK {
			more["code"] = int(code)
		}
		if err := b.auditOwn(tx, "refused by the bot", id, "", more); err != nil {
			return err
		}
		return b.putEnded(tx, r, "")
	})
}
