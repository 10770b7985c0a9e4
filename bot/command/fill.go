package command

import (
	"slices"
	"strings"
)

// This file gives the words and values of a command to the options that they are for, and checks
// that they make one command together. Both forms of a command end here.

// fill reads the options of a verb. In text, words holds the words without a name, in order; in the
// typed form every option has its own value and words is nil.
func (r *reader) fill(v Verb, words []item, values []value) {
	r.c.Verb, r.values = v, values
	bare, _ := v.split()
	words = unmark(words, len(bare) > 0 && bare[0].Kind == ID)
	for i, o := range bare {
		for _, value := range values {
			if value.Option == o {
				words = append(words, unmark(value.items, o.Kind == ID)...)
			}
		}
		switch swept := i == 0 && r.given(listName).raw != ""; {
		case len(words) > 0 || o.missing == "":
			words = r.read(o, words)
		case swept: // it has several groups
		case slices.Contains(o.optional, v):
			return
		default:
			r.lose(o.missing, "", o.want)
			return
		}
		if i > 0 {
			continue
		}
		// The options with a name come after the first word: a topic names its group.
		for _, value := range values {
			if !value.bare {
				r.read(value.Option, value.items)
			}
		}
	}
	switch {
	case len(words) == 0:
	case v == VerbFind:
		r.mistake("find_seqs", words[0].raw, wantFilter())
	default:
		r.mistake("word_unknown", words[0].raw, "")
	}
	if slices.Contains(scoped, v) {
		r.window()
		r.check(v)
	}
}

// read reads the value of one option, and returns the words that are not its own.
func (r *reader) read(o *Option, words []item) []item {
	if r.typed {
		r.option = o.Name
	}
	rest := o.read(r, o, words)
	r.option = ""
	return rest
}

// window checks that the bounds leave something between them, as far as that is known without a
// clock.
func (r *reader) window() {
	f := &r.c.Scope.Filter
	bothAgo := f.Since.Ago != 0 && f.Until.Ago != 0
	bothAt := !f.Since.At.IsZero() && !f.Until.At.IsZero()
	switch {
	case bothAgo && f.Since.Ago > f.Until.Ago, bothAt && f.Since.At.Before(f.Until.At), !bothAgo && !bothAt:
		return
	}
	r.mistake("window_backwards", r.given("since").raw+" "+r.given("until").raw, "since:2h until:30m")
	if f.Since == f.Until {
		f.Until, r.lost = When{}, true
		return
	}
	f.Since, f.Until = f.Until, f.Since
}

// check checks that a recall or a search says which messages: by their numbers or by a filter.
func (r *reader) check(v Verb) {
	scope := &r.c.Scope
	var filter item // the first option that filters
	for _, value := range r.values {
		if value.filter && filter.raw == "" {
			filter = r.shown(value)
		}
	}
	reason, text, until := r.given("reason"), r.given("text"), r.given("until")
	want := wantSeqs + ", " + wantFilter()
	if r.typed {
		want = "seqs:" + want
	}
	switch {
	case r.given(listName).raw != "":
		r.checkSweep()
	case len(scope.Seqs) > 0 && filter.raw != "":
		r.mistake("seqs_and_filter", filter.raw, wantSeqs)
		if text.raw != "" && !text.quoted && !r.typed {
			r.lost = true // the numbers may be more words of the text
			return
		}
		scope.Filter = Filter{}
	case scope.Filter.selects():
		r.lost = r.lost || r.left
	case len(scope.Seqs) > 0:
	case until.raw != "":
		r.lose("filter_wide", until.raw, wantFilter())
	case v == VerbFind:
		r.lose("filter_missing", "", wantFilter())
	case reason.raw != "" && !reason.quoted && !r.typed && r.seqsInReason(reason):
	default:
		r.lose("seqs_missing", "", want)
	}
}

// seqsInReason takes the numbers that were typed after the reason, and read as its end, for the
// messages.
func (r *reader) seqsInReason(reason item) bool {
	words := strings.Fields(r.c.Reason)
	n := len(words)
	for n > 0 && looksLikeSeqs(FoldString(words[n-1])) {
		n--
	}
	if n == 0 || n == len(words) {
		return false
	}
	r.mistake("seqs_in_reason", reason.raw, `100 101 reason:"WORDS"`)
	r.c.Reason = strings.Join(words[:n], " ")
	var items []item
	for _, w := range words[n:] {
		items = append(items, item{raw: w, val: w})
	}
	readSeqs(r, nil, items)
	return true
}
