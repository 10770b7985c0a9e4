package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot/bottest"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"
)

// TestBinaryDiskFull fills the disk under the built binary, to the last byte, while it runs a
// request and another waits for its approval: once it lives on, once it is killed with the disk
// full and cannot even start. Who asks or approves is told to try again and nothing of it is done,
// calls end, what was recalled is known; when there is room again all of it goes on, and every
// request ends with the receipt that is true.
func TestBinaryDiskFull(t *testing.T) {
	t.Parallel()
	file, err := site.Build()
	if err != nil {
		t.Fatal(err)
	}
	os.Setenv(site.Built, file)
	ledgertest.SmallDisk(t, 8<<20, func(t *testing.T, disk string) {
		const many, again = 1000, "nothing was done. Please try again"
		database := "sqlite:" + filepath.Join(disk, "recallbot.db")
		s := newSite(t, "DATABASE_URL="+database, "CHAT_CALLS_PER_SECOND=20", "CHAT_READS_PER_SECOND=200")
		told := func(user string, deed func() bottest.Deed) string {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			before := s.Told(user)
			if d := deed(); d.Wait(ctx) != nil || !d.Acked() {
				t.Errorf("an event was not acknowledged: %s", d.Problem())
			}
			s.Until("answer to "+user, func() bool { return s.Told(user) != before })
			return strings.TrimPrefix(s.Told(user), before)
		}
		types := func(user, line string) string {
			return told(user, func() bottest.Deed { return s.Type(user, s.Trust, line) })
		}
		presses := func(card site.Card) string {
			return told(s.Theo, func() bottest.Deed { return s.Press(s.Theo, card.Ref, "Approve") })
		}
		newest := func() site.Card { c := s.Cards(); return c[len(c)-1] }
		calls := func() int { return s.Chat.Calls(recalltest.Recall) }
		asked := 0
		asks := func(n int) { // a new card that can be approved
			had := len(s.Cards())
			s.Say(n)
			s.Types(s.Mina, fmt.Sprintf("/recall %s %d-%d", site.Group, asked+1, asked+n))
			asked += n
			s.Until("card to approve", func() bool { return len(s.Cards()) == had+1 && s.Approvable() })
		}
		for round, killed := range []bool{false, true} {
			s.Start() // with a write-ahead log that has no room for much
			asks(2)
			small := newest()
			asks(many)
			began := calls()
			s.Approve()
			s.Until("calls", func() bool { return calls() > began+10 })
			free := ledgertest.Fill(t, disk)
			for n, said := 0, ""; !strings.Contains(said, again); n++ { // files have room that they do not use yet
				if said = types(s.Theo, "/recalls whoami"); n > 1000 {
					t.Fatalf("the disk is not full: %s", said)
				}
			}
			cards := len(s.Cards())
			one := fmt.Sprintf("/recall %s %d", site.Group, asked+1)
			if said := types(s.Mina, one); !strings.Contains(said, again) {
				t.Errorf("Mina is told: %s", said)
			}
			if said := presses(small); !strings.Contains(said, again) {
				t.Errorf("Theo is told: %s", said)
			}
			s.Until("end of the calls",
				func() bool { before := calls(); time.Sleep(3 * time.Second); return calls() == before })
			if calls() == began+many/10 {
				t.Fatal("all calls are made already: this shows nothing")
			}
			if out, code := s.Run(s.Env, "audit", "verify"); code != 0 {
				t.Errorf("audit verify on a full disk: %d\n%s", code, out)
			}
			t.Logf("full after %d of %d calls", calls()-began, many/10)
			if killed {
				s.Kill()
				aside := filepath.Join(t.TempDir(), "recallbot.db")
				for _, suffix := range []string{"", "-wal"} {
					b, err := os.ReadFile(filepath.Join(disk, "recallbot.db"+suffix))
					if err == nil {
						err = os.WriteFile(aside+suffix, b, 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if out, code := s.Run(append(s.Env, "DATABASE_URL=sqlite:"+aside), "audit", "verify"); code != 0 {
					t.Errorf("audit verify of what was left by the kill: %d\n%s", code, out)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, s.File)
				cmd.Dir, cmd.Env = s.Dir, s.Env
				switch out, err := cmd.CombinedOutput(); {
				case ctx.Err() != nil:
					t.Log("there was room for what a start stores")
				case cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "disk is full"):
					t.Errorf("starting on a full disk: %v\n%s", err, out)
				}
			}
			if len(s.Cards()) != cards || s.Chat.Recalled(site.Group, "", recalltest.Seq(asked-many)) {
				t.Error("something was done of what could not be stored")
			}
			free()
			if killed {
				s.Start()
			}
			s.Until("approval", func() bool { // again, where it comes before the process is back
				for _, card := range s.Cards() {
					if card.Ref == small.Ref && card.Approvable {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						s.Approves(ctx, card)
						time.Sleep(50 * time.Millisecond)
						return false
					}
				}
				return true
			})
			asks(1) // which nobody approves
			s.Until("receipts", func() bool { return len(s.Receipts()) >= 2*(round+1) })
			if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != asked-(round+1) {
				t.Errorf("%d are recalled of %d", n, asked)
			}
			if took, err := s.Stop(); err != nil || took > 10*time.Second {
				t.Errorf("SIGTERM: ended after %v: %v", took, err)
			}
		}
		for _, r := range s.Receipts() {
			if flat := site.Flat(r); !receiptOK.MatchString(flat) {
				t.Errorf("a receipt that does not call every message recalled:\n%s", r)
			}
		}
		if out, code := s.Run(s.Env, "audit", "verify"); code != 0 {
			t.Errorf("audit verify: %d\n%s", code, out)
		}
	})
}
