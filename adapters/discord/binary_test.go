package discord_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/ledgertest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	site.Clean()
	os.Exit(code)
}

// TestBinaryGateway runs two replicas on one PostgreSQL and one Discord server, with the times that
// people get. One is connected; the other is ready, says that it waits, and takes over after a
// kill, and after a SIGTERM.
func TestBinaryGateway(t *testing.T) {
	t.Parallel()
	a := site.New(t, site.Options{Platforms: []bot.Platform{discord.ID},
		Env: []string{"DATABASE_URL=" + ledgertest.Postgres(t)}})
	b := site.New(t, site.Options{Platforms: []bot.Platform{discord.ID}})
	g := a.Home.(*discordtest.Home)
	b.Env = append(slices.Clone(a.Env), "HTTP_ADDR="+b.Addr)
	sessions := func() []discordtest.Session { return g.Sessions() }
	a.Start()
	a.Until("a connection", func() bool { return len(sessions()) == 1 })
	stands := func(s *site.Site) bool {
		return strings.Contains(s.Ready(), "another replica holds the Gateway connection")
	}
	b.Start()
	b.Until("the other to wait", func() bool { return stands(b) })
	if stands(a) || len(sessions()) != 1 {
		t.Errorf("%d connections; the first says %s", len(sessions()), a.Ready())
	}
	follows := func(s *site.Site, end func()) time.Duration {
		first := ""
		s.Until("one connection", func() bool {
			now := sessions()
			if len(now) == 1 {
				first = now[0].ID
			}
			return len(now) == 1
		})
		began := time.Now()
		end()
		s.Until("the other's connection", func() bool { now := sessions(); return len(now) == 1 && now[0].ID != first })
		return time.Since(began)
	}
	took := follows(b, a.Kill)
	t.Logf("connected %v after a kill", took)
	if took > 25*time.Second { // promised are 15 s; a busy machine is granted the rest
		t.Errorf("connected %v after a kill", took)
	}
	a.Start()
	a.Until("the first to wait", func() bool { return stands(a) })
	took = follows(a, func() { b.Signal(syscall.SIGTERM) })
	t.Logf("connected %v after SIGTERM", took)
	if took > 5*time.Second { // a lease that is not given up lasts longer
		t.Errorf("connected %v after SIGTERM", took)
	}
	<-b.Done()
	if err := a.Type(a.Mina, a.Trust, "/recalls whoami").Wait(t.Context()); err != nil {
		t.Errorf("a command after the takeovers: %v", err)
	}
}
