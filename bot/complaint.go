package bot

import (
	"log/slog"
	"time"
)

// complainEvery is how often the log is told of one thing that goes on failing: where the disk is full, it may be the log's too.
const complainEvery = 30 * time.Second

// complaint is about one thing that fails again and again while the ledger is away or has no room. It belongs to one loop.
type complaint struct {
	last  time.Time
	times int // since it was logged
}

// log tells of a failure at once, and then every complainEvery, with how often it failed meanwhile.
func (c *complaint) log(log *slog.Logger, what string, err error) {
	c.times++
	if time.Since(c.last) < complainEvery {
		return
	}
	log.Error(what, "err", err, "times", c.times)
	c.last, c.times = time.Now(), 0
}
