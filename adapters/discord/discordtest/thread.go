package discordtest

// This file has threads: those of a message and those without one, their permissions, and what
// archiving and locking change.

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// A Thread describes a thread at the time of the call that returned it.
type Thread struct {
	ID, Name string
	ParentID string // the channel
	Message  string // the message that it belongs to, "" for a thread without one
	Owner    string
	Type     int
	Archived bool
	Locked   bool
	Archive  time.Duration // idle time until it is archived
}

// Threads returns the threads of a channel, oldest first.
func (g *Guild) Threads(channel string) []Thread {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Thread
	for _, c := range g.channels {
		if c.isThread() && c.parent == channel {
			all = append(all, Thread{c.ID, c.Name, c.parent, c.message, c.owner, c.Type, c.archived, c.locked,
				time.Duration(c.archive) * time.Minute})
		}
	}
	slices.SortFunc(all,
		func(a, b Thread) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Thread returns the messages in a thread, oldest first. For a channel it returns the messages in
// all of its threads, one thread after the other.
func (g *Guild) Thread(id string) []Message {
	g.mu.Lock()
	c, ok := g.channels[id]
	g.mu.Unlock()
	if !ok || c.isThread() {
		return g.Messages(id)
	}
	var all []Message
	for _, t := range g.Threads(id) {
		all = append(all, g.Messages(t.ID)...)
	}
	return all
}

// AddPrivateThread makes a private thread of people in a channel, which the bot is not in, and
// returns its id. The bot sees it only where it may manage threads.
func (g *Guild) AddPrivateThread(channel, name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.channels[channel]
	if !ok {
		panic("discordtest: no channel " + channel)
	}
	t := g.newThread(c, g.snowflake(), PrivateThread, object{"name": name})
	t.owner, t.outside = "1", true
	return t.ID
}

// Admit adds the bot to a private thread, as mentioning it there does.
func (g *Guild) Admit(thread string) { g.setThread(thread, func(c *channel) { c.outside = false }) }

// Archive archives a thread, as a moderator or a long pause does; a new message unarchives it.
func (g *Guild) Archive(thread string) { g.setThread(thread, func(c *channel) { c.archived = true }) }

// Lock archives and locks a thread, in which the bot then cannot write.
func (g *Guild) Lock(thread string) {
	g.setThread(thread, func(c *channel) { c.archived, c.locked = true, true })
}

// Unlock opens a thread again.
func (g *Guild) Unlock(thread string) {
	g.setThread(thread, func(c *channel) { c.archived, c.locked = false, false })
}

func (g *Guild) setThread(id string, set func(*channel)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.channels[id]
	if !ok || !c.isThread() {
		panic("discordtest: no thread " + id)
	}
	set(c)
	g.bump()
}

// openThread checks whether the bot may open a thread in a channel. Callers hold g.mu.
func (g *Guild) openThread(c *channel, kind int) *apiError {
	if c.isThread() || c.Type == DMChannel {
		return fail(http.StatusBadRequest, 50024)
	}
	need := CreatePublicThreads
	if kind == PrivateThread {
		need = CreatePrivateThreads
	}
	if p := g.botPermissions(c); p&need == 0 {
		return fail(http.StatusForbidden, 50013)
	}
	return nil
}

func (g *Guild) newThread(parent *channel, id string, kind int, o object) *channel {
	t := &channel{
		Channel: Channel{ID: id, Name: str(o, "name"), Type: kind},
		parent:  parent.ID, owner: g.BotUserID, created: time.Now(),
		archive: cmp.Or(integer(o, "auto_archive_duration"), 1440),
	}
	g.channels[id] = t
	g.bump()
	return t
}

func (g *Guild) postMessageThread(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("POST "+q.route, o, "name auto_archive_duration rate_limit_per_user")
	c, m, err := g.lookup(q)
	if err != nil {
		return 0, nil, err
	}
	f := form{}
	f.checkThread(o)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	if err := g.openThread(c, PublicThread); err != nil {
		return 0, nil, err
	}
	if _, ok := g.channels[m.id]; ok {
		return 0, nil, fail(http.StatusBadRequest, 160004)
	}
	t := g.newThread(c, m.id, PublicThread, o)
	t.message, m.thread = m.id, m.id
	m.flags |= flagHasThread
	return http.StatusCreated, g.channelObject(t), nil
}

func (g *Guild) postThread(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("POST "+q.route, o, "name auto_archive_duration rate_limit_per_user type invitable")
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return 0, nil, err
	}
	f := form{}
	f.checkThread(o)
	kind, ok := f.integer(o, "", "type", 10, 12)
	if !ok {
		kind = PrivateThread // Discord's default when type is absent
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	if err := g.openThread(c, int(kind)); err != nil {
		return 0, nil, err
	}
	t := g.newThread(c, g.snowflake(), int(kind), o)
	if kind != PrivateThread {
		g.publish(&message{id: g.snowflake(), channel: c.ID, author: g.BotUserID, kind: 18, content: t.Name,
			created: time.Now(), thread: t.ID})
	}
	return http.StatusCreated, g.channelObject(t), nil
}

// patchChannel changes a thread; other channels cannot be changed.
func (g *Guild) patchChannel(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("PATCH "+q.route, o,
		"name archived locked invitable auto_archive_duration rate_limit_per_user flags applied_tags")
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return 0, nil, err
	}
	if !c.isThread() {
		return 0, nil, fail(http.StatusForbidden, 50013)
	}
	f := form{}
	if _, ok := o["name"]; ok {
		f.text(o, "", "name", 1, 100)
	}
	f.archive(o)
	archived, lock := f.boolean(o, "", "archived"), f.boolean(o, "", "locked")
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	_, hasArchived := o["archived"].(bool)
	_, hasLocked := o["locked"].(bool)
	mayManage := g.botPermissions(c)&ManageThreads != 0
	if !mayManage && (c.owner != g.BotUserID || hasLocked || c.locked) {
		return 0, nil, fail(http.StatusForbidden, 50013)
	}
	if c.archived && (!hasArchived || archived) {
		return 0, nil, fail(http.StatusBadRequest, 50083)
	}
	if hasArchived {
		c.archived = archived
	}
	if hasLocked {
		c.locked = lock
	}
	if s := str(o, "name"); s != "" {
		c.Name = s
	}
	if n, ok := num(o, "auto_archive_duration"); ok {
		c.archive = n
	}
	g.bump()
	return 200, g.channelObject(c), nil
}
