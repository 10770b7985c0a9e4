package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

// slackSide is the workspace, and what its people have seen.
type slackSide struct {
	w   *slacktest.Workspace
	url string // of the listener, "" in process

	mu   sync.Mutex
	last *slacktest.Delivery
	seen map[string]string // what was shown to one person alone, by user and message
	kept map[string]slacktest.Message
}

func newSlackSide(s *Sandbox) *slackSide {
	side := &slackSide{w: slacktest.New(), seen: map[string]string{}, kept: map[string]slacktest.Message{}}
	var everybody []string
	for _, p := range people {
		side.w.AddUser(slacktest.User{ID: p.slack, Name: p.name, RealName: title(p.name)})
		everybody = append(everybody, p.slack)
	}
	side.w.AddGroup(slacktest.UserGroup{ID: slackLeads, Handle: leads, Name: "Leads",
		Members: those(approves, bot.Slack)})
	side.w.AddChannel(slacktest.Channel{ID: slackChannel, Name: "trust", Members: everybody, BotIn: true})
	if s.o.Loopback {
		url, stop := side.w.Start()
		side.url, s.stops = url, append(s.stops, stop)
	}
	return side
}

func (k *slackSide) serve(p *process) (bot.Surface, error) {
	opts := slack.Options{
		BotToken: k.w.BotToken, HTTPClient: p.client(k.w.Client()), Dial: p.dial(k.w.DialContext), Log: p.log,
		Bot: p.bot,
	}
	if p.s.o.HTTP {
		opts.SigningSecrets = []string{k.w.SigningSecret}
	} else {
		opts.AppToken = k.w.AppToken
	}
	if k.url != "" {
		opts.APIURL = k.url + "/api/"
	}
	var err error
	if p.slack, err = slack.New(opts); err == nil && p.s.o.HTTP {
		k.w.Deliver(p.slack.Handler())
	}
	return p.slack, err
}

func (k *slackSide) up(p *process) bool {
	return p.slack.Ready() == nil && (p.s.o.HTTP || len(k.w.Sockets()) > 0)
}

// done waits until the app has taken what somebody did.
func (k *slackSide) done(d *slacktest.Delivery) error {
	k.mu.Lock()
	k.last = d
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.Wait(ctx)
}

func (k *slackSide) write(who, line string) error {
	user, err := account(bot.Slack, who)
	if err != nil {
		return err
	}
	command, text, _ := strings.Cut(line, " ")
	return k.done(k.w.Command(user, slackChannel, command, text))
}

// find returns the card of a request: a message of the app in the channel itself.
func (k *slackSide) find(id string) (slacktest.Message, error) {
	for _, m := range slices.Backward(k.w.Messages(slackChannel)) {
		if m.User == k.w.BotUserID && m.ThreadTS == "" && about(k.w.Picture(m)) == id {
			return m, nil
		}
	}
	return slacktest.Message{}, fmt.Errorf("sandbox: there is no card of %s on Slack", id)
}

func (k *slackSide) press(who, button, id string, values map[string]string, finish bool) error {
	user, err := account(bot.Slack, who)
	if err != nil {
		return err
	}
	if action, ok := slackInWindow[button]; ok {
		return k.pressInWindow(user, action)
	}
	ref, err := k.where(user, id)
	if err != nil {
		return err
	}
	before := k.private(user)
	if err := k.done(k.w.Press(user, ref, button)); err != nil {
		return err
	}
	return k.finish(user, button, before, values, finish)
}

// where is the card of a request as somebody sees it: the one in the channel, else one that was
// shown to them alone.
func (k *slackSide) where(user, id string) (slacktest.MessageRef, error) {
	card, err := k.find(id)
	if err == nil {
		return card.Ref(), nil
	}
	for _, e := range slices.Backward(k.w.Ephemerals(user)) {
		if about(k.w.Picture(e)) == id && len(e.Buttons()) > 0 {
			return e.Ref(), nil
		}
	}
	return slacktest.MessageRef{}, err
}

// slackInWindow are the buttons under the messages in a window.
var slackInWindow = map[string]string{"next": "page_next", "previous": "page_previous", "recall": "recall_find"}

func (k *slackSide) pressInWindow(user, action string) error {
	if views := k.w.Views(user); len(views) > 0 {
		return k.done(k.w.PressInView(user, views[len(views)-1].ID, action))
	}
	for _, e := range slices.Backward(k.w.Ephemerals(user)) {
		if slices.ContainsFunc(e.Buttons(), func(b slacktest.Button) bool { return b.ActionID == action }) {
			return k.done(k.w.Press(user, e.Ref(), action))
		}
	}
	return fmt.Errorf("sandbox: %s sees no button %s", nameOf(user), action)
}

// finish sends the form of Reject, once it is open. Where another answer comes in its place there
// is none.
func (k *slackSide) finish(user, button string, before int, values map[string]string, finish bool) error {
	if button != string(bot.ButtonReject) {
		return nil
	}
	await(func() bool { return k.private(user) > before })
	if views := k.w.Views(user); !finish || len(views) == 0 || views[len(views)-1].Submit == "" {
		return nil
	}
	return k.fill(user, values)
}

// private counts what was shown to somebody alone.
func (k *slackSide) private(user string) int {
	n := len(k.w.Ephemerals(user))
	for _, v := range k.w.Views(user) {
		if !strings.Contains(string(v.Blocks), "Checking") {
			n++
		}
	}
	return n
}

func (k *slackSide) fill(who string, values map[string]string) error {
	user := who
	if id, err := account(bot.Slack, who); err == nil {
		user = id
	}
	views := k.w.Views(user)
	if len(views) == 0 {
		return fmt.Errorf("sandbox: %s has no form open on Slack", who)
	}
	return k.done(k.w.Submit(user, views[len(views)-1].ID, values))
}

func (k *slackSide) keep() {
	for _, m := range k.w.Messages(slackChannel) {
		if id := about(k.w.Picture(m)); id != "" && m.ThreadTS == "" {
			k.kept[id] = m
		}
	}
}

func (k *slackSide) pressKept(who, button, id string, values map[string]string) error {
	user, err := account(bot.Slack, who)
	if err != nil {
		return err
	}
	card, ok := k.kept[id]
	if !ok {
		return fmt.Errorf("sandbox: no card of %s was kept", id)
	}
	before := k.private(user)
	if err := k.done(k.w.PressStale(user, card, button)); err != nil {
		return err
	}
	return k.finish(user, button, before, values, true)
}

func (k *slackSide) redeliver() error {
	if k.last == nil {
		return errors.New("sandbox: nobody did anything on Slack yet")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return k.last.Replay().Wait(ctx)
}

func (k *slackSide) card(id string) (string, error) {
	m, err := k.find(id)
	if err != nil {
		return "", err
	}
	return k.w.Picture(m), nil
}

func (k *slackSide) thread(id string) (string, error) {
	m, err := k.find(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range k.w.Thread(slackChannel, m.TS) {
		b.WriteString(k.w.Picture(r))
		for _, f := range r.Files {
			b.WriteString(excerpt(f.Content))
		}
	}
	return b.String(), nil
}

func (k *slackSide) whispers(who string) ([]string, error) {
	user, err := account(bot.Slack, who)
	if err != nil {
		return nil, err
	}
	return k.hears(user), nil
}

// hears is what a user alone has been shown, or shown anew, since the last call.
func (k *slackSide) hears(user string) (heard []string) {
	anew := func(key, now string, what slacktest.Pictured) {
		if k.seen[key] != now {
			k.seen[key] = now
			heard = append(heard, k.w.Picture(what))
		}
	}
	for _, e := range k.w.Ephemerals(user) {
		anew(user+" "+e.TS, e.Text+string(e.Blocks), e)
	}
	for _, v := range k.w.Views(user) {
		anew(user+" "+v.ID, fmt.Sprint(v.Title, string(v.Blocks), v.Errors), v)
	}
	return heard
}

func (k *slackSide) pinged() []ping {
	var l []ping
	for _, n := range k.w.Notified() {
		m, _ := k.w.Message(slacktest.MessageRef{Channel: n.Channel, TS: n.TS})
		l = append(l, ping{who: nameOf(n.Who), inThread: m.ThreadTS != ""})
	}
	return l
}

func (k *slackSide) complaints() []string { return k.w.Complaints() }

func (k *slackSide) secrets() []string {
	return []string{k.w.BotToken, k.w.AppToken, k.w.SigningSecret}
}

func (k *slackSide) close() { k.w.Close() }

// excerpt is the beginning of a file, drawn below the message that shares it.
func excerpt(content []byte) string {
	lines := strings.Split(strings.TrimRight(string(content), "\r\n"), "\n")
	var b strings.Builder
	for i, l := range lines {
		if i == 4 && len(lines) > 5 {
			fmt.Fprintf(&b, "  … %d more lines\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", strings.TrimRight(l, "\r"))
	}
	return b.String()
}
