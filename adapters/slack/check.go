package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"recallbot/bot"
)

// Finding is one thing that Check looked at.
type Finding struct {
	What string // what was looked at, and what was found
	Mend string // what to do about it; "" when it is well
	// Hint: it works, but not as it might be meant.
	Hint bool
}

// Check tries the configuration against the real workspace and says what is missing. It reads only; in Socket Mode it asks for the address of
// a connection, but opens none. An error means that Slack could not be asked at all.
func (a *Adapter) Check(ctx context.Context) ([]Finding, error) {
	var found []Finding
	add := func(mend string, what string, args ...any) {
		found = append(found, Finding{What: fmt.Sprintf(what, args...), Mend: mend})
	}
	hint := func(mend string, what string, args ...any) {
		found = append(found, Finding{What: fmt.Sprintf(what, args...), Mend: mend, Hint: true})
	}

	if err := a.identify(ctx); err != nil {
		if u := unready("auth.test", err); !u.Remote {
			add(u.Mend, "%s", u.What)
			return found, nil
		}
		return nil, err // it says already what was asked
	}
	h := a.home.Load()
	add("", "the bot token works in the workspace %s", h.team)
	if !strings.HasPrefix(a.o.BotToken, "xoxb-") {
		add("set SLACK_BOT_TOKEN to the bot user's token", "the bot token is not of the kind xoxb-")
	}
	for _, s := range Scopes {
		if !h.has(s) {
			add("add it under OAuth & Permissions and install the app again", "the scope %s is missing", s)
		}
	}
	for _, s := range h.scopes {
		if !slices.Contains(Scopes, s) && s != "chat:write.public" {
			hint("take it away under OAuth & Permissions", "the scope %s is not needed", s)
		}
	}
	if a.sockets != nil {
		if _, _, err := a.api.StartSocketModeContext(ctx); err != nil {
			u := unready("apps.connections.open", err)
			if u.Remote {
				return found, fmt.Errorf("asking Slack for a connection: %w", clean(err))
			}
			add(u.Mend, "%s", u.What)
		} else {
			add("", "the app token works and Socket Mode is on")
		}
	}

	crowd := a.o.Bot.Policy().Crowds[bot.Slack]
	if crowd.AnyChannel {
		add("", "the bot may be used in every channel")
	}
	for _, c := range crowd.Channels {
		trouble, err := a.placeTrouble(ctx, c)
		switch {
		case err != nil:
			return found, fmt.Errorf("asking Slack about the channel %s: %w", c, clean(err))
		case trouble == "":
			add("", "the channel %s can be posted to", c)
		default:
			add(placeMend[trouble], "the channel %s cannot be used: %s", c, trouble)
		}
	}

	approvers, err := a.checkPeople(ctx, crowd.Approvers, add)
	if err != nil {
		return found, err
	}
	requesters, err := a.checkPeople(ctx, crowd.Requesters, add)
	if err != nil {
		return found, err
	}
	policy := a.o.Bot.Policy()
	need := max(policy.Approvals, policy.LargeApprovals)
	switch {
	case len(requesters) == 0:
		add("set SLACK_REQUESTERS", "nobody on Slack may ask for a recall")
	default:
		add("", "%d accounts may ask for a recall", len(requesters))
	}
	switch {
	case len(approvers) == 0:
		add("set SLACK_APPROVERS", "nobody on Slack may approve")
	case len(approvers) < need:
		add("add approvers, or lower POLICY_APPROVALS or POLICY_LARGE_APPROVALS", "%d accounts may approve, and %d approvals are needed", len(approvers), need)
	case len(approvers) == need && slices.ContainsFunc(requesters, func(r string) bool { return slices.Contains(approvers, r) }):
		hint("add an approver", "%d accounts may approve, just as many as are needed: a request by one of them cannot be approved on Slack alone", len(approvers))
	default:
		add("", "%d accounts may approve, and at most %d approvals are needed", len(approvers), need)
	}
	return found, nil
}

// placeMend says what to do about a channel.
var placeMend = map[bot.Trouble]string{
	bot.TroubleNotInChannel:  "invite the bot there (/invite), and compare the id with SLACK_CHANNELS",
	bot.TroubleArchived:      "take it out of SLACK_CHANNELS, or unarchive it",
	bot.TroubleExtShared:     "use a channel that no other organisation sees",
	bot.TroubleDirectMessage: "use a channel; direct messages are refused",
	bot.TroubleUnknown:       "look at the id in SLACK_CHANNELS",
}

// checkPeople resolves principals to the accounts that may really act.
func (a *Adapter) checkPeople(ctx context.Context, list []bot.Principal, add func(mend, what string, args ...any)) ([]string, error) {
	var ids []string
	for _, p := range list {
		if p.Group == "" {
			ids = append(ids, p.User)
			continue
		}
		members, err := a.groupMembers(ctx, p.Group, true)
		if err != nil {
			return nil, fmt.Errorf("asking Slack about the user group %s: %w", p.Group, clean(err))
		}
		if len(members) == 0 {
			add("enable it, put people into it, or correct the id", "the user group %s has nobody in it, is disabled, or does not exist", p.Group)
		}
		ids = append(ids, members...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var able []string
	for _, id := range ids {
		f, err := a.face(ctx, id, true)
		if err != nil {
			return nil, fmt.Errorf("asking Slack about the user %s: %w", id, clean(err))
		}
		if f.trouble != "" {
			add("correct the id, or take it out", "the account %s counts for nothing: %s", id, f.trouble)
			continue
		}
		able = append(able, id)
	}
	return able, nil
}
