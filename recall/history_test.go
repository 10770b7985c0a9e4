package recall_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryTellsStatesApart(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		// 11
		s.Say(group, "", "anna", "", recalltest.System())
		// 12
		s.Say(group, "", "ben", "", recalltest.Body(`"not a list"`), recalltest.Custom(`{"k":1}`),
			recalltest.Priority(1))
		// 13
		s.Say(group, "", "ben", "", recalltest.Body(
			`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"one"}}, 7, {"MsgType":"TIMNew"}]`))
		s.Delete(group, "", 1)
		s.Expire(group, "", 2)
		if _, err := c.GroupMsgRecall(t.Context(),
			recall.RecallRequest{Group: group, Seqs: []recall.Seq{3}}); err != nil {
			t.Fatal(err)
		}
		read := func(with bool) map[recall.Seq]recall.Message {
			page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 20,
				WithRecalled: with})
			if err != nil {
				t.Fatal(err)
			}
			if page.Finished != recall.FinishedWhole || !slices.IsSortedFunc(page.Messages,
				func(a, b recall.Message) int { return int(b.Seq) - int(a.Seq) }) {
				t.Errorf("the page is %v", page)
			}
			all := map[recall.Seq]recall.Message{}
			for _, m := range page.Messages {
				all[m.Seq] = m
			}
			return all
		}
		if _, there := read(false)[3]; there {
			t.Error("the service shows recalled messages to those who did not ask")
		}
		all := read(true)
		if len(all) != 13 {
			t.Fatalf("%d messages, want 13", len(all))
		}
		for seq, want := range map[recall.Seq]recall.MessageStatus{1: recall.StatusDeletedOrExpired,
			2: recall.StatusDeletedOrExpired, 3: recall.StatusRecalled, 4: recall.StatusNormal} {
			if all[seq].Status != want {
				t.Errorf("message %d is %v, want %v", seq, all[seq].Status, want)
			}
		}
		if m := all[4]; m.From != "mallory" || !m.Time.Equal(time.Unix(time.Now().Unix(), 0)) || m.Priority != 2 ||
			m.Excerpt(100) != "message 4" || len(m.Body) != 1 {
			t.Errorf("message 4 is %+v", m)
		}
		if m := all[11]; !m.System || m.Body != nil || len(m.RawBody) == 0 || m.Excerpt(100) != "[system message]" {
			t.Errorf("the system message is %+v", m)
		}
		if m := all[12]; m.Body != nil || string(m.RawBody) != `"not a list"` || m.CloudCustomData != `{"k":1}` ||
			m.Priority != 1 {
			t.Errorf("the odd message is %+v", m)
		}
		if m := all[13]; m.Excerpt(100) != "one [unreadable element] [unknown element: TIMNew]" {
			t.Errorf("the mixed message reads %q", m.Excerpt(100))
		}
	})
}

func TestHistoryDecoding(t *testing.T) {
	const ok = `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"IsFinished":1,"RspMsgList":`
	for _, tt := range []struct {
		name, list string
		want       []recall.Seq // nil: unreadable
	}{
		{"sample",
			`[{"From_Account":"144115197276518801","IsPlaceMsg":0,"MsgBody":[{"MsgContent":{"Data":"\b","Index":15},"MsgType":"TIMFaceElem"}],"MsgPriority":1,"MsgRandom":51083293,"MsgSeq":7803321,"MsgTimeStamp":1458721802}]`, []recall.Seq{7803321}},
		{"oldest first", `[{"MsgSeq":1},{"MsgSeq":3},{"MsgSeq":2}]`, []recall.Seq{3, 2, 1}},
		{"odd types beside the number",
			`[{"MsgSeq":"5","From_Account":7,"MsgTimeStamp":"x","MsgPriority":"High","MsgRandom":-1,"IsSystemMsg":true,"CloudCustomData":{}}]`, []recall.Seq{5}},
		{"largest", `[{"MsgSeq":4294967295}]`, []recall.Seq{4294967295}},
		{"empty", `[]`, []recall.Seq{}},
		{"null", `null`, []recall.Seq{}},
		{"no number", `[{"MsgSeq":1},{"IsPlaceMsg":0}]`, nil},
		{"number too large", `[{"MsgSeq":4294967296}]`, nil},
		{"status no number", `[{"MsgSeq":1,"IsPlaceMsg":"recalled"}]`, nil},
		{"entries of another kind", `[1,2]`, nil},
		{"no list", `{"1":{}}`, nil},
		{"the same twice", `[{"MsgSeq":2,"From_Account":"a"},{"MsgSeq":1},{"MsgSeq":2,"From_Account":"a"}]`,
			[]recall.Seq{2, 1}},
		{"two senders of one message", `[{"MsgSeq":2,"From_Account":"a"},{"MsgSeq":2,"From_Account":"b"}]`, nil},
		{"two states of one message", `[{"MsgSeq":2,"IsPlaceMsg":0},{"MsgSeq":2,"IsPlaceMsg":2}]`, nil},
		{"two bodies of one message", `[{"MsgSeq":2,"MsgBody":[]},{"MsgSeq":1},{"MsgSeq":2,"MsgBody":[7]}]`, nil},
		{"two states in one entry", `[{"MsgSeq":2,"IsPlaceMsg":2,"IsPlaceMsg":0},{"MsgSeq":1}]`, nil},
		{"two states in one entry, one of them null", `[{"MsgSeq":2,"IsPlaceMsg":2,"isplacemsg":null}]`, nil},
		{"two senders in one entry", `[{"MsgSeq":2,"From_Account":"protected","From_account":"a"}]`, nil},
		{"two numbers in one entry", `[{"MsgSeq":2,"MsgSeq":1}]`, nil},
		{"two bodies in one entry", `[{"MsgSeq":2,"MsgBody":[],"MsgBody":[7]}]`, nil},
		{"two times of one message", `[{"MsgSeq":2,"MsgTimeStamp":5},{"MsgSeq":2,"MsgTimeStamp":6}]`, nil},
	} {
		c := stubClient(t, &stub{body: ok + tt.list + `}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 20})
		if f, isFault := errors.AsType[*recall.Fault](err); tt.want == nil &&
			(!isFault || f.Kind != recall.FaultUnreadable) {
			t.Errorf("%s: got %v, %v", tt.name, page, err)
		}
		if tt.want == nil {
			continue
		}
		got := []recall.Seq{}
		for _, m := range page.Messages {
			got = append(got, m.Seq)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
}

// An answer without the list of messages does not say that there are none.
func TestHistoryWithoutList(t *testing.T) {
	for _, body := range []string{
		`{"ActionStatus":"OK","ErrorCode":0}`, `{"ActionStatus":"OK","ErrorCode":0,"GroupId":"` + group +
			`","IsFinished":1}`,
	} {
		page, err := stubClient(t, &stub{body: body}).GroupMsgGetSimple(t.Context(),
			recall.HistoryRequest{Group: group, Number: 20})
		if f, isFault := errors.AsType[*recall.Fault](err); !isFault || f.Kind != recall.FaultUnreadable {
			t.Errorf("%s: got %v, %v", body, page, err)
		}
	}
}

// An answer to another question is not believed: neither what is in it nor what lacks.
func TestHistoryOfSomethingElse(t *testing.T) {
	const community, topic, other = "@TGS#_1", "@TGS#_1@TOPIC#_a", "@TGS#_1@TOPIC#_b"
	for _, tt := range []struct {
		name    string
		request recall.HistoryRequest
		answer  string
		ok      bool
	}{
		{"its own group", recall.HistoryRequest{Group: group, Seq: 9},
			`"GroupId":"` + group + `","RspMsgList":[{"MsgSeq":9},{"MsgSeq":8}]`, true},
		{"no group named", recall.HistoryRequest{Group: group, Seq: 9}, `"RspMsgList":[{"MsgSeq":8}]`, true},
		{"another group", recall.HistoryRequest{Group: group, Seq: 9},
			`"GroupId":"@TGS#OTHER","RspMsgList":[{"MsgSeq":9}]`, false},
		{"another group, empty", recall.HistoryRequest{Group: group, Seq: 9}, `"GroupId":"@TGS#OTHER","RspMsgList":[]`,
			false},
		{"its own topic", recall.HistoryRequest{Group: community, Topic: topic},
			`"GroupId":"` + community + `","TopicId":"` + topic + `","RspMsgList":[{"MsgSeq":9}]`, true},
		{"another topic", recall.HistoryRequest{Group: community, Topic: topic},
			`"GroupId":"` + community + `","TopicId":"` + other + `","RspMsgList":[{"MsgSeq":9}]`, false},
		{"a topic, where the group was asked for", recall.HistoryRequest{Group: community},
			`"TopicId":"` + topic + `","RspMsgList":[{"MsgSeq":9}]`, false},
		{"above what was asked for", recall.HistoryRequest{Group: group, Seq: 9},
			`"RspMsgList":[{"MsgSeq":8},{"MsgSeq":10}]`, false},
		{"all above", recall.HistoryRequest{Group: group, Seq: 9}, `"RspMsgList":[{"MsgSeq":500},{"MsgSeq":499}]`,
			false},
	} {
		c := stubClient(t, &stub{body: `{"ActionStatus":"OK","ErrorCode":0,"IsFinished":1,` + tt.answer + `}`})
		tt.request.Number = 20
		page, err := c.GroupMsgGetSimple(t.Context(), tt.request)
		f, isFault := errors.AsType[*recall.Fault](err)
		if tt.ok != (err == nil) || !tt.ok && (!isFault || f.Kind != recall.FaultUnreadable || len(page.Messages) > 0) {
			t.Errorf("%s: %v, %v", tt.name, page, err)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
		most             int
	}{
		{"text", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"buy now"}}]`, "buy now", 50},
		{"face", `[{"MsgType":"TIMFaceElem","MsgContent":{"Index":6,"Data":"abc"}}]`, "[face 6]", 50},
		{"face without index", `[{"MsgType":"TIMFaceElem","MsgContent":{}}]`, "[face]", 50},
		{"location",
			`[{"MsgType":"TIMLocationElem","MsgContent":{"Desc":"the harbour","Latitude":29.34,"Longitude":116.77}}]`,
			"[location the harbour]", 50},
		{"location without name",
			`[{"MsgType":"TIMLocationElem","MsgContent":{"Latitude":29.340656774469956,"Longitude":116.77497920478824}}]`, "[location 29.34066, 116.77498]", 50},
		{"custom",
			`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"message","Desc":"a gift","Ext":"url","Sound":"x.aiff"}}]`, "[custom: a gift]", 50},
		{"custom without words", `[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\"gift\":1}"}}]`,
			`[custom: {"gift":1}]`, 50},
		{"sound",
			`[{"MsgType":"TIMSoundElem","MsgContent":{"Url":"https://x","UUID":"u","Size":62351,"Second":12,"Download_Flag":2}}]`, "[voice 12 s]", 50},
		{"image",
			`[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u","ImageFormat":1,"ImageInfoArray":[{"Type":3,"Size":1,"Width":198,"Height":66,"URL":"u"},{"Type":1,"Size":9,"Width":1920,"Height":640,"URL":"u"},{"Type":2,"Width":720,"Height":240}]}}]`, "[image 1920x640]", 50},
		{"image without sizes", `[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u"}}]`, "[image]", 50},
		{"file",
			`[{"MsgType":"TIMFileElem","MsgContent":{"Url":"u","UUID":"u","FileSize":1773552,"FileName":"C:\\Users\\mallory\\keys.pdf","Download_Flag":2}}]`, "[file 1.8 MB keys.pdf]", 50},
		{"file of a phone", `[{"MsgType":"TIMFileElem","MsgContent":{"FileSize":999,"FileName":"/var/mobile/a.txt"}}]`,
			"[file 999 bytes a.txt]", 50},
		{"video", `[{"MsgType":"TIMVideoFileElem","MsgContent":{"VideoUrl":"u","VideoSecond":42,"VideoSize":1194603}}]`,
			"[video 42 s]", 50},
		{"forwarded", `[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"chat"}}]`, "[forwarded messages]", 50},
		{"unknown", `[{"MsgType":"TIMHologramElem","MsgContent":{}}]`, "[unknown element: TIMHologramElem]", 50},
		{"several",
			`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"look: "}},{"MsgType":"TIMImageElem","MsgContent":{}},{"MsgType":"TIMTextElem","MsgContent":{"Text":"!"}}]`, "look: [image] !", 50},
		{"controls",
			`[{"MsgType":"TIMTextElem","MsgContent":{"Text":" a\u0000b\b\u001b[31mc\r\n\n\td\u202ee\u2066\ufefff\u2028g\u00a0h "}}]`, "a␀b␈␛[31mc d\u202ee\u2066\ufefff g h", 50},
		{"controls without a picture", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a\u007fb\u009bc"}}]`,
			"a␡b\ufffdc", 50},
		{"joined emoji stay", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"👩‍💻 日本"}}]`, "👩‍💻 日本", 50},
		{"cut by runes", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"日本語のテキスト"}}]`, "日本語…", 4},
		{"cut after a space", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"abc def"}}]`, "abc…", 5},
		{"exactly", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"abcd"}}]`, "abcd", 4},
		{"no room", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"abcd"}}]`, "", 0},
		{"one rune", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"abcd"}}]`, "…", 1},
		{"odd content",
			`[{"MsgType":"TIMTextElem","MsgContent":[1]},{"MsgType":"TIMFileElem","MsgContent":{"FileName":7,"FileSize":"x"}},{"MsgType":"TIMSoundElem"}]`, "[file] [voice]", 50},
		{"object", `{"OpType":1}`, "[unreadable message]", 50},
		{"empty", `[]`, "", 50},
	} {
		c := stubClient(t, &stub{body: `{"ErrorCode":0,"RspMsgList":[{"MsgSeq":1,"MsgBody":` + tt.body + `}]}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Messages[0].Excerpt(tt.most); got != tt.want {
			t.Errorf("%s: %s", tt.name, cmp.Diff(tt.want, got))
		}
	}
}

// What an element says two times over is shown as unreadable, not as one of the two.
func TestExcerptOfAnElementThatSaysTwoThings(t *testing.T) {
	for _, test := range [][2]string{
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi","text":"buy"}}`,
			"[unreadable element] ok"},
		{`{"MsgType":"TIMTextElem","MsgType":"TIMFaceElem","MsgContent":{"Text":"hi"}}`,
			"[unreadable element] ok"},
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"},"MsgContent":{"Text":"buy"}}`,
			"[unreadable element] ok"},
		{`{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"Type":1,"Width":2,"Height":2,"Width":3}]}}`,
			"[unreadable element] ok"},
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi","more":{"Text":"{\"Text\":1,\"Text\":2}","a":["Text"]}}}`,
			"hi ok"},
	} {
		content, want := test[0], test[1]
		body := `{"ErrorCode":0,"RspMsgList":[{"MsgSeq":1,"MsgBody":[` + content +
			`,{"MsgType":"TIMTextElem","MsgContent":{"Text":"ok"}}]}]}`
		page, err := stubClient(t, &stub{body: body}).GroupMsgGetSimple(t.Context(),
			recall.HistoryRequest{Group: group, Number: 1})
		if err != nil || page.Messages[0].Excerpt(100) != want {
			t.Errorf("%s: %v, %v", content, page, err)
		}
	}
}
