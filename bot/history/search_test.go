package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

const group = "@TGS#2J4SZEAEL"

// memory is a ledger that knows runs of recalled messages and one request, and nothing else.
type memory struct {
	bot.Ledger
	runs   command.Ranges
	sealed []bot.Message // of the request
	key    []byte        // of it; nil once it is forgotten
}

func (m *memory) Shared() bool { return false }

func (m *memory) View(_ context.Context, fn func(bot.Tx) error) error {
	return fn(remembered{memory: m})
}

type remembered struct {
	bot.Tx
	*memory
}

func (r remembered) RecalledRuns(_ recall.SDKAppID, _ recall.GroupID, _ recall.TopicID, hi recall.Seq,
	_ int) (command.Ranges, error) {
	return r.runs.Intersect(command.Ranges{{From: 1, To: hi}}), nil
}

func (r remembered) Requests(bot.Query) ([]bot.Request, error) {
	return []bot.Request{{ID: "R-1", Parts: []bot.Part{{Talk: bot.Talk{Group: group}}}}}, nil
}

func (r remembered) Sealed(_ bot.RequestID, from bot.MessageID, _ int) (list []bot.Message, err error) {
	for _, m := range r.sealed {
		if m.ID() >= from {
			list = append(list, m)
		}
	}
	return list, nil
}

func (r remembered) EvidenceKey(bot.RequestID) ([]byte, error) {
	if r.key == nil {
		return nil, bot.ErrNotFound
	}
	return r.key, nil
}

// world is a Chat service with one group, and a History that reads it.
type world struct {
	t       *testing.T
	chat    *recalltest.Service
	ledger  memory
	history *History
	bounds  bounds
}

func newWorld(t *testing.T, o recalltest.Options) *world {
	w := &world{t: t, chat: recalltest.New(o), bounds: most}
	t.Cleanup(w.chat.Close)
	w.chat.AddGroup(recalltest.Group{ID: group})
	client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(w.chat.SDKAppID()),
		SecretKey: w.chat.SecretKey(), BaseURL: recalltest.URL, HTTPClient: w.chat.Client(), ReadsPerSecond: 200})
	if err != nil {
		t.Fatal(err)
	}
	w.history = New(&bot.Bot{Options: bot.Options{Chat: client, Ledger: &w.ledger,
		Log: slog.New(slog.DiscardHandler)}})
	return w
}

// search returns what a search by the filter finds, newest first.
func (w *world) search(f command.Filter) ([]recall.Seq, Searched) {
	w.t.Helper()
	rd := w.history.Reader(command.Scope{Group: group, Filter: f}, "find", recall.ForSearch, "mina")
	rd.bounds = w.bounds
	var seqs []recall.Seq
	s, err := rd.Search(w.t.Context(), func(m recall.Message, _ recall.PartOf) error {
		seqs = append(seqs, m.Seq)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return seqs, s
}

// say lets n messages be sent, one each step from at on.
func (w *world) say(n int, from string, at time.Time, step time.Duration) {
	for i := range n {
		w.chat.Say(group, "", from, "hello", recalltest.At(at.Add(time.Duration(i)*step)))
	}
}

// pages returns how many pages were read since it was called last.
func (w *world) pages(since *int) int {
	n := w.chat.Calls(recalltest.History)
	n, *since = n-*since, n
	return n
}

func at(t time.Time) command.When { return command.When{At: t.Truncate(time.Second)} }

// knobs are the ways in which the service may tell of what is gone.
var knobs = map[string]func(*recalltest.Options){
	"as documented": func(*recalltest.Options) {},
	"no times":      func(o *recalltest.Options) { o.PlaceholdersWithoutTime = true },
	"no senders":    func(o *recalltest.Options) { o.PlaceholdersWithoutSender = true },
	"neither": func(o *recalltest.Options) {
		o.PlaceholdersWithoutTime, o.PlaceholdersWithoutSender = true, true
	},
	"left out":             func(o *recalltest.Options) { o.PlaceholdersLeftOut = true },
	"left out with places": func(o *recalltest.Options) { o.PlaceholdersLeftOut, o.HiddenTakeSlots = true, true },
	"expired as nothing":   func(o *recalltest.Options) { o.ExpiredAsNothing = true },
	"expired, no times": func(o *recalltest.Options) {
		o.ExpiredAsNothing, o.PlaceholdersWithoutTime = true, true
	},
	"expired, with places":    func(o *recalltest.Options) { o.ExpiredAsNothing, o.HiddenTakeSlots = true, true },
	"pages cut by their size": func(o *recalltest.Options) { o.PageBytes = 400 },
}

// TestReach: a search finds two messages of three hours ago below a flood, however the service
// tells of what is recalled and expired, and reads few pages for it.
func TestReach(t *testing.T) {
	for name, turn := range knobs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, recalltest.Options{})
				w.chat.Change(turn)
				now := time.Now()
				w.say(5000, "old", now.Add(-8*24*time.Hour), time.Second) // past the storage period
				w.say(3000, "carol", now.Add(-5*24*time.Hour), time.Minute)
				w.say(1, "mallory", now.Add(-181*time.Minute), 0) // 8001
				w.say(50, "carol", now.Add(-181*time.Minute), 0)
				w.say(1, "mallory", now.Add(-179*time.Minute), 0) // 8052
				w.say(30_000, "bob", now.Add(-170*time.Minute), 300*time.Millisecond)
				// a third of them is gone, in two runs
				w.chat.RecallElsewhere(group, "", "alice", seqsOf(15_000, 22_000)...)
				w.chat.Delete(group, "", seqsOf(30_000, 33_000)...)
				f := command.Filter{From: "mallory", Since: at(now.Add(-190 * time.Minute)),
					Until: at(now.Add(-175 * time.Minute))}
				read := 0
				w.pages(&read)
				found, s := w.search(f)
				if !slices.Equal(found, []recall.Seq{8052, 8001}) || !s.Complete {
					t.Errorf("found %v, complete %v", found, s.Complete)
				}
				if n := w.pages(&read); n > 100 && name != "pages cut by their size" {
					t.Errorf("%d pages were read", n)
				}
				// no bound below: the search ends where the storage does
				found, s = w.search(command.Filter{From: "nobody", Until: at(now.Add(-175 * time.Minute))})
				if found != nil || !s.Complete || s.Read != 3052 {
					t.Errorf("found %v among %d, complete %v", found, s.Read, s.Complete)
				}
				if n := w.pages(&read); n > 350 && name != "pages cut by their size" {
					t.Errorf("%d pages were read to the end", n)
				}
			})
		})
	}
}

func seqsOf(from, to recalltest.Seq) (seqs []recalltest.Seq) {
	for s := from; s <= to; s++ {
		seqs = append(seqs, s)
	}
	return seqs
}

// TestJumps: runs that the ledger knows as recalled are not read.
func TestJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recalltest.Options{})
		w.say(10, "mallory", time.Now(), 0)
		w.say(50_000, "mallory", time.Now(), 0)
		w.chat.RecallElsewhere(group, "", "alice", seqsOf(11, 50_010)...)
		w.ledger.runs = command.Ranges{{From: 11, To: 50_010}}
		read := 0
		w.pages(&read)
		found, s := w.search(command.Filter{From: "mallory"})
		if len(found) != 10 || !s.Complete || s.Read != 10 {
			t.Errorf("found %v, %+v", found, s)
		}
		if n := w.pages(&read); n != 2 {
			t.Errorf("%d pages were read", n)
		}
	})
}

// TestBounds: a search that would look at more than 20,000 messages, or read more than 5,000 pages,
// stops there, and is divided in two that overlap in nothing and miss nothing.
func TestBounds(t *testing.T) {
	if most != (bounds{20_000, 5_000}) {
		t.Errorf("the bounds are %+v", most)
	}
	for name, tt := range map[string]struct {
		bounds   bounds
		messages int
		recalled bool
		read     int
	}{
		"messages": {most, 45_000, false, 20_000},
		"pages":    {bounds{20_000, 500}, 10_100, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, recalltest.Options{})
				w.bounds = tt.bounds
				begin := time.Now().Add(-30 * time.Hour).Truncate(time.Second)
				w.say(1, "mallory", begin, 0)
				w.say(tt.messages, "bob", begin, time.Second)
				newest := recall.Seq(tt.messages + 2)
				w.say(1, "mallory", begin.Add(29*time.Hour), 0)
				if tt.recalled {
					w.chat.RecallElsewhere(group, "", "alice", seqsOf(2, recalltest.Seq(newest-1))...)
				}
				read := 0
				w.pages(&read)
				f := command.Filter{From: "mallory", Last: 5}
				found, s := w.search(f)
				if !slices.Equal(found, []recall.Seq{newest}) || s.Complete || s.Read != tt.read {
					t.Fatalf("found %v among %d, complete %v", found, s.Read, s.Complete)
				}
				if n := w.pages(&read); n != s.Pages || n > tt.bounds.pages || !tt.recalled && n > 1000+aheadMost {
					t.Errorf("%d pages of which it says %d", n, s.Pages)
				}
				first, rest, ok := s.Parts(f)
				if !ok || first.Last != 5 || rest.Last != 4 || !first.Until.IsZero() || !rest.Since.IsZero() ||
					!rest.Until.At.Equal(first.Since.At.Add(-time.Second)) {
					t.Fatalf("parts %+v and %+v, %v", first, rest, ok)
				}
				if found, s := w.search(first); !slices.Equal(found, []recall.Seq{newest}) || !s.Complete {
					t.Errorf("what was read: %v, complete %v", found, s.Complete)
				}
				var all []recall.Seq
				for range 6 {
					found, s := w.search(rest)
					if all = append(all, found...); s.Complete {
						break
					}
					if _, rest, ok = s.Parts(rest); !ok {
						t.Fatalf("%+v is not divided", rest)
					}
				}
				if !slices.Equal(all, []recall.Seq{1}) {
					t.Errorf("the rest: %v", all)
				}
			})
		})
	}
}

// TestBackwards: messages whose times run backwards by up to a minute, or lie far back on one page,
// do not end a search, and do not hide what it is for.
func TestBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recalltest.Options{})
		now := time.Now().Truncate(time.Second)
		w.say(1000, "carol", now.Add(-24*time.Hour), time.Second)
		w.say(1, "mallory", now.Add(-59*time.Minute), 0) // 1001
		w.say(40, "bob", now.Add(-60*time.Minute), 0)    // before since, by less than a minute
		w.say(1, "mallory", now.Add(-58*time.Minute), 0) // 1042
		w.say(19, "bob", now.Add(-48*time.Hour), 0)      // imported
		w.say(1, "mallory", now.Add(-57*time.Minute), 0) // 1062
		w.say(1, "carol", now.Add(-30*time.Minute), 0)   // after until
		w.say(1, "mallory", now.Add(-31*time.Minute), 0) // 1064: at until
		w.say(2000, "carol", now.Add(-30*time.Minute), 500*time.Millisecond)
		f := command.Filter{From: "mallory", Since: at(now.Add(-59*time.Minute - 30*time.Second)),
			Until: at(now.Add(-31 * time.Minute))}
		if found, s := w.search(f); !slices.Equal(found, []recall.Seq{1064, 1062, 1042, 1001}) || !s.Complete {
			t.Errorf("found %v, complete %v", found, s.Complete)
		}
	})
}

// TestDeletedRun: a thousand deleted messages in a row, as one call of the service makes them, do
// not end a search, whether they have placeholders or not.
func TestDeletedRun(t *testing.T) {
	for name, turn := range knobs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, recalltest.Options{})
				w.chat.Change(turn)
				w.say(30_000, "old", time.Now().Add(-8*24*time.Hour), 0)
				w.say(3, "mallory", time.Now(), 0)
				w.say(1000, "bob", time.Now(), 0)
				w.chat.Delete(group, "", seqsOf(30_004, 31_003)...)
				w.say(30, "carol", time.Now(), 0)
				if found, s := w.search(command.Filter{From: "mallory"}); len(found) != 3 || !s.Complete {
					t.Errorf("found %v, complete %v", found, s.Complete)
				}
			})
		})
	}
}

// TestSearchProperty: over random groups, services and filters, a search that is complete finds
// exactly what the filter selects; one that is not is divided into two filters, neither of which is
// the one that was given, and all parts together find the same, nothing of it twice.
func TestSearchProperty(t *testing.T) {
	names := make([]string, 0, len(knobs))
	for name := range knobs {
		names = append(names, name)
	}
	slices.Sort(names)
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 16))
			w := newWorld(t, recalltest.Options{})
			w.bounds = bounds{400 + r.IntN(400), 150 + r.IntN(100)}
			name := names[r.IntN(len(names))]
			w.chat.Change(knobs[name])
			want := w.fill(r)
			f := command.Filter{From: "mallory"}
			now := time.Now()
			if r.IntN(3) > 0 {
				f.Since = at(now.Add(-time.Duration(r.IntN(7*24*60)) * time.Minute))
			}
			if r.IntN(3) > 0 {
				f.Until = at(now.Add(-time.Duration(r.IntN(5*24*60)) * time.Minute))
			}
			if r.IntN(4) == 0 {
				f.Last = 1 + r.IntN(300)
			}
			var selected []recall.Seq
			for _, m := range want {
				if _, ok := f.Matches(m, nil, nil); ok && (f.Last == 0 || len(selected) < f.Last) {
					selected = append(selected, m.Seq)
				}
			}
			var found []recall.Seq
			searches := 0
			var all func(f command.Filter)
			all = func(f command.Filter) {
				if searches++; searches > 200 {
					t.Fatal("it does not end")
				}
				seqs, s := w.search(f)
				if s.Complete {
					found = append(found, seqs...)
					return
				}
				first, rest, ok := s.Parts(f)
				if !ok || first == f || rest == f {
					t.Fatalf("%+v is not divided after %+v", f, s)
				}
				all(first)
				all(rest)
			}
			all(f)
			slices.SortFunc(found, func(a, b recall.Seq) int { return cmp.Compare(b, a) })
			if !slices.Equal(found, selected) {
				t.Errorf("seed %d, %s, %+v, %+v: found %d of %d in %d searches\n%v\n%v", seed, name, w.bounds, f,
					len(found), len(selected), searches, found, selected)
			}
		})
	}
}

// fill lets a random group talk, and returns the messages of mallory that are left, newest first.
func (w *world) fill(r *rand.Rand) (left []recall.Message) {
	now := time.Now()
	when := now.Add(-time.Duration(1+r.IntN(6*24)) * time.Hour)
	for range r.IntN(3) * 1000 {
		w.say(1, "mallory", now.Add(-8*24*time.Hour), 0)
	}
	var sent []recall.Message
	gone := map[recall.Seq]bool{}
	for range 1 + r.IntN(8) {
		step := time.Duration(300+r.IntN(4000)) * time.Millisecond
		if r.IntN(3) == 0 {
			step *= 100
		}
		run := r.IntN(4) // of 0 some are gone, of 1 all are recalled, and the ledger knows it or not
		n := r.IntN(700)
		begun := recall.Seq(0)
		for range n {
			if when = when.Add(step); when.After(now) {
				when = now
				break
			}
			from, is := "mallory", when
			switch r.IntN(10) {
			case 0, 1, 2, 3:
				from = "bob"
			case 4:
				is = when.Add(-time.Duration(r.IntN(50)) * time.Second)
			}
			if r.IntN(40) == 0 {
				from, is = "import", when.Add(-48*time.Hour)
			}
			seq := recall.Seq(w.chat.Say(group, "", from, "hello", recalltest.At(is)))
			if begun == 0 {
				begun = seq
			}
			switch {
			case run == 0 && r.IntN(3) == 0:
				w.chat.Delete(group, "", recalltest.Seq(seq))
				gone[seq] = true
			case run == 1:
				w.chat.RecallElsewhere(group, "", "alice", recalltest.Seq(seq))
				gone[seq] = true
			}
			if from == "mallory" {
				sent = append(sent, recall.Message{Seq: seq, From: "mallory", Time: is.Truncate(time.Second)})
			}
		}
		last := recall.Seq(w.chat.Say(group, "", "bob", "so much", recalltest.At(when))) - 1
		if run == 1 && begun > 0 && last-begun >= jumpedRun && r.IntN(2) == 0 {
			w.ledger.runs = append(w.ledger.runs, command.Range{From: begun, To: last})
		}
	}
	for _, m := range slices.Backward(sent) {
		if !gone[m.Seq] {
			left = append(left, m)
		}
	}
	return left
}

// TestQuietGroup: a search knows when the newest message was sent, also if that is before its
// since.
func TestQuietGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recalltest.Options{})
		now := time.Now().Truncate(time.Second)
		w.say(100, "mallory", now.Add(-112*time.Minute), time.Minute)
		f := command.Filter{From: "mallory", Since: at(now.Add(-5 * time.Minute))}
		found, s := w.search(f)
		if found != nil || !s.Complete || s.Read != 0 || !s.Quiet(f) || !s.Newest.Equal(now.Add(-13*time.Minute)) {
			t.Errorf("found %v: %+v", found, s)
		}
		if n := w.chat.Calls(recalltest.History); n != 1 {
			t.Errorf("%d pages were read", n)
		}
		f.Since = at(now.Add(-13 * time.Minute))
		if found, s := w.search(f); len(found) != 1 || s.Quiet(f) {
			t.Errorf("found %v", found)
		}
	})
}

// TestSame: what is found says exactly what one message says, however the service writes it and
// whoever sent it. A message that is gone is known by its seal, while the key of that is kept.
func TestSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recalltest.Options{SignedAnew: true, RecalledBody: true})
		image := `[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u","ImageInfoArray":[{"Type":1,"URL":"https://h.example/a"}]}}]`
		other := `[{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"URL":"https:\/\/h.example\/a","Type":1}],"UUID":"\u0075"}}]`
		w.chat.Say(group, "", "mallory", "", recalltest.Body(image))                                       // 1
		w.chat.Say(group, "", "eve", "", recalltest.Body(other), recalltest.At(time.Now().Add(time.Hour))) // 2
		w.chat.Say(group, "", "eve", "", recalltest.Body(strings.Replace(image, "/a", "/b", 1)))           // 3
		w.chat.Say(group, "", "eve", "", recalltest.Body(image), recalltest.Custom(`{"more":1}`))          // 4
		w.chat.Say(group, "", "eve", "", recalltest.Body(image), recalltest.Custom(`{"messageReact":1}`))  // 5
		w.chat.Say(group, "", "eve", "", recalltest.System())                                              // 6
		w.say(1000, "bob", time.Now(), 0)
		for name, tt := range map[string]struct {
			f    command.Filter
			want []recall.Seq
		}{
			"all":             {command.Filter{Same: 1}, []recall.Seq{5, 2, 1}},
			"from the other":  {command.Filter{Same: 2}, []recall.Seq{5, 2, 1}},
			"of one sender":   {command.Filter{Same: 1, From: "eve"}, []recall.Seq{5, 2}},
			"the newest":      {command.Filter{Same: 1, Last: 1}, []recall.Seq{5}},
			"with other data": {command.Filter{Same: 4}, []recall.Seq{4}},
		} {
			if got, s := w.search(tt.f); !slices.Equal(got, tt.want) || !s.Complete {
				t.Errorf("%s: found %v, want %v", name, got, tt.want)
			}
		}
		refused := func(seq recall.Seq, want string) {
			t.Helper()
			rd := w.history.Reader(command.Scope{Group: group, Filter: command.Filter{Same: seq}}, "find",
				recall.ForSearch, "mina")
			_, err := rd.Search(t.Context(), func(recall.Message, recall.PartOf) error { return nil })
			if no, ok := errors.AsType[*bot.Refusal](err); !ok || no.Key != want {
				t.Errorf("same as %d: %v, want %s", seq, err, want)
			}
		}
		refused(6, "same_system")
		refused(5000, "same_absent")

		read, err := w.history.Chat.GroupMsgGetSimple(t.Context(),
			recall.HistoryRequest{Group: group, Number: 1, Seq: 1})
		if err != nil || len(read.Messages) != 1 {
			t.Fatal(err, read)
		}
		m, key := read.Messages[0], []byte("a key")
		w.chat.RecallElsewhere(group, "", "alice", 1)
		refused(1, "same_gone")
		w.ledger.sealed = []bot.Message{{Seq: 1, Sender: m.From, Sent: m.Time, Form: bot.FormNow,
			HMAC: bot.ContentHMAC(key, m, bot.FormNow)}}
		refused(1, "same_gone") // the key is forgotten
		w.ledger.key = key
		if got, s := w.search(command.Filter{Same: 1}); !slices.Equal(got, []recall.Seq{5, 2}) || !s.Complete {
			t.Errorf("found %v by the seal", got)
		}
		w.ledger.sealed[0].Callback = true // the HMAC of a callback's is made otherwise
		refused(1, "same_gone")
	})
}

// TestQuoting: what quotes one of some messages, by its number or by the clients' name for it, is
// found among the 1,000 that come next, as many after one as after another, however the service
// tells of what is gone.
func TestQuoting(t *testing.T) {
	reply := func(to int) recalltest.SayOption {
		return recalltest.Custom(fmt.Sprintf(`{"messageReply":{"messageAbstract":"hello","messageSequence":%d}}`, to))
	}
	for name, turn := range knobs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, recalltest.Options{})
				w.chat.Change(turn)
				now := time.Now()
				w.say(99, "bob", now, 0)
				w.say(3, "mallory", now, 0)                                // 100-102
				w.chat.Say(group, "", "eve", "by number", reply(100))      // 103
				w.chat.Say(group, "", "eve", "another's", reply(99))       // 104
				w.chat.Say(group, "", "eve", "no number", reply(0))        // 105
				w.chat.Say(group, "", "eve", "made up", reply(106))        // 106
				w.chat.Say(group, "", "eve", "is part", reply(101))        // 107
				w.chat.Say(group, "", "eve", "recalled since", reply(100)) // 108
				w.chat.RecallElsewhere(group, "", "eve", 108)
				read100, err := w.history.Chat.GroupMsgGetSimple(t.Context(),
					recall.HistoryRequest{Group: group, Number: 1, Seq: 100})
				if err != nil || len(read100.Messages) != 1 {
					t.Fatal(err, read100)
				}
				m := read100.Messages[0]
				named := func(at time.Time, random uint32) recalltest.SayOption {
					return recalltest.Custom(fmt.Sprintf(`{"messageReply":{"messageID":"144115244425849730-%d-%d"}}`,
						at.Unix(), random))
				}
				w.chat.Say(group, "", "eve", "by name", named(m.Time.Add(2*time.Second), m.Random))     // 109
				w.chat.Say(group, "", "eve", "of another time", named(m.Time.Add(time.Hour), m.Random)) // 110
				w.chat.Say(group, "", "eve", "another's", named(m.Time, m.Random+1))                    // 111
				w.say(297, "bob", now, 0)
				w.chat.Delete(group, "", seqsOf(200, 330)...)
				w.chat.Say(group, "", "eve", "late", reply(102)) // 409
				rd := w.history.Reader(command.Scope{Group: group}, "replies", recall.ForFilter, "mina")
				read := 0
				w.pages(&read)
				quoting, quoted, err := rd.Quoting(t.Context(), []recall.Seq{100, 101, 102, 106, 107},
					command.MakeRanges(100, 101, 102, 106, 107))
				if err != nil || quoting.String() != "103,109,409" || quoted.String() != "100,102" {
					t.Errorf("%s quote %s, %v", quoting, quoted, err)
				}
				if n := w.pages(&read); n > 20 && name != "pages cut by their size" {
					t.Errorf("%d pages were read", n)
				}
				w.chat.Change(func(o *recalltest.Options) { o.CustomDataLeftOut = true })
				if quoting, _, err := rd.Quoting(t.Context(), []recall.Seq{100}, nil); err != nil || quoting != nil {
					t.Errorf("where history has no quotes: %s, %v", quoting, err)
				}
			})
		})
	}
	for _, tt := range []struct {
		after  []recall.Seq
		newest recall.Seq
		want   string
	}{
		{[]recall.Seq{100}, 100, ""},
		{[]recall.Seq{100}, 103, "101-103"},
		{[]recall.Seq{100, 101, 103}, 104, "102,104"},
		{[]recall.Seq{100}, 9000, "101-1100"},
		{[]recall.Seq{100, 5000}, 9000, "101-600,5001-5500"},
		{[]recall.Seq{100, 8990}, 9000, "101-1090,8991-9000"},
		{[]recall.Seq{math.MaxUint32 - 1}, math.MaxUint32, "4294967295"},
	} {
		if got := following(tt.after, tt.newest, command.MakeRanges(tt.after...)); got.String() != tt.want {
			t.Errorf("after %d up to %d: %s, want %s", tt.after, tt.newest, got, tt.want)
		}
	}
}

// TestTips: what the service itself wrote is no match of any search, with its flag or without.
func TestTips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recalltest.Options{})
		w.chat.Say(group, "", "eve", "", recalltest.System())
		w.chat.Say(group, "", "@TIM#SYSTEM", "", recalltest.System())
		w.chat.Say(group, "", "@TLS#NOT_FOUND", "eve joined")
		w.say(1, "eve", time.Now(), 0)
		for flagged, f := range map[bool]command.Filter{true: {Last: 10}, false: {From: "@TIM#SYSTEM"}} {
			found, s := w.search(f)
			if flagged != slices.Equal(found, []recall.Seq{4}) || !flagged && found != nil || s.Read != 4 {
				t.Errorf("%s: found %v among %d", f, found, s.Read)
			}
		}
		w.chat.Change(func(o *recalltest.Options) { o.SystemWithoutFlag = true })
		if found, _ := w.search(command.Filter{Text: "eve", Since: at(time.Now().Add(-time.Hour))}); found != nil {
			t.Errorf("found %v without the flag", found)
		}
	})
}
