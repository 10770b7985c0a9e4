package adaptertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// postAndEdit: the first post notifies the approvers, and no edit notifies anybody.
func postAndEdit(s *suite) {
	if p := s.Surface().Platform(); p != s.account("").Platform || p == "" {
		s.Errorf("platform %q", p)
	}
	ref := s.post(fullCard(bot.Proposed, []string{s.w.Leads}))
	for _, state := range []bot.State{bot.Approved, bot.Running, bot.Done} {
		c := fullCard(state, []string{s.w.Leads})
		if err := s.Surface().Edit(s.Context(), ref, c); err != nil {
			s.Fatalf("editing to %s: %v", state, err)
		}
		s.wait(5 * time.Second)
		s.reads(c, s.look(ref))
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Leads}) {
		s.Errorf("notified %v, want %s once", got, s.w.Leads)
	}
	if n := len(s.Channel(s.w.Channel)); n != 1 {
		s.Errorf("%d messages, want one", n)
	}
}

// sameKey: what is sent again with the same key stands once, where the platform can tell.
func sameKey(s *suite) {
	c := fullCard(bot.Proposed, []string{s.w.Leads})
	first := s.post(c)
	s.wait(5 * time.Second)
	second := s.post(c)
	n := bot.Note{Key: "the same", Lines: []bot.Line{words("said once")}}
	var at bot.Ref
	for i := range 2 {
		got, err := s.Surface().Reply(s.Context(), first, n)
		if err != nil {
			s.Fatal(err)
		}
		if i == 1 && s.Can().KnowsRepeats && got != at {
			s.Errorf("the same note is %+v and %+v", at, got)
		}
		at = got
		s.wait(5 * time.Second)
	}
	cards, notes := len(s.Channel(s.w.Channel)), len(s.notes(first))
	if !s.Can().KnowsRepeats {
		s.Logf("the platform cannot tell a repeat: %d cards and %d notes of one each", cards, notes)
		return
	}
	if first != second || cards != 1 || notes != 1 {
		s.Errorf("%+v and %+v: %d cards and %d notes", first, second, cards, notes)
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Leads}) {
		s.Errorf("notified %v", got)
	}
}

// answerLost: an edit whose answer was lost is made again at once; a post may be, where a repeat is
// known, and is else an error.
func answerLost(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	for _, f := range []Failure{Lost, Down} {
		s.wait(time.Minute)
		s.Fail(Editing, f, 1)
		c := fullCard(bot.Running, nil)
		c.Version, c.Below = c.Version+1, []bot.Line{words("now " + string(f))}
		if err := s.Surface().Edit(s.Context(), ref, c); err != nil {
			s.Errorf("an edit, %s: %v", f, err)
		}
		s.reads(c, s.look(ref))
	}
	s.Fail(Posting, Lost, 1)
	_, err := s.Surface().Post(s.Context(), s.place(), fullCard(bot.Preparing, nil), "lost")
	n := len(s.Channel(s.w.Channel))
	switch {
	case s.Can().KnowsRepeats && (err != nil || n != 2):
		s.Errorf("a post: %v, %d messages", err, n)
	case !s.Can().KnowsRepeats && (err == nil || n > 2):
		s.Errorf("a post that nobody can know of: %v, %d messages", err, n)
	}
}

// thread: what follows a card hangs on it, in order.
func thread(s *suite) {
	if s.Can().NoThreads {
		s.Log("there are no threads: what follows a card answers it in the channel")
	}
	ref := s.post(fullCard(bot.Running, nil))
	for i := range 3 {
		at, err := s.Surface().Reply(s.Context(), ref,
			bot.Note{Key: fmt.Sprint("n", i), Lines: []bot.Line{words(fmt.Sprintf("note %d", i)),
				line("{}: recalled", bot.Code("100"))}})
		if err != nil {
			s.Fatal(err)
		}
		if at.Message == "" || at.Thread == "" || at.Thread != ref.Thread && ref.Thread != "" {
			s.Errorf("note %d is %+v, of %+v", i, at, ref)
		}
		if m := s.look(at); !contains(m.Text, fmt.Sprintf("note %d", i)) || !contains(m.Text, "100: recalled") {
			s.Errorf("note %d reads %q", i, m.Text)
		}
		ref.Thread = at.Thread // as the teller does
		s.wait(2 * time.Second)
	}
	notes := s.notes(ref)
	if len(notes) != 3 {
		s.Fatalf("%d notes, want 3", len(notes))
	}
	for i, m := range notes {
		if !contains(m.Text, fmt.Sprintf("note %d", i)) {
			s.Errorf("note %d reads %q", i, m.Text)
		}
	}
	if got := s.notified(); len(got) != 0 {
		s.Errorf("notified %v", got)
	}
}

// reminder: a loud note is a new post in the channel that notifies the approvers again.
func reminder(s *suite) {
	ref := s.post(fullCard(bot.Proposed, []string{s.w.Leads}))
	at, err := s.Surface().Reply(s.Context(), ref,
		bot.Note{Key: "reminder", Lines: []bot.Line{words("still waiting for approval")}, Notify: []string{s.w.Leads},
			Loud: true})
	if err != nil {
		s.Fatal(err)
	}
	if !slices.ContainsFunc(s.Channel(s.w.Channel),
		func(m bottest.Shown) bool { return contains(m.Text, "still waiting for approval") }) {
		s.Errorf("the channel does not show the reminder at %+v", at)
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Leads, s.w.Leads}) {
		s.Errorf("notified %v, want %s twice", got, s.w.Leads)
	}
}

// mentionOnce: a note that mentions the requester notifies them and nobody else, once, however many
// messages it needs; an account of another platform is notified nowhere.
func mentionOnce(s *suite) {
	ref := s.post(fullCard(bot.Done, nil))
	mina := s.account(s.w.Mina)
	n := bot.Note{Key: "receipt", Mention: &mina, Lines: []bot.Line{words("Receipt 1")}}
	for i := range 60 {
		n.Lines = append(n.Lines, line(fmt.Sprint(i)+": {}", bot.Quote(strings.Repeat("理由", 60))))
	}
	at, err := s.Surface().Reply(s.Context(), ref, n)
	if err != nil {
		s.Fatal(err)
	}
	ref.Thread = at.Thread
	s.wait(10 * time.Second)
	if notes := s.notes(ref); len(notes) < 2 {
		s.Errorf("%d messages: the note should not fit into one", len(notes))
	}
	far := bot.Account{Platform: "elsewhere", Workspace: "T", User: s.w.Theo}
	if _, err := s.Surface().Reply(s.Context(), ref, bot.Note{Key: "far", Mention: &far,
		Lines: []bot.Line{words("done")}}); err != nil {
		s.Fatal(err)
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Mina}) {
		s.Errorf("notified %v, want %s once", got, s.w.Mina)
	}
}

// file: a file can be read where the note stands.
func file(s *suite) {
	ref := s.post(fullCard(bot.Done, nil))
	body := []byte("seq,outcome,code,time,confirmed by\n" +
		strings.Repeat("4294967295,recalled,0,2026-11-23T12:00:00Z,answer\n", 2000))
	at, err := s.Surface().Reply(s.Context(), ref, bot.Note{
		Key: "csv", Lines: []bot.Line{words("2,000 recalled")}, File: &bot.File{Name: "R-7K3M9Q.csv", Type: "text/csv",
			Title: "R-7K3M9Q: outcomes", Body: body},
	})
	if err != nil {
		s.Fatal(err)
	}
	ref.Thread = at.Thread
	s.settle()
	files := s.files(ref)
	if len(files) != 1 || files[0].Name != "R-7K3M9Q.csv" || files[0].Title != "R-7K3M9Q: outcomes" ||
		!bytes.Equal(files[0].Body, body) {
		s.Errorf("%d files: %.200v", len(files), files)
	}
	if !slices.ContainsFunc(s.notes(ref), func(m bottest.Shown) bool { return contains(m.Text, "2,000 recalled") }) {
		s.Error("the note is not beside its file")
	}
}

// longNote: every line of a note stands, once and in order, in as many messages as it takes.
func longNote(s *suite) {
	ref := s.post(fullCard(bot.Done, nil))
	n := bot.Note{Key: "outcomes"}
	for i := range 50 {
		n.Lines = append(n.Lines, line("{}: refused ({}: {}) #"+fmt.Sprint(i)+".", bot.Code(fmt.Sprint(4294967000+i)),
			bot.Code("20012"), bot.Quote(strings.Repeat("理由 ", 30))))
	}
	at, err := s.Surface().Reply(s.Context(), ref, n)
	if err != nil {
		s.Fatal(err)
	}
	ref.Thread = at.Thread
	s.wait(10 * time.Second)
	var all []string
	for _, m := range s.notes(ref) {
		all = append(all, m.Text)
	}
	text, last := plain(strings.Join(all, "\n")), 0
	for i, l := range n.Lines {
		want := plain(l.String())
		if strings.Count(text, want) != 1 || strings.Index(text, want) < last {
			s.Fatalf("line %d stands %d times, or out of order, in\n%s", i, strings.Count(text, want), text)
		}
		last = strings.Index(text, want)
	}
}

// refusals: what the platform refuses for good, for now, or because it is gone, is told apart, and
// no call is repeated that cannot help.
func refusals(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	version := 100
	calls := map[Call]func() error{
		Posting: func() error {
			version++
			_, err := s.Surface().Post(s.Context(), s.place(), fullCard(bot.Proposed, nil),
				fmt.Sprint("refused ", version))
			return err
		},
		Editing: func() error {
			version++
			c := fullCard(bot.Proposed, nil)
			c.Version, c.Below = version, []bot.Line{words(fmt.Sprint("version ", version))}
			return s.Surface().Edit(s.Context(), ref, c)
		},
	}
	for call, f := range calls {
		for failure, want := range map[Failure]error{Gone: bot.ErrGone, Forbidden: bot.ErrForbidden,
			Refused: bot.ErrRefused} {
			s.wait(time.Minute)
			s.Fail(call, failure, 1)
			err := f()
			for _, kind := range []error{bot.ErrGone, bot.ErrForbidden, bot.ErrRefused} {
				if errors.Is(err, kind) != (kind == want) {
					s.Errorf("%s, %s: %v, want %v alone", call, failure, err, want)
				}
			}
			if err := f(); err != nil {
				s.Errorf("%s after %s: %v", call, failure, err)
			}
		}
		s.wait(time.Minute)
		s.Fail(call, Busy, 1)
		began := time.Now()
		err := f()
		if later, ok := errors.AsType[*bot.Later](err); !ok || later.After != BusyFor || errors.Is(err, bot.ErrGone) ||
			errors.Is(err, bot.ErrForbidden) || errors.Is(err, bot.ErrRefused) {
			s.Errorf("%s, busy: %v, want to wait %v", call, err, BusyFor)
		}
		if took := time.Since(began); took > 5*time.Second {
			s.Errorf("%s, busy: told after %v", call, took)
		}
		s.wait(BusyFor)
		if err := f(); err != nil {
			s.Errorf("%s after the pause: %v", call, err)
		}
	}
}

// toldAlone: what the teller tells one person alone reaches that person and nobody else, whether or
// not they have done anything lately.
func toldAlone(s *suite) {
	say := func(key, text string) {
		s.Helper()
		err := s.Surface().Whisper(s.Context(), bot.Whisper{To: s.account(s.w.Mina), At: s.place(), Key: key,
			Lines: []bot.Line{words(text)}, Aloud: words("look at /recalls show R-7K3M9Q")})
		if err != nil {
			s.Fatal(err)
		}
		s.settle()
		s.wantTold(s.w.Mina, text)
	}
	say("first", "it cannot be posted")
	s.done(s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recalls", Sub: "help"}))
	say("second", "it still cannot be posted")
	if n := len(s.Channel(s.w.Channel)); n != 0 {
		s.Errorf("everybody sees %d messages", n)
	}
}
