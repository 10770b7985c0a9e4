package worker

import (
	"context"
	"log/slog"
	"recallbot/bot"
	"recallbot/bot/history"
	"time"
)

// complainEvery is how often one repeated failure is logged: if the disk is full, it may be the
// log's too.
const complainEvery = 30 * time.Second

// complaint limits the log lines about one failure that repeats while the ledger is unavailable. It
// belongs to one loop.
type complaint struct {
	last  time.Time
	times int // since it was logged
}

// log logs a failure at once, and then every complainEvery, with the number of failures since the
// last line.
func (c *complaint) log(log *slog.Logger, what string, err error) {
	c.times++
	if time.Since(c.last) < complainEvery {
		return
	}
	log.Error(what, "err", err, "times", c.times)
	c.last, c.times = time.Now(), 0
}

// later is what is to be done after a transaction is committed. The function of a transaction may
// run more than once, and must begin with an empty later.
type later []func()

func (l *later) add(f func()) { *l = append(*l, f) }

func (l later) run() {
	for _, f := range l {
		f()
	}
}

// waitFor returns at a wake, after d, or when ctx ends.
func waitFor(ctx context.Context, wakes <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wakes:
	case <-t.C:
	case <-ctx.Done():
	}
}

// Worker runs the loops. Run works on what is stored, so it continues wherever an earlier process
// ended. One Worker may run for each process on a ledger; a lease makes sure that only one at a
// time prepares and runs.
type Worker struct {
	*history.History
	surfaces []bot.Surface
	filters  chan struct{} // has one for each filter that is being read beyond its first page

	unheld, unseen, unclaimed, unstored complaint // of the runner's loop
}

// filtersAtOnce is how many filters are read beyond their first page: what matches is held until it
// is stored.
const filtersAtOnce = 2

// New returns a Worker. It reads nothing and starts nothing.
func New(h *history.History) *Worker {
	return &Worker{History: h, filters: make(chan struct{}, filtersAtOnce)}
}

// Attach gives the worker a platform to show requests on. It must be called before Run.
func (w *Worker) Attach(s bot.Surface) { w.surfaces = append(w.surfaces, s) }
