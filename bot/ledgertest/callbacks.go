package ledgertest

import (
	"math"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

const (
	callbackApp   = recall.SDKAppID(1400000000)
	callbackGroup = recall.GroupID("@TGS#aLIVE")
)

func arrival(seq recall.Seq) bot.Arrival {
	return bot.Arrival{Group: callbackGroup, Seq: seq, Sender: "a\x00\u202e", Sent: day, HMAC: []byte{0, 255},
		Said: []byte{255, 0}, Excerpt: "win\x00 big \u2028"}
}

// arrivalsOf reads the seqs of all arrivals of a conversation.
func arrivalsOf(t *testing.T, l bot.Ledger, group recall.GroupID, topic recall.TopicID) []recall.Seq {
	t.Helper()
	var seqs []recall.Seq
	for _, a := range look(t, l, func(tx bot.Tx) ([]bot.Arrival, error) {
		return tx.Arrivals(callbackApp, group, topic, 0, math.MaxUint32, 1000)
	}) {
		seqs = append(seqs, a.Seq)
	}
	return seqs
}

var callbacks = []promise{
	{"an arrival comes back as it was told, with when it came", func(t *testing.T, l bot.Ledger) {
		var now time.Time
		do(t, l, func(tx bot.Tx) error {
			now = tx.Now()
			n, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(5), arrival(math.MaxUint32)})
			same(t, n, 2)
			return err
		})
		first, last := arrival(5), arrival(math.MaxUint32)
		first.Came, last.Came = now, now
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Arrival, error) {
			return tx.Arrivals(callbackApp, callbackGroup, "", 1, math.MaxUint32, 10)
		}), []bot.Arrival{last, first})
		same(t, look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.FirstArrival(callbackApp) }), now)
	}},
	{"what is kept of a message stays as it is, and is disputed once it is told differently",
		func(t *testing.T, l bot.Ledger) {
			again := arrival(5)
			again.HMAC = []byte("of another process")
			do(t, l, func(tx bot.Tx) error {
				_, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(5), again, arrival(7), arrival(8)})
				return err
			})
			kept5 := func() bot.Arrival {
				return look(t, l, func(tx bot.Tx) ([]bot.Arrival,
					error) {
					return tx.Arrivals(callbackApp, callbackGroup, "", 5, 5, 10)
				})[0]
			}
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.AddArrivals(callbackApp, []bot.Arrival{again, arrival(7)})
				same(t, n, 0)
				return err
			})
			same(t, kept5().Disputed, false)
			other := arrival(5)
			other.Sender = "eve"
			later, text, said, unsaid := arrival(7), arrival(8), arrival(10), arrival(11)
			later.Sent, text.Excerpt = day.Add(time.Second), "lose"
			said.Said, unsaid.Said = []byte{1}, nil
			do(t, l, func(tx bot.Tx) error {
				_, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(10), unsaid})
				return err
			})
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.AddArrivals(callbackApp, []bot.Arrival{other, arrival(6), arrival(6), later, text, said,
					arrival(11)})
				same(t, n, 1)
				return err
			})
			same(t, kept5().Sender, arrival(5).Sender)
			same(t, arrivalsOf(t, l, callbackGroup, ""), []recall.Seq{11, 10, 8, 7, 6, 5})
			var disputed []recall.Seq
			for _, a := range look(t, l, func(tx bot.Tx) ([]bot.Arrival,
				error) {
				return tx.Arrivals(callbackApp, callbackGroup, "", 1, 11, 11)
			}) {
				if a.Disputed {
					disputed = append(disputed, a.Seq)
				}
			}
			same(t, disputed, []recall.Seq{10, 8, 7, 5})
			do(t, l, func(tx bot.Tx) error { // in one go
				first, second := arrival(9), arrival(9)
				second.Sender = "eve"
				_, err := tx.AddArrivals(callbackApp, []bot.Arrival{first, second})
				return err
			})
			same(t, look(t, l, func(tx bot.Tx) ([]bot.Arrival,
				error) {
				return tx.Arrivals(callbackApp, callbackGroup, "", 9, 9, 9)
			})[0].Disputed, true)
		}},
	{"arrivals are of one app, group and topic, within bounds, highest first", func(t *testing.T, l bot.Ledger) {
		topic := arrival(3)
		topic.Topic = "@TGS#aLIVE@TOPIC#_x"
		other := arrival(4)
		other.Group = "@TGS#bOTHER"
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(1), arrival(2), arrival(7), topic, other})
			return err
		})
		same(t, arrivalsOf(t, l, callbackGroup, ""), []recall.Seq{7, 2, 1})
		same(t, arrivalsOf(t, l, callbackGroup, topic.Topic), []recall.Seq{3})
		same(t, arrivalsOf(t, l, other.Group, ""), []recall.Seq{4})
		some := look(t, l, func(tx bot.Tx) ([]bot.Arrival,
			error) {
			return tx.Arrivals(callbackApp, callbackGroup, "", 1, 6, 1)
		})
		if len(some) != 1 || some[0].Seq != 2 {
			t.Fatalf("got %+v", some)
		}
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Arrival,
			error) {
			return tx.Arrivals(callbackApp+1, callbackGroup, "", 1, 9, 9)
		})), 0)
		same(t, look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.FirstArrival(callbackApp + 1) }), time.Time{})
	}},
	{"the oldest go first: by age, by number, so many at a time", func(t *testing.T, l bot.Ledger) {
		var now time.Time
		do(t, l, func(tx bot.Tx) error {
			now = tx.Now()
			for i := range 20 {
				if _, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(recall.Seq(100 - i))}); err != nil {
					return err
				}
			}
			return nil
		})
		forget := func(before time.Time, most, limit, want int) {
			t.Helper()
			same(t, look(t, l, func(tx bot.Tx) (bool, error) { return tx.OldArrivals(before, most, limit) }), want > 0)
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.ForgetArrivals(before, most, limit)
				same(t, n, want)
				return err
			})
		}
		forget(now, 20, 100, 0)
		forget(now, 15, 3, 3)
		forget(now, 15, 100, 2)
		same(t, arrivalsOf(t, l, callbackGroup, "")[0], recall.Seq(95))
		forget(now.Add(time.Millisecond), 100, 100, 15)
		same(t, len(arrivalsOf(t, l, callbackGroup, "")), 0)
	}},
	{"a removal comes back as it was last told, where it came since", func(t *testing.T, l bot.Ledger) {
		var now time.Time
		told := func(seq recall.Seq, by recall.UserID) bot.Removal {
			return bot.Removal{Group: callbackGroup, Seq: seq, By: by, At: day}
		}
		do(t, l, func(tx bot.Tx) error {
			now = tx.Now()
			_, err := tx.AddRemovals(callbackApp, []bot.Removal{told(1, "a\x00"), told(2, "b"), told(9, "b")})
			return err
		})
		var then time.Time
		do(t, l, func(tx bot.Tx) error {
			then = tx.Now()
			n, err := tx.AddRemovals(callbackApp, []bot.Removal{told(1, "a\x00"), told(2, "eve"), told(2, "c")})
			same(t, n, 1)
			return err
		})
		want := map[recall.Seq]bot.Removal{}
		one, two := told(1, "a\x00"), told(2, "c")
		one.Came, two.Came = now, then
		want[1], want[2] = one, two
		read := func(topic recall.TopicID, since time.Time) map[recall.Seq]bot.Removal {
			return look(t, l, func(tx bot.Tx) (map[recall.Seq]bot.Removal, error) {
				return tx.Removals(callbackApp, callbackGroup, topic, []recall.Seq{1, 2, 2, 3}, since)
			})
		}
		same(t, read("", time.Time{}), want)
		same(t, read("", now), want)
		same(t, read("", then.Add(time.Millisecond)), map[recall.Seq]bot.Removal{})
		same(t, read("@TGS#aLIVE@TOPIC#_x", time.Time{}), map[recall.Seq]bot.Removal{})
		old := func(most int) bool {
			return look(t, l, func(tx bot.Tx) (bool, error) { return tx.OldRemovals(now, most, 100) })
		}
		same(t, old(100), false)
		same(t, old(1), true)
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.ForgetRemovals(now, 1, 100)
			same(t, n, 2)
			return err
		})
		same(t, read("", time.Time{}), map[recall.Seq]bot.Removal{2: two}) // told last
	}},
	{"what outcomes of class recalled rest on is counted, and those by the answer alone are listed",
		func(t *testing.T, l bot.Ledger) {
			grant(t, l, "R-1", 7)
			do(t, l, func(tx bot.Tx) error {
				outcomes := map[bot.MessageID]bot.Outcome{}
				for s := bot.MessageID(1); s <= 6; s++ {
					outcomes[s] = recalled
				}
				outcomes[6] = bot.Outcome{Class: bot.ClassRefused, Code: 10031, At: day, Confirmed: bot.ByAnswer}
				if _, err := tx.PutOutcomes("R-1", outcomes); err != nil {
					return err
				}
				if _, err := tx.Confirm("R-1", []bot.MessageID{2}, bot.ByHistory); err != nil {
					return err
				}
				_, err := tx.Confirm("R-1", []bot.MessageID{3}, bot.ByCallback)
				return err
			})
			same(t, look(t, l, func(tx bot.Tx) (map[bot.Confirmation]int, error) { return tx.Rests("R-1") }),
				map[bot.Confirmation]int{bot.ByAnswer: 3, bot.ByHistory: 1, bot.ByCallback: 1})
			same(t, look(t, l, func(tx bot.Tx) ([]bot.MessageID, error) { return tx.Unconfirmed("R-1", 0, 10) }),
				[]bot.MessageID{1, 4, 5})
			same(t, look(t, l, func(tx bot.Tx) ([]bot.MessageID, error) { return tx.Unconfirmed("R-1", 2, 1) }),
				[]bot.MessageID{4})
		}},
}
