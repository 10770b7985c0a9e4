package history

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"

	"golang.org/x/sync/errgroup"
)

const (
	readersAtOnce = 16    // pages of history read side by side
	MaxExcerpt    = 200   // MaxExcerpt is how many characters of evidence EVIDENCE=excerpt keeps
	MaxFull       = 20000 // MaxFull is the same of EVIDENCE=full
)

// bounds are what one search may do at most.
type bounds struct {
	messages int // that are still there and are looked at
	pages    int // that are read
}

var most = bounds{20_000, 5_000}

// Reader makes the calls of one reading of the service, and keeps a record of each for the audit
// log. Its methods return all that was asked for or an error.
type Reader struct {
	b     *History
	Scope command.Scope
	why   string      // the purpose, for the audit log
	turn  recall.Turn // the order of its calls among those of others
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
	calls int // since the last Store
	next  int // after a failure of Store: the number of calls for another try
	run   *run

	platform bot.Platform // on which a suggested command is typed

	bounds bounds // of a search
	pages  atomic.Int32
	looked atomic.Int32
}

// tracesAtOnce is how many calls a Reader makes before it stores their records.
const tracesAtOnce = 100

// run is pages of history that have one record: reading a flood takes hundreds. A call that failed
// meanwhile has a record of its own.
type run struct {
	at    int // in Reader.Traces
	pages int
	shows map[string][]recall.Seq
}

// Reader returns a Reader of the scope's group or topic, on behalf of by. why is recorded with
// every call.
func (h *History) Reader(s command.Scope, why string, is recall.Purpose, by bot.PersonID) *Reader {
	return &Reader{b: h, Scope: s, why: why, turn: recall.Turn{For: is, Person: string(by)}, began: time.Now(),
		bounds: most}
}

// On sets the platform on which commands are typed that the Reader suggests.
func (rd *Reader) On(p bot.Platform) *Reader {
	rd.platform = p
	return rd
}

// inTurn returns the context for a reading of so many calls. If another process may hold the app's
// lease, a search leaves most of the quota to it.
func (rd *Reader) inTurn(ctx context.Context, calls int) context.Context {
	t := rd.turn
	t.Size, t.Aside = calls, t.For == recall.ForSearch && rd.b.Ledger.Shared() && !rd.b.Leads.Load()
	return recall.InTurn(ctx, t)
}

// Looked returns how many messages were on the pages that were read.
func (rd *Reader) Looked() int { return int(rd.looked.Load()) }

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
	rd.called(ctx)
}

// recordPage keeps a record of a page that was read: together with that of the pages before.
func (rd *Reader) recordPage(ctx context.Context, from recall.Seq, page recall.HistoryPage) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if rd.run == nil || rd.run.pages == tracesAtOnce {
		rd.run = &run{at: len(rd.Traces), shows: map[string][]recall.Seq{}}
		rd.Traces = append(rd.Traces, bot.Trace{})
	}
	rd.run.pages++
	for _, m := range page.Messages {
		rd.run.shows[shownAs(m, true)] = append(rd.run.shows[shownAs(m, true)], m.Seq)
	}
	more := map[string]any{"op": "group_msg_get_simple", "for": rd.why, "number": recall.MaxHistoryPage,
		"finished": page.Finished, "history": InWords(rd.run.shows)}
	maps.Copy(more, rd.More)
	switch {
	case rd.run.pages > 1:
		more["pages"] = rd.run.pages
	case from != 0:
		more["from"] = from
	}
	rd.Traces[rd.run.at] = bot.NewTrace(bot.TraceCall, more)
	rd.called(ctx)
}

// called stores the records after enough calls. rd.mu is held.
func (rd *Reader) called(ctx context.Context) {
	rd.calls++
	if rd.Store == nil || rd.calls < max(rd.next, tracesAtOnce) {
		return
	}
	if rd.next = 0; rd.Store(ctx, rd.Traces) != nil {
		rd.next = rd.calls + tracesAtOnce
		return
	}
	rd.Traces, rd.run, rd.calls = nil, nil, 0
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
// calls. The client halves its pace, so there is no pause between; after half of the tries there is
// one of tooOftenPause, in case the service allows far fewer calls than the bot's share.
const (
	tooOften      = 20
	tooOftenPause = 250 * time.Millisecond
)

// page reads one page of history from a seq down, or from the newest message if from is 0. The page
// includes recalled messages.
func (rd *Reader) page(ctx context.Context, from recall.Seq) (page recall.HistoryPage, err error) {
	for try := range tooOften {
		rd.pages.Add(1)
		page, err = rd.b.Chat.GroupMsgGetSimple(ctx, recall.HistoryRequest{
			Group: rd.Scope.Group, Topic: rd.Scope.Topic, Number: recall.MaxHistoryPage, Seq: from, WithRecalled: true,
		})
		if err == nil {
			rd.looked.Add(int32(len(page.Messages)))
			rd.recordPage(ctx, from, page)
			break
		}
		more := map[string]any{"number": recall.MaxHistoryPage}
		if from != 0 {
			more["from"] = from
		}
		rd.record(ctx, "group_msg_get_simple", more, err)
		if kind, _ := JudgeRead(err); kind != readSlower || try >= tooOften/2 && !Sleep(ctx, tooOftenPause) {
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
	rd.Traces, rd.run = append(rd.Traces, bot.NewTrace(bot.TraceFound, all)), nil
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
			_, err := rd.down(ctx, w.To, w.From, func(m recall.Message, asked time.Time) {
				if seqs.Contains(m.Seq) {
					mu.Lock()
					defer mu.Unlock()
					keep(m, asked)
				}
			})
			return err
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

// patient reads a page as page does, and tries again where a page cannot be read now. asked is when
// the page was requested.
func (rd *Reader) patient(ctx context.Context, from recall.Seq) (page recall.HistoryPage, asked time.Time, err error) {
	for try := 0; ; try++ {
		asked = time.Now()
		if page, err = rd.page(ctx, from); err == nil || try+1 >= rd.Tries {
			return page, asked, err
		}
		if kind, _ := JudgeRead(err); kind != readLater || !Sleep(ctx, ReadRetry<<try) {
			return page, asked, err
		}
	}
}

// down reads history from hi down to lo, both included, until a page has covered every seq, and
// calls see for each message. below is the highest message under lo that a page showed, and 0 if
// none did: there is nothing between lo and it.
func (rd *Reader) down(ctx context.Context, hi, lo recall.Seq, see func(m recall.Message, asked time.Time)) (
	below recall.Seq, err error) {
	for {
		page, asked, err := rd.patient(ctx, hi)
		if err != nil {
			return 0, err
		}
		lowest := hi + 1
		for _, m := range page.Messages {
			switch {
			case m.Seq > hi || m.Seq < 1:
				continue
			case m.Seq >= lo:
				see(m, asked)
			default:
				below = max(below, m.Seq)
			}
			lowest = min(lowest, m.Seq)
		}
		if lowest > hi && len(page.Messages) > 0 {
			return 0, errOtherMessages
		}
		// Covered: a page reached lo, or the service has no older messages, or the page is empty.
		if lowest <= lo || len(page.Messages) == 0 || page.Finished == recall.FinishedWhole &&
			len(page.Messages) < recall.MaxHistoryPage {
			return below, nil
		}
		hi = lowest - 1
	}
}

// once returns the messages newest first, without repetitions and without those that have no seq.
// Of several with one seq it keeps the first.
func once(messages []recall.Message) []recall.Message {
	seen := map[recall.Seq]bool{0: true}
	var kept []recall.Message
	for _, m := range messages {
		if !seen[m.Seq] {
			seen[m.Seq] = true
			kept = append(kept, m)
		}
	}
	slices.SortFunc(kept, func(a, b recall.Message) int { return cmp.Compare(b.Seq, a.Seq) })
	return kept
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
