package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// phones are one whose buttons end a card, and one with small print below them.
var phones = map[string]Phone{
	"small print above": {Height: 432, Text: Type{16, 22, 287}, Warning: Type{14, 18, 255}, Message: Type{14, 20, 231},
		Small: Type{13, 19, 255}},
	"below": {Height: 500, Text: Type{15, 22, 299}, Warning: Type{15, 22, 299}, Message: Type{15, 22, 283}},
}

// phoned is a card with n messages that say text.
func phoned(n int, text string) Card {
	c := Card{State: Proposed, Title: Say("card.proposed", "n", n, "of", Line(nil), "where", "Lounge"),
		Head:  []Line{Say("card.asked", "who", "Mina")},
		Call:  Say("card.call", "n", 1, "deadline", Until(time.Unix(1800, 0), time.Unix(0, 0))),
		Small: []Line{{Code("R-7K3M9Q")}, {Code("@TGS#2J4SZEAEL")}, {Quote("Public")}}}
	for i := range n {
		c.Samples = append(c.Samples, Sample{Seq: uint32(100 + i), Sender: "casino_77", Text: Line{Quote(text)}})
	}
	return c
}

// TestOnPhone: what is cut ends with a sign and is counted, what is not cut is whole, and all of it
// fits.
func TestOnPhone(t *testing.T) {
	reason := strings.Repeat("because ", 60)
	for where, p := range phones {
		for name, text := range map[string]string{
			"short": "hi", "a sentence": strings.Repeat("scam ", 16), "capitals": strings.Repeat("W", 80),
			"one long word": strings.Repeat("a", 80), "wide": strings.Repeat("机", 80), "emoji": strings.Repeat("🔥", 80),
			"marks": strings.Repeat("e\u0301", 40), "very long": strings.Repeat("spam. ", 80), "none": "",
		} {
			for _, n := range []int{1, 2, 5, 10} {
				for _, more := range []string{"", "a long reason", "long names", "lists"} {
					c := phoned(n, text)
					switch more {
					case "a long reason":
						c.Head = []Line{Say("card.asked.why", "who", "Mina", "why", reason)}
					case "long names":
						for i := range c.Samples {
							c.Samples[i].Sender = strings.Repeat("stream_giveaway_", 2)
						}
					case "lists":
						c.Unusual = []Line{Say("card.protected", "seqs", Code(strings.Repeat("100, ", 60)))}
						for range 8 {
							c.Small = append(c.Small, Say("card.numbers", "seqs", Code(strings.Repeat("100, ", 20))))
						}
					}
					got := c.OnPhone(p)
					say := where + ", " + name + ", " + more
					if h := p.height(got); h+p.shown(got) > p.Height {
						t.Errorf("%s, %d: %d + %d pixels are more than %d", say, n, h, p.shown(got), p.Height)
					}
					cut := 0
					for i, s := range got.Samples {
						was, is := c.Samples[i], s.Text.String()
						if s.Text.String() == was.Text.String() && s.Sender == was.Sender {
							continue
						}
						cut++
						kept, ok := strings.CutSuffix(is, "…")
						if is != text && !ok || !strings.HasPrefix(text, kept) || is != text && len(kept) == 0 {
							t.Errorf("%s, %d: %q of %q", say, n, is, text)
						}
					}
					said := ""
					for _, l := range append(got.Below, got.Small...) {
						said += l.String() + "\n"
					}
					if notes := Say("card.cut", "n", cut).String(); cut > 0 &&
						!strings.Contains(said, strings.TrimSuffix(notes, ": see Show all")) {
						t.Errorf("%s, %d: %d are cut, and the card says %q", say, n, cut, said)
					}
					if cut == 0 && more == "" && cmp.Diff(c, got) != "" {
						t.Errorf("%s, %d: nothing had to be cut: %s", say, n, cmp.Diff(c, got))
					}
					if short := len(got.Small) < len(c.Small); short && !strings.Contains(said, "Show all") {
						t.Errorf("%s, %d: small print is left out in silence: %q", say, n, said)
					}
				}
			}
		}
	}
}

// TestOnPhoneCount: a message that has more lines than its share because of its marks, and loses
// nothing, does not count as cut.
func TestOnPhoneCount(t *testing.T) {
	c := phoned(4, strings.Repeat("spam. ", 80))
	c.Samples[2].Marks = []Line{Say("card.mark.of.description"), Say("card.mark.of.forwarded"),
		Say("card.mark.of.place")}
	c.Samples[2].Text = Line{Quote("hi")}
	c.Unusual = []Line{Say("card.live"), Say("card.live")}
	got := c.OnPhone(phones["small print above"])
	if want := Say("card.cut.more", "n", 3).String(); got.Samples[2].Text.String() != "hi" ||
		got.Small[len(got.Small)-1].String() != want { // the marks alone are too many lines
		t.Errorf("%v of %v, want %q", got.Small, got.Samples[2], want)
	}
}

// shown is the height of the messages.
func (p Phone) shown(c Card) (h int) {
	for _, s := range c.Samples {
		h += p.Message.lines(s.line()) * p.Message.Line
	}
	return h
}

// TestOnPhoneEvenly: a short message beside long ones stays whole, and the long ones are cut alike.
func TestOnPhoneEvenly(t *testing.T) {
	p := phones["below"]
	c := phoned(8, strings.Repeat("spam. ", 80))
	c.Samples[3].Text = Line{Quote("you know where she lives, the yellow house")}
	got := c.OnPhone(p)
	least, most := 100, 0
	for i, s := range got.Samples {
		n := p.Message.lines(s.line())
		if i == 3 {
			if n != p.Message.lines(c.Samples[3].line()) {
				t.Errorf("the short one is cut: %v", s.Text)
			}
			continue
		}
		least, most = min(least, n), max(most, n)
	}
	if least < 1 || most-least > 1 {
		t.Errorf("between %d and %d lines", least, most)
	}
}

// TestOnPhoneAnyID: ids are drawn, and the letters of some are wider than those of others. Two
// cards that say the same are cut in the same way.
func TestOnPhoneAnyID(t *testing.T) {
	p := phones["small print above"]
	for n := range 40 { // somewhere the small print is about as wide as its lines
		cut := func(id string) []Sample {
			c := phoned(10, strings.Repeat("spam. ", 80))
			c.Small = append([]Line{{Code(id)}, {Code(strings.Repeat("0", n))}}, c.Small[2:]...)
			return c.OnPhone(p).Samples
		}
		if diff := cmp.Diff(cut("R-WWWWWW"), cut("R-JJJJJJ")); diff != "" {
			t.Fatalf("with %d digits more: %s", n, diff)
		}
	}
}
