package recall_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// Calls a second against the service on loopback, with no pacing.
func BenchmarkCallsOnLoopback(b *testing.B) {
	s := newService(b, recalltest.Options{CallsPerSecond: -1})
	url, stop := s.Start()
	defer stop()
	c := newClient(b, s,
		func(c *recall.Config) { c.BaseURL, c.HTTPClient, c.CallsPerSecond, c.Guard = url, nil, 1e9, -1 })
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a, err := c.GroupMsgRecall(b.Context(),
				recall.RecallRequest{Group: group, Seqs: []recall.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}})
			if err != nil || len(a.Codes) != 10 {
				b.Error(a, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// constant is a RoundTripper that answers with the same bytes, sharing what it can.
type constant string

func (s constant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(s))),
		ContentLength: int64(len(s)), Request: r}, nil
}

const recallSample = `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RecallRetList":[{"MsgSeq":100,"RetCode":10030},{"MsgSeq":101,"RetCode":0}]}`

func constantClient(t testing.TB, body string) *recall.Client {
	t.Helper()
	c, err := recall.New(recall.Config{
		SDKAppID: 88888888, SecretKey: demoKey, Region: recall.RegionChina, CallsPerSecond: 1e9, ReadsPerSecond: 1e9,
		Guard:      -1,
		HTTPClient: &http.Client{Transport: constant(body)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkCallOnStub(b *testing.B) {
	c := constantClient(b, recallSample)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.GroupMsgRecall(b.Context(),
			recall.RecallRequest{Group: group, Seqs: []recall.Seq{100, 101}}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCallAllocations(t *testing.T) {
	c := constantClient(t, recallSample)
	n := testing.AllocsPerRun(200, func() {
		if _, err := c.GroupMsgRecall(t.Context(),
			recall.RecallRequest{Group: group, Seqs: []recall.Seq{100, 101}}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 60 {
		t.Errorf("%.0f allocations in a call, more than 60", n)
	}
}

func historyPage() string {
	var entries []string
	for i := range 20 {
		entries = append(entries,
			fmt.Sprintf(
				`{"From_Account":"user-%d","IsPlaceMsg":0,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"message number %d, with a few words to it"}}],"MsgPriority":2,"MsgRandom":51083293,"MsgSeq":%d,"MsgTimeStamp":1458721802}`, i, i, 500-i))
	}
	return `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"IsFinished":1,"RspMsgList":[` + strings.Join(entries,
		",") + `]}`
}

func BenchmarkHistoryPage(b *testing.B) {
	body := historyPage()
	c := constantClient(b, body)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := c.GroupMsgGetSimple(b.Context(), recall.HistoryRequest{Group: group, Number: 20})
		if err != nil || len(page.Messages) != 20 {
			b.Fatal(err)
		}
	}
}

// Twenty seconds of real time against the service on loopback, whose answers
// take 50 to 150 ms: the share of the quota that is used, and the most calls
// in any second.
func BenchmarkPaceInRealTime(b *testing.B) {
	const quota, seconds = 200, 20
	for range b.N {
		s := newService(b, recalltest.Options{Latency: 50 * time.Millisecond, LatencyJitter: 100 * time.Millisecond})
		url, stop := s.Start()
		c := newClient(b, s, func(c *recall.Config) { c.BaseURL, c.HTTPClient = url, nil })
		var calls atomic.Int64
		done := make(chan struct{})
		start := time.Now()
		for range 64 {
			go func() {
				for time.Since(start) < seconds*time.Second {
					if _, err := c.GroupMsgRecall(b.Context(),
						recall.RecallRequest{Group: group, Seqs: []recall.Seq{1}}); err != nil {
						b.Error(err)
					}
					calls.Add(1)
				}
				done <- struct{}{}
			}()
		}
		for range 64 {
			<-done
		}
		took := time.Since(start)
		stop()
		b.ReportMetric(float64(calls.Load())/(quota*took.Seconds()), "share")
		most := s.MostInAnySecond(recalltest.Recall)
		b.ReportMetric(float64(most), "most/s")
		if most > quota {
			b.Errorf("%d calls in one second, more than %d", most, quota)
		}
	}
}

// BenchmarkParts is what a search and a seal do with one message: usual ones, and the worst that an
// answer of a megabyte can hold.
func BenchmarkParts(b *testing.B) {
	custom := func(data string) recall.Message {
		content, _ := json.Marshal(map[string]string{"Data": data})
		raw, _ := json.Marshal([]recall.Element{{Type: "TIMCustomElem", Content: content}})
		return recall.Message{RawBody: raw, Body: []recall.Element{{Type: "TIMCustomElem", Content: content}}}
	}
	text := recall.Message{RawBody: []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"free coins at prize.example"}}]`)}
	if err := json.Unmarshal(text.RawBody, &text.Body); err != nil {
		b.Fatal(err)
	}
	numbers := recall.Message{RawBody: []byte("[" + strings.Repeat("1,", 1<<19) + "1]")}
	for _, test := range []struct {
		name string
		m    recall.Message
	}{
		{"text", text}, {"data", custom(`{"type":1,"msg":"claim at scam.example"}`)},
		{"a megabyte of values", custom("[" + strings.Repeat("1,", 1<<19) + "1]")},
		{"a megabyte of elements", numbers},
		{"a megabyte of lists", custom(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				test.m.Searchable()
				test.m.Content()
			}
		})
	}
}
