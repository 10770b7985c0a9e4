package worker_test

import (
	"sync/atomic"
	"testing"

	"recallbot/bot/ledgertest"
)

// transitions counts those that all tests of this package have committed.
var transitions atomic.Int64

// newTrace holds a test to the transitions that the model allows.
func newTrace(t testing.TB) *ledgertest.Trace {
	return &ledgertest.Trace{Committed: func(n int, wrong []string) {
		transitions.Add(int64(n))
		for _, w := range wrong {
			t.Errorf("a transition that the model does not allow: %s", w)
		}
	}}
}
