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

// Reader makes the calls of one reading of the service, and keeps what each was answered for the
// audit log.
type Reader struct {
	b     *History
	Scope command.Scope
	why   string      // what is read for
	turn  recall.Turn // when its calls are made, among those of others
	// Keep returns what a search keeps of a message that matches: not all that it says.
	Keep func(m recall.Message) bot.Message
	// Long, where it is set, is called once by a search that the newest page does not satisfy. It
	// returns when the search may go on, or an error.
	Long  func(ctx context.Context) error
	More  map[string]any // told with every call, beside what it asked
	Bare  bool           // what it keeps of messages is what became of them, not what they say
	Tries int            // how often a page is asked for that cannot be read just now; 0: once

	began  time.Time
	Ledger time.Time // the ledger's time when it began, where what is read is dated
	mu     sync.Mutex
	Traces []bot.Trace
	// Store, where it is set, stores what was told so far whenever that has become much more: a
	// long reading that is cut short leaves what it did. Where it fails, all is kept for later.
	Store func(ctx context.Context, told []bot.Trace) error
	next  int // after a failure to store: how much there must be for another try
}

// toldAtOnce is how many calls a reading keeps before they are stored.
const toldAtOnce = 100

// Reader begins a reading of the scope's group or topic, on behalf of by. why is told with every
// call.
func (h *History) Reader(s command.Scope, why string, is recall.Purpose, by bot.PersonID) *Reader {
	return &Reader{b: h, Scope: s, why: why, turn: recall.Turn{For: is, Person: string(by)}, began: time.Now()}
}

// inTurn returns the context for calls that are part of so many. Where another process may hold the
// app's lease, a search leaves most of the quota to it.
func (rd *Reader) inTurn(ctx context.Context, calls int) context.Context {
	t := rd.turn
	t.Size, t.Aside = calls, t.For == recall.ForSearch && rd.b.Ledger.Shared() && !rd.b.Leads.Load()
	return recall.InTurn(ctx, t)
}

// At returns a moment of this process by the ledger's clock: what that said when the reading began,
// and the time that has passed since.
func (rd *Reader) At(t time.Time) time.Time {
	return rd.Ledger.Add(t.Sub(rd.began)).Truncate(time.Millisecond)
}

// note keeps what a call was answered. One that never left because the reading has ended is none.
func (rd *Reader) note(ctx context.Context, op string, more map[string]any, err error) {
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
	if rd.Store == nil || len(rd.Traces) < max(rd.next, toldAtOnce) {
		return
	}
	if rd.next = 0; rd.Store(ctx, rd.Traces) != nil {
		rd.next = len(rd.Traces) + toldAtOnce
		return
	}
	rd.Traces = nil
}

// StoreTraces stores what was told and is not stored yet, even where the reading was cut short.
// store must be set.
func (rd *Reader) StoreTraces(ctx context.Context) error {
	if len(rd.Traces) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return rd.Store(ctx, rd.Traces)
}

// Group reads what the service says of the group.
func (rd *Reader) Group(ctx context.Context) (recall.GroupInfo, error) {
	info, err := rd.b.Chat.GetGroupInfo(rd.inTurn(ctx, 1), rd.Scope.Group)
	more := map[string]any{}
	if err == nil {
		more["type"], more["members"], more["next_seq"] = info.Type, info.Members, info.NextMsgSeq
	}
	rd.note(ctx, "get_group_info", more, err)
	return info, err
}

// tooOften is how often a page is asked for that the service does not give because it is asked too
// often. There is no pause: the client halves its pace.
const tooOften = 20

// page reads one page of history from a seq down, or from the newest message where that is 0.
// Recalled messages are asked for as well.
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
		rd.note(ctx, "group_msg_get_simple", more, err)
		if kind, _ := JudgeRead(err); kind != readSlower {
			break
		}
	}
	return page, err
}

// shownAs is what history shows of a message, in the words of the audit log.
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

// FindOut reads those messages and keeps, for the audit log, what history showed of each. more says
// what of.
func (rd *Reader) FindOut(ctx context.Context, seqs []recall.Seq, more map[string]any) (map[recall.Seq]recall.Message,
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

// Seqs reads those messages. One that the service certainly does not have is not in the answer:
// every seq was covered by a page.
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

// Each is seqs for who keeps less of each message than all of it. keep is called for one message at
// a time, and where pages overlap more than once for the same. asked is when its page was asked
// for: what the message became while the answer was on its way is not in it.
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

// down reads history from hi down to lo, both included, until every seq between is covered by a
// page, and hands each message to see.
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
		// Covered: a page reached lo; or the service has nothing older; or the page is empty.
		if lowest <= lo || len(page.Messages) == 0 || page.Finished == recall.FinishedWhole &&
			len(page.Messages) < recall.MaxHistoryPage {
			return nil
		}
		hi = lowest - 1
	}
}

// errOtherMessages: history answered, but not what was asked.
var errOtherMessages = errors.New("history answered with other messages than those asked for")

// Sleep waits and reports whether it was left in peace.
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
