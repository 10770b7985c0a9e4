package sandbox

import (
	"fmt"
	"slices"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall"
)

// cast is everybody, where Options.People says nothing else.
var cast = []bottest.Person{
	{Name: "mina", Asks: true, Approves: true},
	{Name: "theo", Approves: true},
	{Name: "ines", Asks: true, Approves: true},
	{Name: "ola"},
	{Name: "remy", Asks: true},
}

// leads is what the approvers' group is called.
const leads = "leads"

// asks reports whether somebody may ask, and so be mentioned when their request ends.
func (s *Sandbox) asks(name string) bool {
	return slices.ContainsFunc(s.o.People, func(p bottest.Person) bool { return p.Name == name && p.Asks })
}

// account finds somebody's user id.
func (k *side) account(who string) (string, error) {
	if !slices.ContainsFunc(k.cast, func(p bottest.Person) bool { return p.Name == who }) {
		return "", fmt.Errorf("sandbox: there is nobody called %q", who)
	}
	return k.home.User(who), nil
}

// nameOf is whom a user id or the id of the approvers' group means; the id itself where it means
// nobody.
func (k *side) nameOf(id string) string {
	for _, p := range k.cast {
		if k.home.User(p.Name) == id {
			return p.Name
		}
	}
	if id == k.home.Leads() {
		return leads
	}
	return id
}

// everyone is a roster that joins the accounts of each person.
func (s *Sandbox) everyone() (r bot.Roster) {
	for _, p := range s.o.People {
		person := bot.Person{Name: p.Name}
		for _, on := range s.o.Platforms {
			if a, ok := s.sides[on].known.Account(s.sides[on].home.User(p.Name)); ok {
				person.Accounts = append(person.Accounts, a)
			}
		}
		r.People = append(r.People, person)
	}
	return r
}

// title is a name as people are shown: with a capital.
func title(name string) string { return bottest.Person{Name: name}.Title() }

func recallUser(s string) recall.UserID { return recall.UserID(s) }
