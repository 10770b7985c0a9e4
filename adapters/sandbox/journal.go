package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// journal keeps what the bot logs, and knows what must not be in it.
type journal struct {
	to *slog.Logger

	mu        sync.Mutex
	text      bytes.Buffer
	forbidden []string
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String is all that was logged.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) handler() slog.Handler {
	own := slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug})
	if j.to == nil {
		return own
	}
	return both{own, j.to.Handler()}
}

// mustNotHold records a text that people wrote.
func (j *journal) mustNotHold(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(text) >= 8 && !slices.Contains(j.forbidden, text) {
		j.forbidden = append(j.forbidden, text)
	}
}

// holds returns what the log holds of the secrets and of what people wrote, and must not.
func (j *journal) holds(secrets []string) []string {
	text := j.String()
	var found []string
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			found = append(found, "a secret beginning with "+s[:min(4, len(s))])
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.forbidden {
		if strings.Contains(text, s) || strings.Contains(text, strings.Trim(fmt.Sprintf("%q", s), `"`)) {
			found = append(found, fmt.Sprintf("the text %.40q", s))
		}
	}
	return found
}

// both hands records to two handlers.
type both [2]slog.Handler

func (b both) Enabled(ctx context.Context, l slog.Level) bool {
	return b[0].Enabled(ctx, l) || b[1].Enabled(ctx, l)
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	for _, h := range b {
		if h.Enabled(ctx, r.Level) {
			if err := h.Handle(ctx, r.Clone()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b both) WithAttrs(a []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(a), b[1].WithAttrs(a)}
}

func (b both) WithGroup(n string) slog.Handler { return both{b[0].WithGroup(n), b[1].WithGroup(n)} }

func toSeqs(l []recalltest.Seq) []recall.Seq {
	var out []recall.Seq
	for _, s := range l {
		out = append(out, recall.Seq(s))
	}
	return out
}
