package recall_test

import (
	"bytes"
	"strings"
	"testing"

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
		`[{"From_Account":"a","IsPlaceMsg":0,"MsgBody":[{"MsgContent":{"Text":"x"},"MsgType":"TIMTextElem"}],"MsgPriority":1,"MsgRandom":5,"MsgSeq":7,"MsgTimeStamp":1458721802}]`)
	f.Add(`[{"MsgSeq":1,"MsgBody":{"a":1},"IsSystemMsg":1},{"MsgSeq":2,"MsgBody":[7]}]`)
	f.Fuzz(func(t *testing.T, list string) {
		c := stubClient(t, &stub{body: `{"ErrorCode":0,"RspMsgList":` + list + `}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 20})
		if err != nil {
			return
		}
		for _, m := range page.Messages {
			if m.Seq == 0 {
				t.Fatal("a message without number")
			}
			checkParts(t, m)
		}
	})
}

func FuzzParts(f *testing.F) {
	for _, kind := range []string{"TIMTextElem", "TIMFaceElem", "TIMLocationElem", "TIMCustomElem", "TIMSoundElem",
		"TIMImageElem", "TIMFileElem", "TIMVideoFileElem", "TIMRelayElem", ""} {
		f.Add(kind, `{"Text":"a\u202e\nb","FileName":"a/b","FileSize":1e3,"Index":1,"Data":"{\"a\":[\"b\"]}"}`)
	}
	f.Fuzz(func(t *testing.T, kind, content string) {
		checkParts(t, recall.Message{Body: []recall.Element{{Type: kind, Content: []byte(content)},
			{Type: kind, Content: []byte(content)}}, CloudCustomData: content})
	})
}

func checkParts(t *testing.T, m recall.Message) {
	parts, whole := m.Parts()
	if len(parts) > 2001 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, p := range parts {
		if strings.TrimSpace(p.Text) == "" || p.Of == "" {
			t.Fatalf("an empty part: %+v", p)
		}
	}
	texts, also := m.Searchable()
	if whole != also || len(texts) > 2*len(parts) {
		t.Fatalf("%d texts of %d parts, whole: %t and %t", len(texts), len(parts), whole, also)
	}
	if !bytes.Equal(m.Content(), m.Content()) {
		t.Fatal("the content is not what it is")
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
			checkParts(t, c.Message())
		case recall.AfterRecallMsg:
			if len(c.Seqs) == 0 {
				t.Fatal("recalled nothing")
			}
		}
	})
}
