package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"recallbot/recall"
)

const (
	findWithin = 60 * time.Second // how long a search may take before the person is told that it failed
	findQuiet  = 2 * time.Second  // how long it may take before the person is told that it goes on
	findShown  = 20               // messages shown at a time
)

// find shows the messages that match, to the one who asks alone. The event is stored first; the reading follows, without a transaction.
func (b *Bot) find(ctx context.Context, e Event, m Member, cmd Command) (Answer, error) {
	var scope Scope
	end, refused, err := b.beginSearch(ctx, e, func(tx Tx) error {
		if err := b.o.Policy.MayBeUsedIn(e.Place); err != nil {
			return err
		}
		if err := b.o.Policy.MayRead(m, b.o.Roster); err != nil {
			return err
		}
		if err := b.o.Policy.MayTouch(cmd.Scope.Group); err != nil {
			return err
		}
		scope = cmd.Scope
		scope.Filter = scope.Filter.Absolute(tx.Now())
		return nil
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, Say("answer.find.progress", "group", Code(string(scope.Group))))
	by, _ := b.o.Roster.Of(e.By)
	rd := b.reading(scope, "find", recall.ForSearch, by)
	rd.more, rd.keep = map[string]any{"group": string(scope.Group)}, shown
	found, err := b.searchAnywhere(within, rd)
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []Line{b.readingFailed(err)}
	} else {
		answer = b.foundAnswer(e, scope, found)
	}
	detail := map[string]any{"how": "find", "group": string(cmd.Scope.Group), "matches": len(found.Matches), "read": found.Read}
	if err != nil {
		detail["error"] = err.Error()
	}
	return b.settle(ctx, e, func(tx Tx, _ time.Time) (Answer, error) { return answer, b.auditRead(tx, e, "", "", rd.told, detail) })
}

// readingFailed tells a person why messages could not be read.
func (b *Bot) readingFailed(err error) Line {
	words := err.Error()
	if _, api := judgeRead(err); api != nil {
		words = apiWords(api.Code, api.Info) + " (" + codeDigits(api.Code) + ")"
	} else if errors.Is(err, context.DeadlineExceeded) {
		words = "no answer within " + Duration(findWithin)
	}
	return Say("answer.find.failed", "words", Quote(Cut(words, 300)))
}

// searchAnywhere searches history; and of a group that has none, the index, where there is one.
func (b *Bot) searchAnywhere(ctx context.Context, rd *reading) (searched, error) {
	found, err := rd.search(ctx)
	if err == nil || !b.indexing() {
		return found, err
	}
	kind, _ := judgeRead(err)
	if kind != readNever && kind != readRefused {
		return found, err
	}
	info, again := rd.group(ctx)
	if kind == readRefused && (again != nil || info.Type == "" || info.Type.HasHistory()) { // not every group without history is refused as such
		return found, err
	}
	return b.searchArrived(ctx, rd.scope, nextSeq(info, rd.scope))
}

// Found is what a search found, kept with its answer for a day: which messages, nothing that they say.
type Found struct {
	By       Account        `json:"by"`
	Group    recall.GroupID `json:"group"`
	Topic    recall.TopicID `json:"topic,omitempty"`
	Seqs     Ranges         `json:"seqs"`
	Callback bool           `json:"callback,omitempty"` // the index was searched, not history
}

// page returns the seqs of page n, newest first, and the number of that page, which is the nearest that there is.
func (f Found) page(n int) ([]recall.Seq, int) {
	all := slices.Collect(f.Seqs.All())
	slices.Reverse(all)
	n = min(max(n, 0), (len(all)-1)/findShown)
	return all[n*findShown : min(len(all), (n+1)*findShown)], n
}

// foundAnswer shows what was found: the newest first page of it, and a button that asks for a recall of exactly what is on all of them.
func (b *Bot) foundAnswer(e Event, s Scope, found searched) Answer {
	read := Say("answer.find.read", "n", found.Read, "reached", found.Reached)
	if found.Read == 0 {
		read = Say("answer.find.read.none")
	}
	if !found.Complete {
		read = append(append(read, Span{Kind: Words, Text: " "}), Say("answer.find.early", "n", found.Read, "reached", found.Reached)...)
	}
	if len(found.Matches) == 0 {
		return Answer{Kind: Whisper, Lines: []Line{Say("answer.find.none", "group", Code(string(s.Group)), "read", read)}}
	}
	f := Found{By: e.By, Group: s.Group, Topic: s.Topic, Callback: found.Arrived != nil}
	messages := make(map[recall.Seq]Message, len(found.Matches))
	seqs := make([]recall.Seq, 0, len(found.Matches))
	for _, m := range found.Matches {
		messages[m.Seq] = m
		seqs = append(seqs, m.Seq)
	}
	f.Seqs = MakeRanges(seqs...)
	pg := b.foundPage(f, e.ID, 0, messages, found.Arrived)
	pg.Notes = append(pg.Notes, read)
	return Answer{Kind: ShowPage, Page: &pg, Found: &f}
}

// shown is what a search shows of a message.
func shown(m recall.Message) Message {
	out := Message{Seq: m.Seq, Status: SealGone, Sender: m.From, Sent: m.Time}
	switch m.Status {
	case recall.StatusNormal:
		out.Status, out.Evidence = SealNormal, m.Excerpt(maxExcerpt)
	case recall.StatusRecalled:
		out.Status = SealRecalled
	}
	return out
}

// foundPage draws one page of what a search found. Of a message that is in neither map it says that it is no longer there.
func (b *Bot) foundPage(f Found, search EventID, n int, messages map[recall.Seq]Message, arrived map[recall.Seq]Arrival) Page {
	seqs, n := f.page(n)
	total := f.Seqs.Count()
	of := (total + findShown - 1) / findShown
	pg := Page{Title: Say("answer.find.title", "n", total, "group", Code(string(f.Group))), Search: search, Number: n, Of: of}
	if of > 1 {
		pg.Title = Say("answer.find.title.of", "n", total, "group", Code(string(f.Group)), "page", n+1, "of", of)
	}
	for _, seq := range seqs {
		s := Sample{Seq: uint32(seq)}
		m, read := messages[seq]
		a, told := arrived[seq]
		text := ""
		switch {
		case told:
			s.Sender, s.Sent, text, s.Marks = string(a.Sender), a.Sent, a.Excerpt, []Line{Say("card.mark.callback")}
		case !read:
			s.Marks = []Line{Say("answer.find.lost")}
		default:
			s.Sender, s.Sent = string(m.Sender), m.Sent
			switch m.Status {
			case SealNormal:
				text = m.Evidence
			case SealRecalled:
				s.Marks = []Line{Say("answer.find.recalled")}
			default:
				s.Marks = []Line{Say("answer.find.gone")}
			}
		}
		if text != "" {
			s.Text = Line{Quote(text)}
		}
		pg.Samples = append(pg.Samples, s)
	}
	pg.Notes = []Line{{Code(Cut(f.Seqs.String(), 600))}}
	switch most := b.o.Policy.MaxMessages; {
	case total > most:
		pg.Notes = append(pg.Notes, Say("answer.find.many", "max", most))
	case total == 1:
		pg.Recall = Say("button.recall.one").String()
	case of == 1:
		pg.Recall = Say("button.recall.these", "n", total).String()
	default:
		pg.Recall = Say("button.recall.all", "n", total).String()
	}
	return pg
}

// found returns what a search found, to the account that searched, while its answer is kept.
func (a *act) found(id EventID) (Found, error) {
	if err := a.b.o.Policy.MayRead(a.m, a.b.o.Roster); err != nil {
		return Found{}, err
	}
	stored, err := a.tx.Event(id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Found{}, err
	}
	var first Answer
	if err != nil || stored.Answer == nil {
		return Found{}, refuse("search_gone")
	}
	if err := json.Unmarshal(stored.Answer, &first); err != nil {
		return Found{}, fmt.Errorf("read stored answer: %w", err)
	}
	if first.Found == nil || first.Found.Seqs.Count() == 0 || !first.Found.By.Is(a.e.By) {
		return Found{}, refuse("forged")
	}
	return *first.Found, a.b.o.Policy.MayTouch(first.Found.Group)
}

// turnFound answers with another page of what a search found, read afresh. The event is stored first; the reading follows, without a transaction.
func (b *Bot) turnFound(ctx context.Context, e Event, m Member) (Answer, error) {
	var f Found
	end, refused, err := b.beginSearch(ctx, e, func(tx Tx) (err error) {
		if err := b.o.Policy.MayBeUsedIn(e.Place); err != nil {
			return err
		}
		a := act{b: b, tx: tx, e: e, m: m}
		f, err = a.found(e.Act.Search)
		return err
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, Say("answer.find.progress", "group", Code(string(f.Group))))
	seqs, _ := f.page(e.Act.Page)
	scope, these := Scope{Group: f.Group, Topic: f.Topic}, MakeRanges(seqs...)
	messages := map[recall.Seq]Message{}
	var arrived map[recall.Seq]Arrival
	by, _ := b.o.Roster.Of(e.By)
	rd := b.reading(scope, "find", recall.ForSearch, by)
	rd.more = map[string]any{"group": string(f.Group)}
	if f.Callback {
		arrived, err = b.arrived(within, scope, these)
	} else {
		err = rd.each(within, these, func(m recall.Message, _ time.Time) { messages[m.Seq] = shown(m) })
	}
	said()
	answer := Answer{Kind: Whisper}
	if err != nil {
		answer.Lines = []Line{b.readingFailed(err)}
	} else {
		pg := b.foundPage(f, e.Act.Search, e.Act.Page, messages, arrived)
		answer = Answer{Kind: ShowPage, Page: &pg}
	}
	detail := map[string]any{"how": "find", "group": string(f.Group), "search": string(e.Act.Search), "page": e.Act.Page}
	if err != nil {
		detail["error"] = err.Error()
	}
	return b.settle(ctx, e, func(tx Tx, _ time.Time) (Answer, error) { return answer, b.auditRead(tx, e, "", "", rd.told, detail) })
}

// recallFound asks for a recall of exactly what a search found.
func (a *act) recallFound() (Answer, error) {
	if err := a.b.o.Policy.MayAsk(a.m, a.b.o.Roster); err != nil {
		return Answer{}, err
	}
	f, err := a.found(a.e.Act.Search)
	if err != nil {
		return Answer{}, err
	}
	return a.ask(Command{Verb: VerbRecall, Scope: Scope{Group: f.Group, Topic: f.Topic, Seqs: f.Seqs}})
}

// TakesLong reports whether Do reads messages from the service before it answers such an act: a platform that waits for a short time only is to be told first.
func (b *Bot) TakesLong(a Act) bool {
	switch a.Kind {
	case ActTurnFind:
		return true
	case ActShowAll:
		return b.o.Evidence == EvidenceHash
	}
	cmd, mistake := command(a, "")
	return mistake == nil && cmd.Verb == VerbFind
}

// sayAfter tells the person that their command takes longer, unless stop is called within d. stop returns when nothing more will be said.
func (e Event) sayAfter(d time.Duration, l Line) (stop func()) {
	if e.Progress == nil {
		return func() {}
	}
	said := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(said)
		e.Progress(l)
	})
	return func() {
		if !t.Stop() {
			<-said
		}
	}
}
