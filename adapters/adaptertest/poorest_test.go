package adaptertest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"recallbot/adapters/adaptertest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	_ "recallbot/bot/golden" // every package takes -update
	"recallbot/bot/intake"
)

// This file has the poorest platform that the bot can be used on: no threads, no forms, no private
// answers but direct messages, 500 characters a message, and no markup. What a richer platform does
// for an adapter is done by hand here: two buttons in a row stand for a confirmation, a card that
// does not fit says that /recalls show ID shows it whole, and that comes in as many messages as it
// takes. It passes the suite, so that the seam asks for nothing more.

const (
	poorest = bot.Platform("poorest")
	most    = 500
)

var poorWorld = adaptertest.World{
	Home: "home", Team: "home", Channel: "room", Mods: "mods", Leads: "leads", Mina: "mina", Theo: "theo",
	Nobody: "nobody", MinaName: "mina",
}

func TestPoorest(t *testing.T) {
	adaptertest.Test(t, func(t *testing.T) adaptertest.Rig {
		r := &poorRig{t: t, bot: adaptertest.NewBot(adaptertest.Policy(poorest, poorWorld))}
		r.start()
		t.Cleanup(func() { r.stop() })
		return r
	})
}

// chat is the platform in memory: numbered messages in rooms, and updates that say what people do.
type chat struct {
	mu       sync.Mutex
	messages []*post
	pings    []bottest.Ping
	fails    map[adaptertest.Call][]adaptertest.Failure
	updates  int
}

type post struct {
	id      int
	room    string // direct messages are in "dm:USER"
	text    string
	buttons []button
	file    *bot.File
	to      string // the message that it answers
	silent  bool   // nobody's phone shows it
	bot     bool
}

type button struct{ label, data string }

var (
	errDown  = errors.New("the platform is down")
	failures = map[adaptertest.Failure]error{
		adaptertest.Gone: bot.ErrGone, adaptertest.Forbidden: bot.ErrForbidden, adaptertest.Refused: bot.ErrRefused,
		adaptertest.Busy: &bot.Later{After: adaptertest.BusyFor, Err: errDown}, adaptertest.Down: errDown,
		adaptertest.Lost: errDown,
	}
)

// call does f unless the next call of its kind fails.
func (c *chat) call(kind adaptertest.Call, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all := c.fails[kind]; len(all) > 0 {
		c.fails[kind] = all[1:]
		if all[0] == adaptertest.Lost {
			_ = f() // it is done all the same
		}
		return failures[all[0]]
	}
	return f()
}

// send posts a message, and calls for those whom it notifies.
func (c *chat) send(p post, notify ...string) (id int, err error) {
	err = c.call(adaptertest.Posting, func() error {
		if utf8.RuneCountInString(p.text) > most {
			return bot.ErrRefused
		}
		id = len(c.messages) + 1
		p.id, p.bot = id, true
		c.messages = append(c.messages, &p)
		for _, who := range notify {
			c.pings = append(c.pings, bottest.Ping{Who: who})
		}
		return nil
	})
	return id, err
}

func (c *chat) edit(id int, text string, buttons []button) error {
	return c.call(adaptertest.Editing, func() error {
		if utf8.RuneCountInString(text) > most {
			return bot.ErrRefused
		}
		p := c.find(id)
		if p == nil {
			return bot.ErrGone
		}
		p.text, p.buttons = text, buttons
		return nil
	})
}

func (c *chat) remove(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.find(id); p != nil {
		c.messages[id-1] = nil
	}
}

func (c *chat) find(id int) *post {
	if id < 1 || id > len(c.messages) {
		return nil
	}
	return c.messages[id-1]
}

// update is something that a person did.
type update struct {
	id, user, room, text, data string
	message                    int // whose button was pressed
	deed                       *poorDeed
}

// poorDeed is an update on its way.
type poorDeed struct {
	r     *poorRig
	began time.Time
	again func(*poorDeed)
	mu    sync.Mutex
	after time.Duration
	acked bool
	why   string
	done  chan struct{} // closed when it was acknowledged, or could not be done
}

func (d *poorDeed) ack(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.acked || d.why != "" {
		return
	}
	d.acked, d.after, d.why = why == "", time.Since(d.began), why
	close(d.done)
}

func (d *poorDeed) Wait(ctx context.Context) error {
	select {
	case <-d.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if why := d.Problem(); why != "" {
		return errors.New(why)
	}
	return nil
}

func (d *poorDeed) Acked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked
}

func (d *poorDeed) AckedAfter() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.after
}

func (d *poorDeed) Problem() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.why
}

func (d *poorDeed) Opened() (bottest.Form, bool) { return bottest.Form{}, false }

func (d *poorDeed) Again() bottest.Deed {
	if d.again == nil {
		return d.r.cannot("there is nothing to deliver again")
	}
	next := d.r.deed()
	d.again(next)
	return next
}

// poorAdapter is the bot on the poorest platform.
type poorAdapter struct {
	chat *chat
	bot  *adaptertest.Bot
	flow *intake.Flow

	mu    sync.Mutex
	parts map[int][]int // of what a person was shown alone, by each of its messages
}

var poorButtons = intake.Buttons{Platform: poorest, Most: 64, Confirms: true}

func init() { bot.Register(bot.Traits{ID: poorest, Name: "Poorest", Announces: true}) }

func (a *poorAdapter) Platform() bot.Platform { return poorest }

func (a *poorAdapter) Ready() error { return nil }

func (a *poorAdapter) Run(ctx context.Context) error {
	a.flow.HandleOrphans(ctx)
	a.flow.Stop()
	a.flow.Cancel()
	return nil
}

// say is a line in plain text.
func say(l bot.Line) string {
	s := ""
	for _, span := range l {
		s += bot.Visible(bot.Line{span}.String())
	}
	return s
}

// cardLines is all that a card says, in its order.
func cardLines(c bot.Card) (all []string) {
	lines := func(list ...bot.Line) {
		for _, l := range list {
			if len(l) > 0 {
				all = append(all, say(l))
			}
		}
	}
	lines(c.Title)
	lines(c.Head...)
	lines(c.Call)
	lines(c.Unusual...)
	all = append(all, sampleLines(c.Samples)...)
	lines(c.Below...)
	lines(c.Small...)
	return all
}

func sampleLines(samples []bot.Sample) (all []string) {
	for _, m := range samples {
		if m.Skipped > 0 {
			all = append(all, fmt.Sprint("... ", m.Skipped, " messages"))
		}
		if len(m.Above) > 0 {
			all = append(all, say(m.Above))
		}
		head := strconv.FormatUint(uint64(m.Seq), 10) + " " + m.Who().String()
		if m.Alike > 0 {
			head = say(append(bot.Say("card.alike", "n", m.Alike), m.Text...))
			m.Text = nil
		}
		if !m.Sent.IsZero() {
			head += " " + say(bot.Line{bot.At(m.Sent)})
		}
		for _, mark := range m.Marks {
			head += ", " + say(mark)
		}
		all = append(all, head)
		if len(m.Text) > 0 {
			all = append(all, say(m.Text))
		}
	}
	return all
}

// pack puts lines into as few texts as hold them, each of size characters at most. A line that is
// longer goes on in the next.
func pack(lines []string, size int) (texts []string) {
	text, used := "", 0
	flush := func() {
		if used > 0 {
			texts, text, used = append(texts, text), "", 0
		}
	}
	for _, l := range lines {
		r := []rune(l)
		if used+1+len(r) > size {
			flush()
		}
		for len(r) > size {
			texts, r = append(texts, string(r[:size])), r[size:]
		}
		text, used = strings.TrimPrefix(text+"\n"+string(r), "\n"), used+1+len(r)
	}
	flush()
	return texts
}

// cardText is a card in one message.
func cardText(c bot.Card) string {
	text := strings.Join(cardLines(c), "\n")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	rest := "\n... all of it: /recalls show " + string(c.ID)
	return string([]rune(text)[:most-utf8.RuneCountInString(rest)]) + rest
}

// cardButtons are the buttons of a card. Whoever presses one that asks once more is asked by a
// direct message with two buttons. before says where it stands, in what a person sees alone.
func cardButtons(c bot.Card, before string) (list []button) {
	for _, b := range c.Buttons {
		data := before + poorButtons.Of(c, b.Kind)
		if b.Confirm != nil {
			data = "ask|" + data
		}
		list = append(list, button{b.Label, data})
	}
	return list
}

func (a *poorAdapter) Post(_ context.Context, at bot.Place, c bot.Card, _ string) (bot.Ref, error) {
	c.Samples, c.Below = nil, nil // all that a post says is announced
	id, err := a.chat.send(post{room: at.Channel, text: cardText(c), buttons: cardButtons(c, "")}, c.Notify...)
	return bot.Ref{Channel: at.Channel, Message: strconv.Itoa(id)}, err
}

func (a *poorAdapter) Edit(_ context.Context, ref bot.Ref, c bot.Card) error {
	id, _ := strconv.Atoi(ref.Message)
	err := a.chat.edit(id, cardText(c), cardButtons(c, ""))
	if errors.Is(err, errDown) && !isLater(err) {
		err = a.chat.edit(id, cardText(c), cardButtons(c, ""))
	}
	return err
}

// Progress does nothing: the platform takes no edits of what one person sees alone.
func (a *poorAdapter) Progress(context.Context, bot.RequestID, bot.Line, bot.Reading) {}

func isLater(err error) bool {
	_, ok := errors.AsType[*bot.Later](err)
	return ok
}

// Reply posts a note into the room, where it answers the card.
func (a *poorAdapter) Reply(_ context.Context, ref bot.Ref, n bot.Note) (bot.Ref, error) {
	var lines []string
	for _, l := range n.Lines {
		lines = append(lines, say(l))
	}
	notify := slices.Clone(n.Notify)
	if n.Mention != nil && n.Mention.Platform == poorest {
		notify = append(notify, n.Mention.User)
	}
	at := bot.Ref{Channel: ref.Channel, Thread: ref.Message}
	for i, text := range pack(lines, most) {
		p := post{room: ref.Channel, text: text, to: ref.Message}
		if i == 0 {
			p.file = n.File
		}
		id, err := a.chat.send(p, notify...)
		if err != nil {
			return at, err
		}
		notify = nil // once
		at.Message = cmp.Or(at.Message, strconv.Itoa(id))
	}
	return at, nil
}

func (a *poorAdapter) Whisper(_ context.Context, w bot.Whisper) error {
	var lines []string
	for _, l := range w.Lines {
		lines = append(lines, say(l))
	}
	a.alone(w.To.User, lines, nil)
	return nil
}

// receive takes an update.
func (a *poorAdapter) receive(u update) {
	data, asks := strings.CutPrefix(u.data, "ask|")
	if data == "no" || asks {
		u.deed.ack("")
		if !asks {
			a.replace(u.message)
			return
		}
		a.ask(u, data)
		return
	}
	d := &poorDelivery{a: a, u: u, began: time.Now()}
	act := intake.Act{Kind: intake.ActCommand}
	room := u.room
	if u.data == "" {
		name, text, _ := strings.Cut(u.text, " ")
		act.Command, act.Text = strings.TrimPrefix(name, "/"), text
	} else {
		card := u.message
		if on, ok := strings.CutPrefix(data, "on|"); ok {
			parts := strings.SplitN(on, "|", 3)
			room, data = parts[0], parts[2]
			card, _ = strconv.Atoi(parts[1])
		}
		if act = poorButtons.Press(data); act.Kind == intake.ActForged {
			act = poorButtons.Sent(data, nil)
		}
		if act.Card.Channel = room; card != 0 { // 0: it was shown alone, by a command
			act.Card.Message = strconv.Itoa(card)
		}
	}
	d.e = intake.Event{ID: bot.EventID(u.id), Name: u.user, Act: act,
		Place: bot.Place{Platform: poorest, Workspace: poorWorld.Home, Channel: room},
		By:    bot.Account{Platform: poorest, Workspace: poorWorld.Team, User: u.user}}
	if strings.HasPrefix(room, "dm:") {
		d.e.Place.Trouble = bot.TroubleDirectMessage
	}
	d.e = d.e.Read()
	if !a.flow.Begin(func() { a.flow.Handle(d, d.began) }) {
		u.deed.ack("the bot has stopped")
	}
}

// ask asks once more, as the button of the card says.
func (a *poorAdapter) ask(u update, data string) {
	inner := data
	if !strings.HasPrefix(data, "on|") {
		data = fmt.Sprintf("on|%s|%d|%s", u.room, u.message, data)
	} else {
		inner = strings.SplitN(data, "|", 4)[3]
	}
	kind := strings.SplitN(inner, ":", 3)[1]
	c, err := a.bot.ShowingNow(a.flow.Context(), poorButtons.Press(inner).Request)
	if err != nil {
		return
	}
	c.Buttons = slices.Concat(c.Buttons, stopButtons)
	for _, b := range c.Buttons {
		if string(b.Kind) == kind && b.Confirm != nil {
			a.alone(u.user, []string{b.Confirm.Title, b.Confirm.Text},
				[]button{{b.Confirm.Yes, data}, {b.Confirm.No, "no"}})
			return
		}
	}
}

// stopButtons stands in for a card that has begun: the stand-in for the bot shows one that has not.
var stopButtons = []bot.Button{{Kind: bot.ButtonStop, Confirm: &bot.Confirm{Title: "Stop?", Yes: "Stop", No: "Go on"}}}

// alone shows something to one person, in as many direct messages as it takes. None of them is
// shown by their phone: it may be what messages say.
func (a *poorAdapter) alone(user string, lines []string, buttons []button) {
	texts := pack(lines, most-10)
	var ids []int
	for i, text := range texts {
		p := post{room: "dm:" + user, text: text, silent: true}
		if len(texts) > 1 {
			p.text = fmt.Sprintf("(%d/%d) %s", i+1, len(texts), text)
		}
		if i == len(texts)-1 {
			p.buttons = buttons
		}
		if id, err := a.chat.send(p); err == nil {
			ids = append(ids, id)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.parts[id] = ids
	}
}

// replace takes away what a person was shown alone.
func (a *poorAdapter) replace(message int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range a.parts[message] {
		a.chat.remove(id)
	}
}

// poorDelivery is an update being taken.
type poorDelivery struct {
	a     *poorAdapter
	u     update
	e     intake.Event
	began time.Time
}

func (d *poorDelivery) Event() intake.Event     { return d.e }
func (d *poorDelivery) Known() bool             { return true }
func (d *poorDelivery) Patience() time.Duration { return 0 }
func (d *poorDelivery) Linger()                 {}

func (d *poorDelivery) Member(context.Context) (bot.Member, bot.Place, error) {
	m := bot.Member{Account: d.e.By, Name: d.e.Name, ApproversKnown: true,
		Approvers: []bot.Account{{Platform: poorest, Workspace: poorWorld.Team, User: poorWorld.Theo}}}
	switch d.e.By.User {
	case poorWorld.Mina:
		m.Groups = []string{poorWorld.Mods}
	case poorWorld.Theo:
		m.Groups = []string{poorWorld.Leads}
	}
	return m, d.e.Place, nil
}

// Acknowledge holds no answer here.
func (d *poorDelivery) Acknowledge(*intake.Answer) bool {
	d.u.deed.ack("")
	return false
}

func (d *poorDelivery) Say(ctx context.Context, l bot.Line) error {
	return d.Answer(ctx, intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{l}})
}

// Answer answers by direct messages. A page takes the place of the one whose button was pressed,
// and so does a card; what asked once more goes.
func (d *poorDelivery) Answer(ctx context.Context, answer intake.Answer) error {
	if answer.Repeated {
		return nil
	}
	on := fmt.Sprintf("on|%s|%s|", d.e.Place.Channel, d.e.Act.Card.Message)
	var lines []string
	var buttons []button
	switch {
	case answer.Kind == intake.ShowForm && answer.Form != nil:
		lines = []string{answer.Form.Title}
		for _, in := range answer.Form.Inputs {
			if in.Required { // it must be typed: the command is the way
				lines = append(lines, in.Label, in.Placeholder)
			}
		}
		if len(lines) == 1 {
			buttons = []button{{answer.Form.Submit, on + poorButtons.Form(*answer.Form)}, {"Cancel", "no"}}
		}
	case answer.Kind == intake.ShowPage && answer.Page != nil:
		p := *answer.Page
		lines = append([]string{say(p.Title)}, sampleLines(p.Samples)...)
		for _, l := range p.Notes {
			lines = append(lines, say(l))
		}
		for _, b := range poorButtons.OfPage(p) {
			buttons = append(buttons, button{b.Label, on + b.Carries})
		}
		d.a.replace(d.u.message)
	case answer.Kind == intake.ShowCard && answer.Card != nil:
		lines, buttons = cardLines(*answer.Card), cardButtons(*answer.Card, on)
	case answer.Kind == intake.Changed && d.e.Act.OfLines():
		d.a.replace(d.u.message)
	case answer.Card != nil || answer.Kind == intake.Changed:
		d.a.replace(d.u.message)
		if answer.Card != nil { // other cards are the teller's
			d.a.alone(d.u.user, cardLines(*answer.Card), cardButtons(*answer.Card, on))
		}
	}
	for _, l := range answer.Lines {
		lines = append(lines, say(l))
	}
	for i, label := range answer.Offer.Labels() {
		buttons = append(buttons, button{label, on + poorButtons.Use(answer.Offer, i)})
	}
	if len(lines) > 0 {
		d.a.alone(d.u.user, lines, buttons)
	}
	return nil
}

// poorRig is the platform, the adapter at work there, and the people.
type poorRig struct {
	t    *testing.T
	bot  *adaptertest.Bot
	chat *chat
	a    *poorAdapter
	stop func()
}

func (r *poorRig) start() {
	if r.chat == nil {
		r.chat = &chat{fails: map[adaptertest.Call][]adaptertest.Failure{}}
	}
	r.a = &poorAdapter{chat: r.chat, bot: r.bot, parts: map[int][]int{}}
	r.a.flow = intake.NewFlow(poorest, r.bot, nil, nil, slog.New(slog.DiscardHandler))
	r.stop = adaptertest.Start(r.t, r.a, nil)
}

func (r *poorRig) Restart() {
	r.stop()
	r.start()
}

func (r *poorRig) World() adaptertest.World { return poorWorld }
func (r *poorRig) Bot() *adaptertest.Bot    { return r.bot }
func (r *poorRig) Surface() bot.Surface     { return r.a }
func (r *poorRig) Blind() bool              { return false }
func (r *poorRig) FormsFollow() bool        { return false }
func (r *poorRig) Complaints() []string     { return nil }

func (r *poorRig) Can() adaptertest.Abilities {
	return adaptertest.Abilities{Confirms: true, NoThreads: true, NoForms: true, Most: most}
}

func (r *poorRig) Act(c adaptertest.Typed) intake.Act {
	return intake.Act{Kind: intake.ActCommand, Command: c.Command, Text: c.Text()}
}

func (r *poorRig) Fail(c adaptertest.Call, f adaptertest.Failure, n int) {
	r.chat.mu.Lock()
	defer r.chat.mu.Unlock()
	r.chat.fails[c] = slices.Repeat([]adaptertest.Failure{f}, n)
}

func (r *poorRig) Troubles() map[bot.Trouble]adaptertest.Case {
	return map[bot.Trouble]adaptertest.Case{
		bot.TroubleDirectMessage: {Who: poorWorld.Mina, Channel: "dm:" + poorWorld.Mina},
	}
}

func (r *poorRig) Lacks() map[bot.Trouble]string {
	lacks := map[bot.Trouble]string{}
	for _, t := range []bot.Trouble{bot.TroubleBot, bot.TroubleWorkflow, bot.TroubleDeactivated, bot.TroubleGuest,
		bot.TroubleForeign, bot.TroublePending, bot.TroubleTimedOut, bot.TroubleWrongGuild, bot.TroubleUserInstalled,
		bot.TroubleUnknown, bot.TroubleNotInChannel, bot.TroubleArchived, bot.TroubleExtShared} {
		lacks[t] = "the poorest platform knows nothing like it"
	}
	return lacks
}

func (r *poorRig) deed() *poorDeed {
	return &poorDeed{r: r, began: time.Now(), done: make(chan struct{})}
}

func (r *poorRig) cannot(why string) bottest.Deed {
	d := r.deed()
	d.ack(why)
	return d
}

// deliver delivers an update as d.
func (r *poorRig) deliver(d *poorDeed, u update) {
	r.chat.mu.Lock()
	r.chat.updates++
	u.id = fmt.Sprint("poorest-", r.chat.updates)
	r.chat.mu.Unlock()
	d.again = func(next *poorDeed) {
		u.deed = next
		go r.a.receive(u)
	}
	u.deed = d
	go r.a.receive(u)
}

func (r *poorRig) Type(user, channel, line string) bottest.Deed {
	d := r.deed()
	r.deliver(d, update{user: user, room: channel, text: line})
	return d
}

// press presses a button; where it asks once more, the first of the two that do as well.
func (r *poorRig) press(user string, on *post, data string) bottest.Deed {
	d := r.deed()
	u := update{user: user, room: on.room, message: on.id, data: data}
	if !strings.HasPrefix(data, "ask|") {
		r.deliver(d, u)
		return d
	}
	first := r.deed()
	r.deliver(first, u)
	go func() {
		time.Sleep(50 * time.Millisecond)
		r.chat.mu.Lock()
		var asks *post
		for _, p := range r.chat.messages {
			if p != nil && p.room == "dm:"+user && len(p.buttons) == 2 {
				asks = p
			}
		}
		r.chat.mu.Unlock()
		if asks == nil {
			d.ack("nobody asked once more")
			return
		}
		r.deliver(d, update{user: user, room: asks.room, message: asks.id, data: asks.buttons[0].data})
	}()
	return d
}

func (r *poorRig) labelled(user string, on *post, label string) bottest.Deed {
	if on != nil {
		for _, b := range on.buttons {
			if strings.HasPrefix(b.label, label) {
				return r.press(user, on, b.data)
			}
		}
	}
	return r.cannot("there is no button " + label)
}

func (r *poorRig) Press(user string, on bot.Ref, label string) bottest.Deed {
	r.chat.mu.Lock()
	id, _ := strconv.Atoi(on.Message)
	p := r.chat.find(id)
	r.chat.mu.Unlock()
	return r.labelled(user, p, label)
}

func (r *poorRig) PressOlder(user string, older bottest.Shown, label string) bottest.Deed {
	p := older.Own.(post)
	return r.labelled(user, &p, label)
}

func (r *poorRig) PressAlone(user, label string) bottest.Deed {
	r.chat.mu.Lock()
	var newest *post
	for _, p := range r.chat.messages {
		if p != nil && p.room == "dm:"+user && len(p.buttons) > 0 {
			newest = p
		}
	}
	r.chat.mu.Unlock()
	return r.labelled(user, newest, label)
}

func (r *poorRig) PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) bottest.Deed {
	id, _ := strconv.Atoi(card.Message)
	return r.press(who, &post{id: id, room: card.Channel}, "v1:"+string(b)+":"+request+":"+digest)
}

func (r *poorRig) Complete(string, string, string) []string { return nil }

func (r *poorRig) Form(string) (bottest.Form, bool) { return bottest.Form{}, false }

func (r *poorRig) Send(string, bottest.Form, map[string]string) bottest.Deed {
	return r.cannot("there are no forms")
}

// shown is a message as its readers see it. A phone shows its beginning.
func shown(p *post) bottest.Shown {
	m := bottest.Shown{ID: strconv.Itoa(p.id), Ref: bot.Ref{Channel: p.room, Message: strconv.Itoa(p.id)},
		Text: p.text, Picture: p.text, Bot: p.bot, Reply: p.to != "", Own: *p}
	if !p.silent {
		m.Notice = p.text[:min(len(p.text), 440)]
	}
	for _, b := range p.buttons {
		m.Buttons = append(m.Buttons, b.label)
	}
	if p.file != nil {
		m.Files = []bot.File{*p.file}
	}
	return m
}

func (r *poorRig) list(keep func(*post) bool) (all []bottest.Shown) {
	r.chat.mu.Lock()
	defer r.chat.mu.Unlock()
	for _, p := range r.chat.messages {
		if p != nil && keep(p) {
			all = append(all, shown(p))
		}
	}
	return all
}

func (r *poorRig) Look(at bot.Ref) (bottest.Shown, bool) {
	all := r.list(func(p *post) bool { return strconv.Itoa(p.id) == at.Message && p.room == at.Channel })
	if len(all) == 0 {
		return bottest.Shown{}, false
	}
	return all[0], true
}

func (r *poorRig) Channel(id string) []bottest.Shown {
	return r.list(func(p *post) bool { return p.room == id })
}

func (r *poorRig) Thread(card bot.Ref) []bottest.Shown {
	return r.list(func(p *post) bool { return p.to == card.Message })
}

// Alone takes the messages of one answer together, as a person reads them.
func (r *poorRig) Alone(user string) (all []bottest.Shown) {
	for _, m := range r.list(func(p *post) bool { return p.room == "dm:"+user }) {
		part, of := 0, 0
		if n, _ := fmt.Sscanf(m.Text, "(%d/%d) ", &part, &of); n == 2 {
			_, m.Text, _ = strings.Cut(m.Text, ") ")
			if part > 1 && len(all) > 0 {
				last := &all[len(all)-1]
				last.Text, last.Buttons, last.Own = last.Text+"\n"+m.Text, m.Buttons, m.Own
				continue
			}
		}
		all = append(all, m)
	}
	return all
}

func (r *poorRig) Close(string) {}

func (r *poorRig) Notified() []bottest.Ping {
	r.chat.mu.Lock()
	defer r.chat.mu.Unlock()
	return slices.Clone(r.chat.pings)
}
