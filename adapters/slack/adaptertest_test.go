package slack_test

import (
	"log/slog"
	"testing"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
)

// TestAdapter holds the adapter to what every adapter promises, in both ways of delivery.
func TestAdapter(t *testing.T) {
	t.Run("socket mode", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, false) })
	})
	t.Run("http", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, true) })
	})
}

// slackRig is a workspace with the adapter at work there.
type slackRig struct {
	*slacktest.People
	t      *testing.T
	w      *slacktest.Workspace
	bot    *adaptertest.Bot
	a      *slack.Adapter
	byHTTP bool
	stop   func()
}

var slackWorld = adaptertest.World{
	Home: "T0TEAM", Team: "T0TEAM", Channel: "C0TRUST", Mods: "S0MODS", Leads: "S0LEADS", Mina: "U0MINA",
	Theo: "U0THEO", Nobody: "U0NOBODY", MinaName: "mina",
}

func openRig(t *testing.T, byHTTP bool) adaptertest.Rig {
	w := slacktest.New()
	t.Cleanup(w.Close)
	members := []string{"U0MINA", "U0THEO", "U0NOBODY", "U0GONE", "U0GUEST", "U0ALIEN", "U0ROBOT", "U0FLOW"}
	for _, u := range []slacktest.User{
		{ID: "U0MINA", Name: "mina"}, {ID: "U0THEO", Name: "theo"}, {ID: "U0NOBODY", Name: "nobody"},
		{ID: "U0GONE", Name: "gone", Deleted: true},
		{ID: "U0GUEST", Name: "guest", Restricted: true}, {ID: "U0ALIEN", Name: "alien", TeamID: "T0OTHER"},
		{ID: "U0ROBOT", Name: "robot", Bot: true}, {ID: "U0FLOW", Name: "flow", WorkflowBot: true},
	} {
		w.AddUser(u)
	}
	w.AddGroup(slacktest.UserGroup{ID: "S0MODS", Handle: "mods", Members: []string{"U0MINA"}})
	w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0THEO"}})
	for _, c := range []slacktest.Channel{
		{ID: "C0TRUST", Name: "trust", BotIn: true}, {ID: "C0PRIVATE", Name: "private", Private: true},
		{ID: "C0OLD", Name: "old", BotIn: true, Archived: true},
		{ID: "C0SHARED", Name: "shared", BotIn: true, ExtShared: true}, {ID: "D0MINA", IM: true, BotIn: true},
	} {
		c.Members = members
		w.AddChannel(c)
	}
	r := &slackRig{People: w.People(), t: t, w: w, byHTTP: byHTTP,
		bot: adaptertest.NewBot(adaptertest.Policy(slack.ID, slackWorld))}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *slackRig) start() {
	r.t.Helper()
	o := slack.Options{BotToken: r.w.BotToken, HTTPClient: r.w.Client(), Dial: r.w.DialContext, Bot: r.bot,
		Log: slog.New(slog.DiscardHandler)}
	if r.byHTTP {
		o.SigningSecrets = []string{r.w.SigningSecret}
	} else {
		o.AppToken = r.w.AppToken
	}
	a, err := slack.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = a
	if r.byHTTP {
		r.w.Deliver(a.Handler())
	}
	r.stop = adaptertest.Start(r.t, a, nil)
}

func (r *slackRig) Restart() {
	r.stop()
	r.start()
}

func (r *slackRig) World() adaptertest.World { return slackWorld }

func (r *slackRig) Bot() *adaptertest.Bot { return r.bot }

func (r *slackRig) Surface() bot.Surface { return r.a }

func (r *slackRig) Can() adaptertest.Abilities {
	return adaptertest.Abilities{Phone: &slack.Phone, Confirms: true, Checks: true}
}

func (r *slackRig) Act(c adaptertest.Typed) intake.Act {
	return intake.Act{Kind: intake.ActCommand, Command: c.Command, Text: c.Text()}
}

func (r *slackRig) PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) bottest.Deed {
	ref := slacktest.MessageRef{Channel: card.Channel, TS: card.Message}
	return r.w.PressForged(who, ref, string(b), "v1:"+string(b)+":"+request+":"+digest).Deed()
}

func (r *slackRig) Fail(c adaptertest.Call, f adaptertest.Failure, n int) {
	method := map[adaptertest.Call]string{adaptertest.Posting: "chat.postMessage",
		adaptertest.Editing: "chat.update"}[c]
	r.w.Fail(method, n, map[adaptertest.Failure]slacktest.Fault{
		adaptertest.Gone: slacktest.Code("message_not_found"), adaptertest.Forbidden: slacktest.Code("is_archived"),
		adaptertest.Refused: slacktest.Code("no_text"), adaptertest.Busy: slacktest.RateLimited(adaptertest.BusyFor),
		adaptertest.Down: slacktest.ServerError(503), adaptertest.Lost: slacktest.LoseReply(),
	}[f])
}

func (r *slackRig) Blind() bool {
	r.w.Fail("users.info", -1, slacktest.Hang())
	return true
}

func (r *slackRig) Troubles() map[bot.Trouble]adaptertest.Case {
	const trust = "C0TRUST"
	return map[bot.Trouble]adaptertest.Case{
		bot.TroubleBot: {Who: "U0ROBOT", Channel: trust}, bot.TroubleWorkflow: {Who: "U0FLOW", Channel: trust},
		bot.TroubleGuest:       {Who: "U0GUEST", Channel: trust},
		bot.TroubleDeactivated: {Who: "U0GONE", Channel: trust}, bot.TroubleForeign: {Who: "U0ALIEN", Channel: trust},
		bot.TroubleDirectMessage: {Who: "U0MINA", Channel: "D0MINA"}, bot.TroubleNotInChannel: {Who: "U0MINA",
			Channel: "C0PRIVATE"},
		bot.TroubleExtShared: {Who: "U0MINA", Channel: "C0SHARED"},
	}
}

func (r *slackRig) Lacks() map[bot.Trouble]string {
	none := "Slack knows nothing like it"
	return map[bot.Trouble]string{
		bot.TroublePending: none, bot.TroubleTimedOut: none, bot.TroubleUserInstalled: none,
		bot.TroubleWrongGuild: "an account of another workspace is foreign",
		bot.TroubleArchived:   "Slack lets nobody type or press in an archived channel",
		bot.TroubleUnknown:    "an event whose account Slack does not tell is given up",
	}
}
