package recall_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
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
			told(m) != "text: message 4" || len(m.Body) != 1 {
			t.Errorf("message 4 is %+v", m)
		}
		if m := all[11]; !m.System || m.Body != nil || len(m.RawBody) == 0 || told(m) != "kind: system message" {
			t.Errorf("the system message is %+v", m)
		}
		if m := all[12]; m.Body != nil || string(m.RawBody) != `"not a list"` || m.CloudCustomData != `{"k":1}` ||
			m.Priority != 1 {
			t.Errorf("the odd message is %+v", m)
		}
		if m := all[13]; told(m) != "text: one | kind: unreadable element | kind: unknown element | data: TIMNew | ..." {
			t.Errorf("the mixed message reads %q", told(m))
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
			`[{"From_Account":"144115197276518801","IsPlaceMsg":0,"MsgBody":[{"MsgContent":{"Data":"\b","Index":15},"MsgType":"TIMFaceElem"}],"MsgPriority":1,"MsgRandom":51083293,"MsgSeq":7803321,"MsgTimeStamp":1458721802}]`,
			[]recall.Seq{7803321}},
		{"oldest first", `[{"MsgSeq":1},{"MsgSeq":3},{"MsgSeq":2}]`, []recall.Seq{3, 2, 1}},
		{"odd types beside the number",
			`[{"MsgSeq":"5","From_Account":7,"MsgTimeStamp":"x","MsgPriority":"High","MsgRandom":-1,"IsSystemMsg":true,"CloudCustomData":{}}]`,
			[]recall.Seq{5}},
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

// told returns the parts of a message on one line, each with what it is of.
func told(m recall.Message) string {
	parts, whole := m.Parts()
	var l []string
	for _, p := range parts {
		of := string(p.Of)
		if p.Who != "" {
			of += " " + p.Who
		}
		l = append(l, of+": "+p.Text)
	}
	if !whole {
		l = append(l, "...")
	}
	return strings.Join(l, " | ")
}

func TestParts(t *testing.T) {
	text := func(s string) string { return `{"MsgType":"TIMTextElem","MsgContent":{"Text":"` + s + `"}}` }
	for _, tt := range []struct{ name, body, custom, want string }{
		{"text", "[" + text("buy now") + "]", "", "text: buy now"},
		{"face", `[{"MsgType":"TIMFaceElem","MsgContent":{"Index":6,"Data":"abc"}}]`, "", "kind: face 6 | data: abc"},
		{"face without index", `[{"MsgType":"TIMFaceElem","MsgContent":{}}]`, "", "kind: face"},
		{"location",
			`[{"MsgType":"TIMLocationElem","MsgContent":{"Desc":"the harbour","Latitude":29.34,"Longitude":116.77}}]`,
			"",
			"kind: location | place: the harbour"},
		{"location without name",
			`[{"MsgType":"TIMLocationElem","MsgContent":{"Latitude":29.340656774469956,"Longitude":116.77497920478824}}]`,
			"",
			"kind: location 29.34066, 116.77498"},
		{"custom",
			`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"message","Desc":"a gift","Ext":"url","Sound":"x.aiff"}}]`,
			"",
			"kind: custom | description: a gift | data: message | extension: url"},
		{"custom of JSON",
			`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\"type\":1,\"msg\":\"claim at scam.example\"}"}}]`,
			"",
			"kind: custom | data: 1 | data: claim at scam.example"},
		{"JSON in JSON",
			`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"[{\"data\":\"{\\\"to\\\":[\\\"a\\\",true,null,2.5]}\"},\"b\"]"}}]`,
			"",
			"kind: custom | data: a | data: 2.5 | data: b"},
		{"keys are no values",
			`[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\"scam\":{\"win\":\"x\",\"y\":\"z\"},\"big\":[]}"}}]`,
			"",
			"kind: custom | data: x | data: z"},
		{"data that is nearly JSON", `[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\"a\":1} and more"}}]`, "",
			`kind: custom | data: {"a":1} and more`},
		{"sound",
			`[{"MsgType":"TIMSoundElem","MsgContent":{"Url":"https://x","UUID":"u","Size":62351,"Second":12,"Download_Flag":2}}]`,
			"",
			"kind: voice 12 s"},
		{"image",
			`[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u","ImageFormat":1,"ImageInfoArray":[{"Type":3,"Size":1,"Width":198,"Height":66,"URL":"u"},{"Type":1,"Size":9,"Width":1920,"Height":640,"URL":"u"},{"Type":2,"Width":720,"Height":240}]}}]`,
			"",
			"kind: image 1920x640"},
		{"image without sizes", `[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"u"}}]`, "", "kind: image"},
		{"file",
			`[{"MsgType":"TIMFileElem","MsgContent":{"Url":"u","UUID":"u","FileSize":1773552,"FileName":"C:\\Users\\mallory\\keys.pdf","Download_Flag":2}}]`,
			"",
			"kind: file 1.8 MB | file: keys.pdf"},
		{"file of a phone",
			`[{"MsgType":"TIMFileElem","MsgContent":{"FileSize":999,"FileName":"/var/mobile/a.txt"}}]`,
			"",
			"kind: file 999 bytes | file: a.txt"},
		{"video",
			`[{"MsgType":"TIMVideoFileElem","MsgContent":{"VideoUrl":"u","VideoSecond":42,"VideoSize":1194603}}]`,
			"",
			"kind: video 42 s"},
		{"forwarded", `[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"chat","MsgNum":2,"CompatibleText":"no support","AbstractList":["alice: 12 example road"],
			"MsgList":[{"From_Account":"alice","MsgBody":[
				` + text("12 example road") + `]},{"MsgBody":[{"MsgType":"TIMImageElem","MsgContent":{}}]}]}}]`, "",
			"kind: 2 forwarded messages | forwarded: chat | forwarded alice: 12 example road | kind somebody: image" +
				" | forwarded: alice: 12 example road | forwarded: no support"},
		{"forwarded within forwarded", `[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"From_Account":"bob","MsgBody":[
			{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"From_Account":"alice","MsgBody":[
				` + text("deep") + `]}]}}]}]}}]`, "",
			"kind: forwarded messages | kind bob: forwarded messages | forwarded alice: deep"},
		{"forwarded, kept elsewhere",
			`[{"MsgType":"TIMRelayElem","MsgContent":{"AbstractList":["a"],"JsonMsgKey":"k"}}]`,
			"",
			"kind: forwarded messages | forwarded: a | ..."},
		{"unknown", `[{"MsgType":"TIMHologramElem","MsgContent":{"Says":"hi"}}]`, "",
			"kind: unknown element | data: TIMHologramElem | data: hi"},
		{"several", "[" + text("look: ") + `,{"MsgType":"TIMImageElem","MsgContent":{}},` + text("!") + "]", "",
			"text: look:  | kind: image | text: !"},
		{"odd content",
			`[{"MsgType":"TIMTextElem","MsgContent":[1]},{"MsgType":"TIMFileElem","MsgContent":{"FileName":7,"FileSize":"x"}},{"MsgType":"TIMSoundElem"},{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":7,"AbstractList":[1,"a"]}}]`,
			"",
			"kind: file | kind: voice | kind: forwarded messages | forwarded: a | ..."},
		{"reply", "[" + text("is this your house?") + "]",
			`{"messageReply":{"messageID":"m-1","messageAbstract":"12 example road","messageSender":"alice","messageType":1,"messageSequence":102,"version":1}}`,
			"text: is this your house? | quotes: 12 example road"},
		{"other custom data", "[" + text("a") + "]", `{"k":"v"}`, "text: a"},
		{"broken custom data", "[" + text("a") + "]", `{"messageReply":[1`, "text: a"},
		{"object", `{"OpType":1}`, "", "kind: unreadable message | ..."},
		{"empty", `[]`, "", "kind: empty message"},
		{"nothing at all", `null`, "", "kind: empty message"},
		{"blank", "[" + text(" \\n") + "]", "", "kind: empty message"},
		{"nothing but a quote", `[]`, `{"messageReply":{"messageAbstract":"12 example road"}}`,
			"quotes: 12 example road"},
	} {
		custom, _ := json.Marshal(tt.custom)
		c := stubClient(t, &stub{body: `{"ErrorCode":0,"RspMsgList":[{"MsgSeq":1,"MsgBody":` + tt.body +
			`,"CloudCustomData":` + string(custom) + `}]}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := told(page.Messages[0]); got != tt.want {
			t.Errorf("%s: %s", tt.name, cmp.Diff(tt.want, got))
		}
	}
}

// TestSystem: what the service itself wrote is told apart by its flag or its sender.
func TestSystem(t *testing.T) {
	for entry, want := range map[string]string{
		`"From_Account":"alice","IsSystemMsg":1,"MsgBody":{"OpType":1}`:          "kind: system message",
		`"From_Account":"@TIM#SYSTEM","MsgBody":{"OpType":1}`:                    "kind: system message",
		`"From_Account":"@TLS#NOT_FOUND","MsgBody":null`:                         "kind: system message",
		`"From_Account":"@TIM#SYSTEM","MsgBody":[{"MsgType":"TIMGroupTipElem"}]`: "kind: unknown element | data: TIMGroupTipElem",
		`"From_Account":"@TIM#SYSTEMS","MsgBody":{"OpType":1}`:                   "",
		`"From_Account":"alice","MsgBody":[{"MsgType":"TIMCustomElem"}]`:         "",
		`"From_Account":"alice@TLS#","MsgBody":null`:                             "",
	} {
		c := stubClient(t, &stub{body: `{"ErrorCode":0,"RspMsgList":[{"MsgSeq":1,` + entry + `}]}`})
		page, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		if m := page.Messages[0]; m.System != (want != "") || m.System && told(m) != want {
			t.Errorf("%s: system %v, %s", entry, m.System, told(m))
		}
	}
	if m := (recall.AfterSendMsg{From: "@TIM#SYSTEM"}).Message(); !m.System {
		t.Error("a callback's message of the service is one of a member")
	}
}

func TestQuote(t *testing.T) {
	for custom, want := range map[string]recall.Quote{
		`{"messageReply":{"messageID":"m-1","messageAbstract":"hi","messageSequence":102}}`:   {Seq: 102, ID: "m-1", Text: "hi"},
		`{"messageReply":{"messageID":"m-1","messageAbstract":"hi","messageSequence":"102"}}`: {Seq: 102, ID: "m-1", Text: "hi"},
		`{"messageReply":{"messageAbstract":7,"messageSequence":-1}}`:                         {},
		`{"messageReply":null}`: {}, `{"messageReply":"x"}`: {}, `[{"messageReply":{}}]`: {},
		"": {}, "messageReply": {},
	} {
		if got, _ := (recall.Message{CloudCustomData: custom}).Quote(); got != want {
			t.Errorf("%s: %+v, want %+v", custom, got, want)
		}
	}
}

// TestContent: what nobody changed is the same however it is written, and every change is one.
func TestContent(t *testing.T) {
	of := func(body, custom string) string {
		return string(recall.Message{RawBody: []byte(body), CloudCustomData: custom}.Content())
	}
	image := func(uuid, address string) string {
		return `[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"` + uuid + `","ImageInfoArray":` +
			`[{"Type":1,"Size":9,"URL":"` + address + `"}]}}]`
	}
	media := func(kind, field, address string) string {
		return `[{"MsgType":"` + kind + `","MsgContent":{"` + field + `":"` + address + `"}}]`
	}
	relay := func(body string) string {
		return `[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"From_Account":"a","MsgBody":` + body + `}]}}]`
	}
	text := `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"café <1>"}}]`
	for _, same := range [][2][2]string{
		{{text, ""}, {` [ {"MsgContent" : {"Text":"caf\u00e9 \u003c1>"},"MsgType":"TIMTextElem"}]`, ""}},
		{{image("u", "https://cos.example/a.jpg?sign=1"), ""},
			{image("u", "https://cos.example/a.jpg?sign=2&t=3"), ""}},
		{{relay(image("u", "https://x/a?1")), ""}, {relay(image("u", "https://x/a?2")), ""}},
		{{media("TIMSoundElem", "Url", "https://x/a?1"), ""}, {media("TIMSoundElem", "Url", "https://x/a?2"), ""}},
		{{media("TIMFileElem", "Url", "https://x/a?1"), ""}, {media("TIMFileElem", "Url", "https://x/a"), ""}},
		{{media("TIMVideoFileElem", "VideoUrl", "https://x/a?1"), ""},
			{media("TIMVideoFileElem", "VideoUrl", "https://x/a?2"), ""}},
		{{media("TIMVideoFileElem", "ThumbUrl", "https://x/a?1"), ""},
			{media("TIMVideoFileElem", "ThumbUrl", "https://x/a?2"), ""}},
		{{text, `{"a":1,"b":"c"}`}, {text, `{ "b":"\u0063", "a":1}`}},
		{{text, ""}, {text, `{"messageReact":{"reacts":[{"emojiId":"x","userIds":["eve"]}]}}`}},
		{{text, `{"a":1}`}, {text, `{"a":1,"messageReplies":{"replies":[{"messageAbstract":"no"}]}}`}},
		{{"", ""}, {"null", ""}},
	} {
		if of(same[0][0], same[0][1]) != of(same[1][0], same[1][1]) {
			t.Errorf("%s and %s differ", same[0], same[1])
		}
	}
	seen := map[string][2]string{}
	for _, one := range [][2]string{
		{text, ""}, {strings.Replace(text, "1", "2", 1), ""}, {text,
			`{"a":1}`}, {text, `{"a":"1"}`}, {text, "plain"}, {text, `{"messageReply":{"messageAbstract":"x"}}`},
		{image("u", "https://cos.example/a.jpg"), ""},
		{image("v", "https://cos.example/a.jpg"), ""}, {image("u", "https://cos.example/b.jpg"), ""},
		{media("TIMTextElem", "Url", "https://x/a?1"), ""}, {media("TIMTextElem", "Url", "https://x/a?2"), ""},
		{media("TIMCustomElem", "Data", "https://x/a?1"), ""}, {media("TIMCustomElem", "Data", "https://x/a?2"), ""},
		{
			`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a","Text":"b"}}]`,
			""}, {`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"b"}}]`, ""},
		{
			`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a"}}]`,
			""}, {`[]`, ""}, {`{"OpType":1}`, ""}, {`"s"`, ""}, {"", ""}, {`[1]`, ""}, {`[1.0]`, ""},
		{`broken`, ""}, {``, "broken"},
	} {
		c := of(one[0], one[1])
		if other, twice := seen[c]; twice {
			t.Errorf("%s and %s are the same", one, other)
		}
		seen[c] = one
	}
}

// TestHostileParts: what comes of a message of any size is bounded, and is found in a time that
// grows as the message does.
func TestHostileParts(t *testing.T) {
	custom := func(data string) recall.Message {
		content, _ := json.Marshal(map[string]string{"Data": data})
		raw, _ := json.Marshal([]map[string]any{{"MsgType": "TIMCustomElem", "MsgContent": json.RawMessage(content)}})
		return recall.Message{RawBody: raw, Body: []recall.Element{{Type: "TIMCustomElem", Content: content}}}
	}
	const mega = 1 << 20
	inner := `"deep"`
	for range 12 { // each string of JSON holds the next; the backslashes double
		s, _ := json.Marshal("[" + inner + "]")
		inner = string(s)
	}
	relay := `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"deep"}}]`
	for range 1000 {
		relay = `[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"MsgBody":` + relay + `}]}}]`
	}
	var forwarded []recall.Element
	if err := json.Unmarshal([]byte(relay), &forwarded); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]recall.Message{
		"a megabyte":            custom(strings.Repeat("a", mega)),
		"half a million values": custom("[" + strings.Repeat("1,", mega/2) + "1]"),
		"many objects":          custom("[" + strings.Repeat(`{"a":"b"},`, mega/10) + "1]"),
		"deep lists":            custom(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)),
		"deeper than JSON may":  custom(strings.Repeat("[", 20000) + strings.Repeat("]", 20000)),
		"JSON in JSON":          custom("[" + inner + "]"),
		"forwarded":             {RawBody: []byte(relay), Body: forwarded},
		"many elements": {Body: slices.Repeat([]recall.Element{{Type: "TIMTextElem", Content: []byte(
			`{"Text":"a"}`)}}, 100_000)},
	} {
		parts, whole := m.Parts()
		size := 0
		for _, p := range parts {
			size += len(p.Text)
		}
		if len(parts) > 2000 || size > 128<<10 || whole && name != "JSON in JSON" && name != "deeper than JSON may" {
			t.Errorf("%s: %d parts of %d bytes, whole %t", name, len(parts), size, whole)
		}
		if len(m.Content()) == 0 {
			t.Errorf("%s: no content", name)
		}
	}
}

// What an element says two times over is shown as unreadable, not as one of the two.
func TestPartsOfAnElementThatSaysTwoThings(t *testing.T) {
	for _, test := range [][2]string{
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi","text":"buy"}}`,
			"kind: unreadable element | text: ok | ..."},
		{`{"MsgType":"TIMTextElem","MsgType":"TIMFaceElem","MsgContent":{"Text":"hi"}}`,
			"kind: unreadable element | text: ok | ..."},
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"},"MsgContent":{"Text":"buy"}}`,
			"kind: unreadable element | text: ok | ..."},
		{`{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"Type":1,"Width":2,"Height":2,"Width":3}]}}`,
			"kind: unreadable element | text: ok | ..."},
		{`{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi","more":{"Text":"{\"Text\":1,\"Text\":2}","a":["Text"]}}}`,
			"text: hi | text: ok"},
	} {
		content, want := test[0], test[1]
		body := `{"ErrorCode":0,"RspMsgList":[{"MsgSeq":1,"MsgBody":[` + content +
			`,{"MsgType":"TIMTextElem","MsgContent":{"Text":"ok"}}]}]}`
		page, err := stubClient(t, &stub{body: body}).GroupMsgGetSimple(t.Context(),
			recall.HistoryRequest{Group: group, Number: 1})
		if err != nil || told(page.Messages[0]) != want {
			t.Errorf("%s: %v, %v", content, page, err)
		}
	}
}

// TestQuoteOf: a quote is of a message whose number it tells, and where it tells none, of one that
// its clients' name fits for certain.
func TestQuoteOf(t *testing.T) {
	m := recall.Message{Seq: 102, Random: 12766512, Time: time.Unix(1715418597, 0)}
	const name = "144115244425849730-1715418597-12766512"
	for _, test := range []struct {
		quote recall.Quote
		of    recall.Message
		want  bool
	}{
		{recall.Quote{Seq: 102}, m, true},
		{recall.Quote{Seq: 103}, m, false},
		{recall.Quote{Seq: 103, ID: name}, m, false}, // the number is what counts
		{recall.Quote{Seq: 102, ID: "m"}, m, true},
		{recall.Quote{Seq: 102}, recall.Message{Seq: 102}, true},
		{recall.Quote{}, m, false},
		{recall.Quote{}, recall.Message{}, false},
		{recall.Quote{ID: name}, m, true},
		{recall.Quote{ID: "144115244425849730-1715418657-12766512"}, m, true},
		{recall.Quote{ID: "144115244425849730-1715418537-12766512"}, m, true},
		{recall.Quote{ID: "144115244425849730-1715418658-12766512"}, m, false},
		{recall.Quote{ID: "144115244425849730-1715418536-12766512"}, m, false},
		{recall.Quote{ID: "144115244425849730-1715418597-12766513"}, m, false},
		{recall.Quote{ID: "144115244425849730-1715418597-4307733808"}, m, false}, // more than 32 bits
		{recall.Quote{ID: "144115244425849730-1715418597-12766512-1"}, m, false},
		{recall.Quote{ID: "1715418597-12766512"}, m, false},
		{recall.Quote{ID: "x-1715418597-12766512"}, m, false},
		{recall.Quote{ID: "144115244425849730--1715418597-12766512"}, m, false},
		{recall.Quote{ID: "144115244425849730-1715418597-0"}, recall.Message{Seq: 1, Time: m.Time}, false},
		{recall.Quote{ID: "144115244425849730-0-12766512"}, recall.Message{Seq: 1, Random: 12766512}, false},
	} {
		if got := test.quote.Of(test.of); got != test.want {
			t.Errorf("%+v of %+v: %t", test.quote, test.of, got)
		}
	}
}
