package intake

import (
	"context"
	"strings"

	"recallbot/bot"
)

// complete answers an autocompletion with the groups that this bot has touched and that match the
// text typed so far. It stores nothing.
func (in *Intake) complete(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	a := Answer{Kind: Choices}
	typed := strings.ToLower(strings.TrimSpace(e.Act.Text))
	err := in.Ledger.View(ctx, func(tx bot.Tx) error {
		a.Groups = nil
		if (&act{in: in, tx: tx, e: e, m: m}).may() != nil {
			return nil
		}
		recent, err := tx.Touched(in.App, groupsScanned)
		for _, g := range recent {
			if len(a.Groups) < 25 && strings.Contains(strings.ToLower(string(g.Group)+" "+g.Name), typed) &&
				in.Policy.MayTouch(g.Group) == nil {
				a.Groups = append(a.Groups, string(g.Group))
			}
		}
		return err
	})
	return a, err
}
