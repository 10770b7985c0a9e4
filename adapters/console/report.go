package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"

	"github.com/spf13/cobra"
)

// auditReport is the command that prints one request on a page for people who were not there.
func (c console) auditReport() *cobra.Command {
	return &cobra.Command{Use: "report ID",
		Short:   "Print one request for people: who asked and why, who approved by what right, what was removed",
		Example: indent("recallbot audit report R-7K3M9Q"), Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := command.ParseRequestID(args[0])
			if !ok {
				return usageError(fmt.Sprintf("%q is no request id, such as R-7K3M9Q", args[0]))
			}
			l, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer l.Close()
			text, err := Report(cmd.Context(), l, id)
			if err != nil {
				return err
			}
			_, err = io.WriteString(c.out, text)
			return err
		}}
}

// report is what is known of one request: what the database keeps of it, and its entries in the
// audit log.
type report struct {
	strings.Builder
	r        bot.Request
	entries  []bot.Entry
	restores []bot.Entry // since it was asked
	counts   map[bot.Class]int
	rests    map[bot.Confirmation]int
	senders  map[bot.Class]map[recall.UserID]int
	verified bot.Verified
	broken   error // why the audit log does not hold
}

// Report returns what is known of a request, for people who were not there. It is complete even
// where the audit log does not hold, and says so.
func Report(ctx context.Context, l bot.Ledger, id bot.RequestID) (string, error) {
	p := report{senders: map[bot.Class]map[recall.UserID]int{}}
	if err := l.View(ctx, func(tx bot.Tx) error { return p.read(tx, id) }); err != nil {
		return "", err
	}
	err := entries(ctx, l, func(e bot.Entry) error {
		switch {
		case e.Request == id:
			p.entries = append(p.entries, e)
		case e.What == "restored" && !e.At.Before(p.r.Asked):
			p.restores = append(p.restores, e)
		}
		return nil
	})
	if _, broken := errors.AsType[*bot.BrokenChain](err); err != nil && !broken {
		return "", err
	}
	p.verified, p.broken = bot.VerifyAudit(ctx, l, p.r.AuditHead)
	p.write()
	return p.String(), nil
}

// read reads the request, and how many messages of whom ended how.
func (p *report) read(tx bot.Tx, id bot.RequestID) (err error) {
	if p.r, err = tx.Request(id); errors.Is(err, bot.ErrNotFound) {
		return fmt.Errorf("there is no request %s in this database", id)
	} else if err != nil {
		return err
	}
	if p.counts, err = tx.Progress(id); err != nil {
		return err
	}
	if p.rests, err = tx.Rests(id); err != nil {
		return err
	}
	const atOnce = 1000
	for from := bot.MessageID(0); ; {
		page, err := tx.Sealed(id, from, atOnce)
		if err != nil {
			return err
		}
		for _, m := range page {
			of := p.senders[m.Outcome.Class]
			if of == nil {
				of = map[recall.UserID]int{}
				p.senders[m.Outcome.Class] = of
			}
			of[m.Sender]++
		}
		if len(page) < atOnce {
			return nil
		}
		from = page[len(page)-1].ID() + 1
	}
}

func (p *report) line(format string, args ...any) { fmt.Fprintf(p, "  "+format+"\n", args...) }

func (p *report) head(words string) { fmt.Fprintf(p, "\n%s\n", words) }

func at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// who is a person by name and account; either is text of others.
func who(name, account string) string {
	if name == "" || name == account {
		return bot.Visible(account)
	}
	return fmt.Sprintf("%s (%s)", bot.Visible(name), bot.Visible(account))
}

func whose(a bot.Actor) string {
	name := string(a.Person)
	if name == a.Account.String() { // there was no roster
		name = a.Name
	}
	return who(name, a.Account.String())
}

func (p *report) write() {
	r := p.r
	fmt.Fprintf(p, "Request %s: %s\n", r.ID, r.State)
	if r.Scope.Sweeps() {
		p.line("app %d, messages of %s in %s", r.App, bot.Visible(string(r.Scope.Filter.From)),
			plural(len(r.Parts), "group"))
	} else {
		p.line("app %d, group %s", r.App, groupOf(r.Only()))
	}
	for _, part := range r.Parts {
		if r.Scope.Sweeps() {
			p.line("group %s", groupOf(part))
		}
		if n := part.Covers.Count(); n > 0 {
			p.line("%s: %s", plural(n, "message"), part.Covers.Words())
		}
	}
	p.head("Who asked, and why")
	p.line("%s: %s, by the right of %s", at(r.Asked), whose(r.By), p.right("asked", r.By))
	p.reason("Reason", r.Reason)
	p.head("Who decided")
	p.decided()
	p.head("The rule then")
	p.rule()
	p.head("What became of the messages")
	p.outcomes()
	p.head("When")
	for _, step := range []struct {
		name string
		at   time.Time
	}{{"asked", r.Asked}, {"sealed and shown", r.Sealed}, {"approved", r.Granted}, {"first call", r.Begun},
		{"told to stop", r.StopAt}, {"ended", r.Ended}} {
		if !step.at.IsZero() {
			p.line("%-17s %s", step.name, at(step.at))
		}
	}
	p.head("Proof")
	p.proof()
	p.head("Refused on the way")
	p.refused()
	p.head("Restores of the database since it was asked")
	for _, e := range p.restores {
		p.line("%s: what was unfinished was read back before anything was sent again", at(e.At))
	}
	if len(p.restores) == 0 {
		p.line("none that it knows of")
	}
	p.head("Was anything changed")
	if p.broken != nil {
		p.line("YES, or it cannot be told: %v", p.broken)
	} else {
		p.line("no: the audit log has %d entries, its chain holds and contains the receipts", p.verified.N)
		p.line("the reasons are those that were written; where they are forgotten, this page says so")
		p.line("whoever has the database could write all of it anew: compare with a receipt that was kept (audit verify)")
	}
}

// groupOf names the group of a part by its id and name.
func groupOf(p bot.Part) string {
	group := string(p.Group)
	if p.Facts.Name != "" {
		group += " " + bot.Visible(p.Facts.Name)
	}
	if p.Topic != "" {
		group += ", topic " + string(p.Topic)
	}
	return group
}

// reason writes what a person gave as reason.
func (p *report) reason(what, words string) {
	switch {
	case words != "":
		p.line("%s: %s", what, bot.Visible(words))
	case p.r.ReasonsForgotten:
		p.line("%s: forgotten (AUDIT_REASON=ttl), if one was given", what)
	default:
		p.line("%s: none was given", what)
	}
}

// detail reads the detail of an entry.
func detail(e bot.Entry) (d struct {
	Right string `json:"right"`
	Why   string `json:"why"`
	Act   string `json:"act"`
	Verb  string `json:"verb"`
}) {
	_ = json.Unmarshal(e.Detail, &d) // one that cannot be read tells nothing: audit verify reports it
	return d
}

// right is by what entry of the policy somebody acted, as the audit log has it. Earlier versions
// did not write it: then it is what the policy of then says of the account.
func (p *report) right(what string, by bot.Actor) string {
	for _, e := range slices.Backward(p.entries) {
		if right := detail(e).Right; e.What == what && e.Actor == by.Account.String() && right != "" {
			return right
		}
	}
	crowd := p.r.Policy.Crowds[by.Account.Platform]
	list := crowd.Approvers
	if what == "asked" {
		list = crowd.Requesters
	}
	var groups []string
	for _, entry := range list {
		if entry.User == by.Account.User {
			return "user " + entry.User
		}
		if entry.Group != "" {
			groups = append(groups, entry.Group)
		}
	}
	if len(groups) == 0 {
		return "nothing in the policy of then"
	}
	return "a group (" + strings.Join(groups, ", ") + "), which one the log of that version does not say"
}

func (p *report) decided() {
	for _, a := range p.r.Approvals {
		p.line("%s: approved by %s, by the right of %s", at(a.At), whose(a.By), p.right("approved", a.By))
	}
	for _, e := range p.entries {
		switch e.What {
		case string(bot.Rejected), string(bot.Withdrawn), "stopping", string(bot.Stopped):
			if e.Actor != "bot" {
				p.line("%s: %s by %s", at(e.At), e.What, who(cmp.Or(string(e.Name), string(e.Person)), e.Actor))
			}
		case "approved":
			stands := func(a bot.Approval) bool { return a.By.Account.String() == e.Actor }
			if !slices.ContainsFunc(p.r.Approvals, stands) {
				p.line("%s: approved by %s, who took it back", at(e.At), who(string(e.Name), e.Actor))
			}
		case string(bot.Expired), string(bot.NotStarted):
			p.line("%s: %s", at(e.At), e.What)
		case "refused by the bot":
			p.line("%s: refused by the bot (%s)", at(e.At), detail(e).Why)
		}
	}
	if p.r.State == bot.Rejected {
		p.reason("Reason of the rejection", p.r.EndReason)
	}
}

// rule says what was needed then, and whether it was kept.
func (p *report) rule() {
	r := p.r
	p.line("%s besides the requester; from %d messages that would be sent, %d", plural(r.Policy.Approvals, "approval"),
		r.Policy.LargeFrom, max(r.Policy.Approvals, r.Policy.LargeApprovals))
	for _, platform := range slices.Sorted(maps.Keys(r.Policy.Crowds)) {
		var of []string
		for _, a := range r.Policy.Crowds[platform].Approvers {
			if a.Group != "" {
				of = append(of, "group "+a.Group)
			} else {
				of = append(of, "user "+a.User)
			}
		}
		p.line("approvers on %s: %s", platform, cmp.Or(strings.Join(of, ", "), "nobody"))
	}
	if r.Granted.IsZero() {
		p.line("It was not approved, so no call was made.")
		return
	}
	people := map[bot.PersonID]bool{}
	kept := true
	for _, a := range r.Approvals {
		people[a.By.Person] = true
		kept = kept && a.By.Person != r.By.Person && a.Digest == r.Digest && !a.At.After(r.Granted) &&
			(r.Begun.IsZero() || !r.Begun.Before(a.At))
	}
	kept = kept && len(people) >= r.Needed
	verdict := "KEPT"
	if !kept {
		verdict = "NOT KEPT"
	}
	p.line("%s: %d needed, %d given, by people other than the requester, for the digest %.16s, before the first call",
		verdict, r.Needed, len(people), r.Digest)
	if r.Blind {
		p.line("BLIND: the group keeps no history, so %s approved unread", plural(r.Tally.Unread, "message"))
	}
}

func (p *report) outcomes() {
	if !p.r.State.HasReceipt() {
		p.line("none was recalled: the request is %s", p.r.State)
		return
	}
	for _, class := range bot.Classes() {
		if p.counts[class] == 0 {
			continue
		}
		p.line("%-17s %d: %s", class, p.counts[class], senders(p.senders[class]))
	}
	for _, part := range p.r.Parts {
		if n := part.StillShown.Count(); n > 0 {
			p.line("WARNING: history still showed %s of %s that the API had answered as recalled: %s",
				plural(n, "message"), groupOf(part), part.StillShown.Words())
		}
	}
}

// senders lists who sent how many, most first.
func senders(of map[recall.UserID]int) string {
	ids := slices.SortedFunc(maps.Keys(of), func(a, b recall.UserID) int {
		return cmp.Or(of[b]-of[a], strings.Compare(string(a), string(b)))
	})
	const most = 20
	var l []string
	for _, id := range ids[:min(len(ids), most)] {
		l = append(l, fmt.Sprintf("%s %d", cmp.Or(bot.Visible(string(id)), "(sender not read)"), of[id]))
	}
	if more := len(ids) - most; more > 0 {
		l = append(l, fmt.Sprintf("and %s more", plural(more, "sender")))
	}
	return strings.Join(l, ", ")
}

func (p *report) proof() {
	if !p.r.State.HasReceipt() {
		p.line("there is no receipt: nothing was sent")
		return
	}
	if n := p.counts[bot.ClassRecalled]; n > 0 {
		p.line("of %d recalled: %d confirmed by callback, %d by history, %d by the API's answer alone", n,
			p.rests[bot.ByCallback], p.rests[bot.ByHistory], p.rests[bot.ByAnswer])
	}
	calls := 0
	for _, e := range p.entries {
		if e.What == bot.TraceCall && strings.Contains(string(e.Detail), `"op":"group_msg_recall"`) {
			calls++
		}
	}
	p.line("%s of the recall API, each an entry of the audit log with its answer", plural(calls, "call"))
	if p.r.AuditHead != "" {
		p.line("receipt %s, audit log head %s", p.r.ReceiptNumber(), p.r.AuditHead)
	}
}

func (p *report) refused() {
	none := true
	for _, e := range p.entries {
		if e.What != "refused" {
			continue
		}
		none = false
		d := detail(e)
		p.line("%s: %s, %s: %s", at(e.At), who(cmp.Or(string(e.Name), string(e.Person)), e.Actor),
			cmp.Or(d.Verb, d.Act), d.Why)
	}
	if none {
		p.line("nothing")
	}
}
