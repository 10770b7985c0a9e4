package recalltest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Seq numbers a message within its group or topic.
type Seq = uint32

// Options are the knobs of a Service. The zero value is a service that works,
// answers at once and keeps to its quota. [Service.Change] turns them later.
type Options struct {
	SDKAppID  uint32   // default 1400000000
	SecretKey string   // default a key of 64 hexadecimal digits
	Admins    []string // app admin accounts; default "administrator"

	// Domain, when set, is the host that calls must come to; to another they
	// are answered with 60026.
	Domain string

	// CallsPerSecond is the quota of each command: default 200, negative for
	// none. Calls over it are answered with 60007 and do nothing.
	CallsPerSecond int

	// ListsPerSecond is the quota of get_appid_group_list: default 1.
	// Source: https://www.tencentcloud.com/document/product/1047/34960.
	ListsPerSecond int

	// MaxBadUserSigs is how many UserSigs may fail in a minute before all are
	// answered with 70050: default 30, negative for any number. The service's
	// own number is not documented.
	MaxBadUserSigs int

	// Retention is how long messages are stored: default 7 days, as in the
	// Standard edition. Older ones read as expired and cannot be recalled.
	Retention time.Duration

	// AVChatRoomWithin is how old a message of an AVChatRoom may be to be
	// recalled: default one hour (China domain), negative for any age.
	AVChatRoomWithin time.Duration

	// AVChatRoomHistory is the code for reading the history of groups that
	// store nothing: default 10044; 10007 is the other one that may be.
	AVChatRoomHistory int

	// PortraitRefusal is the code of portrait_get for an account that is not
	// imported, and for what it cannot read: default 70107. The page names none.
	PortraitRefusal int

	// AlreadyRecalled is the code for a message that was recalled before: 0
	// (default), 10030 or 10032. The documentation does not say.
	AlreadyRecalled int

	RecallDisabled bool     // recalls are switched off for the app: 10041 in the envelope
	NoRecallTypes  []string // group types that are answered with 10033 in the envelope

	// RecalledShown returns recalled messages as placeholders even to those
	// who did not ask with WithRecalledMsg. RecalledBody leaves them their
	// body. HiddenTakeSlots makes hidden ones count against ReqMsgNumber. Of
	// all three the documentation does not say.
	RecalledShown, RecalledBody, HiddenTakeSlots bool

	// Placeholders are the entries of messages that are recalled, deleted or
	// expired (IsPlaceMsg 2 and 1). The page of group_msg_get_simple names the
	// status and an empty MsgBody; whether MsgTimeStamp and From_Account are
	// there it does not say, nor whether there is an entry at all, nor whether
	// the numbers past the storage period read as placeholders or as nothing.
	// Each of these knobs is one way in which it may be:
	// PlaceholdersWithoutTime and PlaceholdersWithoutSender leave that field
	// out, PlaceholdersLeftOut leaves the entry out whoever asks, and
	// ExpiredAsNothing leaves out what is past the storage period alone. A page
	// goes on below what is left out, unless HiddenTakeSlots is set.
	// Source: https://trtc.io/document/34971.
	PlaceholdersWithoutTime, PlaceholdersWithoutSender, PlaceholdersLeftOut, ExpiredAsNothing bool

	// SystemWithoutFlag leaves IsSystemMsg out of the entries of system
	// messages: it is in the models of a server SDK, and in no table of the
	// documentation. Source: https://github.com/doocs/qcloud-im-server-sdk-java.
	SystemWithoutFlag bool

	// CustomDataLeftOut leaves CloudCustomData out of history, whose
	// documentation does not name it; SignedAnew puts a signature into the
	// addresses of media, another one in each answer. No page says whether the
	// service does either.
	CustomDataLeftOut, SignedAnew bool

	// PageBytes cuts a history page, with IsFinished 0, when its bodies get
	// longer than this: 0 for never. There is always one message in it.
	PageBytes int

	// Transit and TransitJitter are how long a call takes to arrive, before it
	// is counted; Latency and LatencyJitter how long the service then takes
	// before it acts and answers at once. A jitter adds up to as much again,
	// drawn from Seed. The caller's giving up does not stop a call that is on
	// its way.
	Transit, TransitJitter, Latency, LatencyJitter time.Duration
	Seed                                           uint64

	Callbacks Callbacks
}

// Defaults of Options.
const (
	DefaultSDKAppID  = 1400000000
	DefaultSecretKey = "3f1c2b8e9d7a6054c1b2e3f4a5968778695a4b3c2d1e0f00ffeeddccbbaa9988"
	DefaultAdmin     = "administrator"
)

func (o *Options) fill() {
	o.SDKAppID = cmp.Or(o.SDKAppID, DefaultSDKAppID)
	o.SecretKey = cmp.Or(o.SecretKey, DefaultSecretKey)
	if len(o.Admins) == 0 {
		o.Admins = []string{DefaultAdmin}
	}
	o.CallsPerSecond = cmp.Or(o.CallsPerSecond, 200)
	o.ListsPerSecond = cmp.Or(o.ListsPerSecond, 1)
	o.MaxBadUserSigs = cmp.Or(o.MaxBadUserSigs, 30)
	o.Retention = cmp.Or(o.Retention, 7*24*time.Hour)
	o.AVChatRoomWithin = cmp.Or(o.AVChatRoomWithin, time.Hour)
	o.PortraitRefusal = cmp.Or(o.PortraitRefusal, 70107)
	o.AVChatRoomHistory = cmp.Or(o.AVChatRoomHistory, 10044)
}

// A Group is a group of the app.
type Group struct {
	ID         string
	Type       string // Private, Public (default), ChatRoom, AVChatRoom, Community; Work and Meeting too
	Name       string
	Owner      string
	Members    int
	MaxMembers int      // default 2000
	Joined     []string // accounts that are members; Members counts more
	Topics     []string // of a Community: each begins with ID and @TOPIC#_
}

// A Service is the Chat service of one app. It is safe for concurrent use.
// Its methods panic when they are asked for a group, topic or message that is
// not there: a test that does so is wrong.
type Service struct {
	mu            sync.Mutex
	options       Options
	rand          *rand.Rand
	groups        map[string]*group
	faults        []*injected
	calls         []Call
	badSigs       []time.Time
	goodSigs      map[goodUserSig]int64
	twice         []Message
	notifications []Notification
	nicknames     map[string]*string // nil of an account that is not imported
	hooks         dispatcher
	signed        int // signatures of addresses so far

	done  context.Context // ends with Close
	close context.CancelFunc

	// A WaitGroup would not do: calls may arrive while Close waits.
	working sync.Mutex
	workers int
	rested  *sync.Cond
}

type group struct {
	Group
	refuses       int                      // the code of its calls; 0: none
	conversations map[string]*conversation // by topic; "" is the group's own
}

type conversation struct {
	messages []*message // the one with seq n is at n-1
}

type message struct {
	seq          Seq
	from         string
	at           time.Time
	random       uint32
	priority     int
	body         json.RawMessage
	made         func(seq Seq) string // its text, where body is not kept
	custom       string
	system       bool
	unrecallable bool
	deleted      bool
	expired      bool
	recalled     bool
	online       bool // not stored
	recalls      int  // how often group_msg_recall worked on it
}

// New returns a Service. Close it when callbacks or slow calls may be on
// their way.
func New(o Options) *Service {
	o.fill()
	s := &Service{options: o, groups: map[string]*group{}, nicknames: map[string]*string{},
		goodSigs: map[goodUserSig]int64{},
		rand:     rand.New(rand.NewPCG(o.Seed, 1))}
	s.done, s.close = context.WithCancel(context.Background())
	s.rested = sync.NewCond(&s.working)
	return s
}

// start runs f on a goroutine that Close waits for.
func (s *Service) start(f func()) {
	s.working.Lock()
	s.workers++
	s.working.Unlock()
	go func() {
		defer func() {
			s.working.Lock()
			defer s.working.Unlock()
			if s.workers--; s.workers == 0 {
				s.rested.Broadcast()
			}
		}()
		f()
	}()
}

// Close drops the callbacks that were not delivered and the calls that are
// being worked on, and waits for their goroutines.
func (s *Service) Close() {
	s.close()
	s.working.Lock()
	defer s.working.Unlock()
	for s.workers > 0 {
		s.rested.Wait()
	}
}

// SDKAppID returns the number of the app.
func (s *Service) SDKAppID() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.SDKAppID
}

// SecretKey returns the key that UserSigs must be signed with.
func (s *Service) SecretKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.SecretKey
}

// Change turns knobs while the service runs.
func (s *Service) Change(turn func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn(&s.options)
	s.options.fill()
}

// AddGroup creates a group.
func (s *Service) AddGroup(g Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validGroupID(g.ID) {
		panic(fmt.Sprintf("recalltest: %q is no group id", g.ID))
	}
	g.Type = cmp.Or(g.Type, "Public")
	g.MaxMembers = cmp.Or(g.MaxMembers, 2000)
	topics := g.Topics
	g.Topics = nil
	s.groups[g.ID] = &group{Group: g, conversations: map[string]*conversation{"": {}}}
	for _, t := range topics {
		s.addTopic(g.ID, t)
	}
}

// AddTopic creates a topic in a Community.
func (s *Service) AddTopic(groupID, topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addTopic(groupID, topic)
}

func (s *Service) addTopic(groupID, topic string) {
	g := s.group(groupID)
	if g.Type != "Community" || !strings.HasPrefix(topic, groupID+"@TOPIC#_") {
		panic(fmt.Sprintf("recalltest: %s group %q cannot have topic %q", g.Type, groupID, topic))
	}
	g.conversations[topic] = &conversation{}
}

// Join makes an account a member of a group, and Leave makes it none.
func (s *Service) Join(groupID, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(groupID)
	g.Joined = append(g.Joined, account)
}

// Leave takes an account out of a group; see Join.
func (s *Service) Leave(groupID, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(groupID)
	g.Joined = slices.DeleteFunc(slices.Clone(g.Joined), func(a string) bool { return a == account })
}

// Nickname gives an account a nickname; without one there is none. Unimport makes the service not
// know the account any more, though it may go on sending.
func (s *Service) Nickname(account, nickname string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nicknames[account] = &nickname
}

// Unimport: see Nickname.
func (s *Service) Unimport(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nicknames[account] = nil
}

// Rename gives a group another name, as its owner does.
func (s *Service) Rename(groupID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group(groupID).Name = name
}

// Retype changes the type of a group.
func (s *Service) Retype(groupID, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group(groupID).Type = to
}

// Dismiss removes a group.
func (s *Service) Dismiss(groupID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group(groupID)
	delete(s.groups, groupID)
}

func (s *Service) group(id string) *group {
	g, ok := s.groups[id]
	if !ok {
		panic(fmt.Sprintf("recalltest: no group %q", id))
	}
	return g
}

func (s *Service) conversation(groupID, topic string) *conversation {
	c, ok := s.group(groupID).conversations[topic]
	if !ok {
		panic(fmt.Sprintf("recalltest: no topic %q in group %q", topic, groupID))
	}
	return c
}

// A SayOption changes what Say says.
type SayOption func(*message)

// At sets when the message was sent; the default is now. Times need not grow
// with the numbers: the documentation does not promise it.
func At(t time.Time) SayOption { return func(m *message) { m.at = t } }

// Body sets MsgBody as raw JSON in place of one text element.
func Body(raw string) SayOption {
	return func(m *message) { m.body = json.RawMessage(raw) }
}

// Made makes the text of the message from its number, each time it is read, in
// place of keeping it: so 100,000 long messages need no memory. text must
// always give the same text for a number.
func Made(text func(seq Seq) string) SayOption { return func(m *message) { m.made = text } }

// System makes it a system message: its MsgBody is an object, not a list.
func System() SayOption {
	return func(m *message) {
		m.system = true
		m.body = raw(map[string]any{"MemberList": []any{map[string]any{"Member_Account": m.from}}, "OpType": 1})
	}
}

// Unrecallable makes it a kind of message that recalls answer with 10032.
func Unrecallable() SayOption { return func(m *message) { m.unrecallable = true } }

// Priority sets its priority: 1 high, 2 normal (default), 3 low, 4 lowest.
func Priority(n int) SayOption { return func(m *message) { m.priority = n } }

// Custom sets its CloudCustomData.
func Custom(data string) SayOption { return func(m *message) { m.custom = data } }

// OnlineOnly sends it to members who are online, without storing it: it gets
// no number, and Say returns 0.
func OnlineOnly() SayOption { return func(m *message) { m.online = true } }

// Say sends a text message and returns its number. The after-send callback
// follows, where callbacks are on.
func (s *Service) Say(groupID, topic, from, text string, options ...SayOption) Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversation(groupID, topic)
	m := &message{from: from, at: time.Now(), priority: 2, random: s.rand.Uint32()}
	m.body = textBody(text)
	for _, o := range options {
		o(m)
	}
	if m.made != nil {
		m.body = nil
	} else if !json.Valid(m.body) {
		panic("recalltest: the body is not JSON")
	}
	if !m.online {
		m.seq = Seq(len(c.messages)) + 1
		c.messages = append(c.messages, m)
	}
	s.afterSend(s.group(groupID), topic, m)
	return m.seq
}

// said is the MsgBody.
func (m *message) said() json.RawMessage {
	if m.made != nil {
		return textBody(m.made(m.seq))
	}
	return m.body
}

func textBody(text string) json.RawMessage {
	return raw([]any{map[string]any{"MsgType": "TIMTextElem", "MsgContent": map[string]any{"Text": text}}})
}

// SkipTo makes the next message of a conversation get the number seq. The
// numbers in between read as messages that were deleted.
func (s *Service) SkipTo(groupID, topic string, seq Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversation(groupID, topic)
	for n := Seq(len(c.messages)) + 1; n < seq; n++ {
		c.messages = append(c.messages, &message{seq: n, at: time.Now(), deleted: true})
	}
}

// Edit replaces what a message says, as modify_group_msg does. Its sender and time stay.
func (s *Service) Edit(groupID, topic string, seq Seq, text string) {
	s.each(groupID, topic, []Seq{seq}, func(m *message) { m.body, m.made = textBody(text), nil })
}

// EditCustom gives a message other CloudCustomData, as a client does that
// reacts to it.
func (s *Service) EditCustom(groupID, topic string, seq Seq, data string) {
	s.each(groupID, topic, []Seq{seq}, func(m *message) { m.custom = data })
}

// Delete deletes messages, as a member or the app may.
func (s *Service) Delete(groupID, topic string, seqs ...Seq) {
	s.each(groupID, topic, seqs, func(m *message) { m.deleted = true })
}

// Expire lets the storage period of messages end.
func (s *Service) Expire(groupID, topic string, seqs ...Seq) {
	s.each(groupID, topic, seqs, func(m *message) { m.expired = true })
}

// MakeUnrecallable lets recalls of messages be answered with 10032.
func (s *Service) MakeUnrecallable(groupID, topic string, seqs ...Seq) {
	s.each(groupID, topic, seqs, func(m *message) { m.unrecallable = true })
}

// RecallElsewhere recalls messages as somebody's client does, with a callback
// and without a call of the API.
func (s *Service) RecallElsewhere(groupID, topic, operator string, seqs ...Seq) {
	s.each(groupID, topic, seqs, func(m *message) { m.recalled = true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterRecall(s.group(groupID), topic, operator, "iOS", seqs)
}

// ForgeRecall lets a callback tell of a recall that never was, as somebody can
// who has seen the address of another: the signature does not cover the body.
// The group must be there, the messages need not.
func (s *Service) ForgeRecall(groupID, topic, operator string, seqs ...Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterRecall(s.group(groupID), topic, operator, "iOS", seqs)
}

func (s *Service) each(groupID, topic string, seqs []Seq, do func(*message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversation(groupID, topic)
	for _, seq := range seqs {
		m := c.message(seq)
		if m == nil {
			panic(fmt.Sprintf("recalltest: no message %d in group %q topic %q", seq, groupID, topic))
		}
		do(m)
	}
}

func (c *conversation) message(seq Seq) *message {
	if seq == 0 || uint64(seq) > uint64(len(c.messages)) {
		return nil
	}
	return c.messages[seq-1]
}

// gone reports whether the storage no longer has the message.
func (s *Service) gone(m *message) bool { return m.deleted || s.expired(m) }

// expired reports whether the storage period of the message is over.
func (s *Service) expired(m *message) bool {
	return m.expired || time.Since(m.at) > s.options.Retention
}

// Recalled reports whether a message has been recalled.
func (s *Service) Recalled(groupID, topic string, seq Seq) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.conversation(groupID, topic).message(seq)
	return m != nil && m.recalled
}

// RecalledSeqs returns the numbers of the messages of a conversation that
// have been recalled, in ascending order.
func (s *Service) RecalledSeqs(groupID, topic string) []Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seqs []Seq
	for _, m := range s.conversation(groupID, topic).messages {
		if m.recalled {
			seqs = append(seqs, m.seq)
		}
	}
	return seqs
}

// A Notification is a system notification that was sent.
type Notification struct {
	Group, Topic, Content string
	To                    []string // none: the whole group
}

// Notifications returns the system notifications that were sent, oldest first.
func (s *Service) Notifications() []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notifications)
}

// validGroupID reports whether the id has the form of one.
func validGroupID(id string) bool {
	if id == "" || len(id) > 48 {
		return false
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] > 0x7e {
			return false
		}
	}
	return true
}

// stores reports whether groups of the type keep their messages.
func stores(groupType string) bool { return groupType != "AVChatRoom" && groupType != "Live" }

// raw encodes what this package made itself.
func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: only maps, slices, strings and numbers come here
	}
	return b
}

// pause waits, and returns false when the service was closed meanwhile.
func (s *Service) pause(d time.Duration) bool {
	if d <= 0 {
		return s.done.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done.Done():
		return false
	}
}

// jittered returns d and up to jitter more.
func (s *Service) jittered(d, jitter time.Duration) time.Duration {
	if jitter > 0 {
		d += time.Duration(s.rand.Int64N(int64(jitter)))
	}
	return d
}

var _ http.Handler = (*Service)(nil)

// GroupIDs returns the ids of all groups.
func (s *Service) GroupIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.groups))
}

// Refuse lets the service answer calls of one group alone with a code: those
// that recall or read messages, for 10033 those that recall, and for 10044
// those that read. 0 ends that.
func (s *Service) Refuse(groupID string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group(groupID).refuses = code
}
