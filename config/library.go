package config

import (
	"context"
	"log"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// WithholdLibraries makes what libraries print, by the standard log or by slog's default, a line of
// to that tells who printed how often, and not what: it may be a piece of an answer, with what
// people wrote in it.
func WithholdLibraries(to *slog.Logger) {
	log.SetFlags(log.Lshortfile) // only so does slog learn who prints
	slog.SetDefault(slog.New(NewWithheld(to)))
}

// NewWithheld returns a handler that does with every record what [WithholdLibraries] does with the
// default log's.
func NewWithheld(to *slog.Logger) slog.Handler {
	return &withheld{to: to, heard: map[string]*heard{}}
}

// withheld passes on of a record where in the code it was made, at most once a minute for a place.
type withheld struct {
	to *slog.Logger

	mu    sync.Mutex
	heard map[string]*heard // bounded by the places in the code that print
}

type heard struct {
	lines int // not told yet
	told  time.Time
}

const toldEvery = time.Minute

func (w *withheld) Enabled(ctx context.Context, l slog.Level) bool { return w.to.Enabled(ctx, l) }

func (w *withheld) Handle(ctx context.Context, r slog.Record) error {
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	by := frame.Function
	if by == "" {
		by = "unknown"
	}
	w.mu.Lock()
	h := w.heard[by]
	if h == nil {
		h = &heard{}
		w.heard[by] = h
	}
	h.lines++
	lines := h.lines
	tell := time.Since(h.told) >= toldEvery
	if tell {
		h.lines, h.told = 0, time.Now()
	}
	w.mu.Unlock()
	if tell {
		w.to.Log(ctx, r.Level, "a library printed something, whose words are withheld", "by", by, "lines", lines)
	}
	return nil
}

func (w *withheld) WithAttrs([]slog.Attr) slog.Handler { return w }

func (w *withheld) WithGroup(string) slog.Handler { return w }
