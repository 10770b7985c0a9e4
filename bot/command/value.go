package command

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"

	"golang.org/x/text/unicode/norm"
)

// This file reads the value of each option. Each function sets what it read in the reader's
// command, and records what is wrong. What it can repair it sets repaired.

// What a command may hold. The sizes of the identifiers are the Chat service's.
const (
	maxLast = 20_000 // of last:N; no search looks at more messages than this
	maxSeq  = math.MaxUint32

	maxGroupID = recall.MaxGroupIDBytes
	maxName    = 100 // characters of a group's name
	maxUserID  = 32  // bytes
	maxTopicID = 256 // bytes; the service names no limit, this one bounds what is stored
)

// Samples of the right thing. The group's id is the one of the Chat service's own documentation: it
// exists nowhere, so a corrected command that is copied blindly removes nothing.
const (
	sampleGroup   = "@TGS#2J4SZEAEL"
	sampleTopic   = "@TGS#_GROUP@TOPIC#_TOPIC"
	sampleRequest = "R-7K2M9Q"

	wantGroup = sampleGroup + `, "my group"`
	wantSeqs  = "100 101, 100-150"
	wantSeq   = "1-4294967295"
	wantRun   = "100-150"
	// two readings: one number, or two
	wantGroups = "1203, 1 203"
	wantWhen   = "90s, 30m, 2h, 3d, 2026-11-23T10:00:00+01:00"
)

// readGroup reads the group of a recall or of a search.
func readGroup(r *reader, _ *Option, words []item) []item {
	filtered := slices.ContainsFunc(r.values, func(v value) bool { return v.filter })
	if f := words[0]; !r.typed && !f.quoted && isNumbers(f.id(), len(words) > 1 || filtered) {
		r.lose("group_missing", f.raw, wantGroup)
		return nil
	}
	rest := r.groupOrName(words, filtered)
	return rest
}

// groupOrName reads a group from the first words: its id, or where the word can be no id its name.
func (r *reader) groupOrName(words []item, more bool) []item {
	f, rest := words[0], words[1:]
	if !r.typed && !f.quoted {
		f, rest = r.spacedGroup(f, rest, more)
	}
	if name := cleaned(f.val); isName(name) {
		r.c.Scope.Name = name
		return rest
	}
	r.c.Scope.Group, rest = r.group(append([]item{f}, rest...), more)
	return rest
}

// isName reports whether a group's word can only be its name: no id has its characters or its
// length. A mention, and digits of another script, were meant for something else.
func isName(word string) bool {
	id := FoldString(word)
	ascii := strings.Map(digit, id)
	return (!printable(id) || len(id) > maxGroupID) && utf8.RuneCountInString(word) <= maxName &&
		mention(id) == "" && !strings.Contains(id, "@TGS") && !digits(ascii) && !readsAsSeqs(ascii)
}

// group reads a group's id from the first words and returns those after it. Words may be left over
// for the message numbers; where more is true, something else makes the command whole without them.
func (r *reader) group(words []item, more bool) (recall.GroupID, []item) {
	f, rest := words[0], words[1:]
	if !r.typed && !f.quoted {
		f, rest = r.spacedGroup(f, rest, more)
	}
	id, ok := r.id(f, wantGroup)
	switch {
	case !ok:
		return "", rest
	case id == "":
		r.lose("group_missing", f.raw, wantGroup)
		return "", rest
	case id == "@TGS" || id == "@TGS#" || id == "@TGS#_":
		r.mistake("group_cut", f.raw, wantGroup)
		if len(rest) == 0 || readsAsSeqs(rest[0].id()) || !strings.HasPrefix(id+rest[0].id(), "@TGS#") {
			r.lost = true
			return "", rest
		}
		id, rest = id+rest[0].id(), rest[1:]
	case strings.HasPrefix(id, "@TGS#_") && strings.Contains(id, topicSign):
		r.mistake("group_is_topic", f.raw, "@TGS#_GROUP topic:"+sampleTopic)
		r.c.Scope.Topic = recall.TopicID(id)
		id, _, _ = strings.Cut(id, topicSign)
	}
	if !r.fits("group_long", f.raw, wantGroup, len(id), maxGroupID) {
		return "", rest
	}
	return recall.GroupID(id), rest
}

// spacedGroup is for words between the group and the message numbers: the group's id has spaces and
// needs quotes, or the words before the id mean nothing.
func (r *reader) spacedGroup(f item, rest []item, more bool) (item, []item) {
	n := 0
	for n < len(rest) && !rest[n].quoted && !looksLikeSeqs(rest[n].id()) {
		n++
	}
	if n == 0 || strings.HasPrefix(f.id(), "@TGS") {
		return f, rest
	}
	joined := item{raw: f.raw, val: f.val, quoted: true}
	for i, word := range rest[:n] {
		if strings.HasPrefix(word.id(), "@TGS#") {
			r.mistake("word_unknown", f.raw, wantGroup)
			return word, rest[i+1:]
		}
		joined.raw += " " + word.raw
		joined.val += " " + word.val
	}
	if n == len(rest) && !more || utf8.RuneCountInString(joined.val) > maxName || mention(joined.val) != "" {
		return f, rest
	}
	r.mistake("group_spaces", joined.raw, `"my group"`)
	return joined, rest[n:]
}

// readTopic reads a topic of the group, which was read before it.
func readTopic(r *reader, o *Option, words []item) []item {
	f := words[0]
	group := r.c.Scope.Group
	r.half = r.c.Scope.Typed() != ""
	id, ok := r.id(f, o.want)
	if !ok || !r.half {
		return nil
	}
	of, part, isTopic := strings.Cut(id, topicSign)
	if r.c.Scope.MayBeName() && of != string(group) {
		return r.topicOfName(f, of, part)
	}
	switch {
	case isTopic && part == "":
		r.mistake("topic_cut", f.raw, o.want)
		return nil
	case !isTopic:
		of, part = "", id
	}
	id = topicOf(recall.GroupID(cmp.Or(of, string(group))), part)
	switch {
	case !r.fits("topic_long", f.raw, o.want, len(id), maxTopicID):
		return nil
	case of == "":
		r.mistake("topic_group", f.raw, topicOf(group, "TOPIC"))
	case of != string(group): // one of the two is not what was meant
		r.lose("topic_group", f.raw, topicOf(group, "TOPIC"))
		r.c.Scope.Group = recall.GroupID(of)
	}
	r.c.Scope.Topic = recall.TopicID(id)
	return nil
}

// topicOfName reads a topic whose group may have been given by its name: it must be whole, and
// whether the two belong together is seen when the name is looked up.
func (r *reader) topicOfName(f item, of, part string) []item {
	whole := strings.HasPrefix(of, "@TGS#_") && part != ""
	switch id := topicOf(recall.GroupID(of), part); {
	case !whole:
		r.mistake("topic_name", f.raw, sampleTopic)
	case r.fits("topic_long", f.raw, sampleTopic, len(id), maxTopicID):
		r.c.Scope.Topic = recall.TopicID(id)
	}
	return nil
}

// readNamed reads words of the name of a group.
func readNamed(r *reader, _ *Option, words []item) []item {
	var all []string
	for _, w := range words {
		all = append(all, w.val)
	}
	if words := cleaned(strings.Join(all, " ")); AsRead(words) != "" {
		r.c.Named = words
	}
	return nil
}

// topicSign stands between a group's id and the part of a topic's id that is its own.
const topicSign = "@TOPIC#_"

func topicOf(group recall.GroupID, part string) string { return string(group) + topicSign + part }

func readFrom(r *reader, o *Option, words []item) []item {
	f := words[0]
	if id, ok := r.id(f, o.want); ok && r.fits("user_long", f.raw, o.want, len(id), maxUserID) {
		r.c.Scope.Filter.From = recall.UserID(id)
	}
	return nil
}

// serviceMade matches an id that the service made, for all but communities: no sign ends it.
var serviceMade = regexp.MustCompile(`^@TGS#[0-9A-Za-z]+$`)

// id reads an identifier of the Chat service. ok is false when what was meant cannot be told.
func (r *reader) id(f item, expected string) (id string, ok bool) {
	id = pastedID(f.id())
	core := strings.TrimLeft(id, marks)
	if plain := strings.Trim(core, marks+sentence); serviceMade.MatchString(plain) {
		core = plain
	}
	if core != id && isServiceID(core) {
		r.mistake("id_marks", f.raw, expected)
		id = core
	}
	key := mention(id)
	if at := strings.IndexFunc(id, unprintable); key == "" && at < 0 {
		return id, true
	} else if key == "" && unicode.Is(unicode.Nd, firstRune(id[at:])) {
		key = "digit_script"
	} else if key == "" {
		key = "id_character"
	}
	r.mistake(key, f.raw, expected)
	if m := label.FindStringSubmatch(id); m != nil {
		id = "@TGS" + m[1]
	} else {
		id = norm.NFKC.String(strings.Map(digit, id))
	}
	if mention(id) == "" && printable(id) {
		return id, true
	}
	r.lost = true
	return "", false
}

// readSeqs reads the numbers of messages from all the words.
func readSeqs(r *reader, _ *Option, words []item) []item {
	if whole := spacedGroups(words); whole != nil {
		raw := make([]string, len(words))
		for i, w := range words {
			raw[i] = w.raw
		}
		r.mistake("seq_groups", strings.Join(raw, " "), wantGroups)
		r.c.Scope.Seqs = union(whole)
		return nil
	}
	var runs, others []Range // others is the second reading, where there is another
	another := false
	for len(words) > 0 {
		f := words[0]
		if joined, n := spacedRun(words); n > 0 {
			if run, key, _ := onePart(joined.val); key == "" {
				r.mistake("seq_spaces", joined.raw, wantRun)
				runs, others, words = append(runs, run), append(others, run), words[n:]
				continue
			}
		}
		words = words[1:]
		s := FoldString(strings.Map(func(r rune) rune {
			if thin(r) {
				return ',' // as what else stands between groups of digits
			}
			return r
		}, f.val))
		if key := mention(s); key != "" {
			r.lose(key, f.raw, wantSeqs)
			continue
		}
		if f.quoted {
			r.mistake("seq_word", f.raw, wantSeqs)
			var within []item
			for word := range strings.FieldsSeq(s) {
				within = append(within, item{raw: word, val: word})
			}
			words = append(within, words...)
			continue
		}
		s = unpaired(s)
		if strings.ContainsAny(s, separators) {
			r.mistake("seq_word", f.raw, wantSeqs)
			separates := func(c rune) bool { return strings.ContainsRune(separators, c) }
			s = strings.Join(strings.FieldsFunc(s, separates), ",")
		}
		if whole, asks := grouped(s); asks {
			list, isList := runsOf(s)
			// The reading with fewer messages is suggested, and the other one where no run makes it
			// longer than what was typed.
			one, two := union(whole), union(list)
			if one == nil || two != nil && two.Count() < one.Count() {
				one, two = two, one
			}
			if one != nil {
				r.mistake("seq_groups", f.raw, wantGroups)
				if isList && two != nil && two.Count() <= 1+strings.Count(s, ",") {
					another = true
				} else {
					two = one
				}
				runs, others = append(runs, one...), append(others, two...)
				continue
			}
		}
		for part := range strings.SplitSeq(s, ",") {
			run, key, mended := onePart(unpaired(part))
			switch {
			case part == "":
				continue
			case key != "" && part == s:
				r.mistake(key, f.raw, expectedFor(key))
			case key != "":
				r.mistake(key, part, expectedFor(key))
			}
			if mended {
				runs, others = append(runs, run), append(others, run)
				continue
			}
			r.left = true
			r.lost = r.lost || key == "seq_half" || key == "digit_script" || strings.ContainsAny(part, "-.")
		}
	}
	r.c.Scope.Seqs = union(runs)
	if another {
		r.other = union(others)
	}
	return nil
}

// expectedFor is what is right instead of a number with that mistake.
func expectedFor(key string) string {
	switch key {
	case "seq_zero", "seq_big":
		return wantSeq
	case "seq_backwards", "seq_half":
		return wantRun
	}
	return wantSeqs
}

func readSince(r *reader, o *Option, words []item) []item {
	r.c.Scope.Filter.Since = r.when(o, words[0])
	return nil
}

func readUntil(r *reader, o *Option, words []item) []item {
	r.c.Scope.Filter.Until = r.when(o, words[0])
	return nil
}

func (r *reader) when(o *Option, f item) When {
	w, key, mended := readWhen(f.id())
	if key != "" {
		r.mistake(key, f.raw, o.want)
		r.lost = r.lost || !mended
	}
	return w
}

func readLast(r *reader, o *Option, words []item) []item {
	f := words[0]
	s := f.id()
	ascii := strings.Map(digit, s)
	if number := wholeNumber(ascii); !digits(ascii) && number != "" {
		r.mistake("last_number", f.raw, o.want)
		ascii = number
	}
	n, err := strconv.Atoi(ascii)
	switch {
	case digits(ascii) && (err != nil || n > o.Max):
		r.tooMany("last_big", f.raw, o.want, 0, o.Max)
		n = o.Max
	case digits(ascii) && n == 0:
		r.lose("last_number", f.raw, o.want)
	case digits(ascii):
		if ascii != s {
			r.mistake("digit_script", f.raw, o.want)
		}
	default:
		n = 0
		if w, key, _ := readWhen(s); key == "" && r.c.Scope.Filter.Since.IsZero() {
			r.mistake("last_time", f.raw, "since:"+w.String())
			r.c.Scope.Filter.Since = w
		} else {
			r.lose("last_number", f.raw, o.want)
		}
	}
	r.c.Scope.Filter.Last = n
	return nil
}

// wholeNumber returns the digits of a folded number that are grouped by threes, or stand among the
// punctuation of a sentence; "" for anything else.
func wholeNumber(s string) string {
	s, _ = ungroup(strings.Trim(s, marks+sentence), groupsMost)
	if !digits(s) {
		return ""
	}
	return s
}

// readSame reads the number of one message.
func readSame(r *reader, o *Option, words []item) []item {
	f := words[0]
	run, key, mended := onePart(unpaired(f.id()))
	if number := wholeNumber(f.id()); key == "seq_word" && !mended && number != "" {
		run, key, mended = onePart(number)
		key = cmp.Or(key, "same_number")
	}
	switch one := run.From == run.To; {
	case key == "" && one:
		r.c.Scope.Filter.Same = run.From
	case mended && one:
		r.mistake(key, f.raw, o.want)
		r.c.Scope.Filter.Same = run.From
	case key == "seq_zero" && one, key == "seq_big":
		r.lose(key, f.raw, o.want)
	default:
		r.lose("same_number", f.raw, o.want)
	}
	return nil
}

// count writes a number of messages; 0 is none given.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func readPhrase(r *reader, _ *Option, words []item) []item {
	r.c.Scope.Filter.Text = cleaned(words[0].val)
	if r.c.Scope.Filter.Text == Withheld { // from a hint, in place of the phrase
		r.lose("text_withheld", words[0].raw, `text:"WORDS"`)
		r.c.Scope.Filter.Text = ""
	}
	return nil
}

func readReason(r *reader, _ *Option, words []item) []item {
	r.c.Reason = cleaned(words[0].val)
	return nil
}

// readWhich reads what a list is of. A group that is named like one of the lists needs quotes.
func readWhich(r *reader, _ *Option, words []item) []item {
	r.c.List = ListOpen
	if len(words) == 0 {
		return nil
	}
	if s := strings.ToLower(words[0].id()); !words[0].quoted && isList(s) {
		r.c.List = s
		return words[1:]
	}
	rest := r.groupOrName(words, true)
	r.c.List, r.c.Scope.Topic = "", ""
	return rest
}

// isList reports whether a word names one of the lists that are not of a group.
func isList(s string) bool { return s == ListOpen || s == ListMine || s == ListAll }

func readRequest(r *reader, o *Option, words []item) []item {
	id, ok := ParseRequestID(words[0].val)
	if !ok {
		r.lose("request_id", words[0].raw, o.want)
	}
	r.c.Request = id
	return words[1:]
}
