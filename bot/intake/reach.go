package intake

import (
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
)

// This file has which groups a command or a request is about.

// mayTouch returns a Refusal if none of the groups that the command names may be touched. Those of
// joined are not known yet; of several named ones, those that may not be touched are left out
// later, and named.
func (in *Intake) mayTouch(s command.Scope) (err error) {
	if !s.Sweeps() {
		return in.Policy.MayTouch(s.Group)
	}
	for _, id := range s.In {
		group, _ := command.InTalk(id)
		if err = in.Policy.MayTouch(group); err == nil {
			return nil
		}
	}
	return err
}

// mayShow returns a Refusal if a request that has ended may not be shown: one of its groups may not
// be touched any more.
func (in *Intake) mayShow(r bot.Request) error {
	if !r.Scope.Sweeps() {
		return in.Policy.MayTouch(r.Scope.Group)
	}
	for _, p := range r.Parts {
		if err := in.Policy.MayTouch(p.Group); err != nil {
			return err
		}
	}
	return nil
}

// partsAsked returns where a request is about, as far as its command says so.
func partsAsked(s command.Scope) (parts []bot.Part) {
	if !s.Sweeps() {
		return []bot.Part{{Talk: bot.TalkOf(s), Covers: s.Seqs}}
	}
	for _, id := range s.In {
		group, topic := command.InTalk(id)
		t := bot.Talk{Group: group, Topic: topic}
		if !slices.ContainsFunc(parts, func(p bot.Part) bool { return p.Talk == t }) {
			parts = append(parts, bot.Part{Talk: t})
		}
	}
	return parts
}

// needsNames reports whether a group of the command was typed as something that may be its name.
func needsNames(s command.Scope) bool {
	return s.MayBeName() || slices.ContainsFunc(s.In, func(typed string) bool { return !command.IsInID(typed) })
}
