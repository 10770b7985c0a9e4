package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"recallbot/bot"
)

func place(p bot.Platform, channel string) bot.Place {
	return bot.Place{Platform: p, Workspace: "W", Channel: channel, Thread: "th"}
}

// stale returns the requests and channels of a platform's stale views, in order.
func stale(t *testing.T, l bot.Ledger, p bot.Platform, limit int) string {
	t.Helper()
	var all []string
	for _, v := range look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.Views(p, limit) }) {
		all = append(all, fmt.Sprintf("%s/%s", v.Request, v.Place.Channel))
	}
	return fmt.Sprint(all)
}

var views = []promise{
	{"a view comes back as it was stored", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		v := bot.View{Request: "R-1", Place: place(here, "C1"), Ref: bot.Ref{Channel: "C1", Message: "m",
			Thread: "th"}, Wanted: 3, Shown: 1, After: day, Tries: 2, Seen: true, Gone: 1, Barred: day.Add(time.Second)}
		do(t, l, func(tx bot.Tx) error { return tx.AddView(v) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.ViewOf("R-1") }), []bot.View{v})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.Views(here, 9) }), []bot.View{v})
		v.Ref, v.Shown, v.After, v.Tries, v.Dead = bot.Ref{Message: "m2"}, 2, time.Time{}, 0, true
		v.Seen, v.Gone, v.Barred = false, 2, time.Time{}
		do(t, l, func(tx bot.Tx) error { return tx.PutView(v) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.ViewOf("R-1") }), []bot.View{v})
	}},
	{"a place shows a request once, and only a request", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		v := bot.View{Request: "R-1", Place: place(here, "C1"), Wanted: 1}
		do(t, l, func(tx bot.Tx) error { return tx.AddView(v) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddView(v) })
		v.Request = "R-9"
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddView(v) })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.PutView(v) })
	}},
	{"wanting raises every view of the request", func(t *testing.T, l bot.Ledger) {
		for _, id := range []bot.RequestID{"R-1", "R-2"} {
			propose(t, l, id, 1)
			for _, p := range []bot.Place{place(here, "C1"), place(there, "D1")} {
				do(t, l,
					func(tx bot.Tx) error { return tx.AddView(bot.View{Request: id, Place: p, Wanted: 1, Shown: 1}) })
			}
		}
		same(t, stale(t, l, here, 9), "[]")
		for range 2 {
			do(t, l, func(tx bot.Tx) error { return tx.Want("R-2") })
		}
		same(t, stale(t, l, here, 9), "[R-2/C1]")
		same(t, stale(t, l, there, 9), "[R-2/D1]")
		for _, v := range look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.ViewOf("R-2") }) {
			same(t, v.Wanted, 3)
		}
	}},
	{"storing what is shown keeps what was wanted meanwhile", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		v := bot.View{Request: "R-1", Place: place(here, "C1"), Wanted: 1}
		do(t, l, func(tx bot.Tx) error { return tx.AddView(v) })
		do(t, l, func(tx bot.Tx) error { return tx.Want("R-1") })
		v.Shown = 1
		do(t, l, func(tx bot.Tx) error { return tx.PutView(v) })
		same(t, stale(t, l, here, 9), "[R-1/C1]")
		v.Shown = 2
		do(t, l, func(tx bot.Tx) error { return tx.PutView(v) })
		same(t, stale(t, l, here, 9), "[]")
	}},
	{"the shown version never goes back", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		v := bot.View{Request: "R-1", Place: place(here, "C1"), Wanted: 5, Shown: 4}
		do(t, l, func(tx bot.Tx) error { return tx.AddView(v) })
		v.Shown, v.Tries = 2, 1
		do(t, l, func(tx bot.Tx) error { return tx.PutView(v) })
		v.Shown = 4
		same(t, look(t, l, func(tx bot.Tx) ([]bot.View, error) { return tx.ViewOf("R-1") }), []bot.View{v})
	}},
	{"stale ones come by their time, but not those that are dead", func(t *testing.T, l bot.Ledger) {
		for i, after := range []time.Duration{3, 1, 2} {
			id := bot.RequestID(fmt.Sprint("R-", i))
			propose(t, l, id, 1)
			do(t, l, func(tx bot.Tx) error {
				return tx.AddView(bot.View{Request: id, Place: place(here, "C1"), Wanted: 1,
					After: day.Add(after * time.Second)})
			})
		}
		do(t, l, func(tx bot.Tx) error {
			return tx.AddView(bot.View{Request: "R-0", Place: place(here, "C0"), Wanted: 1})
		})
		same(t, stale(t, l, here, 9), "[R-0/C0 R-1/C1 R-2/C1 R-0/C1]")
		same(t, stale(t, l, here, 2), "[R-0/C0 R-1/C1]")
		do(t, l, func(tx bot.Tx) error {
			return tx.PutView(bot.View{Request: "R-1", Place: place(here, "C1"), Dead: true})
		})
		same(t, stale(t, l, here, 9), "[R-0/C0 R-2/C1 R-0/C1]")
	}},
}

// queued returns the requests and keys of the posts that are next, in order.
func queued(t *testing.T, l bot.Ledger, p bot.Platform, limit int) string {
	t.Helper()
	var all []string
	for _, post := range look(t, l, func(tx bot.Tx) ([]bot.Post, error) { return tx.Posts(p, limit) }) {
		all = append(all, fmt.Sprintf("%s/%s", post.Request, post.Key))
	}
	return fmt.Sprint(all)
}

var posts = []promise{
	{"a post comes back as it was stored", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		p := bot.Post{
			Request: "R-1", Place: place(here, "C1"), Key: "k", Kind: bot.PostNotice,
			Line: bot.Line{bot.Quote("x\x00"), {Kind: bot.Words, Text: "\x00"}}, Ref: bot.Ref{Channel: "C1"},
			After: day, Tries: 1,
		}
		do(t, l, func(tx bot.Tx) error { return tx.AddPost(p) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Post, error) { return tx.Posts(here, 9) }), []bot.Post{p})
		p.Ref, p.After, p.Tries = bot.Ref{Message: "m"}, day.Add(time.Second), 2
		do(t, l, func(tx bot.Tx) error { return tx.PutPost(p) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Post, error) { return tx.Posts(here, 9) }), []bot.Post{p})
	}},
	{"a key is one post, posted or not", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		p := bot.Post{Request: "R-1", Place: place(here, "C1"), Key: "k", Kind: bot.PostReceipt,
			Line: bot.Line{bot.Quote("1")}}
		do(t, l, func(tx bot.Tx) error { return tx.AddPost(p) })
		again := p
		again.Line = bot.Line{bot.Quote("2")}
		do(t, l, func(tx bot.Tx) error { return tx.AddPost(again) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Post, error) { return tx.Posts(here, 9) }), []bot.Post{p})
		p.Posted = true
		do(t, l, func(tx bot.Tx) error { return tx.PutPost(p) })
		do(t, l, func(tx bot.Tx) error { return tx.AddPost(again) })
		same(t, queued(t, l, here, 9), "[]")
	}},
	{"they come in the order they were queued, the first of each request", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		propose(t, l, "R-2", 1)
		add := func(id bot.RequestID, p bot.Platform, key string) {
			do(t, l, func(tx bot.Tx) error {
				return tx.AddPost(bot.Post{Request: id, Place: place(p, "C1"), Key: key, Kind: bot.PostOutcomes})
			})
		}
		add("R-2", here, "z")
		add("R-1", there, "d")
		add("R-1", here, "b")
		add("R-2", here, "y")
		add("R-1", here, "a")
		same(t, queued(t, l, here, 9), "[R-2/z R-1/b]")
		same(t, queued(t, l, here, 1), "[R-2/z]")
		same(t, queued(t, l, there, 9), "[R-1/d]")
		do(t, l, func(tx bot.Tx) error { return tx.PutPost(bot.Post{Request: "R-2", Key: "z", Posted: true}) })
		same(t, queued(t, l, here, 9), "[R-1/b R-2/y]")
	}},
	{"those of one request come in order, wherever they stand and however long they wait, but not those posted",
		func(t *testing.T, l bot.Ledger) {
			propose(t, l, "R-1", 1)
			propose(t, l, "R-2", 1)
			var want []bot.Post
			for i, p := range []bot.Platform{here, there, here, here} {
				post := bot.Post{
					Request: "R-1", Place: place(p, "C1"), Key: string(rune('d' - i)), Kind: bot.PostNotice,
					Line: bot.Line{bot.Quote("x")}, Ref: bot.Ref{Channel: "C1"},
					After: day.Add(time.Duration(9-i) * time.Hour), Tries: i,
				}
				do(t, l, func(tx bot.Tx) error { return tx.AddPost(post) })
				want = append(want, post)
			}
			do(t, l, func(tx bot.Tx) error {
				return tx.AddPost(bot.Post{Request: "R-2", Place: place(here, "C1"), Key: "a",
					Kind: bot.PostOutcomes})
			})
			of := func(id bot.RequestID) []bot.Post {
				return look(t, l, func(tx bot.Tx) ([]bot.Post, error) { return tx.PostsOf(id) })
			}
			same(t, of("R-1"), want)
			do(t, l, func(tx bot.Tx) error { return tx.PutPost(bot.Post{Request: "R-1", Key: "c", Posted: true}) })
			same(t, of("R-1"), []bot.Post{want[0], want[2], want[3]})
			same(t, of("R-3"), []bot.Post(nil))
		}},
	{"those that wait hide no others, and hold up those of their request", func(t *testing.T, l bot.Ledger) {
		for i := range 4 {
			id := bot.RequestID(fmt.Sprint("R-", i))
			propose(t, l, id, 1)
			for _, key := range []string{"a", "b"} {
				do(t, l, func(tx bot.Tx) error {
					return tx.AddPost(bot.Post{Request: id, Place: place(here, "C1"), Key: key,
						Kind: bot.PostOutcomes})
				})
			}
		}
		for i, after := range []time.Duration{3, 1} {
			do(t, l, func(tx bot.Tx) error {
				return tx.PutPost(bot.Post{Request: bot.RequestID(fmt.Sprint("R-", i)), Key: "a",
					After: day.Add(after * time.Second), Tries: 1})
			})
		}
		same(t, queued(t, l, here, 9), "[R-2/a R-3/a R-1/a R-0/a]")
		same(t, queued(t, l, here, 2), "[R-2/a R-3/a]")
	}},
	{"one that is not there cannot change, and one belongs to a request", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.PutPost(bot.Post{Request: "R-1", Key: "k"}) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
			return tx.AddPost(bot.Post{Request: "R-1", Place: place(here, "C1"), Key: "k"})
		})
	}},
}

var timers = []promise{
	{"there is one of a kind for a request", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		for _, at := range []time.Duration{2, 1, 3} {
			do(t, l,
				func(
					tx bot.Tx) error {
					return tx.SetDue(bot.Due{Request: "R-1", Kind: bot.DueRemind, At: day.Add(at)})
				})
		}
		do(t, l, func(tx bot.Tx) error {
			return tx.SetDue(bot.Due{Request: "R-1", Kind: bot.DueRemind, At: day.Add(time.Second)})
		})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Due, error) { return tx.Dues(day.Add(time.Hour), 9) }),
			[]bot.Due{{Request: "R-1", Kind: bot.DueRemind, At: day.Add(time.Second)}})
	}},
	{"those at or before a time come, earliest first", func(t *testing.T, l bot.Ledger) {
		same(t, look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.NextDue() }), time.Time{})
		var all []bot.Due
		for i := range 4 {
			id := bot.RequestID(fmt.Sprint("R-", i))
			propose(t, l, id, 1)
			all = append(all, bot.Due{Request: id, Kind: bot.DueStart,
				At: day.Add(time.Duration(i) * time.Millisecond)})
		}
		for _, i := range []int{2, 0, 3, 1} {
			do(t, l, func(tx bot.Tx) error { return tx.SetDue(all[i]) })
		}
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Due, error) { return tx.Dues(day.Add(2*time.Millisecond), 9) }),
			all[:3])
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Due, error) { return tx.Dues(day.Add(time.Hour), 2) }), all[:2])
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Due, error) { return tx.Dues(day.Add(-time.Millisecond), 9) }),
			[]bot.Due{})
		same(t, look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.NextDue() }), day)
	}},
	{"they are cleared by kind, or all", func(t *testing.T, l bot.Ledger) {
		kinds := func(id bot.RequestID) string {
			all := ""
			for _, d := range look(t, l, func(tx bot.Tx) ([]bot.Due,
				error) {
				return tx.Dues(day.Add(time.Hour), 99)
			}) {
				if d.Request == id {
					all += string(d.Kind) + " "
				}
			}
			return all
		}
		for _, id := range []bot.RequestID{"R-1", "R-2"} {
			propose(t, l, id, 1)
			for i, kind := range []bot.DueKind{bot.DueDeadline, bot.DueRemind, bot.DueStart, bot.DueEvidence} {
				do(t, l, func(tx bot.Tx) error {
					return tx.SetDue(bot.Due{Request: id, Kind: kind, At: day.Add(time.Duration(i) * time.Second)})
				})
			}
		}
		do(t, l, func(tx bot.Tx) error { return tx.ClearDue("R-1", bot.DueDeadline, bot.DueStart) })
		same(t, kinds("R-1"), "remind evidence ")
		do(t, l, func(tx bot.Tx) error { return tx.ClearDue("R-1") })
		same(t, kinds("R-1"), "")
		same(t, kinds("R-2"), "deadline remind start evidence ")
	}},
	{"one belongs to a request", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrRule,
			func(tx bot.Tx) error { return tx.SetDue(bot.Due{Request: "R-1", Kind: bot.DueStart, At: day}) })
	}},
}
