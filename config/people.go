package config

import (
	"maps"
	"slices"
	"strings"
)

// People is a list of who may do something on one platform. The zero value is
// nobody; there is no way to write everybody.
type People struct {
	Users  []string // user ids
	Groups []string // ids of user groups on Slack, of roles on Discord
}

// Nobody reports whether the list is empty.
func (p People) Nobody() bool { return len(p.Users) == 0 && len(p.Groups) == 0 }

// EnvDecode reads a list that was checked: "U..." and "S..." as Slack writes
// them, "user:ID" and "role:ID" as Discord's are written.
func (p *People) EnvDecode(value string) error {
	for _, item := range list(value) {
		kind, id, found := strings.Cut(item, ":")
		switch {
		case kind == "role":
			p.Groups = append(p.Groups, id)
		case found:
			p.Users = append(p.Users, id)
		case slackGroupID.MatchString(item):
			p.Groups = append(p.Groups, item)
		default:
			p.Users = append(p.Users, item)
		}
	}
	return nil
}

// platform is one that is on, as the counting of people sees it.
type platform struct {
	prefix                string // of its variables
	requesters, approvers People
	accounts              func(Person) []string
}

func (c Config) platforms() []platform {
	var ps []platform
	if c.Slack.On() {
		ps = append(ps, platform{"SLACK", c.Slack.Requesters, c.Slack.Approvers,
			func(p Person) []string { return p.Slack }})
	}
	if c.Discord.On() {
		ps = append(ps, platform{"DISCORD", c.Discord.Requesters, c.Discord.Approvers,
			func(p Person) []string { return p.Discord }})
	}
	return ps
}

// crowd is the people behind lists, as far as they are known without the network.
type crowd struct {
	names map[string]bool
	open  bool // there may be others: a group without a roster
}

// add counts the people of a list. Without a roster an account is a person;
// with one, an account that is not in it is nobody, and a group is at most
// everybody who has an account on the platform.
func (c *crowd) add(p platform, list People, roster Roster) {
	if c.names == nil {
		c.names = map[string]bool{}
	}
	if roster == nil {
		for _, id := range list.Users {
			c.names[p.prefix+" "+id] = true
		}
		c.open = c.open || len(list.Groups) > 0
		return
	}
	for _, person := range roster {
		accounts := p.accounts(person)
		if len(accounts) > 0 && len(list.Groups) > 0 ||
			slices.ContainsFunc(list.Users, func(id string) bool { return names(accounts, id) }) {
			c.names[person.Name] = true
		}
	}
}

// names reports whether a person's accounts name the user, whatever the workspace.
func names(accounts []string, id string) bool {
	return slices.ContainsFunc(accounts, func(a string) bool {
		_, user := splitAccount(a)
		return user == id
	})
}

// bench is the people who decide together: those of one platform, or of all
// platforms that a roster joins.
type bench struct {
	requesters, approvers crowd
	variables             string // of the approvers, for people
}

// benches leaves out those without approvers: that nobody may approve there is
// meant, and told by Warnings.
func (c Config) benches() []bench {
	joined := c.Policy.Roster != nil
	platforms := c.platforms()
	if joined && !slices.ContainsFunc(platforms, func(p platform) bool { return !p.approvers.Nobody() }) {
		return nil
	}
	var bs []bench
	for _, p := range platforms {
		if p.approvers.Nobody() && !joined {
			continue
		}
		if !joined || len(bs) == 0 {
			bs = append(bs, bench{})
		}
		b := &bs[len(bs)-1]
		b.requesters.add(p, p.requesters, c.Policy.Roster)
		b.approvers.add(p, p.approvers, c.Policy.Roster)
		if b.variables != "" {
			b.variables += " and "
		}
		b.variables += p.prefix + "_APPROVERS"
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
