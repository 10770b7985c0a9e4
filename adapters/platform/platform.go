// Package platform is what the folder of a chat platform brings to the program, as one value of
// type Platform. Package adapters lists them, and main reads that list.
package platform

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/config"
)

// Platform is a chat platform.
type Platform struct {
	ID bot.Platform
	// On reports whether the platform is configured. Where it is not, neither Crowd nor Open is
	// called.
	On func(c config.Config) bool
	// Crowd returns who may ask and approve there, and where.
	Crowd func(c config.Config) bot.Crowd
	// Accounts returns the accounts that a person of the roster has there.
	Accounts func(p config.Person) []bot.Account
	// Open makes the adapter. It calls nobody and starts nothing.
	Open func(w Wiring) (Adapter, error)
	// Paths are those that the adapter's Handler serves.
	Paths []string
	// Manifest returns what sets the app up on the platform. address is where it is to call; "" for
	// nowhere.
	Manifest func(address string) (string, error)
}

// Wiring is what an adapter is connected with.
type Wiring struct {
	Config config.Config
	Bot    Bot
	Door   *inbound.Door
	Log    *slog.Logger
	// Acked is told how long each event took from its arrival to its acknowledgement.
	Acked func(time.Duration)
}

// Bot is what adapters call.
type Bot interface {
	intake.Doer
	PolicyNow() bot.Policy
	ApproversThen(ctx context.Context, id bot.RequestID, on bot.Platform) ([]string, error)
	Remember(ctx context.Context, key, value string) error
	Recollect(ctx context.Context, key string) (string, error)
	Alone(ctx context.Context, name string, waits func(), fn func(ctx context.Context) error) error
}

// Adapter is the bot on a platform.
type Adapter interface {
	bot.Surface
	// Run takes events in until ctx ends, and then finishes what was begun.
	Run(ctx context.Context) error
	// Handler serves events that come by HTTP.
	Handler() http.Handler
	// Trouble says why the adapter cannot work just now, in words of this program alone, "" when it
	// can, and whether that passes by itself.
	Trouble() (words string, passing bool)
	// Remark is what an operator may wonder about though nothing is wrong; "" for nothing.
	Remark() string
	// LastFrame is when the platform was last heard of; zero before the first time.
	LastFrame() time.Time
	// Check looks for what is missing on the platform. It changes nothing there.
	Check(ctx context.Context, roster bot.Roster) (bot.Findings, error)
}

// Crowd returns a platform's part of the policy, as configured.
func Crowd(requesters, approvers config.People, channels config.Channels) bot.Crowd {
	return bot.Crowd{Requesters: principals(requesters), Approvers: principals(approvers), Channels: channels,
		AnyChannel: channels.Any()}
}

func principals(people config.People) []bot.Principal {
	var l []bot.Principal
	for _, u := range people.Users {
		l = append(l, bot.Principal{User: u})
	}
	for _, g := range people.Groups {
		l = append(l, bot.Principal{Group: g})
	}
	return l
}
