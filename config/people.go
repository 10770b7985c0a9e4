package config

import (
	"maps"
	"slices"
	"strings"

	"recallbot/bot"
)

// side is a platform that is on, as the counting of people sees it.
type side struct {
	bot.Crowd
	id     bot.Platform
	prefix string // of its variables
}

// sides are the platforms that are on, in the order of the table.
func (r *reading) sides(c Config) (on []side) {
	for _, p := range r.platforms {
		if crowd, ok := c.Policy.Crowds[p.ID]; ok {
			on = append(on, side{crowd, p.ID, p.prefix()})
		}
	}
	return on
}

// crowd is the people behind lists, as far as they are known without the network.
type crowd struct {
	names map[string]bool
	open  bool // there may be others: a group without a roster
}

// add counts the people of a list. Without a roster an account is a person;
// with one, an account that is not in it is nobody, and a group is at most
// everybody who has an account on the platform.
func (c *crowd) add(s side, list []bot.Principal, roster bot.Roster) {
	if c.names == nil {
		c.names = map[string]bool{}
	}
	if roster.Empty() {
		for _, p := range list {
			if p.Group != "" {
				c.open = true
			} else {
				c.names[strings.TrimSuffix(s.prefix, "_")+" "+p.User] = true
			}
		}
		return
	}
	for _, person := range roster.People {
		for _, p := range list {
			if has(person, s.id, func(a bot.Account) bool { return p.Group != "" || a.User == p.User }) {
				c.names[person.Name] = true
			}
		}
	}
}

// has reports whether a person has such an account on a platform, whatever the workspace.
func has(person bot.Person, on bot.Platform, such func(bot.Account) bool) bool {
	return slices.ContainsFunc(person.Accounts, func(a bot.Account) bool { return a.Platform == on && such(a) })
}

// bench is the people who decide together: those of one platform, or of all
// platforms that a roster joins.
type bench struct {
	requesters, approvers crowd
	variables             string // of the approvers, for people
}

// benches leaves out those without approvers: that nobody may approve there is
// meant, and told by a warning.
func (r *reading) benches(c Config) []bench {
	joined := !c.Roster.Empty()
	sides := r.sides(c)
	if joined && !slices.ContainsFunc(sides, func(s side) bool { return len(s.Approvers) > 0 }) {
		return nil
	}
	var bs []bench
	for _, s := range sides {
		if len(s.Approvers) == 0 && !joined {
			continue
		}
		if !joined || len(bs) == 0 {
			bs = append(bs, bench{})
		}
		b := &bs[len(bs)-1]
		b.requesters.add(s, s.Requesters, c.Roster)
		b.approvers.add(s, s.Approvers, c.Roster)
		if b.variables != "" {
			b.variables += " and "
		}
		b.variables += s.prefix + "APPROVERS"
	}
	return bs
}

// most is the largest number of people other than the requester who may
// approve, for the requester who has most of them; false when it is not known.
func (b bench) most() (int, bool) {
	if b.approvers.open {
		return 0, false
	}
	n := len(b.approvers.names)
	if b.requesters.open || len(b.requesters.names) == 0 {
		return n, true
	}
	for name := range b.requesters.names {
		if !b.approvers.names[name] {
			return n, true
		}
	}
	return n - 1, true
}

// stranded are the requesters for whom fewer than needed may approve, in
// alphabetical order.
func (b bench) stranded(needed int) []string {
	if b.approvers.open {
		return nil
	}
	var who []string
	for _, name := range slices.Sorted(maps.Keys(b.requesters.names)) {
		others := len(b.approvers.names)
		if b.approvers.names[name] {
			others--
		}
		if others < needed {
			who = append(who, name)
		}
	}
	return who
}
