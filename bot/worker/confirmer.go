package worker

import (
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// The service's "recalled" is one source. When every message of a request has its outcome, the
// request waits for a second source before it ends: callbacks, if they arrive, and otherwise
// history.
const (
	callbackWithin    = 10 * time.Second // how long to wait for callbacks after the last outcome
	confirmWithin     = 60 * time.Second // how long confirming may take after the last outcome
	confirmStopWithin = 20 * time.Second // the same of a request that somebody stops
	confirmAtOnce     = 1000             // messages that one reading covers
)

// confirming reports whether a request whose every message has its outcome must not end yet,
// because a second source may still confirm its outcomes.
func (r *runner) confirming(tx bot.Tx, req bot.Request) (bool, error) {
	open, err := tx.Unconfirmed(req.ID, 0, 1)
	if err != nil || len(open) == 0 && req.StillShown() == 0 {
		return false, err
	}
	waited := time.Duration(0)
	if !req.Settled.IsZero() {
		waited = tx.Now().Sub(req.Settled)
	}
	within := confirmWithin
	if req.State == bot.Stopping {
		within = confirmStopWithin
	}
	switch p := r.proofs[req.ID]; {
	case waited >= within:
		return false, nil
	case r.w.Callbacks && waited < callbackWithin:
		return true, nil
	case req.KeepsNone():
		return false, nil
	default:
		return p == nil || !p.done, nil
	}
}

// nextProof returns the next messages of a request that are to be read for confirmation, or nil if
// there are none now.
func (r *runner) nextProof(tx bot.Tx, req bot.Request) (*proofRead, error) {
	if r.w.Callbacks && tx.Now().Sub(req.Settled) < callbackWithin || req.KeepsNone() {
		return nil, nil
	}
	p := r.proofs[req.ID]
	if p == nil {
		p = &proof{}
	}
	if p.busy || p.done || time.Now().Before(p.after) {
		return nil, nil
	}
	var left []bot.MessageID
	if p.round == 0 {
		var err error
		if left, err = tx.Unconfirmed(req.ID, p.from, confirmAtOnce); err != nil {
			return nil, err
		}
	} else {
		for i, part := range req.Parts {
			for s := range part.StillShown.All() {
				if id := bot.IDOf(i, s); id >= p.from && len(left) < confirmAtOnce {
					left = append(left, id)
				}
			}
		}
	}
	found := proofRead{request: req.ID, next: p.from, last: len(left) < confirmAtOnce}
	for i, id := range left { // one reading is of one group
		if i > 0 && id.Part() != found.part {
			found.last = false
			break
		}
		found.part, found.seqs, found.next = id.Part(), append(found.seqs, id.Seq()), id+1
	}
	return &found, nil
}

// prove reads in history the messages that the API answered as recalled.
func (r *runner) prove(req bot.Request, found *proofRead) {
	p := r.proofs[req.ID]
	if p == nil {
		p = &proof{}
		r.proofs[req.ID] = p
	}
	p.busy = true
	r.wg.Go(func() {
		if len(found.seqs) == 0 || req.Parts[found.part].KeepsNone() {
			r.results <- found
			return
		}
		rd := job{request: req, batch: bot.Batch{Part: found.part}}.reader(r.w, "proof")
		rd.Bare = true
		is, err := rd.Status(r.ctx, found.seqs, nil)
		if found.err = err; err == nil {
			for _, s := range found.seqs {
				switch m, ok := is[s]; {
				case ok && m.Status == recall.StatusRecalled:
					found.confirmed = append(found.confirmed, s)
				case ok && m.Status == recall.StatusNormal:
					found.still = append(found.still, s)
				}
				// A message that is gone or not in history neither confirms nor contradicts the
				// answer.
			}
		}
		found.traces = rd.Traces
		r.results <- found
	})
}

// took records what a read means for the next one. History may be a moment behind the recall, so
// messages that it still shows are read again, after pauses that grow.
func (p *proof) took(found *proofRead) {
	p.busy = false
	if found.err != nil {
		kind, _ := history.JudgeRead(found.err)
		refused := kind == history.ReadNever || kind == history.ReadRefused
		switch {
		case refused && found.last && !p.still:
			p.done = true
			return
		case refused: // another group, or what was read before it, may still be read
			p.took(&proofRead{request: found.request, part: found.part, next: found.next, last: found.last})
			return
		}
		p.tries++
		p.after = time.Now().Add(min(history.ReadRetry<<min(p.tries-1, 5), history.ReadRetryMost))
		return
	}
	p.tries = 0
	p.still = p.still || len(found.still) > 0
	if !found.last {
		p.from = found.next
		return
	}
	p.done = !p.still
	p.after = time.Now().Add(min(history.ReadRetry<<min(p.round, 5), history.ReadRetryMost))
	p.from, p.still = 0, false
	p.round++
}

func (b *proofRead) written(r *runner) { r.proofs[b.request].took(b) }

func (b *proofRead) about() (bot.RequestID, []bot.MessageID) { return b.request, nil }

// write stores what was read, if the request is still being confirmed.
func (b *proofRead) write(r *runner, tx bot.Tx, _ *later) error {
	if err := r.w.AuditTraces(tx, b.request, b.traces); err != nil {
		return err
	}
	req, err := tx.Request(b.request)
	if err != nil || !req.Confirming() || b.err != nil {
		return err
	}
	if _, err := tx.Confirm(req.ID, bot.IDsOf(b.part, b.confirmed), bot.ByHistory); err != nil {
		return err
	}
	still := slices.Clone(b.still)
	read := command.MakeRanges(b.seqs...)
	was := req.Parts[b.part].StillShown
	for s := range was.All() {
		if !read.Contains(s) {
			still = append(still, s)
		}
	}
	now := command.MakeRanges(still...)
	if slices.Equal(now, was) {
		return nil
	}
	return tx.PutRequest(req.WithPart(b.part, func(p *bot.Part) { p.StillShown = now }))
}
