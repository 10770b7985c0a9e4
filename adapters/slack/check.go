package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"recallbot/bot"
)

// Check compares the configuration with the real workspace and returns what is missing. It counts
// people by the roster. It only reads; in Socket Mode it asks for the address of a connection, but
// opens none. An error means that Slack could not be asked.
func (a *Adapter) Check(ctx context.Context, roster bot.Roster) (bot.Findings, error) {
	var found bot.Findings
	if err := a.identify(ctx); err != nil {
		if u := unready("auth.test", err); !u.Remote {
			found.Bad(u.Mend, "%s", u.What)
			return found, nil
		}
		return nil, err // the error already says what was asked
	}
	h := a.home.Load()
	if h.everywhere {
		found.Well("the bot token works in the organisation %s", h.team)
	} else {
		found.Well("the bot token works in the workspace %s", h.team)
	}
	for _, p := range roster.People {
		for _, own := range p.Accounts {
			if own.Platform == ID && own.Workspace != "" && own.Workspace != h.team {
				found.Hint("if it is to be one of this workspace, write "+h.team+"/"+own.User+", or the user id alone",
					"the account %s/%s of %s in the roster is of another workspace than the bot's, and nobody here has it", own.Workspace, own.User, p.Name)
			}
		}
	}
	if !strings.HasPrefix(a.o.BotToken, "xoxb-") {
		found.Bad("set SLACK_BOT_TOKEN to the bot user's token", "the bot token is not of the kind xoxb-")
	}
	for _, s := range Scopes {
		if !h.has(s) {
			found.Bad("add it under OAuth & Permissions and install the app again", "the scope %s is missing", s)
		}
	}
	for _, s := range h.scopes {
		if !slices.Contains(Scopes, s) && s != "chat:write.public" {
			found.Hint("take it away under OAuth & Permissions", "the scope %s is not needed", s)
		}
	}
	if a.sockets != nil {
		if _, _, err := a.api.StartSocketModeContext(ctx); err != nil {
			u := unready(openMethod, err)
			if u.Remote {
				return found, fmt.Errorf("asking Slack for a connection: %w", clean(err))
			}
			found.Bad(u.Mend, "%s", u.What)
		} else {
			found.Well("the app token works and Socket Mode is on")
		}
	}

	crowd := a.o.Bot.PolicyNow().Crowds[ID]
	if crowd.AnyChannel {
		found.Well("the bot may be used in every channel")
	}
	// A refusal of Slack to answer is a finding, and the check of that item ends. A temporary
	// failure is an error.
	unasked := func(what string, err error) error {
		if u := unready(what, err); !u.Remote {
			found.Bad(u.Mend, "%s could not be looked at: %s", what, code(err))
			return nil
		}
		return fmt.Errorf("asking Slack about %s: %w", what, clean(err))
	}
	for _, c := range crowd.Channels {
		trouble, err := a.placeTrouble(ctx, c, askedFor)
		switch {
		case err != nil:
			if err := unasked("the channel "+c, err); err != nil {
				return found, err
			}
		case trouble == "":
			found.Well("the channel %s can be posted to", c)
		default:
			place := placeTroubles[trouble]
			found.Bad(place.mend, "the channel %s %s", c, place.what)
		}
	}

	approvers, known, err := a.checkPeople(ctx, crowd.Approvers, &found, unasked)
	if err != nil {
		return found, err
	}
	requesters, knownToo, err := a.checkPeople(ctx, crowd.Requesters, &found, unasked)
	if err != nil || !known || !knownToo {
		return found, err // the number of people is unknown
	}
	policy := a.o.Bot.PolicyNow()
	need := max(policy.Approvals, policy.LargeApprovals)
	if len(requesters) == 0 {
		found.Bad("set SLACK_REQUESTERS", "nobody on Slack may ask for a recall")
	} else {
		found.Well("%s may ask for a recall", bot.CountAccounts(len(requesters)))
	}
	// Count as Decide does: people count, not accounts, and the requester does not.
	asker := bot.Member{}
	for _, id := range approvers {
		asker.Approvers = append(asker.Approvers, a.account(id))
	}
	most, least := 0, len(approvers)
	var short []string // people whose requests nobody could approve
	for _, id := range requesters {
		asker.Account = a.account(id)
		have := policy.Others(asker, roster)
		if most, least = max(most, have), min(least, have); have < need {
			short = append(short, id)
		}
	}
	if len(requesters) == 0 {
		asker.Account = bot.Account{Platform: ID}
		most = policy.Others(asker, roster)
	}
	switch {
	case len(approvers) == 0:
		found.Bad("set SLACK_APPROVERS", "nobody on Slack may approve")
	case most < need:
		found.Bad("add approvers, or lower POLICY_APPROVALS or POLICY_LARGE_APPROVALS",
			"%s besides whoever asks may approve, and as many as %d approvals are needed: such requests are refused",
			bot.CountPeople(most), need)
	case len(short) > 0:
		found.Hint("add an approver",
			"%s besides them may approve what these accounts ask, and as many as %d approvals are needed, so that it is refused: %s",
			bot.CountPeople(least), need, strings.Join(short, ", "))
	default:
		found.Well("%s may approve, and as many as %d approvals are needed", bot.CountAccounts(len(approvers)), need)
	}
	return found, nil
}

// placeTroubles say what is wrong with a channel, and how to mend it.
var placeTroubles = map[bot.Trouble]struct{ what, mend string }{
	bot.TroubleNotInChannel: {"does not exist, or the bot is not in it",
		"invite the bot there (/invite @recallbot), and compare the id with SLACK_CHANNELS"},
	bot.TroubleArchived: {"is archived", "take it out of SLACK_CHANNELS, or unarchive it"},
	bot.TroubleExtShared: {"is shared with another organisation, whose members would see the messages",
		"use a channel that no other organisation sees"},
	bot.TroubleDirectMessage: {"is a direct message", "use a channel; direct messages are refused"},
	bot.TroubleUnknown:       {"could not be looked at", "look at the id in SLACK_CHANNELS"},
}

// userTroubles say why an account in the policy may not act.
var userTroubles = map[bot.Trouble]string{
	bot.TroubleBot: "is a bot", bot.TroubleWorkflow: "is a workflow", bot.TroubleDeactivated: "is deactivated",
	bot.TroubleGuest:   "is a guest",
	bot.TroubleForeign: "is nobody of this workspace", bot.TroubleUnknown: "could not be looked at",
}

// checkPeople resolves principals to the accounts that may act. known is false when Slack refused
// to answer for some of them.
func (a *Adapter) checkPeople(ctx context.Context, list []bot.Principal, found *bot.Findings,
	unasked func(what string, err error) error) (able []string, known bool, err error) {
	var ids []string
	known = true
	for _, p := range list {
		if p.Group == "" {
			ids = append(ids, p.User)
			continue
		}
		c, err := a.groupMembers(ctx, p.Group, true)
		if c.refused != "" {
			known = false
			found.Bad(mends[c.refused], "the user group %s could not be looked at: %s", p.Group, c.refused)
			continue
		}
		if err != nil {
			known = false
			if err := unasked("the user group "+p.Group, err); err != nil {
				return nil, false, err
			}
			continue
		}
		if len(c.members) == 0 {
			found.Bad("enable it, put people into it, or correct the id",
				"the user group %s has nobody in it, is disabled, or does not exist", p.Group)
		}
		ids = append(ids, c.members...)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		f, err := a.face(ctx, id, true)
		if err != nil {
			known = false
			if err := unasked("the account "+id, err); err != nil {
				return nil, false, err
			}
			continue
		}
		if f.trouble != "" {
			found.Bad("correct the id, or take the account out", "the account %s %s, so it may neither ask nor approve",
				id, userTroubles[f.trouble])
			continue
		}
		able = append(able, id)
	}
	return able, known, nil
}
