package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/adapters/console"
	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall/recalltest"
)

// furnish puts the group and its messages into the Chat service: a day of small talk, and in the
// last quarter of an hour what it is about.
func (s *Sandbox) furnish() {
	s.chat.AddGroup(recalltest.Group{ID: Group, Type: s.o.GroupType, Name: "Lounge", Members: 1203})
	for i := range 99 {
		s.say("carol", "Small talk, as always", time.Now().Add(time.Duration(i-100)*15*time.Minute))
	}
	for i, m := range [][2]string{
		{"mallory", "Double your coins today at coins.example"},
		{"mallory", "Last chance! coins.example"},
		{"alice", "Is this for real?"},
		{"bob", "No, do not click it"},
	} {
		s.say(m[0], m[1], time.Now().Add(time.Duration(i-15)*time.Minute))
	}
}

func (s *Sandbox) say(from, text string, at time.Time) {
	s.log.mustNotHold(text)
	s.chat.Say(Group, "", from, text, recalltest.At(at.Truncate(time.Second)))
}

// faults are those that need no more than a name.
var faults = map[string]recalltest.Fault{
	"bad_gateway": recalltest.BadGateway(), "bad_gateway_after": recalltest.BadGatewayAfter(),
	"reset_before": recalltest.ResetBefore(),
	"reset_after":  recalltest.ResetAfter(), "lost": recalltest.AnswerLost(), "truncated": recalltest.Truncated(),
	"cut_json": recalltest.CutJSON(),
	"html":     recalltest.HTML(), "no_list": recalltest.NoList(), "reordered": recalltest.Reordered(),
	"no_error_info": recalltest.NoErrorInfo(),
	"unreachable":   recalltest.Unreachable(),
}

var commands = map[string]string{"recall": recalltest.Recall, "history": recalltest.History, "info": recalltest.Info,
	"any": ""}

// Chat makes something happen in the Chat service:
//
//	say USER TEXT                      the next message
//	flood N USER TEXT                  the next N messages; # in the text is 1, 2 and so on
//	aged DURATION USER TEXT            the next message, sent that long ago
//	send USER JSON [DATA]              the next message, with that MsgBody and CloudCustomData
//	sign                               each answer signs the addresses of media anew from now on
//	edit SEQ TEXT                      a message is changed
//	recalled SEQ... | delete SEQ... | expire SEQ...
//	callbacks lost | late DURATION | on    what becomes of callbacks from now on, where they come in
//	forged SEQ...                      a callback that eve made up says that she recalled these
//	code CODE SEQ...                   the next recall answers with that code for these messages, and leaves them
//	answer CODE N [INFO]               the next N recalls are answered with a code for the whole; N 0: until heal
//	refuse CODE N [INFO]               the same for every call
//	missing SEQ...                     the next recall leaves these out of its answer
//	lose N                             of the next N recalls the answers are lost
//	fault recall|history|info|any NAME N   another fault; N 0: until heal
//	slow DURATION                      every call takes so long
//	quota N                            so many calls of each command a second are allowed from now on
//	already CODE                       how a message is answered that was recalled before
//	dismiss                            the group is no more
//	group ID NAME TYPE MEMBERS         there is another group
//	rename NAME                        the group is called otherwise
//	heal                               no more faults
func (s *Sandbox) Chat(words ...string) error {
	if len(words) == 0 {
		return fmt.Errorf("sandbox: what happens in the Chat service?")
	}
	verb, args := words[0], words[1:]
	number := func(i int) int {
		if i < len(args) {
			if n, err := strconv.Atoi(args[i]); err == nil {
				return n
			}
		}
		return -1
	}
	seqs := func(from int) []recalltest.Seq {
		var l []recalltest.Seq
		for i := from; i < len(args); i++ {
			l = append(l, recalltest.Seq(number(i)))
		}
		return l
	}
	times := func(i int) int {
		if n := number(i); n != 0 {
			return n
		}
		return -1
	}
	least := map[string]int{"say": 2, "flood": 3, "aged": 3, "send": 2, "edit": 2, "callbacks": 1, "forged": 1,
		"recalled": 1, "delete": 1, "expire": 1, "code": 2, "answer": 2, "refuse": 2, "missing": 1, "lose": 1,
		"fault": 3, "slow": 1, "quota": 1, "sign": 0, "already": 1, "dismiss": 0, "heal": 0,
		"group": 4, "rename": 1, "join": 2, "nick": 2, "in": 3}
	if n, ok := least[verb]; !ok || len(args) < n {
		return fmt.Errorf("sandbox: %q cannot happen in the Chat service", strings.Join(words, " "))
	}
	switch verb {
	case "say":
		s.say(args[0], args[1], time.Now())
	case "flood":
		for i := range number(0) {
			s.say(args[1], strings.ReplaceAll(args[2], "#", strconv.Itoa(i+1)), time.Now())
		}
	case "aged":
		d, err := time.ParseDuration(args[0])
		s.say(args[1], args[2], time.Now().Add(-d))
		return err
	case "send":
		if !json.Valid([]byte(args[1])) {
			return fmt.Errorf("sandbox: %s is not JSON", args[1])
		}
		s.log.mustNotHold(args[1])
		s.chat.Say(Group, "", args[0], "", recalltest.Body(args[1]), recalltest.Custom(strings.Join(args[2:], " ")))
	case "sign":
		s.chat.Change(func(o *recalltest.Options) { o.SignedAnew = true })
	case "edit":
		s.log.mustNotHold(args[1])
		s.chat.Edit(Group, "", recalltest.Seq(number(0)), args[1])
	case "callbacks":
		return s.turnCallbacks(args)
	case "forged":
		s.chat.ForgeRecall(Group, "", "eve", seqs(0)...)
	case "recalled":
		s.chat.RecallElsewhere(Group, "", "alice", seqs(0)...)
	case "delete":
		s.chat.Delete(Group, "", seqs(0)...)
	case "expire":
		s.chat.Expire(Group, "", seqs(0)...)
	case "code":
		s.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(number(0), seqs(1)...))
	case "answer":
		s.chat.Inject(recalltest.Recall, times(1), recalltest.Answer(number(0), strings.Join(args[2:], " ")))
	case "refuse":
		s.chat.Inject("", times(1), recalltest.Answer(number(0), strings.Join(args[2:], " ")))
	case "missing":
		s.chat.Inject(recalltest.Recall, 1, recalltest.Missing(seqs(0)...))
	case "lose":
		s.chat.Inject(recalltest.Recall, number(0), recalltest.AnswerLost())
	case "fault":
		f, known := faults[args[1]]
		command, ok := commands[args[0]]
		if !known || !ok {
			return fmt.Errorf("sandbox: there is no fault %s of %s", args[1], args[0])
		}
		s.chat.Inject(command, times(2), f)
	case "slow":
		d, err := time.ParseDuration(args[0])
		s.chat.Change(func(o *recalltest.Options) { o.Latency = d })
		return err
	case "quota":
		s.chat.Change(func(o *recalltest.Options) { o.CallsPerSecond = number(0) })
	case "already":
		s.chat.Change(func(o *recalltest.Options) { o.AlreadyRecalled = number(0) })
	case "dismiss":
		s.chat.Dismiss(Group)
	case "group":
		s.chat.AddGroup(recalltest.Group{ID: args[0], Name: args[1], Type: args[2], Members: number(3)})
	case "join":
		for _, group := range args[1:] {
			s.chat.Join(group, args[0])
		}
	case "nick":
		s.chat.Nickname(args[0], args[1])
	case "in":
		s.log.mustNotHold(args[2])
		s.chat.Say(args[0], "", args[1], args[2])
	case "rename":
		s.chat.Rename(Group, args[0])
	case "heal":
		s.chat.ClearFaults()
	}
	return nil
}

// hookToken signs the callbacks.
const hookToken = "sandbox-callbacks-token"

// callbacks lets callbacks come in to the process that runs, a moment after what they tell of.
func (s *Sandbox) callbacks() recalltest.Callbacks {
	return recalltest.Callbacks{Token: hookToken, Delay: latency / 2,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hook := s.hook.Load(); hook != nil {
				hook.ServeHTTP(w, r)
				return
			}
			http.Error(w, "nobody is there", http.StatusBadGateway)
		})}
}

func (s *Sandbox) turnCallbacks(words []string) error {
	c := s.callbacks()
	switch {
	case !s.o.Callbacks:
		return errors.New("sandbox: callbacks do not come in here")
	case words[0] == "on":
	case words[0] == "lost":
		c.Drop = func(string, []byte) bool { return true }
	case words[0] == "late" && len(words) > 1:
		var err error
		if c.Delay, err = time.ParseDuration(words[1]); err != nil {
			return err
		}
	default:
		return fmt.Errorf("sandbox: %q is nothing that becomes of callbacks", strings.Join(words, " "))
	}
	s.chat.Change(func(o *recalltest.Options) { o.Callbacks = c })
	return nil
}

// Recalls are the calls of group_msg_recall that reached the service, a line each, and the most
// that came in any second.
func (s *Sandbox) Recalls() (calls []string, pace string) {
	log := s.chat.Log()
	// those of one second by their messages: which goes first is nobody's concern
	slices.SortStableFunc(log, func(a, b recalltest.Call) int {
		return cmp.Or(a.At.Truncate(time.Second).Compare(b.At.Truncate(time.Second)), slices.Compare(a.Seqs, b.Seqs))
	})
	for _, c := range log {
		if c.Command != recalltest.Recall {
			continue
		}
		l := command.MakeRanges(toSeqs(c.Seqs)...).String() + ":"
		if c.Code != 0 || len(c.Codes) == 0 {
			l += " code " + strconv.Itoa(c.Code)
		}
		by := map[int][]recalltest.Seq{}
		for seq, code := range c.Codes {
			by[code] = append(by[code], seq)
		}
		for _, code := range slices.Sorted(maps.Keys(by)) {
			l += fmt.Sprintf(" %d for %s", code, command.MakeRanges(toSeqs(by[code])...))
		}
		if c.Acted {
			l += ", done"
		}
		calls = append(calls, l)
	}
	return calls, fmt.Sprintf("at most %d in any second", s.chat.MostInAnySecond(recalltest.Recall))
}

// left out of the audit lines: they vary, or are the same in every line.
var unsaid = []string{"policy", "configuration", "roster", "holder", "place", "right"}

// Report returns what the command audit report prints; see bottest.World.
func (s *Sandbox) Report(id string) (string, error) {
	id, err := s.newest(id)
	if err != nil {
		return "", err
	}
	return console.Report(context.Background(), viewed{view: s.View}, bot.RequestID(id))
}

// viewed is the ledger of the process that runs, for reading.
type viewed struct {
	bot.Ledger
	view func(fn func(bot.Tx) error) error // not the Sandbox: what is reflected on is linked in whole
}

// View runs fn on one consistent state; see bot.Ledger.
func (v viewed) View(_ context.Context, fn func(bot.Tx) error) error { return v.view(fn) }

// Log returns the lines about requests; see bottest.World.
func (s *Sandbox) Log() []string {
	var l []string
	for line := range strings.Lines(s.log.String()) {
		if _, said, ok := strings.Cut(line, ` level=INFO msg="request `); ok {
			said = strings.Replace(strings.TrimSpace(said), `"`, "", 1)
			at := len(l)
			// What follows in the same instant is written by another goroutine, perhaps earlier.
			if rest, asked := strings.CutPrefix(said, "asked "); asked {
				request, _, _ := strings.Cut(rest, " ")
				first := slices.IndexFunc(l, func(s string) bool { return strings.Contains(s+" ", " "+request+" ") })
				if first >= 0 {
					at = first
				}
			}
			l = slices.Insert(l, at, said)
		}
	}
	return l
}

// Audit is the audit log, a line for each entry: who, what, of which request, and the details.
func (s *Sandbox) Audit() ([]string, error) {
	var l []string
	err := s.entries(func(e bot.Entry) error {
		who := e.Actor
		if parts := strings.Split(e.Actor, ":"); len(parts) == 3 && s.sides[bot.Platform(parts[0])] != nil {
			who = s.sides[bot.Platform(parts[0])].nameOf(parts[2])
		}
		line := who + ": " + e.What
		if e.Request != "" {
			line += " " + string(e.Request)
		}
		var more map[string]any
		if len(e.Detail) > 0 {
			if err := json.Unmarshal(e.Detail, &more); err != nil {
				return fmt.Errorf("read audit entry %d: %w", e.N, err)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(more)) {
			if slices.Contains(unsaid, key) {
				continue
			}
			v, err := json.Marshal(more[key])
			if err != nil {
				return err // unreachable: it was just read
			}
			line += " " + key + "=" + string(v)
		}
		l = append(l, line)
		return nil
	})
	sortCalls(l)
	return l, err
}

// sortCalls puts calls, and what they showed, that are told one after the other into an order of
// their own: they were made side by side, and any may be answered first.
func sortCalls(l []string) {
	call := func(line string) bool {
		_, what, _ := strings.Cut(line, ": ")
		return strings.HasPrefix(what, "api ") || strings.HasPrefix(what, "found out ")
	}
	for from := 0; from < len(l); from++ {
		to := from
		for to < len(l) && call(l[to]) {
			to++
		}
		slices.Sort(l[from:to])
		from = max(from, to)
	}
}

// verifyAudit checks the chain of the audit log.
func (s *Sandbox) verifyAudit() error {
	var v bot.Verifier
	return s.entries(v.Next)
}

// entries hands the audit log over, entry by entry.
func (s *Sandbox) entries(do func(bot.Entry) error) error {
	for n := int64(1); ; {
		var page []bot.Entry
		err := s.View(func(tx bot.Tx) (err error) {
			page, err = tx.Entries(n, 500)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := do(e); err != nil {
				return err
			}
		}
		if len(page) < 500 {
			return nil
		}
		n += int64(len(page))
	}
}
