package intake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// This file has what is kept of a search, and the pages that show it.

// findShown is how many messages one page of a search shows.
const findShown = 20

// parts returns where the messages are.
func (f Found) parts() []bot.Part {
	if len(f.Parts) > 0 {
		return f.Parts
	}
	return []bot.Part{{Talk: bot.Talk{Group: f.Group, Topic: f.Topic}, Covers: f.Seqs}}
}

// fold keeps kinds, unless few messages or no two kinds of them are alike, and returns them with
// what they say. It keeps none either where not all of the messages could be folded.
func (f *Found) fold(kinds bot.Kinds) *bot.Kinds {
	total := bot.Request{Parts: f.parts()}.Count()
	if kinds.Messages != total || total <= bot.UnfoldedMost || len(kinds.Alike) == 0 {
		return nil
	}
	for _, k := range kinds.Odd[min(len(kinds.Odd), bot.OddShown):] {
		kinds.Further += k.N
	}
	kinds.Odd, kinds.Apart = kinds.Odd[:min(len(kinds.Odd), bot.OddShown)], nil
	kept := kinds
	kept.Odd, kept.Alike = slices.Clone(kinds.Odd), slices.Clone(kinds.Alike)
	for _, list := range [][]bot.Kind{kept.Odd, kept.Alike} {
		for i := range list {
			list[i].Text = ""
		}
	}
	f.Kinds = &kept
	if len(kinds.Alike) > 1 || kinds.OddMessages() > 0 { // else the button for all of them is the same
		for _, k := range kinds.Alike[:min(len(kinds.Alike), bot.KindsShown)] {
			of := map[int]command.Ranges{}
			for part, seqs := range bot.ByPart(k.Messages) {
				of[part] = command.MakeRanges(seqs...)
			}
			f.Of = append(f.Of, of)
		}
	}
	return &kinds
}

// shownKinds are those of the kinds that a page shows.
func shownKinds(k *bot.Kinds) []*bot.Kind {
	var all []*bot.Kind
	for i := range k.Odd {
		all = append(all, &k.Odd[i])
	}
	for i := range k.Alike[:min(len(k.Alike), bot.KindsShown)] {
		all = append(all, &k.Alike[i])
	}
	return all
}

// ids returns the messages of page n, counted from 0: of the group with the most matches first, and
// of each group newest first. If there is no page n, it returns the nearest. The first page of what
// was folded has the first message of each kind.
func (f Found) ids(n int) (page []bot.MessageID, number, of int) {
	parts := f.parts()
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(parts[b].Covers.Count(), parts[a].Covers.Count())
	})
	var all []bot.MessageID
	for _, i := range order {
		seqs := slices.Collect(parts[i].Covers.All())
		slices.Reverse(seqs)
		all = append(all, bot.IDsOf(i, seqs)...)
	}
	before := 0
	if f.Kinds != nil {
		before = 1
	}
	of = before + max(1, (len(all)+findShown-1)/findShown)
	n = min(max(n, 0), of-1)
	if n < before {
		for _, k := range shownKinds(f.Kinds) {
			page = append(page, bot.IDOf(k.Part, k.First))
		}
		return page, n, of
	}
	at := n - before
	return all[at*findShown : min(len(all), (at+1)*findShown)], n, of
}

// foundPage renders one page of what a search found. A message that is not in the map is shown as
// no longer there. kinds are those of f with what they say; if they are nil, that is made of the
// messages.
func (in *Intake) foundPage(f Found, search bot.EventID, n int, messages map[bot.MessageID]bot.Message,
	kinds *bot.Kinds) Page {
	ids, n, of := f.ids(n)
	parts, swept := f.parts(), len(f.Parts) > 0
	total := bot.Request{Parts: parts}.Count()
	pg := Page{Search: search, Number: n, Of: of}
	key, args := "answer.find.title", []any{"n", total, "group", bot.Where(parts[0].Scope()), "page", n + 1, "of", of}
	if swept {
		key, args = "answer.find.groups", append(args, "groups", len(parts), "user",
			bot.Code(string(f.Sweep.Scope.Filter.From)))
	} else {
		pg.Notes = []bot.Line{{bot.Code(bot.Cut(f.Seqs.Words(), 600))}}
	}
	switch {
	case f.Kinds != nil && n == 0:
		key += ".kinds"
		if kinds == nil {
			kinds = f.reread(messages, &pg)
		}
		pg.Samples = in.KindSamples(*kinds, bot.Request{Scope: f.Sweep.Scope, Parts: parts}, true,
			"answer.find.odd.some")
		pg.Kinds = f.kindLabels(in.Policy.MaxMessages)
		if f.Callback {
			pg.Notes = append(pg.Notes, bot.Say("card.callback", "n", total))
		}
	case of > 1 && !swept:
		key += ".of"
		fallthrough
	default:
		for i, id := range ids {
			s := f.sample(id, messages)
			if part := parts[id.Part()]; swept && (i == 0 || ids[i-1].Part() != id.Part()) {
				s.Above = bot.Say("card.group", "group", part.Named(), "n", part.Covers.Count())
			}
			pg.Samples = append(pg.Samples, s)
		}
	}
	pg.Title = bot.Say(key, args...)
	switch most := in.Policy.MaxMessages; {
	case total > most:
		pg.Notes = append(pg.Notes, bot.Say("answer.find.many", "max", most))
	case total == 1:
		pg.Recall = bot.Say("button.recall.one").String()
	case of == 1:
		pg.Recall = bot.Say("button.recall.these", "n", total).String()
	default:
		pg.Recall = bot.Say("button.recall.all", "n", total).String()
	}
	return pg
}

// reread returns the kinds with what they say, made anew of the messages, and notes on the page of
// how many that is not possible.
func (f Found) reread(messages map[bot.MessageID]bot.Message, pg *Page) *bot.Kinds {
	kinds, gone := *f.Kinds, 0
	kinds.Odd, kinds.Alike = slices.Clone(kinds.Odd), slices.Clone(kinds.Alike)
	for _, k := range shownKinds(&kinds) {
		m := messages[bot.IDOf(k.Part, k.First)]
		if m.Status != bot.SealNormal {
			gone++
			continue
		}
		*k = k.Reread(m.Evidence)
	}
	if gone > 0 {
		pg.Notes = append(pg.Notes, bot.Say("answer.find.kinds.gone", "n", gone))
	}
	return &kinds
}

// kindLabels returns the label of the button of each kind, "" for one with more messages than a
// request can have. Where two kinds are of as many messages, their place tells them apart.
func (f Found) kindLabels(most int) (labels []string) {
	for i := range f.Of {
		n := f.Kinds.Alike[i].N
		alike := func(j int) bool { return j >= 0 && j < len(f.Of) && f.Kinds.Alike[j].N == n }
		switch {
		case n > most:
			labels = append(labels, "")
		case alike(i-1) || alike(i+1): // they are ordered by how many they are
			labels = append(labels, bot.Say("button.recall.kind", "n", n, "kind", i+1).String())
		default:
			labels = append(labels, bot.Say("button.recall.these", "n", n).String())
		}
	}
	return labels
}

// sample returns a message of what was found, as it is now.
func (f Found) sample(id bot.MessageID, messages map[bot.MessageID]bot.Message) bot.Sample {
	s := bot.Sample{Seq: uint32(id.Seq())}
	m, read := messages[id]
	if !read {
		s.Marks = []bot.Line{bot.Say("answer.find.lost")}
		return s
	}
	s.Sender, s.Sent = string(m.Sender), m.Sent
	switch {
	case m.Status == bot.SealRecalled:
		s.Marks = []bot.Line{bot.Say("answer.find.recalled")}
		return s
	case m.Status != bot.SealNormal:
		s.Marks = []bot.Line{bot.Say("answer.find.gone")}
		return s
	case m.Callback:
		s.Marks = []bot.Line{bot.Say("card.mark.callback")}
	default:
		if mark := bot.OutsideText(f.Outside[id.Seq()]); mark != nil {
			s.Marks = []bot.Line{mark}
		}
	}
	if m.Evidence != "" {
		s.Text = bot.EvidenceLine(m.Evidence, history.MaxExcerpt)
	}
	return s
}

// shown returns what a search shows of a message.
func shown(m recall.Message, of recall.PartOf) bot.Message {
	out := bot.Message{Seq: m.Seq, Status: bot.SealGone, Sender: m.From, Sent: m.Time, System: m.System, Of: of}
	switch m.Status {
	case recall.StatusNormal:
		out.Status, out.Evidence = bot.SealNormal, bot.EvidenceOf(m, history.MaxExcerpt)
		out.Content, out.Marked = bot.Foldable(m)
	case recall.StatusRecalled:
		out.Status = bot.SealRecalled
	}
	return out
}

// heard returns what a search shows of a message that only callbacks told of.
func heard(a bot.Arrival) bot.Message {
	return bot.Message{Seq: a.Seq, Status: bot.SealNormal, Sender: a.Sender, Sent: a.Sent, Evidence: a.Excerpt,
		Callback: true}
}

// found returns the stored result of a search, while it is kept. It returns a Refusal to any
// account but the one that searched.
func (a *act) found(id bot.EventID) (Found, error) {
	stored, err := a.tx.Event(id)
	if err != nil && !errors.Is(err, bot.ErrNotFound) {
		return Found{}, err
	}
	var first Answer
	if err != nil || stored.Answer == nil {
		return Found{}, bot.NewRefusal("search_gone")
	}
	if err := json.Unmarshal(stored.Answer, &first); err != nil {
		return Found{}, fmt.Errorf("read stored answer: %w", err)
	}
	if first.Found == nil || first.Found.Seqs.Count()+len(first.Found.Parts) == 0 || !first.Found.By.Is(a.e.By) {
		return Found{}, bot.NewRefusal("forged")
	}
	if len(first.Found.Parts) > 0 {
		return *first.Found, a.in.mayTouch(first.Found.Sweep.Scope)
	}
	return *first.Found, a.in.Policy.MayTouch(first.Found.Group)
}

// recallFound stores a request for exactly what a search found, or for the messages of one kind of
// that: by their numbers, since the same search may find others now.
func (a *act) recallFound() (Answer, error) {
	f, err := a.found(a.e.Act.Search)
	if err != nil {
		return Answer{}, err
	}
	parts := slices.Clone(f.parts())
	if n := a.e.Act.Page; a.e.Act.Kind == ActRecallKind {
		if n >= len(f.Of) {
			return Answer{}, bot.NewRefusal("forged")
		}
		for i := range parts {
			parts[i].Covers = f.Of[n][i]
		}
	}
	return a.ask(command.Command{Verb: command.VerbRecall, Scope: a.askExactly(f.Sweep.Scope, parts)})
}
