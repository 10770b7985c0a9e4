package sandbox

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// side is one platform: the bot's adapter there, and its people.
type side interface {
	serve(p *process) (bot.Surface, error)
	up(p *process) bool

	write(who, line string) error
	press(who, button, id string, values map[string]string, finish bool) error
	fill(who string, values map[string]string) error
	keep()
	pressKept(who, button, id string, values map[string]string) error
	redeliver() error

	card(id string) (string, error)
	thread(id string) (string, error)
	whispers(who string) ([]string, error)
	pinged() []ping

	complaints() []string
	secrets() []string
	close()
}

// people are those of one platform, by the names that scripts have for them and for requests, and
// what each has seen.
type people struct {
	bottest.People
	platform bot.Platform
	channel  string

	*memory
}

// memory is what changes of people.
type memory struct {
	mu   sync.Mutex
	last bottest.Deed
	seen map[string]string        // what was shown to one person alone, by user and message
	kept map[string]bottest.Shown // cards, by request
}

func newPeople(p bot.Platform, there bottest.People, channel string) people {
	return people{People: there, platform: p, channel: channel,
		memory: &memory{seen: map[string]string{}, kept: map[string]bottest.Shown{}}}
}

// done waits until the bot has acknowledged what a person did.
func (k people) done(d bottest.Deed) error {
	k.mu.Lock()
	k.last = d
	k.mu.Unlock()
	return awaited(d)
}

func awaited(d bottest.Deed) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.Wait(ctx)
}

func (k people) write(who, line string) error {
	user, err := account(k.platform, who)
	if err != nil {
		return err
	}
	return k.done(k.Type(user, k.channel, line))
}

// find returns the card of a request: a message of the bot in the channel itself that is no answer
// to another.
func (k people) find(id string) (bottest.Shown, error) {
	for _, m := range slices.Backward(k.Channel(k.channel)) {
		if m.Bot && !m.Reply && about(m.Picture) == id {
			return m, nil
		}
	}
	return bottest.Shown{}, fmt.Errorf("sandbox: there is no card of %s on %s", id, k.platform)
}

// findFor is the card of a request as somebody sees it: the one in the channel, else one that was
// shown to them alone.
func (k people) findFor(user, id string) (bottest.Shown, error) {
	card, err := k.find(id)
	if err == nil {
		return card, nil
	}
	for _, m := range slices.Backward(k.Alone(user)) {
		if !m.Window && about(m.Picture) == id && len(m.Buttons) > 0 {
			return m, nil
		}
	}
	return bottest.Shown{}, err
}

// onPage reports whether a button stands under a page of messages, which is about no request.
func onPage(button string) bool {
	return slices.Contains([]string{"next", "previous", "recall"}, button)
}

func (k people) press(who, button, id string, values map[string]string, finish bool) error {
	user, err := account(k.platform, who)
	if err != nil {
		return err
	}
	if onPage(button) {
		return k.done(k.PressAlone(user, bottest.Labels[button]))
	}
	on, err := k.findFor(user, id)
	if err != nil {
		return err
	}
	return k.opening(user, button, values, finish,
		func() bottest.Deed { return k.Press(user, on.Ref, bottest.Labels[button]) })
}

// opening does what may open a form, and with finish fills that in and sends it. Where another
// answer comes in its place there is none.
func (k people) opening(user, button string, values map[string]string, finish bool, do func() bottest.Deed) error {
	before := k.private(user)
	d := do()
	if err := k.done(d); err != nil {
		return err
	}
	f, open := d.Opened()
	if button == string(bot.ButtonReject) && k.FormsFollow() { // before Approve the platform asks by itself
		await(func() bool { return k.private(user) > before })
		f, open = k.Form(user)
	}
	if open && finish {
		return k.send(user, f, values)
	}
	return nil
}

// private counts what was shown to somebody alone; a window that says that it is being checked who
// they are does not count.
func (k people) private(user string) (n int) {
	for _, m := range k.Alone(user) {
		if !m.Window || !strings.Contains(m.Picture, "Checking") {
			n++
		}
	}
	return n
}

var number = regexp.MustCompile(`[0-9][0-9,]*`)

// send fills in a form. The number of messages is read off its title, as a person would, where
// values does not name it.
func (k people) send(user string, f bottest.Form, values map[string]string) error {
	in := map[string]string{}
	for _, name := range f.Inputs {
		if v, ok := values[name]; ok {
			in[name] = v
		} else if name == "count" {
			in[name] = strings.ReplaceAll(number.FindString(f.Title), ",", "")
		}
	}
	return k.done(k.Send(user, f, in))
}

func (k people) fill(who string, values map[string]string) error {
	user, err := account(k.platform, who)
	if err != nil {
		return err
	}
	f, ok := k.Form(user)
	if !ok {
		return fmt.Errorf("sandbox: %s has no form open on %s", who, k.platform)
	}
	return k.send(user, f, values)
}

func (k people) keep() {
	for _, m := range k.Channel(k.channel) {
		if id := about(m.Picture); id != "" && !m.Reply {
			k.kept[id] = m
		}
	}
}

func (k people) pressKept(who, button, id string, values map[string]string) error {
	user, err := account(k.platform, who)
	if err != nil {
		return err
	}
	card, ok := k.kept[id]
	if !ok {
		return fmt.Errorf("sandbox: no card of %s was kept", id)
	}
	return k.opening(user, button, values, true,
		func() bottest.Deed { return k.PressOlder(user, card, bottest.Labels[button]) })
}

func (k people) redeliver() error {
	if k.last == nil {
		return fmt.Errorf("sandbox: nobody did anything on %s yet", k.platform)
	}
	return awaited(k.last.Again())
}

func (k people) card(id string) (string, error) {
	m, err := k.find(id)
	return m.Picture, err
}

func (k people) thread(id string) (string, error) {
	card, err := k.find(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, m := range k.Thread(card.Ref) {
		b.WriteString(m.Picture)
		for _, f := range m.Files {
			b.WriteString(excerpt(f.Body))
		}
	}
	return b.String(), nil
}

func (k people) whispers(who string) ([]string, error) {
	user, err := account(k.platform, who)
	if err != nil {
		return nil, err
	}
	return k.hears(user), nil
}

// hears is what a user alone has been shown, or shown anew, since the last call.
func (k people) hears(user string) (heard []string) {
	for _, m := range k.Alone(user) {
		if key := user + " " + m.ID; k.seen[key] != m.Picture {
			k.seen[key] = m.Picture
			heard = append(heard, m.Picture)
		}
	}
	return heard
}

// ping is the notification of a person or group by a message.
type ping struct {
	who      string // a person's name, or a group's
	inThread bool
}

func (p ping) String() string {
	if p.inThread {
		return "@" + p.who + " in the thread"
	}
	return "@" + p.who + " in the channel"
}

func (k people) pinged() (l []ping) {
	for _, n := range k.Notified() {
		l = append(l, ping{who: nameOf(n.Who), inThread: n.InThread})
	}
	return l
}

func (k people) complaints() []string { return k.Complaints() }

// excerpt returns the beginning of a file, drawn below the message that shares it.
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
