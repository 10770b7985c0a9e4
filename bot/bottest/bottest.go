// Package bottest tells conversations: scripts in which people type commands and press buttons,
// with what each of them then sees. They stand in bot/testdata/talk, one story a file.
//
// A script is a txtar file. Its comment begins with the rule that the story shows, in a sentence;
// stage directions follow, one a line. Its sections hold what people saw. Run plays the script on
// each platform, in a synctest bubble of its own that begins on 2000-01-01 at midnight UTC, and
// compares; with the flag -update it rewrites the sections instead. A
// section NAME holds for both platforms, NAME.slack and NAME.discord for one.
//
//	# Recalling takes two people.
//	mina '/recall @TGS#2J4SZEAEL 100 101'
//	card asked
//	press theo approve
//	thread result
//
// # Stage directions
//
// A word with spaces stands in single quotes, a quote in it is written twice; \n, \t and \u{202E}
// stand for the character. What begins with # is a comment. Each direction below that lets
// something happen takes one second, so that what follows from it has happened before the next. A
// direction that begins with slack or discord is followed on that platform only.
//
//	stage KEY VALUE...              how the world is set up; before everything else. Keys are those of the World
//	stage together                  one world with both platforms: every direction for people then begins
//	                                with a platform
//
//	mina '/recall GROUP SEQS'       types a command; on Discord it is turned into typed options
//	press theo approve        presses a button of the newest card, or of a request's, and does what is
//	                                then asked: confirms, types the number of messages
//	press theo approve count:3      the same, typing another number where one is to be typed
//	press theo reject 'why'         with a reason
//	press mina next | previous      turns the page that mina alone sees
//	press mina recall               asks for a recall of what her search found
//	press-kept theo,ines approve    both at once: neither sees yet what the other does
//	open theo approve               presses, and leaves the form open that appears
//	fill theo reason:'why'          fills the open form in and sends it
//	keep                            somebody's screen stands still: the cards as they are now
//	press-kept theo approve         presses a button as the kept card shows it
//	redeliver                       the platform delivers the last event again
//	pass 61m                        time passes
//	restart [5m]                    the process is killed, and started again after that time
//	chat ...                        something happens in the Chat service: see the World
//
//	card NAME                 what everybody sees of the newest request, or of one
//	thread NAME               what stands in its thread
//	whisper theo NAME               what theo alone has been shown since the last look: messages and open forms
//	silence theo                    theo alone has been shown nothing since the last look
//	ignore theo                     what theo has been shown so far is not looked at
//	notified NAME                   who was pinged, from the beginning
//	ledger NAME                     the audit log: who did what
//	calls NAME | calls 3            the recalls that the Chat service was asked for, or only their number
//	calls most 5                    the most of them in any second
//
// Request ids, which are random, are and so on in the order of asking, in what is seen and
// in what is typed; digests and hashes are …
package bottest

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"recallbot/bot/golden"

	"golang.org/x/tools/txtar"
)

// World is where a conversation takes place: people on chat platforms, the bot, and the Chat
// service. on names a platform, who a person, id a request; an empty id is the newest request's.
// What people do returns once the platform has told them that it was taken; what follows from it
// may still be on its way. An error means that the script asks for what cannot be done there (no
// such person, no such button).
type World interface {
	// Type sends a line beginning with /recall or /recalls.
	Type(on, who, line string) error
	// Press presses a button of a request's card and does what the platform then asks. values are
	// typed into the form that appears, by the names of its inputs; the number of messages is typed
	// rightly where values does not name it.
	Press(on, who, button, id string, values map[string]string) error
	// Open presses a button and leaves the form open that appears.
	Open(on, who, button, id string) error
	// Fill fills in the form that the person has open and sends it.
	Fill(on, who string, values map[string]string) error
	// Keep remembers the cards as they are shown now; PressKept presses a button of one as it was
	// shown then.
	Keep(on string)
	PressKept(on, who, button, id string, values map[string]string) error
	// Redeliver delivers the last thing that somebody did once more.
	Redeliver(on string) error

	// Card and Thread draw what everybody sees.
	Card(on, id string) (string, error)
	Thread(on, id string) (string, error)
	// Whispers draws what one person alone has been shown since the last call, forms included.
	Whispers(on, who string) ([]string, error)
	// Notified is who was pinged, from the beginning: a line each.
	Notified(on string) []string

	// Chat makes something happen in the Chat service.
	Chat(words ...string) error
	// Recalls are the calls of group_msg_recall that the Chat service got, a line each, and "at
	// most N in any second".
	Recalls() (calls []string, pace string)

	// Requests are the ids of all requests, oldest first.
	Requests() ([]string, error)
	// Audit is the audit log, a line for each entry, without what varies.
	Audit() ([]string, error)

	// Kill ends the bot's process without an ordered stop: only what was stored is left. Start
	// starts another.
	Kill() error
	Start() error

	// Close ends the world and returns an error naming what nobody would have noticed there: what a
	// platform swallowed, a message that was recalled twice, text in a log that must not be there.
	Close() error
}

// Stage is how a script wants its world.
type Stage struct {
	Platforms []string
	// Settings are the stage directions: key and value.
	Settings [][2]string
}

// Platforms are those on which each script is played, in this order.
var Platforms = []string{"slack", "discord"}

// Run plays the script in file. open opens a world; it is called within the bubble and stops the
// test where it cannot.
func Run(t *testing.T, file string, open func(t *testing.T, s Stage) World) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse(string(archive.Comment))
	if err != nil {
		t.Fatalf("%s:%v", file, err)
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	rewrite := golden.Update()

	var mu sync.Mutex
	seen := map[string][]section{} // by telling
	tellings := slices.Clone(Platforms)
	if s.together {
		tellings = []string{together}
	}
	t.Cleanup(func() { // after the tellings, which run side by side
		if !rewrite || t.Failed() || len(seen) < len(tellings) {
			return
		}
		archive.Files = merge(tellings, seen)
		if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
			t.Error(err)
		}
	})
	for _, telling := range tellings {
		t.Run(telling, func(t *testing.T) {
			t.Parallel()
			var got []section
			synctest.Test(t, func(t *testing.T) { got = play(t, file, s, telling, open) })
			mu.Lock()
			seen[telling] = got
			mu.Unlock()
			if !rewrite {
				for _, d := range differences(file, telling, sections, got) {
					t.Error(d)
				}
			}
		})
	}
	if !rewrite {
		t.Run("sections", func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(sections)) {
				if !s.shows(name) {
					t.Errorf("%s: no direction shows the section %q", file, name)
				}
			}
		})
	}
}

const together = "together"

// section is what was seen at one point of a telling.
type section struct {
	name, text string
	line       int // of the direction that shows it
}

// differences say what was seen otherwise than the script has it, by the line of the direction.
func differences(file, telling string, want map[string]string, got []section) (all []string) {
	for _, g := range got {
		w, ok := want[g.name+"."+telling]
		if !ok {
			w, ok = want[g.name]
		}
		if !ok {
			all = append(all, fmt.Sprintf("%s:%d: there is no section %s; -update writes it:\n%s", file, g.line, g.name,
				g.text))
		} else if w != g.text {
			all = append(all, fmt.Sprintf("%s:%d: %s is otherwise; -update writes it anew:\n%s", file, g.line, g.name,
				golden.Diff(g.name, w, "seen", g.text)))
		}
	}
	return all
}

// merge makes sections of what was seen, in the order in which it was seen: one where all saw the
// same, else one each.
func merge(tellings []string, seen map[string][]section) []txtar.File {
	var order []string
	texts := map[string]map[string]string{}
	for _, telling := range tellings {
		after := -1
		for _, s := range seen[telling] {
			if texts[s.name] == nil {
				texts[s.name] = map[string]string{}
				order = slices.Insert(order, after+1, s.name)
			}
			texts[s.name][telling] = s.text
			after = slices.Index(order, s.name)
		}
	}
	var files []txtar.File
	for _, name := range order {
		by := texts[name]
		first, same := "", true
		for _, telling := range tellings {
			if text, ok := by[telling]; ok {
				same = same && text == cmp.Or(first, text)
				first = cmp.Or(first, text)
			}
		}
		if same {
			files = append(files, txtar.File{Name: name, Data: []byte(first)})
			continue
		}
		for _, telling := range tellings {
			if text, ok := by[telling]; ok {
				files = append(files, txtar.File{Name: name + "." + telling, Data: []byte(text)})
			}
		}
	}
	return files
}

// play follows the directions of a script and returns what was seen.
func play(t *testing.T, name string, s script, telling string, open func(t *testing.T, s Stage) World) []section {
	stage := Stage{Platforms: []string{telling}, Settings: s.settings}
	if telling == together {
		stage.Platforms = slices.Clone(Platforms)
	}
	w := open(t, stage)
	settle(0)
	k := &talk{w: w, ids: map[string]string{}}
	if telling != together {
		k.platform = telling
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}()
	for _, d := range s.directions {
		if d.on != "" && telling != together && d.on != telling {
			continue
		}
		if err := k.follow(d); err != nil {
			t.Errorf("%s:%d: %s: %v", name, d.line, strings.Join(d.words, " "), err)
			break
		}
	}
	return k.seen
}
