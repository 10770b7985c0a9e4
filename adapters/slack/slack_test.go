package slack

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"recallbot/adapters/adaptertest"
	"recallbot/bot"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

func TestCommand(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("There are no requests to show.") }
		})
		d := x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 100 101")
		x.acked(d)
		did := x.bot.Did()
		if len(did) != 1 {
			x.t.Fatalf("the bot was asked %d times, want once", len(did))
		}
		e, m := did[0].Event, did[0].Member
		if e.Act.Kind != intake.ActCommand || e.Act.Command != "recall" || e.Act.Text != "@TGS#2J4SZEAEL 100 101" {
			x.t.Errorf("act: %+v", e.Act)
		}
		if want := (bot.Account{Platform: ID, Workspace: "T0TEAM", User: "U0MINA"}); e.By != want ||
			m.Account != want {
			x.t.Errorf("by %v and %v, want %v", e.By, m.Account, want)
		}
		if e.Place.Channel != "C0TRUST" || e.Place.Trouble != "" {
			x.t.Errorf("place: %+v", e.Place)
		}
		if len(m.Groups) != 1 || m.Groups[0] != "S0MODS" || m.Trouble != "" {
			x.t.Errorf("member: %+v", m)
		}
		if got := x.told("U0MINA"); !strings.Contains(got, "There are no requests to show.") {
			x.t.Errorf("told: %s", got)
		}
		x.quiet()
	})
}

// TestCleanErrors: neither the address, which may hold a secret, nor what came in place of an
// answer is in an error.
func TestCleanErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nmy home address\r\n\r\n")
			c.Close()
		}
	}()
	_, err = http.Get("http://" + l.Addr().String() + "/secret")
	if err == nil || strings.Contains(clean(err).Error(), "home") || strings.Contains(clean(err).Error(), "secret") {
		t.Errorf("%v is told as %v", err, clean(err))
	}
}

// TestTroubleInOwnWords: /readyz shows it to anybody, so of what Slack answers only what looks as
// an error code does is in it.
func TestTroubleInOwnWords(t *testing.T) {
	for code, want := range map[string]string{
		"fatal_error": "auth.test: fatal_error", "foreign words": "auth.test: an answer that Slack does not document",
		"invalid_auth": "auth.test: invalid_auth",
	} {
		a := &Adapter{}
		a.unready.Store(unready("auth.test", slackgo.SlackErrorResponse{Err: code}))
		if words, _ := a.Trouble(); !strings.Contains(words, want) || strings.Contains(words, "foreign") {
			t.Errorf("%s is told as %q", code, words)
		}
	}
}
