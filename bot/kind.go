package bot

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/bot/command"
	"recallbot/recall"
)

// Bounds of what a request's messages are folded into.
const (
	// kindsMost is how many kinds are told apart. Messages of further kinds are counted alone.
	kindsMost = 1000
	// UnfoldedMost is up to how many messages are never folded: a card shows each of them.
	UnfoldedMost = 10
	// A kind with fewer than one in oddShare of the messages is unlike the rest.
	oddShare = 100
	// A sender with fewer than one in rareShare of a kind's messages is named, and of those the
	// raresNamed with the fewest.
	rareShare, raresNamed = 20, 3
	// A word of codeLeast characters or more that changes between letters and digits at least twice
	// is a code, such as those that senders append to get past filters.
	codeLeast = 6
	kindRunes = 300 // of its text
)

// Kinds are the messages of a request as people can look at thousands of them: those that read
// alike are one kind. It is for eyes alone. What is sealed, sent and told of a message never
// depends on it.
type Kinds struct {
	Messages int    `json:"messages"`        // those that were folded
	Odd      []Kind `json:"odd,omitempty"`   // unlike the rest, in the order of their first messages
	Alike    []Kind `json:"alike,omitempty"` // the rest, the largest first
	// Further is how many of the messages are of none of these kinds, because there are more than a
	// thousand.
	Further int `json:"further,omitempty"`
	// Apart are the numbers of the messages that are unlike the rest, by their part; nil where
	// there is no rest.
	Apart map[int]command.Ranges `json:"apart,omitempty"`
}

// ApartIDs returns the messages that are unlike the rest, in order.
func (k Kinds) ApartIDs() (ids []MessageID) {
	for _, part := range slices.Sorted(maps.Keys(k.Apart)) {
		ids = append(ids, IDsOf(part, slices.Collect(k.Apart[part].All()))...)
	}
	return ids
}

// OddMessages returns how many messages are unlike the rest, those of further kinds among them.
func (k Kinds) OddMessages() int {
	n := k.Further
	for _, o := range k.Odd {
		n += o.N
	}
	return n
}

// WithoutApart returns those of the messages that are not unlike the rest.
func (k Kinds) WithoutApart(ids []MessageID) (rest []MessageID) {
	for _, id := range ids {
		if !k.Apart[id.Part()].Contains(id.Seq()) {
			rest = append(rest, id)
		}
	}
	return rest
}

// Kind is messages that read alike: the same words in the same order. Numbers, codes and what
// stands behind the host of an address may differ.
type Kind struct {
	N       int           `json:"n"`
	Texts   int           `json:"texts"`          // different contents among them
	Part    int           `json:"part,omitempty"` // of the first message
	First   recall.Seq    `json:"first"`          // the lowest number, and the message that bears it
	Sender  recall.UserID `json:"sender,omitempty"`
	Sent    time.Time     `json:"sent,omitzero"`
	Differs []Difference  `json:"differs,omitempty"`
	// Text is the first message in the form of EvidenceOf, with "…" in place of what differs.
	// Varies are those places, in order, among all where messages may differ.
	Text    string `json:"text,omitempty"`
	Varies  []int  `json:"varies,omitempty"`
	Senders int    `json:"senders"`
	// Rare are senders of few of them, the rarest first, and RareMore how many more there are.
	Rare     []SenderCount `json:"rare,omitempty"`
	RareMore int           `json:"rare_more,omitempty"`
	// Marked: it says something beside its text, such as data or a quote. So it is unlike the rest,
	// as long as these are fewer than half of the messages.
	Marked bool `json:"marked,omitempty"`
	// Messages are the messages, in order. They are known only while folding.
	Messages []MessageID `json:"-"`
}

// SenderCount is how many messages of a kind somebody sent.
type SenderCount struct {
	Sender recall.UserID `json:"sender"`
	N      int           `json:"n"`
}

// Difference is what differs between messages of a kind.
type Difference string

// The differences, in the order in which they are told.
const (
	DifferNumbers   Difference = "numbers"
	DifferAddresses Difference = "addresses" // behind the host
	DifferCodes     Difference = "codes"     // words of letters and digits
	DifferEnds      Difference = "ends"      // what was too long to be kept
	DifferWriting   Difference = "writing"   // case, width, quotes and the like
)

// Folding folds messages into kinds, one after the other, in any order. It keeps one message a
// kind, and a number and a hash a message. The zero Folding is ready to be used.
type Folding struct {
	seed    maphash.Seed
	kinds   []folded
	byShape map[string]uint32
	texts   map[text]struct{}
	senders map[sent]int
	words   map[string]string // folded
	n       int
	further []MessageID // of none of the kinds
	few     []Message   // the first of them, which are not folded if there are no others

	shape []byte // of the message that is added, and where it may differ from others of its shape
	slots []slot
}

// folded is a kind while messages are added to it.
type folded struct {
	first  Message
	slots  []slot // of first
	varies []bool // by slot
	all    []MessageID
	marked bool
}

type text struct {
	kind uint32
	hash uint64
}

type sent struct {
	kind uint32
	by   recall.UserID
}

// slot is a place in kept evidence where messages of one shape may differ.
type slot struct {
	from, to int
	what     Difference
}

// Add folds a message whose content was read.
func (f *Folding) Add(m Message) {
	if f.byShape == nil {
		*f = Folding{seed: maphash.MakeSeed(), byShape: map[string]uint32{}, texts: map[text]struct{}{},
			senders: map[sent]int{}, words: map[string]string{}}
	}
	if f.n++; f.n <= UnfoldedMost {
		f.few = append(f.few, keptOf(m))
	}
	if m.Evidence == "" { // nothing was kept: what is the same is alike
		f.shape, f.slots = binary.LittleEndian.AppendUint64(f.shape[:0], m.Content), f.slots[:0]
	} else {
		f.read(m.Evidence)
	}
	marked := m.Marked || OutsideText(m.Of) != nil
	if marked {
		f.shape = append(f.shape, runWords)
	}
	if m.System { // it is like no member's
		f.shape = append(f.shape, runName)
	}
	at, ok := f.byShape[string(f.shape)]
	if !ok {
		if len(f.kinds) == kindsMost {
			f.further = append(f.further, m.ID())
			return
		}
		at = uint32(len(f.kinds))
		f.byShape[string(f.shape)] = at
		f.kinds = append(f.kinds, folded{first: keptOf(m), slots: slices.Clone(f.slots),
			varies: make([]bool, len(f.slots)), marked: marked})
	}
	k := &f.kinds[at]
	for i, s := range f.slots {
		was := k.slots[i]
		k.varies[i] = k.varies[i] || m.Evidence[s.from:s.to] != k.first.Evidence[was.from:was.to]
	}
	if m.ID() < k.first.ID() {
		k.first, k.slots = keptOf(m), slices.Clone(f.slots)
	}
	k.all = append(k.all, m.ID())
	if !m.System {
		f.senders[sent{at, m.Sender}]++
	}
	id := text{at, m.Content}
	if id.hash == 0 {
		id.hash = maphash.String(f.seed, m.Evidence)
	}
	f.texts[id] = struct{}{}
}

// keptOf is what is kept of the first message of a kind.
func keptOf(m Message) Message {
	return Message{Part: m.Part, Seq: m.Seq, Sender: m.Sender, Sent: m.Sent, Evidence: strings.Clone(m.Evidence)}
}

// read sets the shape of kept evidence, and the places where messages of this shape may differ. The
// bot's own words and names are part of the shape as they are.
func (f *Folding) read(kept string) {
	f.shape, f.slots = f.shape[:0], f.slots[:0]
	for i := 0; i < len(kept); {
		switch kept[i] {
		case runWords, runName:
			end := strings.IndexByte(kept[i:], runEnd)
			if end < 0 {
				end = len(kept) - i - 1
			}
			f.shape = append(f.shape, kept[i:i+end+1]...)
			i += end + 1
		case runLeft: // how much was left out differs with it
			end := i + 1
			for end < len(kept) && kept[end] != runPartly {
				end++
			}
			f.shape = append(f.shape, runLeft)
			f.slots = append(f.slots, slot{i, end, DifferEnds})
			i = end
		case runPartly, ' ':
			f.shape = append(f.shape, kept[i])
			i++
		default:
			end := i
			for end < len(kept) && kept[end] > ' ' {
				end++
			}
			f.word(kept, i, end)
			i = end
		}
	}
}

// word adds one word to the shape.
func (f *Folding) word(kept string, from, to int) {
	if at := pathOf(kept[from:to]); at > 0 {
		f.literal(kept, from, from+at)
		if from+at < to {
			f.free(from+at, to, DifferAddresses)
		}
		return
	}
	if isCode(kept[from:to]) {
		f.free(from, to, DifferCodes)
		return
	}
	f.literal(kept, from, to)
}

// literal adds what is the same in all messages of a kind but for its numbers.
func (f *Folding) literal(kept string, from, to int) {
	for from < to {
		digits := numberOf(kept[from:to])
		if digits > 0 {
			f.free(from, from+digits, DifferNumbers)
			from += digits
			continue
		}
		end := from
		for end < to && numberOf(kept[end:to]) == 0 {
			_, n := utf8.DecodeRuneInString(kept[end:to])
			end += n
		}
		f.shape = append(f.shape, f.asRead(kept[from:end])...)
		from = end
	}
}

// free adds a place where messages may differ.
func (f *Folding) free(from, to int, what Difference) {
	f.shape = append(f.shape, runEnd) // which is in no text
	f.slots = append(f.slots, slot{from, to, what})
}

// asRead is command.AsRead with a memory for the words of a flood.
func (f *Folding) asRead(s string) string {
	read, ok := f.words[s]
	if !ok {
		read = command.AsRead(s)
		if len(f.words) < 10_000 && len(s) < 100 {
			f.words[strings.Clone(s)] = read
		}
	}
	return read
}

// numberOf returns how many bytes at the beginning of s are a number, with the points and commas in
// it.
func numberOf(s string) (n int) {
	for i, r := range s {
		switch {
		case unicode.IsDigit(r):
			n = i + utf8.RuneLen(r)
		case n == 0 || i > n || r != '.' && r != ',':
			return n
		}
	}
	return n
}

// pathOf returns where the part of an address begins that stands behind its host: behind the first
// slash; 0 where s is no address.
func pathOf(s string) int {
	host := 0
	if at := strings.Index(s, "://"); at > 0 {
		host = at + 3
	}
	slash := strings.IndexByte(s[host:], '/')
	if slash < 0 {
		return 0
	}
	if host == 0 && strings.IndexByte(s[:slash], '.') <= 0 {
		return 0
	}
	return host + slash + 1
}

// isCode reports whether a word looks drawn by lot: letters and digits mixed.
func isCode(s string) bool {
	if len(s) < codeLeast {
		return false
	}
	changes, was := 0, byte(0)
	for i := range len(s) {
		is := byte(0)
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			is = 'd'
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			is = 'l'
		case c != '-' && c != '_':
			return false
		}
		if is != 0 && was != 0 && is != was {
			changes++
		}
		if is != 0 {
			was = is
		}
	}
	return changes >= 2
}

// Kinds returns what the messages were folded into. Up to UnfoldedMost are each a kind by itself.
func (f *Folding) Kinds() Kinds {
	if f.n <= UnfoldedMost {
		return f.unfolded()
	}
	all := make([]Kind, len(f.kinds))
	for i, k := range f.kinds {
		slices.Sort(k.all)
		all[i] = Kind{N: len(k.all), Part: k.first.Part, First: k.first.Seq, Sender: k.first.Sender,
			Sent: k.first.Sent, Marked: k.marked, Messages: k.all}
		all[i].Text, all[i].Differs = k.template()
		for n, varies := range k.varies {
			if varies {
				all[i].Varies = append(all[i].Varies, n)
			}
		}
	}
	for t := range f.texts {
		all[t.kind].Texts++
	}
	for s, n := range f.senders {
		k := &all[s.kind]
		k.Senders++
		if n*rareShare < k.N {
			k.rare(SenderCount{s.by, n})
		}
	}
	out := Kinds{Messages: f.n, Further: len(f.further)}
	apart := slices.Clone(f.further)
	for _, k := range all {
		if k.Texts > 1 && len(k.Differs) == 0 {
			k.Differs = []Difference{DifferWriting}
		}
		if k.N == 1 || k.Marked && 2*k.N < f.n || k.N*oddShare < f.n {
			out.Odd, apart = append(out.Odd, k), append(apart, k.Messages...)
		} else {
			out.Alike = append(out.Alike, k)
		}
	}
	if len(out.Alike) > 0 && len(apart) > 0 {
		out.Apart = map[int]command.Ranges{}
		for part, seqs := range ByPart(apart) {
			out.Apart[part] = command.MakeRanges(seqs...)
		}
	}
	slices.SortFunc(out.Odd, byFirst)
	slices.SortFunc(out.Alike, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(b.N, a.N), byFirst(a, b))
	})
	return out
}

// byFirst orders kinds by their first messages.
func byFirst(a, b Kind) int { return cmp.Compare(IDOf(a.Part, a.First), IDOf(b.Part, b.First)) }

// unfolded returns each message as a kind.
func (f *Folding) unfolded() Kinds {
	k := Kinds{Messages: f.n}
	for _, m := range f.few {
		k.Odd = append(k.Odd, Kind{N: 1, Texts: 1, Part: m.Part, First: m.Seq, Sender: m.Sender, Sent: m.Sent,
			Senders: 1, Text: cutEvidence(m.Evidence, kindRunes), Messages: []MessageID{m.ID()}})
	}
	slices.SortFunc(k.Odd, byFirst)
	return k
}

// rare adds one who sent few of a kind's messages, and keeps the rarest.
func (k *Kind) rare(c SenderCount) {
	k.Rare = append(k.Rare, c)
	slices.SortFunc(k.Rare, func(a, b SenderCount) int {
		return cmp.Or(cmp.Compare(a.N, b.N), cmp.Compare(a.Sender, b.Sender))
	})
	if len(k.Rare) > raresNamed {
		k.Rare = k.Rare[:raresNamed]
		k.RareMore++
	}
}

// Reread returns the kind with its text made anew of its first message, whose evidence this is.
func (k Kind) Reread(evidence string) Kind {
	f := Folding{words: map[string]string{}}
	f.read(evidence)
	first := folded{first: Message{Evidence: evidence}, slots: f.slots, varies: make([]bool, len(f.slots))}
	for _, n := range k.Varies {
		if n < len(first.varies) {
			first.varies[n] = true
		}
	}
	k.Text, _ = first.template()
	return k
}

var contentSeed = maphash.MakeSeed()

// Foldable returns what Folding looks at beside the evidence of a message: a hash of what it says,
// and whether it says something beside its text.
func Foldable(m recall.Message) (content uint64, marked bool) {
	parts, _ := m.Parts()
	return maphash.Bytes(contentSeed, m.Content()), slices.ContainsFunc(parts, func(p recall.Part) bool {
		return p.Of == recall.OfData || p.Of == recall.OfExt || p.Of == recall.OfForwarded || p.Of == recall.OfQuote
	})
}

// template returns the first message with "…" where others differ, at most kindRunes characters of
// it, and what differs.
func (k folded) template() (text string, differs []Difference) {
	var b strings.Builder
	kept, at := k.first.Evidence, 0
	for i, s := range k.slots {
		if !k.varies[i] {
			continue
		}
		differs = append(differs, s.what)
		b.WriteString(kept[at:s.from])
		if s.what != DifferEnds { // which has its own sign
			b.WriteString("…")
		} else {
			b.WriteString(kept[s.from:s.to])
		}
		at = s.to
	}
	b.WriteString(kept[at:])
	order := []Difference{DifferNumbers, DifferAddresses, DifferCodes, DifferEnds}
	slices.SortFunc(differs, func(a, b Difference) int {
		return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
	})
	return cutEvidence(b.String(), kindRunes), slices.Compact(differs)
}
