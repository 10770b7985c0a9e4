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

// headcount is how many are in each role, as Discord last told. It tells no names without a
// privileged intent, and numbers without one.
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

// of is what is known of a guild; ok is false where that is nothing, or too old.
func (h *headcount) of(guild string) (roles map[string]int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.guilds[guild]
	return c.roles, ok && time.Since(c.at) < countedFor
}

// count keeps the headcount, so that a request which nobody could grant is refused without a call.
// Where no role may approve there is nothing to count.
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

// membersByRole asks how many are in each role of a guild.
func (a *Adapter) membersByRole(ctx context.Context, guild string) (roles map[string]int, err error) {
	err = a.rest.read(ctx, &roles, "/guilds/{guild_id}/roles/member-counts", guild)
	return roles, err
}

// countApprovers tells who could approve just now: those named, and how many are in the roles. The
// member's own roles are known, so that their account is left out; somebody else in two of the
// roles is counted twice, so that it is never too few.
func (a *Adapter) countApprovers(guild string, m *bot.Member) {
	roles, known := a.heads.of(guild)
	for _, p := range a.bot.PolicyNow().Crowds[ID].Approvers {
		switch {
		case p.Group == "":
			m.Approvers = append(m.Approvers, bot.Account{Platform: ID, Workspace: everywhere, User: p.User})
		case p.Group == guild: // everybody's role, which nobody's list of roles names
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
