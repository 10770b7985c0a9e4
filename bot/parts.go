package bot

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// This file has what is asked of a request about all its parts.

// Count returns how many messages the request covers.
func (r Request) Count() (n int) {
	for _, p := range r.Parts {
		n += p.Covers.Count()
	}
	return n
}

// Nth returns the id of the message at place n, counted from 0: of the last one where there are not
// so many, 0 where there is none.
func (r Request) Nth(n int) (id MessageID) {
	for i, p := range r.Parts {
		size := p.Covers.Count()
		if size == 0 {
			continue
		}
		id = IDOf(i, p.Covers.Nth(n))
		if n < size {
			break
		}
		n -= size
	}
	return id
}

// In returns the part of the request in a talk. ok is false where it has none.
func (r Request) In(t Talk) (i int, ok bool) {
	i = slices.IndexFunc(r.Parts, func(p Part) bool { return p.Talk == t })
	return i, i >= 0
}

// Shared returns those of the seqs of a talk that the request covers.
func (r Request) Shared(t Talk, seqs command.Ranges) command.Ranges {
	i, ok := r.In(t)
	if !ok {
		return nil
	}
	return r.Parts[i].Covers.Intersect(seqs)
}

// Still reports whether history still showed a message that the API reported as recalled.
func (r Request) Still(id MessageID) bool { return r.Parts[id.Part()].StillShown.Contains(id.Seq()) }

// StillShown counts those messages.
func (r Request) StillShown() (n int) {
	for _, p := range r.Parts {
		n += p.StillShown.Count()
	}
	return n
}

// Condemned reports whether the service has refused every part as a whole.
func (r Request) Condemned() bool {
	return len(r.Parts) > 0 && !slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Condemned == nil })
}

// KeepsNone reports whether all its groups are of types that keep no history.
func (r Request) KeepsNone() bool {
	return len(r.Parts) > 0 && !slices.ContainsFunc(r.Parts, func(p Part) bool { return !p.KeepsNone() })
}

// WithPart returns the request with a part as change leaves it.
func (r Request) WithPart(i int, change func(*Part)) Request {
	r.Parts = slices.Clone(r.Parts)
	change(&r.Parts[i])
	return r
}

// Removals returns the recalls of these messages that callbacks reported since then.
func (r Request) Removals(tx Tx, ids []MessageID, since time.Time) (map[MessageID]Removal, error) {
	all := map[MessageID]Removal{}
	for part, seqs := range ByPart(ids) {
		p := r.Parts[part]
		removed, err := tx.Removals(r.App, p.Group, p.Topic, seqs, since)
		if err != nil {
			return nil, err
		}
		for s, was := range removed {
			all[IDOf(part, s)] = was
		}
	}
	return all, nil
}

// Seqs returns the seqs that of returns for each part, as the audit log has them: as one text where
// the request is over one group, else by group and topic.
func (r Request) Seqs(of func(Part) command.Ranges) any {
	if !r.Scope.Sweeps() {
		return of(r.Only()).String()
	}
	type inTalk struct {
		Talk
		Seqs string `json:"seqs"`
	}
	all := []inTalk{}
	for _, p := range r.Parts {
		if seqs := of(p); seqs.Count() > 0 {
			all = append(all, inTalk{p.Talk, seqs.String()})
		}
	}
	return all
}

// Only returns the part of a request over one group; the zero Part where there is none yet.
func (r Request) Only() Part {
	if len(r.Parts) == 0 {
		return Part{Talk: TalkOf(r.Scope)}
	}
	return r.Parts[0]
}

// UnmarshalJSON also reads what earlier versions stored, of which a request had one part.
func (r *Request) UnmarshalJSON(b []byte) error {
	type plain Request
	var old struct {
		*plain
		Group      GroupFacts     `json:"group"`
		Covers     command.Ranges `json:"covers"`
		Condemned  *Condemnation  `json:"condemned"`
		StillShown command.Ranges `json:"still_shown"`
	}
	old.plain = (*plain)(r)
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if r.Parts == nil && r.Scope.Group != "" {
		r.Parts = []Part{{Talk: TalkOf(r.Scope), Facts: old.Group, Covers: old.Covers, Send: r.Tally.Send,
			Condemned: old.Condemned, StillShown: old.StillShown}}
	}
	return nil
}

// PartsOf returns the numbers of the parts in which messages of a sender were to be sent.
func (r Request) PartsOf(tx Tx, sender recall.UserID) (parts []int, err error) {
	listed := slices.ContainsFunc(r.Tally.Senders, func(s Sender) bool { return s.ID == sender })
	if !listed && r.Tally.Others == 0 {
		return nil, nil
	}
	found := map[int]bool{}
	const atOnce = 1000
	for from := MessageID(0); ; {
		page, err := tx.Sealed(r.ID, from, atOnce)
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			if m.Sender == sender && m.Sends() {
				found[m.Part] = true
			}
		}
		if len(page) < atOnce || len(found) == len(r.Parts) {
			return slices.Sorted(maps.Keys(found)), nil
		}
		from = page[len(page)-1].ID() + 1
	}
}

// AskableReplies returns the replies that one request can ask for, and the talk that they are in:
// those of one group.
func (r Request) AskableReplies() (t Talk, seqs command.Ranges) {
	switch f := r.Replies; {
	case f == nil:
		return t, nil
	case len(f.In) == 1:
		return r.Parts[f.In[0].Part].Talk, f.In[0].Seqs
	default:
		return r.Only().Talk, f.Seqs
	}
}
