package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/platform"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/config"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// fill takes all the room there is, down to the last byte of the tables that people's acts are
// stored in.
func fill(t *testing.T, l *Ledger) {
	t.Helper()
	var pages int
	if err := l.write.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	room(t, l, pages)
	n := 0
	for _, size := range []int{10_000, 500, 50} {
		for err := error(nil); err == nil; n++ {
			err = l.Tx(t.Context(),
				func(tx bot.Tx) error { return tx.PutSetting(fmt.Sprint("fill ", n), strings.Repeat("x", size)) })
		}
		for err := error(nil); err == nil; n++ {
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				_, err := tx.AddEvent(bot.StoredEvent{ID: bot.EventID(fmt.Sprint("~fill ", n)), Platform: "none",
					Body: slices.Repeat([]byte("x"), size)})
				return err
			})
		}
		for err := error(nil); err == nil; n++ {
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				_, err := tx.Append(bot.Entry{Actor: "bot", What: "filled",
					Detail: []byte(`{"x":"` + strings.Repeat("x", size) + `"}`)})
				return err
			})
		}
	}
}

// room lets the file grow to that many pages.
func room(t *testing.T, l *Ledger, pages int) {
	t.Helper()
	if _, err := l.write.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
		t.Fatal(err)
	}
}

// TestNoRoom fills the disk while a request runs. Who asks or decides is told to try again, on
// every platform, and nothing of it is half done; nobody loses a lease or a connection by it. When
// there is room again all of it goes on by itself.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const group = "@TGS#1"
		chat := recalltest.New(recalltest.Options{Latency: 100 * time.Millisecond})
		defer chat.Close()
		chat.AddGroup(recalltest.Group{ID: group, Type: "Public", Name: "Lounge", Members: 2})
		const many = 1000
		for range many + 3 {
			chat.Say(group, "", "alice", "win big")
		}
		l, err := Open(t.Context(), "sqlite::memory:", Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(chat.SDKAppID()), SecretKey: chat.SecretKey(),
			BaseURL: recalltest.URL, HTTPClient: chat.Client(), CallsPerSecond: 20})
		if err != nil {
			t.Fatal(err)
		}
		policy := bot.DefaultPolicy()
		policy.LargeApprovals, policy.MaxMessages = 1, many
		people := []bottest.Person{{Name: "mina", Asks: true}, {Name: "theo", Approves: true}}
		env := []string{fmt.Sprint("CHAT_SDK_APP_ID=", chat.SDKAppID()), "CHAT_SECRET_KEY=" + chat.SecretKey(),
			"CHAT_BASE_URL=" + recalltest.URL}
		homes := map[bot.Platform]bottest.Home{}
		for _, p := range adapters.Platforms {
			home, err := p.NewHome(people, "")
			if err != nil {
				t.Fatal(err)
			}
			defer home.Close()
			homes[p.ID] = home
			for name, value := range home.Environment(false) {
				env = append(env, name+"="+value)
			}
		}
		c, err := config.Load(t.Context(), env, adapters.Configurations())
		if err != nil {
			t.Fatal(err)
		}
		policy.Crowds = c.Policy.Crowds
		quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
		b, err := bottest.NewEngine(bot.Options{App: recall.SDKAppID(chat.SDKAppID()), Ledger: l, Chat: client,
			Policy: policy, CallsPerSecond: 20, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var ended []chan error
		run := func(f func(context.Context) error) {
			end := make(chan error, 1)
			ended = append(ended, end)
			go func() { end <- f(ctx) }()
		}
		for _, p := range adapters.Platforms {
			a, err := p.Open(platform.Wiring{Settings: c.Platforms[p.ID], Bot: b, Log: quiet,
				Client: homes[p.ID].Client(), Dial: homes[p.ID].Dial})
			if err != nil {
				t.Fatal(err)
			}
			b.Attach(a)
			run(a.Run)
		}
		run(b.Run)
		defer func() {
			cancel()
			for _, end := range ended {
				if err := <-end; err != nil {
					t.Error(err)
				}
			}
		}()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(5 * time.Second)

		// does lets somebody do something on a platform, and returns what they alone are told.
		does := func(on bot.Platform, name string, do func(p bottest.People, user string) bottest.Deed) (told string) {
			t.Helper()
			p, user := homes[on].People(), homes[on].User(name)
			had := map[string]string{}
			for _, m := range p.Alone(user) {
				had[m.ID] = m.Picture
			}
			d := do(p, user)
			pass(5 * time.Second)
			if !d.Acked() {
				t.Errorf("what %s did on %s was not acknowledged: %s", name, on, d.Problem())
			}
			for _, m := range p.Alone(user) {
				if had[m.ID] != m.Picture {
					told += m.Picture
				}
			}
			return told
		}
		asks := func(on bot.Platform, seqs string) string {
			return does(on, "mina", func(p bottest.People, user string) bottest.Deed {
				return p.Type(user, homes[on].Channel(), "/recall "+group+" "+seqs)
			})
		}
		first := adapters.IDs()[0]
		cards := func() []bottest.Shown { return homes[first].People().Channel(homes[first].Channel()) }
		newest := func() bot.Ref { all := cards(); return all[len(all)-1].Ref }
		approve := func(card bot.Ref) string {
			return does(first, "theo", func(p bottest.People, user string) bottest.Deed {
				d := p.Press(user, card, "Approve")
				if d.Wait(t.Context()) == nil {
					if form, ok := d.Opened(); ok {
						count := regexp.MustCompile("[0-9,]+").FindString(form.Title)
						d = p.Send(user, form, map[string]string{"count": count})
					}
				}
				return d
			})
		}
		approvals := func() (n int) {
			err := l.View(t.Context(), func(tx bot.Tx) error {
				n = 0
				all, err := tx.Requests(bot.Query{})
				for _, r := range all {
					n += len(r.Approvals)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		const again = "nothing was done. Please try again"
		asks(first, fmt.Sprint(many+1, " ", many+2))
		small := newest()
		asks(first, fmt.Sprint("1-", many))
		pass(20 * time.Second)
		if told := approve(newest()); approvals() != 1 {
			t.Fatalf("it is not approved; Theo is told: %s", told)
		}
		pass(bot.DefaultPolicy().LargeDelay)
		if n := len(chat.RecalledSeqs(group, "")); n == 0 || n == many {
			t.Fatalf("%d are recalled: this shows nothing", n)
		}
		fill(t, l)
		if told := asks(first, fmt.Sprint(many+3)); !strings.Contains(told, again) {
			t.Errorf("Mina is told, on %s: %q", first, told)
		}
		if told := approve(small); !strings.Contains(told, again) {
			t.Errorf("Theo is told: %q", told)
		}
		pass(2 * time.Minute)
		for _, p := range adapters.Platforms {
			if told := asks(p.ID, fmt.Sprint(many+3)); !strings.Contains(told, again) {
				t.Errorf("Mina is told, on %s, two minutes later: %q", p.ID, told)
			}
			if !homes[p.ID].Connected(false) {
				t.Errorf("%s is no longer connected", p.ID)
			}
		}
		if chat.Recalled(group, "", many+1) || len(cards()) != 2 {
			t.Errorf("something was done of what could not be stored: %d cards", len(cards()))
		}

		room(t, l, 1_000_000)
		pass(time.Minute)
		if told := approve(small); approvals() != 2 {
			t.Errorf("when there is room it is not approved; Theo is told: %s", told)
		}
		if told := asks(first, fmt.Sprint(many+3)); strings.Contains(told, again) {
			t.Errorf("Mina is told, when there is room: %s", told)
		}
		pass(2 * time.Minute)
		if n := len(chat.RecalledSeqs(group, "")); n != many+2 {
			t.Errorf("%d are recalled, want %d", n, many+2)
		}
		for _, card := range cards()[:2] {
			var thread strings.Builder
			for _, m := range homes[first].People().Thread(card.Ref) {
				thread.WriteString(m.Picture)
			}
			if n := strings.Count(thread.String(), "Receipt "); n != 1 {
				t.Errorf("%d receipts in\n%.1000s", n, thread.String())
			}
		}
		var whole string
		if err := l.write.QueryRow("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
			t.Errorf("integrity: %s, %v", whole, err)
		}
		var v bot.Verifier
		err = l.View(t.Context(), func(tx bot.Tx) error {
			entries, err := tx.Entries(1, 1_000_000)
			for _, e := range entries {
				err = errors.Join(err, v.Next(e))
			}
			return err
		})
		if err := errors.Join(err, v.End()); err != nil {
			t.Errorf("audit: %v", err)
		}
	})
}
