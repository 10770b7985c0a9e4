package worker

import (
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// confirming reports whether a request whose every message has its outcome must not end yet,
// because a second source may still confirm its outcomes.
func (r *runner) confirming(tx bot.Tx, req bot.Request) (bool, error) {
	open, err := tx.Unconfirmed(req.ID, 0, 1)
	if err != nil || len(open) == 0 && req.StillShown.Count() == 0 {
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
	case req.Group.Type != "" && !req.Group.Type.HasHistory():
		return false, nil
	default:
		return p == nil || !p.done, nil
	}
}

// nextProof returns the next messages of a request that are to be read for confirmation, or nil if
// there are none now.
func (r *runner) nextProof(tx bot.Tx, req bot.Request) (*proofRead, error) {
	if r.w.Callbacks && tx.Now().Sub(req.Settled) < callbackWithin || req.Group.Type != "" &&
		!req.Group.Type.HasHistory() {
		return nil, nil
	}
	p := r.proofs[req.ID]
	if p == nil {
		p = &proof{}
	}
	if p.busy || p.done || time.Now().Before(p.after) {
		return nil, nil
	}
	found := proofRead{request: req.ID}
	var err error
	if p.round == 0 {
		if found.seqs, err = tx.Unconfirmed(req.ID, p.from, confirmAtOnce); err != nil {
			return nil, err
		}
	} else {
		for s := range req.StillShown.All() {
			if s >= p.from && len(found.seqs) < confirmAtOnce {
				found.seqs = append(found.seqs, s)
			}
		}
	}
	found.last = len(found.seqs) < confirmAtOnce
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
		rd := r.w.Reader(req.Scope, "proof", recall.ForProof, req.By.Person)
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
		if kind, _ := history.JudgeRead(found.err); kind == history.ReadNever || kind == history.ReadRefused {
			p.done = true
			return
		}
		p.tries++
		p.after = time.Now().Add(min(history.ReadRetry<<min(p.tries-1, 5), history.ReadRetryMost))
		return
	}
	p.tries = 0
	p.still = p.still || len(found.still) > 0
	if !found.last {
		p.from = found.seqs[len(found.seqs)-1] + 1
		return
	}
	p.done = !p.still
	p.after = time.Now().Add(min(history.ReadRetry<<min(p.round, 5), history.ReadRetryMost))
	p.from, p.still = 0, false
	p.round++
}

func (b *proofRead) written(r *runner) { r.proofs[b.request].took(b) }

func (b *proofRead) about() (bot.RequestID, []recall.Seq) { return b.request, nil }

// write stores what was read, if the request is still being confirmed.
func (b *proofRead) write(r *runner, tx bot.Tx, _ *later) error {
	if err := r.w.AuditTraces(tx, b.request, b.traces); err != nil {
		return err
	}
	req, err := tx.Request(b.request)
	if err != nil || !req.Confirming() || b.err != nil {
		return err
	}
	if _, err := tx.Confirm(req.ID, b.confirmed, bot.ByHistory); err != nil {
		return err
	}
	still := slices.Clone(b.still)
	read := command.MakeRanges(b.seqs...)
	for s := range req.StillShown.All() {
		if !read.Contains(s) {
			still = append(still, s)
		}
	}
	now := command.MakeRanges(still...)
	if slices.Equal(now, req.StillShown) {
		return nil
	}
	req.StillShown = now
	return tx.PutRequest(req)
}
