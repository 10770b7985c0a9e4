package command

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"recallbot/recall"

	"golang.org/x/text/unicode/norm"
)

// This file reads the value of each option. Each function sets what it read in the reader's
// command, and records what is wrong. What it can repair it sets repaired.

// What a command may hold. The sizes of the identifiers are the Chat service's.
const (
	maxLast = 2000 // of last:N; no search reads more messages than this

	maxGroupID = recall.MaxGroupIDBytes
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
	wantWhen  = "90s, 30m, 2h, 3d, 2026-11-23T10:00:00+01:00"
)

// readGroup reads the group of a recall or of a search.
func readGroup(r *reader, _ *Option, words []item) []item {
	filtered := slices.ContainsFunc(r.values, func(v value) bool { return v.filter })
	id, rest := r.group(words, filtered)
	r.c.Scope.Group = id
	return rest
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
	case strings.HasPrefix(id, "@TGS#_") && strings.Contains(id, "@TOPIC#_"):
		r.mistake("group_is_topic", f.raw, "@TGS#_GROUP topic:"+sampleTopic)
		r.c.Scope.Topic = recall.TopicID(id)
		id, _, _ = strings.Cut(id, "@TOPIC#_")
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
	if n == len(rest) && !more || len(joined.val) > maxGroupID || mention(joined.val) != "" {
		return f, rest
	}
	r.mistake("group_spaces", joined.raw, `"my group"`)
	return joined, rest[n:]
}

// readTopic reads a topic of the group, which was read before it.
func readTopic(r *reader, o *Option, words []item) []item {
	f := words[0]
	id, ok := r.id(f, o.want)
	if !ok || r.c.Scope.Group == "" {
		return nil
	}
	own := string(r.c.Scope.Group) + "@TOPIC#_"
	rest, isOwn := strings.CutPrefix(id, own)
	half, isHalf := strings.CutPrefix(id, "@TOPIC#_")
	switch {
	case isOwn && rest == "":
		r.lose("topic_cut", f.raw, o.want)
		return nil
	case !r.fits("topic_long", f.raw, o.want, len(id), maxTopicID):
		return nil
	case isOwn:
	case isHalf && half != "":
		r.mistake("topic_group", f.raw, own+"TOPIC")
		id = own + half
	default:
		r.lose("topic_group", f.raw, own+"TOPIC")
		return nil
	}
	r.c.Scope.Topic = recall.TopicID(id)
	return nil
}

func readFrom(r *reader, o *Option, words []item) []item {
	f := words[0]
	if id, ok := r.id(f, o.want); ok && r.fits("user_long", f.raw, o.want, len(id), maxUserID) {
		r.c.Scope.Filter.From = recall.UserID(id)
	}
	return nil
}

// id reads an identifier of the Chat service. ok is false when what was meant cannot be told.
func (r *reader) id(f item, expected string) (id string, ok bool) {
	id = f.id()
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
	var runs []Range
	for len(words) > 0 {
		f := words[0]
		if joined, n := spacedRun(words); n > 0 {
			if run, key, _ := onePart(joined.val); key == "" {
				r.mistake("seq_spaces", joined.raw, wantRun)
				runs, words = append(runs, run), words[n:]
				continue
			}
		}
		words = words[1:]
		s := f.id()
		if key := mention(s); key != "" {
			r.lose(key, f.raw, wantSeqs)
			continue
		}
		if f.quoted {
			r.mistake("seq_word", f.raw, wantSeqs)
			s = strings.ReplaceAll(s, " ", ",")
		}
		for part := range strings.SplitSeq(s, ",") {
			run, key, mended := onePart(part)
			switch {
			case part == "":
				continue
			case key != "" && part == s:
				r.mistake(key, f.raw, expectedFor(key))
			case key != "":
				r.mistake(key, part, expectedFor(key))
			}
			if mended {
				runs = append(runs, run)
				continue
			}
			r.left = true
			r.lost = r.lost || key == "seq_half" || key == "digit_script" || strings.ContainsAny(part, "-.")
		}
	}
	r.c.Scope.Seqs = union(runs)
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

// count writes a number of messages; 0 is none given.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func readPhrase(r *reader, _ *Option, words []item) []item {
	r.c.Scope.Filter.Text = cleaned(words[0].val)
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
	if s := strings.ToLower(words[0].id()); !words[0].quoted && (s == ListOpen || s == ListMine) {
		r.c.List = s
		return words[1:]
	}
	id, rest := r.group(words, true)
	r.c.List, r.c.ListGroup, r.c.Scope = string(id), id, Scope{}
	return rest
}

func readRequest(r *reader, o *Option, words []item) []item {
	id, ok := ParseRequestID(words[0].val)
	if !ok {
		r.lose("request_id", words[0].raw, o.want)
	}
	r.c.Request = id
	return words[1:]
}
