package sandbox

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// side is one platform in the world: its people, by the names that scripts have for them and for
// requests, and what each has seen.
type side struct {
	bottest.People
	home  bottest.Home
	cast  []bottest.Person
	known adapters.Platform

	*memory
}

// memory is what changes of a side.
type memory struct {
	mu   sync.Mutex
	last bottest.Deed
	seen map[string]string        // what was shown to one person alone, by user and message
	kept map[string]bottest.Shown // cards, by request
}

func newSide(known adapters.Platform, home bottest.Home, cast []bottest.Person) *side {
	return &side{People: home.People(), home: home, cast: cast, known: known,
		memory: &memory{seen: map[string]string{}, kept: map[string]bottest.Shown{}}}
}

// done waits until the bot has acknowledged what a person did.
func (k *side) done(d bottest.Deed) error {
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

func (k *side) write(who, line string) error {
	user, err := k.account(who)
	if err != nil {
		return err
	}
	return k.done(k.Type(user, k.home.Channel(), line))
}

// find returns the card of a request: a message of the bot in the channel itself that is no answer
// to another.
func (k *side) find(id string) (bottest.Shown, error) {
	for _, m := range slices.Backward(k.Channel(k.home.Channel())) {
		if m.Bot && !m.Reply && about(m.Picture) == id {
			return m, nil
		}
	}
	return bottest.Shown{}, fmt.Errorf("sandbox: there is no card of %s on %s", id, k.known.ID)
}

// findFor is the card of a request as somebody sees it: the one in the channel, else one that was
// shown to them alone.
func (k *side) findFor(user, id string) (bottest.Shown, error) {
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

// onPage reports whether a button stands below what one person alone sees and is about no request:
// below a page of messages, or below lines. One without a name is named by its label.
func onPage(button string) bool {
	return strings.HasPrefix(button, "Recall these ") || slices.Contains([]string{"first", "next", "previous", "last",
		"recall", "without", "use", "use_1", "use_2", "back", "sweep"}, button)
}

func (k *side) press(who, button, id string, values map[string]string, finish bool) error {
	user, err := k.account(who)
	if err != nil {
		return err
	}
	if label, named := bottest.Labels[button]; onPage(button) || !named {
		if !named {
			label = button
		}
		return k.done(k.PressAlone(user, label))
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
func (k *side) opening(user, button string, values map[string]string, finish bool, do func() bottest.Deed) error {
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
func (k *side) private(user string) (n int) {
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
func (k *side) send(user string, f bottest.Form, values map[string]string) error {
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

func (k *side) fill(who string, values map[string]string) error {
	user, err := k.account(who)
	if err != nil {
		return err
	}
	f, ok := k.Form(user)
	if !ok {
		return fmt.Errorf("sandbox: %s has no form open on %s", who, k.known.ID)
	}
	return k.send(user, f, values)
}

func (k *side) keep() {
	for _, m := range k.Channel(k.home.Channel()) {
		if id := about(m.Picture); id != "" && !m.Reply {
			k.kept[id] = m
		}
	}
}

func (k *side) pressKept(who, button, id string, values map[string]string) error {
	user, err := k.account(who)
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

func (k *side) redeliver() error {
	if k.last == nil {
		return fmt.Errorf("sandbox: nobody did anything on %s yet", k.known.ID)
	}
	return awaited(k.last.Again())
}

func (k *side) thread(id string) (string, error) {
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

func (k *side) whispers(who string) ([]string, error) {
	user, err := k.account(who)
	if err != nil {
		return nil, err
	}
	return pictures(k.hears(user)), nil
}

func pictures(shown []bottest.Shown) (l []string) {
	for _, m := range shown {
		l = append(l, m.Picture)
	}
	return l
}

// hears is what a user alone has been shown, or shown anew, since the last call.
func (k *side) hears(user string) (heard []bottest.Shown) {
	for _, m := range k.Alone(user) {
		if key := user + " " + m.ID; k.seen[key] != m.Picture {
			k.seen[key] = m.Picture
			heard = append(heard, m)
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

func (k *side) pinged() (l []ping) {
	for _, n := range k.Notified() {
		l = append(l, ping{who: k.nameOf(n.Who), inThread: n.InThread})
	}
	return l
}

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
