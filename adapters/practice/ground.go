package practice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/sandbox"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"
)

// people are those whose faces can be chosen.
var people = []bottest.Person{
	{Name: "mina", Asks: true, Approves: true},
	{Name: "theo", Approves: true},
	{Name: "lena", Approves: true},
	{Name: "gus"},
}

// quota is how many recalls a second the bot makes: few enough that a flood can be watched.
const quota = 40

// lounge is the group whose chat the members' phone shows.
const lounge = sandbox.Group

// ground is the practice ground: a world, the scenario that is played in it, and what the person at
// the page has chosen. It is one for all who open the page.
type ground struct {
	work sync.WaitGroup // what goes on in the background

	mu     sync.Mutex
	closed bool
	done   map[string]bool // scenarios that were played to their end
	wrong  []error         // what the worlds that are gone say of themselves

	play
}

// play is what begins anew with each scenario.
type play struct {
	scene scenario
	step  int
	world *sandbox.Sandbox
	now   sight
	ctx   context.Context // ends with the scenario
	end   context.CancelFunc

	read  int64 // the entry of the audit log that was read last
	face  string
	tab   bot.Platform
	typed string // what the composer is filled with
	note  string // what the platform told the person about the last press
	// asks is the message whose button asks before it acts, and asking that button.
	asks, asking string

	groups []recalltest.Group
	said   []said
	off    bool // the Chat service is switched off
	lose   bool // it loses the answer to the next recall, as the call after this many
	calls  int
	dead   bool // the bot is killed
	busy   bool // a step's button is being done
	pulled bool // the plug was pulled, and all is well again
	ahead  time.Duration
}

// said is a message of a group, as its members see it.
type said struct {
	group, from, text string
	seq               recalltest.Seq
}

// sight is what there is to see in the world at a time.
type sight struct {
	requests []bot.Request   // newest first
	refused  map[string]bool // why somebody was refused something, by the audit log
	recalled int             // messages of the lounge
	twice    int             // messages that were sent twice
}

// newest is the request that was asked for last.
func (s sight) newest() bot.Request {
	if len(s.requests) == 0 {
		return bot.Request{}
	}
	return s.requests[0]
}

// begin makes a new world and plays a scenario in it. What went on before ends in the background.
func (g *ground) begin(id string) error {
	scene := shelf[0]
	for _, s := range shelf {
		if s.id == id {
			scene = s
		}
	}
	policy := bot.DefaultPolicy()
	policy.LargeDelay = 4 * time.Second
	world, err := sandbox.New(sandbox.Options{People: people, Policy: policy, Quota: quota, Bare: true})
	if err != nil {
		return fmt.Errorf("make the world of the practice ground: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errors.Join(errEnded, world.Close())
	}
	tab := adapters.Platforms[0].ID
	if g.world != nil {
		tab = g.tab
	}
	g.leave()
	ctx, end := context.WithCancel(context.Background())
	g.play = play{scene: scene, world: world, ctx: ctx, end: end, face: people[0].Name, tab: tab,
		now: sight{refused: map[string]bool{}}}
	g.group(recalltest.Group{ID: lounge, Name: "Lounge", Members: 1203})
	scene.furnish(g)
	g.enter(0)
	return nil
}

var (
	errEnded = errors.New("the practice ground has ended")
	errDead  = errors.New("the bot is dead: start it again first")
)

// leave ends the world that is played in. g.mu is held.
func (g *ground) leave() {
	if g.world == nil {
		return
	}
	g.end()
	world := g.world
	g.world = nil
	g.work.Go(func() {
		if err := world.Close(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.wrong = append(g.wrong, err)
		}
	})
}

// close ends everything, and says what was wrong in the worlds.
func (g *ground) close() error {
	g.mu.Lock()
	g.closed = true
	g.leave()
	g.mu.Unlock()
	g.work.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.wrong...)
}

// later does something in a while, unless the scenario has ended. It holds g.mu.
func (g *ground) later(d time.Duration, do func()) {
	ctx := g.ctx
	g.work.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(d):
			g.mu.Lock()
			defer g.mu.Unlock()
			if ctx.Err() == nil {
				do()
			}
		}
	})
}

// aside does something that takes its time, without g.mu.
func (g *ground) aside(do func(ctx context.Context)) {
	ctx := g.ctx
	g.work.Go(func() { do(ctx) })
}

// locked does something with g.mu, and reports false where the scenario has ended.
func (g *ground) locked(ctx context.Context, do func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	do()
	return true
}

// group adds a group, whose messages are numbered from 101 on.
func (g *ground) group(of recalltest.Group) {
	g.groups = append(g.groups, of)
	g.world.Service().AddGroup(of)
	g.world.Service().SkipTo(of.ID, "", 101)
}

// say lets a member write into a group.
func (g *ground) say(group, from, text string, options ...recalltest.SayOption) {
	seq := g.world.Service().Say(group, "", from, text, options...)
	g.said = append(g.said, said{group: group, from: from, text: text, seq: seq})
}

// home is the platform that is shown.
func (g *ground) home() bottest.Home { return g.world.Home(g.tab) }

// user is the account of somebody on the platform that is shown.
func (g *ground) user(name string) string { return g.home().User(name) }

// look sees what there is to see, and goes on to the next step when the present one is done. g.mu
// is held.
func (g *ground) look() {
	chat := g.world.Service()
	g.now.recalled = len(chat.RecalledSeqs(lounge, ""))
	g.now.twice = len(chat.RecalledMoreThanOnce())
	if !g.dead {
		_ = g.world.View(func(tx bot.Tx) error { // a bot that is killed meanwhile has nothing to show
			if all, err := tx.Requests(bot.Query{}); err == nil {
				g.now.requests = all
			}
			return g.audited(tx)
		})
	}
	if g.lose && !g.off && chat.Calls(recalltest.Recall) > g.calls {
		g.lose = false
	}
	for g.step < len(g.scene.steps) && g.scene.steps[g.step].done(g) {
		g.enter(g.step + 1)
	}
}

// audited reads on in the audit log.
func (g *ground) audited(tx bot.Tx) error {
	entries, err := tx.Entries(g.read+1, 1000)
	for _, e := range entries {
		g.read = e.N
		var refused struct{ Why string }
		if err := json.Unmarshal(e.Detail, &refused); err == nil && e.What == "refused" {
			g.now.refused[refused.Why] = true
		}
	}
	return err
}

// faults lets the Chat service fail as it is to.
func (g *ground) faults() {
	chat := g.world.Service()
	chat.ClearFaults()
	g.calls = chat.Calls(recalltest.Recall)
	switch {
	case g.off:
		chat.Inject("", -1, recalltest.Unreachable())
	case g.lose:
		chat.Inject(recalltest.Recall, 1, recalltest.ResetAfter())
	}
}

// fail notes an error of the practice ground itself.
func (g *ground) fail(err error) {
	if err != nil {
		g.note = "The practice ground failed: " + err.Error()
	}
}

// thousands writes a number as people do.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// enter begins a step.
func (g *ground) enter(n int) {
	g.step = n
	if n == len(g.scene.steps) {
		g.done[g.scene.id] = true
		return
	}
	s := g.scene.steps[n]
	if s.types != "" {
		g.typed = s.types
	}
}

// present is the step that is played; the zero step once all are done.
func (g *ground) present() step {
	if g.step < len(g.scene.steps) {
		return g.scene.steps[g.step]
	}
	return step{}
}

// item is a message of the channel and what stands in its thread.
type item struct {
	bottest.Shown
	thread []bottest.Shown
}

// channel is what the chosen person sees in the channel, oldest first, then what the bot wrote to
// them directly, and the window that they have open, if any.
func (g *ground) channel() (items []item, direct []bottest.Shown, window *bottest.Shown) {
	p, home := g.home().People(), g.home()
	var top []bottest.Shown
	threads := map[string][]bottest.Shown{} // by the message that begins it
	for _, m := range p.Alone(g.user(g.face)) {
		switch {
		case m.Window:
			window = &m
		case m.Ref.Channel != home.Channel():
			direct = append(direct, m)
		case m.Ref.Thread != "":
			threads[m.Ref.Thread] = append(threads[m.Ref.Thread], m)
		default:
			top = append(top, m)
		}
	}
	all := p.Channel(home.Channel())
	top = append(top, all...)
	inOrder := func(a, b bottest.Shown) int {
		if len(a.ID) != len(b.ID) {
			return len(a.ID) - len(b.ID)
		}
		return strings.Compare(a.ID, b.ID)
	}
	slices.SortStableFunc(top, inOrder)
	for _, m := range top {
		it := item{Shown: m}
		if m.Bot && !m.Reply {
			for _, in := range slices.Concat(p.Thread(m.Ref), threads[m.Ref.Message]) {
				if !slices.ContainsFunc(all, func(a bottest.Shown) bool { return a.ID == in.ID }) {
					it.thread = append(it.thread, in)
				}
			}
			slices.SortStableFunc(it.thread, inOrder)
		}
		items = append(items, it)
	}
	return items, direct, window
}

// find returns a message or window that the chosen person sees.
func (g *ground) find(id string) (bottest.Shown, bool) {
	items, direct, window := g.channel()
	for _, it := range items {
		if it.ID == id {
			return it.Shown, true
		}
		direct = append(direct, it.thread...)
	}
	if window != nil {
		direct = append(direct, *window)
	}
	for _, m := range direct {
		if m.ID == id {
			return m, true
		}
	}
	return bottest.Shown{}, false
}

// acknowledged is how long a person waits until the platform says that something failed.
const acknowledged = 5 * time.Second

// await waits, without g.mu, for the acknowledgement of what a person did, and notes what the
// platform says where there was none.
func (g *ground) await(ctx context.Context, d bottest.Deed) {
	wait, cancel := context.WithTimeout(ctx, acknowledged)
	defer cancel()
	err := d.Wait(wait)
	g.locked(ctx, func() {
		g.note = ""
		if err != nil {
			g.note = err.Error()
			if fake, said, ok := strings.Cut(g.note, "test: "); ok && !strings.Contains(fake, " ") {
				g.note = said // without the name of the fake
			}
		}
	})
}
