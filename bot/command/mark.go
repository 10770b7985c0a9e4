package command

import (
	"slices"
	"strings"
)

// This file takes off what people paste around an id or a number: the marks with which chat clients
// format text, the punctuation of the sentence it stood in, and what the SDKs of the Chat service
// write before the id of a group.

// conversation are the prefixes with which the SDKs make the id of a conversation from that of its
// group. No id that an app chose begins with one and goes on with @TGS#.
var conversation = []string{"GROUP", "group_"}

// pastedID returns the id that begins with @TGS# in a folded word, without what was pasted around
// it. A word that holds no such id is returned as it is.
func pastedID(s string) string {
	id := unpaired(strings.TrimRight(s, punctuation))
	id = unpaired(strings.TrimRight(id, punctuation))
	for _, prefix := range conversation {
		if own, ok := strings.CutPrefix(id, prefix); ok && isServiceID(own) {
			id = own
		}
	}
	if !isServiceID(id) {
		return s
	}
	return id
}

// isServiceID reports whether a folded word is the id of a group or topic to which the service gave
// its form, and so never a name.
func isServiceID(s string) bool { return strings.HasPrefix(s, "@TGS#") }

// unmark takes off the marks that stand in pairs around one word or several. Each of them must be a
// number or an id that begins with @TGS#; the first, where it is a group, must be such an id.
func unmark(words []item, group bool) []item {
	inner := func(i int) bool {
		s := strings.Trim(words[i].id(), marks+punctuation)
		number := s != "" && looksLikeSeqs(s) && (i > 0 || !group)
		return !words[i].quoted && (number || isServiceID(pastedID(s)))
	}
	words = slices.Clone(words)
	for i := range words {
		rest := strings.TrimLeft(words[i].val, marks)
		opened := words[i].val[:len(words[i].val)-len(rest)]
		if opened == "" {
			continue
		}
		closing := []byte(opened)
		slices.Reverse(closing)
		for j := i; j < len(words) && inner(j); j++ {
			last := strings.TrimRight(words[j].val, punctuation)
			if j == i {
				last = strings.TrimRight(rest, punctuation)
			}
			if last, ok := strings.CutSuffix(last, string(closing)); ok {
				words[i].val = rest
				words[j].val = last
				break
			}
		}
	}
	return words
}

// unwrap takes off the marks that stand in a pair around a whole command that begins with an id.
func unwrap(chars []char) []char {
	for len(chars) > 0 && isSpace(chars[0].r) {
		chars = chars[1:]
	}
	n := 0
	for n < len(chars) && strings.ContainsRune(marks, chars[n].r) {
		n++
	}
	var text strings.Builder
	for _, c := range chars {
		text.WriteRune(fold(c.r))
	}
	s := strings.TrimSpace(text.String())
	if n == 0 || !isServiceID(s[n:]) {
		return chars
	}
	opened := s[:n]
	closing := []byte(opened)
	slices.Reverse(closing)
	end := len(chars)
	for end > n && isSpace(chars[end-1].r) {
		end--
	}
	if within, ok := strings.CutSuffix(s[n:], string(closing)); !ok || strings.ContainsAny(within, opened) {
		return chars
	}
	return chars[n : end-n]
}
