package slack

// This file asks Slack who acts and where: whether an account may act, which of the policy's groups
// it is in, and whether the bot can work in the channel. Answers are used again for less than a
// minute, and never for a decision.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"
)

// askedFor is how long Slack's answer about an account or a channel may be used again, for recall
// requests and for reading. For a decision Slack is always asked.
const askedFor = 55 * time.Second

// face is Slack's answer about a user, without groups.
type face struct {
	name    string
	trouble bot.Trouble
}

// approversThen returns the groups that count for a decision in addition to those of the present
// policy: the approvers' groups at the time of the request.
func (a *Adapter) approversThen(ctx context.Context, act intake.Act) ([]string, error) {
	switch act.Kind {
	case intake.ActApprove, intake.ActAskApprove, intake.ActReject, intake.ActAskReject:
		return a.o.Bot.ApproversThen(ctx, act.Request, ID)
	}
	return nil, nil
}

// cached returns who acted and where, if Slack was asked everything that is needed within the last
// minute. then are groups that count in addition to the policy's. It makes no calls.
func (a *Adapter) cached(e intake.Event, then []string) (bot.Member, bot.Place, bool) {
	m := bot.Member{Account: e.By}
	v, ok := a.asked.Get("user " + e.By.User)
	if !ok {
		return m, e.Place, false
	}
	f := v.(face)
	m.Name, m.Trouble = f.name, f.trouble
	for _, g := range a.groups(then) {
		v, ok := a.asked.Get("group " + g)
		if !ok {
			return m, e.Place, false
		}
		if slices.Contains(v.([]string), e.By.User) {
			m.Groups = append(m.Groups, g)
		}
	}
	a.countApprovers(&m)
	place := e.Place
	trouble, ok := a.cachedPlace(e.Place.Channel)
	place.Trouble = trouble
	return m, place, ok
}

// resolve asks Slack who acted and where, within ctx. With fresh it asks for the account and for
// the approvers' groups even if they are cached. The requesters' groups may come from the cache,
// since they do not matter for a decision and Slack allows about 20 such calls a minute. An error
// means that Slack did not answer.
func (a *Adapter) resolve(ctx context.Context, e intake.Event, then []string, fresh bool) (bot.Member, bot.Place,
	error) {
	m, place := bot.Member{Account: e.By, Name: e.Name}, e.Place
	groups := a.groups(then)
	approvers := a.o.Bot.PolicyNow().Crowds[ID].Approvers
	decides := func(group string) bool {
		return slices.Contains(then, group) || slices.ContainsFunc(approvers,
			func(p bot.Principal) bool { return p.Group == group })
	}
	in := make([]bool, len(groups))
	asking, ctx := errgroup.WithContext(ctx)
	asking.Go(func() error {
		f, err := a.face(ctx, e.By.User, fresh)
		m.Name, m.Trouble = f.name, f.trouble
		return err
	})
	for i, g := range groups {
		asking.Go(func() error {
			members, err := a.groupMembers(ctx, g, fresh && decides(g))
			in[i] = slices.Contains(members, e.By.User)
			return err
		})
	}
	asking.Go(func() error {
		trouble, err := a.placeTrouble(ctx, e.Place.Channel)
		place.Trouble = trouble
		return err
	})
	if err := asking.Wait(); err != nil {
		return m, place, err
	}
	for i, g := range groups {
		if in[i] {
			m.Groups = append(m.Groups, g)
		}
	}
	a.countApprovers(&m)
	return m, place, nil
}

// countApprovers sets who could approve now, from the groups as they were last read.
func (a *Adapter) countApprovers(m *bot.Member) {
	m.Approvers, m.ApproversKnown = nil, true
	for _, p := range a.o.Bot.PolicyNow().Crowds[ID].Approvers {
		users := []string{p.User}
		if p.Group != "" {
			v, ok := a.asked.Get("group " + p.Group)
			if !ok {
				m.Approvers, m.ApproversKnown = nil, false
				return
			}
			users = v.([]string)
		}
		for _, u := range users {
			if account := a.account(u); !slices.Contains(m.Approvers, account) {
				m.Approvers = append(m.Approvers, account)
			}
		}
	}
}

// groups returns the user groups that the policy names, and those of then.
func (a *Adapter) groups(then []string) []string {
	crowd := a.o.Bot.PolicyNow().Crowds[ID]
	ids := slices.Clone(then)
	for _, p := range slices.Concat(crowd.Requesters, crowd.Approvers) {
		if p.Group != "" && !slices.Contains(ids, p.Group) {
			ids = append(ids, p.Group)
		}
	}
	return ids
}

// face returns a user's face, from the cache or by users.info.
func (a *Adapter) face(ctx context.Context, user string, fresh bool) (face, error) {
	if v, ok := a.asked.Get("user " + user); ok && !fresh {
		return v.(face), nil
	}
	var u *slackgo.User
	err := a.patiently(ctx, func() (err error) {
		u, err = a.api.GetUserInfoContext(ctx, user)
		return err
	})
	var f face
	switch code(err) {
	case "":
		if err != nil {
			return face{trouble: bot.TroubleUnknown}, err
		}
		f = face{name: firstOf(u.Profile.DisplayName, u.RealName, u.Name), trouble: a.userTrouble(u)}
	case "user_not_found", "users_not_found", "user_not_visible":
		// Not a member of this workspace: Slack knows every member.
		f = face{trouble: bot.TroubleForeign}
	default:
		return face{trouble: bot.TroubleUnknown}, err
	}
	a.keep("user "+user, f)
	return f, nil
}

// userTrouble returns why an account may not act, "" if it may. A member belongs to the bot's own
// workspace or organisation. is_stranger is not sufficient, since it is false for everybody who
// shares a channel with the workspace.
func (a *Adapter) userTrouble(u *slackgo.User) bot.Trouble {
	h := a.home.Load()
	ours := h != nil && u.TeamID != "" && u.TeamID == h.team
	if h != nil && h.enterprise != "" && u.Enterprise.EnterpriseID == h.enterprise {
		ours = true
	}
	switch {
	case u.Deleted:
		return bot.TroubleDeactivated
	case u.IsWorkflowBot:
		return bot.TroubleWorkflow
	case u.IsBot, u.IsConnectorBot, u.ID == "USLACKBOT":
		return bot.TroubleBot
	case u.IsStranger, !ours:
		return bot.TroubleForeign
	case u.IsRestricted, u.IsUltraRestricted, u.IsInvitedUser:
		return bot.TroubleGuest
	}
	return ""
}

// groupMembers calls usergroups.users.list. A disabled or deleted group has no members.
func (a *Adapter) groupMembers(ctx context.Context, group string, fresh bool) ([]string, error) {
	if v, ok := a.asked.Get("group " + group); ok && !fresh {
		return v.([]string), nil
	}
	var options []slackgo.GetUserGroupMembersOption
	if h := a.home.Load(); h != nil && h.enterprise != "" {
		options = append(options, slackgo.GetUserGroupMembersOptionTeamID(h.team))
	}
	var members []string
	err := a.patiently(ctx, func() (err error) {
		members, err = a.api.GetUserGroupMembersContext(ctx, group, options...)
		return err
	})
	switch code(err) {
	case "":
		if err != nil {
			return nil, err
		}
	case "no_such_subteam", "subteam_not_found", "subteam_disabled", "usergroup_disabled", "usergroup_not_found",
		"no_users":
		members = nil
	default:
		return nil, err
	}
	a.keep("group "+group, members)
	return members, nil
}

// cachedPlace returns the cached result of placeTrouble. It makes no calls.
func (a *Adapter) cachedPlace(channel string) (bot.Trouble, bool) {
	if isDirect(channel) {
		return bot.TroubleDirectMessage, true
	}
	v, ok := a.asked.Get("place " + channel)
	if !ok {
		return bot.TroubleUnknown, false
	}
	return v.(bot.Trouble), true
}

// placeTrouble returns why the bot cannot work in a channel, "" if it can.
func (a *Adapter) placeTrouble(ctx context.Context, channel string) (bot.Trouble, error) {
	if t, ok := a.cachedPlace(channel); ok {
		return t, nil
	}
	if channel == "" {
		return bot.TroubleUnknown, nil
	}
	var c *slackgo.Channel
	err := a.patiently(ctx, func() (err error) {
		c, err = a.api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: channel})
		return err
	})
	var t bot.Trouble
	switch code(err) {
	case "":
		if err != nil {
			return bot.TroubleUnknown, err
		}
		t = a.channelTrouble(c)
	case "channel_not_found", "method_not_supported_for_channel_type", "not_in_channel":
		// This is Slack's answer for a private channel to which the bot was not invited.
		t = bot.TroubleNotInChannel
	case "missing_scope":
		// With the scopes for public and for private channels, only a direct message of several
		// people remains.
		if h := a.home.Load(); h == nil || !h.has("channels:read") || !h.has("groups:read") {
			return bot.TroubleUnknown, err
		}
		t = bot.TroubleDirectMessage
	default:
		return bot.TroubleUnknown, err
	}
	a.keep("place "+channel, t)
	return t, nil
}

func (a *Adapter) channelTrouble(c *slackgo.Channel) bot.Trouble {
	h := a.home.Load()
	switch {
	case c.IsIM, c.IsMpIM:
		return bot.TroubleDirectMessage
	case c.IsArchived:
		return bot.TroubleArchived
	case c.IsExtShared, c.IsPendingExtShared:
		return bot.TroubleExtShared
	case c.IsMember:
		return ""
	case c.IsPrivate, h == nil, len(h.scopes) == 0, !h.has("chat:write.public"):
		return bot.TroubleNotInChannel
	}
	return ""
}

func isDirect(channel string) bool { return strings.HasPrefix(channel, "D") }

// keep caches an answer of Slack for askedFor.
func (a *Adapter) keep(key string, v any) {
	if a.asked.ItemCount() > 5000 {
		a.asked.DeleteExpired()
	}
	a.asked.SetDefault(key, v)
}

// patiently makes a reading call and repeats it after a temporary failure, as long as ctx allows.
func (a *Adapter) patiently(ctx context.Context, call func() error) error {
	for attempt := 0; ; attempt++ {
		err := call()
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause := 200 * time.Millisecond << min(attempt, 4)
		switch later := (*bot.Later)(nil); {
		case errors.As(classify(err), &later):
			pause = later.After
		case code(err) != "" && !passing(code(err)):
			return err
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
			return err
		}
		if sleep(ctx, pause) != nil {
			return err
		}
	}
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}
