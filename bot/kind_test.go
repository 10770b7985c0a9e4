package bot_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"recallbot/bot"
	"recallbot/recall"
)

// said is a message as it is sealed, whose sender wrote words.
func said(seq int, by, words string) bot.Message {
	h := fnv.New64a()
	h.Write([]byte(words))
	content, _ := json.Marshal(map[string]string{"Text": words}) // a string can always be encoded
	m := recall.Message{Body: []recall.Element{{Type: "TIMTextElem", Content: content}}}
	return bot.Message{Seq: recall.Seq(seq), Sender: recall.UserID(by), Content: h.Sum64(),
		Evidence: bot.EvidenceOf(m, 500)}
}

func kindsOf(all []bot.Message) bot.Kinds {
	var f bot.Folding
	for _, m := range all {
		f.Add(m)
	}
	return f.Kinds()
}

// drawn writes kinds as one line each.
func drawn(all []bot.Kind) (lines []string) {
	for _, k := range all {
		line := fmt.Sprintf("%d × %s", k.N, k.Text)
		if k.N == 1 {
			line = fmt.Sprintf("%d %s: %s", k.First, k.Sender, k.Text)
		}
		if k.Texts > 1 {
			line += fmt.Sprintf(" (%d texts, %v)", k.Texts, k.Differs)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestKindsOfAFlood: among 2,000 messages of two kinds each of the six others stands by itself,
// whatever order the messages come in.
func TestKindsOfAFlood(t *testing.T) {
	innocents := map[int]string{711: "is anyone else seeing this??", 802: "don't click prize.example, it is a scam",
		803: "mods please", 1120: "my exam results came!", 1377: "who is selling the bike?", 1101: "你们看到了吗"}
	var all []bot.Message
	for i := 1; i <= 2000; i++ {
		by := fmt.Sprintf("fresh%02d", i%40)
		switch words, ok := innocents[i]; {
		case ok:
			all = append(all, said(i, "member", words))
		case i%7 == 0:
			all = append(all, said(i, by, "Join  my channel!"))
		case i%5 == 0:
			all = append(all, said(i, by, fmt.Sprintf("🔥🔥 Win %d coins at prize.example/%x", i, i*7919)))
		default:
			all = append(all, said(i, by, fmt.Sprintf("🔥🔥 WIN %d,000 coins at prize.example/%x", i, i*7919)))
		}
	}
	want := kindsOf(all)
	if diff := cmp.Diff([]string{"1710 × 🔥🔥 WIN … coins at prize.example/… (1710 texts, [numbers addresses])",
		"284 × Join my channel!"}, drawn(want.Alike)); diff != "" {
		t.Error(diff)
	}
	var odd []string
	for _, seq := range []int{711, 802, 803, 1101, 1120, 1377} {
		odd = append(odd, fmt.Sprintf("%d member: %s", seq, innocents[seq]))
	}
	if got := fmt.Sprint(want.Apart); got != "map[0:711,802-803,1101,1120,1377]" {
		t.Errorf("unlike the rest are %s", got)
	}
	if diff := cmp.Diff(odd, drawn(want.Odd)); diff != "" || want.OddMessages() != 6 {
		t.Error(want.OddMessages(), diff)
	}
	for range 5 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(want, kindsOf(all)); diff != "" {
			t.Fatal("in another order:", diff)
		}
	}
	total := 0
	for _, k := range slices.Concat(want.Odd, want.Alike) {
		if n := len(k.Messages); n != k.N {
			t.Errorf("%s: %d numbers for %d messages", k.Text, n, k.N)
		}
		total += k.N
	}
	if total != len(all) {
		t.Errorf("%d messages are in kinds, of %d", total, len(all))
	}
}

// TestKindsTell: who asks may want something removed that the others read like. What differs is
// told, and so is who else wrote it.
func TestKindsTell(t *testing.T) {
	for name, test := range map[string]struct {
		words func(i int) string
		want  []string
	}{
		"one number": {func(i int) string {
			if i == 500 {
				return "Order 1234 was fraud"
			}
			return "Order 9999 was fraud"
		}, []string{"993 × Order … was fraud (2 texts, [numbers])"}},
		"the same number": {func(int) string { return "Order 1234 was fraud" },
			[]string{"993 × Order 1234 was fraud"}},
		"codes": {func(i int) string { return fmt.Sprintf("free gift x%dk%dz", i+10, i*i) },
			[]string{"993 × free gift … (993 texts, [codes])"}},
		"a host with a number": {func(i int) string { return fmt.Sprintf("https://win%d.example/a?b=%d go", i, i) },
			[]string{"993 × https://win….example/… go (993 texts, [numbers addresses])"}},
		"writing": {func(i int) string { return []string{"Free COINS", "free coins", "ｆｒｅｅ coins"}[i%3] },
			[]string{"993 × free coins (3 texts, [writing])"}},
		"the end": {func(i int) string { return strings.Repeat("long ", 110) + strings.Repeat("x", i) },
			[]string{"993 × " + strings.TrimSuffix(strings.Repeat("long ", 60), " ") + " (993 texts, [ends])"}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []bot.Message
			for i := 1; i <= 993; i++ {
				all = append(all, said(i, "m", test.words(i)))
			}
			k := kindsOf(all)
			for i := range k.Alike { // how much was left out is written by the card
				if at := strings.IndexByte(k.Alike[i].Text, '\x04'); at >= 0 {
					k.Alike[i].Text = strings.TrimRight(k.Alike[i].Text[:at], " ")
				}
			}
			if diff := cmp.Diff(test.want, drawn(k.Alike)); diff != "" || len(k.Odd) > 0 {
				t.Error(diff, drawn(k.Odd))
			}
		})
	}
}

// TestKindsApart: what differs in a word, an element or a host is another kind.
func TestKindsApart(t *testing.T) {
	var all []bot.Message
	for i := 1; i <= 300; i++ {
		all = append(all, said(i, "m", []string{"Order 12 was fraud", "Order 12 was fine", "Order 12 was fraud?"}[i%3]))
	}
	if k := kindsOf(all); len(k.Alike) != 3 || len(k.Odd) > 0 {
		t.Errorf("%q, odd %q", drawn(k.Alike), drawn(k.Odd))
	}
	for i := range all {
		all[i] = said(i+1, "m", []string{"see a.example/1", "see b.example/1"}[i%2])
	}
	if k := kindsOf(all); len(k.Alike) != 2 {
		t.Errorf("%q, odd %q", drawn(k.Alike), drawn(k.Odd))
	}
}

// TestKindsSenders: somebody who sent fewer than one in 20 of a kind is named, the rarest first.
func TestKindsSenders(t *testing.T) {
	var all []bot.Message
	for i := range 200 {
		by := "spammer"
		switch {
		case i == 7:
			by = "alice"
		case i < 3:
			by = "bob"
		case 20 <= i && i < 24:
			by = "carol"
		case i == 30 || i == 31:
			by = "dan"
		}
		all = append(all, said(i+1, by, "+1"))
	}
	k := kindsOf(all).Alike[0]
	want := []bot.SenderCount{{Sender: "alice", N: 1}, {Sender: "dan", N: 2}, {Sender: "bob", N: 3}}
	if diff := cmp.Diff(want, k.Rare); diff != "" || k.RareMore != 1 || k.Senders != 5 {
		t.Error(diff, k.RareMore, k.Senders)
	}
}

// TestKindsSystem: what the service itself wrote is of a kind of its own, and of no sender.
func TestKindsSystem(t *testing.T) {
	var all []bot.Message
	for i := range 40 {
		m := said(i+1, "@TLS#NOT_FOUND", "eve joined")
		m.System = i < 20
		if !m.System {
			m.Sender = "eve"
		}
		all = append(all, m)
	}
	k := kindsOf(all).Alike
	if len(k) != 2 || k[0].N != 20 || k[0].Senders != 0 || k[1].Senders != 1 {
		t.Errorf("%+v", k)
	}
}

// TestKindsMarked: what says something beside its text is unlike the rest.
func TestKindsMarked(t *testing.T) {
	var f bot.Folding
	for i := range 100 {
		m := said(i+1, "m", "hello")
		m.Marked = i%5 < 2
		f.Add(m)
	}
	k := f.Kinds()
	if len(k.Odd) != 1 || k.Odd[0].N != 40 || len(k.Alike) != 1 || k.Alike[0].N != 60 || k.OddMessages() != 40 {
		t.Errorf("%+v", k)
	}
}

// TestKindsOutsideText: a message in which the phrase of a filter occurs outside its text is unlike
// those in which it occurs there.
func TestKindsOutsideText(t *testing.T) {
	var all []bot.Message
	for i := range 100 {
		m := said(i+1, "m", "hello")
		if m.Of = recall.OfText; i == 40 || i == 41 {
			m.Of = recall.OfFile
		}
		all = append(all, m)
	}
	if k := kindsOf(all); len(k.Alike) != 1 || k.Alike[0].N != 98 || fmt.Sprint(k.Apart) != "map[0:41-42]" {
		t.Errorf("%+v", k)
	}
}

// TestKindsBounded: messages of more than 1,000 kinds are counted, as unlike the rest.
func TestKindsBounded(t *testing.T) {
	var all []bot.Message
	word := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), i/26+1) }
	for i := range 1200 {
		all = append(all, said(i+1, "m", word(i)))
	}
	k := kindsOf(all)
	if len(k.Odd) != 1000 || k.Further != 200 || k.OddMessages() != 1200 || k.Messages != 1200 {
		t.Errorf("%d odd, %d further, %d odd messages", len(k.Odd), k.Further, k.OddMessages())
	}
	if k.Apart != nil {
		t.Errorf("where there is no rest, unlike it are %v", k.Apart)
	}
	for i := range 2000 {
		all = append(all, said(i+2001, "m", "hello"))
	}
	if k = kindsOf(append(all[1200:1300:1300], all...)); len(k.ApartIDs()) != k.OddMessages() ||
		fmt.Sprint(k.Apart) != "map[0:1-1200]" {
		t.Errorf("%d of %d are known: %v", len(k.ApartIDs()), k.OddMessages(), k.Apart)
	}
}

// TestKindsWithoutText: where no text is kept, messages of one content are alike.
func TestKindsWithoutText(t *testing.T) {
	var all []bot.Message
	for i := range 300 {
		m := said(i+1, "m", fmt.Sprint(i%3))
		m.Evidence = ""
		all = append(all, m)
	}
	all[17].Content++
	k := kindsOf(all)
	if len(k.Alike) != 3 || len(k.Odd) != 1 || k.Odd[0].First != 18 || k.Odd[0].Text != "" {
		t.Errorf("%+v", k)
	}
}

// BenchmarkKinds folds 100,000 messages of a flood, as many as a seal may have. The limits are 300
// ms of processor time, in the best of the runs, and 20 MB of all that is allocated meanwhile:
//
//	go test ./bot -run - -bench BenchmarkKinds -benchtime 5x
func BenchmarkKinds(b *testing.B) {
	const limit, limitMB = 300 * time.Millisecond, 20
	all := make([]bot.Message, 100_000)
	for i := range all {
		all[i] = said(i+1, fmt.Sprintf("fresh%d", i%5000),
			fmt.Sprintf("🔥🔥 WIN %d coins today at https://prize.example/%x before it is too late", i, i*7919))
		if i%50 == 0 {
			all[i] = said(i+1, fmt.Sprintf("member%d", i%900), fmt.Sprintf("hello %s", strings.Repeat("x", i%450)))
		}
		all[i].Sent = time.Unix(int64(i), 0)
	}
	best, most := time.Hour, uint64(0)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := processorTime()
		k := kindsOf(all)
		best = min(best, processorTime()-began)
		runtime.ReadMemStats(&after)
		most = max(most, after.TotalAlloc-before.TotalAlloc)
		if len(k.Alike) != 1 || k.OddMessages() != len(k.ApartIDs()) {
			b.Fatalf("%d kinds", len(k.Alike))
		}
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "ms(limit:300)")
	b.ReportMetric(float64(most)/1e6, "MB(limit:20)")
	if best > limit || most > limitMB*1e6 {
		b.Errorf("%v and %d bytes", best, most)
	}
}

// processorTime is how long the processors have worked for this process.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // unreachable: it is asked about this process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// FuzzKinds: whatever two texts say, each of twelve messages with them is in one kind, and all are
// in the same one if the texts are the same. The order in which they come changes nothing.
func FuzzKinds(f *testing.F) {
	f.Add("WIN 5 at a.example/b", "win 77 at A.example/")
	f.Add("1,2.3", "١٢٣")
	f.Fuzz(func(t *testing.T, a, b string) {
		var all []bot.Message
		for i := range 6 {
			all = append(all, said(2*i+1, "m", a), said(2*i+2, "m", b))
		}
		k := kindsOf(all)
		same := all[0].Evidence == all[1].Evidence
		slices.Reverse(all)
		if diff := cmp.Diff(k, kindsOf(all)); diff != "" {
			t.Error(diff)
		}
		n := 0
		for _, kind := range slices.Concat(k.Odd, k.Alike) {
			n += kind.N
		}
		if n != len(all) || same && len(k.Odd)+len(k.Alike) != 1 {
			t.Errorf("%+v", k)
		}
	})
}

// TestKindsOfFew: up to ten messages are each shown, however alike they are.
func TestKindsOfFew(t *testing.T) {
	var all []bot.Message
	for i := range 11 {
		all = append(all, said(11-i, "m", "the same"))
	}
	if k := kindsOf(all); len(k.Alike) != 1 || len(k.Odd) > 0 {
		t.Errorf("eleven are %+v", k)
	}
	k := kindsOf(all[1:])
	for i, o := range k.Odd {
		if o.First != recall.Seq(i+1) || o.N != 1 || o.Text != "the same" {
			t.Errorf("%+v", o)
		}
	}
	if len(k.Odd) != 10 || len(k.Alike) > 0 {
		t.Errorf("ten are %d and %d kinds", len(k.Odd), len(k.Alike))
	}
}
