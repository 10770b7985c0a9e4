package intake

import (
	"slices"
	"strings"

	"recallbot/bot"
)

// whoami tells a person what the bot knows about them and what they may do here.
func (a *act) whoami() Answer {
	p, roster := a.in.Policy, a.in.Roster
	var l []bot.Line
	person, ok := roster.Of(a.e.By)
	switch {
	case !ok:
		l = append(l, bot.Say("answer.whoami.unknown"))
	case roster.Empty():
		l = append(l, bot.Say("answer.whoami.person", "person", bot.Quote(a.m.Name), "account",
			bot.Code(spoken(a.e.By))), bot.Say("answer.whoami.alone"))
	default:
		l = append(l, bot.Say("answer.whoami.person", "person", bot.Quote(string(person)), "account",
			bot.Code(spoken(a.e.By))))
		var others []string
		for _, own := range roster.Accounts(a.e.By) {
			if own != a.e.By {
				others = append(others, spoken(own))
			}
		}
		if others != nil {
			l = append(l, bot.Say("answer.whoami.linked", "accounts", bot.Code(strings.Join(others, ", "))))
		}
	}
	if no, ok := p.MayRead(a.m, roster).(*bot.Refusal); ok && no.Key != "not_allowed" {
		return Answer{Kind: Whisper, Lines: append(l, no.Why)}
	}
	crowd := p.Crowds[a.e.By.Platform]
	var in []string // the groups of the person that the policy names
	for _, g := range a.m.Groups {
		if bot.Names(slices.Concat(crowd.Requesters, crowd.Approvers), bot.Member{Groups: []string{g}}) {
			in = append(in, g)
		}
	}
	if in != nil {
		l = append(l, bot.Say("answer.whoami.groups", "groups", bot.Code(strings.Join(in, ", "))))
	}
	yes := func(may error) string {
		if may == nil {
			return "yes"
		}
		return "no"
	}
	read := p.MayRead(a.m, roster)
	l = append(l, bot.Say("answer.whoami.ask."+yes(p.MayAsk(a.m, roster))),
		bot.Say("answer.whoami.approve."+yes(p.MayApprove(a.m, roster))), bot.Say("answer.whoami.read."+yes(read)))
	if read == nil && len(p.Groups) > 0 {
		l = append(l, bot.Say("answer.whoami.touch", "patterns", bot.Code(strings.Join(p.Groups, ", "))))
	}
	return Answer{Kind: Whisper, Lines: l}
}

// spoken is an account as people read it: without the workspace where user ids need none.
func spoken(a bot.Account) string {
	if a.Workspace == "" || a.Workspace == a.Platform.Traits().Workspace {
		return string(a.Platform) + ":" + a.User
	}
	return a.String()
}
