package intake

import (
	"errors"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/recall"
)

const (
	pageSize  = 10  // messages on one page of Show all
	pageRunes = 500 // characters shown of one message

	listShown = 20 // requests that list shows at most
	// requests that list reads at most, to find those that may be shown; each is read in full while
	// somebody waits
	listScanned = 60

	stopScanned = 500 // open requests that stop without an id looks through at most

	groupsScanned = 1000 // groups that an autocompletion searches: those of the latest requests
)

// pageOf returns page n of the messages of a request, counted from 0, with what is kept of them,
// and the messages themselves.
func (in *Intake) pageOf(tx bot.Tx, r bot.Request, n int) (Page, []bot.Message, error) {
	of := max(1, (r.Tally.Total+pageSize-1)/pageSize)
	n = min(max(n, 0), of-1)
	messages, err := tx.Messages(r.ID, r.Nth(n*pageSize), pageSize)
	if err != nil {
		return Page{}, nil, err
	}
	removals, err := bot.RemovalsOf(tx, r, messages)
	if err != nil {
		return Page{}, nil, err
	}
	pg := Page{Title: bot.BlindFirst(r, bot.Say("answer.page.title", "id", r.ID, "page", n+1, "of", of)), Request: r.ID,
		Digest: r.Digest, Number: n, Of: of}
	for _, m := range messages {
		pg.Samples = append(pg.Samples, in.Sample(m, r, removals, pageRunes, true))
	}
	pg.Notes = bot.Whole(r)
	if _, err := tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
		pg.Notes = append(pg.Notes, bot.Say("answer.page.gone"))
	} else if err != nil {
		return Page{}, nil, err
	}
	return pg, messages, nil
}

// shown returns what a search shows of a message.
func shown(m recall.Message) bot.Message {
	out := bot.Message{Seq: m.Seq, Status: bot.SealGone, Sender: m.From, Sent: m.Time}
	switch m.Status {
	case recall.StatusNormal:
		out.Status, out.Evidence = bot.SealNormal, bot.EvidenceOf(m, history.MaxExcerpt)
	case recall.StatusRecalled:
		out.Status = bot.SealRecalled
	}
	return out
}
