package bot

import (
	"encoding/json"
	"errors"
	"strings"
)

// ActorNames finds the names of those who acted, which lie beside the audit log: in the rosters
// that the ledger keeps, and in its requests. It must be given every entry of the log in order,
// beginning with the first, since entries say which roster counted from then on.
type ActorNames struct {
	rosters map[string]Roster
	now     string // the hash of the roster that counts
}

// Name sets the name of the entry: that of the roster, else what the platform showed for the
// account when it acted on the request; "" where neither is known, or the bot acted.
func (n *ActorNames) Name(tx Tx, e *Entry) error {
	if err := n.follow(tx, *e); err != nil {
		return err
	}
	parts := strings.SplitN(e.Actor, ":", 3)
	if len(parts) < 3 {
		return nil
	}
	account := Account{Platform: Platform(parts[0]), Workspace: parts[1], User: parts[2]}
	if roster := n.rosters[n.now]; !roster.Empty() {
		if who, ok := roster.Of(account); ok {
			e.Name = who
			return nil
		}
	}
	if e.Request == "" {
		return nil
	}
	r, err := tx.Request(e.Request)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, a := range r.actors() {
		if a.Account.String() == e.Actor {
			e.Name = PersonID(a.Name)
		}
	}
	return nil
}

// actors are those who asked for the request, approved it or ended it.
func (r Request) actors() []Actor {
	all := []Actor{r.By, r.EndedBy}
	for _, a := range r.Approvals {
		all = append(all, a.By)
	}
	return all
}

// follow notes which roster counts from the entry on.
func (n *ActorNames) follow(tx Tx, e Entry) error {
	var named struct {
		Roster string `json:"roster"`
	}
	if e.What != "asked" && e.What != "started" || json.Unmarshal(e.Detail, &named) != nil || named.Roster == "" {
		return nil
	}
	n.now = named.Roster
	if _, known := n.rosters[n.now]; known {
		return nil
	}
	roster, err := tx.Roster(n.now)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if n.rosters == nil {
		n.rosters = map[string]Roster{}
	}
	n.rosters[n.now] = roster
	return nil
}
