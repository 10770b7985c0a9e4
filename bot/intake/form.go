package intake

import (
	"recallbot/bot"
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

func approveForm(r bot.Request) *Form {
	n := r.Tally.Send
	return &Form{
		Kind: FormApprove, Title: bot.Say("form.approve.title", "n", n).String(),
		Submit:  bot.Say("form.approve.submit").String(),
		Request: r.ID, Digest: r.Digest,
		Inputs: []Input{{
			Name: "count", Label: bot.Say("form.approve.count").String(),
			Placeholder: bot.BlindFirst(r, bot.Say("form.approve.hint", "n", n, "group",
				bot.Code(string(r.Scope.Group)))).String(), Required: true, Max: 20,
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
