package bot

import (
	"path"
	"slices"
	"strings"
	"time"

	"recallbot/recall"
)

// MaxOpen is how many open requests one person may have at a time.
const MaxOpen = 5

// Principal is an entry of a list of requesters or approvers: one user, or the members of a Slack
// user group or a Discord role.
type Principal struct {
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
}

// Crowd is one platform's part of the policy: who may ask, who may approve, and where.
type Crowd struct {
	Requesters []Principal `json:"requesters"`
	Approvers  []Principal `json:"approvers"`
	Channels   []string    `json:"channels"`
	// AnyChannel lets the bot be used in every channel.
	AnyChannel bool `json:"any_channel,omitempty"`
}

// Policy is the rules: who may ask, read and approve, how many people must approve, and which
// messages may be touched. Its methods are pure. A request keeps the policy under which it was
// asked. Package config fills it in from the variables that the tags name.
type Policy struct {
	// Approvals is how many people must approve besides the requester; from LargeFrom messages that
	// would be sent, at least LargeApprovals.
	Approvals      int `json:"approvals" env:"POLICY_APPROVALS"`
	LargeFrom      int `json:"large_from" env:"POLICY_LARGE_FROM"`
	LargeApprovals int `json:"large_approvals" env:"POLICY_LARGE_APPROVALS"`
	// LargeDelay is how long passes between the last approval of a large request and its first
	// call. Hold sends nothing at all.
	LargeDelay     time.Duration `json:"large_delay,omitempty" env:"POLICY_LARGE_DELAY"`
	Hold           bool          `json:"hold,omitempty" env:"POLICY_HOLD"`
	MaxMessages    int           `json:"max_messages" env:"POLICY_MAX_MESSAGES"`
	ApproveWithin  time.Duration `json:"approve_within" env:"POLICY_APPROVE_WITHIN"`
	StartWithin    time.Duration `json:"start_within" env:"POLICY_START_WITHIN"`
	RemindAfter    time.Duration `json:"remind_after" env:"POLICY_REMIND_AFTER"`
	ReasonRequired bool          `json:"reason_required" env:"POLICY_REASON"`

	// Groups are patterns of group ids with * and ?; none: any group.
	Groups    []string        `json:"groups,omitempty" env:"POLICY_GROUPS"`
	Protected []recall.UserID `json:"protected,omitempty" env:"POLICY_PROTECTED_SENDERS"`

	Crowds map[Platform]Crowd `json:"crowds"`
}

// DefaultPolicy is the policy of SURFACE.md's defaults. It lets nobody ask or approve.
func DefaultPolicy() Policy {
	return Policy{
		Approvals: 1, LargeFrom: 100, LargeApprovals: 2, LargeDelay: 10 * time.Second, MaxMessages: 5000,
		ApproveWithin: 30 * time.Minute, StartWithin: 15 * time.Minute, RemindAfter: 10 * time.Minute,
	}
}

// Needed returns how many people besides the requester must approve a request that would send n
// messages.
func (p Policy) Needed(n int) int {
	if n >= p.LargeFrom {
		return max(p.Approvals, p.LargeApprovals)
	}
	return p.Approvals
}

// Names reports whether a list names m, by its account or by one of its groups.
func Names(list []Principal, m Member) bool {
	return slices.ContainsFunc(list, func(p Principal) bool {
		return p.User != "" && p.User == m.Account.User || p.Group != "" && slices.Contains(m.Groups, p.Group)
	})
}

// Right returns the entries of the list that name m: "user U1" and "group S1", separated by commas.
func Right(list []Principal, m Member) string {
	var by []string
	for _, p := range list {
		switch {
		case !Names([]Principal{p}, m):
		case p.Group != "":
			by = append(by, "group "+p.Group)
		default:
			by = append(by, "user "+p.User)
		}
	}
	return strings.Join(by, ", ")
}

// IsRequester reports whether m is among the requesters of its platform and its account is not in
// trouble.
func (p Policy) IsRequester(m Member) bool {
	return m.Trouble == "" && Names(p.Crowds[m.Account.Platform].Requesters, m)
}

// IsApprover reports whether m is among the approvers of its platform and its account is not in
// trouble.
func (p Policy) IsApprover(m Member) bool {
	return m.Trouble == "" && Names(p.Crowds[m.Account.Platform].Approvers, m)
}

// MayBeUsedIn returns a Refusal when the bot must not be used in that place.
func (p Policy) MayBeUsedIn(at Place) error {
	if at.Trouble != "" {
		return at.Trouble.refusal(at.Platform)
	}
	c := p.Crowds[at.Platform]
	if c.AnyChannel || slices.Contains(c.Channels, at.Channel) {
		return nil
	}
	return NewRefusal("wrong_channel")
}

// MayRead returns a Refusal if m may neither ask nor approve: only people who may do one of these
// may read.
func (p Policy) MayRead(m Member, r Roster) error {
	if err := r.admits(m); err != nil {
		return err
	}
	if !p.IsRequester(m) && !p.IsApprover(m) {
		return m.orUnread(NewRefusal("not_allowed"))
	}
	return nil
}

// MayAsk returns a Refusal when m may not ask for a recall.
func (p Policy) MayAsk(m Member, r Roster) error {
	if err := r.admits(m); err != nil {
		return err
	}
	if !p.IsRequester(m) {
		return m.orUnread(NewRefusal("not_requester"))
	}
	return nil
}

// MayApprove returns a Refusal when m may not approve anything.
func (p Policy) MayApprove(m Member, r Roster) error {
	if err := r.admits(m); err != nil {
		return err
	}
	if !p.IsApprover(m) {
		return m.orUnread(NewRefusal("not_approver"))
	}
	return nil
}

// Others counts the people who could approve what m asks, without m's own person. It counts the
// accounts in Member.Approvers. Where a roster joins the platforms, it adds the people of the other
// platforms whom the policy names, or who may be in a group that it names. Where only the number of
// approvers is known, each of them counts as one person, but with a roster there are at most as
// many as it has people on the platform. So the result is never too low, and may be too high.
func (p Policy) Others(m Member, r Roster) int {
	accounts := slices.Clone(m.Approvers)
	for _, person := range r.People {
		for _, a := range person.Accounts {
			could := func(who Principal) bool { return who.User == a.User || who.Group != "" }
			if a.Platform != m.Account.Platform && slices.ContainsFunc(p.Crowds[a.Platform].Approvers, could) {
				accounts = append(accounts, a)
			}
		}
	}
	self, _ := r.Of(m.Account)
	others := map[PersonID]bool{}
	for _, a := range accounts {
		if who, ok := r.Of(a); ok && who != self {
			others[who] = true
		}
	}
	unnamed := m.UnnamedApprovers
	if !r.Empty() {
		could := map[PersonID]bool{}
		for _, p := range r.People {
			here := func(a Account) bool { return a.Platform == m.Account.Platform }
			if who := PersonID(p.Name); who != self && !others[who] && slices.ContainsFunc(p.Accounts, here) {
				could[who] = true
			}
		}
		unnamed = min(unnamed, len(could))
	}
	return len(others) + unnamed
}

// MayTouch returns a Refusal when messages of the group may not be read or recalled.
func (p Policy) MayTouch(group recall.GroupID) error {
	if len(p.Groups) == 0 {
		return nil
	}
	// A slash is an ordinary character of a group id, which * matches.
	noSlash := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	for _, pattern := range p.Groups {
		if ok, err := path.Match(noSlash(pattern), noSlash(string(group))); err == nil && ok {
			return nil
		}
	}
	return NewRefusal("group_not_allowed", "group", Code(string(group)))
}

// IsProtected reports whether messages of that sender are never recalled.
func (p Policy) IsProtected(sender recall.UserID) bool { return slices.Contains(p.Protected, sender) }

// orUnread returns the Refusal of a member who is in none of the groups that count: no, or that the
// groups cannot be read.
func (m Member) orUnread(no *Refusal) *Refusal {
	if len(m.GroupsUnread) > 0 {
		return &Refusal{Key: "groups_unread", Why: m.GroupsUnread}
	}
	return no
}

// admits returns a Refusal for an account in trouble, and for one that a roster does not know.
func (r Roster) admits(m Member) error {
	if m.Trouble != "" {
		return m.Trouble.refusal(m.Account.Platform)
	}
	if _, ok := r.Of(m.Account); !ok {
		return NewRefusal("not_in_roster")
	}
	return nil
}

// refusal returns the Refusal of an account or a place in trouble. A platform may have a sentence
// of its own for it.
func (t Trouble) refusal(on Platform) error {
	r := NewRefusal("trouble." + string(t))
	if own := "refuse." + r.Key + "." + string(on); Known(own) {
		r.Why = Say(own)
	}
	return r
}
