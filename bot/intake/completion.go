package intake

import (
	"cmp"
	"context"

	"recallbot/bot"
	"recallbot/recall"
)

// complete answers an autocompletion with the groups whose name or id holds the text typed so far:
// those that this bot has touched, and those that are kept as listed. If none are kept, it has them
// listed for the next keystroke. It stores no event.
func (in *Intake) complete(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	a := Answer{Kind: Choices}
	listed := true
	err := in.Ledger.View(ctx, func(tx bot.Tx) error {
		a.Groups, listed = nil, true
		if (&act{in: in, tx: tx, e: e, m: m}).may() != nil {
			return nil
		}
		recent, err := tx.Touched(in.App, groupsScanned)
		if err != nil {
			return err
		}
		list, err := tx.GroupList(in.App)
		if listed = list.Fresh(tx.Now()); !listed {
			list.Groups = nil
		}
		names := map[recall.GroupID]string{}
		for _, g := range list.Groups {
			names[g.Group] = g.Name
		}
		var all []bot.ListedGroup
		for _, g := range recent {
			all = append(all, bot.ListedGroup{Group: g.Group, Name: cmp.Or(names[g.Group], g.Name)})
			delete(names, g.Group)
		}
		for _, g := range list.Groups {
			if _, other := names[g.Group]; other {
				all = append(all, g)
			}
		}
		for _, g := range holding(in.allowed(all), e.Act.Text) {
			if len(a.Groups) < groupsCompleted {
				name := bot.Cut(bot.Visible(g.Name), nameShown)
				a.Groups = append(a.Groups, Choice{Group: string(g.Group), Name: name})
			}
		}
		return err
	})
	if err == nil && !listed {
		_, err = in.WantGroups(ctx)
	}
	return a, err
}

// groupsCompleted is how many groups an autocompletion offers at most.
const groupsCompleted = 25
