package bot

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Account is one identity of a person: a user id on a platform. Workspace is where the user id
// counts: a team's id, or Traits.Workspace on a platform on which user ids are global.
type Account struct {
	Platform  Platform `json:"platform"`
	Workspace string   `json:"workspace"`
	User      string   `json:"user"`
}

// String returns platform:workspace:user, the form of the audit log. A workspace that is left open
// is written as a star.
func (a Account) String() string {
	return string(a.Platform) + ":" + cmp.Or(a.Workspace, "*") + ":" + a.User
}

// Is reports whether a and b are the same identity. A roster may leave the workspace of an account
// open: then the user id is the same identity in every workspace.
func (a Account) Is(b Account) bool {
	return a.Platform == b.Platform && a.User == b.User && (a.Workspace == b.Workspace || a.Workspace == "" ||
		b.Workspace == "")
}

// PersonID names a human: the name in the roster, or the account itself where there is no roster.
type PersonID string

// Person is a human and every account that the roster says is theirs.
type Person struct {
	Name     string    `json:"name"`
	Accounts []Account `json:"accounts"`
}

// Roster joins the accounts of one person. The zero Roster joins nothing: an account is then a
// person. An account whose Workspace is "" stands for that user id in any workspace.
type Roster struct {
	People []Person `json:"people"`
}

// Empty reports whether there is no roster, so that an account is a person.
func (r Roster) Empty() bool { return len(r.People) == 0 }

// Of returns the person that an account belongs to. Without a roster the person is the account
// itself. With one, an account that is not in it belongs to nobody, and ok is false.
func (r Roster) Of(a Account) (person PersonID, ok bool) {
	if r.Empty() {
		return PersonID(a.String()), true
	}
	for _, p := range r.People {
		for _, own := range p.Accounts {
			if own.Is(a) {
				return PersonID(p.Name), true
			}
		}
	}
	return "", false
}

// Accounts returns every account of the person that a belongs to, including a itself. Compare with
// Account.Is, since the roster may leave a workspace open.
func (r Roster) Accounts(a Account) []Account {
	accounts := []Account{a}
	who, ok := r.Of(a)
	if !ok || r.Empty() {
		return accounts
	}
	for _, p := range r.People {
		if PersonID(p.Name) != who {
			continue
		}
		for _, own := range p.Accounts {
			if !own.Is(a) {
				accounts = append(accounts, own)
			}
		}
	}
	return accounts
}

// Hash returns the SHA-256 of the roster in its canonical form, with people and accounts sorted. A
// request names by it the roster under which it was asked.
func (r Roster) Hash() string {
	people := append([]Person{}, r.People...)
	for i := range people {
		people[i].Accounts = slices.SortedFunc(slices.Values(people[i].Accounts), func(a, b Account) int {
			return cmp.Compare(a.String(), b.String())
		})
	}
	slices.SortFunc(people, func(a, b Person) int { return strings.Compare(a.Name, b.Name) })
	body, err := json.Marshal(people)
	if err != nil {
		panic(fmt.Sprintf("bot: roster cannot be written: %v", err)) // unreachable: strings always marshal
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Member is an account as its platform describes it at the moment of an event. Adapters fill it in,
// and Policy judges it.
type Member struct {
	Account Account `json:"account"`
	// Name is what the platform shows for the account. It is chosen by its owner and proves
	// nothing.
	Name string `json:"name"`
	// Groups holds the ids of the user groups or roles that the account is in, at least those the
	// policy names.
	Groups []string `json:"groups,omitempty"`
	// GroupsUnread is why the groups of the account cannot be read, until people change something,
	// as a sentence for the person. It is nil where they were read.
	GroupsUnread Line `json:"-"`
	// Trouble is why the account may not use the bot at all, whatever its groups; "" for no reason.
	Trouble Trouble `json:"trouble,omitempty"`
	// Approvers are the accounts of the platform that could approve at this moment, including the
	// member's own. They count only where ApproversKnown is set. The bot uses them to refuse a
	// request that nobody could grant; they give nobody a right. Where the platform tells only a
	// number, UnnamedApprovers is that number, at most and without the member's own account.
	Approvers        []Account `json:"approvers,omitempty"`
	UnnamedApprovers int       `json:"unnamed_approvers,omitempty"`
	ApproversKnown   bool      `json:"approvers_known,omitempty"`
}
