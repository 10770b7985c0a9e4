package worker

import (
	"testing"

	"recallbot/bot"
	"recallbot/recall"
)

// TestUnreadByNumber: of a message that was sealed unread, the number that the service was to give
// next tells whether it existed then. An earlier version sealed such messages, whatever that number
// was.
func TestUnreadByNumber(t *testing.T) {
	was := bot.Message{Seq: 1, Status: bot.SealUnread}
	found := map[recall.Seq]recall.Message{1: modelMessage("win big")}
	of := func(next recall.Seq) job {
		return job{request: bot.Request{Parts: []bot.Part{{Facts: bot.GroupFacts{NextSeq: next}}}}}
	}
	for next, want := range map[recall.Seq]bot.Why{0: bot.WhyNotKnown, 1: bot.WhyDidNotExist, 2: ""} {
		o := changedSince(of(next), was, found, 1, nil, noon)
		if o.Why != want || o.Settled() != (want != "") {
			t.Errorf("next was %d: %+v, want %q", next, o, want)
		}
	}
	if o := changedSince(of(0), was, nil, 1, nil, noon); o.Why != bot.WhyDidNotExist {
		t.Errorf("it is not there: %+v", o)
	}
}
