package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"recallbot/bot"
	"recallbot/recall"
)

// judge applies the rules that join several variables, each only where the
// values it joins are right by themselves.
func (r *reading) judge(c Config) {
	r.judgeChat()
	r.judgePlatforms()
	r.judgePolicy(c)
	if r.given["INDEX"] && !r.bad["INDEX"] && c.Evidence.Index != bot.IndexOff && !r.given["CHAT_WEBHOOK_TOKEN"] {
		r.problem("INDEX", "needs the callbacks, which are off", "set CHAT_WEBHOOK_TOKEN, or write INDEX=off")
	}
	if !r.bad["HTTP_ADDR"] && !r.bad["ADMIN_ADDR"] && c.HTTP.Addr == c.HTTP.AdminAddr {
		if _, port, err := net.SplitHostPort(c.HTTP.Addr); err == nil && strings.Trim(port, "0") != "" {
			r.problem("ADMIN_ADDR", "is the same as HTTP_ADDR", "write another port, so that metrics stay apart")
		}
	}
}

func (r *reading) judgeChat() {
	if !r.given["CHAT_SDK_APP_ID"] {
		r.problem("CHAT_SDK_APP_ID", "is not set", "write the SDKAppID of the app, a number from its console")
	}
	switch key, sig := r.given["CHAT_SECRET_KEY"], r.given["CHAT_USER_SIG"]; {
	case !key && !sig:
		r.problem("CHAT_SECRET_KEY", "is not set, and neither is CHAT_USER_SIG", "set one of the two")
	case key && sig:
		r.problem("CHAT_USER_SIG", "is set, and so is CHAT_SECRET_KEY, which makes UserSigs", "keep one of the two")
	}
	if sig, err := recall.ParseUserSig(r.values["CHAT_USER_SIG"]); err == nil && !r.bad["CHAT_SDK_APP_ID"] &&
		!r.bad["CHAT_ADMIN"] {
		app, admin := r.values["CHAT_SDK_APP_ID"], r.values["CHAT_ADMIN"]
		if app != "" && (fmt.Sprint(sig.SDKAppID) != app || string(sig.User) != admin) {
			r.problem("CHAT_USER_SIG", fmt.Sprintf("is of %q for the app %d, not of %q for the app %s", sig.User,
				sig.SDKAppID, admin, app),
				"write one of CHAT_ADMIN for CHAT_SDK_APP_ID")
		}
	}
	if !r.given["CHAT_REGION"] && !r.given["CHAT_BASE_URL"] {
		r.problem("CHAT_REGION", "is not set, and neither is CHAT_BASE_URL",
			"write "+strings.Join(names(recall.Regions()), ", ")+" (where the app was created)")
	}
}

func (r *reading) judgePlatforms() {
	var switches []string
	some := false
	for _, p := range r.platforms {
		first := p.Variables[0]
		switches = append(switches, first.Name)
		name := r.anyGiven(p)
		if name == "" {
			continue
		}
		some = true
		if !r.given[first.Name] {
			r.problem(first.Name, "is not set, but "+name+" is",
				first.Missing+", or remove every "+p.prefix()+" variable")
		}
		for _, v := range p.Variables[1:] {
			if v.Missing != "" && !r.given[v.Name] {
				r.problem(v.Name, "is not set", v.Missing)
			}
		}
		if p.Judge != nil {
			problems, warnings := p.Judge(func(name string) bool { return r.given[name] })
			for _, p := range problems {
				r.problem(p.Variable, p.What, p.Mend)
			}
			r.warnings = append(r.warnings, warnings...)
		}
	}
	switch {
	case some:
	case len(switches) == 1:
		r.problem(switches[0], "is not set", r.platforms[0].Variables[0].Missing)
	case len(switches) > 1:
		r.problem(switches[0], "is not set, and neither is "+strings.Join(switches[1:], " or "),
			"set one of them, or several")
	}
}

// anyGiven returns the first of a platform's variables that is set, or "".
func (r *reading) anyGiven(p Platform) string {
	for _, v := range p.Variables {
		if r.given[v.Name] {
			return v.Name
		}
	}
	return ""
}

func (r *reading) judgePolicy(c Config) {
	// The default reminder may come too late for a short deadline, which is no
	// fault of who wrote the deadline: Warnings tells it.
	if r.given["POLICY_REMIND_AFTER"] && !r.bad["POLICY_REMIND_AFTER"] && !r.bad["POLICY_APPROVE_WITHIN"] &&
		c.Policy.RemindAfter >= c.Policy.ApproveWithin {
		r.problem("POLICY_REMIND_AFTER", fmt.Sprintf("%v is not before POLICY_APPROVE_WITHIN, %v", c.Policy.RemindAfter,
			c.Policy.ApproveWithin),
			fmt.Sprintf("write less, such as %v", c.Policy.ApproveWithin/3))
	}

	unknown := []string{"POLICY_APPROVALS", "POLICY_LARGE_FROM", "POLICY_LARGE_APPROVALS", "POLICY_MAX_MESSAGES",
		"POLICY_ROSTER_FILE"}
	for _, p := range r.platforms {
		unknown = append(unknown, p.Variables[0].Name, p.prefix()+"REQUESTERS", p.prefix()+"APPROVERS")
	}
	if slices.ContainsFunc(unknown, func(name string) bool { return r.bad[name] }) {
		return // what people there are is not known
	}
	for _, b := range r.benches(c) {
		most, known := b.most()
		if !known {
			continue
		}
		variable, needed := "POLICY_APPROVALS", c.Policy.Approvals
		if most >= needed {
			variable, needed = "POLICY_LARGE_APPROVALS", largest(c.Policy)
		}
		if most >= needed {
			continue
		}
		mend := "name more people in " + b.variables + ", or a group"
		if !c.Roster.Empty() {
			mend = "name more people in " + b.variables + " and in the roster"
		}
		if most > 0 {
			mend += fmt.Sprintf(", or write %s=%d", variable, most)
		}
		r.problem(variable, fmt.Sprintf("%s needed besides the requester, but %s can give %d at most",
			count(needed, "person is", "people are"), b.variables, most), mend)
	}
}

// largest is how many approvals a request can need at most: large ones only
// come when so many messages may be asked for.
func largest(p bot.Policy) int { return p.Needed(p.MaxMessages) }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// warn tells what is valid in a loaded configuration, but probably not meant.
func (r *reading) warn(c Config) {
	sides := r.sides(c)
	for _, s := range sides {
		for _, l := range []struct {
			variable, act string
			people        []bot.Principal
		}{{"REQUESTERS", "ask", s.Requesters}, {"APPROVERS", "approve", s.Approvers}} {
			if len(l.people) == 0 {
				r.warning(s.prefix+l.variable, "is empty: nobody may "+l.act+" here", "name those who may")
			}
			for _, p := range l.people {
				if p.User != "" && !c.Roster.Empty() && !lists(c.Roster, s.id, p.User) {
					r.warning(s.prefix+l.variable, p.User+" is not in the roster, so they may not "+l.act,
						"add them to POLICY_ROSTER_FILE")
				}
			}
		}
	}
	for _, b := range r.benches(c) {
		for _, who := range b.stranded(c.Policy.Approvals) {
			r.warning("POLICY_APPROVALS", fmt.Sprintf("what %s asks for cannot be approved: %s needed besides them", who,
				count(c.Policy.Approvals, "person is", "people are")), "name more people in "+b.variables)
		}
		if largest(c.Policy) == c.Policy.Approvals {
			continue
		}
		for _, who := range b.stranded(largest(c.Policy)) {
			if !slices.Contains(b.stranded(c.Policy.Approvals), who) {
				r.warning("POLICY_LARGE_APPROVALS", fmt.Sprintf(
					"large requests of %s cannot be approved: %s needed besides them", who,
					count(largest(c.Policy), "person is", "people are")), "name more people in "+b.variables)
			}
		}
	}
	if c.Policy.RemindAfter >= c.Policy.ApproveWithin {
		r.warning("POLICY_REMIND_AFTER", fmt.Sprintf("%v is not before POLICY_APPROVE_WITHIN, %v: nobody is reminded",
			c.Policy.RemindAfter, c.Policy.ApproveWithin),
			fmt.Sprintf("write less, such as %v", c.Policy.ApproveWithin/3))
	}
	if len(sides) > 1 && c.Roster.Empty() {
		r.warning("POLICY_ROSTER_FILE", "is not set: whoever has an account on two platforms counts as two people",
			"write a roster that joins the accounts of each person")
	}
}

// lists reports whether a roster has an account of that user.
func lists(roster bot.Roster, on bot.Platform, user string) bool {
	return slices.ContainsFunc(roster.People, func(p bot.Person) bool {
		return has(p, on, func(a bot.Account) bool { return a.User == user })
	})
}
