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

	"recallbot/adapters/slack/slacktest"
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
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	os.Setenv(builtBefore, file)
	ledgertest.SmallDisk(t, 8<<20, func(t *testing.T, disk string) {
		const many, again = 1000, "nothing was done. Please try again"
		database := "sqlite:" + filepath.Join(disk, "recallbot.db")
		s := newSite(t, "DATABASE_URL="+database, "CHAT_CALLS_PER_SECOND=20", "CHAT_READS_PER_SECOND=200")
		told := func(user string, d *slacktest.Delivery, had int) string {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := d.Wait(ctx); err != nil || !d.Acked() {
				t.Errorf("an event was not acknowledged: %v %s", err, d.Failure())
			}
			s.until("answer to "+user, func() bool { return len(s.slack.Ephemerals(user)) > had })
			return s.slack.Picture(s.slack.Ephemerals(user)[had])
		}
		types := func(user, command, text string) string {
			had := len(s.slack.Ephemerals(user))
			return told(user, s.slack.Command(user, "CTRUST", command, text), had)
		}
		presses := func(card slacktest.Message) string {
			had := len(s.slack.Ephemerals("UTHEO"))
			for _, b := range card.Buttons() {
				if b.Text == "Approve" {
					return told("UTHEO", s.slack.Press("UTHEO", card.Ref(), b.ActionID), had)
				}
			}
			t.Errorf("the card cannot be approved:\n%s", s.slack.Picture(card))
			return ""
		}
		newest := func() slacktest.Message { c := s.cards(); return c[len(c)-1] }
		calls := func() int { return s.chat.Calls(recalltest.Recall) }
		asked := 0
		asks := func(n int) { // a new card that can be approved
			had := len(s.cards())
			s.say(n)
			s.types("UMINA", "/recall", fmt.Sprintf("%s %d-%d", floodGroup, asked+1, asked+n))
			asked += n
			s.until("card to approve", func() bool { return len(s.cards()) == had+1 && s.approvable() })
		}
		for round, killed := range []bool{false, true} {
			s.start() // with a write-ahead log that has no room for much
			asks(2)
			small := newest()
			asks(many)
			began := calls()
			s.approve()
			s.until("calls", func() bool { return calls() > began+10 })
			free := ledgertest.Fill(t, disk)
			for n, said := 0, ""; !strings.Contains(said, again); n++ { // files have room that they do not use yet
				if said = types("UTHEO", "/recalls", "whoami"); n > 1000 {
					t.Fatalf("the disk is not full: %s", said)
				}
			}
			cards := len(s.cards())
			if said := types("UMINA", "/recall", fmt.Sprintf("%s %d", floodGroup, asked+1)); !strings.Contains(said,
				again) {
				t.Errorf("Mina is told: %s", said)
			}
			if said := presses(small); !strings.Contains(said, again) {
				t.Errorf("Theo is told: %s", said)
			}
			s.until("end of the calls",
				func() bool { before := calls(); time.Sleep(3 * time.Second); return calls() == before })
			if calls() == began+many/10 {
				t.Fatal("all calls are made already: this shows nothing")
			}
			if out, code := s.run(s.env, "audit", "verify"); code != 0 {
				t.Errorf("audit verify on a full disk: %d\n%s", code, out)
			}
			t.Logf("full after %d of %d calls", calls()-began, many/10)
			if killed {
				s.kill()
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
				if out, code := s.run(append(s.env, "DATABASE_URL=sqlite:"+aside), "audit", "verify"); code != 0 {
					t.Errorf("audit verify of what was left by the kill: %d\n%s", code, out)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, s.file)
				cmd.Dir, cmd.Env = s.dir, s.env
				switch out, err := cmd.CombinedOutput(); {
				case ctx.Err() != nil:
					t.Log("there was room for what a start stores")
				case cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "disk is full"):
					t.Errorf("starting on a full disk: %v\n%s", err, out)
				}
			}
			if len(s.cards()) != cards || s.chat.Recalled(floodGroup, "", recalltest.Seq(asked-many)) {
				t.Error("something was done of what could not be stored")
			}
			free()
			if killed {
				s.start()
			}
			s.until("approval", func() bool { // again, where it comes before the process is back
				card, _ := s.slack.Message(small.Ref())
				for _, b := range card.Buttons() {
					if b.Text == "Approve" {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						s.slack.Press("UTHEO", card.Ref(), b.ActionID).Wait(ctx)
						time.Sleep(50 * time.Millisecond)
						return false
					}
				}
				return true
			})
			asks(1) // which nobody approves
			s.until("receipts", func() bool { return len(s.receipts()) >= 2*(round+1) })
			if n := len(s.chat.RecalledSeqs(floodGroup, "")); n != asked-(round+1) {
				t.Errorf("%d are recalled of %d", n, asked)
			}
			if took, err := s.stop(); err != nil || took > 10*time.Second {
				t.Errorf("SIGTERM: ended after %v: %v", took, err)
			}
		}
		for _, r := range s.receipts() {
			if flat := strings.Join(strings.Fields(strings.ReplaceAll(r, "│", " ")),
				" "); !receiptOK.MatchString(flat) {
				t.Errorf("a receipt that does not call every message recalled:\n%s", r)
			}
		}
		if out, code := s.run(s.env, "audit", "verify"); code != 0 {
			t.Errorf("audit verify: %d\n%s", code, out)
		}
	})
}
