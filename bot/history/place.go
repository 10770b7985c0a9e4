package history

import (
	"context"
	"sync/atomic"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"

	"golang.org/x/sync/errgroup"
)

const (
	placePages = 25 // pages read to find where a search begins, at most
	placeNear  = 16 * recall.MaxHistoryPage
)

// slack is by how much the time of a message may lie before that of one with a lower number. A
// search reads so much more on both sides of its bounds, and a page more.
const slack = time.Minute

// moment says what a page tells about a time.
type moment int

const (
	untimed moment = iota // no message on it has a time
	early                 // some message was sent at that time or before, slack included
	late                  // all that have a time were sent later
)

// momentOf returns what the messages tell about a time.
func momentOf(messages []recall.Message, until time.Time) moment {
	is := untimed
	for _, m := range messages {
		switch {
		case m.Time.IsZero():
		case m.Time.After(until.Add(slack)):
			is = max(is, late)
		default:
			return early
		}
	}
	return is
}

// place returns the seq from which to read down for messages that were sent at until or before:
// none above it is one, as long as times run backwards by no more than slack or a page. It bisects
// the seqs below, of which all are later that are not lower; it returns below if it finds nothing
// better.
//
// A page without a time says nothing, so a page further up is looked at, at growing distances.
// Where none has a time, the reading begins above them: a wrong guess may only read too much.
func (rd *Reader) place(ctx context.Context, until time.Time, below recall.Seq, known command.Ranges) (recall.Seq,
	error) {
	begin := below
	lo, hi := recall.Seq(0), below // lo is not later; all from hi on are, or nobody can tell
	read := 0
	look := func(at recall.Seq) (is moment, highest, lowest recall.Seq, err error) {
		read++
		page, _, err := rd.patient(rd.inTurn(ctx, placePages), at)
		if err != nil {
			return untimed, 0, 0, err
		}
		shown := upTo(page.Messages, at)
		if len(shown) == 0 {
			return untimed, at, at, nil
		}
		return momentOf(shown, until), shown[0].Seq, shown[len(shown)-1].Seq, nil
	}
	for read < placePages && hi-lo > placeNear {
		mid := outside(known, lo+(hi-lo)/2, lo, hi)
		is, highest, lowest, err := look(mid)
		if err != nil {
			return 0, err
		}
		at := mid
		for step := recall.Seq(recall.MaxHistoryPage); is == untimed && read < placePages && step < hi-mid; step *= 2 {
			at = mid + step
			if is, highest, _, err = look(at); err != nil {
				return 0, err
			}
		}
		switch is {
		case early:
			lo = at
			continue
		case late:
			begin = highest
		}
		hi = max(lo+1, min(lowest, mid))
	}
	return begin, nil
}

// outside returns a seq between lo and hi, both excluded, whose page has messages that are not
// known as recalled: mid, or the next one above or below the run in which it lies.
func outside(known command.Ranges, mid, lo, hi recall.Seq) recall.Seq {
	for _, run := range known {
		if mid < run.From || mid > run.To {
			continue
		}
		if up := run.To + recall.MaxHistoryPage; up > run.To && up < hi {
			return up
		}
		if run.From > lo+1 {
			return run.From - 1
		}
	}
	return mid
}

// upTo returns the messages that have a seq of at most hi, newest first, each once.
func upTo(messages []recall.Message, hi recall.Seq) []recall.Message {
	var kept []recall.Message
	for _, m := range once(messages) {
		if m.Seq <= hi {
			kept = append(kept, m)
		}
	}
	return kept
}

// deserted reports whether nothing is left from hi down: pages at growing distances below it are
// empty, or hold only messages that are deleted or past their storage period. Nothing is stored
// below what is past its storage period, so a run of deleted messages is not taken for the end if
// more than that is stored below it.
func (rd *Reader) deserted(ctx context.Context, hi recall.Seq) (bool, error) {
	if hi <= placeNear {
		return false, nil // the rest is as quickly read
	}
	var found atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readersAtOnce)
	ctx = rd.inTurn(ctx, placePages)
	for step := uint64(recall.MaxHistoryPage); step < uint64(hi); step *= 2 {
		g.Go(func() error {
			page, _, err := rd.patient(ctx, hi-recall.Seq(step))
			for _, m := range page.Messages {
				if m.Status != recall.StatusDeletedOrExpired {
					found.Store(true)
				}
			}
			return err
		})
	}
	err := g.Wait()
	return !found.Load(), err
}
