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
)

// headcount holds how many members each role has, as Discord last said. Without a privileged intent
// Discord returns these numbers, but no names. A request that nobody could approve is refused by
// them.
type headcount struct {
	mu     sync.Mutex
	guilds map[string]counted
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
// without a call. If no role may approve, there is nothing to count.
func (a *Adapter) count(ctx context.Context) {
	named := func(p bot.Principal) bool { return p.Group != "" }
	if !slices.ContainsFunc(a.bot.PolicyNow().Crowds[ID].Approvers, named) {
		return
	}
	for {
		for _, guild := range a.o.Guilds {
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
