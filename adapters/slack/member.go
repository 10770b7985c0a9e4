package slack

// This file asks Slack who acts and where: whether an account may act, which of the policy's groups
// it is in, whether the bot can work in the channel, and who could approve. Answers are used again
// for less than a minute, and never for a decision.

import (
	"context"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"
)

// askedFor is how long Slack's answer about an account or a channel may be used again, for recall
// requests and for reading. For a decision Slack is always asked.
const askedFor = 55 * time.Second

const (
	// shownFor is how old the answer about a channel may be where messages are shown in it: it may
	// have become shared with another organisation.
	shownFor = 10 * time.Second
	// approverFor is how long the answer about an approver's account may be used again to tell who
	// could approve. It gives nobody a right.
	approverFor = 10 * time.Minute
	// approversWithin is how long approvers are looked at for one event.
	approversWithin = 2 * time.Second
)

// userGroup is Slack's answer about a user group.
type userGroup struct {
	members []string
	// refused is the error code with which Slack refuses to read any user group, until people
	// change something; "" if it does not. Then there are no members.
	refused string
}

// channelFact is Slack's answer about a channel.
type channelFact struct {
	trouble bot.Trouble
	private bool
	at      time.Time
}

// membersFact is Slack's answer about who is in a private channel.
type membersFact struct {
	users []string
	at    time.Time
}

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
		put(&m, g, v.(userGroup))
	}
	a.countApprovers(&m)
	place := e.Place
	trouble, ok := a.cachedPlace(e.Place.Channel, placeAge(e))
	place.Trouble = trouble
	if ok && trouble == "" && placeAge(e) == shownFor {
		place.Trouble, ok = a.cachedSight(e.Place.Channel, e.By.User)
	}
	return m, place, ok
}

// placeAge returns how old the answer about the channel of an event may be.
func placeAge(e intake.Event) time.Duration {
	switch e.Act.Kind {
	case intake.ActShowAll, intake.ActTurnFind, intake.ActUse:
		return shownFor
	}
	switch e.Verb() {
	case command.VerbFind, command.VerbShow:
		return shownFor
	}
	return askedFor
}

// put records whether a member is in a group, or why that cannot be known.
func put(m *bot.Member, group string, c userGroup) {
	if slices.Contains(c.members, m.Account.User) {
		m.Groups = append(m.Groups, group)
	}
	if c.refused != "" {
		m.GroupsUnread = bot.Say(unreadable[c.refused], "user", bot.Code(m.Account.User))
	}
}

// unreadable are the error codes with which Slack refuses to read any user group until people
// change something, and the sentence for whoever is refused for that reason. Slack has user groups
// on paid plans alone. Those of an app that is installed for a whole organisation belong to
// workspaces, of which the bot knows none.
var unreadable = map[string]string{
	"plan_upgrade_required":   "groups.unread.plan",
	"paid_teams_only":         "groups.unread.plan",
	"missing_argument":        "groups.unread.organisation",
	"team_not_found":          "groups.unread.organisation",
	"team_access_not_granted": "groups.unread.organisation",
	"missing_scope":           "groups.unread.scope",
	"no_permission":           "groups.unread.scope",
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
	read := make([]userGroup, len(groups))
	asking, together := errgroup.WithContext(ctx)
	asking.Go(func() error {
		f, err := a.face(together, e.By.User, fresh)
		m.Name, m.Trouble = f.name, f.trouble
		return err
	})
	for i, g := range groups {
		asking.Go(func() error {
			c, err := a.groupMembers(together, g, fresh && decides(g))
			read[i] = c
			return err
		})
	}
	asking.Go(func() error {
		var err error
		if placeAge(e) == shownFor {
			place.Trouble, err = a.sightTrouble(together, e.Place.Channel, e.By.User)
		} else {
			place.Trouble, err = a.placeTrouble(together, e.Place.Channel, askedFor)
		}
		return err
	})
	if err := asking.Wait(); err != nil {
		return m, place, err
	}
	for i, g := range groups {
		put(&m, g, read[i])
	}
	a.countApprovers(&m)
	if e.Asks() {
		a.lookAtApprovers(ctx, &m)
	}
	return m, place, nil
}

// lookAtApprovers leaves out those who could not approve: deactivated accounts, guests, bots, and
// those who have left. It looks until it has found as many other people as any request needs; two
// accounts that the roster joins are one. Who could not be looked at in time counts as able.
func (a *Adapter) lookAtApprovers(ctx context.Context, m *bot.Member) {
	policy, roster := a.o.Bot.PolicyNow(), a.o.Bot.RosterNow()
	need := max(policy.Approvals, policy.LargeApprovals)
	ctx, cancel := context.WithTimeout(ctx, approversWithin)
	defer cancel()
	self, _ := roster.Of(m.Account)
	able := map[bot.PersonID]bool{}
	for left := m.Approvers; len(able) < need && ctx.Err() == nil; {
		some := map[bot.PersonID]string{} // one account of each
		var others []bot.Account
		for _, who := range left {
			person, ok := roster.Of(who)
			switch _, now := some[person]; {
			case !ok, person == self, able[person]: // it adds nobody
			case now, len(some) == need-len(able):
				others = append(others, who)
			default:
				some[person] = who.User
			}
		}
		if left = others; len(some) == 0 {
			break
		}
		var looking errgroup.Group
		for _, user := range some {
			if _, known := a.asked.Get("approver " + user); known {
				continue
			}
			looking.Go(func() error {
				_, _ = a.face(ctx, user, false) // who could not be looked at counts as able
				return nil
			})
		}
		_ = looking.Wait() // there is none
		for person, user := range some {
			if a.able(user) {
				able[person] = true
			}
		}
	}
	a.countApprovers(m)
}

// able reports whether an account could approve, as far as Slack was asked.
func (a *Adapter) able(user string) bool {
	v, known := a.asked.Get("approver " + user)
	return !known || v.(bot.Trouble) == ""
}

// countApprovers sets who could approve now, from the groups and accounts as they were last read.
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
			users = v.(userGroup).members
		}
		for _, u := range users {
			if !a.able(u) {
				continue
			}
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
	a.asked.Set("approver "+user, f.trouble, approverFor)
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

// groupMembers calls usergroups.users.list. A disabled or deleted group has no members, nor has one
// that Slack refuses to read for a reason that only people can mend: who is named by user id can
// use the bot all the same.
func (a *Adapter) groupMembers(ctx context.Context, group string, fresh bool) (userGroup, error) {
	if v, ok := a.asked.Get("group " + group); ok && !fresh {
		return v.(userGroup), nil
	}
	var options []slackgo.GetUserGroupMembersOption
	// Of an app that is installed for a whole organisation the workspace is not known.
	if h := a.home.Load(); h != nil && h.enterprise != "" && !h.everywhere {
		options = append(options, slackgo.GetUserGroupMembersOptionTeamID(h.team))
	}
	var c userGroup
	err := a.patiently(ctx, func() (err error) {
		c.members, err = a.api.GetUserGroupMembersContext(ctx, group, options...)
		return err
	})
	switch code(err) {
	case "":
		if err != nil {
			return userGroup{}, err
		}
	case "no_such_subteam", "subteam_not_found", "subteam_disabled", "usergroup_disabled", "usergroup_not_found",
		"no_users":
		c = userGroup{}
	default:
		if unreadable[code(err)] == "" {
			return userGroup{}, err
		}
		c = userGroup{refused: code(err)}
	}
	if was := a.groupsRefused.Swap(&c.refused); c.refused != "" && (was == nil || *was != c.refused) {
		a.log.Error("user groups cannot be read", "code", c.refused, "mend", mends[c.refused])
	}
	a.keep("group "+group, c)
	return c, nil
}

// cachedPlace returns the result of placeTrouble if it is cached and at most so old. It makes no
// calls.
func (a *Adapter) cachedPlace(channel string, within time.Duration) (bot.Trouble, bool) {
	if isDirect(channel) {
		return bot.TroubleDirectMessage, true
	}
	v, ok := a.asked.Get("place " + channel)
	if !ok || time.Since(v.(channelFact).at) > within {
		return bot.TroubleUnknown, false
	}
	return v.(channelFact).trouble, true
}

// placeTrouble returns why the bot cannot work in a channel, "" if it can. A cached answer is used
// if it is at most so old.
func (a *Adapter) placeTrouble(ctx context.Context, channel string, within time.Duration) (bot.Trouble, error) {
	if t, ok := a.cachedPlace(channel, within); ok {
		return t, nil
	}
	asked := time.Now()
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
	a.keep("place "+channel, channelFact{t, c != nil && c.IsPrivate, asked})
	return t, nil
}

// sightTrouble returns why messages of the group cannot be shown to a person in a channel, "" if
// they can: the trouble of the place, or that the person is not in a private channel any more. A
// public channel can be read by every member of the workspace.
func (a *Adapter) sightTrouble(ctx context.Context, channel, user string) (bot.Trouble, error) {
	if t, err := a.placeTrouble(ctx, channel, shownFor); t != "" || err != nil {
		return t, err
	}
	if t, known := a.cachedSight(channel, user); known {
		return t, nil
	}
	fact := membersFact{at: time.Now()}
	for cursor := ""; ; {
		var page []string
		err := a.patiently(ctx, func() (err error) {
			page, cursor, err = a.api.GetUsersInConversationContext(ctx, &slackgo.GetUsersInConversationParameters{
				ChannelID: channel, Cursor: cursor, Limit: 1000})
			return err
		})
		if err != nil {
			return bot.TroubleUnknown, err
		}
		if fact.users = append(fact.users, page...); cursor == "" {
			break
		}
	}
	a.keep("members "+channel, fact)
	return fact.trouble(user), nil
}

// cachedSight returns whether a person can see a channel whose place has no trouble, if that is
// known. It makes no calls.
func (a *Adapter) cachedSight(channel, user string) (t bot.Trouble, known bool) {
	if v, ok := a.asked.Get("place " + channel); !ok || !v.(channelFact).private {
		return "", ok
	}
	v, ok := a.asked.Get("members " + channel)
	if !ok || time.Since(v.(membersFact).at) > shownFor {
		return bot.TroubleUnknown, false
	}
	return v.(membersFact).trouble(user), true
}

func (f membersFact) trouble(user string) bot.Trouble {
	if slices.Contains(f.users, user) {
		return ""
	}
	return bot.TroubleLeft
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
		switch after, limited := rateLimit(err); {
		case limited:
			pause = after
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
