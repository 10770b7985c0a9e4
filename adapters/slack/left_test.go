package slack

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// These tests are about events that one replica has stored and acknowledged, and others find
// without an answer.

// counting is a Bot that counts what adapters have it do.
type counting struct {
	Bot
	lookTakes           time.Duration // between reading what is left and taking it up: others read it meanwhile
	newsLost            bool          // the first event is closed, and whoever closes it hears of an error
	did, gaveUp, closed atomic.Int32  // closed: answers that were not another's
}

// errNewsLost: it was stored.
var errNewsLost = &bot.Unsure{Err: errors.New("the connection to the ledger broke")}

func (b *counting) Do(ctx context.Context, e intake.Event, m bot.Member) (intake.Answer, error) {
	n := b.did.Add(1)
	a, err := b.Bot.Do(ctx, e, m)
	if b.newsLost && n == 1 {
		return intake.Answer{}, errNewsLost
	}
	if err == nil && !a.Repeated {
		b.closed.Add(1)
	}
	return a, err
}

func (b *counting) GiveUp(ctx context.Context, e intake.Event) (intake.Answer, error) {
	n := b.gaveUp.Add(1)
	a, err := b.Bot.GiveUp(ctx, e)
	if b.newsLost && n == 1 {
		return intake.Answer{}, errNewsLost
	}
	if err == nil && !a.Repeated {
		b.closed.Add(1)
	}
	return a, err
}

func (b *counting) Unfinished(ctx context.Context, p bot.Platform) iter.Seq2[intake.Unfinished, error] {
	return func(yield func(intake.Unfinished, error) bool) {
		var left []intake.Unfinished
		for u, err := range b.Bot.Unfinished(ctx, p) {
			if err != nil {
				yield(u, err)
				return
			}
			left = append(left, u)
		}
		_ = sleep(ctx, b.lookTakes) // the test has ended
		for _, u := range left {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// replica runs another adapter in x's workspace.
func (x *world) replica(b Bot) {
	x.t.Helper()
	a, err := New(Options{BotToken: x.w.BotToken, SigningSecrets: []string{x.w.SigningSecret}, HTTPClient: x.w.Client(),
		Bot: b})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(adaptertest.Start(x.t, a, nil))
}

// leftEvent is Mina's command as a process left it.
func leftEvent(text string) intake.Event {
	name := "recall"
	if strings.HasPrefix(text, "find ") {
		name = "recalls"
	}
	return intake.Event{
		ID: "left", Place: bot.Place{Platform: ID, Workspace: "T0TEAM", Channel: "C0TRUST"},
		By:  bot.Account{Platform: ID, Workspace: "T0TEAM", User: "U0MINA"},
		Act: intake.Act{Kind: intake.ActCommand, Command: name, Text: text},
	}
}

// TestLeftByAnother: a replica runs on while another ends for good. What that one left is checked
// again, or given up when it is found too late.
func TestLeftByAnother(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "asked", 5 * time.Minute: "could not be checked"} {
		t.Run(age.String(), func(t *testing.T) {
			inBoth(t, func(x *world) {
				time.Sleep(time.Hour)
				x.bot.Set(func(b *adaptertest.Script) {
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("asked") }
				})
				x.bot.Leave(intake.Unfinished{Event: leftEvent("@TGS#2J4SZEAEL 100"), Age: age})
				time.Sleep(25 * time.Second)
				if got := x.told("U0MINA"); !strings.Contains(got, want) {
					x.t.Errorf("told:\n%s", got)
				}
				time.Sleep(time.Hour)
				if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
					x.t.Errorf("told %d times", n)
				}
			})
		})
	}
}

// TestLeftByTheOneBefore: where no other process can be at work, what the one before has left is
// taken up at the start, what messages are read for too.
func TestLeftByTheOneBefore(t *testing.T) {
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprint("alone ", alone), func(t *testing.T) {
			inSlack(t, httpMode, func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) {
					b.Sole = alone
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("found") }
				})
				left := leftEvent("find @TGS#2J4SZEAEL last:5")
				left.Act.Command = "recalls"
				x.bot.Leave(intake.Unfinished{Event: left})
				time.Sleep(time.Second)
				x.replica(x.bot)
				time.Sleep(time.Second)
				if n := len(x.w.Ephemerals("U0MINA")); (n == 1) != alone {
					x.t.Errorf("told %d times", n)
				}
				time.Sleep(intake.LongOrphanAfter + intake.OrphanAfter)
				want := "could not be checked"
				if alone {
					want = "found"
				}
				if got := x.told("U0MINA"); !strings.Contains(got, want) || len(x.w.Ephemerals("U0MINA")) != 1 {
					x.t.Errorf("told %q", got)
				}
			})
		})
	}
}

// TestLeftTakenUpOnce: two replicas that find the same event at the same time act once, and the
// person hears once.
func TestLeftTakenUpOnce(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"checked again": intake.OrphanAfter, "given up": intake.CheckedAgain,
	} {
		t.Run(name, func(t *testing.T) {
			inSlack(t, httpMode, func(x *world) {
				stored, _ := adaptertest.Storing(x.t, x.bot.PolicyNow())
				first, _, err := stored.Receive(x.t.Context(), leftEvent("@TGS#2J4SZEAEL 100"))
				if err != nil || !first {
					x.t.Fatal(first, err)
				}
				time.Sleep(age)
				b := &counting{Bot: stored, lookTakes: time.Second}
				x.replica(b)
				x.replica(b)
				time.Sleep(time.Minute)
				if n := b.did.Load() + b.gaveUp.Load(); n != 2 {
					x.t.Fatalf("taken up %d times: this shows nothing", n)
				}
				if n := b.closed.Load(); n != 1 {
					x.t.Errorf("closed %d times", n)
				}
				if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
					x.t.Errorf("told %d times", n)
				}
			})
		})
	}
}

// TestAtWorkIsNotLeft: an event that a replica is still checking or reading for is left to it, by
// those that run and by one that starts meanwhile.
func TestAtWorkIsNotLeft(t *testing.T) {
	for name, test := range map[string]struct {
		command, text string
		slow          func(x *world)
		starts        time.Duration // when another replica starts
	}{
		"checking": {"/recall", "@TGS#2J4SZEAEL 100",
			func(x *world) { x.w.Fail("users.info", 1, slacktest.Slow(5*time.Second-time.Second)) }, time.Second},
		"given up meanwhile": {"/recall", "@TGS#2J4SZEAEL 100",
			func(x *world) { x.w.Fail("users.info", -1, slacktest.Hang()) }, time.Second},
		"reading": {"/recalls", "find @TGS#2J4SZEAEL last:5",
			func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = intake.WorkWithin - time.Second })
			}, time.Second},
		"reading for long": {"/recalls", "find @TGS#2J4SZEAEL last:5",
			func(x *world) { x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = intake.WorkWithin - time.Second }) },
			intake.CheckedAgain + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := &counting{}
			inSlack(t, httpMode, func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) {
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("answered") }
				})
				for range 9 { // they look at other times
					x.replica(b)
					time.Sleep(intake.OrphanAfter / 10)
				}
				test.slow(x)
				x.acked(x.w.Command("U0MINA", "C0TRUST", test.command, test.text))
				time.Sleep(test.starts)
				x.replica(b)
				time.Sleep(10 * time.Minute)
				if n := b.did.Load() + b.gaveUp.Load(); n != 1 {
					x.t.Errorf("handled %d times", n)
				}
				if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
					x.t.Errorf("told %d times", n)
				}
			}, func(x *world, o *Options) {
				b.Bot = x.bot
				o.Bot = b
			})
		})
	}
}

// slow is a Bot that takes longer to handle an event than the others wait.
type slow struct {
	Bot
	by time.Duration
}

func (b slow) Do(ctx context.Context, e intake.Event, m bot.Member) (intake.Answer, error) {
	if err := sleep(ctx, b.by); err != nil {
		return intake.Answer{}, err
	}
	return b.Bot.Do(ctx, e, m)
}

// TestClosedByAnother: where a replica closes an event that another is still at work on after all,
// the person hears once. A window that waits for the answer is filled.
func TestClosedByAnother(t *testing.T) {
	for name, test := range map[string]struct {
		act     func(x *world)
		windows int
	}{
		"command": {func(x *world) { x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 100") }, 0},
		"press": {func(x *world) {
			_, at := x.post(card(bot.Proposed))
			x.w.Press("U0MINA", at, "approve")
		}, 0},
		"press that opens a window": {func(x *world) {
			_, at := x.post(card(bot.Proposed))
			x.w.Press("U0MINA", at, "show_all")
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inSlack(t, httpMode, func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) {
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("answered") }
				})
				x.replica(x.bot)
				test.act(x)
				time.Sleep(time.Minute)
				if n := len(x.bot.Did()) + len(x.bot.GaveUp()); n != 1 {
					x.t.Fatalf("closed %d times", n)
				}
				if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
					x.t.Errorf("told %d times", n)
				}
				if n := len(x.w.Views("U0MINA")); n != test.windows {
					x.t.Fatalf("%d windows are open, want %d", n, test.windows)
				}
				if test.windows > 0 {
					if got := x.w.Picture(x.front("U0MINA")); !strings.Contains(got, "answered") {
						x.t.Errorf("the window shows:\n%s", got)
					}
				}
			}, func(x *world, o *Options) { o.Bot = slow{x.bot, 3 * intake.OrphanAfter} })
		})
	}
}

// TestLeftSlowly: what is being taken up, however slowly, is not taken up a second time by the same
// replica; and where the news is lost that it was handled, the person hears all the same.
func TestLeftSlowly(t *testing.T) {
	for _, newsLost := range []bool{false, true} {
		b := &counting{newsLost: newsLost}
		inSlack(t, httpMode, func(x *world) {
			x.bot.Set(func(b *adaptertest.Script) {
				b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("answered") }
				b.DoTakes = 3*intake.OrphanAfter - time.Second
			})
			x.bot.Leave(intake.Unfinished{Event: leftEvent("@TGS#2J4SZEAEL 100")})
			time.Sleep(10 * time.Minute)
			want := 1
			if newsLost {
				want = 2
			}
			if n := int(b.did.Load() + b.gaveUp.Load()); n != want {
				x.t.Errorf("news lost %v: handled %d times", newsLost, n)
			}
			if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
				x.t.Errorf("news lost %v: told %d times", newsLost, n)
			}
		}, func(x *world, o *Options) {
			b.Bot = x.bot
			o.Bot = b
		})
	}
}

// TestGivenUpNewsLost: where the news is lost that an event was given up, it is found by nobody any
// more, and the person hears all the same.
func TestGivenUpNewsLost(t *testing.T) {
	for name, event := range map[string]func(x *world){
		"left": func(x *world) {
			x.bot.Leave(intake.Unfinished{Event: leftEvent("@TGS#2J4SZEAEL 100"), Age: intake.CheckedAgain})
		},
		"at work": func(x *world) {
			x.w.Fail("users.info", -1, slacktest.Hang())
			x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 100"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := &counting{newsLost: true}
			inSlack(t, httpMode, func(x *world) {
				event(x)
				time.Sleep(time.Minute)
				if got := x.told("U0MINA"); !strings.Contains(got, "could not be checked") {
					x.t.Errorf("told:\n%s", got)
				}
				if n := len(x.w.Ephemerals("U0MINA")); n != 1 || len(x.bot.GaveUp()) != 1 {
					x.t.Errorf("told %d times, given up %d", n, len(x.bot.GaveUp()))
				}
			}, func(x *world, o *Options) {
				b.Bot = x.bot
				o.Bot = b
			})
		})
	}
}

// TestLeftBesideSlow: while one event is being taken up slowly, what is left after it is still
// checked again, not given up for having waited.
func TestLeftBesideSlow(t *testing.T) {
	inSlack(t, httpMode, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer { return whisper("answered " + string(e.ID)) }
			b.DoTakes = intake.WorkWithin - time.Second
		})
		x.bot.Leave(intake.Unfinished{Event: leftEvent("@TGS#2J4SZEAEL 100")})
		time.Sleep(2*intake.OrphanAfter + time.Second) // it is being taken up
		x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = 0 })
		next := leftEvent("@TGS#2J4SZEAEL 101")
		next.ID = "left next"
		x.bot.Leave(intake.Unfinished{Event: next})
		time.Sleep(3 * intake.OrphanAfter)
		if got := x.told("U0MINA"); !strings.Contains(got, "answered left next") {
			x.t.Errorf("told:\n%s", got)
		}
		time.Sleep(10 * time.Minute)
		if n := len(x.w.Ephemerals("U0MINA")); n != 2 || len(x.bot.Did()) != 2 {
			x.t.Errorf("told %d times, handled %d", n, len(x.bot.Did()))
		}
	})
}

// TestUncertain: a person whose event was stored and could not be handled is not told that nothing
// was done, because it is handled when the bot is well again soon, and given up when that takes
// longer. They hear which, and nothing in between.
func TestUncertain(t *testing.T) {
	for until, want := range map[time.Duration]string{30 * time.Second: "asked",
		10 * time.Minute: "could not be checked"} {
		for name, trouble := range map[string]func(b *adaptertest.Script){
			"fails": func(b *adaptertest.Script) { b.DoFails = errors.New("disk full") },
			"panics": func(
				b *adaptertest.Script) {
				b.Answer = func(intake.Event, bot.Member) intake.Answer { panic("unthinkable") }
			},
		} {
			t.Run(name+" for "+until.String(), func(t *testing.T) {
				inBoth(t, func(x *world) {
					x.bot.Set(trouble)
					x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 100"))
					time.Sleep(5 * time.Second)
					if got := x.told("U0MINA"); !strings.Contains(got, "not certain") ||
						strings.Contains(got, "nothing was done") {
						x.t.Errorf("told:\n%s", got)
					}
					time.Sleep(until - 5*time.Second)
					x.bot.Set(func(b *adaptertest.Script) {
						b.DoFails, b.Answer = nil, func(intake.Event,
							bot.Member) intake.Answer {
							return whisper("asked")
						}
					})
					time.Sleep(time.Minute)
					if got := x.told("U0MINA"); !strings.Contains(got, want) {
						x.t.Errorf("told at last:\n%s", got)
					}
					if n := len(x.w.Ephemerals("U0MINA")); n != 2 {
						x.t.Errorf("told %d times", n)
					}
				})
			})
		}
	}
}

// unsureReceive is a Bot that stores what it is to note, and cannot tell that it did: the answer to
// the commit was lost.
type unsureReceive struct{ Bot }

func (b unsureReceive) Receive(ctx context.Context, e intake.Event) (bool, *intake.Answer, error) {
	if _, _, err := b.Bot.Receive(ctx, e); err != nil {
		return false, nil, err
	}
	return false, nil, fmt.Errorf("store event: %w", &bot.Unsure{Err: context.DeadlineExceeded})
}

// TestUnsureNote: where nobody knows whether an event was stored, the person is not told that
// nothing was done: it was, and is carried out soon.
func TestUnsureNote(t *testing.T) {
	for name, act := range map[string]func(x *world) *slacktest.Delivery{
		"command": func(x *world) *slacktest.Delivery {
			return x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 100")
		},
		"press": func(x *world) *slacktest.Delivery {
			_, at := x.post(card(bot.Proposed))
			return x.w.Press("U0MINA", at, "approve")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) {
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("carried out") }
				})
				x.acked(act(x))
				if got := x.told("U0MINA"); !strings.Contains(got, "not certain") ||
					strings.Contains(got, "nothing was done") {
					x.t.Errorf("told:\n%s", got)
				}
				time.Sleep(time.Minute)
				if got := x.told("U0MINA"); !strings.Contains(got, "carried out") {
					x.t.Errorf("told at last:\n%s", got)
				}
				if n := len(x.w.Ephemerals("U0MINA")); n != 2 || len(x.bot.Did()) != 1 {
					x.t.Errorf("told %d times, carried out %d times", n, len(x.bot.Did()))
				}
			}, func(x *world, o *Options) { o.Bot = unsureReceive{x.bot} })
		})
	}
}
