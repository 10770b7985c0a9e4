package slack

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

// delivery is one event as it came in, with what is needed to answer it at once. Of an event that
// is taken up again after a restart only event is known.
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

// errIgnored marks what Slack sends that asks for nothing but an acknowledgement.
var errIgnored = errors.New("nothing to do")

// errMalformed marks a payload that cannot be read. Its text is not repeated: it may hold what
// people wrote.
var errMalformed = errors.New("payload cannot be read")

// The windows that the adapter opens beside those of a form, as their callback_id. That of a form
// is its kind.
const (
	viewPage  = "page"
	viewLines = "lines"
)

// The buttons of a page. Those of a card are named by bot.ButtonKind.
const (
	actionPrevious = "page_previous"
	actionNext     = "page_next"
	actionRecall   = "recall_find"
)

// inputAction is the action_id of every input; its block_id is the input's name.
const inputAction = "value"

// carried is what a window carries from the press or command that opened it to what is done in it.
// It comes back with Slack's word that it was not changed, and is seen by nobody.
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

// account names who acted by the bot's own workspace, whatever the payload says of theirs: one
// human must not be two accounts because Slack names the team in one payload and the organisation
// in another. User ids are unique across Slack, and accounts of other workspaces are found out by
// users.info.
func (a *Adapter) account(user string) bot.Account {
	acc := bot.Account{Platform: ID, User: user}
	if h := a.home.Load(); h != nil {
		acc.Workspace = h.team
	}
	return acc
}

// eventID names an event by what is the same in every copy of its delivery.
func eventID(parts ...string) bot.EventID {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return bot.EventID("slack-" + hex.EncodeToString(h.Sum(nil)[:16]))
}

// commandDelivery makes a command into an event.
func (a *Adapter) commandDelivery(c slackgo.SlashCommand, at time.Time) (delivery, error) {
	name := strings.TrimPrefix(c.Command, "/")
	if c.UserID == "" || c.ChannelID == "" || (name != "recall" && name != "recalls") {
		return delivery{}, errMalformed
	}
	id := eventID("command", c.TriggerID)
	if c.TriggerID == "" {
		id = eventID("command", c.TeamID, c.ChannelID, c.UserID, c.Command, c.Text, c.ResponseURL)
	}
	e := intake.Event{
		ID: id, Place: a.place(c.ChannelID), By: a.account(c.UserID), Name: c.UserName, Reply: c.ResponseURL,
		Act: intake.Act{Kind: intake.ActCommand, Command: name, Text: c.Text},
	}
	return delivery{at: at, trigger: c.TriggerID, command: true, event: e.Read()}, nil
}

// interaction is what the adapter reads of an interaction payload. It is not the library's type:
// that one decodes the whole message that was pressed, and refuses the press when Slack returns one
// block of it in a form that the library does not know.
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

// interactionDelivery makes a press or a sent form into an event.
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
		card.Message = "" // nobody but Slack can edit it
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
			// The same window may be sent again with other values after a mistake: without the
			// values that would be the same event.
			d.event.ID = eventID("form", in.View.ID, in.View.Hash, in.User.ID, string(values))
		}
	default:
		return delivery{}, errIgnored
	}
	if in.User.ID == "" || channel == "" {
		return delivery{}, errMalformed
	}
	d.event.Act.Card = card
	d.event.Place, d.event.By = a.place(channel), a.account(in.User.ID)
	d.event = d.event.Read()
	return d, nil
}

// buttons are what the value of a button carries.
var buttons = intake.Buttons{Platform: ID, Most: 2000, Confirms: true}

// press says what pressing a button asks for. What a button of a card carried in an earlier version
// had its verb in the action_id alone; such cards still stand.
func press(action, value string) intake.Act {
	if rest, ok := strings.CutPrefix(value, "v1:R-"); ok {
		value = "v1:" + action + ":R-" + rest
	}
	return buttons.Press(value)
}

// form says what sending a window asks for, and the names of its inputs.
func form(in interaction, kept carried) (intake.Act, []string) {
	values := map[string]string{}
	for name, input := range in.View.State.Values {
		values[name] = input[inputAction].Value
	}
	sent := intake.Form{Kind: intake.FormKind(in.View.Callback), Request: kept.Request, Digest: kept.Digest}
	return sent.Sent(values), slices.Sorted(maps.Keys(values))
}

// opens reports whether the answer is expected to be a window, which must be opened within three
// seconds.
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

// carry is what a window opened for d carries.
func (d delivery) carry() carried {
	return carried{
		Channel: d.event.Place.Channel, Message: d.event.Act.Card.Message, Ephemeral: d.ephemeral,
		Request: d.event.Act.Request, Digest: d.event.Act.Digest, Reply: d.event.Reply,
	}
}
