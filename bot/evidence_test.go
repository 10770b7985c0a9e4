package bot

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"
)

func element(kind, content string) recall.Element {
	return recall.Element{Type: kind, Content: []byte(content)}
}

// spelled is a line with the bot's own words in angle brackets.
func spelled(l Line) string {
	var b strings.Builder
	for _, s := range l {
		if s.Kind == Words {
			b.WriteString("‹" + s.Text + "›")
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func TestEvidence(t *testing.T) {
	quote := `{"messageReply":{"messageAbstract":"12 example road"}}`
	for _, tt := range []struct {
		name   string
		most   int
		custom string
		body   []recall.Element
		want   string
	}{
		{"text", 50, "", []recall.Element{element("TIMTextElem", `{"Text":"buy\n\n now"}`)}, "buy now"},
		{"own words in text", 50, "", []recall.Element{element("TIMTextElem",
			`{"Text":"[image] \u0002[voice]\u0003"}`)},
			"[image] ␂[voice]␃"},
		{"custom", 80, "", []recall.Element{element("TIMCustomElem",
			`{"Desc":"red packet","Data":"{\"type\":1,\"msg\":\"claim at scam.example\"}","Ext":"e"}`)},
			"‹[custom: ›red packet‹ · in data: ›1‹, ›claim at scam.example‹ · in extension: ›e‹]›"},
		{"file", 50, "", []recall.Element{element("TIMFileElem", `{"FileName":"a ] b.pdf","FileSize":1773552}`)},
			"‹[file 1.8 MB: ›a ] b.pdf‹]›"},
		{"several", 50, "", []recall.Element{element("TIMTextElem", `{"Text":"look: "}`), element("TIMImageElem", `{}`),
			element("TIMSoundElem", `{"Second":3}`), element("TIMTextElem", `{"Text":"!"}`)},
			"look:‹ [image] [voice 3 s] ›!"},
		{"forwarded", 150, "", []recall.Element{element("TIMRelayElem", `{"Title":"chat","MsgNum":2,"MsgList":[
			{"From_Account":"alice","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}},{"MsgType":"TIMImageElem"}]}]}`),
			element("TIMTextElem", `{"Text":"see"}`)},
			"‹[2 forwarded messages: ›chat‹ · ›alice‹: ›hi‹ · ›alice‹: [image]] ›see"},
		{"forwarded, kept elsewhere", 50, "", []recall.Element{element("TIMRelayElem",
			`{"AbstractList":["alice: hi"],"JsonMsgKey":"k"}`)},
			"‹[forwarded messages: ›alice: hi‹] · not all of it can be read here›"},
		{"reply", 50, quote, []recall.Element{element("TIMTextElem", `{"Text":"your house?"}`)},
			"your house?‹ · ›bob‹ quotes: ›12 example road"},
		{"quote alone", 50, quote, nil, "bob‹ quotes: ›12 example road"},
		{"cut", 10, quote, []recall.Element{element("TIMTextElem",
			`{"Text":"your house?"}`)}, "your house‹… (31 more)›"},
		{"cut in own words", 14, quote, []recall.Element{element("TIMTextElem", `{"Text":"your house?"}`)},
			"your house?‹ · … (27 more)›"},
		{"nothing kept", 0, "", []recall.Element{element("TIMTextElem", `{"Text":"abcd"}`)}, "‹… (4 more)›"},
		{"empty", 50, "", []recall.Element{}, "‹[empty message]›"},
	} {
		m := recall.Message{From: "bob", Body: tt.body, CloudCustomData: tt.custom}
		if got := spelled(EvidenceLine(EvidenceOf(m, tt.most), 1000)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	earlier := EvidenceLine("kept by an earlier version [image]…", 20)
	if got := spelled(earlier); got != "kept by an earlier v‹… (15 more)›" {
		t.Errorf("earlier evidence: %q", got)
	}
	kept := EvidenceOf(recall.Message{Body: []recall.Element{element("TIMTextElem", `{"Text":"0123456789"}`)}}, 8)
	if got := spelled(EvidenceLine(kept, 5)); got != "01234‹… (5 more)›" {
		t.Errorf("cut twice: %q", got)
	}
}

// TestEvidenceTexts: of kept evidence only the text of others is searched, and what was not kept is
// told.
func TestEvidenceTexts(t *testing.T) {
	m := recall.Message{From: "bob", Body: []recall.Element{element("TIMTextElem", `{"Text":"see"}`),
		element("TIMFileElem", `{"FileName":"a.pdf","FileSize":9}`), element("TIMCustomElem", `{"Data":"[\"x\"]"}`)},
		CloudCustomData: `{"messageReply":{"messageAbstract":"12 road"}}`}
	texts, whole := EvidenceTexts(EvidenceOf(m, 200))
	var l []string
	for _, p := range texts {
		l = append(l, p.Text)
	}
	if got := strings.Join(l, "|"); got != "see|a.pdf|x|12 road" || !whole {
		t.Errorf("the texts are %q, whole: %t", got, whole)
	}
	if _, whole := EvidenceTexts(EvidenceOf(m, 10)); whole {
		t.Error("10 characters are taken for the whole")
	}
}

// FuzzEvidence: of a text everything is in its evidence that is not a space, in its order, and
// nothing else; and a part of it is its beginning.
func FuzzEvidence(f *testing.F) {
	for _, text := range []string{"", "win  big\n", "a\x00b\x1b[31m\x7f\u0085\u009b", "\u202egnp\u2066\u200b",
		"世界 🎰 e\u0301", "\xff\xfe", "]", "\x02[image]\x03\x047\x05"} {
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, most int) {
		content, err := json.Marshal(map[string]string{"Text": text})
		if err != nil {
			t.Fatal(err)
		}
		m := recall.Message{Body: []recall.Element{element("TIMTextElem", string(content))}}
		want := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsSpace(r):
				return -1
			case r < ' ':
				return 0x2400 + r // Unicode's block of control pictures
			case r == 0x7f:
				return 0x2421
			case r >= 0x80 && r < 0xa0:
				return utf8.RuneError
			}
			return r
		}, text)
		kept := EvidenceOf(m, len(text)+50)
		if want == "" {
			if kept != "\x02[empty message]\x03" {
				t.Fatalf("%q is kept as %q", text, kept)
			}
			return
		}
		if len(text) > 100_000 { // more than is read of a message
			return
		}
		if got := strings.ReplaceAll(kept, " ", ""); got != want || strings.Contains(kept, "  ") ||
			strings.TrimSpace(kept) != kept {
			t.Fatalf("%q is kept as %q", text, kept)
		}
		most = max(0, min(most, 100_000))
		part, whole := EvidenceTexts(EvidenceOf(m, most))
		for _, p := range part {
			if !strings.HasPrefix(kept, p.Text) || utf8.RuneCountInString(p.Text) > most {
				t.Fatalf("%q is not the beginning of %q, of %d", p.Text, kept, most)
			}
		}
		if whole != (utf8.RuneCountInString(kept) <= most) {
			t.Fatalf("%q of %d: whole %t", kept, most, whole)
		}
	})
}
