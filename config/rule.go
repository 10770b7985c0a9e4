package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// judge applies the rules that join several variables, each only where the
// values it joins are right by themselves.
func (r *reading) judge(c Config) {
	r.judgeChat()
	r.judgePlatforms()
	r.judgePolicy(c)
	if r.given["INDEX"] && !r.bad["INDEX"] && c.Evidence.Index != IndexOff && !r.given["CHAT_WEBHOOK_TOKEN"] {
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
	if !r.given["CHAT_REGION"] && !r.given["CHAT_BASE_URL"] {
		r.problem("CHAT_REGION", "is not set, and neither is CHAT_BASE_URL",
			"write "+strings.Join(Regions, ", ")+" (where the app was created)")
	}
}

func (r *reading) judgePlatforms() {
	slack, discord := r.anyGiven("SLACK_"), r.anyGiven("DISCORD_")
	if slack == "" && discord == "" {
		r.problem("SLACK_BOT_TOKEN", "is not set, and neither is DISCORD_BOT_TOKEN", "set one of the two, or both")
	}
	if slack != "" {
		if !r.given["SLACK_BOT_TOKEN"] {
			r.problem("SLACK_BOT_TOKEN", "is not set, but "+slack+" is",
				"write the bot token (xoxb-...), or remove every SLACK_ variable")
		}
		if !r.given["SLACK_APP_TOKEN"] && !r.given["SLACK_SIGNING_SECRET"] {
			r.problem("SLACK_APP_TOKEN", "is not set, and neither is SLACK_SIGNING_SECRET",
				"set the app token (xapp-...) for Socket Mode, or the signing secret for HTTP")
		}
		if !r.given["SLACK_CHANNELS"] {
			r.problem("SLACK_CHANNELS", "is not set", "write the ids of the channels where the bot may be used, or any")
		}
	}
	if discord != "" {
		if !r.given["DISCORD_BOT_TOKEN"] {
			r.problem("DISCORD_BOT_TOKEN", "is not set, but "+discord+" is",
				"write the bot token, or remove every DISCORD_ variable")
		}
		if !r.given["DISCORD_APPLICATION_ID"] {
			r.problem("DISCORD_APPLICATION_ID", "is not set", "write the Application ID of the developer portal")
		}
		if !r.given["DISCORD_GUILDS"] {
			r.problem("DISCORD_GUILDS", "is not set", "write the ids of the guilds that the bot serves")
		}
		if !r.given["DISCORD_CHANNELS"] {
			r.problem("DISCORD_CHANNELS", "is not set",
				"write the ids of the channels where the bot may be used, or any")
		}
	}
}

// anyGiven returns the first variable with the prefix that is set, or "".
func (r *reading) anyGiven(prefix string) string {
	for _, e := range table {
		if strings.HasPrefix(e.Name, prefix) && r.given[e.Name] {
			return e.Name
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

	for _, name := range []string{"SLACK_BOT_TOKEN", "SLACK_REQUESTERS", "SLACK_APPROVERS", "DISCORD_BOT_TOKEN",
		"DISCORD_REQUESTERS", "DISCORD_APPROVERS",
		"POLICY_APPROVALS", "POLICY_LARGE_FROM", "POLICY_LARGE_APPROVALS", "POLICY_MAX_MESSAGES",
		"POLICY_ROSTER_FILE"} {
		if r.bad[name] {
			return // what people there are is not known
		}
	}
	for _, b := range c.benches() {
		most, known := b.most()
		if !known {
			continue
		}
		variable, needed := "POLICY_APPROVALS", c.Policy.Approvals
		if most >= needed {
			variable, needed = "POLICY_LARGE_APPROVALS", c.Policy.largest()
		}
		if most >= needed {
			continue
		}
		mend := "name more people in " + b.variables + ", or a group"
		if c.Policy.Roster != nil {
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
func (p Policy) largest() int {
	if p.LargeFrom > p.MaxMessages {
		return p.Approvals
	}
	return max(p.Approvals, p.LargeApprovals)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Warnings returns what is valid in a loaded configuration, but probably not meant.
func (c Config) Warnings() []Problem {
	var ps []Problem
	warn := func(variable, what, mend string) { ps = append(ps, Problem{variable, what, mend}) }

	platforms := c.platforms()
	for _, p := range platforms {
		if p.requesters.Nobody() {
			warn(p.prefix+"_REQUESTERS", "is empty: nobody may ask here", "name those who may")
		}
		if p.approvers.Nobody() {
			warn(p.prefix+"_APPROVERS", "is empty: nobody may approve here", "name those who may")
		}
		if c.Policy.Roster != nil {
			for _, id := range c.Policy.Roster.missing(p, p.requesters) {
				warn(p.prefix+"_REQUESTERS", id+" is not in the roster, so they may not ask",
					"add them to POLICY_ROSTER_FILE")
			}
			for _, id := range c.Policy.Roster.missing(p, p.approvers) {
				warn(p.prefix+"_APPROVERS", id+" is not in the roster, so they may not approve",
					"add them to POLICY_ROSTER_FILE")
			}
		}
	}
	if c.Slack.AppToken.Set() && len(c.Slack.SigningSecrets) > 0 {
		warn("SLACK_SIGNING_SECRET", "is not used: SLACK_APP_TOKEN is set, so events come over Socket Mode",
			"remove one of the two")
	}
	for _, b := range c.benches() {
		for _, who := range b.stranded(c.Policy.Approvals) {
			warn("POLICY_APPROVALS", fmt.Sprintf("what %s asks for cannot be approved: %s needed besides them", who,
				count(c.Policy.Approvals, "person is", "people are")), "name more people in "+b.variables)
		}
		if c.Policy.largest() == c.Policy.Approvals {
			continue
		}
		for _, who := range b.stranded(c.Policy.largest()) {
			if !slices.Contains(b.stranded(c.Policy.Approvals), who) {
				warn("POLICY_LARGE_APPROVALS", fmt.Sprintf(
					"large requests of %s cannot be approved: %s needed besides them", who,
					count(c.Policy.largest(), "person is", "people are")), "name more people in "+b.variables)
			}
		}
	}
	if c.Policy.RemindAfter >= c.Policy.ApproveWithin {
		warn("POLICY_REMIND_AFTER", fmt.Sprintf("%v is not before POLICY_APPROVE_WITHIN, %v: nobody is reminded",
			c.Policy.RemindAfter, c.Policy.ApproveWithin),
			fmt.Sprintf("write less, such as %v", c.Policy.ApproveWithin/3))
	}
	if len(platforms) > 1 && c.Policy.Roster == nil {
		warn("POLICY_ROSTER_FILE", "is not set: whoever has an account on both platforms counts as two people",
			"write a roster that joins the accounts of each person")
	}
	inTableOrder(ps)
	return ps
}

// missing returns the users of a list whose account is not in the roster.
func (r Roster) missing(p platform, list People) []string {
	var ids []string
	for _, id := range list.Users {
		if !slices.ContainsFunc(r, func(person Person) bool { return names(p.accounts(person), id) }) {
			ids = append(ids, id)
		}
	}
	return ids
}
