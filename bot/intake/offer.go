package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
)

// offer returns an offer of commands in the answer to the event, or nil if there are none. A
// command that opens a form has no button: some platforms open none after a while.
func (e Event) offer(commands ...command.Command) *Offer {
	commands = slices.DeleteFunc(slices.Clone(commands),
		func(c command.Command) bool { return c.Verb == command.VerbForm })
	if len(commands) == 0 {
		return nil
	}
	return &Offer{Event: e.ID, By: e.By, Commands: commands}
}

// stops returns an offer to stop requests, each by a button with the label, or with the request's
// id if the label is "".
func (e Event) stops(label string, ids ...bot.RequestID) *Offer {
	o := &Offer{Event: e.ID, By: e.By}
	for _, id := range ids {
		o.Commands = append(o.Commands, command.Command{Verb: command.VerbStop, Request: id})
		o.Names = append(o.Names, cmp.Or(label, bot.Say("button.stop.id", "id", id).String()))
	}
	return o
}

// used returns the event of a pressed button of an offer with the command that the button stands
// for. It returns a Refusal to any account but the one that was offered it.
func (in *Intake) used(ctx context.Context, e Event) (Event, error) {
	err := in.Ledger.View(ctx, func(tx bot.Tx) error {
		stored, err := tx.Event(e.Act.Search)
		if err != nil && !errors.Is(err, bot.ErrNotFound) {
			return err
		}
		var first Answer
		if err != nil || stored.Answer == nil {
			return bot.NewRefusal("offer_gone")
		}
		if err := json.Unmarshal(stored.Answer, &first); err != nil {
			return fmt.Errorf("read stored answer: %w", err)
		}
		o := first.Offer
		if o == nil || !o.By.Is(e.By) || e.Act.Page >= len(o.Commands) {
			return bot.NewRefusal("forged")
		}
		e.command = o.Commands[e.Act.Page]
		return nil
	})
	return e, err
}
