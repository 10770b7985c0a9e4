// Package sandbox is the bot with a world around it: the real adapters, libraries and ledger, on a
// Slack workspace, a Discord guild and a Chat service in memory, and the people who use them.
//
// It serves three. Conversations (package bottest) are told in it, in process, within a synctest
// bubble; Sandbox is their bottest.World. Demo, which is "recallbot demo", plays the whole flow on
// loopback TCP in real time. And people play in it on a page in a browser (package practice).
//
// In it live Mina and Ines, who may ask and approve; Theo, who may approve; Remy, who may ask; and
// Ola, who may do neither. They share the channel #trust on each platform. In the Chat service the
// group @TGS#2J4SZEAEL has the messages 1 to 103, and it is about the last four.
//
// The process of the bot can be killed: from that moment on nothing that it does reaches the
// ledger, the network or anybody, as with kill -9, and whatever of it still runs is only waited
// for. A call that is on its way goes on without it.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"
)

// Group is the group that the people of the sandbox look after.
const Group = "@TGS#2J4SZEAEL"

// Options is what a Sandbox is made of. The zero value has every platform, in process, and the
// default policy.
type Options struct {
	Platforms []bot.Platform   // none: all
	People    []bottest.Person // none: those of the package comment
	// Bare leaves the Chat service without a group: whoever made the world furnishes it.
	Bare bool
	// Loopback puts the three services on TCP ports of 127.0.0.1. Otherwise nothing needs a
	// network, and the sandbox may be used in a synctest bubble.
	Loopback bool
	// HTTP has the platforms post what people do, signed, where there is a choice. Not with
	// Loopback.
	HTTP     bool
	Policy   bot.Policy // the zero Policy: the default one; who may do what is set by the sandbox
	Roster   bool       // joins the accounts that one person has on the platforms
	Evidence bot.Evidence
	// EvidenceTTL is how long text is kept; 0: 720 h. OnRequest keeps it off the cards.
	EvidenceTTL time.Duration
	OnRequest   bool
	// Callbacks lets the Chat service's callbacks come in, and Index says what is kept of messages
	// that they tell of; "": nothing.
	Callbacks bool
	Index     bot.Index
	// GroupType is the type of Group; "": Public.
	GroupType string
	// Quota is how many recalls a second the bot thinks it may make; 0: 200. The service's own
	// quota is 200 calls of each command.
	Quota int
	// Folder is where the ledger's folder is made; "": the system's for temporary files. One in
	// memory saves waiting for the disk.
	Folder string
	// Resends says that a message may be recalled twice: where history cannot be read, a lost
	// answer leaves no other way.
	Resends bool
	// Documents is a folder with what platforms publish about their API; see bottest.NewHome.
	Documents string
	// Pages, if not "", is where each card that is shown is written as a page for a browser, and
	// as the JSON of which that is a drawing: the beginning of a path, to which the platform and a
	// number are added.
	Pages string
	// Log gets a copy of what the bot logs; nil for nobody.
	Log *slog.Logger

	// watch stands between a process and its ledger; nil for nobody.
	watch func(bot.Ledger) bot.Ledger
}

// Staged returns the options for a conversation: its platforms and stage directions.
//
//	policy: approvals N, large_from N, large_approvals N, max N, approve_within D, start_within D, remind_after D,
//	        reason required, protected USER, groups PATTERN
//	group TYPE    of the Chat service, such as AVChatRoom
//	quota N       recalls a second that the bot thinks it may make
//	roster on     one person's accounts are joined
//	evidence KIND full, excerpt or hash; evidence_ttl D
//	card on-request  content only in Show all
//	callbacks on  the service's callbacks come in
//	index KIND    hash or excerpt: messages are kept as callbacks tell of them, which come in then
//	resends may   a message may be recalled twice
func Staged(platforms []string, settings [][2]string) (Options, error) {
	o := Options{Policy: bot.DefaultPolicy()}
	for _, p := range platforms {
		o.Platforms = append(o.Platforms, bot.Platform(p))
	}
	for _, s := range settings {
		key, value := s[0], s[1]
		n, noNumber := strconv.Atoi(value)
		d, noDuration := time.ParseDuration(value)
		var err error
		switch key {
		case "approvals":
			o.Policy.Approvals, err = n, noNumber
		case "large_from":
			o.Policy.LargeFrom, err = n, noNumber
		case "large_approvals":
			o.Policy.LargeApprovals, err = n, noNumber
		case "max":
			o.Policy.MaxMessages, err = n, noNumber
		case "approve_within":
			o.Policy.ApproveWithin, err = d, noDuration
		case "start_within":
			o.Policy.StartWithin, err = d, noDuration
		case "remind_after":
			o.Policy.RemindAfter, err = d, noDuration
		case "reason":
			o.Policy.ReasonRequired = value == "required"
		case "protected":
			o.Policy.Protected = append(o.Policy.Protected, recallUser(value))
		case "groups":
			o.Policy.Groups = strings.Fields(value)
		case "group":
			o.GroupType = value
		case "quota":
			o.Quota, err = n, noNumber
		case "roster":
			o.Roster = value == "on"
		case "evidence":
			o.Evidence = bot.Evidence(value)
		case "evidence_ttl":
			o.EvidenceTTL, err = d, noDuration
		case "card":
			if o.OnRequest = value == "on-request"; !o.OnRequest {
				err = fmt.Errorf("%q: want on-request", value)
			}
		case "callbacks":
			if o.Callbacks = value == "on"; !o.Callbacks {
				err = fmt.Errorf("%q: want on", value)
			}
		case "index":
			if o.Callbacks, o.Index = true, bot.Index(value); o.Index != bot.IndexHash && o.Index != bot.IndexExcerpt {
				err = fmt.Errorf("%q: want hash or excerpt", value)
			}
		case "resends":
			o.Resends = value == "may"
		default:
			return Options{}, fmt.Errorf("sandbox: there is no stage direction %q", key)
		}
		if err != nil {
			return Options{}, fmt.Errorf("sandbox: stage direction %s: %w", key, err)
		}
	}
	return o, nil
}

// Sandbox is a bot, its world and the people in it. Make it with New.
type Sandbox struct {
	o     Options
	chat  *recalltest.Service
	sides map[bot.Platform]*side
	dir   string
	log   *journal
	pages int // that were written
	// From its next start on the bot has this roster, and these crowds in place of those that the
	// platforms' variables name. unready says that it will not be ready then.
	roster  bot.Roster
	crowds  map[bot.Platform]bot.Crowd
	unready bool

	ahead atomic.Int64 // how far the ledger's clock is pushed, in nanoseconds

	chatURL string
	stops   []func()

	hook atomic.Pointer[webhook.Webhook] // of the process that runs, where callbacks come in
	now  *process                        // nil while it is killed
	past []*process                      // killed; what is left of them is waited for at the end
}

// latency is how long a call of the Chat service takes. It is not nothing, so that what people see
// of the time in between is the same each time.
const latency = 40 * time.Millisecond

// New makes a world and starts the bot in it. It returns once the bot is connected everywhere.
// Close it.
func New(o Options) (*Sandbox, error) {
	if len(o.Platforms) == 0 {
		o.Platforms = adapters.IDs()
	}
	if len(o.People) == 0 {
		o.People = cast
	}
	if o.Policy.Approvals == 0 {
		o.Policy = bot.DefaultPolicy()
	}
	dir, err := os.MkdirTemp(o.Folder, "recallbot-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("make the sandbox's folder: %w", err)
	}
	s := &Sandbox{o: o, dir: dir, sides: map[bot.Platform]*side{}, log: &journal{to: o.Log}}
	s.chat = recalltest.New(recalltest.Options{Latency: latency})
	s.chatURL = recalltest.URL
	if o.Loopback {
		url, stop := s.chat.Start()
		s.chatURL, s.stops = url, append(s.stops, stop)
	}
	if !o.Bare {
		s.furnish()
	}
	for _, id := range o.Platforms {
		if err := s.add(id); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if o.Roster {
		s.roster = s.everyone()
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if o.Callbacks { // from now on: what was said before, nobody heard
		s.chat.Change(func(o *recalltest.Options) { o.Callbacks = s.callbacks() })
	}
	return s, nil
}

// add makes a platform.
func (s *Sandbox) add(id bot.Platform) error {
	for _, known := range adapters.Platforms {
		if known.ID != id {
			continue
		}
		home, err := known.NewHome(s.o.People, s.o.Documents)
		if err != nil {
			return err
		}
		if s.o.Loopback {
			s.stops = append(s.stops, home.Start())
		}
		s.sides[id] = newSide(known, home, s.o.People)
		return nil
	}
	return fmt.Errorf("sandbox: no platform %q", id)
}

// Stop ends the bot's process in order, as SIGTERM does.
func (s *Sandbox) Stop() error {
	if s.now == nil {
		return nil
	}
	p := s.now
	s.now = nil
	s.hook.Store(nil)
	return p.stop()
}

// Kill ends the bot's process as kill -9 does.
func (s *Sandbox) Kill() error {
	if s.now == nil {
		return errors.New("sandbox: there is no process to be killed")
	}
	s.past = append(s.past, s.now)
	s.hook.Store(nil)
	err := s.now.kill()
	s.now = nil
	return err
}

// Start starts the bot's process on what the ledger holds, and returns once it is connected
// everywhere.
func (s *Sandbox) Start() error {
	if s.now != nil {
		return errors.New("sandbox: the bot runs already")
	}
	p, err := s.start()
	if err != nil {
		return err
	}
	s.now = p
	return nil
}

// Close stops everything and removes what was stored. It returns an error that names what nobody
// would have noticed in this world: what a platform only swallowed, a ping that was not promised, a
// message recalled twice, an audit log that does not hold together, a secret or a message's text in
// the log.
func (s *Sandbox) Close() error {
	var wrong []error
	add := func(what string, found ...string) {
		for _, f := range found {
			wrong = append(wrong, fmt.Errorf("%s: %s", what, f))
		}
	}
	if s.now != nil {
		if err := s.verifyAudit(); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := s.Stop(); err != nil {
		wrong = append(wrong, err)
	}
	for _, p := range s.past {
		p.running.Wait()
	}
	var secrets []string
	for _, p := range s.o.Platforms {
		side := s.sides[p]
		if side == nil {
			continue
		}
		add(string(p)+" complains", side.Complaints()...)
		for _, ping := range side.pinged() {
			if ping.who != leads && !(ping.inThread && s.asks(ping.who)) {
				add(string(p)+" pinged somebody", ping.String())
			}
		}
		secrets = append(secrets, side.home.Secrets()...)
		side.home.Close()
	}
	if !s.o.Resends {
		for _, m := range s.chat.RecalledMoreThanOnce() {
			add("recalled twice", strconv.FormatUint(uint64(m.Seq), 10))
		}
	}
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.chat.Close()
	add("in the log", s.log.holds(append(secrets, s.chat.SecretKey(), hookToken, "usersig="))...)
	if err := os.RemoveAll(s.dir); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

func (s *Sandbox) database() string { return filepath.Join(s.dir, "recallbot.db") }

// side returns a platform of this world.
func (s *Sandbox) side(on string) (*side, error) {
	if side := s.sides[bot.Platform(on)]; side != nil {
		return side, nil
	}
	return nil, fmt.Errorf("sandbox: %q is not in this world", on)
}

// Service is the Chat service.
func (s *Sandbox) Service() *recalltest.Service { return s.chat }

// Home is a platform of this world; nil where it is not in it.
func (s *Sandbox) Home(on bot.Platform) bottest.Home {
	if side := s.sides[on]; side != nil {
		return side.home
	}
	return nil
}

// Push pushes the clock of the ledger, by which deadlines and reminders are told, and wakes
// whatever waits for a time. The clocks of the platforms and of the Chat service do not move.
func (s *Sandbox) Push(d time.Duration) error {
	s.ahead.Add(int64(d))
	if s.now == nil {
		return nil
	}
	return s.now.ledger.Tx(context.Background(), func(tx bot.Tx) error {
		tx.Wake(bot.WakePreparer, bot.WakeRunner, bot.WakeTeller, bot.WakeTimer)
		return nil
	})
}

// View reads the ledger of the process that runs.
func (s *Sandbox) View(fn func(tx bot.Tx) error) error {
	if s.now == nil {
		return errors.New("sandbox: the bot does not run")
	}
	return s.now.ledger.View(context.Background(), fn)
}

// Requests are the ids of all requests, oldest first.
func (s *Sandbox) Requests() ([]string, error) {
	var ids []string
	err := s.View(func(tx bot.Tx) error {
		ids = nil
		all, err := tx.Requests(bot.Query{Limit: 1000})
		for _, r := range slices.Backward(all) {
			ids = append(ids, string(r.ID))
		}
		return err
	})
	return ids, err
}

// newest is id, or the newest request's.
func (s *Sandbox) newest(id string) (string, error) {
	if id != "" {
		return id, nil
	}
	ids, err := s.Requests()
	if err == nil && len(ids) == 0 {
		err = errors.New("sandbox: nobody has asked for anything")
	}
	if err != nil {
		return "", err
	}
	return ids[len(ids)-1], nil
}

// Type makes somebody send a command, which begins with /recall or /recalls.
func (s *Sandbox) Type(on, who, line string) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	return side.write(who, line)
}

// Press makes somebody press a button of a request's card and do what is then asked.
func (s *Sandbox) Press(on, who, button, id string, values map[string]string) error {
	return s.pressed(on, who, button, id, values, true)
}

// Open makes somebody press a button and leave the form open.
func (s *Sandbox) Open(on, who, button, id string) error {
	return s.pressed(on, who, button, id, nil, false)
}

func (s *Sandbox) pressed(on, who, button, id string, values map[string]string, finish bool) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	if !onPage(button) {
		if id, err = s.newest(id); err != nil {
			return err
		}
	}
	return side.press(who, button, id, values, finish)
}

// Fill makes somebody fill in the form that they have open, and send it.
func (s *Sandbox) Fill(on, who string, values map[string]string) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	return side.fill(who, values)
}

// Keep remembers the cards as they are shown now.
func (s *Sandbox) Keep(on string) {
	if side := s.sides[bot.Platform(on)]; side != nil {
		side.keep()
	}
}

// PressKept makes somebody press a button of a card as it was shown at Keep.
func (s *Sandbox) PressKept(on, who, button, id string, values map[string]string) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	if id, err = s.newest(id); err != nil {
		return err
	}
	return side.pressKept(who, button, id, values)
}

// Redeliver makes the platform deliver once more what somebody did last.
func (s *Sandbox) Redeliver(on string) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	return side.redeliver()
}

// Bar keeps the bot from posting in the channel, or lets it again.
func (s *Sandbox) Bar(on string, barred bool) error {
	side, err := s.side(on)
	if err == nil {
		side.home.Bar(barred)
	}
	return err
}

// Erase deletes the card of a request, as a moderator can.
func (s *Sandbox) Erase(on, id string) error {
	side, err := s.side(on)
	if err != nil {
		return err
	}
	if id, err = s.newest(id); err != nil {
		return err
	}
	m, err := side.find(id)
	if err == nil {
		side.home.Erase(m.Ref)
	}
	return err
}

// Card draws a request's card as everybody sees it.
func (s *Sandbox) Card(on, id string) (string, error) {
	side, err := s.side(on)
	if err != nil {
		return "", err
	}
	if id, err = s.newest(id); err != nil {
		return "", err
	}
	m, err := side.find(id)
	if err == nil && s.o.Pages != "" {
		s.pages++
		page := bottest.Document(side.home, m.HTML(""))
		name := fmt.Sprintf("%s.%s.%d", s.o.Pages, side.known.ID, s.pages)
		err = errors.Join(os.WriteFile(name+".html", []byte(page), 0o666),
			os.WriteFile(name+".json", m.JSON, 0o666))
	}
	return m.Picture, err
}

// Thread draws what stands in the thread of a request's card.
func (s *Sandbox) Thread(on, id string) (string, error) {
	side, err := s.side(on)
	if err != nil {
		return "", err
	}
	if id, err = s.newest(id); err != nil {
		return "", err
	}
	return side.thread(id)
}

// Whispers draws what somebody alone has been shown, or shown anew, since the last call.
func (s *Sandbox) Whispers(on, who string) ([]string, error) {
	side, err := s.side(on)
	if err != nil {
		return nil, err
	}
	return side.whispers(who)
}

// Notified is who was pinged, from the beginning.
func (s *Sandbox) Notified(on string) []string {
	var l []string
	if side := s.sides[bot.Platform(on)]; side != nil {
		for _, p := range side.pinged() {
			l = append(l, p.String())
		}
	}
	return l
}

var anyRequest = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)

// about is the request that a picture of a card is about: the first that it names.
func about(picture string) string { return anyRequest.FindString(picture) }

// patience is how long a person looks at the screen before they take it that nothing more comes. A
// second is what the bot may need to open a form.
const patience = 2 * time.Second

// await waits until seen is true, and reports whether it became so.
func await(seen func() bool) bool {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if seen() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
