package intake

import (
	"context"
	"errors"

	"recallbot/bot"
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

// What the pages of Show all show, in this order. A request whose messages were not folded has
// pages of the last sort alone.
const (
	pagesApart = "unlike the rest" // each message that is unlike the rest
	pagesKinds = "kinds"           // each kind of the rest
	pagesEvery = "messages"        // every message
)

// shownPage is a page of Show all.
type shownPage struct {
	Page
	what     string // of the sorts above
	messages []bot.Message
}

// pageOf returns page n of a request, counted from 0, with what is kept of its messages.
func (in *Intake) pageOf(tx bot.Tx, r bot.Request, n int) (pg shownPage, err error) {
	var apart []bot.MessageID
	var kinds []bot.Kind
	if folded, err := tx.Kinds(r.ID); err != nil {
		return pg, err
	} else if folded != nil {
		apart, kinds = folded.ApartIDs(), folded.Alike
	}
	pagesOf := func(n int) int { return (n + pageSize - 1) / pageSize }
	of := max(1, pagesOf(len(apart))+pagesOf(len(kinds))+pagesOf(r.Tally.Total))
	n = min(max(n, 0), of-1)
	title := func(key string, args ...any) bot.Line {
		return bot.BlindFirst(r, bot.Say(key, append(args, "id", r.ID, "page", n+1, "of", of)...))
	}
	pg.Request, pg.Digest, pg.Number, pg.Of = r.ID, r.Digest, n, of
	switch at := n - pagesOf(len(apart)); {
	case at < 0:
		pg.what, pg.Title = pagesApart, title("answer.page.apart", "n", len(apart))
		for _, id := range apart[n*pageSize : min(len(apart), (n+1)*pageSize)] {
			m, err := tx.Messages(r.ID, id, 1)
			if err != nil {
				return pg, err
			}
			pg.messages = append(pg.messages, m...)
		}
	case at < pagesOf(len(kinds)):
		pg.what, pg.Title = pagesKinds, title("answer.page.kinds")
		if len(apart) == 0 {
			pg.Title = title("answer.page.kinds.all")
		}
		for _, k := range kinds[at*pageSize : min(len(kinds), (at+1)*pageSize)] {
			first, err := tx.Messages(r.ID, bot.IDOf(k.Part, k.First), 1)
			if err != nil {
				return pg, err
			}
			pg.messages = append(pg.messages, first...)
			pg.Samples = append(pg.Samples, in.KindSample(k, r, pageRunes, true))
		}
	default:
		pg.what, pg.Title = pagesEvery, title("answer.page.title")
		if len(kinds) > 0 {
			pg.Title = title("answer.page.every")
		}
		at -= pagesOf(len(kinds))
		if pg.messages, err = tx.Messages(r.ID, r.Nth(at*pageSize), pageSize); err != nil {
			return pg, err
		}
	}
	if pg.what != pagesKinds {
		removals, err := bot.RemovalsOf(tx, r, pg.messages)
		if err != nil {
			return pg, err
		}
		for _, m := range pg.messages {
			sample := in.Sample(m, r, removals, pageRunes, true)
			if r.Scope.Sweeps() {
				sample.Marks = sample.Marks[1:] // byGroup names the group
			}
			pg.Samples = append(pg.Samples, sample)
		}
		pg.byGroup(r)
	}
	pg.Notes = bot.Whole(r)
	if _, err := tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
		pg.Notes = append(pg.Notes, bot.Say("answer.page.gone"))
	} else if err != nil {
		return pg, err
	}
	return pg, nil
}

// shownIn returns what the audit log has of a page that was shown.
func (pg shownPage) shownIn() map[string]any {
	more := map[string]any{"how": "show all", "page": pg.Number}
	if pg.what != pagesEvery {
		more["what"] = pg.what
	}
	return more
}

// byGroup puts a line with the name of the group above the first message of each group.
func (pg *shownPage) byGroup(r bot.Request) {
	if !r.Scope.Sweeps() {
		return
	}
	for i, m := range pg.messages {
		pg.Samples[i].Above = nil
		if p := r.Parts[m.Part]; i == 0 || m.Part != pg.messages[i-1].Part {
			pg.Samples[i].Above = bot.Say("card.group", "group", p.Named(), "n", p.Covers.Count())
		}
	}
}

// nameSenders sets the nicknames of those who sent the messages of a page that a search shows, if
// it shows one. It waits half a second for them at most.
func (in *Intake) nameSenders(ctx context.Context, pg *Page) {
	if pg == nil {
		return
	}
	var ids []recall.UserID
	for _, s := range pg.Samples {
		ids = append(ids, recall.UserID(s.Sender))
	}
	in.AskNicknames(ctx, ids, func(read func()) { go read() }, func(bool) {})
	in.NameSenders(pg.Samples)
}
