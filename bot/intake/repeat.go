package intake

import (
	"encoding/json"
	"fmt"
	"slices"

	"recallbot/bot"
)

// withoutContent returns the answer as it is stored with its event: without the content of
// messages, which is kept as evidence or not at all, and without nicknames.
func (a Answer) withoutContent() Answer {
	silent := func(samples []bot.Sample) []bot.Sample {
		samples = slices.Clone(samples)
		for i := range samples {
			samples[i].Text, samples[i].Name = nil, ""
		}
		return samples
	}
	if a.Card != nil {
		a.Card = &bot.Card{ID: a.Card.ID} // a repeat has it drawn anew
	}
	if a.Page != nil {
		p := *a.Page
		p.Samples = silent(p.Samples)
		a.Page = &p
	}
	return a
}

// repeated returns a stored answer for a repeat of its event. A card, and a page of a request, show
// what is kept of the messages now.
func (in *Intake) repeated(tx bot.Tx, stored []byte) (*Answer, error) {
	a := Answer{Repeated: true}
	if err := json.Unmarshal(stored, &a); err != nil {
		return nil, fmt.Errorf("read stored answer: %w", err)
	}
	if a.Card != nil {
		r, err := tx.Request(a.Card.ID)
		if err != nil {
			return nil, err
		}
		c, err := in.Card(tx, r, 0)
		if err != nil {
			return nil, err
		}
		a.Card = &c
	}
	switch {
	case a.Page == nil:
	case a.Page.Request == "" || in.Evidence == bot.EvidenceHash:
		a.Page.Notes = append(a.Page.Notes, bot.Say("answer.page.again"))
	default:
		r, err := tx.Request(a.Page.Request)
		if err != nil {
			return nil, err
		}
		pg, err := in.pageOf(tx, r, a.Page.Number)
		if err != nil {
			return nil, err
		}
		pg.Recall, pg.Sweep, pg.Without = a.Page.Recall, a.Page.Sweep, a.Page.Without
		a.Page = &pg.Page
	}
	return &a, nil
}
