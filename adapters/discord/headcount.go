package discord

import (
	"context"
	"slices"
	"sync"
	"time"

	"recallbot/bot"
)

const (
	countEvery = 50 * time.Second
	// countedFor is how long a count may be used to refuse a request: a round may fail.
	countedFor = 2 * time.Minute
	// approverFor is how long what Discord says of an approver's account is used again.
	approverFor = 10 * time.Minute
)

// headcount holds how many members each role has, as Discord last said, and which of the approvers
// who are named by user id could approve. Without a privileged intent Discord returns these
// numbers, but no names. A request that nobody could approve is refused by them.
type headcount struct {
	mu     sync.Mutex
	guilds map[string]counted
	users  map[string]looked // by guild and user id
}

// looked is what Discord said of an account in a guild.
type looked struct {
	at   time.Time
	able bool // a member who could approve: no guest, no bot
}

func (h *headcount) look(guild, user string, able bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users == nil {
		h.users = map[string]looked{}
	}
	h.users[guild+" "+user] = looked{time.Now(), able}
}

// able reports whether an account could approve in a guild, as far as Discord was asked; fresh is
// false if it has to be asked again.
func (h *headcount) able(guild, user string) (able, fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, known := h.users[guild+" "+user]
	return !known || l.able, known && time.Since(l.at) < approverFor
}

type counted struct {
	at    time.Time
	roles map[string]int // absent where nobody is in it
}

func (h *headcount) put(guild string, c counted) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.guilds == nil {
		h.guilds = map[string]counted{}
	}
	h.guilds[guild] = c
}

// of returns the counts of a guild; ok is false when there are none, or they are too old.
func (h *headcount) of(guild string) (roles map[string]int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.guilds[guild]
	return c.roles, ok && time.Since(c.at) < countedFor
}

// count reads the headcount at intervals, so that a request which nobody could approve is refused
// without a call.
func (a *Adapter) count(ctx context.Context) {
	approvers := a.bot.PolicyNow().Crowds[ID].Approvers
	roles := slices.ContainsFunc(approvers, func(p bot.Principal) bool { return p.Group != "" })
	for len(approvers) > 0 {
		for _, guild := range a.o.Guilds {
			a.lookAtApprovers(ctx, guild)
			if !roles {
				continue
			}
			roles, err := a.membersByRole(ctx, guild)
			if err != nil {
				a.log.Debug("Discord did not say how many are in the roles", "guild", guild, "err", err)
				continue
			}
			a.heads.put(guild, counted{time.Now(), roles})
		}
		if !sleep(ctx, countEvery) {
			return
		}
	}
}

// lookAtApprovers finds out which of the approvers who are named by user id could not approve in a
// guild: those who have left or never joined, guests, bots, and members who have not been screened.
// It looks until it has found as many people as any request needs, besides the one who asks; two
// accounts that the roster joins are one. Who could not be looked at counts as able.
func (a *Adapter) lookAtApprovers(ctx context.Context, guild string) {
	policy, roster := a.bot.PolicyNow(), a.bot.RosterNow()
	need := max(policy.Approvals, policy.LargeApprovals) + 1
	able := map[bot.PersonID]bool{}
	for _, p := range policy.Crowds[ID].Approvers {
		person, ok := roster.Of(bot.Account{Platform: ID, Workspace: everywhere, User: p.User})
		if p.Group != "" || !ok || able[person] {
			continue
		}
		if len(able) == need || ctx.Err() != nil {
			return
		}
		if _, fresh := a.heads.able(guild, p.User); !fresh {
			var m member
			err := a.rest.read(ctx, &m, "/guilds/{guild_id}/members/{user_id}", guild, p.User)
			switch {
			case err == nil:
				a.heads.look(guild, p.User, (m.User == nil || !m.User.Bot) && m.Flags&flagGuest == 0 && !m.Pending)
			case isCode(err, codeUnknownMember, codeUnknownUser):
				a.heads.look(guild, p.User, false)
			default:
				a.log.Debug("Discord did not say who an approver is", "guild", guild, "err", err)
			}
		}
		if could, _ := a.heads.able(guild, p.User); could {
			able[person] = true
		}
	}
}

// membersByRole asks how many members each role of a guild has.
func (a *Adapter) membersByRole(ctx context.Context, guild string) (roles map[string]int, err error) {
	err = a.rest.read(ctx, &roles, "/guilds/{guild_id}/roles/member-counts", guild)
	return roles, err
}

// countApprovers sets who could approve now: the named accounts, and how many members the roles
// have. The member's own roles are known, so this account is not counted. Another member of two
// roles is counted twice, so the number is never too small.
func (a *Adapter) countApprovers(guild string, m *bot.Member) {
	roles, known := a.heads.of(guild)
	for _, p := range a.bot.PolicyNow().Crowds[ID].Approvers {
		switch {
		case p.Group == "":
			if could, _ := a.heads.able(guild, p.User); !could && p.User != m.Account.User {
				continue
			}
			m.Approvers = append(m.Approvers, bot.Account{Platform: ID, Workspace: everywhere, User: p.User})
		case p.Group == guild: // everybody's role, which is not in a member's list of roles
		case !known:
			m.Approvers, m.UnnamedApprovers = nil, 0
			return
		default:
			n := roles[p.Group]
			if slices.Contains(m.Groups, p.Group) {
				n--
			}
			m.UnnamedApprovers += max(n, 0)
		}
	}
	m.ApproversKnown = true
}
