package recall_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"
)

func FuzzRecallAnswer(f *testing.F) {
	f.Add(
		`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":10030},{"MsgSeq":101,"RetCode":0}]}`)
	f.Add(`{"ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":"0"},[],{"MsgSeq":-1}]}`)
	f.Add(`{"ErrorCode":10002}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := stubClient(t, &stub{body: body})
		a, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: []recall.Seq{100, 101}})
		if err != nil && a.Codes != nil {
			t.Fatal("both an error and an answer")
		}
		if err == nil && !strings.Contains(body, "0") {
			t.Fatal("an answer out of nothing")
		}
		for seq := range a.Codes {
			if seq != 100 && seq != 101 {
				t.Fatalf("a code for %d, which was not asked for", seq)
			}
		}
	})
}

func FuzzHistoryAnswer(f *testing.F) {
	f.Add(
		`[{"From_Account":"a","IsPlaceMsg":0,"MsgBody":[{"MsgContent":{"Text":"x"},"MsgType":"TIMTextElem"}],"MsgPriority":1,"MsgRandom":5,"MsgSeq":7,"MsgTimeStamp":1458721802}]`, 10)
	f.Add(`[{"MsgSeq":1,"MsgBody":{"a":1},"IsSystemMsg":1},{"MsgSeq":2,"MsgBody":[7]}]`, 3)
	f.Fuzz(func(t *testing.T, list string, most int) {
		c := stubClient(t, &stub{body: `{"ErrorCode":0,"RspMsgList":` + list + `}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 20})
		if err != nil {
			return
		}
		for _, m := range page.Messages {
			if m.Seq == 0 {
				t.Fatal("a message without number")
			}
			checkExcerpt(t, m, most)
		}
	})
}

func FuzzExcerpt(f *testing.F) {
	for _, kind := range []string{"TIMTextElem", "TIMFaceElem", "TIMLocationElem", "TIMCustomElem", "TIMSoundElem",
		"TIMImageElem", "TIMFileElem", "TIMVideoFileElem", "TIMRelayElem", ""} {
		f.Add(kind, `{"Text":"a\u202e\nb","FileName":"a/b","FileSize":1e3,"Index":1}`, 20)
	}
	f.Fuzz(func(t *testing.T, kind, content string, most int) {
		checkExcerpt(t, recall.Message{Body: []recall.Element{{Type: kind, Content: []byte(content)},
			{Type: kind, Content: []byte(content)}}}, most)
	})
}

// FuzzExcerptText: of a text everything is in its excerpt that is not a space, in its order, and
// nothing else.
func FuzzExcerptText(f *testing.F) {
	for _, text := range []string{"", "win  big\n", "a\x00b\x1b[31m\x7f\u0085\u009b", "\u202egnp\u2066\u200b",
		"世界 🎰 e\u0301", "\xff\xfe", "]"} {
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, most int) {
		content, err := json.Marshal(map[string]string{"Text": text})
		if err != nil {
			t.Fatal(err)
		}
		m := recall.Message{Body: []recall.Element{{Type: "TIMTextElem", Content: content}}}
		checkExcerpt(t, m, most)
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
		whole := m.Excerpt(len(text) + 10)
		if got := strings.ReplaceAll(whole, " ", ""); got != want || strings.Contains(whole, "  ") {
			t.Fatalf("%q is told as %q", text, whole)
		}
	})
}

func checkExcerpt(t *testing.T, m recall.Message, most int) {
	most = min(most, 100_000)
	s := m.Excerpt(most)
	if n := utf8.RuneCountInString(s); n > max(most, 0) {
		t.Fatalf("%d runes, more than %d: %q", n, most, s)
	}
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.Contains(s, "  ") ||
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) && r != ' ' }) >= 0 {
		t.Fatalf("not one clean line: %q", s)
	}
	if kept, cut := strings.CutSuffix(s, "…"); !strings.HasPrefix(m.Excerpt(1<<30), kept) && (cut || most > 0) {
		t.Fatalf("%q is not the beginning of it", s)
	}
}

func FuzzParseCallback(f *testing.F) {
	f.Add(sentBody)
	f.Add(`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[{"MsgSeq":1}],"EventTime":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		c, err := recall.ParseCallback([]byte(body))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		switch c := c.(type) {
		case recall.AfterSendMsg:
			checkExcerpt(t, c.Message(), 40)
		case recall.AfterRecallMsg:
			if len(c.Seqs) == 0 {
				t.Fatal("recalled nothing")
			}
		}
	})
}
