package bot

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"recallbot/recall"

	"golang.org/x/sync/errgroup"
)

const (
	readersAtOnce = 16    // pages of history read side by side
	maxSearched   = 2000  // messages that a filter reads at most
	maxExcerpt    = 200   // characters of evidence with EVIDENCE=excerpt
	maxFull       = 20000 // with EVIDENCE=full
)

// readSeqs reads those messages. One that the service certainly does not have is not in the answer: every seq was covered by a page. Recalled
// messages are asked for as well.
func (b *Bot) readSeqs(ctx context.Context, s Scope, seqs Ranges) (map[recall.Seq]recall.Message, error) {
	return readEach(ctx, b, s, seqs, func(m recall.Message) recall.Message { return m })
}

// readEach is readSeqs for who keeps less of each message than all of it. keep is called for one message at a time.
func readEach[T any](ctx context.Context, b *Bot, s Scope, seqs Ranges, keep func(recall.Message) T) (map[recall.Seq]T, error) {
	found := make(map[recall.Seq]T, min(seqs.Count(), 100_000))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readersAtOnce)
	for _, w := range windows(seqs) {
		g.Go(func() error {
			return b.readDown(ctx, s, w.To, w.From, func(m recall.Message) {
				if seqs.Contains(m.Seq) {
					mu.Lock()
					defer mu.Unlock()
					found[m.Seq] = keep(m)
				}
			})
		})
	}
	return found, g.Wait()
}

// windows cuts seqs into spans of at most one page of history, from the highest down, leaving out pages that hold none of them.
func windows(seqs Ranges) []Range {
	var spans []Range
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
			spans = append(spans, Range{lo, hi})
			if lo <= r.From {
				break
			}
		}
	}
	return spans
}

// readDown reads history from hi down to lo, both included, until every seq between is covered by a page, and hands each message to see.
func (b *Bot) readDown(ctx context.Context, s Scope, hi, lo recall.Seq, see func(recall.Message)) error {
	for {
		page, err := b.o.Chat.GroupMsgGetSimple(ctx, recall.HistoryRequest{
			Group: s.Group, Topic: s.Topic, Number: recall.MaxHistoryPage, Seq: hi, WithRecalled: true,
		})
		if err != nil {
			return err
		}
		lowest := hi + 1
		for _, m := range page.Messages {
			if m.Seq >= 1 && m.Seq <= hi && m.Seq >= lo {
				see(m)
			}
			if m.Seq >= 1 {
				lowest = min(lowest, m.Seq)
			}
		}
		if lowest > hi && len(page.Messages) > 0 {
			return errOtherMessages
		}
		// Covered: a page reached lo; or the service has nothing older; or the page is empty.
		if lowest <= lo || len(page.Messages) == 0 || page.Finished == recall.FinishedWhole && len(page.Messages) < recall.MaxHistoryPage {
			return nil
		}
		hi = lowest - 1
	}
}

// searched is what a filter found.
type searched struct {
	Matches  []recall.Message // newest first
	Read     int
	Reached  time.Time // the time of the oldest message read
	Complete bool      // everything that the filter asks for was read
	// Arrived is what callbacks told of the matches, where it is they that were searched.
	Arrived map[recall.Seq]Arrival
	Top     recall.Seq
}

// errOtherMessages: history answered, but not what was asked.
var errOtherMessages = errors.New("history answered with other messages than those asked for")

// once returns messages with each seq once, as told first, and none without one.
func once(messages []recall.Message) []recall.Message {
	seen := map[recall.Seq]bool{0: true}
	var kept []recall.Message
	for _, m := range messages {
		if !seen[m.Seq] {
			seen[m.Seq] = true
			kept = append(kept, m)
		}
	}
	return kept
}

// search reads history from the newest message down until the filter is satisfied: before since, N found, or the beginning. It stops
// incomplete after maxSearched messages. Pages are read side by side, and what one wave found decides on the next.
func (b *Bot) search(ctx context.Context, s Scope) (searched, error) {
	var out searched
	first, err := b.o.Chat.GroupMsgGetSimple(ctx, recall.HistoryRequest{Group: s.Group, Topic: s.Topic, Number: recall.MaxHistoryPage, WithRecalled: true})
	if err != nil {
		return out, err
	}
	messages := once(first.Messages)
	if len(messages) == 0 {
		out.Complete = true
		return out, nil
	}
	lowest := messages[0].Seq
	for _, m := range messages {
		lowest, out.Top = min(lowest, m.Seq), max(out.Top, m.Seq)
	}
	f := s.Filter
	wave := recall.Seq(readersAtOnce * recall.MaxHistoryPage)
	for {
		slices.SortFunc(messages, func(a, b recall.Message) int { return int(int64(b.Seq) - int64(a.Seq)) })
		for _, m := range messages {
			if !f.Since.IsZero() && !m.Time.IsZero() && m.Time.Before(f.Since.At.Truncate(time.Second)) {
				out.Complete = true
				break
			}
			if out.Read == maxSearched {
				return out, nil
			}
			out.Read++
			if !m.Time.IsZero() {
				out.Reached = m.Time
			}
			if m.Status == recall.StatusNormal && !m.System && f.Matches(m, m.Excerpt(maxFull)) {
				out.Matches = append(out.Matches, m)
				if f.Last > 0 && len(out.Matches) == f.Last {
					out.Complete = true
					return out, nil
				}
			}
		}
		if out.Complete || lowest <= 1 {
			out.Complete = true
			return out, nil
		}
		if out.Read >= maxSearched {
			return out, nil
		}
		// The next wave, below what is known: a page for each reader at first, then twice as many each time, so that a long search seldom waits for the slowest
		// page and a short one reads little in vain.
		hi := lowest - 1
		lo := recall.Seq(1)
		if wave = min(wave, recall.Seq(maxSearched-out.Read)); hi > wave {
			lo = hi - wave + 1
		}
		wave *= 2
		found, err := b.readSeqs(ctx, s, Ranges{{lo, hi}})
		if err != nil {
			return out, err
		}
		messages = messages[:0]
		for _, m := range found {
			messages = append(messages, m)
		}
		lowest = lo
	}
}

// readFault says what a failed reading means for what is being prepared or settled.
type readFault int

const (
	readLater     readFault = iota // try again
	readNever                      // this group has no history
	readRefused                    // the request cannot go on: no such group, no right
	readAppPaused                  // the app is refused
)

// judgeRead tells what a failed reading means. api is the service's own error where it gave one.
func judgeRead(err error) (kind readFault, api *recall.Error) {
	api, ok := errors.AsType[*recall.Error](err)
	if !ok {
		return readLater, nil
	}
	switch {
	case api.Code == recall.CodeGroupTypeNoHistory:
		return readNever, api
	case api.Code == 10007 || api.Code == 10010 || api.Code == 10015:
		return readRefused, api
	case pauses(api.Code):
		return readAppPaused, api
	case api.Code.Class() == recall.ClassNever:
		return readRefused, api
	}
	return readLater, api
}

// pauses reports whether a code in the envelope says that the app cannot be served until somebody mends it: no retry helps.
func pauses(c recall.Code) bool {
	if c.Level() != recall.LevelApp {
		return false
	}
	switch c.Class() {
	case recall.ClassNever, recall.ClassWait, recall.ClassSignAgain:
		return true
	}
	return false
}
