package bottest

import (
	"context"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/bot/intake"
	"recallbot/bot/worker"
)

// Engine is the bot without its adapters: Intake handles what people do, History callbacks, and
// Worker the rest. It stands in for main in tests.
type Engine struct {
	*intake.Intake
	*worker.Worker
	History *history.History
}

// NewEngine connects the packages of one process, as main does.
func NewEngine(o bot.Options) (*Engine, error) {
	b, err := bot.New(o)
	if err != nil {
		return nil, err
	}
	h := history.New(b)
	return &Engine{intake.New(h), worker.New(h), h}, nil
}

// ShowingNow returns the card of a request as it is now.
func (e *Engine) ShowingNow(ctx context.Context, id bot.RequestID) (c bot.Card, err error) {
	in := e.Intake
	err = in.Ledger.View(ctx, func(tx bot.Tx) error {
		r, err := tx.Request(id)
		if err == nil {
			c, err = in.Card(tx, r, 0)
		}
		return err
	})
	return c, err
}
