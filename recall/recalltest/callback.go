package recalltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Callbacks says where callbacks go and what happens to them on the way. They
// are off without URL and Handler.
type Callbacks struct {
	URL     string       // where they go, or
	Handler http.Handler // who gets them, in process; the path is /
	Client  *http.Client // for URL; default http.DefaultClient

	Token string // signs them; without it they bear no Sign

	Delay, DelayJitter time.Duration // before each
	Twice              bool          // each is sent two times
	Reorder            bool          // of two that wait, the younger goes first
	OneForEachMessage  bool          // a recall of several messages makes as many; by default one

	// Drop loses the callbacks for which it returns true: it is called with
	// the command, such as Group.CallbackAfterSendMsg, and the body.
	Drop func(command string, body []byte) bool
}

func (c Callbacks) on() bool { return c.URL != "" || c.Handler != nil }

// dispatcher delivers callbacks one after the other. Its goroutine lives
// only while some wait.
type dispatcher struct {
	queue     []delivery
	busy      bool
	turn      int // makes EventTime a number and a string in turn
	delivered int
	failed    int
	idle      chan struct{} // closed when the queue runs empty
}

type delivery struct {
	command  string
	platform string
	body     []byte
}

func (s *Service) afterSend(g *group, topic string, m *message) {
	if !s.options.Callbacks.on() {
		return
	}
	online := 0
	if m.online {
		online = 1
	}
	body := map[string]any{
		"CallbackCommand": "Group.CallbackAfterSendMsg", "GroupId": g.ID, "Type": g.Type, "From_Account": m.from,
		"Operator_Account": m.from,
		"Random":           m.random, "MsgSeq": m.seq, "MsgTime": m.at.Unix(), "OnlineOnlyFlag": online,
		"MsgBody":         m.said(),
		"CloudCustomData": m.custom, "MsgId": fmt.Sprintf("%d-%d-%d", m.at.Unix(), m.seq, m.random),
	}
	s.enqueue("Group.CallbackAfterSendMsg", "Android", topic, body)
}

func (s *Service) afterRecall(g *group, topic, operator, platform string, seqs []Seq) {
	if len(seqs) == 0 || !s.options.Callbacks.on() {
		return
	}
	batches := [][]Seq{seqs}
	if s.options.Callbacks.OneForEachMessage {
		batches = slices.Collect(slices.Chunk(seqs, 1))
	}
	for _, batch := range batches {
		var list []any
		for _, seq := range batch {
			list = append(list, map[string]any{"MsgSeq": seq})
		}
		s.enqueue("Group.CallbackAfterRecallMsg", platform, topic, map[string]any{
			"CallbackCommand": "Group.CallbackAfterRecallMsg", "GroupId": g.ID, "Type": g.Type,
			"Operator_Account": operator, "MsgSeqList": list,
		})
	}
}

func (s *Service) enqueue(command, platform, topic string, body map[string]any) {
	o := s.options.Callbacks
	if s.done.Err() != nil {
		return
	}
	if topic != "" {
		body["TopicId"] = topic
	}
	h := &s.hooks
	if h.turn++; h.turn%2 == 0 {
		body["EventTime"] = strconv.FormatInt(time.Now().UnixMilli(), 10)
	} else {
		body["EventTime"] = time.Now().UnixMilli()
	}
	d := delivery{command, platform, raw(body)}
	if o.Drop != nil && o.Drop(command, d.body) {
		return
	}
	h.queue = append(h.queue, d)
	if o.Twice {
		h.queue = append(h.queue, d)
	}
	if !h.busy {
		h.busy = true
		h.idle = make(chan struct{})
		s.start(s.dispatch)
	}
}

func (s *Service) dispatch() {
	for {
		s.mu.Lock()
		h, o := &s.hooks, s.options.Callbacks
		if len(h.queue) == 0 || s.done.Err() != nil {
			h.queue, h.busy = nil, false
			close(h.idle)
			s.mu.Unlock()
			return
		}
		wait := s.jittered(o.Delay, o.DelayJitter)
		s.mu.Unlock()
		if !s.pause(wait) {
			continue // closed: the next round ends it
		}
		s.mu.Lock()
		next := 0
		if o.Reorder && len(h.queue) > 1 {
			next = 1
		}
		d := h.queue[next]
		h.queue = slices.Delete(h.queue, next, next+1)
		app := s.options.SDKAppID
		s.mu.Unlock()

		ok := d.deliver(s.done, o, app)

		s.mu.Lock()
		if h.delivered++; !ok {
			h.failed++
		}
		s.mu.Unlock()
	}
}

// deliver posts a callback and gives up after 2 s, as the service does.
func (d delivery) deliver(ctx context.Context, o Callbacks, app uint32) (ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client, address := o.Client, o.URL
	if o.Handler != nil {
		client, address = &http.Client{Transport: &inProcess{handler: o.Handler}}, "http://callbacks.invalid/"
	}
	if client == nil {
		client = http.DefaultClient
	}
	u, err := url.Parse(address)
	if err != nil {
		panic("recalltest: the callback URL cannot be parsed")
	}
	q := u.Query()
	q.Set("SdkAppid", strconv.FormatUint(uint64(app), 10))
	q.Set("CallbackCommand", d.command)
	q.Set("contenttype", "json")
	q.Set("ClientIP", "127.0.0.1")
	q.Set("OptPlatform", d.platform)
	if o.Token != "" {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		sum := sha256.Sum256([]byte(o.Token + now))
		q.Set("RequestTime", now)
		q.Set("Sign", hex.EncodeToString(sum[:]))
	}
	u.RawQuery = q.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(d.body))
	if err != nil {
		panic("recalltest: " + err.Error()) // unreachable: the address was parsed before
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return response.StatusCode == http.StatusOK
}

// FlushCallbacks waits until every callback was delivered or failed.
func (s *Service) FlushCallbacks() {
	s.mu.Lock()
	idle, busy := s.hooks.idle, s.hooks.busy
	s.mu.Unlock()
	if busy {
		<-idle
	}
}

// CallbacksDelivered returns how many callbacks were sent, and how many of
// them were not answered with status 200 within 2 s.
func (s *Service) CallbacksDelivered() (sent, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hooks.delivered, s.hooks.failed
}
