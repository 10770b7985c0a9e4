// Package bottest plays conversations: scripts in which people type commands and press buttons,
// with what each of them then sees. The scripts are in bot/testdata/talk.
//
// A script is a txtar file. The first line of its comment is a sentence: the rule that the script
// shows. Directions follow, one on a line. The sections of the file hold what people saw. Run plays
// the script on each platform, in a synctest bubble of its own that begins on 2000-01-01 at
// midnight UTC, and compares what people see with the sections; with the flag -update it rewrites
// the sections instead. A section NAME holds for every platform, NAME.slack and NAME.discord for
// one. What a script says about a platform that is not part of the program is skipped.
//
//	# Recalling takes two people.
//	mina '/recall @TGS#2J4SZEAEL 100 101'
//	card asked
//	press theo approve
//	thread result
//
// # Stage directions
//
// A word with spaces is put in single quotes, and a quote in it is written twice; \n, \t and
// \u{202E} stand for the character. A line that begins with # is a comment. Each direction below
// that changes something takes one second, so that its consequences have happened before the next
// direction. A direction that begins with slack or discord is followed on that platform only.
//
//	stage KEY VALUE...              how the world is set up; before everything else. Keys are those of the World
//	stage together                  one world with all platforms: every direction for people then begins
//	                                with a platform
//
//	mina '/recall GROUP SEQS'       types a command; on Discord it is turned into typed options
//	press theo approve        presses a button of the newest card, or of a request's, and does what is
//	                                then asked: confirms, types the number of messages
//	press theo approve count:3      the same, typing another number where one is to be typed
//	press theo reject 'why'         with a reason
//	press mina next | previous      turns the page that mina alone sees
//	press mina recall               asks for a recall of what her search found
//	press-kept theo,ines approve    both press at the same time, before either sees the other's press
//	open theo approve               presses, and leaves the form open that appears
//	fill theo reason:'why'          fills the open form in and sends it
//	keep                            keeps the cards as somebody's screen shows them now
//	press-kept theo approve         presses a button as the kept card shows it
//	redeliver                       the platform delivers the last event again
//	bar                             the bot may post nothing in the channel
//	admit                           it may again
//	erase                     a moderator deletes the card of the newest request, or of one
//	pass 61m                        time passes
//	restart [5m]                    the process is killed, and started again after that time
//	chat ...                        something happens in the Chat service: see the World
//
//	card NAME                 what everybody sees of the newest request, or of one
//	thread NAME               what its thread shows
//	whisper theo NAME               what theo alone has been shown since the last whisper: messages and open forms
//	silence theo                    theo alone has been shown nothing since the last whisper
//	ignore theo                     skips what theo has been shown so far
//	notified NAME                   who was pinged, from the beginning
//	ledger NAME                     the audit log: who did what
//	report NAME               what the command audit report prints of it
//	log NAME                        what the process's log says of requests
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
// service. on is the id of a platform, who names a person, and id names a request; an empty id
// means the newest request. A method that acts for a person returns once the platform has confirmed
// the action to them; its consequences may still be in progress. An error means that the script
// asks for something that is not possible there (no such person, no such button).
type World interface {
	// Type sends a line beginning with /recall or /recalls.
	Type(on, who, line string) error
	// Press presses a button of a request's card and then does what the platform asks for. values
	// fill in the form that appears, by the names of its inputs; if values has no number of
	// messages, the right one is filled in.
	Press(on, who, button, id string, values map[string]string) error
	// Open presses a button and leaves the form open that appears.
	Open(on, who, button, id string) error
	// Fill fills in the form that the person has open and sends it.
	Fill(on, who string, values map[string]string) error
	// Keep stores the cards as they are shown now. PressKept presses a button of a stored card.
	Keep(on string)
	PressKept(on, who, button, id string, values map[string]string) error
	// Redeliver delivers the last action of a person once more.
	Redeliver(on string) error

	// Bar keeps the bot from posting in the channel, or lets it again. Erase deletes the card of a
	// request, as a moderator can.
	Bar(on string, barred bool) error
	Erase(on, id string) error

	// Card and Thread return what everybody sees.
	Card(on, id string) (string, error)
	Thread(on, id string) (string, error)
	// Whispers returns what one person alone has been shown since the last call, including forms.
	Whispers(on, who string) ([]string, error)
	// Notified returns everybody who was notified since the beginning, one on a line.
	Notified(on string) []string

	// Chat makes something happen in the Chat service.
	Chat(words ...string) error
	// Recalls returns the calls of group_msg_recall that the Chat service received, one on a line,
	// and "at most N in any second".
	Recalls() (calls []string, pace string)

	// Requests returns the ids of all requests, oldest first.
	Requests() ([]string, error)
	// Audit returns the audit log, one entry on a line, without what varies from run to run.
	Audit() ([]string, error)
	// Report returns what the command audit report prints of a request.
	Report(id string) (string, error)
	// Log returns the lines of the log that tell of a request, without their times.
	Log() []string

	// Kill ends the bot's process without an orderly stop, so that only what was stored survives.
	// Start starts another process.
	Kill() error
	Start() error

	// Close ends the world. Its error names the faults that nobody in the script would notice:
	// something that a platform dropped, a message that was recalled twice, content in a log.
	Close() error
}

// Stage describes the world that a script needs.
type Stage struct {
	Platforms []string
	// Settings are the stage directions, each a key and a value.
	Settings [][2]string
}

// Written are the platforms that scripts have directions or sections of their own for.
var Written = []string{"slack", "discord"}

// Run plays the script in file on each of the platforms, as the package comment says. open creates
// a world; it is called within the bubble, and stops the test if it cannot create one.
func Run(t *testing.T, file string, platforms []string, open func(t *testing.T, s Stage) World) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse(string(archive.Comment), platforms)
	if err != nil {
		t.Fatalf("%s:%v", file, err)
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	absent := slices.DeleteFunc(slices.Clone(Written), func(p string) bool { return slices.Contains(platforms, p) })
	rewrite := golden.Update()
	if rewrite && len(absent) > 0 {
		t.Fatalf("-update needs every platform that scripts are written for: there is no %v", absent)
	}

	var mu sync.Mutex
	seen := map[string][]section{} // by platform, or together
	runs := platforms
	if s.together {
		runs = []string{together}
		if slices.ContainsFunc(s.directions, func(d direction) bool { return slices.Contains(absent, d.on) }) {
			return // it is about a platform that is not there
		}
	}
	t.Cleanup(func() { // after the subtests, which run in parallel
		if !rewrite || t.Failed() || len(seen) < len(runs) {
			return
		}
		archive.Files = merge(runs, seen)
		if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
			t.Error(err)
		}
	})
	for _, run := range runs {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			var got []section
			synctest.Test(t, func(t *testing.T) { got = play(t, file, s, run, platforms, open) })
			mu.Lock()
			seen[run] = got
			mu.Unlock()
			if !rewrite {
				for _, d := range differences(file, run, sections, got) {
					t.Error(d)
				}
			}
		})
	}
	if !rewrite {
		t.Run("sections", func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(sections)) {
				if !s.shows(name, platforms) {
					t.Errorf("%s: no direction shows the section %q", file, name)
				}
			}
		})
	}
}

const together = "together"

// section is what was seen at one point of a script.
type section struct {
	name, text string
	line       int // of the direction that shows it
}

// differences returns each difference between what was seen and the sections of the script, with
// the line of the direction.
func differences(file, run string, want map[string]string, got []section) (all []string) {
	for _, g := range got {
		w, ok := want[g.name+"."+run]
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

// merge returns the sections of a script for what was seen, in the order in which it was seen: one
// section if all platforms show the same, and otherwise one for each platform.
func merge(runs []string, seen map[string][]section) []txtar.File {
	var order []string
	texts := map[string]map[string]string{}
	for _, run := range runs {
		after := -1
		for _, s := range seen[run] {
			if texts[s.name] == nil {
				texts[s.name] = map[string]string{}
				order = slices.Insert(order, after+1, s.name)
			}
			texts[s.name][run] = s.text
			after = slices.Index(order, s.name)
		}
	}
	var files []txtar.File
	for _, name := range order {
		by := texts[name]
		first, same := "", true
		for _, run := range runs {
			if text, ok := by[run]; ok {
				same = same && text == cmp.Or(first, text)
				first = cmp.Or(first, text)
			}
		}
		if same {
			files = append(files, txtar.File{Name: name, Data: []byte(first)})
			continue
		}
		for _, run := range runs {
			if text, ok := by[run]; ok {
				files = append(files, txtar.File{Name: name + "." + run, Data: []byte(text)})
			}
		}
	}
	return files
}

// play follows the directions of a script and returns what was seen.
func play(t *testing.T, name string, s script, run string, platforms []string,
	open func(t *testing.T, s Stage) World) []section {
	stage := Stage{Platforms: []string{run}, Settings: s.settings}
	if run == together {
		stage.Platforms = platforms
	}
	w := open(t, stage)
	wait(0)
	k := &talk{w: w, ids: map[string]string{}}
	if run != together {
		k.platform = run
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}()
	for _, d := range s.directions {
		if d.on != "" && run != together && d.on != run {
			continue
		}
		if err := k.follow(d); err != nil {
			t.Errorf("%s:%d: %s: %v", name, d.line, strings.Join(d.words, " "), err)
			break
		}
	}
	return k.seen
}
