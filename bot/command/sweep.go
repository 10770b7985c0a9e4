package command

import (
	"slices"
	"strings"

	"recallbot/recall"
)

// This file has the groups of a sweep: the option in.

const (
	joined = "joined"
	// InMost is how many groups one sweep may name.
	InMost = 10

	wantIn    = "in:joined, in:" + sampleGroup + `,"my group"`
	wantSweep = "in:joined from:USER"
)

// everywhere are words that people type for all groups of a sender.
var everywhere = []string{"all", "everywhere", "*", "any"}

// readIn reads the groups of a sweep, separated by commas outside quotes.
func readIn(r *reader, o *Option, words []item) []item {
	f := words[0]
	scope := &r.c.Scope
	for _, one := range splitList(f.val) {
		word := strings.ToLower(FoldString(one.val))
		switch {
		case one.val == "":
			continue
		case !one.quoted && slices.Contains(everywhere, word):
			r.mistake("in_all", f.raw, o.want)
			scope.Joined = true
			continue
		case !one.quoted && word == joined:
			scope.Joined = true
			continue
		}
		one.raw = f.raw
		id, ok := r.inID(one)
		if ok && !slices.Contains(scope.In, id) {
			scope.In = append(scope.In, id)
		}
	}
	switch n := len(scope.In); {
	case scope.Joined && n > 0:
		r.lose("in_joined", f.raw, wantSweep)
	case !scope.Joined && n == 0:
		r.lose("option_empty", f.raw, o.want)
	default:
		r.fits("in_many", f.raw, o.want, n, InMost)
	}
	return nil
}

// inID reads one group of a list: the id of a group or topic, or a name.
func (r *reader) inID(f item) (string, bool) {
	if name := cleaned(f.val); isName(name) {
		return name, true
	}
	id, ok := r.id(f, wantGroup)
	switch {
	case !ok || id == "":
		r.lost = true
		return "", false
	case isTopicID(id):
		return id, r.fits("topic_long", f.raw, sampleTopic, len(id), maxTopicID)
	case id == "@TGS" || id == "@TGS#" || id == "@TGS#_":
		r.lose("group_cut", f.raw, wantGroup)
		return "", false
	}
	return id, r.fits("group_long", f.raw, wantGroup, len(id), maxGroupID)
}

// isTopicID reports whether an identifier is that of a topic, which has its group's in it.
func isTopicID(id string) bool {
	of, part, found := strings.Cut(id, topicSign)
	return found && part != "" && strings.HasPrefix(of, "@TGS#_")
}

// InTalk takes a group of a sweep, given by its id, apart: the id of its group, and that of its
// topic where it is one.
func InTalk(id string) (recall.GroupID, recall.TopicID) {
	if !isTopicID(id) {
		return recall.GroupID(id), ""
	}
	of, _, _ := strings.Cut(id, topicSign)
	return recall.GroupID(of), recall.TopicID(id)
}

// IsInID reports whether a group of a sweep was typed as what can only be an id.
func IsInID(s string) bool { return isServiceID(s) }

// list writes the groups of a sweep as they are typed.
func (s Scope) list() string {
	if s.Joined {
		return joined
	}
	all := make([]string, len(s.In))
	for i, id := range s.In {
		word := strings.ToLower(id)
		if strings.ContainsFunc(id, func(r rune) bool { return isSpace(r) || isQuote(r) || fold(r) == ',' }) ||
			slices.Contains(everywhere, word) || word == joined {
			id = quote(id)
		}
		all[i] = id
	}
	return strings.Join(all, ",")
}

// checkSweep checks a recall or a search in several groups: it is of one sender.
func (r *reader) checkSweep() {
	scope := &r.c.Scope
	list := r.given(listName).raw
	switch {
	case scope.Typed() != "":
		r.lose("in_group", list, wantSweep)
	case r.given("topic").raw != "":
		r.lose("in_topic", list, wantSweep)
	case len(scope.Seqs) > 0:
		r.lose("seqs_and_filter", list, wantSeqs)
	case scope.Filter.Last != 0:
		r.lose("in_one", r.given("last").raw, wantSweep)
	case scope.Filter.Same != 0:
		r.lose("in_one", r.given("same").raw, wantSweep)
	case scope.Filter.From == "":
		r.lose("in_from", list, wantSweep)
	default:
		r.lost = r.lost || r.left
	}
}
