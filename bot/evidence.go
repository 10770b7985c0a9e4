package bot

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"
)

// Kept evidence is the text of others, and between it runs of the bot's own words and of names. A
// run begins with a control character, which no text of others has there: each of those is replaced
// by its picture.
const (
	runWords = '\x02'
	runName  = '\x06'
	runEnd   = '\x03'
	// At the end: how many characters were left out, in digits.
	runLeft = '\x04'
	// At the very end: some of the message could not be read.
	runPartly = '\x05'
)

// EvidenceOf returns what members can read of a message, on one line of at most `most` characters:
// its text, what every element is that is more than text, with the strings in it, and what the
// message quotes. Where that is not all it says so. EvidenceLine and EvidenceTexts read it.
func EvidenceOf(m recall.Message, most int) string {
	w := evidence{most: most}
	parts, whole := m.Parts()
	var before recall.Part
	inside := false // the brackets of an element
	for _, p := range parts {
		alone := p.Of == recall.OfText || p.Of == recall.OfQuote || p.Of == recall.OfKind && p.Who == ""
		if alone && inside {
			w.write(runWords, "]")
			inside = false
		}
		switch {
		case p.Of == recall.OfText:
			w.space()
			w.write(0, p.Text)
		case p.Of == recall.OfQuote:
			if before.Of != "" {
				w.write(runWords, " · ")
			}
			w.say(Say("evidence.quotes", "who", string(m.From)))
			w.write(0, p.Text)
		case alone:
			w.space()
			w.write(runWords, "["+p.Text)
			inside = true
		default:
			w.detail(p, before)
		}
		before = p
	}
	if inside {
		w.write(runWords, "]")
	}
	return w.end(whole)
}

// evidence writes kept evidence.
type evidence struct {
	b     strings.Builder
	most  int
	n     int  // characters written
	left  int  // characters that did not fit
	due   bool // a space before the next character
	inRun rune // the kind of the run that is open
}

// space separates what comes next from what was written.
func (w *evidence) space() { w.due = w.n > 0 }

// detail writes a string of an element, after what the element is or after the string before.
func (w *evidence) detail(p, before recall.Part) {
	again := before.Of == p.Of && before.Who == p.Who && p.Of == recall.OfData
	switch {
	case again:
		w.write(runWords, ", ")
	case before.Of == recall.OfKind && before.Who == "":
		w.write(runWords, ": ")
	default:
		w.write(runWords, " · ")
	}
	switch {
	case again:
	case p.Who != "":
		w.say(Say("evidence.by", "who", p.Who))
	case p.Of == recall.OfData:
		w.say(Say("evidence.data"))
	case p.Of == recall.OfExt:
		w.say(Say("evidence.extension"))
	}
	if p.Of == recall.OfKind {
		w.write(runWords, "["+p.Text+"]")
		return
	}
	w.write(0, p.Text)
}

// say writes a sentence of the bot, in which text of others is a name, and a space after it.
func (w *evidence) say(l Line) {
	for _, s := range l {
		run := runWords
		if s.Kind != Words {
			run = runName
		}
		w.write(run, s.Text)
	}
	w.space()
}

// write writes text as part of a run, or as text of others where run is 0. Control characters are
// replaced by their pictures, and each stretch of white space is one space.
func (w *evidence) write(run rune, s string) {
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			w.due = w.due || w.n > 0
			continue
		case unicode.IsControl(r):
			r = picture(r)
		}
		if w.due {
			space := run // no text of others begins or ends with a space
			if run != w.inRun {
				space = runWords
			}
			w.put(space, ' ')
			w.due = false
		}
		w.put(run, r)
	}
}

func (w *evidence) put(run, r rune) {
	if w.n >= w.most {
		w.left++
		return
	}
	w.n++
	w.turn(run)
	w.b.WriteRune(r)
}

// turn ends the run that is open and opens another, unless they are the same.
func (w *evidence) turn(run rune) {
	if run == w.inRun {
		return
	}
	if w.inRun != 0 {
		w.b.WriteRune(runEnd)
	}
	if w.inRun = run; run != 0 {
		w.b.WriteRune(run)
	}
}

func (w *evidence) end(whole bool) string {
	w.turn(0)
	if w.left > 0 {
		w.b.WriteString(string(runLeft) + strconv.Itoa(w.left))
	}
	if !whole {
		w.b.WriteRune(runPartly)
	}
	return w.b.String()
}

// picture returns the character that stands for a control character.
func picture(control rune) rune {
	switch {
	case control < ' ':
		return '␀' + control
	case control == 0x7f:
		return '␡'
	}
	return utf8.RuneError
}

// readEvidence calls run for each run of kept evidence in order, and returns how many characters it
// lacks, and whether all of the message could be read. Evidence that earlier versions kept is one
// run of text.
func readEvidence(kept string, run func(kind rune, s string)) (left int, whole bool) {
	kept, partly := strings.CutSuffix(kept, string(runPartly))
	if at := strings.LastIndexByte(kept, runLeft); at >= 0 {
		left, _ = strconv.Atoi(kept[at+1:])
		kept = kept[:at]
	}
	for kept != "" {
		at := strings.IndexAny(kept, string(runWords)+string(runName))
		if at < 0 {
			at = len(kept)
		}
		if at > 0 {
			run(0, kept[:at])
			kept = kept[at:]
			continue
		}
		in, after, _ := strings.Cut(kept[1:], string(runEnd))
		run(rune(kept[0]), in)
		kept = after
	}
	return left, !partly
}

// EvidenceLine returns kept evidence as people see it, at most `most` characters of it, and what is
// missing in words.
func EvidenceLine(kept string, most int) Line {
	var l Line
	cut := 0
	left, whole := readEvidence(kept, func(kind rune, s string) {
		shown, more := CutOff(s, most)
		most -= utf8.RuneCountInString(shown)
		cut += more
		switch {
		case shown == "":
		case kind == runWords:
			l = appendWords(l, shown)
		default:
			l = append(l, Quote(shown))
		}
	})
	if left += cut; left > 0 {
		l = appendWords(l, Say("cut.characters", "n", left).String())
	}
	if !whole {
		l = appendWords(l, " · "+Say("evidence.partly").String())
	}
	return l
}

// cutEvidence returns at most `most` characters of kept evidence, in the same form.
func cutEvidence(kept string, most int) string {
	w := evidence{most: most}
	left, whole := readEvidence(kept, func(kind rune, s string) {
		for _, r := range s {
			w.put(kind, r)
		}
	})
	w.left += left
	return w.end(whole)
}

func appendWords(l Line, words string) Line {
	if n := len(l); n > 0 && l[n-1].Kind == Words {
		l[n-1].Text += words
		return l
	}
	return append(l, Span{Kind: Words, Text: words})
}

// EvidenceTexts returns the text of others in kept evidence, without the bot's own words and
// without names. whole is false where the evidence is not all of the message.
func EvidenceTexts(kept string) (texts []recall.Part, whole bool) {
	left, whole := readEvidence(kept, func(kind rune, s string) {
		if kind == 0 {
			texts = append(texts, recall.Part{Of: recall.OfText, Text: s})
		}
	})
	return texts, whole && left == 0
}

// OutsideText returns the mark of a message whose text does not have the phrase that was searched
// for: it says what does. It returns nil for a match in the text.
func OutsideText(of recall.PartOf) Line {
	switch of {
	case "", recall.OfText:
		return nil
	}
	return Say("card.mark.of." + string(of))
}
