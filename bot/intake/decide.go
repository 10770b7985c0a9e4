package intake

import (
	"errors"
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// decide passes a verdict of a button or a form to bot.Decide. If the requester's person rejects,
// they take the request back.
func (a *act) decide(v bot.Verdict) (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	if v == bot.Reject && bot.IsRequester(r, a.m.Account, now) {
		next, err := bot.Withdraw(r, a.m, now)
		return a.ended(r, next, err)
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
	return a.decided(r, next, d.Reason)
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
		if bot.IsRequester(r, a.m.Account, now) { // nobody has to be told why
			return a.decide(v)
		}
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
