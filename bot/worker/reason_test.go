package worker_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestReasons: the audit log has the HMAC of a reason and not its words, which lie in the request;
// another reason in their place is found; and with AUDIT_REASON=ttl they are forgotten with the
// evidence, which the verifier says and which breaks nothing.
func TestReasons(t *testing.T) {
	for _, forget := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(o *bot.Options) { o.EvidenceTTL, o.ForgetReasons = time.Hour, forget })
			h.say(2)
			c := h.proposed(testGroup + ` 1-2 reason:"doxxing of Lena"`)
			h.do("UTHEO", intake.Act{Kind: intake.ActReject, Request: c.ID, Digest: c.Digest, Reason: "she agreed"})
			h.within(time.Minute, c.ID, bot.Rejected)
			log, marks := "", 0
			read := func(fn func(bot.Tx) error) {
				t.Helper()
				if err := h.ledger.View(t.Context(), fn); err != nil {
					t.Fatal(err)
				}
			}
			read(func(tx bot.Tx) error {
				all, err := tx.Entries(1, 1000)
				for _, e := range all {
					log += string(e.Detail) + string(e.Person) + "\n"
					marks += strings.Count(string(e.Detail), `"reason":"`)
				}
				return err
			})
			if marks != 2 || strings.Contains(log, "Lena") || strings.Contains(log, "agreed") {
				t.Errorf("%d reasons in the log:\n%s", marks, log)
			}
			verify := func() (bot.Verified, error) { return bot.VerifyAudit(t.Context(), h.ledger, "") }
			if found, err := verify(); err != nil || found.Forgotten != 0 {
				t.Errorf("verified %+v, %v", found, err)
			}
			change := func(to func(*bot.Request)) {
				t.Helper()
				if err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
					r, err := tx.Request(c.ID)
					to(&r)
					return errors.Join(err, tx.PutRequest(r))
				}); err != nil {
					t.Fatal(err)
				}
			}
			var asWritten bot.Request
			read(func(tx bot.Tx) (err error) { asWritten, err = tx.Request(c.ID); return err })
			for name, to := range map[string]func(*bot.Request){
				"another reason":    func(r *bot.Request) { r.Reason = "spam" },
				"no reason":         func(r *bot.Request) { r.Reason = "" },
				"another rejection": func(r *bot.Request) { r.EndReason = "no" },
				"no key":            func(r *bot.Request) { r.ReasonKey = nil },
			} {
				change(to)
				if _, err := verify(); err == nil || !strings.Contains(err.Error(), "reason of "+string(c.ID)) {
					t.Errorf("%s: %v", name, err)
				}
				change(func(r *bot.Request) { *r = asWritten })
			}
			h.pass(25 * time.Hour)
			found, err := verify()
			if err != nil || (found.Forgotten == 1) != forget {
				t.Errorf("forgotten %t: %+v, %v", forget, found, err)
			}
			read(func(tx bot.Tx) error {
				r, err := tx.Request(c.ID)
				if gone := r.Reason == "" && r.EndReason == "" && r.ReasonKey == nil; gone != forget {
					t.Errorf("forgotten %t: %q, %q", forget, r.Reason, r.EndReason)
				}
				return err
			})
		})
	}
}
