package slack

// This file reads what Slack sends: a command, a press, a form. Each becomes a delivery with an
// intake.Event, whose id is the same in every copy of the delivery, and whose account does not
// depend on what the payload says of teams.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

// delivery is one event as it came in, with what is needed to answer it at once. After a restart
// only the field event of an unanswered delivery is known.
type delivery struct {
	event   intake.Event
	at      time.Time
	trigger string // opens a window within three seconds; "" when there is none
	view    string // the id of the window that is open for this event; "" for none
	inputs  []string
	command bool
	form    bool
	// ephemeral: the button was pressed under a message that only this person sees.
	ephemeral bool
}

// errIgnored is the error of a payload that needs only an acknowledgement.
var errIgnored = errors.New("nothing to do")

// errMalformed is the error of a payload that cannot be read. It does not quote the payload, which
// may hold what people wrote.
var errMalformed = errors.New("payload cannot be read")

// The callback_ids of the windows that the adapter opens in addition to forms. The callback_id of a
// form is its kind.
const (
	viewPage  = "page"
	viewLines = "lines"
)

// The action_ids of the buttons of a page. For those of a card see bot.ButtonKind.
const (
	actionPage = "page_" // and the name of the button
	actionUse  = "use_"  // and the number of the command
)

// inputAction is the action_id of every input; its block_id is the input's name.
const inputAction = "value"

// carried is what a window keeps of the press or command that opened it, for the events in the
// window. It is in private_metadata, which people do not see and cannot change.
type carried struct {
	Channel   string        `json:"c"`
	Message   string        `json:"m,omitempty"` // of the card whose button was pressed
	Ephemeral bool          `json:"e,omitempty"`
	Request   bot.RequestID `json:"r,omitempty"`
	Digest    string        `json:"d,omitempty"`
	Reply     string        `json:"u,omitempty"` // response_url
}

func (a *Adapter) place(channel string) bot.Place {
	p := bot.Place{Platform: ID, Channel: channel}
	if h := a.home.Load(); h != nil {
		p.Workspace = h.team
	}
	return p
}

// account returns the account of a user id, always with the bot's own workspace. A payload may name
// the team or the organisation of the same person, who must not become two accounts. User ids are
// unique across Slack, and users.info says whether an account belongs to another workspace.
func (a *Adapter) account(user string) bot.Account {
	acc := bot.Account{Platform: ID, User: user}
	if h := a.home.Load(); h != nil {
		acc.Workspace = h.team
	}
	return acc
}

// eventID returns the id of an event, made of values that are the same in every copy of it.
func eventID(parts ...string) bot.EventID {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return bot.EventID("slack-" + hex.EncodeToString(h.Sum(nil)[:16]))
}

// unescape undoes, once, what Slack writes in the place of the three characters that are markup.
var unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

// commandDelivery reads a command. One that the bot does not have is delivered too, and is
// answered.
func (a *Adapter) commandDelivery(c slackgo.SlashCommand, at time.Time) (delivery, error) {
	name := strings.TrimPrefix(c.Command, "/")
	if c.UserID == "" || c.ChannelID == "" || name == "" {
		return delivery{}, errMalformed
	}
	id := eventID("command", c.TriggerID)
	if c.TriggerID == "" {
		id = eventID("command", c.TeamID, c.ChannelID, c.UserID, c.Command, c.Text, c.ResponseURL)
	}
	e := intake.Event{
		ID: id, Place: a.place(c.ChannelID), By: a.account(c.UserID), Name: c.UserName, Reply: c.ResponseURL,
		Act: intake.Act{Kind: intake.ActCommand, Command: name, Text: unescape.Replace(c.Text)},
	}
	if name != "recall" && name != "recalls" {
		e.Act.Kind = intake.ActForged
	}
	return delivery{at: at, trigger: c.TriggerID, command: true, event: e.Read()}, nil
}

// interaction is what the adapter reads of an interaction payload. The library's type is not used:
// it decodes the whole pressed message, and refuses the press if Slack returns one block of the
// message in a form that the library does not know.
type interaction struct {
	Type    string `json:"type"`
	Trigger string `json:"trigger_id"`
	Reply   string `json:"response_url"`
	User    struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Message   string `json:"message_ts"`
		Thread    string `json:"thread_ts"`
		Channel   string `json:"channel_id"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
		TS    string `json:"action_ts"`
	} `json:"actions"`
	View struct {
		ID       string `json:"id"`
		Hash     string `json:"hash"`
		Callback string `json:"callback_id"`
		Metadata string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]struct {
				Value string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// interactionDelivery reads a press or a sent form.
func (a *Adapter) interactionDelivery(payload []byte, at time.Time) (delivery, error) {
	var in interaction
	if err := json.Unmarshal(payload, &in); err != nil {
		return delivery{}, errMalformed
	}
	var kept carried
	if in.View.Metadata != "" {
		if err := json.Unmarshal([]byte(in.View.Metadata), &kept); err != nil {
			return delivery{}, errMalformed
		}
	}
	d := delivery{at: at, trigger: in.Trigger, view: in.View.ID}
	d.event.Reply = firstOf(in.Reply, kept.Reply)
	d.event.Name = firstOf(in.User.Name, in.User.Username)

	channel := firstOf(in.Channel.ID, in.Container.Channel, kept.Channel)
	card := bot.Ref{Channel: channel, Message: firstOf(in.Container.Message, kept.Message), Thread: in.Container.Thread}
	if d.ephemeral = in.Container.Ephemeral || kept.Ephemeral; d.ephemeral {
		card.Message = "" // the bot cannot edit it
	} else if card.Message == "" {
		card = bot.Ref{} // the window was opened by a command
	}

	switch in.Type {
	case "block_actions":
		if len(in.Actions) == 0 {
			return delivery{}, errMalformed
		}
		action := in.Actions[0]
		d.event.Act = press(action.ID, action.Value)
		d.event.ID = eventID("press", in.Trigger)
		if in.Trigger == "" {
			d.event.ID = eventID("press", action.TS, in.Container.Message, in.View.ID, in.User.ID, action.ID,
				action.Value)
		}
	case "view_submission":
		d.form = true
		d.event.Act, d.inputs = form(in, kept)
		d.event.ID = eventID("form", in.Trigger)
		if in.Trigger == "" {
			values, err := json.Marshal(in.View.State)
			if err != nil {
				return delivery{}, errMalformed // unreachable: it was just read
			}
			// After a mistake the same window may be sent again with other values, and is then
			// another event. Therefore the values are part of the id.
			d.event.ID = eventID("form", in.View.ID, in.View.Hash, in.User.ID, string(values))
		}
	case "shortcut", "message_action", "interactive_message", "dialog_submission": // none is the bot's
		card = bot.Ref{}
		d.event.Act = intake.Act{Kind: intake.ActForged}
		if in.Type == "shortcut" || in.Type == "message_action" {
			d.event.Act.Sub = "shortcut"
		}
		d.event.ID = eventID(in.Type, in.Trigger, in.User.ID, in.Reply)
	default:
		return delivery{}, errIgnored
	}
	if in.User.ID == "" || channel == "" && in.Type != "shortcut" {
		return delivery{}, errMalformed
	}
	d.event.Act.Card = card
	d.event.Place, d.event.By = a.place(channel), a.account(in.User.ID)
	d.event = d.event.Read()
	return d, nil
}

// buttons writes and reads the values of buttons.
var buttons = intake.Buttons{Platform: ID, Most: 2000, Confirms: true}

// press returns the act of pressing a button. In an earlier version the verb was only in the
// action_id; cards of that version still exist.
func press(action, value string) intake.Act {
	if rest, ok := strings.CutPrefix(value, "v1:R-"); ok {
		value = "v1:" + action + ":R-" + rest
	}
	return buttons.Press(value)
}

// form returns the act of sending a window, and the names of its inputs.
func form(in interaction, kept carried) (intake.Act, []string) {
	values := map[string]string{}
	for name, input := range in.View.State.Values {
		values[name] = input[inputAction].Value
	}
	sent := intake.Form{Kind: intake.FormKind(in.View.Callback), Request: kept.Request, Digest: kept.Digest}
	return sent.Sent(values), slices.Sorted(maps.Keys(values))
}

// opens reports whether the answer will be a window, which must be opened within three seconds.
func (d delivery) opens() bool {
	if d.trigger == "" || d.view != "" {
		return false
	}
	switch d.event.Act.Kind {
	case intake.ActAskReject, intake.ActAskApprove, intake.ActShowAll, intake.ActTurnFind:
		return true
	case intake.ActCommand:
		return d.event.Verb() == command.VerbForm
	}
	return false
}

// carry returns what a window that is opened for d keeps.
func (d delivery) carry() carried {
	return carried{
		Channel: d.event.Place.Channel, Message: d.event.Act.Card.Message, Ephemeral: d.ephemeral,
		Request: d.event.Act.Request, Digest: d.event.Act.Digest, Reply: d.event.Reply,
	}
}
