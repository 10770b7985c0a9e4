package recalltest_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

// sign makes a UserSig from its fields.
func sign(key string, app any, user string, at, life int64) string {
	h := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(h, "TLS.identifier:%s\nTLS.sdkappid:%v\nTLS.time:%d\nTLS.expire:%d\n", user, app, at, life)
	plain, _ := json.Marshal(map[string]any{
		"TLS.ver": "2.0", "TLS.identifier": user, "TLS.sdkappid": app, "TLS.time": at, "TLS.expire": life,
		"TLS.sig": base64.StdEncoding.EncodeToString(h.Sum(nil)),
	})
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(plain)
	z.Close()
	return strings.NewReplacer("+", "*", "/", "-", "=", "_").Replace(base64.StdEncoding.EncodeToString(b.Bytes()))
}

const path = "/v4/group_open_http_svc/"

func query() url.Values {
	now := time.Now().Unix()
	return url.Values{
		"sdkappid": {"1400000000"}, "identifier": {"administrator"}, "random": {"4294967295"}, "contenttype": {"json"},
		"usersig": {sign(recalltest.DefaultSecretKey, recalltest.DefaultSDKAppID, "administrator", now, 3600)},
	}
}

type answer struct {
	ActionStatus  string
	ErrorInfo     *string
	ErrorCode     int
	RequestId     string
	RecallRetList []struct {
		MsgSeq  int64
		RetCode int
		Extra   any
	}
	IsFinished int
	RspMsgList []struct {
		MsgSeq, IsPlaceMsg, IsSystemMsg int
		MsgTimeStamp                    *int64
		From_Account                    *string
		MsgBody                         json.RawMessage
	}
	GroupInfo []map[string]any

	TotalCount  int
	Next        int64
	GroupIdList []struct{ GroupId string }
}

func post(t *testing.T, s *recalltest.Service, command, body string, change ...string) answer {
	t.Helper()
	q := query()
	for i := 0; i < len(change); i += 2 {
		if q.Del(change[i]); change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
	}
	response, err := s.Client().Post(recalltest.URL+path+command+"?"+q.Encode(), "application/json",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) (a answer) {
	t.Helper()
	defer response.Body.Close()
	if response.StatusCode != 200 {
		t.Fatalf("status %d", response.StatusCode)
	}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	if want := map[bool]string{true: "OK", false: "FAIL"}[a.ErrorCode == 0]; a.ActionStatus != want {
		t.Errorf("ActionStatus %s with ErrorCode %d", a.ActionStatus, a.ErrorCode)
	}
	return a
}

func newService(t *testing.T, o recalltest.Options) *recalltest.Service {
	t.Helper()
	s := recalltest.New(o)
	t.Cleanup(s.Close)
	s.AddGroup(recalltest.Group{ID: "g", Name: "a group", Members: 3, Owner: "anna"})
	for i := range 5 {
		s.Say("g", "", "anna", fmt.Sprint("message ", i+1))
	}
	return s
}

func TestAddressIsChecked(t *testing.T) {
	now := time.Now().Unix()
	key, app := recalltest.DefaultSecretKey, recalltest.DefaultSDKAppID
	good := sign(key, app, "administrator", now, 3600)
	for _, tt := range []struct {
		name   string
		change []string
		code   int
	}{
		{"good", nil, 0},
		{"no sdkappid", []string{"sdkappid", ""}, 60012},
		{"sdkappid no number", []string{"sdkappid", "x"}, 60025},
		{"another app", []string{"sdkappid", "5"}, 70020},
		{"no identifier", []string{"identifier", ""}, 60025},
		{"no usersig", []string{"usersig", ""}, 60025},
		{"no contenttype", []string{"contenttype", ""}, 60025},
		{"contenttype xml", []string{"contenttype", "xml"}, 60025},
		{"no random", []string{"random", ""}, 60025},
		{"random of 33 bits", []string{"random", "4294967296"}, 60025},
		{"garbage", []string{"usersig", "eJyrVg"}, 70003},
		{"cut off", []string{"usersig", good[:len(good)-8]}, 70003},
		{"standard alphabet", []string{"usersig", strings.NewReplacer("*", "+", "-", "/", "_", "=").Replace(good) +
			"="}, 70003},
		{"sig of another app", []string{"usersig", sign(key, 5, "administrator", now, 3600)}, 70014},
		{"sig of another user", []string{"usersig", sign(key, app, "anna", now, 3600)}, 70013},
		{"another key", []string{"usersig", sign("x", app, "administrator", now, 3600)}, 70009},
		{"expired", []string{"usersig", sign(key, app, "administrator", now-3700, 3600)}, 70001},
		{"no admin", []string{"identifier", "anna", "usersig", sign(key, app, "anna", now, 3600)}, 60010},
	} {
		s := newService(t, recalltest.Options{})
		if a := post(t, s, recalltest.Recall, `{"GroupId":"g","MsgSeqList":[{"MsgSeq":1}]}`,
			tt.change...); a.ErrorCode != tt.code {
			t.Errorf("%s: %d %s, want %d", tt.name, a.ErrorCode, *a.ErrorInfo, tt.code)
		}
		if s.Recalled("g", "", 1) != (tt.code == 0) {
			t.Errorf("%s: recalled: %v", tt.name, s.Recalled("g", "", 1))
		}
	}
	s := newService(t, recalltest.Options{Domain: "console.tim.qq.com"})
	if a := post(t, s, recalltest.Recall, `{}`); a.ErrorCode != 60026 {
		t.Errorf("wrong domain: %d", a.ErrorCode)
	}
	if a := post(t, s, "group_msg_unrecall", `{}`); a.ErrorCode != 10003 {
		t.Errorf("unknown command: %d", a.ErrorCode)
	}
	for _, method := range []string{"GET", "POST"} {
		r, _ := http.NewRequest(method, recalltest.URL+"/v3/x", nil)
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if a := read(t, response); a.ErrorCode != 60009 {
			t.Errorf("%s of a wrong path: %d", method, a.ErrorCode)
		}
	}
}

func TestUserSigValidityToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{})
		sig := sign(recalltest.DefaultSecretKey, recalltest.DefaultSDKAppID, "administrator", time.Now().Unix(), 60)
		code := func() int {
			return post(t, s, recalltest.Info,
				`{"GroupIdList":["g"],"ResponseFilter":{"GroupBaseInfoFilter":["Type"]}}`, "usersig", sig).ErrorCode
		}
		time.Sleep(60 * time.Second)
		if c := code(); c != 0 {
			t.Errorf("at its last second: %d", c)
		}
		time.Sleep(time.Second)
		if c := code(); c != 70001 {
			t.Errorf("a second later: %d", c)
		}
		s.Change(func(o *recalltest.Options) { o.MaxBadUserSigs = 2 })
		bad := func() int { return post(t, s, recalltest.Info, `{}`, "usersig", "x").ErrorCode }
		if a, b, c, d := bad(), bad(), bad(), bad(); a != 70003 || b != 70003 || c != 70003 || d != 70050 {
			t.Errorf("wrong ones: %d %d %d %d", a, b, c, d)
		}
		time.Sleep(time.Minute)
		if c := bad(); c != 70003 {
			t.Errorf("after a minute: %d", c)
		}
	})
}

func TestRecallIsChecked(t *testing.T) {
	s := newService(t, recalltest.Options{})
	s.AddGroup(recalltest.Group{ID: "@TGS#_c", Type: "Community", Topics: []string{"@TGS#_c@TOPIC#_1"}})
	one := `"MsgSeqList":[{"MsgSeq":1}]`
	eleven := strings.Repeat(`{"MsgSeq":1},`, 10) + `{"MsgSeq":1}`
	for body, code := range map[string]int{
		``:                                   60003,
		`{"GroupId":`:                        60003,
		`[]`:                                 60003,
		`{}`:                                 10004,
		`{` + one + `}`:                      10004,
		`{"GroupId":7,` + one + `}`:          10004,
		`{"groupid":"g",` + one + `}`:        10004,
		`{"GroupId":"g"}`:                    10004,
		`{"GroupId":"g","MsgSeqList":[]}`:    10004,
		`{"GroupId":"g","MsgSeqList":[1]}`:   10004,
		`{"GroupId":"g","MsgSeqList":["1"]}`: 10004,
		`{"GroupId":"g","MsgSeqList":` + `[{"MsgSeq":"1"}]}`:                      10004,
		`{"GroupId":"g","MsgSeqList":[{"MsgSeq":0}]}`:                             10004,
		`{"GroupId":"g","MsgSeqList":[{"MsgSeq":1.5}]}`:                           10004,
		`{"GroupId":"g","MsgSeqList":[{"MsgSeq":4294967296}]}`:                    10004,
		`{"GroupId":"g","MsgSeqList":[{"MsgSeq":1,"x":1}]}`:                       10004,
		`{"GroupId":"g","MsgSeqList":[` + eleven + `]}`:                           10004,
		`{"GroupId":"g",` + one + `,"Reason":7}`:                                  10004,
		`{"GroupId":"g",` + one + `,"TopicId":7}`:                                 10004,
		`{"GroupId":"g",` + one + `,"TopicId":"g@TOPIC#_1"}`:                      10004,
		`{"GroupId":"g",` + one + `,"Seqs":[1]}`:                                  10004,
		`{"GroupId":"nobody",` + one + `}`:                                        10010,
		`{"GroupId":"",` + one + `}`:                                              10015,
		`{"GroupId":"` + strings.Repeat("g", 49) + `",` + one + `}`:               10015,
		`{"GroupId":"@TGS#_c","TopicId":"@TGS#_c@TOPIC#_2",` + one + `}`:          110013,
		`{"GroupId":"g",` + one + `,"Reason":"` + strings.Repeat("r", 101) + `"}`: 10004,
		`{"GroupId":"g","MsgSeqList":[{"MsgSeq":4294967295}]}`:                    0,
		`{"GroupId":"@TGS#_c","TopicId":"@TGS#_c@TOPIC#_1",` + one + `}`:          0,
		`{ "MsgSeqList" : [ { "MsgSeq" : 99 } ] , "GroupId":"g"}`:                 0,
	} {
		if a := post(t, s, recalltest.Recall, body); a.ErrorCode != code {
			t.Errorf("%s: %d, want %d", body, a.ErrorCode, code)
		}
	}
	if got := s.RecalledSeqs("g", ""); got != nil {
		t.Errorf("recalled %v", got)
	}
}

// codes recalls messages and returns the code of each.
func codes(t *testing.T, s *recalltest.Service, group string, seqs ...int) []int {
	t.Helper()
	var list []string
	for _, n := range seqs {
		list = append(list, fmt.Sprintf(`{"MsgSeq":%d}`, n))
	}
	a := post(t, s, recalltest.Recall, fmt.Sprintf(`{"GroupId":%q,"MsgSeqList":[%s]}`, group, strings.Join(list, ",")))
	if a.ErrorCode != 0 {
		return []int{a.ErrorCode}
	}
	var got []int
	for i, r := range a.RecallRetList {
		if r.MsgSeq != int64(seqs[i]) {
			t.Errorf("entry %d is of %d", i, r.MsgSeq)
		}
		got = append(got, r.RetCode)
	}
	return got
}

func TestRecallRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{})
		s.MakeUnrecallable("g", "", 2)
		s.Expire("g", "", 3)
		if got := codes(t, s, "g", 1, 2, 3, 4, 100); !slices.Equal(got, []int{0, 10032, 10030, 0, 10030}) {
			t.Errorf("got %v", got)
		}
		for _, already := range []int{0, 10030, 10032} {
			s.Change(func(o *recalltest.Options) { o.AlreadyRecalled = already })
			if got := codes(t, s, "g", 1); got[0] != already {
				t.Errorf("recalled again: %v, want %d", got, already)
			}
		}
		want := slices.Repeat([]recalltest.Message{{Group: "g", Seq: 1}}, 3)
		if diff := cmp.Diff(want, s.RecalledMoreThanOnce()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(7*24*time.Hour + time.Second)
		if got := codes(t, s, "g", 5); got[0] != 10030 {
			t.Errorf("after the storage period: %v", got)
		}
		s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom"})
		s.Say("live", "", "anna", "a")
		s.Say("live", "", "anna", "b")
		if got := codes(t, s, "live", 1); got[0] != 0 {
			t.Errorf("AVChatRoom at once: %v", got)
		}
		time.Sleep(time.Hour + time.Second)
		if got := codes(t, s, "live", 2); got[0] != 10031 {
			t.Errorf("AVChatRoom after an hour: %v", got)
		}
		s.Change(func(o *recalltest.Options) { o.NoRecallTypes = []string{"AVChatRoom"} })
		if got := codes(t, s, "live", 2); got[0] != 10033 {
			t.Errorf("a type that does not recall: %v", got)
		}
		s.Change(func(o *recalltest.Options) { o.RecallDisabled = true })
		if got := codes(t, s, "g", 4); got[0] != 10041 {
			t.Errorf("switched off: %v", got)
		}
		s.Dismiss("live")
		if got := codes(t, s, "live", 2); got[0] != 10010 {
			t.Errorf("dismissed: %v", got)
		}
	})
}

func TestQuotaIsATrueSlidingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{CallsPerSecond: 3})
		code := func() int { return codes(t, s, "g", 99)[0] }
		code()
		time.Sleep(600 * time.Millisecond)
		code()
		code()
		if c := code(); c != 60007 {
			t.Errorf("the fourth in a second: %d", c)
		}
		time.Sleep(399 * time.Millisecond)
		if c := code(); c != 60007 {
			t.Errorf("0.999 s after the first: %d", c)
		}
		time.Sleep(time.Millisecond)
		if a, b := code(), code(); a != 10030 || b != 60007 {
			t.Errorf("a second after the first: %d, %d", a, b)
		}
		if a := post(t, s, recalltest.Info,
			`{"GroupIdList":["g"],"ResponseFilter":{"GroupBaseInfoFilter":["Type"]}}`); a.ErrorCode != 0 {
			t.Errorf("another command has a quota of its own: %d", a.ErrorCode)
		}
		if n, calls, all := s.MostInAnySecond(recalltest.Recall), s.Calls(recalltest.Recall), s.Calls(""); n != 6 ||
			calls != 7 || all != 8 {
			t.Errorf("counted %d in a second, %d, %d in all", n, calls, all)
		}
	})
}

func TestHistoryRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := recalltest.New(recalltest.Options{})
		defer s.Close()
		s.AddGroup(recalltest.Group{ID: "g"})
		for range 30 {
			s.Say("g", "", "anna", "text")
		}
		s.Say("g", "", "anna", "", recalltest.System()) // 31
		if n := s.Say("g", "", "anna", "now", recalltest.OnlineOnly()); n != 0 {
			t.Errorf("an online message got number %d", n)
		}
		s.RecallElsewhere("g", "", "anna", 30)
		s.Delete("g", "", 29)
		page := func(body string) (shown []string, finished int) {
			a := post(t, s, recalltest.History, body)
			if a.ErrorCode != 0 {
				return []string{fmt.Sprint(a.ErrorCode)}, -1
			}
			for _, m := range a.RspMsgList {
				shown = append(shown, fmt.Sprintf("%d:%d:%c", m.MsgSeq, m.IsPlaceMsg, m.MsgBody[0]))
			}
			return shown, a.IsFinished
		}
		for _, tt := range []struct {
			body     string
			shown    []string
			finished int
		}{
			{`{"GroupId":"g","ReqMsgNumber":3}`, []string{"31:0:{", "29:1:[", "28:0:["}, 1},
			{`{"GroupId":"g","ReqMsgNumber":3,"WithRecalledMsg":1}`, []string{"31:0:{", "30:2:[", "29:1:["}, 1},
			{`{"GroupId":"g","ReqMsgNumber":2,"ReqMsgSeq":2}`, []string{"2:0:[", "1:0:["}, 1},
			{`{"GroupId":"g","ReqMsgNumber":5,"ReqMsgSeq":1}`, []string{"1:0:["}, 1},
			{`{"GroupId":"g","ReqMsgNumber":1,"ReqMsgSeq":0}`, []string{"31:0:{"}, 1},
			{`{"GroupId":"g","ReqMsgNumber":0}`, []string{"10004"}, -1},
			{`{"GroupId":"g"}`, []string{"10004"}, -1},
			{`{"GroupId":"g","ReqMsgNumber":"1"}`, []string{"10004"}, -1},
			{`{"GroupId":"g","ReqMsgNumber":1,"WithRecalledMsg":true}`, []string{"10004"}, -1},
			{`{"GroupId":"g","ReqMsgNumber":1,"ReqMsgSeq":-1}`, []string{"10004"}, -1},
			{`{"GroupId":"x","ReqMsgNumber":1}`, []string{"10010"}, -1},
		} {
			if shown, finished := page(tt.body); !slices.Equal(shown, tt.shown) || finished != tt.finished {
				t.Errorf("%s: %v, %d", tt.body, shown, finished)
			}
		}
		if shown, finished := page(`{"GroupId":"g","ReqMsgNumber":25}`); len(shown) != 20 || finished != 0 {
			t.Errorf("25 messages: %d, %d", len(shown), finished)
		}
		s.Change(func(o *recalltest.Options) { o.RecalledShown, o.RecalledBody = true, true })
		if shown, _ := page(`{"GroupId":"g","ReqMsgNumber":2}`); !slices.Equal(shown, []string{"31:0:{", "30:2:["}) {
			t.Errorf("shown without asking: %v", shown)
		}
		s.Change(func(o *recalltest.Options) { o.RecalledShown, o.HiddenTakeSlots = false, true })
		if shown, _ := page(`{"GroupId":"g","ReqMsgNumber":2}`); !slices.Equal(shown, []string{"31:0:{"}) {
			t.Errorf("hidden ones take slots: %v", shown)
		}
		s.Change(func(o *recalltest.Options) { o.PageBytes = 1 })
		if shown, finished := page(`{"GroupId":"g","ReqMsgNumber":9,"ReqMsgSeq":28}`); len(shown) != 1 ||
			finished != 0 {
			t.Errorf("cut by length: %v, %d", shown, finished)
		}
		time.Sleep(8 * 24 * time.Hour)
		if shown, finished := page(`{"GroupId":"g","ReqMsgNumber":25}`); len(shown) == 0 || finished != 2 &&
			finished != 0 || shown[0] != "31:1:[" {
			t.Errorf("expired: %v, %d", shown, finished)
		}
		s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom"})
		if shown, _ := page(`{"GroupId":"live","ReqMsgNumber":1}`); shown[0] != "10044" {
			t.Errorf("AVChatRoom: %v", shown)
		}
	})
}

// TestPlaceholders: a placeholder has a time and a sender unless a knob says otherwise, and may be
// left out with or without taking a place in the page.
func TestPlaceholders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := recalltest.New(recalltest.Options{})
		defer s.Close()
		s.AddGroup(recalltest.Group{ID: "g"})
		old := time.Now().Add(-8 * 24 * time.Hour)
		for range 25 {
			s.Say("g", "", "anna", "old", recalltest.At(old)) // 1 to 25
		}
		for range 25 {
			s.Say("g", "", "anna", "new") // 26 to 50
		}
		s.Delete("g", "", 50)
		s.RecallElsewhere("g", "", "anna", 49)
		page := func(from, number int, turn func(*recalltest.Options)) (shown string) {
			s.Change(func(o *recalltest.Options) { *o = recalltest.Options{}; turn(o) })
			a := post(t, s, recalltest.History,
				fmt.Sprintf(`{"GroupId":"g","ReqMsgNumber":%d,"ReqMsgSeq":%d,"WithRecalledMsg":1}`, number, from))
			for _, m := range a.RspMsgList {
				shown += fmt.Sprintf(" %d:%d", m.MsgSeq, m.IsPlaceMsg)
				if m.MsgTimeStamp == nil {
					shown += " no time"
				}
				if m.From_Account == nil {
					shown += " no sender"
				}
			}
			return shown
		}
		for _, tt := range []struct {
			name         string
			from, number int
			turn         func(*recalltest.Options)
			want         string
		}{
			{"as documented", 50, 3, func(o *recalltest.Options) {}, " 50:1 49:2 48:0"},
			{"without time", 50, 3, func(o *recalltest.Options) { o.PlaceholdersWithoutTime = true },
				" 50:1 no time 49:2 no time 48:0"},
			{"without sender", 50, 3, func(o *recalltest.Options) { o.PlaceholdersWithoutSender = true },
				" 50:1 no sender 49:2 no sender 48:0"},
			{"left out", 50, 3, func(o *recalltest.Options) { o.PlaceholdersLeftOut = true }, " 48:0 47:0 46:0"},
			{"left out with their places", 50, 3,
				func(o *recalltest.Options) { o.PlaceholdersLeftOut, o.HiddenTakeSlots = true, true }, " 48:0"},
			{"expired", 26, 3, func(o *recalltest.Options) {}, " 26:0 25:1 24:1"},
			{"expired as nothing", 26, 3, func(o *recalltest.Options) { o.ExpiredAsNothing = true }, " 26:0"},
			{"nothing but expired", 25, 3, func(o *recalltest.Options) { o.ExpiredAsNothing = true }, ""},
			{"the deleted are not expired", 50, 1, func(o *recalltest.Options) { o.ExpiredAsNothing = true }, " 50:1"},
		} {
			if got := page(tt.from, tt.number, tt.turn); got != tt.want {
				t.Errorf("%s:%s, want%s", tt.name, got, tt.want)
			}
		}
		s.Say("g", "", "@TIM#SYSTEM", "", recalltest.System())
		s.Change(func(o *recalltest.Options) { o.SystemWithoutFlag = true })
		a := post(t, s, recalltest.History, `{"GroupId":"g","ReqMsgNumber":1}`)
		if m := a.RspMsgList[0]; m.IsSystemMsg != 0 || m.MsgBody[0] != '{' {
			t.Errorf("a system message without its flag: %+v", m)
		}
	})
}

func TestInfoRules(t *testing.T) {
	s := newService(t, recalltest.Options{})
	s.AddGroup(recalltest.Group{ID: "@TGS#_c", Type: "Community", Topics: []string{"@TGS#_c@TOPIC#_1"}})
	s.Say("@TGS#_c", "@TGS#_c@TOPIC#_1", "anna", "x")
	s.AddGroup(recalltest.Group{ID: "huge", Members: 20000})
	s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom", Members: 5})
	a := post(t, s, recalltest.Info,
		`{"GroupIdList":["g","@TGS#_c","nobody","","live"],"ResponseFilter":{"GroupBaseInfoFilter":["Type","NextMsgSeq","MemberNum"]}}`)
	want := []map[string]any{
		{"GroupId": "g", "ErrorCode": 0.0, "ErrorInfo": "", "Type": "Public", "NextMsgSeq": 6.0, "MemberNum": 3.0},
		{"GroupId": "@TGS#_c", "ErrorCode": 0.0, "ErrorInfo": "", "Type": "Community", "NextMsgSeq": 1.0,
			"MemberNum": 0.0},
		{"GroupId": "nobody", "ErrorCode": 10010.0, "ErrorInfo": "the group does not exist"},
		{"GroupId": "", "ErrorCode": 10015.0, "ErrorInfo": "GroupId is invalid"},
		{"GroupId": "live", "ErrorCode": 0.0, "ErrorInfo": "", "Type": "AVChatRoom", "NextMsgSeq": 1.0},
	}
	if diff := cmp.Diff(want, a.GroupInfo); diff != "" || a.ErrorCode != 0 {
		t.Error(a.ErrorCode, diff)
	}
	a = post(t, s, recalltest.Info, `{"GroupIdList":["g"]}`)
	if members, _ := a.GroupInfo[0]["MemberList"].([]any); len(members) != 3 {
		t.Errorf("without a filter: %v", a.GroupInfo)
	}
	for body, code := range map[string]int{
		`{"GroupIdList":["huge"]}`: 10018,
		`{}`:                       10004,
		`{"GroupIdList":[]}`:       10004,
		`{"GroupIdList":[1]}`:      10004,
		`{"GroupIdList":["g"],"ResponseFilter":[]}`:                                       10004,
		`{"GroupIdList":["g"],"ResponseFilter":{"Filter":[]}}`:                            10004,
		`{"GroupIdList":["g"],"ResponseFilter":{"GroupBaseInfoFilter":["NextSeq"]}}`:      10004,
		`{"GroupIdList":[` + strings.Repeat(`"g",`, 50) + `"g"]}`:                         10004,
		`{"GroupIdList":["huge"],"ResponseFilter":{"GroupBaseInfoFilter":["MemberNum"]}}`: 0,
	} {
		if a := post(t, s, recalltest.Info, body); a.ErrorCode != code {
			t.Errorf("%s: %d, want %d", body, a.ErrorCode, code)
		}
	}
}

func TestListRules(t *testing.T) {
	s := newService(t, recalltest.Options{ListsPerSecond: 100})
	s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom"})
	s.AddGroup(recalltest.Group{ID: "a"})
	read := func(body string) answer { t.Helper(); return post(t, s, recalltest.Groups, body) }
	one := read(`{"Limit":2,"Next":0}`)
	if one.TotalCount != 3 || len(one.GroupIdList) != 2 || one.GroupIdList[0].GroupId != "a" || one.Next <= 1<<32 {
		t.Errorf("the first page is %+v", one)
	}
	two := read(fmt.Sprintf(`{"Limit":2,"Next":%d}`, one.Next))
	if two.TotalCount != 3 || len(two.GroupIdList) != 1 || two.GroupIdList[0].GroupId != "live" || two.Next != 0 {
		t.Errorf("the second page is %+v", two)
	}
	if all := read(`{}`); len(all.GroupIdList) != 3 || all.Next != 0 {
		t.Errorf("without limits: %+v", all)
	}
	if live := read(`{"GroupType":"AVChatRoom"}`); live.TotalCount != 1 || len(live.GroupIdList) != 1 {
		t.Errorf("of one type: %+v", live)
	}
	for _, body := range []string{`{"Limit":0}`, `{"Limit":10001}`, `{"Next":7}`, `{"Next":"0"}`, `{"GroupType":5}`,
		`{"Offset":1}`} {
		if p := read(body); p.ErrorCode != 10004 {
			t.Errorf("%s: %+v", body, p)
		}
	}
	s.Change(func(o *recalltest.Options) { o.ListsPerSecond = 1 })
	if p := read(`{}`); p.ErrorCode != 60007 {
		t.Errorf("more than one call in a second: %+v", p)
	}
}

func TestNotifyRules(t *testing.T) {
	s := newService(t, recalltest.Options{})
	s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom"})
	for body, code := range map[string]int{
		`{"GroupId":"g","Content":"hello"}`:                                 0,
		`{"GroupId":"g","Content":""}`:                                      10004,
		`{"GroupId":"g"}`:                                                   10004,
		`{"GroupId":"x","Content":"hello"}`:                                 10010,
		`{"GroupId":"g","Content":"hello","ToMembers_Account":[1]}`:         60015,
		`{"GroupId":"live","Content":"hello","ToMembers_Account":["a"]}`:    10007,
		`{"GroupId":"live","Content":"hello"}`:                              0,
		`{"GroupId":"g","Content":"` + strings.Repeat("x", 12<<10+1) + `"}`: 80002,
	} {
		if a := post(t, s, recalltest.Notify, body); a.ErrorCode != code {
			t.Errorf("%.60s: %d, want %d", body, a.ErrorCode, code)
		}
	}
	if n := len(s.Notifications()); n != 2 {
		t.Errorf("%d notifications", n)
	}
}

// Each fault in process and over TCP: what comes back, and what was done.
func TestFaults(t *testing.T) {
	const body = `{"GroupId":"g","MsgSeqList":[{"MsgSeq":1},{"MsgSeq":2}]}`
	for _, tt := range []struct {
		name  string
		fault recalltest.Fault
		acted bool
		check func(status int, raw string, err error) bool
	}{
		{"Answer", recalltest.Answer(60008, "slow"), false,
			func(status int, raw string, err error) bool { return strings.Contains(raw, "60008") }},
		{"AnswerAfter", recalltest.AnswerAfter(10002, ""), true,
			func(status int, raw string, err error) bool { return strings.Contains(raw, `"ErrorCode":10002`) }},
		{"PerMessage", recalltest.PerMessage(10031), false,
			func(status int, raw string, err error) bool { return strings.Count(raw, "10031") == 2 }},
		{"BadGateway", recalltest.BadGateway(), false,
			func(status int, raw string, err error) bool { return status == 502 && strings.Contains(raw, "<html>") }},
		{"BadGatewayAfter", recalltest.BadGatewayAfter(), true,
			func(status int, raw string, err error) bool { return status == 502 }},
		{"Status", recalltest.Status(500), false, func(status int, raw string,
			err error) bool {
			return status == 500 && strings.Contains(raw, `"OK"`)
		}},
		{"ResetBefore", recalltest.ResetBefore(), false,
			func(status int, raw string, err error) bool { return status == 0 && err != nil }},
		{"ResetAfter", recalltest.ResetAfter(), true,
			func(status int, raw string, err error) bool { return status == 0 && err != nil }},
		{"AnswerLost", recalltest.AnswerLost(), true,
			func(status int, raw string, err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"ActsLate", recalltest.ActsLate(50 * time.Millisecond), true,
			func(status int, raw string, err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"Delay", recalltest.Delay(10 * time.Millisecond), true,
			func(status int, raw string, err error) bool { return err == nil && status == 200 }},
		{"Truncated", recalltest.Truncated(), true, func(status int, raw string, err error) bool {
			return status == 200 && errors.Is(err, io.ErrUnexpectedEOF) && raw != ""
		}},
		{"CutJSON", recalltest.CutJSON(), true, func(status int, raw string, err error) bool {
			return status == 200 && err == nil && !json.Valid([]byte(raw))
		}},
		{"HTML", recalltest.HTML(), true, func(status int, raw string,
			err error) bool {
			return status == 200 && strings.HasPrefix(raw, "<html>")
		}},
		{"Missing", recalltest.Missing(1), true, func(status int, raw string, err error) bool {
			return !strings.Contains(raw, `"MsgSeq":1`) && strings.Contains(raw, `"MsgSeq":2`)
		}},
		{"NoList", recalltest.NoList(), true, func(status int, raw string,
			err error) bool {
			return !strings.Contains(raw, "RecallRetList")
		}},
		{"Reordered", recalltest.Reordered(), true, func(status int, raw string, err error) bool {
			return strings.Index(raw, `"MsgSeq":2`) < strings.Index(raw, `"MsgSeq":1`)
		}},
		{"Twice", recalltest.Twice(), true, func(status int, raw string,
			err error) bool {
			return strings.Count(raw, `"MsgSeq":2`) == 2
		}},
		{"TwoCodes", recalltest.TwoCodes(10031), true, func(status int, raw string, err error) bool {
			return strings.Contains(raw, `{"MsgSeq":2,"RetCode":0,"retCode":10031}`)
		}},
		{"NoErrorInfo", recalltest.NoErrorInfo(), true,
			func(status int, raw string, err error) bool { return !strings.Contains(raw, "ErrorInfo") }},
		{"ExtraFields", recalltest.ExtraFields(), true,
			func(status int, raw string, err error) bool { return strings.Contains(raw, "RequestId") }},
	} {
		for _, tcp := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TCP %v", tt.name, tcp), func(t *testing.T) {
				s := newService(t, recalltest.Options{})
				client, base := s.Client(), recalltest.URL
				if tcp {
					url, stop := s.Start()
					defer stop()
					client, base = &http.Client{Transport: &http.Transport{}}, url
					defer client.CloseIdleConnections()
				}
				send := func(patience time.Duration) (status int, raw string, err error) {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					r, _ := http.NewRequestWithContext(ctx, "POST", base+path+recalltest.Recall+"?"+query().Encode(),
						strings.NewReader(body))
					response, err := client.Do(r)
					if err != nil {
						return 0, "", err
					}
					defer response.Body.Close()
					b, err := io.ReadAll(response.Body)
					return response.StatusCode, string(b), err
				}
				s.Inject(recalltest.History, 1, recalltest.HTML()) // waits for another command
				s.Inject(recalltest.Recall, 1, tt.fault)
				patience := 10 * time.Second
				if tt.name == "AnswerLost" || tt.name == "ActsLate" {
					patience = 300 * time.Millisecond // these never answer
				}
				status, raw, err := send(patience)
				if !tt.check(status, raw, err) {
					t.Errorf("got %d, %q, %v", status, raw, err)
				}
				for deadline := time.Now().Add(10 * time.Second); s.Recalled("g", "",
					1) != tt.acted; time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("acted: %v", !tt.acted)
					}
				}
				if status, _, err := send(10 * time.Second); status != 200 || err != nil {
					t.Errorf("the call after it: %d, %v", status, err)
				}
			})
		}
	}
}

func TestUnreachableAndClear(t *testing.T) {
	s := newService(t, recalltest.Options{})
	s.Inject("", -1, recalltest.Unreachable())
	for range 3 {
		if _, err := s.Client().Post(recalltest.URL+path+recalltest.Recall, "", strings.NewReader("{}")); err == nil {
			t.Error("reached")
		}
	}
	s.ClearFaults()
	if got := codes(t, s, "g", 1); got[0] != 0 || s.Calls("") != 1 {
		t.Errorf("got %v after %d calls", got, s.Calls(""))
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{Transit: time.Second, Latency: 2 * time.Second, Seed: 3})
		start := time.Now()
		codes(t, s, "g", 1, 99)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		want := []recalltest.Call{{
			Command: recalltest.Recall, Group: "g", Seqs: []uint32{1, 99}, At: start.Add(time.Second),
			Codes: map[uint32]int{1: 0, 99: 10030}, Acted: true,
		}}
		if diff := cmp.Diff(want, s.Log()); diff != "" {
			t.Error(diff)
		}
	})
}

// A caller that gives up does not stop the call; Close does.
func TestTheServiceGoesOnWithoutTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{Latency: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		send := func(ctx context.Context) error {
			r, _ := http.NewRequestWithContext(ctx, "POST", recalltest.URL+path+recalltest.Recall+"?"+query().Encode(),
				strings.NewReader(`{"GroupId":"g","MsgSeqList":[{"MsgSeq":1}]}`))
			response, err := s.Client().Do(r)
			if err == nil {
				response.Body.Close()
			}
			return err
		}
		if err := send(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		if !s.Recalled("g", "", 1) {
			t.Error("the service gave up too")
		}
		done := make(chan error)
		go func() { done <- send(t.Context()) }()
		time.Sleep(time.Second)
		start := time.Now()
		s.Close()
		if err := <-done; err == nil || time.Since(start) != 0 {
			t.Errorf("after Close: %v in %v", err, time.Since(start))
		}
	})
}

// TestForgeRecall: a callback tells of a recall that never was, signed like any other.
func TestForgeRecall(t *testing.T) {
	var bodies []string
	s := recalltest.New(recalltest.Options{Callbacks: recalltest.Callbacks{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil || r.URL.Query().Get("Sign") == "" {
				t.Errorf("query %v, error %v", r.URL.Query(), err)
			}
			bodies = append(bodies, string(b))
		}), Token: "t"}})
	defer s.Close()
	s.AddGroup(recalltest.Group{ID: "g"})
	s.Say("g", "", "anna", "a")
	s.ForgeRecall("g", "", "eve", 1, 99)
	s.FlushCallbacks()
	if len(bodies) != 2 || !strings.Contains(bodies[1], `"Operator_Account":"eve"`) ||
		!strings.Contains(bodies[1], `{"MsgSeq":99}`) {
		t.Errorf("%q", bodies)
	}
	if s.Recalled("g", "", 1) {
		t.Error("a message was recalled")
	}
}

// TestMade: the text is made from the number whenever history shows it, until the message is
// edited.
func TestMade(t *testing.T) {
	s := recalltest.New(recalltest.Options{})
	defer s.Close()
	s.AddGroup(recalltest.Group{ID: "g"})
	text := recalltest.Made(func(seq recalltest.Seq) string { return fmt.Sprint("text ", seq) })
	s.Say("g", "", "anna", "", text)
	s.Say("g", "", "anna", "", text)
	bodies := func() (said []string) {
		for _, m := range post(t, s, recalltest.History, `{"GroupId":"g","ReqMsgNumber":2}`).RspMsgList {
			said = append(said, string(m.MsgBody))
		}
		return said
	}
	if said := bodies(); !strings.Contains(said[0], `"text 2"`) || !strings.Contains(said[1], `"text 1"`) {
		t.Errorf("they say %s", said)
	}
	s.Edit("g", "", 2, "after")
	if said := bodies(); !strings.Contains(said[0], `"after"`) || !strings.Contains(said[1], `"text 1"`) {
		t.Errorf("after an edit they say %s", said)
	}
}

// TestEdit: history shows the new text.
func TestEdit(t *testing.T) {
	s := recalltest.New(recalltest.Options{})
	defer s.Close()
	s.AddGroup(recalltest.Group{ID: "g"})
	s.Say("g", "", "anna", "before")
	first := string(post(t, s, recalltest.History, `{"GroupId":"g","ReqMsgNumber":1}`).RspMsgList[0].MsgBody)
	s.Edit("g", "", 1, "after")
	second := string(post(t, s, recalltest.History, `{"GroupId":"g","ReqMsgNumber":1}`).RspMsgList[0].MsgBody)
	if want := strings.Replace(first, "before", "after", 1); second != want || first == second {
		t.Errorf("%s\nthen %s", first, second)
	}
}

func TestCallbacks(t *testing.T) {
	type got struct {
		command string
		seq     float64
		quoted  bool // EventTime
		at      time.Duration
	}
	run := func(t *testing.T, c recalltest.Callbacks, status int) (all []got, sent, failed int) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var body map[string]any
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				q := r.URL.Query()
				sum := sha256.Sum256([]byte("t" + q.Get("RequestTime")))
				if q.Get("Sign") != fmt.Sprintf("%x", sum) || q.Get("SdkAppid") != "1400000000" ||
					q.Get("OptPlatform") == "" || q.Get("CallbackCommand") != body["CallbackCommand"] {
					t.Errorf("query %v", q)
				}
				seq, ok := body["MsgSeq"].(float64)
				if list, isList := body["MsgSeqList"].([]any); isList {
					seq, ok = list[0].(map[string]any)["MsgSeq"].(float64)
				}
				if !ok {
					t.Errorf("body %v", body)
				}
				_, quoted := body["EventTime"].(string)
				all = append(all, got{q.Get("CallbackCommand"), seq, quoted, time.Since(start)})
				w.WriteHeader(status)
			})
			c.Token = "t"
			s := recalltest.New(recalltest.Options{Callbacks: c})
			defer s.Close()
			s.AddGroup(recalltest.Group{ID: "g"})
			s.Say("g", "", "anna", "a")
			s.Say("g", "", "anna", "b")
			s.Say("g", "", "anna", "c")
			codes(t, s, "g", 2, 3, 99)
			s.FlushCallbacks()
			sent, failed = s.CallbacksDelivered()
		})
		return all, sent, failed
	}
	const sent, recalled = "Group.CallbackAfterSendMsg", "Group.CallbackAfterRecallMsg"
	equal := func(t *testing.T, all []got, want []got) {
		t.Helper()
		if diff := cmp.Diff(want, all, cmp.AllowUnexported(got{})); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("plain", func(t *testing.T) {
		all, n, failed := run(t, recalltest.Callbacks{Delay: time.Second}, 200)
		equal(t, all, []got{{sent, 1, false, time.Second}, {sent, 2, true, 2 * time.Second},
			{sent, 3, false, 3 * time.Second}, {recalled, 2, true, 4 * time.Second}})
		if n != 4 || failed != 0 {
			t.Errorf("%d sent, %d failed", n, failed)
		}
	})
	t.Run("twice, for each message", func(t *testing.T) {
		all, _, _ := run(t, recalltest.Callbacks{Delay: time.Second, Twice: true, OneForEachMessage: true}, 200)
		if len(all) != 10 || all[0].seq != all[1].seq || all[8] != (got{recalled, 3, false, 9 * time.Second}) {
			t.Errorf("got %v", all)
		}
	})
	t.Run("reordered, refused", func(t *testing.T) {
		all, n, failed := run(t, recalltest.Callbacks{Delay: time.Second, Reorder: true}, 500)
		var order []float64
		for _, a := range all {
			order = append(order, a.seq)
		}
		if !slices.Equal(order, []float64{2, 3, 2, 1}) || n != 4 || failed != 4 {
			t.Errorf("order %v; %d sent, %d failed", order, n, failed)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		all, _, _ := run(t, recalltest.Callbacks{Drop: func(command string, _ []byte) bool { return command == sent }},
			200)
		if len(all) != 1 || all[0].command != recalled {
			t.Errorf("got %v", all)
		}
	})
}

func TestWrongUsePanics(t *testing.T) {
	s := newService(t, recalltest.Options{})
	for name, f := range map[string]func(){
		"no group":          func() { s.Say("nobody", "", "a", "b") },
		"no topic":          func() { s.Say("g", "g@TOPIC#_1", "a", "b") },
		"topic of a public": func() { s.AddTopic("g", "g@TOPIC#_1") },
		"no message":        func() { s.Delete("g", "", 99) },
		"bad group id":      func() { s.AddGroup(recalltest.Group{ID: "é"}) },
		"bad body":          func() { s.Say("g", "", "a", "b", recalltest.Body("{")) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestSkipTo(t *testing.T) {
	s := newService(t, recalltest.Options{})
	s.SkipTo("g", "", 100)
	if n := s.Say("g", "", "anna", "x", recalltest.At(time.Now().Add(-time.Hour)),
		recalltest.Unrecallable()); n != 100 {
		t.Errorf("number %d", n)
	}
	if got := codes(t, s, "g", 50, 100); !slices.Equal(got, []int{10030, 10032}) {
		t.Errorf("got %v", got)
	}
}
