package bot

import (
	"cmp"
	"context"
	"errors"
	"maps"
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

// reading makes the calls of one reading of the service, and keeps what each was answered for the audit log.
type reading struct {
	b     *Bot
	scope Scope
	why   string      // what is read for
	turn  recall.Turn // when its calls are made, among those of others
	// keep returns what a search keeps of a message that matches: not all that it says.
	keep  func(m recall.Message) Message
	more  map[string]any // told with every call, beside what it asked
	bare  bool           // what it keeps of messages is what became of them, not what they say
	tries int            // how often a page is asked for that cannot be read just now; 0: once

	began  time.Time
	ledger time.Time // the ledger's time when it began, where what is read is dated
	mu     sync.Mutex
	told   []told
	// store, where it is set, stores what was told so far whenever that has become much more: a long reading that is cut short leaves what it did. Where it
	// fails, all is kept for later.
	store func(ctx context.Context, told []told) error
	next  int // after a failure to store: how much there must be for another try
}

// toldAtOnce is how many calls a reading keeps before they are stored.
const toldAtOnce = 100

// reading begins a reading of the scope's group or topic, on behalf of by. why is told with every call.
func (b *Bot) reading(s Scope, why string, is recall.Purpose, by PersonID) *reading {
	return &reading{b: b, scope: s, why: why, turn: recall.Turn{For: is, Person: string(by)}, began: time.Now()}
}

// inTurn returns the context for calls that are part of so many. Where another process may hold the app's lease, a search leaves most of the quota to it.
func (rd *reading) inTurn(ctx context.Context, calls int) context.Context {
	t := rd.turn
	t.Size, t.Aside = calls, t.For == recall.ForSearch && rd.b.Shared() && !rd.b.leads.Load()
	return recall.InTurn(ctx, t)
}

// at returns a moment of this process by the ledger's clock: what that said when the reading began, and the time that has passed since.
func (rd *reading) at(t time.Time) time.Time {
	return rd.ledger.Add(t.Sub(rd.began)).Truncate(time.Millisecond)
}

// note keeps what a call was answered. One that never left because the reading has ended is none.
func (rd *reading) note(ctx context.Context, op string, more map[string]any, err error) {
	if ctx.Err() != nil && errors.Is(err, recall.ErrNotSent) {
		return
	}
	more["op"], more["for"] = op, rd.why
	maps.Copy(more, rd.more)
	if err != nil {
		more["error"] = err.Error()
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.told = append(rd.told, tell(toldCall, more))
	if rd.store == nil || len(rd.told) < max(rd.next, toldAtOnce) {
		return
	}
	if rd.next = 0; rd.store(ctx, rd.told) != nil {
		rd.next = len(rd.told) + toldAtOnce
		return
	}
	rd.told = nil
}

// storeTold stores what was told and is not stored yet, even where the reading was cut short. store must be set.
func (rd *reading) storeTold(ctx context.Context) error {
	if len(rd.told) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return rd.store(ctx, rd.told)
}

// group reads what the service says of the group.
func (rd *reading) group(ctx context.Context) (recall.GroupInfo, error) {
	info, err := rd.b.o.Chat.GetGroupInfo(rd.inTurn(ctx, 1), rd.scope.Group)
	more := map[string]any{}
	if err == nil {
		more["type"], more["members"], more["next_seq"] = info.Type, info.Members, info.NextMsgSeq
	}
	rd.note(ctx, "get_group_info", more, err)
	return info, err
}

// tooOften is how often a page is asked for that the service does not give because it is asked too often. There is no pause: the client halves its pace.
const tooOften = 20

// page reads one page of history from a seq down, or from the newest message where that is 0. Recalled messages are asked for as well.
func (rd *reading) page(ctx context.Context, from recall.Seq) (page recall.HistoryPage, err error) {
	for range tooOften {
		page, err = rd.b.o.Chat.GroupMsgGetSimple(ctx, recall.HistoryRequest{
			Group: rd.scope.Group, Topic: rd.scope.Topic, Number: recall.MaxHistoryPage, Seq: from, WithRecalled: true,
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
			more["finished"], more["history"] = page.Finished, inWords(shows)
		}
		rd.note(ctx, "group_msg_get_simple", more, err)
		if kind, _ := judgeRead(err); kind != readSlower {
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

func inWords(shows map[string][]recall.Seq) map[string]string {
	said := map[string]string{}
	for what, seqs := range shows {
		said[what] = MakeRanges(seqs...).String()
	}
	return said
}

// findOut reads those messages and keeps, for the audit log, what history showed of each. more says what of.
func (rd *reading) findOut(ctx context.Context, seqs []recall.Seq, more map[string]any) (map[recall.Seq]recall.Message, error) {
	found, err := rd.seqs(ctx, MakeRanges(seqs...))
	if err != nil {
		return nil, err
	}
	shows := map[string][]recall.Seq{}
	for _, s := range seqs {
		m, ok := found[s]
		shows[shownAs(m, ok)] = append(shows[shownAs(m, ok)], s)
	}
	all := map[string]any{"for": rd.why, "history": inWords(shows)}
	maps.Copy(all, more)
	rd.told = append(rd.told, tell(toldFound, all))
	return found, nil
}

// seqs reads those messages. One that the service certainly does not have is not in the answer: every seq was covered by a page.
func (rd *reading) seqs(ctx context.Context, seqs Ranges) (map[recall.Seq]recall.Message, error) {
	found := make(map[recall.Seq]recall.Message, min(seqs.Count(), 100_000))
	err := rd.each(ctx, seqs, func(m recall.Message, _ time.Time) {
		if rd.bare {
			m = recall.Message{Seq: m.Seq, Status: m.Status}
		}
		found[m.Seq] = m
	})
	return found, err
}

// each is seqs for who keeps less of each message than all of it. keep is called for one message at a time, and where pages overlap more than once for the same. asked is when
// its page was asked for: what the message became while the answer was on its way is not in it.
func (rd *reading) each(ctx context.Context, seqs Ranges, keep func(m recall.Message, asked time.Time)) error {
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

// down reads history from hi down to lo, both included, until every seq between is covered by a page, and hands each message to see.
func (rd *reading) down(ctx context.Context, hi, lo recall.Seq, see func(m recall.Message, asked time.Time)) error {
	for {
		asked := time.Now()
		page, err := rd.page(ctx, hi)
		for try := 1; try < rd.tries && err != nil; try++ {
			if kind, _ := judgeRead(err); kind != readLater || !sleep(ctx, readRetry<<(try-1)) {
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
		if lowest <= lo || len(page.Messages) == 0 || page.Finished == recall.FinishedWhole && len(page.Messages) < recall.MaxHistoryPage {
			return nil
		}
		hi = lowest - 1
	}
}

// searched is what a filter found.
type searched struct {
	Matches  []Message // newest first
	Read     int       // messages looked at
	Reached  time.Time // the time of the oldest message read
	Complete bool      // everything that the filter asks for was read
	// Arrived is what callbacks told of the matches, where it is they that were searched.
	Arrived map[recall.Seq]Arrival
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

// search reads history from the newest message down until the scope's filter is satisfied: before since, N found, or the beginning. It stops
// incomplete after maxSearched messages. Pages are read side by side, and what one wave found decides on the next.
func (rd *reading) search(ctx context.Context) (searched, error) {
	var out searched
	first, err := rd.page(rd.inTurn(ctx, 1), 0)
	if err != nil {
		return out, err
	}
	f := rd.scope.Filter
	looked := map[recall.Seq]lookedAt{} // of one wave: what does not match is not held
	look := func(m recall.Message, _ time.Time) {
		l := lookedAt{seq: m.Seq, sent: m.Time}
		if m.Status == recall.StatusNormal && !m.System && f.Matches(m, m.Excerpt(maxFull)) {
			l.match = new(rd.keep(m))
		}
		looked[m.Seq] = l
	}
	for _, m := range once(first.Messages) {
		look(m, time.Time{})
	}
	if len(looked) == 0 {
		out.Complete = true
		return out, nil
	}
	lowest := slices.Min(slices.Collect(maps.Keys(looked)))
	wave := recall.Seq(readersAtOnce * recall.MaxHistoryPage)
	for {
		for _, m := range slices.SortedFunc(maps.Values(looked), func(a, b lookedAt) int { return cmp.Compare(b.seq, a.seq) }) {
			if !f.Since.IsZero() && !m.sent.IsZero() && m.sent.Before(f.Since.At.Truncate(time.Second)) {
				out.Complete = true
				break
			}
			if out.Read == maxSearched {
				return out, nil
			}
			out.Read++
			if !m.sent.IsZero() {
				out.Reached = m.sent
			}
			if m.match != nil {
				out.Matches = append(out.Matches, *m.match)
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
		clear(looked)
		if err := rd.each(ctx, Ranges{{lo, hi}}, look); err != nil {
			return out, err
		}
		lowest = lo
	}
}

// lookedAt is a message that a search has read.
type lookedAt struct {
	seq   recall.Seq
	sent  time.Time
	match *Message // nil where it does not match
}

// readFault says what a failed reading means for what is being prepared or settled.
type readFault int

const (
	readLater     readFault = iota // try again
	readNever                      // this group has no history
	readRefused                    // the request cannot go on: no such group, no right
	readAppPaused                  // the app is refused
	readSlower                     // asked too often: it says nothing of whether the messages can be read
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
	case api.Code.Class() == recall.ClassSlower:
		return readSlower, api
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
