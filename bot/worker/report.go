package worker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// reportEvery is how often the requester may be told how far the reading for their request is.
// Platforms may let it be told less often.
const reportEvery = 3 * time.Second

// report tells a requester alone how far the reading for their request is: there is no card yet
// that could show it. It tells only those whose command this process has answered.
type report struct {
	request bot.Request
	on      bot.Surface // nil: there is nobody to tell
	reader  atomic.Pointer[history.Reader]
	groups  atomic.Pointer[[3]int]   // of a sweep: how many are read, of how many, and what matches
	waiting atomic.Pointer[bot.Line] // why the messages cannot be read now; nil while they can

	told   bool
	cancel context.CancelFunc
	done   chan struct{}
}

// report begins to tell how far the reading for a request is.
func (w *Worker) report(ctx context.Context, r bot.Request) *report {
	p := &report{request: r, done: make(chan struct{})}
	ctx, p.cancel = context.WithCancel(ctx)
	i := slices.IndexFunc(w.surfaces, func(s bot.Surface) bool { return s.Platform() == r.Place.Platform })
	if i < 0 {
		close(p.done)
		return p
	}
	p.on = w.surfaces[i]
	go func() {
		defer close(p.done)
		for said := ""; history.Sleep(ctx, reportEvery); {
			if l := p.line(); l != nil && l.String() != said {
				said = l.String()
				p.on.Progress(ctx, r.ID, l, bot.ReadingOn)
				p.told = true
			}
		}
	}()
	return p
}

// line says how far the reading is; nil where there is nothing to say yet.
func (p *report) line() bot.Line {
	r := p.request
	if why := p.waiting.Load(); why != nil {
		return bot.Say("answer.asked.waiting", "id", r.ID, "why", *why, "till",
			bot.Clock(r.Asked.Add(r.Policy.StartWithin), r.Asked))
	}
	rd := p.reader.Load()
	if n := p.groups.Load(); n != nil {
		return bot.Say("answer.asked.progress.groups", "id", r.ID, "done", n[0], "of", n[1], "n", rd.Looked(),
			"matches", n[2])
	}
	if rd == nil || rd.Looked() < 50 {
		return nil
	}
	// Several pages are read at a time: the exact number says nothing.
	return bot.Say("answer.asked.progress", "id", r.ID, "n", (rd.Looked()+50)/100*100)
}

// swept notes how far the reading of a sweep is.
func (p *report) swept(done, of, matches int) { p.groups.Store(&[3]int{done, of, matches}) }

// end ends the report. If the request is sealed, the last line says so, where there was a line.
func (p *report) end(ctx context.Context, sealed bool) {
	p.cancel()
	<-p.done
	if sealed && p.told {
		p.on.Progress(ctx, p.request.ID, bot.Say("answer.asked.read", "id", p.request.ID), bot.ReadingDone)
	}
}
