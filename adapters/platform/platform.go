// Package platform is what the folder of a chat platform brings to the program, as one value of
// type Platform. Package adapters lists them, and main reads that list.
package platform

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/config"
)

// Platform is a chat platform.
type Platform struct {
	// Platform is its part of the configuration: its id, variables and settings.
	config.Platform
	// Open makes the adapter. It calls nobody and starts nothing.
	Open func(w Wiring) (Adapter, error)
	// Paths are those that the adapter's Handler serves.
	Paths []string
	// Manifest adds the flags that the command manifest takes for the platform. Once they are
	// parsed, print returns what sets the app up there; its error is about what a flag or a
	// variable says.
	Manifest func(*flag.FlagSet) (print func() (string, error))
}

// Wiring is what an adapter is connected with.
type Wiring struct {
	// Settings are those that the platform's Settings made.
	Settings config.Settings
	Bot      Bot
	Door     *inbound.Door
	Log      *slog.Logger
	// Acked is told how long each event took from its arrival to its acknowledgement. Nil: nobody.
	Acked func(time.Duration)
	// Client makes the calls, and Dial opens other connections; nil: those that the adapter makes.
	Client *http.Client
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Bot is what adapters call.
type Bot interface {
	intake.Doer
	PolicyNow() bot.Policy
	RosterNow() bot.Roster
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

// Remarks joins what an adapter remarks; "" is nothing.
func Remarks(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "; ")
}
