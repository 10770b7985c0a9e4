package discordtest

import (
	"strconv"
	"strings"
	"time"

	"recallbot/bot/bottest"
)

// path is where the program takes interactions that come by HTTP.
const path = "/discord/interactions"

// Lenient implements bottest.Home. The guild limits no calls of its own accord.
func (h *Home) Lenient(ack time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ack != 0 {
		h.AckWithin = ack
	}
}

// Troubles implements bottest.Home.
func (h *Home) Troubles() []bottest.Trouble {
	calls := func(name string, f Fault) bottest.Trouble {
		return bottest.Trouble{Name: name, Strike: func() { h.Fail("* /**", 4, f) }}
	}
	return []bottest.Trouble{
		calls("429 with Retry-After", RateLimited(7*time.Second)),
		calls("429 without Retry-After", Status(429)),
		calls("5xx", Status(502)),
		calls("hang", Hang()),
		calls("reset", Reset()),
		{Name: "lost answer of a successful post", Strike: func() { h.Fail("POST /**", 2, ReplyLost()) }},
		{Name: "websocket dropped", Strike: h.Drop},
		{Name: "half-open", Strike: func() {
			h.Silence(true)
			h.Silence(false)
		}},
		{Name: "reconnect storm", Strike: func() {
			for range 50 {
				h.Reconnect()
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
		{Name: "card", Strike: func() { h.Delete(card().Ref()) }},
		{Name: "thread", Strike: func() {
			h.Fail("POST /channels/*/messages", -1, Slow(50*time.Millisecond))
			for len(h.Threads(HomeChannel)) == 0 || len(h.Thread(h.Threads(HomeChannel)[0].ID)) == 0 {
				time.Sleep(time.Millisecond)
			}
			h.DeleteChannel(h.Threads(HomeChannel)[0].ID)
		}},
		{Name: "channel", Unseen: true, Strike: func() { h.DeleteChannel(HomeChannel) }},
	}
}

// Strange implements bottest.Home.
func (h *Home) Strange() []string {
	return []string{"POST " + path + " HTTP/1.1\r\nHost: x\r\nX-Signature-Timestamp: " +
		strconv.FormatInt(time.Now().Unix(), 10) + "\r\nX-Signature-Ed25519: " + strings.Repeat("0", 128) + "\r\n"}
}

// Post implements bottest.Home.
func (h *Home) Post(url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.InteractionsURL = url + path
}
