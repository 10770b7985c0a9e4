package slacktest

import (
	"strconv"
	"strings"
	"time"

	"recallbot/bot/bottest"
)

// Lenient implements bottest.Home.
func (h *Home) Lenient(ack time.Duration) {
	h.Set(func(w *Workspace) {
		w.RateLimits = false
		if ack != 0 {
			w.AckWithin = ack
		}
	})
}

// Troubles implements bottest.Home.
func (h *Home) Troubles() []bottest.Trouble {
	calls := func(name string, f Fault) bottest.Trouble {
		return bottest.Trouble{Name: name, Strike: func() { h.Fail("*", 4, f) }}
	}
	return []bottest.Trouble{
		calls("429 with Retry-After", RateLimited(7*time.Second)),
		calls("429 without Retry-After", RateLimitedNoHeader()),
		calls("5xx", ServerError(503)),
		calls("hang", Hang()),
		calls("reset", Reset()),
		{Name: "lost answer of a successful post", Copies: true,
			Strike: func() { h.Fail("chat.postMessage", 2, LoseReply()) }},
		{Name: "websocket dropped", Strike: h.DropTCP},
		{Name: "half-open", Strike: h.HalfOpen},
		{Name: "reconnect storm", Strike: func() {
			for range 50 {
				h.Disconnect(Warning)
				time.Sleep(200 * time.Millisecond)
			}
		}},
	}
}

// Deletions implements bottest.Home. The thread goes as soon as there is something in it, while
// more is on its way.
func (h *Home) Deletions() []bottest.Trouble {
	card := func() Message { all := h.Messages(HomeChannel); return all[len(all)-1] }
	return []bottest.Trouble{
		{Name: "card", Strike: func() { h.DeleteMessage(card().Ref()) }},
		{Name: "thread", Strike: func() {
			h.Set(func(w *Workspace) { w.Latency = 50 * time.Millisecond })
			for len(h.Thread(HomeChannel, card().TS)) == 0 {
				time.Sleep(time.Millisecond)
			}
			for _, m := range h.Thread(HomeChannel, card().TS) {
				h.DeleteMessage(m.Ref())
			}
		}},
		{Name: "channel", Unseen: true, Strike: func() {
			h.Workspace.mu.Lock()
			defer h.Workspace.mu.Unlock()
			h.channels[HomeChannel].Archived = true
		}},
	}
}

// Strange implements bottest.Home.
func (h *Home) Strange() []string {
	return []string{"POST " + h.InteractPath + " HTTP/1.1\r\nHost: x\r\nX-Slack-Request-Timestamp: " +
		strconv.FormatInt(time.Now().Unix(), 10) + "\r\nX-Slack-Signature: v0=" + strings.Repeat("0", 64) + "\r\n"}
}

// Post implements bottest.Home.
func (h *Home) Post(url string) { h.Set(func(w *Workspace) { w.RequestURL = url }) }
