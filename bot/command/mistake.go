package command

import "strings"

// maxQuoted is how many characters of the input a Mistake quotes at most.
const maxQuoted = 100

// A Mistake says why a command could not be read. It is an answer to the person who typed the
// command, not an error for the log. Quoted holds text that others wrote: it is shown in a frame,
// never as the bot's own words.
type Mistake struct {
	Key       string // which mistake: a stable word under which text/en.txt has the sentence
	Quoted    string // what is wrong, as typed, cut at maxQuoted characters; may be empty
	Expected  string // what would be right there: an example in the command language
	Corrected string // a whole command to copy, in the form in which the wrong one was given
	// Other is a second command to copy, where what was typed may have meant either; else "".
	Other string
	// Commands are Corrected and Other as they are read; none where Corrected is a sample, which
	// shows only the form and names what does not exist.
	Commands   []Command
	Count, Max int // what was counted and its maximum, where that is the mistake; else 0
}

// Error is for programmers; people get the sentence of the Key. What was typed is left out, because
// an error may be logged.
func (m *Mistake) Error() string { return "mistake in a command: " + m.Key }

// excerpt is what a mistake quotes of the input: valid UTF-8 of at most maxQuoted characters.
func excerpt(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if cut := []rune(s); len(cut) > maxQuoted {
		return string(cut[:maxQuoted-1]) + "…"
	}
	return s
}
