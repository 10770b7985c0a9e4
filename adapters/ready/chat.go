package ready

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// Chat is the Chat service, of which it is known whether it answers.
type Chat struct {
	bot.Chat

	mu     sync.Mutex
	asked  bool
	silent time.Time // since when no call was answered; zero while it answers
}

// Heed returns c with its answers heeded.
func Heed(c bot.Chat) *Chat { return &Chat{Chat: c} }

// line tells of the service. p is its refusal of the app, nil where it does not refuse it.
func (c *Chat) line(p *bot.Pause) (line string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p != nil:
		return meaning(p), false
	case !c.asked:
		return "ok: it was not asked yet", true
	case !c.silent.IsZero():
		return "outage since " + stamp(c.silent) + ": no answer", true
	}
	return "ok", true
}

// heard notes how a call ended. One that the caller gave up, or that was not even to be sent, tells
// nothing.
func (c *Chat) heard(ctx context.Context, err error) {
	_, answered := errors.AsType[*recall.Error](err)
	if err != nil && !answered {
		_, network := errors.AsType[net.Error](err)
		fault, ok := errors.AsType[*recall.Fault](err)
		if ctx.Err() != nil || !ok || fault.Kind == recall.FaultNotSent && !network {
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.asked = true; {
	case err == nil || answered:
		c.silent = time.Time{}
	case c.silent.IsZero():
		c.silent = time.Now()
	}
}

// GroupMsgRecall recalls messages; see bot.Chat.
func (c *Chat) GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error) {
	a, err := c.Chat.GroupMsgRecall(ctx, r)
	c.heard(ctx, err)
	return a, err
}

// GroupMsgGetSimple reads history; see bot.Chat.
func (c *Chat) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	p, err := c.Chat.GroupMsgGetSimple(ctx, r)
	c.heard(ctx, err)
	return p, err
}

// GetGroupInfo reads a group; see bot.Chat.
func (c *Chat) GetGroupInfo(ctx context.Context, g recall.GroupID) (recall.GroupInfo, error) {
	i, err := c.Chat.GetGroupInfo(ctx, g)
	c.heard(ctx, err)
	return i, err
}

// GetGroupInfos reads groups; see bot.Chat.
func (c *Chat) GetGroupInfos(ctx context.Context, g []recall.GroupID) ([]recall.GroupInfo, error) {
	i, err := c.Chat.GetGroupInfos(ctx, g)
	c.heard(ctx, err)
	return i, err
}

// GetAppIDGroupList lists groups; see bot.Chat.
func (c *Chat) GetAppIDGroupList(ctx context.Context, next uint64) (recall.GroupPage, error) {
	p, err := c.Chat.GetAppIDGroupList(ctx, next)
	c.heard(ctx, err)
	return p, err
}

// PortraitGet reads nicknames; see bot.Chat.
func (c *Chat) PortraitGet(ctx context.Context, a []recall.UserID) (map[recall.UserID]string, error) {
	n, err := c.Chat.PortraitGet(ctx, a)
	c.heard(ctx, err)
	return n, err
}

// GetJoinedGroupList lists the groups of a member; see bot.Chat.
func (c *Chat) GetJoinedGroupList(ctx context.Context, member recall.UserID) ([]recall.GroupID, int, error) {
	g, n, err := c.Chat.GetJoinedGroupList(ctx, member)
	c.heard(ctx, err)
	return g, n, err
}
