package worker

import (
	"time"

	"recallbot/bot"
)

// begin marks an approved request as running. Its messages are put into batches as they are
// claimed.
func (r *runner) begin(tx bot.Tx, req bot.Request) (bot.Request, error) {
	if r.w.Policy.Hold || ahead(tx, req.Granted.Add(req.Delay()), req.Delay()) {
		return req, nil // it waits; StartWithin ends the wait
	}
	if p, err := tx.Paused(req.App); err != nil || p != nil && ahead(tx, p.Next, probeEvery) {
		return req, err // it waits; StartWithin ends the wait
	}
	now := tx.Now()
	if _, late := bot.Pass(req, time.Time{}, now); late { // the timer is about to end it
		return req, nil
	}
	next, err := bot.Begin(req, now)
	if err != nil {
		return req, err
	}
	if err := tx.PutRequest(next); err != nil {
		return req, err
	}
	if err := tx.SetDue(bot.Due{Request: req.ID, Kind: bot.DueStart, At: now.Add(req.Policy.StartWithin)}); err != nil {
		return req, err
	}
	if err := r.w.Audit(tx, "running", req.ID, req.Digest, map[string]any{"send": req.Tally.Send}); err != nil {
		return req, err
	}
	tx.Wake(bot.WakeTimer)
	return next, r.w.RedrawAtOnce(tx, req.ID)
}

// flight is how many batches may be claimed and not yet answered: the batches of a third of a
// second, so that calls of 0.3 s use the whole quota. More batches would only wait for their turn,
// and could not be stopped while they wait.
func (w *Worker) flight() int { return max(2, w.CallsPerSecond*64/200) }

// claimAtOnce is how many batches one transaction claims at most: the batches of a tenth of a
// second.
func (w *Worker) claimAtOnce() int { return max(1, w.CallsPerSecond/10) }

// claim claims batches to be sent, as many as the flight has room for. Small requests come first,
// and each request gets at least its share. A paused app gets one batch when its probe is due. more
// says that a request may have more batches than were found; hungry says that there was no room for
// all.
func (r *runner) claim(tx bot.Tx, running []bot.Request) (jobs []job, more, hungry bool, err error) {
	if time.Now().Before(r.first) || !r.held() || r.w.Policy.Hold {
		return nil, false, false, nil
	}
	room := min(r.w.flight()-r.flying, r.w.claimAtOnce())
	p, err := tx.Paused(r.w.App)
	if err != nil {
		return nil, false, false, err
	}
	if p != nil {
		if ahead(tx, p.Next, probeEvery) || r.flying > 0 {
			return nil, false, false, nil
		}
		room = 1
	}
	restored, err := bot.RestoredAt(tx)
	if err != nil {
		return nil, false, false, err
	}
	all := map[bot.RequestID]bool{} // requests of which nothing more can be claimed now
	for pass := range 2 {
		for i, req := range running {
			if all[req.ID] {
				continue
			}
			share := room - len(jobs)
			if pass == 0 {
				share = max(1, share/(len(running)-i))
			}
			share = min(share, room-len(jobs))
			if share <= 0 {
				break
			}
			found, left, err := r.toClaim(tx, req, share)
			if err != nil {
				return nil, false, false, err
			}
			var claimed []bot.Batch
			for _, bt := range found {
				if len(bt.Seqs) == 0 {
					if err := r.empty(tx, req.ID, bt); err != nil {
						return nil, false, false, err
					}
					continue
				}
				if req.Parts[bt.Part].Condemned != nil {
					if err := r.endCondemned(tx, req, bt); err != nil {
						return nil, false, false, err
					}
					continue
				}
				bt.State, bt.Epoch = bot.BatchSending, r.Lease.Epoch
				claimed = append(claimed, bt)
			}
			if err := tx.PutBatches(req.ID, claimed); err != nil {
				return nil, false, false, err
			}
			all[req.ID] = len(found) < share
			more = more || left || len(found) == share && len(claimed) < share
			for _, bt := range claimed {
				jobs = append(jobs, job{req, bt, tx.Now(), restored})
			}
		}
	}
	if p != nil && len(jobs) > 0 {
		p.Next = tx.Now().Add(probeEvery)
		if err := tx.Pause(r.w.App, p); err != nil {
			return nil, false, false, err
		}
	}
	return jobs, more, len(jobs) == room, nil
}

// putOffMost is how many batches of a request may be waiting for another try before no more of it
// is begun, for each of its parts. So many mean that the service is unavailable, and that a group
// which alone cannot be read does not hold up the others.
const putOffMost = 64

// toClaim returns up to limit batches that are due. If there are fewer, it makes more from the
// messages that have no batch. more says that this made few, and that there may be more.
func (r *runner) toClaim(tx bot.Tx, req bot.Request, limit int) (due []bot.Batch, more bool, err error) {
	most := putOffMost * max(1, len(req.Parts))
	due, putOff, err := dueBatches(tx, req.ID, limit, most)
	if err != nil || len(due) == limit || putOff >= most {
		return due, false, err
	}
	made, more, err := batchRest(tx, req)
	if err == nil && made > 0 {
		due, _, err = dueBatches(tx, req.ID, limit, most)
	}
	switch {
	case err != nil:
		return nil, false, err
	case len(due) > 0:
		return due, more && len(due) < limit, nil
	case made > 0: // the new batches are in doubt: they are read first
		return nil, false, nil
	case putOff > 0:
		return nil, more, nil
	}
	return nil, more, r.finish(tx, req.ID)
}

// dueBatches returns up to limit batches that are due, and how many of those that it read are not
// due yet.
func dueBatches(tx bot.Tx, id bot.RequestID, limit, most int) (due []bot.Batch, putOff int, err error) {
	all, err := tx.Batches(id, limit+most, bot.BatchPending)
	if err != nil {
		return nil, 0, err
	}
	for _, bt := range all {
		switch {
		case ahead(tx, bt.After, retryMost):
			putOff++
		case len(due) < limit:
			due = append(due, bt)
		}
	}
	return due, putOff, nil
}
