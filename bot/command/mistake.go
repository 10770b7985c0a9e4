package command

// Mistake says why a command could not be read. It is an answer to the person who typed it, not an error for the log.
// Quoted holds text that others wrote: it is shown in a frame, never as the bot's own words.
type Mistake struct {
	Key        string // which mistake: a stable word under which text/en.txt has the sentence
	Quoted     string // the part of the input that is wrong, as typed, cut at 100 characters; may be empty
	Expected   string // what would be right there: an example in the command language
	Corrected  string // a whole command to copy, in the form in which the wrong one was given
	Count, Max int    // what was counted and what it may be at most, where that is the mistake; else 0
}

// Error is for programmers. People get the sentence of the Key. What was typed is left out: an error may be logged.
func (m *Mistake) Error() string { return "mistake in a command: " + m.Key }
