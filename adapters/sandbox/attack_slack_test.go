package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// slackForger is a forger on Slack.
type slackForger struct {
	w     *slacktest.Workspace
	forms int
}

func init() {
	forgers[slack.ID] = func(home bottest.Home, _ bool) forger {
		return &slackForger{w: home.(*slacktest.Home).Workspace}
	}
}

func (f *slackForger) extra(name string) string { return "U0" + strings.ToUpper(name) }

func (f *slackForger) workspace() string { return f.w.TeamID }

func (f *slackForger) leads(users ...string) {
	f.w.Set(func(w *slacktest.Workspace) { w.RateLimits = false }) // the attacks come faster than people press
	var everybody []string
	for _, p := range cast {
		everybody = append(everybody, f.extra(p.Name))
	}
	for _, name := range second {
		f.w.AddUser(slacktest.User{ID: f.extra(name), Name: name})
		everybody = append(everybody, f.extra(name))
	}
	f.w.AddChannel(slacktest.Channel{ID: slacktest.HomeChannel, Name: "trust", Members: everybody, BotIn: true})
	f.group(users)
}

// group makes users the approvers' group.
func (f *slackForger) group(users []string) {
	f.w.AddGroup(slacktest.UserGroup{ID: slacktest.HomeLeads, Handle: leads, Name: "Leads", Members: users})
}

func (f *slackForger) others(users ...string) string {
	const id = "S0OTHERS"
	f.w.AddGroup(slacktest.UserGroup{ID: id, Handle: "others", Name: "Others", Members: users})
	return id
}

// elsewhere: the app was installed anew, in another workspace.
func (f *slackForger) elsewhere(a *arena, user string) {
	f.w.Set(func(w *slacktest.Workspace) { w.TeamID = "T0ELSEWHERE" })
	f.w.AddUser(slacktest.User{ID: user, Name: "theo"})
	a.restart(bot.Roster{})
}

func (f *slackForger) places(user string) []forbidden {
	for _, c := range []slacktest.Channel{{ID: "C0OTHER", Name: "other", BotIn: true},
		{ID: "C0SHARED", Name: "shared", BotIn: true, ExtShared: true}, {ID: "D0THEO", IM: true, BotIn: true},
		{ID: "C0SEVERAL", Name: "theo-mina", MPIM: true, Private: true, BotIn: true}} {
		c.Members = []string{user}
		f.w.AddChannel(c)
	}
	return []forbidden{{"C0OTHER", "wrong_channel"}, {"C0SHARED", "trouble.ext_shared"},
		{"D0THEO", "trouble.direct_message"}, {"C0SEVERAL", "trouble.direct_message"}}
}

func (f *slackForger) holds(on bottest.Shown, b bot.ButtonKind, id bot.RequestID, digest string) bool {
	m, ok := on.Own.(interface{ Buttons() []slacktest.Button })
	return ok && slices.ContainsFunc(m.Buttons(), func(own slacktest.Button) bool {
		return own.ActionID == string(b) && own.Value == carried(b, id, digest)
	})
}

func (f *slackForger) forge(user string, on bot.Ref, b bot.ButtonKind, id bot.RequestID, digest string) bottest.Deed {
	ref := slacktest.MessageRef{Channel: on.Channel, TS: cmp.Or(on.Message, "1.000001")}
	return f.w.PressForged(user, ref, string(b), carried(b, id, digest)).Deed()
}

func (f *slackForger) verdict(user string, on bot.Ref, r bot.Request, v bot.Verdict, digest string) bottest.Deed {
	where := map[string]any{"c": on.Channel, "r": r.ID, "d": digest}
	if on.Message != "" {
		where["m"] = on.Message
	}
	if v == bot.Approve {
		return f.submit(user, "approve", where, map[string]string{"count": fmt.Sprint(r.Tally.Send)})
	}
	return f.submit(user, "reject", where, map[string]string{"reason": "no"})
}

func (f *slackForger) ask(user string, on bot.Ref) bottest.Deed {
	return f.submit(user, "ask", map[string]any{"c": on.Channel}, map[string]string{"group": Group, "what": "103"})
}

// submit sends a form that was never opened.
func (f *slackForger) submit(user, callback string, carries map[string]any, filled map[string]string) bottest.Deed {
	encode := func(v any) string {
		body, err := json.Marshal(v)
		if err != nil {
			panic(err) // unreachable unless this test puts something else there
		}
		return string(body)
	}
	type object = map[string]any
	values := object{}
	for name, v := range filled {
		values[name] = object{"value": object{"type": "plain_text_input", "value": v}}
	}
	f.forms++
	return f.w.Send("interactive", json.RawMessage(encode(object{
		"type": "view_submission", "trigger_id": fmt.Sprint("forged.", f.forms), "team": object{"id": f.w.TeamID},
		"user": object{"id": user, "name": user, "team_id": f.w.TeamID},
		"view": object{"id": "V0FORGED", "type": "modal", "callback_id": callback, "private_metadata": encode(carries),
			"hash": "1.a", "state": object{"values": values}},
	}))).Deed()
}

func (f *slackForger) found(user string, on bot.Ref) bottest.Deed {
	ref := slacktest.MessageRef{Channel: on.Channel, TS: cmp.Or(on.Message, "1.000001")}
	return f.w.PressForged(user, ref, "recall_find", "v1:find:slack-0123456789abcdef").Deed()
}

func (f *slackForger) said(d bottest.Deed) string { return string(d.(slacktest.Deed).Response()) }

func (f *slackForger) repeat(d bottest.Deed) error {
	if err := awaited(d.Again()); err != nil {
		return err
	}
	last := d.(slacktest.Deed)
	return awaited(f.w.Send(last.Type, last.Payload).Deed())
}

func (f *slackForger) kinds(a *arena, try func(user, want string)) {
	users := []string{a.of("theo", a.p)}
	kinds := []struct {
		u    slacktest.User
		want string
	}{
		{slacktest.User{Bot: true}, "trouble.bot"}, {slacktest.User{ConnectorBot: true}, "trouble.bot"},
		{slacktest.User{WorkflowBot: true}, "trouble.workflow"},
		{slacktest.User{Deleted: true}, "trouble.deactivated"}, {slacktest.User{Restricted: true}, "trouble.guest"},
		{slacktest.User{UltraRestricted: true, Restricted: true}, "trouble.guest"},
		{slacktest.User{Invited: true}, "trouble.guest"}, {slacktest.User{TeamID: "T0OTHER"}, "trouble.foreign"},
		{slacktest.User{Stranger: true}, "trouble.foreign"},
		{slacktest.User{TeamID: "T0OTHER", EnterpriseID: "E0OTHER"}, "trouble.foreign"},
	}
	for i := range kinds {
		u := &kinds[i].u
		u.ID, u.Name = fmt.Sprint("U0KIND", i), fmt.Sprint("kind", i)
		f.w.AddUser(*u)
		users = append(users, u.ID)
	}
	f.w.AddChannel(slacktest.Channel{ID: slacktest.HomeChannel, Name: "trust", Members: users, BotIn: true})
	f.group(users)
	a.pass(time.Minute) // what was known of the group no longer counts
	for _, kind := range kinds {
		try(kind.u.ID, kind.want)
	}
}
