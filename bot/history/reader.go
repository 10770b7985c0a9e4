package history

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"

	"golang.org/x/sync/errgroup"
)

const (
	readersAtOnce = 16    // pages of history read side by side
	maxSearched   = 2000  // messages that a filter reads at most
	MaxExcerpt    = 200   // MaxExcerpt is how many characters of evidence EVIDENCE=excerpt keeps
	MaxFull       = 20000 // MaxFull is the same of EVIDENCE=full
)

// Reader makes the calls of one reading of the service, and keeps a record of each for the audit
// log. Its methods return all that was asked for or an error.
type Reader struct {
	b     *History
	Scope command.Scope
	why   string      // the purpose, for the audit log
	turn  recall.Turn // the order of its calls among those of others
	// Keep returns what a search keeps of a message that matches, so that it need not hold all of
	// the content.
	Keep func(m recall.Message) bot.Message
	// Long, if it is set, is called once by a search that needs more than the newest page. It
	// returns when the search may continue, or an error.
	Long  func(ctx context.Context) error
	More  map[string]any // added to the record of every call
	Bare  bool           // keep only the status of messages, not the content
	Tries int            // how often a page is tried that cannot be read now; 0: once

	began  time.Time
	Ledger time.Time // the ledger's time at its beginning, if At is used
	mu     sync.Mutex
	Traces []bot.Trace
	// Store, if it is set, stores records whenever enough of them have been collected, so that a
	// long reading that is interrupted has recorded its calls. If Store fails, the records are kept
	// and stored later.
	Store func(ctx context.Context, all []bot.Trace) error
	next  int // after a failure of Store: the number of records for another try
}

// tracesAtOnce is how many records a Reader collects before it stores them.
const tracesAtOnce = 100

// Reader returns a Reader of the scope's group or topic, on behalf of by. why is recorded with
// every call.
func (h *History) Reader(s command.Scope, why string, is recall.Purpose, by bot.PersonID) *Reader {
	return &Reader{b: h, Scope: s, why: why, turn: recall.Turn{For: is, Person: string(by)}, began: time.Now()}
}

// inTurn returns the context for a reading of so many calls. If another process may hold the app's
// lease, a search leaves most of the quota to it.
func (rd *Reader) inTurn(ctx context.Context, calls int) context.Context {
	t := rd.turn
	t.Size, t.Aside = calls, t.For == recall.ForSearch && rd.b.Ledger.Shared() && !rd.b.Leads.Load()
	return recall.InTurn(ctx, t)
}

// At converts a time of this process to the ledger's clock: the ledger's time when the Reader
// began, plus the time that has passed since.
func (rd *Reader) At(t time.Time) time.Time {
	return rd.Ledger.Add(t.Sub(rd.began)).Truncate(time.Millisecond)
}

// record keeps a record of a call and its answer. It ignores a call that was never sent because ctx
// has ended.
func (rd *Reader) record(ctx context.Context, op string, more map[string]any, err error) {
	if ctx.Err() != nil && errors.Is(err, recall.ErrNotSent) {
		return
	}
	more["op"], more["for"] = op, rd.why
	maps.Copy(more, rd.More)
	if err != nil {
		more["error"] = err.Error()
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.Traces = append(rd.Traces, bot.NewTrace(bot.TraceCall, more))
	if rd.Store == nil || len(rd.Traces) < max(rd.next, tracesAtOnce) {
		return
	}
	if rd.next = 0; rd.Store(ctx, rd.Traces) != nil {
		rd.next = len(rd.Traces) + tracesAtOnce
		return
	}
	rd.Traces = nil
}

// StoreTraces stores the records that are not stored yet, even if ctx has ended. Store must be set.
func (rd *Reader) StoreTraces(ctx context.Context) error {
	if len(rd.Traces) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return rd.Store(ctx, rd.Traces)
}

// Group reads the group's properties.
func (rd *Reader) Group(ctx context.Context) (recall.GroupInfo, error) {
	info, err := rd.b.Chat.GetGroupInfo(rd.inTurn(ctx, 1), rd.Scope.Group)
	more := map[string]any{}
	if err == nil {
		more["type"], more["members"], more["next_seq"] = info.Type, info.Members, info.NextMsgSeq
	}
	rd.record(ctx, "get_group_info", more, err)
	return info, err
}

// tooOften is how often a page is requested while the service answers that there are too many
// calls. There is no pause between: the client halves its pace.
const tooOften = 20

// page reads one page of history from a seq down, or from the newest message if from is 0. The page
// includes recalled messages.
func (rd *Reader) page(ctx context.Context, from recall.Seq) (page recall.HistoryPage, err error) {
	for range tooOften {
		page, err = rd.b.Chat.GroupMsgGetSimple(ctx, recall.HistoryRequest{
			Group: rd.Scope.Group, Topic: rd.Scope.Topic, Number: recall.MaxHistoryPage, Seq: from, WithRecalled: true,
		})
		more := map[string]any{"number": recall.MaxHistoryPage}
		if from != 0 {
			more["from"] = from
		}
		if err == nil {
			shows := map[string][]recall.Seq{}
			for _, m := range page.Messages {
				shows[shownAs(m, true)] = append(shows[shownAs(m, true)], m.Seq)
			}
			more["finished"], more["history"] = page.Finished, InWords(shows)
		}
		rd.record(ctx, "group_msg_get_simple", more, err)
		if kind, _ := JudgeRead(err); kind != readSlower {
			break
		}
	}
	return page, err
}

// shownAs returns the status of a message in history, in the words of the audit log.
func shownAs(m recall.Message, there bool) string {
	switch {
	case !there:
		return "not there"
	case m.Status == recall.StatusRecalled:
		return "recalled"
	case m.Status == recall.StatusDeletedOrExpired:
		return "expired or deleted"
	}
	return "still there"
}

// InWords writes the seqs under each key as ranges.
func InWords(shows map[string][]recall.Seq) map[string]string {
	said := map[string]string{}
	for what, seqs := range shows {
		said[what] = command.MakeRanges(seqs...).String()
	}
	return said
}

// Status reads these messages, and records for the audit log which status history shows for each.
// more is added to that record.
func (rd *Reader) Status(ctx context.Context, seqs []recall.Seq, more map[string]any) (map[recall.Seq]recall.Message,
	error) {
	found, err := rd.Seqs(ctx, command.MakeRanges(seqs...))
	if err != nil {
		return nil, err
	}
	shows := map[string][]recall.Seq{}
	for _, s := range seqs {
		m, ok := found[s]
		shows[shownAs(m, ok)] = append(shows[shownAs(m, ok)], s)
	}
	all := map[string]any{"for": rd.why, "history": InWords(shows)}
	maps.Copy(all, more)
	rd.Traces = append(rd.Traces, bot.NewTrace(bot.TraceFound, all))
	return found, nil
}

// Seqs reads these messages. A message that is missing from the result does not exist: a page
// covered every seq.
func (rd *Reader) Seqs(ctx context.Context, seqs command.Ranges) (map[recall.Seq]recall.Message, error) {
	found := make(map[recall.Seq]recall.Message, min(seqs.Count(), 100_000))
	err := rd.Each(ctx, seqs, func(m recall.Message, _ time.Time) {
		if rd.Bare {
			m = recall.Message{Seq: m.Seq, Status: m.Status}
		}
		found[m.Seq] = m
	})
	return found, err
}

// Each reads these messages as Seqs does, for a caller that keeps only a part of each. It calls
// keep for one message at a time, and more than once for a message that is on two pages. asked is
// the time at which the page was requested: a later change of the message is not in it.
func (rd *Reader) Each(ctx context.Context, seqs command.Ranges, keep func(m recall.Message, asked time.Time)) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readersAtOnce)
	pages := windows(seqs)
	ctx = rd.inTurn(ctx, len(pages))
	for _, w := range pages {
		g.Go(func() error {
			return rd.down(ctx, w.To, w.From, func(m recall.Message, asked time.Time) {
				if seqs.Contains(m.Seq) {
					mu.Lock()
					defer mu.Unlock()
					keep(m, asked)
				}
			})
		})
	}
	return g.Wait()
}

// windows cuts seqs into spans of at most one page of history, from the highest down, leaving out
// pages that hold none of them.
func windows(seqs command.Ranges) []command.Range {
	var spans []command.Range
	for _, r := range slices.Backward(seqs) {
		for hi := r.To; ; hi -= recall.MaxHistoryPage {
			if n := len(spans); n > 0 && spans[n-1].From <= hi {
				if spans[n-1].From <= r.From {
					break
				}
				hi = spans[n-1].From - 1
			}
			lo := recall.Seq(1)
			if hi > recall.MaxHistoryPage {
				lo = hi - recall.MaxHistoryPage + 1
			}
			spans = append(spans, command.Range{From: lo, To: hi})
			if lo <= r.From {
				break
			}
		}
	}
	return spans
}

// down reads history from hi down to lo, both included, until a page has covered every seq, and
// calls see for each message.
func (rd *Reader) down(ctx context.Context, hi, lo recall.Seq, see func(m recall.Message, asked time.Time)) error {
	for {
		asked := time.Now()
		page, err := rd.page(ctx, hi)
		for try := 1; try < rd.Tries && err != nil; try++ {
			if kind, _ := JudgeRead(err); kind != readLater || !Sleep(ctx, ReadRetry<<(try-1)) {
				break
			}
			asked = time.Now()
			page, err = rd.page(ctx, hi)
		}
		if err != nil {
			return err
		}
		lowest := hi + 1
		for _, m := range page.Messages {
			if m.Seq >= 1 && m.Seq <= hi && m.Seq >= lo {
				see(m, asked)
			}
			if m.Seq >= 1 {
				lowest = min(lowest, m.Seq)
			}
		}
		if lowest > hi && len(page.Messages) > 0 {
			return errOtherMessages
		}
		// Covered: a page reached lo, or the service has no older messages, or the page is empty.
		if lowest <= lo || len(page.Messages) == 0 || page.Finished == recall.FinishedWhole &&
			len(page.Messages) < recall.MaxHistoryPage {
			return nil
		}
		hi = lowest - 1
	}
}

// errOtherMessages is the error of a page that has messages, but none that was asked for.
var errOtherMessages = errors.New("history answered with other messages than those asked for")

// Sleep waits for d. It reports false if ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
