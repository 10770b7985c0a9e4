package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

const (
	aheadMost = 32 // pages that are read side by side
	jumpedRun = 40 // messages of a run that is jumped over, at least
	// recentMost is of how many messages the times decide where an incomplete search is divided: a
	// search of the first part reads a page more than it needs.
	recentMost = 4 * recall.MaxHistoryPage
	// quietMost is on how many pages in a row everything may be gone before it is looked whether
	// anything is left. One call deletes messages among the newest 1,000. Source:
	// https://cloud.tencent.com/document/product/269/2359
	quietMost = 1000 / recall.MaxHistoryPage
)

// Searched is the result of a search.
type Searched struct {
	Found []Found // the messages that match, newest first
	// Read is how many messages were looked at that are still there and were sent within the
	// filter's times.
	Read       int
	Pages      int       // pages that were read
	Newest     time.Time // when the newest message of all was sent; zero if that is not known
	Reached    time.Time // when the last message was sent that was read, gone or not; zero if not known
	ReachedSeq recall.Seq
	Complete   bool // the search covered all that the filter selects
	// Partly counts messages that do not match and of which only a part could be searched for the
	// phrase.
	Partly int
	// Arrived has the matches by seq if the index was searched, and is nil if history was.
	Arrived map[recall.Seq]bot.Arrival
	Begins  time.Time // when the index began, if it was searched

	latest time.Time   // of what was read within the filter's times
	recent []time.Time // of the last recentMost messages of it
}

// Found is a message that matches.
type Found struct {
	Seq  recall.Seq
	Sent time.Time
	Of   recall.PartOf // in what of it the phrase was found
}

// Cut returns the time that divides what an incomplete search has read from the rest: what was sent
// then or later has been read. It is zero if no time does. A message whose time is far from those
// around it does not move it.
func (s Searched) Cut() time.Time {
	if s.Exhausted() { // nothing reads the rest
		return s.Begins.Add(time.Second - 1).Truncate(time.Second)
	}
	if len(s.recent) == 0 {
		return time.Time{}
	}
	recent := slices.SortedFunc(slices.Values(s.recent), time.Time.Compare)
	reached := recent[len(recent)/2]
	// What would be read next may be later than what was read, by slack. If all was sent within
	// that time, whole seconds must do.
	for _, cut := range []time.Time{reached.Add(slack + time.Second), reached.Add(time.Second), s.latest} {
		if cut.After(recent[0]) && !cut.After(s.latest) {
			return cut
		}
	}
	return time.Time{}
}

// Parts divides the filter of an incomplete search: the first part selects what was read, the
// second the rest. No message is selected by both, and each that f selects by one of them. It
// returns false if no time divides the two. The times of f are absolute.
func (s Searched) Parts(f command.Filter) (read, rest command.Filter, ok bool) {
	cut := s.Cut()
	if cut.IsZero() {
		return f, f, false
	}
	read, rest = f, f
	read.Since = command.When{At: cut}
	rest.Until = command.When{At: cut.Add(-time.Second)}
	if f.Last > 0 {
		rest.Last -= s.FoundSince(cut)
	}
	return read, rest, true
}

// Exhausted reports whether an incomplete search of the index stopped because the index does not
// reach back further.
func (s Searched) Exhausted() bool { return s.Arrived != nil && s.Read < most.messages }

// Quiet reports whether nothing was sent since the filter's since, as far as the newest message
// tells.
func (s Searched) Quiet(f command.Filter) bool {
	return !f.Since.IsZero() && !s.Newest.IsZero() && s.Newest.Before(f.Since.At.Truncate(time.Second))
}

// FoundSince returns how many of the matches were sent at t or later.
func (s Searched) FoundSince(t time.Time) int {
	n := 0
	for _, m := range s.Found {
		if !m.Sent.Before(t) {
			n++
		}
	}
	return n
}

// Search reads history for messages that the scope's filter selects, and calls found with each,
// newest first; an error of found ends it. It begins at the filter's until, wherever that lies, and
// reads down until it passes the filter's since, has found as many as the filter asks for, or
// reaches the beginning of what the service stores. Runs of messages that the ledger knows as
// recalled are not read. After 20,000 messages or 5,000 pages it stops and is incomplete.
//
// The times of messages may run backwards by slack, or within a page.
func (rd *Reader) Search(ctx context.Context, found func(m recall.Message, of recall.PartOf) error) (Searched, error) {
	s := search{rd: rd, f: rd.Scope.Filter, found: found, look: quietMost}
	s.since, s.until = s.f.Since.At.Truncate(time.Second), s.f.Until.At
	err := error(nil)
	if s.f.Same != 0 {
		s.same, err = rd.sameAs(ctx, s.f.Same)
	}
	if err == nil {
		err = s.run(ctx)
	}
	s.out.Pages = int(rd.pages.Load())
	return s.out, err
}

// search is the state of a search.
type search struct {
	rd           *Reader
	f            command.Filter
	since, until time.Time                   // zero if there is no bound
	same         func(m recall.Message) bool // nil if the filter has no Same
	found        func(m recall.Message, of recall.PartOf) error
	out          Searched

	passed int // messages in a row that were sent before since, slack included
	quiet  int // pages in a row on which everything is gone
	look   int // so many quiet pages are the next reason to look whether anything is left
}

func (s *search) run(ctx context.Context) error {
	page, _, err := s.rd.patient(s.rd.inTurn(ctx, 1), 0)
	if err != nil {
		return err
	}
	newest := once(page.Messages)
	if len(newest) == 0 {
		s.out.Complete = true
		return nil
	}
	for _, m := range newest {
		if m.Time.After(s.out.Newest) {
			s.out.Newest = m.Time
		}
	}
	lowest := newest[len(newest)-1].Seq
	if over, err := s.take(newest); over || err != nil {
		return err
	}
	if s.out.Complete = lowest <= 1; s.out.Complete {
		return nil
	}
	if s.rd.Long != nil {
		if err := s.rd.Long(ctx); err != nil {
			return err
		}
	}
	known, err := s.rd.known(ctx, lowest-1)
	if err != nil {
		return err
	}
	begin := lowest - 1
	if s.f.Until.IsZero() || momentOf(newest, s.until) != late {
		return s.down(ctx, begin, known)
	}
	if begin, err = s.rd.place(ctx, s.until, begin, known); err != nil {
		return err
	}
	return s.down(ctx, begin, known)
}

// known returns the runs of messages up to hi that the ledger knows as recalled.
func (rd *Reader) known(ctx context.Context, hi recall.Seq) (known command.Ranges, err error) {
	err = rd.b.Ledger.View(ctx, func(tx bot.Tx) error {
		known, err = tx.RecalledRuns(rd.b.App, rd.Scope.Group, rd.Scope.Topic, hi, jumpedRun)
		return err
	})
	return known, err
}

// window is a page of history that is being read.
type window struct {
	command.Range
	done     chan struct{}
	messages []recall.Message
	below    recall.Seq
	err      error
}

// down reads from hi down, several pages at a time, and looks at them in order. How many it reads
// ahead of the one that it looks at grows, so that a long search does not wait for its slowest page
// and a short one reads few pages that it does not need.
func (s *search) down(ctx context.Context, hi recall.Seq, known command.Ranges) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	left := without(command.Range{From: 1, To: hi}, known)
	var queue []*window
	budget := s.rd.bounds.pages - int(s.rd.pages.Load())
	for taken := 0; ; taken++ {
		ahead := min(readersAtOnce+taken, aheadMost)
		if s.passed > 0 { // the end is near
			ahead = 1
		}
		if int(s.rd.pages.Load()) >= s.rd.bounds.pages {
			budget = 0
		}
		for ; len(queue) < ahead && len(left) > 0 && budget > 0; budget-- {
			var w window
			w.done = make(chan struct{})
			w.Range, left = nextWindow(left)
			turn := s.rd.inTurn(ctx, taken+ahead)
			reading.Go(func() {
				defer close(w.done)
				w.below, w.err = s.rd.down(turn, w.To, w.From, func(m recall.Message, _ time.Time) {
					w.messages = append(w.messages, m)
				})
			})
			queue = append(queue, &w)
		}
		if len(queue) == 0 {
			s.out.Complete = len(left) == 0
			return nil
		}
		w := queue[0]
		queue = queue[1:]
		<-w.done
		over, err := false, w.err
		switch {
		case err == nil:
			over, err = s.take(once(w.messages))
		case errors.Is(ctx.Err(), context.DeadlineExceeded) && taken > 0:
			return nil // what was found in time is told
		}
		if err == nil && !over {
			over, err = s.ended(ctx, w)
		}
		if err != nil {
			return err
		}
		if over { // a call that was sent is not given up, so that its answer is recorded
			reading.Wait()
			return nil
		}
		if w.below > 0 { // nothing is between
			left = left.Intersect(command.Ranges{{From: 1, To: w.below}})
		}
	}
}

// nextWindow takes the highest page from the seqs that are to be read.
func nextWindow(left command.Ranges) (w command.Range, rest command.Ranges) {
	n := len(left) - 1
	w = left[n]
	if w.To-w.From < recall.MaxHistoryPage {
		return w, left[:n]
	}
	w.From = w.To - recall.MaxHistoryPage + 1
	left[n].To = w.From - 1
	return w, left
}

// without returns the seqs of r that are in none of the runs.
func without(r command.Range, runs command.Ranges) command.Ranges {
	var left command.Ranges
	from := r.From
	for _, run := range runs {
		if run.From > r.To {
			break
		}
		if run.From > from {
			left = append(left, command.Range{From: from, To: run.From - 1})
		}
		if run.To >= r.To {
			return left
		}
		from = run.To + 1
	}
	return append(left, command.Range{From: from, To: r.To})
}

// take looks at messages, newest first. It reports whether the search is over.
func (s *search) take(messages []recall.Message) (over bool, err error) {
	for _, m := range messages {
		before := !m.Time.IsZero() && !s.f.Since.IsZero() && m.Time.Before(s.since)
		after := !m.Time.IsZero() && !s.f.Until.IsZero() && m.Time.After(s.until)
		switch {
		case before && m.Time.Before(s.since.Add(-slack)):
			if s.passed++; s.passed == recall.MaxHistoryPage {
				s.out.Complete = true
				return true, nil
			}
		case !before && !m.Time.IsZero():
			s.passed = 0
		}
		if before || after {
			continue
		}
		there := m.Status == recall.StatusNormal
		if there && s.out.Read == s.rd.bounds.messages {
			return true, nil
		}
		s.out.ReachedSeq = m.Seq
		if !m.Time.IsZero() {
			s.out.dated(m.Time)
		}
		if !there {
			continue
		}
		s.out.Read++
		if m.System {
			continue
		}
		of, ok := s.out.matches(s.f, m, m.Searchable, func() bool { return s.same(m) })
		if !ok {
			continue
		}
		if err := s.found(m, of); err != nil {
			return true, err
		}
		s.out.Found = append(s.out.Found, Found{m.Seq, m.Time, of})
		if s.f.Last > 0 && len(s.out.Found) == s.f.Last {
			s.out.Complete = true
			return true, nil
		}
	}
	return false, nil
}

// matches reports whether the filter asks for m, and counts m if that cannot be told for certain.
// searchable returns what the phrase is looked for in, and whether that is all; same is that of
// Filter.Matches.
func (s *Searched) matches(f command.Filter, m recall.Message, searchable func() ([]recall.Part, bool),
	same func() bool) (of recall.PartOf, ok bool) {
	whole := true
	of, ok = f.Matches(m, func() (texts []recall.Part) {
		texts, whole = searchable()
		return texts
	}, same)
	if !ok && !whole {
		s.Partly++
	}
	return of, ok
}

// dated notes the time of a message that was read.
func (s *Searched) dated(t time.Time) {
	s.Reached = t
	if t.After(s.latest) {
		s.latest = t
	}
	s.recent = append(s.recent[max(0, len(s.recent)+1-recentMost):], t)
}

// ended reports whether the search is over because nothing is left below w. It looks further down
// after quietMost pages on which everything is gone, and after twice as many each time.
func (s *search) ended(ctx context.Context, w *window) (over bool, err error) {
	for _, m := range w.messages {
		if m.Status != recall.StatusDeletedOrExpired {
			s.quiet, s.look = 0, quietMost
			return false, nil
		}
	}
	if s.quiet++; s.quiet < s.look {
		return false, nil
	}
	s.look = 2 * s.quiet
	s.out.Complete, err = s.rd.deserted(ctx, w.From)
	return s.out.Complete, err
}
