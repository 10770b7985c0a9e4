package bottest

import (
	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/bot/intake"
	"recallbot/bot/worker"
)

// Engine is the bot behind its adapters: what people do comes to Intake, callbacks to History, and
// Worker goes on by itself.
type Engine struct {
	*intake.Intake
	*worker.Worker
	History *history.History
}

// NewEngine puts the rooms of one process together, as main does.
func NewEngine(o bot.Options) (*Engine, error) {
	b, err := bot.New(o)
	if err != nil {
		return nil, err
	}
	h := history.New(b)
	return &Engine{intake.New(h), worker.New(h), h}, nil
}
