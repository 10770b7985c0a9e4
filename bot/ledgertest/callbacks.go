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
	return bot.Arrival{Group: callbackGroup, Seq: seq, Sender: "a\x00\u202e", Sent: day, HMAC: []byte{0, 255}, Excerpt: "win\x00 big \u2028"}
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
	{"what is kept of a message stays as it is", func(t *testing.T, l bot.Ledger) {
		other := arrival(5)
		other.Sender = "eve"
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.AddArrivals(callbackApp, []bot.Arrival{arrival(5)})
			return err
		})
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.AddArrivals(callbackApp, []bot.Arrival{other, arrival(6), arrival(6)})
			same(t, n, 1)
			return err
		})
		kept := look(t, l, func(tx bot.Tx) ([]bot.Arrival, error) { return tx.Arrivals(callbackApp, callbackGroup, "", 5, 5, 10) })
		same(t, kept[0].Sender, arrival(5).Sender)
		same(t, arrivalsOf(t, l, callbackGroup, ""), []recall.Seq{6, 5})
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
		some := look(t, l, func(tx bot.Tx) ([]bot.Arrival, error) { return tx.Arrivals(callbackApp, callbackGroup, "", 1, 6, 1) })
		if len(some) != 1 || some[0].Seq != 2 {
			t.Fatalf("got %+v", some)
		}
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Arrival, error) { return tx.Arrivals(callbackApp+1, callbackGroup, "", 1, 9, 9) })), 0)
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
	{"a removal comes back as it was first told, where it came since", func(t *testing.T, l bot.Ledger) {
		var now time.Time
		told := func(seq recall.Seq, by recall.UserID) bot.Removal {
			return bot.Removal{Group: callbackGroup, Seq: seq, By: by, At: day}
		}
		do(t, l, func(tx bot.Tx) error {
			now = tx.Now()
			_, err := tx.AddRemovals(callbackApp, []bot.Removal{told(1, "a\x00"), told(2, "b"), told(9, "b")})
			return err
		})
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.AddRemovals(callbackApp, []bot.Removal{told(2, "eve")})
			same(t, n, 0)
			return err
		})
		want := map[recall.Seq]bot.Removal{}
		for _, r := range []bot.Removal{told(1, "a\x00"), told(2, "b")} {
			r.Came = now
			want[r.Seq] = r
		}
		read := func(topic recall.TopicID, since time.Time) map[recall.Seq]bot.Removal {
			return look(t, l, func(tx bot.Tx) (map[recall.Seq]bot.Removal, error) {
				return tx.Removals(callbackApp, callbackGroup, topic, []recall.Seq{1, 2, 2, 3}, since)
			})
		}
		same(t, read("", time.Time{}), want)
		same(t, read("", now), want)
		same(t, read("", now.Add(time.Millisecond)), map[recall.Seq]bot.Removal{})
		same(t, read("@TGS#aLIVE@TOPIC#_x", time.Time{}), map[recall.Seq]bot.Removal{})
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.ForgetRemovals(now, 1, 100)
			same(t, n, 2)
			return err
		})
		same(t, read("", time.Time{}), map[recall.Seq]bot.Removal{})
	}},
	{"what outcomes of class recalled rest on is counted, and those by the answer alone are listed", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 7)
		do(t, l, func(tx bot.Tx) error {
			outcomes := map[recall.Seq]bot.Outcome{}
			for s := recall.Seq(1); s <= 6; s++ {
				outcomes[s] = recalled
			}
			outcomes[6] = bot.Outcome{Class: bot.ClassRefused, Code: 10031, At: day, Confirmed: bot.ByAnswer}
			if _, err := tx.PutOutcomes("R-1", outcomes); err != nil {
				return err
			}
			if _, err := tx.Confirm("R-1", []recall.Seq{2}, bot.ByHistory); err != nil {
				return err
			}
			_, err := tx.Confirm("R-1", []recall.Seq{3}, bot.ByCallback)
			return err
		})
		same(t, look(t, l, func(tx bot.Tx) (map[bot.Confirmation]int, error) { return tx.Rests("R-1") }),
			map[bot.Confirmation]int{bot.ByAnswer: 3, bot.ByHistory: 1, bot.ByCallback: 1})
		same(t, look(t, l, func(tx bot.Tx) ([]recall.Seq, error) { return tx.Unconfirmed("R-1", 0, 10) }), []recall.Seq{1, 4, 5})
		same(t, look(t, l, func(tx bot.Tx) ([]recall.Seq, error) { return tx.Unconfirmed("R-1", 2, 1) }), []recall.Seq{4})
	}},
}
