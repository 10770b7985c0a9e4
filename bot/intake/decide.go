package intake

import (
	"errors"
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// decide passes a verdict to bot.Decide. Every verdict goes through it: from a button, a form or a
// command.
func (a *act) decide(v bot.Verdict) (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	d := bot.Decision{Verdict: v, By: a.m, Place: a.e.Place, Digest: wholeDigest(r, a.e.Act.Digest),
		Reason: strings.TrimSpace(a.e.Act.Reason), Event: a.e.ID}
	next, err := bot.Decide(r, d, now)
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		if no.Key == "too_late" && a.arrived.Before(r.Deadline) {
			no = bot.NewRefusal("expired_while_checked", "deadline", r.Deadline)
		}
		return a.stale(r, no)
	}
	if err != nil {
		return Answer{}, err
	}
	if v == bot.Approve && a.e.Act.Typed {
		if n, ok := typedNumber(a.e.Act.Count); !ok || n != r.Tally.Send {
			return Answer{}, bot.NewRefusal("wrong_count", "typed", bot.Quote(bot.Cut(a.e.Act.Count, 30)), "n",
				r.Tally.Send)
		}
	}
	if err := a.tx.PutRequest(next); err != nil {
		return Answer{}, err
	}
	what, key := "approved", "answer.approved"
	switch {
	case next.State == bot.Rejected:
		what, key = "rejected", "answer.rejected"
		if err := a.in.Ended(a.tx, next); err != nil {
			return Answer{}, err
		}
	case next.State == bot.Approved:
		if err := a.in.granted(a.tx, next); err != nil {
			return Answer{}, err
		}
	default:
		key = "answer.approved_more"
	}
	err = a.in.audit(a.tx, a.e, what, r.ID, r.Digest, map[string]any{"state": string(next.State),
		"have": len(next.Approvals), "need": next.Needed, "reason_given": d.Reason != ""})
	if err != nil {
		return Answer{}, err
	}
	return a.changed(next, bot.Say(key, "id", r.ID, "n", next.Awaits()))
}

// typedNumber parses a number as a person types it: it ignores spaces and thousands separators, and
// accepts full-width digits.
func typedNumber(s string) (int, bool) {
	s = strings.NewReplacer(",", "", ".", "", " ", "", "'", "").Replace(command.FoldString(s))
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

// wholeDigest returns the sealed digest if the card's digest is the beginning of it and has at
// least DigestShort characters. Otherwise it returns a text that equals no digest.
func wholeDigest(r bot.Request, onCard string) string {
	if len(onCard) >= bot.DigestShort && r.Digest != "" && strings.HasPrefix(r.Digest, onCard) {
		return r.Digest
	}
	return "card:" + onCard
}

// granted stores the grant of an approved request, sets its start timer, and wakes the runner.
func (in *Intake) granted(tx bot.Tx, r bot.Request) error {
	if err := tx.Grant(r.ID, r.Digest); err != nil {
		return err
	}
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueStart,
		At: r.Granted.Add(r.Policy.StartWithin)}); err != nil {
		return err
	}
	tx.Wake(bot.WakeRunner, bot.WakeTimer)
	return nil
}

// askOnceMore answers a press with a form that asks for a confirmation. It decides nothing, but
// refuses at once what Decide would refuse.
func (a *act) askOnceMore() (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	v := bot.Approve
	if a.e.Act.Kind == ActAskReject {
		v = bot.Reject
	}
	if _, err := bot.Decide(r, bot.Decision{Verdict: v, By: a.m, Place: a.e.Place,
		Digest: wholeDigest(r, a.e.Act.Digest)}, now); err != nil {
		if no, ok := errors.AsType[*bot.Refusal](err); ok {
			return a.stale(r, no)
		}
		return Answer{}, err
	}
	if v == bot.Reject {
		return Answer{Kind: ShowForm, Form: rejectForm(r)}, nil
	}
	return Answer{Kind: ShowForm, Form: approveForm(r)}, nil
}
