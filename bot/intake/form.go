package intake

import (
	"cmp"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Sent returns the act of sending the form, given its inputs by name. The kind is ActForged if
// there is no such form.
func (f Form) Sent(values map[string]string) Act {
	act := Act{Request: f.Request, Digest: f.Digest}
	switch f.Kind {
	case FormAsk:
		return Act{Kind: ActForm, Command: "recall", Options: values}
	case FormApprove:
		act.Kind, act.Count, act.Typed = ActApprove, values["count"], true
	case FormReject:
		act.Kind, act.Reason = ActReject, values["reason"]
	default:
		return Act{Kind: ActForged}
	}
	return act
}

// aboutInput has the input of the form of /recall that a refusal or mistake is about. All others
// are about the messages.
var aboutInput = map[string]string{
	"group_not_allowed": "group", "reason_required": "reason",
	"mistake.group_cut": "group", "mistake.group_is_topic": "group", "mistake.group_long": "group",
	"mistake.in_all": "group", "mistake.in_group": "group", "mistake.in_joined": "group", "mistake.in_many": "group",
	"mistake.group_missing": "group", "mistake.group_spaces": "group",
	"mistake.topic_cut": "topic", "mistake.topic_group": "topic", "mistake.topic_long": "topic",
}

// input returns the input of the sent form that a refusal is about, or "" if no form was sent.
func (a Act) input(refused string) string {
	switch {
	case a.Kind == ActForm:
		return cmp.Or(aboutInput[refused], "what")
	case a.Kind == ActApprove && a.Typed:
		return "count"
	case a.Kind == ActReject:
		return "reason"
	}
	return ""
}

func askForm(p bot.Policy) *Form {
	return &Form{
		Kind: FormAsk, Title: bot.Say("form.ask.title").String(), Submit: bot.Say("form.ask.submit").String(),
		Inputs: []Input{
			{Name: "group", Label: bot.Say("form.ask.group").String(), Placeholder: "@TGS#2J4SZEAEL", Required: true,
				Max: 100},
			{Name: "what", Label: bot.Say("form.ask.what").String(),
				Placeholder: bot.Say("form.ask.what.hint").String(), Required: true, Max: 2000},
			{Name: "topic", Label: bot.Say("form.ask.topic").String(), Max: 200},
			{Name: "reason", Label: bot.Say("form.ask.reason").String(), Required: p.ReasonRequired, Long: true,
				Max: 500},
		},
	}
}

// sweepForm is askForm filled in for everything of a sender. Sending it asks for a new request.
func sweepForm(p bot.Policy, sender recall.UserID) *Form {
	f := askForm(p)
	f.Inputs[0].Value = "in:joined"
	f.Inputs[1].Value = command.Filter{From: sender}.String()
	return f
}

// hintWhere is how many characters of a group or topic the form of an approval shows. The smallest
// placeholder of a platform has 100, and a blind request says so first.
const hintWhere = 50

func approveForm(r bot.Request) *Form {
	n := r.Tally.Send
	return &Form{
		Kind: FormApprove, Title: bot.Say("form.approve.title", "n", n).String(),
		Submit:  bot.Say("form.approve.submit").String(),
		Request: r.ID, Digest: r.Digest,
		Inputs: []Input{{
			Name: "count", Label: bot.Say("form.approve.count").String(),
			Placeholder: bot.BlindFirst(r, bot.Say("form.approve.hint", "where",
				bot.WhereShort(r, hintWhere))).String(), Required: true, Max: 20,
		}},
	}
}

func rejectForm(r bot.Request) *Form {
	return &Form{
		Kind: FormReject, Title: bot.Say("form.reject.title", "id", r.ID).String(),
		Submit:  bot.Say("form.reject.submit").String(),
		Request: r.ID, Digest: r.Digest,
		Inputs: []Input{{Name: "reason", Label: bot.Say("form.reject.reason").String(), Long: true, Max: 500}},
	}
}
