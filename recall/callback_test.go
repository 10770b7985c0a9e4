package recall_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

func TestSignCallbackKnownAnswer(t *testing.T) {
	if got, want := recall.SignCallback("xxxxyyyy", "1669872112"),
		"17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestVerifyCallback(t *testing.T) {
	const at, app, token = 1669872112, 1400000000, "xxxxyyyy"
	query := func(change ...string) url.Values {
		q := url.Values{
			"SdkAppid": {"1400000000"}, "CallbackCommand": {"Group.CallbackAfterSendMsg"}, "contenttype": {"json"},
			"ClientIP": {"1.2.3.4"}, "OptPlatform": {"RESTAPI"},
			"RequestTime": {"1669872112"}, "Sign": {"17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"},
		}
		for i := 0; i < len(change); i += 2 {
			q.Set(change[i], change[i+1])
		}
		return q
	}
	for _, tt := range []struct {
		name  string
		query url.Values
		token string
		off   time.Duration
		want  error
	}{
		{"good", query(), token, 0, nil},
		{"a minute late", query(), token, 60 * time.Second, nil},
		{"a minute early", query(), token, -60 * time.Second, nil},
		{"too late", query(), token, 61 * time.Second, recall.ErrCallbackTime},
		{"too early", query(), token, -61 * time.Second, recall.ErrCallbackTime},
		{"no time", query("RequestTime", ""), token, 0, recall.ErrCallbackTime},
		{"time far away", query("RequestTime", "9223372036854775807"), token, 0, recall.ErrCallbackTime},
		{"time before all", query("RequestTime", "-9223372036854775808"), token, 0, recall.ErrCallbackTime},
		{"another time", query("RequestTime", "1669872113"), token, 0, recall.ErrCallbackSign},
		{"another token", query(), "yyyyxxxx", 0, recall.ErrCallbackSign},
		{"no sign", query("Sign", ""), token, 0, recall.ErrCallbackSign},
		{"another app", query("SdkAppid", "1400000001"), token, 0, recall.ErrCallbackApp},
		{"no app", query("SdkAppid", ""), token, 0, recall.ErrCallbackApp},
		{"no token", query("Sign", recall.SignCallback("", "1669872112")), "", 0, recall.ErrCallbackSign},
		{"nothing", url.Values{}, token, 0, recall.ErrCallbackTime},
	} {
		if err := recall.VerifyCallback(tt.query, app, tt.token, time.Unix(at, 0).Add(tt.off)); !errors.Is(err,
			tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

var sentBody = `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"@TGS#2J4SZEAEL","Type":"Public","From_Account":"jared","Operator_Account":"admin","Random":123456,
	"MsgSeq":123,"MsgTime":1490686222,"MsgId":"m1","OnlineOnlyFlag":0,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"red packet"}}],"CloudCustomData":"c","EventTime":"1670574414123"}`

func TestParseCallback(t *testing.T) {
	sent := recall.AfterSendMsg{
		Group: group, Type: "Public", From: "jared", Operator: "admin", Seq: 123, MsgID: "m1",
		Time: time.Unix(1490686222, 0), Random: 123456,
		Body:    []recall.Element{{Type: "TIMTextElem", Content: []byte(`{"Text":"red packet"}`)}},
		RawBody: []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"red packet"}}]`), CloudCustomData: "c",
		EventTime: time.UnixMilli(1670574414123),
	}
	for _, tt := range []struct {
		name, body string
		want       recall.Callback // nil: an error
	}{
		{"sent", sentBody, sent},
		{"recalled in a topic",
			`{"CallbackCommand":"Group.CallbackAfterRecallMsg","Operator_Account":"admin","Type":"Community","GroupId":"@TGS#_t","TopicId":"@TGS#_t@TOPIC#_1","MsgSeqList":[{"MsgSeq":130},{"MsgSeq":131}],"EventTime":1670574414123}`,
			recall.AfterRecallMsg{Group: "@TGS#_t", Topic: "@TGS#_t@TOPIC#_1", Type: "Community", Operator: "admin",
				Seqs: []recall.Seq{130, 131}, EventTime: time.UnixMilli(1670574414123)}},
		{"online only, without number",
			`{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"g","OnlineOnlyFlag":1}`,
			recall.AfterSendMsg{Group: "g", OnlineOnly: true}},
		{"another command", `{"CallbackCommand":"Group.CallbackAfterNewMemberJoin","GroupId":"g"}`,
			recall.OtherCallback{Name: "Group.CallbackAfterNewMemberJoin"}},
		{"sent without number", `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"g"}`, nil},
		{"sent without group", `{"CallbackCommand":"Group.CallbackAfterSendMsg","MsgSeq":1}`, nil},
		{"recalled nothing", `{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[]}`, nil},
		{"recalled bare numbers", `{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[1]}`,
			nil},
		{"recalled 0", `{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[{"MsgSeq":0}]}`,
			nil},
		{"no command", `{"GroupId":"g"}`, nil},
		{"two groups",
			`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","groupId":"h","MsgSeqList":[{"MsgSeq":1}]}`, nil},
		{"two lists",
			`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[{"MsgSeq":1}],"MsgSeqList":[{"MsgSeq":2}]}`, nil},
		{"two numbers in one entry",
			`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g","MsgSeqList":[{"MsgSeq":1,"MsgSeq":2}]}`,
			nil},
		{"two senders",
			`{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"g","MsgSeq":1,"From_Account":"a","From_Account":"b"}`, nil},
		{"a list", `[]`, nil},
		{"empty", ``, nil},
	} {
		got, err := recall.ParseCallback([]byte(tt.body))
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	if m := sent.Message(); m.Seq != 123 || told(m) != "text: red packet" || m.Status != recall.StatusNormal {
		t.Errorf("as a message: %+v", m)
	}
}

// TestCallbackBounds: what a callback brings is taken up to its bound, and no longer.
func TestCallbackBounds(t *testing.T) {
	body := func(change map[string]any) []byte {
		all := map[string]any{"CallbackCommand": recall.CommandAfterSendMsg, "GroupId": "g", "From_Account": "jared",
			"MsgSeq": 1, "MsgSeqList": []any{}}
		maps.Copy(all, change)
		raw, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	long := func(n int) any { return strings.Repeat("x", n) }
	seqs := func(n int) (list []any) {
		for i := range n {
			list = append(list, map[string]any{"MsgSeq": i + 1})
		}
		return list
	}
	for _, tt := range []struct {
		field string
		most  int // of its length
		value func(n int) any
	}{
		{"GroupId", recall.MaxGroupIDBytes, long},
		{"TopicId", 128, long}, {"Type", 128, long}, {"From_Account", 128, long}, {"Operator_Account", 128, long},
		{"MsgId", 128, long}, {"CallbackCommand", 128, long},
		{"CloudCustomData", 64 << 10, long},
		{"MsgBody", 64 << 10, func(n int) any {
			const frame = len(`[{"MsgType":""}]`)
			return []any{map[string]any{"MsgType": strings.Repeat("x", n-frame)}}
		}},
		{"MsgSeqList", recall.MaxCallbackSeqs, func(n int) any { return seqs(n) }},
	} {
		change := map[string]any{}
		if tt.field == "MsgSeqList" {
			change["CallbackCommand"] = recall.CommandAfterRecallMsg
		}
		for n, taken := range map[int]bool{tt.most: true, tt.most + 1: false} {
			change[tt.field] = tt.value(n)
			if _, err := recall.ParseCallback(body(change)); (err == nil) != taken {
				t.Errorf("%s of length %d: %v", tt.field, n, err)
			}
		}
	}
}

// What the service in memory sends passes VerifyCallback and ParseCallback.
func TestCallbacksOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "a token"
		var got []recall.Callback
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := recall.VerifyCallback(r.URL.Query(), recalltest.DefaultSDKAppID, token, time.Now()); err != nil {
				t.Error(err)
			}
			body, _ := io.ReadAll(r.Body)
			c, err := recall.ParseCallback(body)
			if err != nil || c.Command() != r.URL.Query().Get("CallbackCommand") {
				t.Errorf("%v, %v", c, err)
			}
			got = append(got, c)
			io.WriteString(w, recall.CallbackAnswer)
		})
		s := newService(t, recalltest.Options{Callbacks: recalltest.Callbacks{Handler: handler, Token: token,
			Delay: 3 * time.Second}})
		c := newClient(t, s)
		if _, err := c.GroupMsgRecall(t.Context(),
			recall.RecallRequest{Group: group, Seqs: []recall.Seq{2, 3, 99}}); err != nil {
			t.Fatal(err)
		}
		s.RecallElsewhere(group, "", "anna", 4)
		s.FlushCallbacks()
		if len(got) != 12 {
			t.Fatalf("%d callbacks, want 12", len(got))
		}
		if m, ok := got[4].(recall.AfterSendMsg); !ok || m.Seq != 5 || m.From != "mallory" || m.EventTime.IsZero() {
			t.Errorf("the fifth is %+v", got[4])
		}
		for i, want := range []recall.AfterRecallMsg{{Operator: "administrator", Seqs: []recall.Seq{2, 3}},
			{Operator: "anna", Seqs: []recall.Seq{4}}} {
			if m, ok := got[10+i].(recall.AfterRecallMsg); !ok || m.Operator != want.Operator ||
				!slices.Equal(m.Seqs, want.Seqs) || m.EventTime.IsZero() {
				t.Errorf("recall %d is %+v", i, got[10+i])
			}
		}
	})
}
