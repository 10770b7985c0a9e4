package bot

import (
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// GroupListKept is how long the groups of an app are kept as the Chat service listed them.
const GroupListKept = 10 * time.Minute

// SettingGroups is the key of the setting that says that somebody wants the groups of the app to be
// listed; it is "" when nobody does.
const SettingGroups = "groups.wanted"

// ListedGroup is a group as the Chat service listed it. Its name was chosen by others.
type ListedGroup struct {
	Group   recall.GroupID   `json:"group"`
	Name    string           `json:"name,omitempty"`
	Type    recall.GroupType `json:"type,omitempty"`
	Members int              `json:"members,omitempty"`
}

// GroupList is the groups of an app as the Chat service listed them.
type GroupList struct {
	Groups []ListedGroup `json:"groups,omitempty"`
	Total  int           `json:"total"` // groups that the app has
	// Whole says that these are all of them. Only then can anybody say that a name is borne by one.
	Whole  bool      `json:"whole,omitempty"`
	Failed bool      `json:"failed,omitempty"` // they could not be listed then
	Read   time.Time `json:"-"`                // by the ledger's clock; zero if they never were listed
}

// Fresh reports whether the list can be used at the ledger's time now.
func (l GroupList) Fresh(now time.Time) bool {
	return !l.Read.IsZero() && !l.Failed && now.Sub(l.Read) < GroupListKept
}

// Named returns the groups that bear a name, as people read it.
func (l GroupList) Named(name string) (list []ListedGroup) {
	want := command.AsRead(name)
	for _, g := range l.Groups {
		if want != "" && command.AsRead(g.Name) == want {
			list = append(list, g)
		}
	}
	return list
}
