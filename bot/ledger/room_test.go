package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
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

// TestNoRoom fills the disk while a request runs. Who asks or decides is told to try again, on both
// platforms, and nothing of it is half done; nobody loses a lease or a connection by it. When there
// is room again all of it goes on by itself.
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
		w := slacktest.New()
		defer w.Close()
		w.AddUser(slacktest.User{ID: "UMINA", Name: "mina"})
		w.AddUser(slacktest.User{ID: "UTHEO", Name: "theo"})
		w.AddChannel(slacktest.Channel{ID: "CTRUST", Name: "trust", Members: []string{"UMINA", "UTHEO"}, BotIn: true})
		g := discordtest.New()
		defer g.Close()
		g.AddChannel(discordtest.Channel{ID: "1001", Name: "trust"})
		g.AddMember(discordtest.Member{UserID: "2001", Name: "mina"})

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
		policy.Crowds = map[bot.Platform]bot.Crowd{
			slack.ID: {Requesters: []bot.Principal{{User: "UMINA"}}, Approvers: []bot.Principal{{User: "UTHEO"}},
				AnyChannel: true},
			discord.ID: {Requesters: []bot.Principal{{User: "2001"}}, AnyChannel: true},
		}
		quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
		b, err := bottest.NewEngine(bot.Options{App: recall.SDKAppID(chat.SDKAppID()), Ledger: l, Chat: client,
			Policy: policy, CallsPerSecond: 20, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		sl, err := slack.New(slack.Options{BotToken: w.BotToken, AppToken: w.AppToken, HTTPClient: w.Client(),
			Dial: w.DialContext, Bot: b, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		di, err := discord.New(discord.Options{BotToken: g.BotToken, ApplicationID: g.ApplicationID,
			Guilds: []string{g.ID}, HTTPClient: g.Client(), Dial: g.Dial, Bot: b, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		b.Attach(sl)
		b.Attach(di)
		ctx, cancel := context.WithCancel(context.Background())
		var ended []chan error
		for _, run := range []func(context.Context) error{b.Run, sl.Run, di.Run} {
			end := make(chan error, 1)
			ended = append(ended, end)
			go func() { end <- run(ctx) }()
		}
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

		asks := func(seqs string) string { // and returns what Mina is told
			had := len(w.Ephemerals("UMINA"))
			d := w.Command("UMINA", "CTRUST", "/recall", group+" "+seqs)
			pass(5 * time.Second)
			if !d.Acked() {
				t.Errorf("a command was not acknowledged: %s", d.Failure())
			}
			told := ""
			for _, m := range w.Ephemerals("UMINA")[had:] {
				told += w.Picture(m)
			}
			return told
		}
		newest := func() slacktest.Message { all := w.Messages("CTRUST"); return all[len(all)-1] }
		approve := func(card slacktest.Message) (told string) {
			had := len(w.Ephemerals("UTHEO"))
			for _, button := range card.Buttons() {
				if button.Text == "Approve" {
					w.Press("UTHEO", card.Ref(), button.ActionID)
				}
			}
			pass(2 * time.Second)
			for _, m := range w.Ephemerals("UTHEO")[had:] {
				told += w.Picture(m)
			}
			return told
		}
		const again = "nothing was done. Please try again"
		asks(fmt.Sprint(many+1, " ", many+2))
		small := newest()
		asks(fmt.Sprint("1-", many))
		pass(20 * time.Second)
		if told := approve(newest()); !strings.Contains(told, "is approved") {
			t.Fatalf("Theo is told: %s", told)
		}
		pass(bot.DefaultPolicy().LargeDelay)
		if n := len(chat.RecalledSeqs(group, "")); n == 0 || n == many {
			t.Fatalf("%d are recalled: this shows nothing", n)
		}
		fill(t, l)
		if told := asks(fmt.Sprint(many + 3)); !strings.Contains(told, again) {
			t.Errorf("Mina is told, on Slack: %q", told)
		}
		if told := approve(small); !strings.Contains(told, again) {
			t.Errorf("Theo is told: %q", told)
		}
		pass(2 * time.Minute)
		i := g.Command("2001", "1001", "recall", discordtest.Opt("group", group),
			discordtest.Opt("seqs", fmt.Sprint(many+3)))
		if err := i.Wait(t.Context()); err != nil || !strings.Contains(i.Ephemeral(), again) {
			t.Errorf("Mina is told, on Discord, two minutes later: %q, %v", i.Ephemeral(), err)
		}
		if n := g.Identifies(); n != 1 {
			t.Errorf("%d connections to Discord", n)
		}
		if chat.Recalled(group, "", many+1) || len(w.Messages("CTRUST")) != 2 {
			t.Errorf("something was done of what could not be stored: %d cards", len(w.Messages("CTRUST")))
		}

		room(t, l, 1_000_000)
		pass(time.Minute)
		if told := approve(small); !strings.Contains(told, "is approved") {
			t.Errorf("Theo is told, when there is room: %s", told)
		}
		if told := asks(fmt.Sprint(many + 3)); strings.Contains(told, again) {
			t.Errorf("Mina is told, when there is room: %s", told)
		}
		pass(2 * time.Minute)
		if n := len(chat.RecalledSeqs(group, "")); n != many+2 {
			t.Errorf("%d are recalled, want %d", n, many+2)
		}
		for _, card := range w.Messages("CTRUST")[:2] {
			var thread strings.Builder
			for _, m := range w.Thread("CTRUST", card.TS) {
				thread.WriteString(w.Picture(m))
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
