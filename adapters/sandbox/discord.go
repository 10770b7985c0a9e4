package sandbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
)

// discordSide is the guild, and what its people have seen.
type discordSide struct {
	g   *discordtest.Guild
	url string // of the listener
	// more are guilds beside g that the bot serves from its next start on. They are nowhere, so it
	// can register no commands there.
	more []string

	mu   sync.Mutex
	last *discordtest.Interaction
	seen map[string]string // what was shown to one person alone, by message
	kept map[string]discordtest.Message
}

func newDiscordSide(s *Sandbox) *discordSide {
	side := &discordSide{g: discordtest.New(), url: "http://discord.invalid", seen: map[string]string{},
		kept: map[string]discordtest.Message{}}
	g := side.g
	g.Limits, g.Validate = true, s.o.Validate
	g.AddChannel(discordtest.Channel{ID: discordChannel, Name: "trust"})
	for _, p := range people {
		g.AddMember(discordtest.Member{UserID: p.discord, Name: p.name, Nick: title(p.name)})
	}
	g.AddRole(discordtest.Role{ID: discordLeads, Name: leads, Mentionable: true, Members: those(approves, bot.Discord)})
	g.AddRole(discordtest.Role{ID: discordMods, Name: "mods", Members: those(asks, bot.Discord)})
	if s.o.Loopback {
		url, stop := g.Start()
		side.url, s.stops = url, append(s.stops, stop)
	}
	return side
}

func (k *discordSide) serve(p *process) (bot.Surface, error) {
	opts := discord.Options{
		BotToken: k.g.BotToken, ApplicationID: k.g.ApplicationID, BaseURL: k.url,
		Guilds:     append([]string{k.g.ID}, k.more...),
		HTTPClient: p.client(k.g.Client()), Dial: p.dial(k.g.Dial), Log: p.log, Bot: p.bot,
	}
	if p.s.o.HTTP {
		opts.PublicKey = k.g.PublicKey
	}
	var err error
	if p.discord, err = discord.New(opts); err == nil && p.s.o.HTTP {
		k.g.Deliver(p.discord.Handler())
	}
	return p.discord, err
}

func (k *discordSide) up(p *process) bool {
	return (p.discord.Ready() == nil || len(k.more) > 0) && len(k.g.Commands()) > 0 &&
		(p.s.o.HTTP || slices.ContainsFunc(k.g.Sessions(), func(s discordtest.Session) bool { return s.ID != "" }))
}

// done waits until the bot has answered what somebody did.
func (k *discordSide) done(i *discordtest.Interaction) error {
	k.mu.Lock()
	k.last = i
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return i.Wait(ctx)
}

func (k *discordSide) write(who, line string) error {
	user, err := account(bot.Discord, who)
	if err != nil {
		return err
	}
	command, options, err := typedOptions(line)
	if err != nil {
		return err
	}
	return k.done(k.g.Command(user, discordChannel, command, options...))
}

// typedOptions turns a line as it is typed on Slack into what is filled in on Discord: NAME:VALUE
// into that option, the words before into those that come first.
func typedOptions(line string) (command string, options []discordtest.Option, err error) {
	command, rest, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	words := fields(rest)
	first := []string{"group", "seqs"}
	if command == "recalls" {
		if len(words) == 0 {
			return "", nil, errors.New("sandbox: on Discord /recalls cannot be sent without a subcommand")
		}
		command += " " + words[0]
		switch words[0] {
		case "find":
			first = []string{"group"}
		case "list":
			first = []string{"which"}
		default:
			first = []string{"id"}
		}
		words = words[1:]
	}
	values := map[string][]string{}
	var order []string
	add := func(name, value string) {
		if values[name] == nil {
			order = append(order, name)
		}
		values[name] = append(values[name], value)
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, ":")
		switch {
		case ok && optionName.MatchString(name):
			add(name, strings.Trim(value, `"`))
		default:
			add(first[0], w)
			if len(first) > 1 {
				first = first[1:]
			}
		}
	}
	for _, name := range order {
		value := strings.Join(values[name], " ")
		if n, err := strconv.Atoi(value); err == nil && name == "last" {
			options = append(options, discordtest.Opt(name, n))
			continue
		}
		options = append(options, discordtest.Opt(name, value))
	}
	return command, options, nil
}

var optionName = regexp.MustCompile(`^[a-z]+$`)

// fields splits at spaces outside double quotes.
func fields(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}

// find returns the card of a request: a message of the bot in the channel itself that is no answer
// to another.
func (k *discordSide) find(id string) (discordtest.Message, error) {
	for _, m := range slices.Backward(k.g.Messages(discordChannel)) {
		if m.Author == k.g.BotUserID && m.ReplyTo == "" && about(k.g.Picture(m)) == id {
			return m, nil
		}
	}
	return discordtest.Message{}, fmt.Errorf("sandbox: there is no card of %s on Discord", id)
}

// labels are the buttons by what they say.
var labels = map[string]string{
	"approve": "Approve", "reject": "Reject", "show_all": "Show all", "stop": "Stop", "next": "Next",
	"previous": "Previous", "recall": "Recall ",
}

// labelled finds a button of a message by the beginning of its label.
func labelled(m discordtest.Message, label string) (discordtest.Button, bool) {
	buttons := m.Buttons()
	i := slices.IndexFunc(buttons,
		func(b discordtest.Button) bool { return label != "" && strings.HasPrefix(b.Label, label) })
	if i < 0 {
		return discordtest.Button{}, false
	}
	return buttons[i], true
}

func (k *discordSide) press(who, button, id string, values map[string]string, finish bool) error {
	user, err := account(bot.Discord, who)
	if err != nil {
		return err
	}
	var on discordtest.Message
	if slices.Contains([]string{"next", "previous", "recall"}, button) {
		for _, m := range k.g.Ephemerals(user) {
			if _, ok := labelled(m, labels[button]); ok {
				on = m
			}
		}
	} else if on, err = k.find(id); err != nil {
		for _, m := range k.g.Ephemerals(user) { // a card that was shown to them alone
			if about(k.g.Picture(m)) == id && len(m.Buttons()) > 0 {
				on, err = m, nil
			}
		}
		if err != nil {
			return err
		}
	}
	b, ok := labelled(on, labels[button])
	if !ok {
		return fmt.Errorf("sandbox: there is no button %s", button)
	}
	i := k.g.Press(user, on.Ref(), b.CustomID)
	if err := k.done(i); err != nil || !finish {
		return err
	}
	return k.finish(user, i, values)
}

// finish sends the form that a press has opened, where it has.
func (k *discordSide) finish(user string, i *discordtest.Interaction, values map[string]string) error {
	modal, ok := i.Modal()
	if !ok {
		return nil
	}
	return k.send(user, modal, values)
}

var number = regexp.MustCompile(`[0-9][0-9,]*`)

// send fills in a form. The number of messages is read off its title, as a person would, where
// values does not name it.
func (k *discordSide) send(user string, modal discordtest.Modal, values map[string]string) error {
	in := map[string]string{}
	for _, i := range modal.Inputs {
		v, ok := values[i.CustomID]
		switch {
		case ok:
			in[i.CustomID] = v
		case i.CustomID == "count":
			in["count"] = strings.ReplaceAll(number.FindString(modal.Title), ",", "")
		}
	}
	return k.done(k.g.Submit(user, modal, in))
}

func (k *discordSide) fill(who string, values map[string]string) error {
	user, err := account(bot.Discord, who)
	if err != nil {
		return err
	}
	modals := k.g.Modals(user)
	if len(modals) == 0 {
		return fmt.Errorf("sandbox: %s has no form open on Discord", who)
	}
	return k.send(user, modals[len(modals)-1], values)
}

func (k *discordSide) keep() {
	for _, m := range k.g.Messages(discordChannel) {
		if id := about(k.g.Picture(m)); id != "" && m.ReplyTo == "" {
			k.kept[id] = m
		}
	}
}

func (k *discordSide) pressKept(who, button, id string, values map[string]string) error {
	user, err := account(bot.Discord, who)
	if err != nil {
		return err
	}
	b, ok := k.kept[id].Button(labels[button])
	if !ok {
		return fmt.Errorf("sandbox: no card of %s with a button %s was kept", id, button)
	}
	i := k.g.PressStale(user, k.kept[id], b.CustomID)
	if err := k.done(i); err != nil {
		return err
	}
	return k.finish(user, i, values)
}

func (k *discordSide) redeliver() error {
	if k.last == nil {
		return errors.New("sandbox: nobody did anything on Discord yet")
	}
	k.g.Redispatch(k.last)
	return nil
}

func (k *discordSide) card(id string) (string, error) {
	m, err := k.find(id)
	if err != nil {
		return "", err
	}
	return k.g.Picture(m), nil
}

func (k *discordSide) thread(id string) (string, error) {
	card, err := k.find(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	draw := func(m discordtest.Message) {
		b.WriteString(k.g.Picture(m))
		for _, f := range m.Files {
			b.WriteString(excerpt(f.Data))
		}
	}
	for _, m := range k.g.Messages(discordChannel) {
		if m.ReplyTo == card.ID {
			draw(m)
		}
	}
	if card.Thread != "" {
		for _, m := range k.g.Thread(card.Thread) {
			draw(m)
		}
	}
	return b.String(), nil
}

func (k *discordSide) whispers(who string) ([]string, error) {
	user, err := account(bot.Discord, who)
	if err != nil {
		return nil, err
	}
	return k.hears(user), nil
}

// hears is what a user alone has been shown, or shown anew, since the last call.
func (k *discordSide) hears(user string) (heard []string) {
	for _, m := range k.g.Ephemerals(user) {
		if now := string(m.Raw); k.seen[m.ID] != now {
			k.seen[m.ID] = now
			heard = append(heard, k.g.Picture(m))
		}
	}
	for _, m := range k.g.Modals(user) {
		if key, now := "form "+m.ID, string(m.Raw); !m.Submitted && k.seen[key] != now {
			k.seen[key] = now
			heard = append(heard, k.g.PictureModal(m))
		}
	}
	return heard
}

func (k *discordSide) pinged() []ping {
	var l []ping
	for _, n := range k.g.Notified() {
		who := nameOf(n.ID)
		if n.Kind == "everyone" {
			who = "everyone"
		}
		l = append(l, ping{who: who, inThread: n.ChannelID != discordChannel})
	}
	return l
}

func (k *discordSide) complaints() []string {
	return slices.Concat(k.g.SpecErrors(), k.g.UnknownKeys())
}

func (k *discordSide) secrets() []string { return []string{k.g.BotToken} }

func (k *discordSide) close() { k.g.Close() }
