package recall_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

const group = "@TGS#2J4SZEAEL"

// newService returns a service with a group of ten messages.
func newService(t testing.TB, o recalltest.Options) *recalltest.Service {
	t.Helper()
	s := recalltest.New(o)
	t.Cleanup(s.Close)
	s.AddGroup(recalltest.Group{ID: group, Type: "Public", Name: "Trading", Owner: "anna", Members: 12})
	for i := range 10 {
		s.Say(group, "", "mallory", fmt.Sprint("message ", i+1))
	}
	return s
}

func newClient(t testing.TB, s *recalltest.Service, change ...func(*recall.Config)) *recall.Client {
	t.Helper()
	c := recall.Config{
		SDKAppID: recall.SDKAppID(s.SDKAppID()), SecretKey: s.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: s.Client(),
	}
	for _, f := range change {
		f(&c)
	}
	client, err := recall.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// inBubble runs a test in a bubble of fake time, with a service that is
// closed before its end.
func inBubble(t *testing.T, o recalltest.Options, f func(*testing.T, *recalltest.Service, *recall.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, o)
		f(t, s, newClient(t, s))
	})
}

func seqs(from, to recall.Seq) []recall.Seq {
	var all []recall.Seq
	for s := from; s <= to; s++ {
		all = append(all, s)
	}
	return all
}

func TestRecallAnswersForEachMessage(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		s.MakeUnrecallable(group, "", 3)
		s.Delete(group, "", 4)
		a, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: []recall.Seq{1, 99, 3, 4, 5},
			Reason: "scam"})
		if err != nil {
			t.Fatal(err)
		}
		want := map[recall.Seq]recall.Code{1: 0, 99: 10030, 3: 10032, 4: 10030, 5: 0}
		if diff := cmp.Diff(want, a.Codes); diff != "" {
			t.Error(diff)
		}
		if got := s.RecalledSeqs(group, ""); !cmp.Equal(got, []uint32{1, 5}) {
			t.Errorf("recalled %v", got)
		}
	})
}

func TestRecallWhatTheAnswerLacksIsInNoCodes(t *testing.T) {
	all := seqs(1, 3)
	for _, tt := range []struct {
		name   string
		faults []recalltest.Fault
		want   map[recall.Seq]recall.Code
	}{
		{"missing last", []recalltest.Fault{recalltest.Missing()}, map[recall.Seq]recall.Code{1: 0, 2: 0}},
		{"missing one, reordered, extra fields", []recalltest.Fault{recalltest.Missing(2), recalltest.Reordered(),
			recalltest.ExtraFields(), recalltest.NoErrorInfo()}, map[recall.Seq]recall.Code{1: 0, 3: 0}},
		{"every entry twice", []recalltest.Fault{recalltest.Twice()}, map[recall.Seq]recall.Code{1: 0, 2: 0, 3: 0}},
		{"no list", []recalltest.Fault{recalltest.NoList()}, map[recall.Seq]recall.Code{}},
		{"two codes each", []recalltest.Fault{recalltest.TwoCodes(10031)}, map[recall.Seq]recall.Code{}},
		{"a code", []recalltest.Fault{recalltest.PerMessage(10031, 2)}, map[recall.Seq]recall.Code{1: 0, 2: 10031,
			3: 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
				s.Inject(recalltest.Recall, 1, tt.faults...)
				a, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: all})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, a.Codes); diff != "" {
					t.Error(diff)
				}
				if tt.name[0] == 'm' && len(s.RecalledSeqs(group, "")) != 3 {
					t.Error("the service recalled all three")
				}
			})
		})
	}
}

// stub is a RoundTripper that answers with one body and calls the hooks that
// a transport calls not at all.
type stub struct {
	status int
	body   string
	err    error
	seen   []string // addresses
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	s.seen = append(s.seen, r.URL.String())
	if s.err != nil {
		return nil, s.err
	}
	status := s.status
	if status == 0 {
		status = 200
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: -1,
		Header: http.Header{}, Request: r}, nil
}

func stubClient(t testing.TB, s *stub) *recall.Client {
	t.Helper()
	c, err := recall.New(recall.Config{SDKAppID: 88888888, SecretKey: demoKey, BaseURL: "https://chat.invalid",
		HTTPClient: &http.Client{Transport: s}, CallsPerSecond: 1e6, ReadsPerSecond: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manyFields returns n fields, to follow others in an object.
func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"field%d":%d`, i, i)
	}
	return b.String()
}

func TestRecallAnswerDecoding(t *testing.T) {
	const ok = `"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0`
	for _, tt := range []struct {
		name, body string
		want       map[recall.Seq]recall.Code // nil: an unreadable answer
	}{
		{"the page's sample",
			`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":10030},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{100: 10030, 101: 0}},
		{"under another key", `{` + ok + `,"Results":[{"MsgSeq":100,"RetCode":0}]}`, map[recall.Seq]recall.Code{}},
		{"null list", `{` + ok + `,"RecallRetList":null}`, map[recall.Seq]recall.Code{}},
		{"no code", `{` + ok + `,"RecallRetList":[{"MsgSeq":100},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"null code", `{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":null},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"no number", `{` + ok + `,"RecallRetList":[{"RetCode":0},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"not asked for", `{` + ok + `,"RecallRetList":[{"MsgSeq":7,"RetCode":0},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"contradiction",
			`{` + ok +
				`,"RecallRetList":[{"MsgSeq":100,"RetCode":0},{"MsgSeq":100,"RetCode":10030},{"MsgSeq":100,"RetCode":0}]}`, map[recall.Seq]recall.Code{}},
		{"two codes",
			`{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":10031,"RetCode":0},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"two codes, any letter case",
			`{` + ok + `,"RecallRetList":[{"RetCode":0,"MsgSeq":100,"retCODE":10031},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"two codes, escaped",
			`{` + ok +
				`,"RecallRetList":[{"MsgSeq":100,"RetCode":10031, "Ret\u0043ode" : 0},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"two codes, a letter that folds", `{` + ok +
			`,"RecallRetList":[{"MsgSeq":100,"RetCode":10031,"MſgSeq":100},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"the same code in one entry twice", `{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":0,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{}},
		{"a code and null", `{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":null,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{}},
		{"two numbers",
			`{` + ok +
				`,"RecallRetList":[{"MsgSeq":7,"MsgSeq":100,"msgseq":101,"RetCode":0},{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{}},
		{"contradiction of entries that name it in two ways",
			`{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":0},{"MsgSeq":"100","RetCode":10031}]}`,
			map[recall.Seq]recall.Code{}},
		{"the same name at another depth", `{` + ok +
			`,"RecallRetList":[{"MsgSeq":100,"RetCode":0,"More":{"RetCode":5,"x":[{"RetCode":6}]}}]}`,
			map[recall.Seq]recall.Code{100: 0}},
		{"code in quotes", `{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCode":"0"},{"MsgSeq":101,"RetCode":10032}]}`,
			map[recall.Seq]recall.Code{101: 10032}},
		{"entry of another kind", `{` + ok + `,"RecallRetList":[100,{"MsgSeq":101,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{101: 0}},
		{"number too large", `{` + ok + `,"RecallRetList":[{"MsgSeq":4294967396,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{}},
		{"ErrorInfo of another kind",
			`{"ActionStatus":"OK","ErrorInfo":{"a":1},"ErrorCode":0,"RequestId":5,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, map[recall.Seq]recall.Code{100: 0}},
		{"no ActionStatus", `{"ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`,
			map[recall.Seq]recall.Code{100: 0}},

		{"list is an object", `{` + ok + `,"RecallRetList":{"100":0}}`, nil},
		{"no ErrorCode", `{"ActionStatus":"OK","RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, nil},
		{"ErrorCode in quotes", `{"ActionStatus":"OK","ErrorCode":"0","RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`,
			nil},
		{"contradicting envelope", `{"ActionStatus":"FAIL","ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`,
			nil},
		{"two ErrorCodes",
			`{"ActionStatus":"OK","ErrorCode":10002,"ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, nil},
		{"two ErrorCodes, the last not 0",
			`{"ErrorCode":0,"errorcode":10007,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, nil},
		{"two ActionStatus",
			`{"ActionStatus":"FAIL","ActionStatus":"OK","ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`,
			nil},
		{"two lists",
			`{` + ok +
				`,"RecallRetList":[{"MsgSeq":100,"RetCode":10031}],"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, nil},
		{"two lists, one of them null", `{` + ok +
			`,"recallRetList":[{"MsgSeq":100,"RetCode":10031}],"RecallRetList":null}`, nil},
		{"more fields than any answer has", `{` + ok + manyFields(300) +
			`,"RecallRetList":[{"MsgSeq":100,"RetCode":0}]}`, nil},
		{"HTML", `<html><h1>200</h1></html>`, nil},
		{"cut off", `{` + ok + `,"RecallRetList":[{"MsgSeq":100,"RetCo`, nil},
		{"empty", ``, nil},
		{"null", `null`, nil},
		{"two answers", `{` + ok + `}{` + ok + `}`, nil},
		{"too long", `{` + ok + `,"x":"` + strings.Repeat("x", recall.MaxAnswerBytes) + `"}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := stubClient(t, &stub{body: tt.body})
			a, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: []recall.Seq{100, 101}})
			if tt.want == nil {
				f, ok := errors.AsType[*recall.Fault](err)
				if !ok || f.Kind != recall.FaultUnreadable || !f.MayHaveActed() || errors.Is(err, recall.ErrNotSent) {
					t.Errorf("answered %v, %v; want an unreadable answer", a, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, a.Codes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFaultsAreToldApart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault recalltest.Fault
		kind  recall.FaultKind
		acted bool // the service recalled
	}{
		{"connection refused", recalltest.Unreachable(), recall.FaultNotSent, false},
		{"502 with HTML", recalltest.BadGateway(), recall.FaultNoAnswer, false},
		{"502 with HTML after acting", recalltest.BadGatewayAfter(), recall.FaultNoAnswer, true},
		{"503 with an envelope that says OK", recalltest.Status(503), recall.FaultNoAnswer, false},
		{"redirect to another region", recalltest.Status(307), recall.FaultNoAnswer, false},
		{"reset before acting", recalltest.ResetBefore(), recall.FaultNoAnswer, false},
		{"reset after acting", recalltest.ResetAfter(), recall.FaultNoAnswer, true},
		{"answer lost", recalltest.AnswerLost(), recall.FaultNoAnswer, true},
		{"acts after it was given up", recalltest.ActsLate(time.Second), recall.FaultNoAnswer, true},
		{"slower than the timeout", recalltest.Delay(9 * time.Second), recall.FaultNoAnswer, true},
		{"broken in the middle", recalltest.Truncated(), recall.FaultUnreadable, true},
		{"cut in the middle", recalltest.CutJSON(), recall.FaultUnreadable, true},
		{"HTML with status 200", recalltest.HTML(), recall.FaultUnreadable, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
				s.Inject(recalltest.Recall, 1, tt.fault)
				start := time.Now()
				_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 2)})
				f, ok := errors.AsType[*recall.Fault](err)
				if !ok || f.Kind != tt.kind || f.Op != recalltest.Recall || !f.Retryable() {
					t.Fatalf("got %#v", err)
				}
				if errors.Is(err, recall.ErrNotSent) != (tt.kind == recall.FaultNotSent) {
					t.Errorf("errors.Is(%v, ErrNotSent) is wrong", err)
				}
				if time.Since(start) > recall.DefaultTimeout {
					t.Errorf("took %v", time.Since(start))
				}
				time.Sleep(10 * time.Second) // for what acts late
				if s.Recalled(group, "", 1) != tt.acted {
					t.Errorf("recalled: %v", !tt.acted)
				}
				// The next call is as good as new.
				if _, err := c.GroupMsgRecall(t.Context(),
					recall.RecallRequest{Group: group, Seqs: seqs(3, 4)}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Over TCP with the client's own transport, where the hooks are those of
// net/http.
func TestFaultsOverTCP(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault recalltest.Fault
		kind  recall.FaultKind
	}{
		{"502", recalltest.BadGateway(), recall.FaultNoAnswer},
		{"redirect", recalltest.Status(307), recall.FaultNoAnswer},
		{"reset", recalltest.ResetAfter(), recall.FaultNoAnswer},
		{"lost", recalltest.AnswerLost(), recall.FaultNoAnswer},
		{"truncated", recalltest.Truncated(), recall.FaultUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, recalltest.Options{})
			url, stop := s.Start()
			defer stop()
			c := newClient(t, s, func(c *recall.Config) {
				c.BaseURL, c.HTTPClient, c.Timeout = url, nil, 2*time.Second
			})
			if _, err := c.GroupMsgRecall(t.Context(),
				recall.RecallRequest{Group: group, Seqs: seqs(1, 1)}); err != nil {
				t.Fatal(err) // and there is a connection to reuse
			}
			s.Inject(recalltest.Recall, 1, tt.fault)
			_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(2, 2)})
			if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != tt.kind {
				t.Errorf("got %v", err)
			}
			if n := s.Calls(recalltest.Recall); n != 2 {
				t.Errorf("%d calls arrived: something repeated one", n)
			}
			checkNoSecret(t, s, err)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		s := newService(t, recalltest.Options{})
		url, stop := s.Start()
		stop()
		c := newClient(t, s, func(c *recall.Config) { c.BaseURL, c.HTTPClient = url, nil })
		_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
		if !errors.Is(err, recall.ErrNotSent) {
			t.Errorf("got %v, want never sent", err)
		}
		checkNoSecret(t, s, err)
	})
}

func TestNotSent(t *testing.T) {
	no := errors.New("the lease is gone")
	t.Run("Before refuses", func(t *testing.T) {
		inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
			_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1),
				Before: func() error { return no }})
			f, _ := errors.AsType[*recall.Fault](err)
			if !errors.Is(err, recall.ErrNotSent) || !errors.Is(err, no) || f == nil || f.Retryable() ||
				s.Calls("") != 0 {
				t.Errorf("got %v after %d calls", err, s.Calls(""))
			}
		})
	})
	t.Run("context ends in Before", func(t *testing.T) {
		inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := c.GroupMsgRecall(ctx, recall.RecallRequest{Group: group, Seqs: seqs(1, 1),
				Before: func() error { cancel(); return nil }})
			if !errors.Is(err, recall.ErrNotSent) || !errors.Is(err, context.Canceled) || s.Calls("") != 0 {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("context ends while waiting for a slot", func(t *testing.T) {
		inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, _ *recall.Client) {
			c := newClient(t, s, func(c *recall.Config) { c.CallsPerSecond = 1 })
			if _, err := c.GroupMsgRecall(t.Context(),
				recall.RecallRequest{Group: group, Seqs: seqs(1, 1)}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := c.GroupMsgRecall(ctx, recall.RecallRequest{Group: group, Seqs: seqs(2, 2)})
			if !errors.Is(err, recall.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) || s.Calls("") != 1 {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("context ends after sending", func(t *testing.T) {
		inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
			s.Inject(recalltest.Recall, 1, recalltest.AnswerLost())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.GroupMsgRecall(ctx, recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
			if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != recall.FaultNoAnswer ||
				errors.Is(err, recall.ErrNotSent) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("a transport without hooks proves nothing", func(t *testing.T) {
		c := stubClient(t, &stub{err: errors.New("dial failed, it says")})
		_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
		if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != recall.FaultNoAnswer {
			t.Errorf("got %v", err)
		}
	})
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	long := strings.Repeat("é", 51) // 102 bytes
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		for name, r := range map[string]recall.RecallRequest{
			"no group":               {Seqs: seqs(1, 1)},
			"group too long":         {Group: recall.GroupID(strings.Repeat("g", 49)), Seqs: seqs(1, 1)},
			"group not ASCII":        {Group: "gruppé", Seqs: seqs(1, 1)},
			"no seqs":                {Group: group},
			"too many":               {Group: group, Seqs: seqs(1, 11)},
			"seq 0":                  {Group: group, Seqs: []recall.Seq{0}},
			"twice":                  {Group: group, Seqs: []recall.Seq{1, 2, 1}},
			"reason too long":        {Group: group, Seqs: seqs(1, 1), Reason: long},
			"reason not UTF-8":       {Group: group, Seqs: seqs(1, 1), Reason: "\xff"},
			"topic of another group": {Group: group, Seqs: seqs(1, 1), Topic: "@TGS#_other@TOPIC#_1"},
			"topic without a name":   {Group: group, Seqs: seqs(1, 1), Topic: group + "@TOPIC#_"},
		} {
			r.Before = func() error { t.Errorf("%s: Before was called", name); return nil }
			_, err := c.GroupMsgRecall(t.Context(), r)
			f, ok := errors.AsType[*recall.Fault](err)
			if !errors.Is(err, recall.ErrInvalidRequest) || !errors.Is(err, recall.ErrNotSent) || !ok || f.Retryable() {
				t.Errorf("%s: got %v", name, err)
			}
		}
		for _, n := range []int{0, 21, -1} {
			if _, err := c.GroupMsgGetSimple(t.Context(),
				recall.HistoryRequest{Group: group, Number: n}); !errors.Is(err, recall.ErrInvalidRequest) {
				t.Errorf("history of %d: got %v", n, err)
			}
		}
		if _, err := c.GetGroupInfo(t.Context(), ""); !errors.Is(err, recall.ErrInvalidRequest) {
			t.Error("get_group_info takes an empty group id")
		}
		if err := c.SendGroupSystemNotification(t.Context(), recall.NotificationRequest{Group: group}); !errors.Is(err,
			recall.ErrInvalidRequest) {
			t.Error("a notification without content is sent")
		}
		if n := s.Calls(""); n != 0 {
			t.Errorf("%d calls arrived", n)
		}
	})
}

// Every code of the tables, where it can come: in the envelope, and for a
// message.
func TestEveryCode(t *testing.T) {
	codes := append(recall.Codes(), 70047, 99999, -5, 10001)
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{CallsPerSecond: -1})
		c := newClient(t, s)
		for _, code := range codes {
			before := 0
			r := recall.RecallRequest{Group: group, Seqs: []recall.Seq{1},
				Before: func() error { before++; return nil }}
			s.Inject(recalltest.Recall, 2, recalltest.Answer(int(code), "words\n of the API"), recalltest.ExtraFields())
			_, err := c.GroupMsgRecall(t.Context(), r)
			s.ClearFaults()
			e, ok := errors.AsType[*recall.Error](err)
			if !ok || e.Code != code || e.Op != recalltest.Recall || e.Info != "words\n of the API" ||
				!strings.HasPrefix(e.RequestID, "Id-") {
				t.Errorf("%d in the envelope: got %v", code, err)
				continue
			}
			if !strings.Contains(e.Error(), fmt.Sprint(int(code))) || strings.Contains(e.Error(), "\n") {
				t.Errorf("%d: reads %q", code, e.Error())
			}
			want := 1
			if code.Class() == recall.ClassSignAgain {
				want = 2
			}
			if before != want {
				t.Errorf("%d: sent %d times, want %d", code, before, want)
			}
			s.Inject(recalltest.Recall, 1, recalltest.PerMessage(int(code), 1))
			a, err := c.GroupMsgRecall(t.Context(), r)
			if err != nil || a.Codes[1] != code {
				t.Errorf("%d for a message: got %v, %v", code, a, err)
			}
		}
		if s.Recalled(group, "", 1) {
			t.Error("the message was recalled")
		}
	})
}

func TestExpiredUserSigIsSignedAgainOnce(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, _ *recall.Client) {
		c := newClient(t, s, func(c *recall.Config) { c.CallsPerSecond = 1 })
		before := 0
		r := recall.RecallRequest{Group: group, Seqs: seqs(1, 1), Before: func() error { before++; return nil }}
		s.Inject(recalltest.Recall, 1, recalltest.Answer(70001, "expired"))
		if a, err := c.GroupMsgRecall(t.Context(), r); err != nil || a.Codes[1] != 0 || before != 2 {
			t.Errorf("got %v, %v after Before was called %d times", a, err, before)
		}
		// The second attempt took a slot of its own.
		if log := s.Log(); len(log) != 2 || log[1].At.Sub(log[0].At) < time.Second {
			t.Errorf("log: %v", log)
		}
		// A second attempt that is refused was never executed at all.
		s.Inject(recalltest.Recall, 1, recalltest.Answer(70001, "expired"))
		no := errors.New("no")
		r.Before = func() error {
			if before++; before == 4 {
				return no
			}
			return nil
		}
		if _, err := c.GroupMsgRecall(t.Context(), r); !errors.Is(err, recall.ErrNotSent) || !errors.Is(err, no) {
			t.Errorf("got %v", err)
		}
		// Expired again at once: the caller learns it.
		s.Inject(recalltest.Recall, 2, recalltest.Answer(70001, "expired"))
		if _, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(2, 2)}); err == nil ||
			s.Recalled(group, "", 2) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUserSigIsRenewedBeforeItExpires(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, _ *recall.Client) {
		var sigs []string
		c := newClient(t, s, func(c *recall.Config) {
			next := c.HTTPClient.Transport
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				sigs = append(sigs, r.URL.Query().Get("usersig"))
				return next.RoundTrip(r)
			})}
		})
		read := func() {
			if _, err := c.GetGroupInfo(t.Context(), group); err != nil {
				t.Fatal(err)
			}
		}
		read()
		time.Sleep(21 * time.Hour)
		read()
		time.Sleep(time.Hour)
		read()
		time.Sleep(200 * time.Hour)
		read()
		if len(sigs) != 4 || sigs[0] != sigs[1] || sigs[1] == sigs[2] || sigs[2] == sigs[3] {
			t.Error("signed at the wrong times")
		}
	})
}

func TestReadyMadeUserSig(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, _ *recall.Client) {
		sig, err := recall.SignUserSig(recall.SDKAppID(s.SDKAppID()), s.SecretKey(), "administrator", time.Now(),
			time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, s, func(c *recall.Config) { c.SecretKey, c.UserSig = "", sig })
		if _, err := c.GetGroupInfo(t.Context(), group); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + time.Second)
		_, err = c.GetGroupInfo(t.Context(), group)
		if e, ok := errors.AsType[*recall.Error](err); !ok || e.Code != recall.CodeUserSigExpired {
			t.Errorf("got %v", err)
		}
		checkNoSecret(t, s, err, sig)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func checkNoSecret(t *testing.T, s *recalltest.Service, err error, more ...string) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		text += " " + e.Error()
	}
	for _, secret := range append(more, s.SecretKey(), "usersig", "?sdkappid", "eJ") {
		if strings.Contains(text, secret) {
			t.Errorf("the error holds %.8q: %.200s", secret, text)
		}
	}
}

func TestSecretsAreInNoErrorAndNoPrint(t *testing.T) {
	s := newService(t, recalltest.Options{})
	var sig, address string
	leak := roundTripper(func(r *http.Request) (*http.Response, error) {
		sig, address = r.URL.Query().Get("usersig"), r.URL.String()
		return nil, fmt.Errorf("cannot post to %s: %w", r.URL, context.DeadlineExceeded)
	})
	c := newClient(t, s, func(c *recall.Config) { c.HTTPClient = &http.Client{Transport: leak} })
	_, err := c.GetGroupInfo(t.Context(), group)
	checkNoSecret(t, s, err, sig, address)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is no longer what it was", err)
	}
	echo := roundTripper(func(r *http.Request) (*http.Response, error) {
		sig = r.URL.Query().Get("usersig")
		body, _ := json.Marshal(map[string]any{"ActionStatus": "FAIL", "ErrorCode": 70003,
			"ErrorInfo": "bad signature " + sig})
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, nil
	})
	c = newClient(t, s, func(c *recall.Config) { c.HTTPClient = &http.Client{Transport: echo} })
	_, err = c.GetGroupInfo(t.Context(), group)
	checkNoSecret(t, s, err, sig)

	config := recall.Config{SDKAppID: 7, SecretKey: "very-secret-key", UserSig: "very-secret-sig",
		Region: recall.RegionTokyo}
	asJSON, _ := json.Marshal(config)
	text := fmt.Sprintf("%v %+v %#v %s %s %+v %#v", config, config, config, config, asJSON, &config, c)
	if strings.Contains(text, "very-secret") || strings.Contains(text, s.SecretKey()) {
		t.Errorf("printed: %s", text)
	}
}

func TestNewRefuses(t *testing.T) {
	good := recall.Config{SDKAppID: 1400000000, SecretKey: demoKey, Region: recall.RegionSeoul}
	if _, err := recall.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*recall.Config){
		"no app":             func(c *recall.Config) { c.SDKAppID = 0 },
		"no key":             func(c *recall.Config) { c.SecretKey = "" },
		"no region":          func(c *recall.Config) { c.Region = "" },
		"unknown region":     func(c *recall.Config) { c.Region = "moon" },
		"bad admin":          func(c *recall.Config) { c.Admin = "é" },
		"bad sig":            func(c *recall.Config) { c.SecretKey, c.UserSig = "", "x" },
		"sig of another":     func(c *recall.Config) { c.SecretKey, c.UserSig = "", vectors[1].packed },
		"sig of another app": func(c *recall.Config) { c.SecretKey, c.UserSig, c.SDKAppID = "", vectors[0].packed, 5 },
		"no scheme":          func(c *recall.Config) { c.BaseURL = "chat.invalid" },
		"path":               func(c *recall.Config) { c.BaseURL = "https://chat.invalid/v4" },
		"query":              func(c *recall.Config) { c.BaseURL = "https://chat.invalid?x" },
		"user":               func(c *recall.Config) { c.BaseURL = "https://a:b@chat.invalid" },
		"unparseable":        func(c *recall.Config) { c.BaseURL = "https://a b" },
		"negative timeout":   func(c *recall.Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := recall.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good.SecretKey, good.UserSig = "", vectors[0].packed
	if _, err := recall.New(good); err != nil {
		t.Errorf("a ready-made UserSig: %v", err)
	}
}

// The request as it goes out, for each region, against the page that
// documents it.
func TestAddress(t *testing.T) {
	want := map[recall.Region]string{
		"china": "console.tim.qq.com", "singapore": "adminapisgp.im.qcloud.com", "seoul": "adminapikr.im.qcloud.com",
		"tokyo":     "adminapijpn.im.qcloud.com",
		"frankfurt": "adminapiger.im.qcloud.com", "silicon-valley": "adminapiusa.im.qcloud.com",
		"jakarta": "adminapiidn.im.qcloud.com",
	}
	got := map[recall.Region]string{}
	for _, region := range recall.Regions() {
		s := &stub{body: `{"ActionStatus":"OK","ErrorCode":0}`}
		c, err := recall.New(recall.Config{SDKAppID: 88888888, Admin: "ad&min", SecretKey: demoKey, Region: region,
			HTTPClient: &http.Client{Transport: s}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.GroupMsgRecall(t.Context(),
			recall.RecallRequest{Group: group, Seqs: seqs(100, 101)}); err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequest("POST", s.seen[0], nil)
		got[region] = r.URL.Host
		q := r.URL.Query()
		if r.URL.Scheme != "https" || r.URL.Path != "/v4/group_open_http_svc/group_msg_recall" || len(q) != 5 ||
			q.Get("sdkappid") != "88888888" || q.Get("identifier") != "ad&min" || q.Get("contenttype") != "json" ||
			q.Get("random") == "" {
			t.Errorf("%s: the address is wrong", region)
		}
		if u, err := recall.ParseUserSig(q.Get("usersig")); err != nil || u.User != "ad&min" || !u.Verify(demoKey) {
			t.Errorf("%s: the UserSig is wrong: %v", region, err)
		}
	}
	if !maps.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestBodyIsThatOfThePage(t *testing.T) {
	var body string
	keep := roundTripper(func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		return (&stub{body: `{"ActionStatus":"OK","ErrorCode":0,"RspMsgList":[],"UserProfileItem":[]}`}).RoundTrip(r)
	})
	c, err := recall.New(recall.Config{SDKAppID: 1, SecretKey: "k", Region: recall.RegionChina,
		HTTPClient: &http.Client{Transport: keep}})
	if err != nil {
		t.Fatal(err)
	}
	const community = "@TGS#_@TGS#cQVLVHIM62CJ"
	for _, tt := range []struct {
		call func() error
		want string
	}{
		{func() error {
			_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(100, 101)})
			return err
		},
			`{"GroupId":"@TGS#2J4SZEAEL","MsgSeqList":[{"MsgSeq":100},{"MsgSeq":101}]}`},
		{func() error {
			_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: community,
				Topic: community + "@TOPIC#_1", Seqs: []recall.Seq{4294967295}, Reason: "scam"})
			return err
		},
			`{"GroupId":"@TGS#_@TGS#cQVLVHIM62CJ","TopicId":"@TGS#_@TGS#cQVLVHIM62CJ@TOPIC#_1","MsgSeqList":[{"MsgSeq":4294967295}],"Reason":"scam"}`},
		{func() error {
			_, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 20})
			return err
		},
			`{"GroupId":"@TGS#2J4SZEAEL","ReqMsgNumber":20}`},
		{func() error {
			_, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: group, Number: 5, Seq: 7,
				WithRecalled: true})
			return err
		},
			`{"GroupId":"@TGS#2J4SZEAEL","ReqMsgNumber":5,"ReqMsgSeq":7,"WithRecalledMsg":1}`},
		{func() error {
			return c.SendGroupSystemNotification(t.Context(), recall.NotificationRequest{Group: group, Content: "hello",
				To: []recall.UserID{"anna"}})
		},
			`{"GroupId":"@TGS#2J4SZEAEL","Content":"hello","ToMembers_Account":["anna"]}`},
		{func() error {
			_, err := c.PortraitGet(t.Context(), []recall.UserID{"id1", "id2"})
			return err
		},
			`{"To_Account":["id1","id2"],"TagList":["Tag_Profile_IM_Nick"]}`},
	} {
		if err := tt.call(); err != nil {
			t.Fatal(err)
		}
		if body != tt.want {
			t.Errorf("sent %s, want %s", body, tt.want)
		}
	}
}

func TestTooFrequentHalvesThePace(t *testing.T) {
	inBubble(t, recalltest.Options{CallsPerSecond: -1}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		for i := range 800 {
			if i == 400 {
				s.Inject(recalltest.Recall, 1, recalltest.Answer(60007, "too frequent"))
			}
			_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
			if (err != nil) != (i == 400) {
				t.Fatal(err)
			}
		}
		log := s.Log()
		n := 0
		for _, l := range log {
			if d := l.At.Sub(log[400].At); d > 0 && d <= time.Second {
				n++
			}
		}
		if n < 96 || n > 100 {
			t.Errorf("%d calls in the second after 60007, want about 98", n)
		}
	})
}

// The whole way: many callers, a quota of 200, one-way jitter up to the
// guard, answers of 50 to 150 ms.
func TestQuotaIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{TransitJitter: recall.DefaultGuard, Latency: 50 * time.Millisecond,
			LatencyJitter: 100 * time.Millisecond})
		c := newClient(t, s)
		start := time.Now()
		done := make(chan int)
		for range 64 {
			go func() {
				n := 0
				for time.Since(start) < 10*time.Second {
					if _, err := c.GroupMsgRecall(t.Context(),
						recall.RecallRequest{Group: group, Seqs: seqs(1, 10)}); err != nil {
						t.Error(err)
					}
					n++
				}
				done <- n
			}()
		}
		n := 0
		for range 64 {
			n += <-done
		}
		if most := s.MostInAnySecond(recalltest.Recall); most > 200 {
			t.Errorf("%d calls in one second", most)
		}
		if n < 1940 {
			t.Errorf("%d calls in 10 s, want 98 %% of 2000", n)
		}
	})
}

func TestGroupInfo(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		got, err := c.GetGroupInfo(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		want := recall.GroupInfo{Group: group, Type: recall.GroupPublic, Name: "Trading", Owner: "anna", Members: 12,
			MaxMembers: 2000, NextMsgSeq: 11, LastMsgTime: time.Unix(time.Now().Unix(), 0)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		_, err = c.GetGroupInfo(t.Context(), "nobody")
		if e, ok := errors.AsType[*recall.Error](err); !ok || e.Code != recall.CodeNoGroup {
			t.Errorf("got %v", err)
		}
		s.AddGroup(recalltest.Group{ID: "live", Type: "AVChatRoom"})
		if got, err = c.GetGroupInfo(t.Context(), "live"); err != nil || got.Type.HasHistory() || got.Members != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		s.Inject(recalltest.Info, 1, recalltest.Answer(10002, "internal"))
		if _, err = c.GetGroupInfo(t.Context(), group); err == nil {
			t.Error("the envelope's code is lost")
		}
	})
	for name, tt := range map[string]struct {
		body string
		code recall.Code // 0: unreadable
	}{
		"the group's own code counts": {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":10015,"ErrorInfo":"no"}]}`, 10015},
		"another group":               {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"h","ErrorCode":0}]}`, 0},
		"no code":                     {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g"}]}`, 0},
		"two codes":                   {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":10015,"errorCode":0}]}`, 0},
		"two next numbers":            {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":0,"NextMsgSeq":900,"NextMsgSeq":9}]}`, 0},
		"two groups in one":           {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"h","GroupId":"g","ErrorCode":0}]}`, 0},
		"two entries that differ":     {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":0},{"GroupId":"g","ErrorCode":10010}]}`, 0},
		"two lists":                   {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":0}],"groupInfo":[{"GroupId":"g","ErrorCode":10010}]}`, 0},
		"the same entry twice":        {`{"ActionStatus":"OK","ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":10015},{"GroupId":"g","ErrorCode":10015}]}`, 10015},
		"no list":                     {`{"ActionStatus":"OK","ErrorCode":0}`, 0},
	} {
		_, err := stubClient(t, &stub{body: tt.body}).GetGroupInfo(t.Context(), "g")
		if e, ok := errors.AsType[*recall.Error](err); tt.code != 0 && (!ok || e.Code != tt.code) {
			t.Errorf("%s: got %v", name, err)
		}
		if f, ok := errors.AsType[*recall.Fault](err); tt.code == 0 && (!ok || f.Kind != recall.FaultUnreadable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	i,
		err := stubClient(t,
		&stub{
			body: `{"ActionStatus":"FAIL","ErrorCode":10015,"GroupInfo":[{"GroupId":"g","ErrorCode":0,"Type":"Work"}]}`}).GetGroupInfo(t.Context(), "g")
	if err != nil || i.Type != recall.GroupWork {
		t.Errorf("got %v, %v: the envelope's code says nothing about the group", i, err)
	}
}

// The list of groups is read page by page, one call a second, and what is told of each group with
// it; a page that does not say whether it is the last is no page.
func TestGroupList(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		for i := range 10_001 {
			s.AddGroup(recalltest.Group{ID: fmt.Sprintf("g-%05d", i), Name: fmt.Sprint("Group ", i)})
		}
		began := time.Now()
		first, err := c.GetAppIDGroupList(t.Context(), 0)
		if err != nil || len(first.Groups) != recall.MaxGroupPage || first.Total != 10_002 || first.Next <= 1<<32 {
			t.Fatalf("%d of %d groups, next %d, %v", len(first.Groups), first.Total, first.Next, err)
		}
		last, err := c.GetAppIDGroupList(t.Context(), first.Next)
		if err != nil || len(last.Groups) != 2 || last.Next != 0 || last.Groups[1] != "g-10000" {
			t.Errorf("%+v, %v", last, err)
		}
		if took := time.Since(began); took < time.Second || s.MostInAnySecond(recalltest.Groups) != 1 {
			t.Errorf("two pages after %v, %d in a second", took, s.MostInAnySecond(recalltest.Groups))
		}
		infos, err := c.GetGroupInfos(t.Context(), []recall.GroupID{"g-00007", "gone", group})
		if err != nil || len(infos) != 2 || infos[0].Name != "Group 7" || infos[1].Members != 12 {
			t.Errorf("%+v, %v", infos, err)
		}
		for _, bad := range [][]recall.GroupID{nil, {"a", "a"}, {""}, make([]recall.GroupID, 51)} {
			if _, err := c.GetGroupInfos(t.Context(), bad); !errors.Is(err, recall.ErrNotSent) {
				t.Errorf("%d groups: %v", len(bad), err)
			}
		}
	})
	for name, body := range map[string]string{
		"no Next":      `{"ErrorCode":0,"TotalCount":1,"GroupIdList":[{"GroupId":"g"}]}`,
		"Next is null": `{"ErrorCode":0,"TotalCount":1,"GroupIdList":[{"GroupId":"g"}],"Next":null}`,
		"no list":      `{"ErrorCode":0,"TotalCount":1,"Next":0}`,
		"no id":        `{"ErrorCode":0,"TotalCount":1,"GroupIdList":[{"GroupId":5}],"Next":0}`,
	} {
		_, err := stubClient(t, &stub{body: body}).GetAppIDGroupList(t.Context(), 0)
		if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != recall.FaultUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"a group is missing":   `{"ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":0}]}`,
		"a group is not known": `{"ErrorCode":0,"GroupInfo":[{"GroupId":"g","ErrorCode":0},{"GroupId":"h","ErrorCode":10002}]}`,
	} {
		if got, err := stubClient(t, &stub{body: body}).GetGroupInfos(t.Context(),
			[]recall.GroupID{"g", "h"}); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNotification(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		if err := c.SendGroupSystemNotification(t.Context(), recall.NotificationRequest{Group: group,
			Content: "cleaned up", To: []recall.UserID{"anna", "ben"}}); err != nil {
			t.Fatal(err)
		}
		want := []recalltest.Notification{{Group: group, Content: "cleaned up", To: []string{"anna", "ben"}}}
		if diff := cmp.Diff(want, s.Notifications()); diff != "" {
			t.Error(diff)
		}
		err := c.SendGroupSystemNotification(t.Context(), recall.NotificationRequest{Group: "nobody", Content: "x"})
		if e, ok := errors.AsType[*recall.Error](err); !ok || e.Code != recall.CodeNoGroup {
			t.Errorf("got %v", err)
		}
	})
}

func TestTopicsCountForThemselves(t *testing.T) {
	const community, topic = "@TGS#_town", "@TGS#_town@TOPIC#_market"
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		s.AddGroup(recalltest.Group{ID: community, Type: "Community", Topics: []string{topic}})
		s.Say(community, "", "anna", "in the group")
		s.Say(community, topic, "ben", "in the topic")
		a, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: community, Topic: topic, Seqs: seqs(1, 2)})
		if err != nil || a.Codes[1] != 0 || a.Codes[2] != recall.CodeNoMessage {
			t.Fatalf("got %v, %v", a, err)
		}
		if s.Recalled(community, "", 1) || !s.Recalled(community, topic, 1) {
			t.Error("the wrong message was recalled")
		}
		_, err = c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: community, Topic: community + "@TOPIC#_none",
			Seqs: seqs(1, 1)})
		if e, ok := errors.AsType[*recall.Error](err); !ok || e.Code != 110013 ||
			e.Code.Level() != recall.LevelRequest {
			t.Errorf("got %v", err)
		}
	})
}

func TestGroupTypes(t *testing.T) {
	for groupType, history := range map[recall.GroupType]bool{
		recall.GroupPrivate: true, recall.GroupPublic: true, recall.GroupChatRoom: true, recall.GroupCommunity: true,
		recall.GroupWork: true, recall.GroupMeeting: true, recall.GroupAVChatRoom: false,
	} {
		inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
			s.AddGroup(recalltest.Group{ID: "g", Type: string(groupType)})
			s.Say("g", "", "anna", "hello")
			_, err := c.GroupMsgGetSimple(t.Context(), recall.HistoryRequest{Group: "g", Number: 1})
			if (err == nil) != history || groupType.HasHistory() != history {
				t.Errorf("%s: history: %v", groupType, err)
			}
			if a, err := c.GroupMsgRecall(t.Context(),
				recall.RecallRequest{Group: "g", Seqs: seqs(1, 1)}); err != nil || a.Codes[1] != 0 {
				t.Errorf("%s: recall: %v, %v", groupType, a, err)
			}
		})
	}
}

// The client's own transport keeps as many connections as the pace needs.
func TestConnectionsAreKept(t *testing.T) {
	s := newService(t, recalltest.Options{Latency: 20 * time.Millisecond, CallsPerSecond: -1})
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := newClient(t, s, func(c *recall.Config) { c.BaseURL, c.HTTPClient, c.CallsPerSecond = server.URL, nil, 1e6 })
	round := func() {
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if _, err := c.GroupMsgRecall(t.Context(),
					recall.RecallRequest{Group: group, Seqs: seqs(1, 1)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	round()
	first := opened.Load()
	for range 5 {
		round()
	}
	if more := opened.Load() - first; first < 32 || more > 32 {
		t.Errorf("%d connections at first, %d more for 320 calls after that", first, more)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := newService(t, recalltest.Options{})
	var said safeBuffer
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = log.New(&said, "", 0)
	server.StartTLS()
	defer server.Close()
	c := newClient(t, s, func(c *recall.Config) { c.BaseURL, c.HTTPClient = server.URL, nil })
	_, err := c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
	if !errors.Is(err, recall.ErrNotSent) {
		t.Errorf("got %v", err)
	}
	for deadline := time.Now().Add(2 * time.Second); !strings.Contains(said.String(),
		"unsupported versions"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server says %q", said.String())
		}
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// What the service says goes into log lines: it is bounded. What is not HTTP may be a piece of
// another answer: the errors of net/http quote it, those of the client do not.
func TestAnswerThatIsNotHTTPIsNotQuoted(t *testing.T) {
	for _, raw := range []string{
		"my home address\r\n\r\n", "HTTP/1.1 my home address\r\n\r\n", "HTTP/1.1 200 OK\r\nmy home address\r\n\r\n",
		"HTTP/my home address 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: my home\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: my home\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmy home address\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nmy home address\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, raw)
				c.Close()
			}
		}()
		c, err := recall.New(recall.Config{SDKAppID: 88888888, SecretKey: demoKey,
			BaseURL: "http://" + l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.GroupMsgRecall(t.Context(), recall.RecallRequest{Group: group, Seqs: seqs(1, 1)})
		l.Close()
		if f, ok := errors.AsType[*recall.Fault](err); !ok || !f.MayHaveActed() ||
			strings.Contains(err.Error(), "home") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestWordsOfTheAPIAreBounded(t *testing.T) {
	body, _ := json.Marshal(map[string]any{"ActionStatus": "FAIL", "ErrorCode": 10004,
		"ErrorInfo": "x" + strings.Repeat("é", 5000), "RequestId": "a\nb" + strings.Repeat("c", 5000)})
	_, err := stubClient(t, &stub{body: string(body)}).GetGroupInfo(t.Context(), group)
	e, ok := errors.AsType[*recall.Error](err)
	if !ok || len(e.Info) != 511 || !strings.HasSuffix(e.Info, "é") || len(e.RequestID) != 128 ||
		!strings.HasPrefix(e.RequestID, "abc") {
		t.Errorf("got %v", err)
	}
}

// TestJoinedGroups: the groups of a member are listed, live ones too, and nothing that is not.
func TestJoinedGroups(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		s.AddGroup(recalltest.Group{ID: "b", Joined: []string{"alice", "bob"}})
		s.AddGroup(recalltest.Group{ID: "a", Type: "AVChatRoom", Joined: []string{"bob"}})
		s.Join(group, "bob")
		s.Leave("b", "alice")
		for member, want := range map[recall.UserID]string{"bob": "[" + group + " a b]", "alice": "[]"} {
			got, total, err := c.GetJoinedGroupList(t.Context(), member)
			if err != nil || fmt.Sprint(got) != want || total != len(got) {
				t.Errorf("%s is in %v, %d, %v; want %s", member, got, total, err, want)
			}
		}
	})
	for name, body := range map[string]string{
		"no list": `{"ErrorCode":0,"TotalCount":1}`,
		"no id":   `{"ErrorCode":0,"TotalCount":1,"GroupIdList":[{"GroupId":5}]}`,
	} {
		_, _, err := stubClient(t, &stub{body: body}).GetJoinedGroupList(t.Context(), "bob")
		if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != recall.FaultUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, total, err := stubClient(t, &stub{body: `{"ErrorCode":0,"TotalCount":6000,"GroupIdList":[{"GroupId":"g"}]}`}).
		GetJoinedGroupList(t.Context(), "bob")
	if err != nil || len(got) != 1 || total != 6000 {
		t.Errorf("%v, %d, %v", got, total, err)
	}
}
