package practice

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"
)

// scenario is a situation that can be played to its end.
type scenario struct {
	id, title string
	about     string // two sentences
	furnish   func(g *ground)
	steps     []step
}

// step is one thing to do or to watch.
type step struct {
	say func(g *ground) string
	// mark is what is to be pressed next: "send" in the composer, "face:NAME", "press:LABEL" on a
	// message, "answer" in a question or form, "tool:NAME"; "" for nothing.
	mark string
	// button, if not "", stands beside what is said, and do is what it does, without g.mu.
	button string
	do     func(ctx context.Context, g *ground)
	types  string // fills the composer
	done   func(g *ground) bool
}

// says is a sentence that is always the same.
func says(s string) func(*ground) string { return func(*ground) string { return s } }

// The steps that most scenarios share.

func send(line, why string) step {
	return step{say: says(why), mark: "send", types: line, done: func(g *ground) bool {
		return g.now.newest().State == bot.Proposed && g.cardShows("Approve")
	}}
}

func become(name, why string) step {
	return step{say: says(why), mark: "face:" + name, done: func(g *ground) bool { return g.face == name }}
}

// approve are the steps of somebody's approval.
func approve(name, why string) []step {
	approved := func(g *ground) bool {
		r := g.now.newest()
		if r.State != bot.Proposed {
			return true
		}
		for _, a := range r.Approvals {
			if a.By.Account.User == g.user(name) {
				return true
			}
		}
		return false
	}
	return []step{
		{say: says(why), mark: "press:Approve", done: func(g *ground) bool {
			_, _, window := g.channel()
			return approved(g) || g.asking != "" || window != nil
		}},
		{say: func(g *ground) string {
			if g.home().People().FormsFollow() { // the platform itself asks
				return "A recall cannot be undone, so you are asked once more. Press Recall."
			}
			return fmt.Sprintf("A recall cannot be undone, so you are asked once more. Type %s and press Submit.",
				thousands(g.now.newest().Tally.Send))
		}, mark: "answer", done: approved},
	}
}

func gone(why string) step {
	return step{say: says(why), done: func(g *ground) bool { return g.now.newest().State == bot.Done && g.receipt() }}
}

// cardShows reports whether the newest request's card has a button.
func (g *ground) cardShows(label string) bool {
	items, _, _ := g.channel()
	for _, it := range items {
		if !strings.Contains(it.Text, string(g.now.newest().ID)) || !it.Bot {
			continue
		}
		for _, b := range it.Buttons {
			if strings.HasPrefix(b, label) {
				return true
			}
		}
	}
	return false
}

// receipt reports whether the thread of the newest request holds its receipt.
func (g *ground) receipt() bool {
	items, _, _ := g.channel()
	for _, it := range items {
		for _, m := range it.thread {
			if strings.Contains(m.Text, "Receipt") && strings.Contains(m.Text, string(g.now.newest().ID)) {
				return true
			}
		}
	}
	return false
}

// smallTalk is what the group talks about before.
func smallTalk(g *ground) {
	for i, m := range [][2]string{{"alice", "Did anybody see the match?"}, {"bob", "Yes! What a goal in the end"},
		{"carol", "I fell asleep at half time"}} {
		g.say(lounge, m[0], m[1], recalltest.At(time.Now().Add(time.Duration(i-5)*time.Minute)))
	}
}

// scam are two messages, numbered 104 and 105 after the small talk.
func scam(g *ground) {
	g.say(lounge, "mallory", "Double your coins today at coins.example")
	g.say(lounge, "mallory", "Last chance! coins.example")
}

const askTwo = "/recall Lounge 104 105 reason:scam"

// shelf are the scenarios, in the order in which they are learnt.
var shelf = []scenario{twoScam, flood, asleep, outage, wrongName, tenGroups, free}

var twoScam = scenario{
	id: "scam", title: "Two scam messages",
	about: "It is 3:02 a.m. You are Mina, a moderator. Somebody posts scam in Lounge.",
	furnish: func(g *ground) {
		smallTalk(g)
		g.later(time.Second, func() { g.say(lounge, "mallory", "Double your coins today at coins.example") })
		g.later(2*time.Second, func() { g.say(lounge, "mallory", "Last chance! coins.example") })
	},
	steps: append(append([]step{
		{say: says("Look at the members' phone: the scam arrives."), types: askTwo,
			done: func(g *ground) bool { return len(g.said) >= 5 }},
		send(askTwo, "The two messages have the numbers 104 and 105. Your command is typed already: press Send."),
		{say: says("This is the card. It shows exactly what would go, and nothing has gone yet. Now try to approve it yourself."),
			button: "Approve it as Mina", do: func(ctx context.Context, g *ground) { g.approveAs(ctx, "mina") },
			done: func(g *ground) bool { return g.now.refused["own_request"] || g.now.newest().State != bot.Proposed }},
		become("theo", "You are refused: whoever asked cannot approve. But Theo's phone rang. Be Theo now."),
	}, approve("theo", "Theo sees the same card, on his phone perhaps. Press Approve.")...),
		gone("The two messages fade on the members' phone. The thread says what became of each."),
		step{say: says("Both are gone, and the thread has a receipt that adds up. Now be cruel: let a flood of 2,000 messages come, have it " +
			"recalled, and pull the plug in the middle."),
			button: "Pull the plug", do: pullThePlug, done: func(g *ground) bool { return g.pulled }},
	),
}

// pullThePlug floods the group, has the flood recalled, kills the bot in the middle, and starts it
// again.
func pullThePlug(ctx context.Context, g *ground) {
	const size = 2000
	first, last, before := recalltest.Seq(0), recalltest.Seq(0), 0
	var line string
	var asked int
	ok := g.locked(ctx, func() {
		g.note, g.face = "The flood comes: 2,000 messages.", "mina"
		g.pourIn(size)
		last = g.said[len(g.said)-1].seq
		first, before, asked = last-size+1, g.now.recalled, len(g.now.requests)
		line = fmt.Sprintf("/recall Lounge %d-%d reason:flood", first, last)
	})
	if !ok || !g.types(ctx, "mina", line) || !g.waits(ctx, time.Minute, func() bool {
		return len(g.now.requests) > asked && g.now.newest().State == bot.Proposed && g.cardShows("Approve")
	}) {
		return
	}
	g.locked(ctx, func() { g.note = "Mina asks. Theo and Lena approve: from 100 messages on it takes two." })
	for _, who := range []string{"theo", "lena"} {
		g.approveAs(ctx, who)
	}
	if !g.waits(ctx, time.Minute, func() bool { return g.now.recalled-before >= size*2/5 }) {
		return
	}
	g.locked(ctx, func() {
		g.fail(g.world.Kill())
		g.dead = true
		g.note = fmt.Sprintf("The plug is pulled: the bot is dead, %s messages are recalled.",
			thousands(g.now.recalled-before))
	})
	g.waits(ctx, 2*time.Second, func() bool { return false })
	g.locked(ctx, func() {
		g.fail(g.world.Start())
		g.dead = false
		g.note = "The bot is started again. It knows what was approved, and reads what became of the calls that were on their way."
	})
	if !g.waits(ctx, time.Minute, func() bool { return g.now.newest().State == bot.Done }) {
		return
	}
	g.locked(ctx, func() {
		g.note = fmt.Sprintf("%s of 2,000 are recalled. %d were sent twice.", thousands(g.now.recalled-before),
			g.now.twice)
		if g.now.recalled-before == size && g.now.twice == 0 {
			g.note = "All 2,000 are recalled. None was sent twice."
		}
		g.pulled = true
	})
}

// approveAs lets somebody approve the newest request, and do what the platform then asks for.
func (g *ground) approveAs(ctx context.Context, who string) {
	var d bottest.Deed
	g.locked(ctx, func() {
		g.look()
		for _, m := range g.home().People().Channel(g.home().Channel()) {
			if m.Bot && !m.Reply && strings.Contains(m.Text, string(g.now.newest().ID)) {
				d = g.home().People().Press(g.user(who), m.Ref, "Approve")
			}
		}
	})
	if d == nil {
		return
	}
	g.await(ctx, d)
	f, asked := d.Opened()
	if !asked {
		return
	}
	g.locked(ctx, func() {
		in := map[string]string{}
		for _, name := range f.Inputs {
			in[name] = strconv.Itoa(g.now.newest().Tally.Send)
		}
		d = g.home().People().Send(g.user(who), f, in)
	})
	g.await(ctx, d)
}

// types lets somebody type a command.
func (g *ground) types(ctx context.Context, who, line string) bool {
	var d bottest.Deed
	if !g.locked(ctx, func() { d = g.home().People().Type(g.user(who), g.home().Channel(), line) }) {
		return false
	}
	g.await(ctx, d)
	return true
}

// pourIn lets a flood come.
func (g *ground) pourIn(n int) {
	for i := range n {
		g.say(lounge, fmt.Sprintf("win%03d", i%40), fmt.Sprintf("🔥 WIN %d coins at prize.example/%d", 100+i%7*50, i))
	}
}

// waits looks until something is so, and reports whether it became so in time.
func (g *ground) waits(ctx context.Context, within time.Duration, so func() bool) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		yes := false
		if !g.locked(ctx, func() { g.look(); yes = so() }) {
			return false
		}
		if yes {
			return true
		}
	}
	return false
}

var flood = scenario{
	id: "flood", title: "A flood of 2,000 with six innocents",
	about: "Forty accounts flood Lounge with 2,000 messages, and six members write in between. Take down the flood and leave the six alone.",
	furnish: func(g *ground) {
		smallTalk(g)
		for i, text := range []string{"What is going on here?", "Please make it stop", "Is anybody a moderator here?",
			"I am trying to talk to my sister", "This is the third time this week", "Good night, I give up"} {
			g.pourIn([]int{100, 400, 500, 300, 400, 200}[i])
			g.say(lounge, []string{"alice", "bob", "carol", "dave", "erin", "frank"}[i], text)
		}
		g.pourIn(100)
	},
	steps: append(append(append([]step{
		send("/recall Lounge 104-2109 reason:flood", "The numbers 104 to 2109 are 2,006 messages: the flood and the six. Press Send and see what the card says of them."),
		{say: says("The card names six that are unlike the rest. They are the members' own. Take it back: press Send."),
			mark: "send", types: "/recalls stop",
			done: func(g *ground) bool { return g.now.newest().State == bot.Withdrawn }},
		send(`/recall Lounge text:"prize.example" since:1h reason:flood`,
			"Ask for what the flood says, in place of numbers. Press Send."),
		become("theo", "2,000 messages, all of one kind. From 100 on two people must approve. Be Theo."),
	}, approve("theo", "Press Approve.")...),
		append([]step{become("lena", "One more must approve. Be Lena.")},
			approve("lena", "Press Approve. Before the first call some seconds pass, in which anybody can press Stop.")...)...),
		step{say: func(g *ground) string {
			return fmt.Sprintf("%s of 2,000 are recalled.", thousands(g.now.recalled))
		}, done: func(g *ground) bool {
			return g.now.newest().State == bot.Done && g.now.recalled == 2000 && g.receipt()
		}},
	),
}

var asleep = scenario{
	id: "asleep", title: "A doxxing post while the approver sleeps",
	about: "Somebody posts a home address, and nobody who may approve is awake. The bot reminds them once and then gives up, and you ask again.",
	furnish: func(g *ground) {
		smallTalk(g)
		g.say(lounge, "mallory", "alice lives at 12 Elm Street, Springfield")
	},
	steps: append(append([]step{
		send("/recall Lounge 104 reason:doxxing", "Ask for number 104: press Send."),
		{say: says("Nobody answers. Push the bot's clock by 10 minutes."), mark: "tool:10m",
			done: func(g *ground) bool { return g.ahead >= 10*time.Minute }},
		{say: says("The approvers are called once more. Push the clock by 30 minutes, beyond the deadline."), mark: "tool:30m",
			done: func(g *ground) bool { return g.now.newest().State == bot.Expired && g.cardShows("Ask again") }},
		{say: says("It expired, and nothing was recalled. Press Ask again on the card."), mark: "press:Ask again for 1",
			done: func(g *ground) bool {
				return len(g.now.requests) > 1 && g.now.newest().State == bot.Proposed && g.cardShows("Approve")
			}},
		become("theo", "A new request, and the approvers are called again. Theo has woken up: be Theo."),
	}, approve("theo", "Press Approve.")...),
		gone("The address is gone from every phone."),
	),
}

var outage = scenario{
	id: "outage", title: "A lost answer and an outage",
	about: "The Chat service fails right when you need it. The bot waits, and it never believes an answer that did not come.",
	furnish: func(g *ground) {
		smallTalk(g)
		scam(g)
	},
	steps: append(append([]step{
		send(askTwo, "Ask for the two: press Send."),
		{say: says("Now switch the Chat service off."), mark: "tool:off", done: func(g *ground) bool { return g.off }},
		become("theo", "Be Theo, who knows nothing of it."),
	}, approve("theo", "Press Approve.")...),
		step{say: says("It is approved, and nothing can be sent. The card says so, and that it goes on by itself. Make the next answer get lost, too."),
			mark: "tool:lose", done: func(g *ground) bool { return g.lose }},
		step{say: says("Switch the Chat service on again."), mark: "tool:on",
			done: func(g *ground) bool { return !g.off }},
		gone("The messages are recalled, and the answer that says so is lost. The bot reads what became of them before it says anything."),
	),
}

var wrongName = scenario{
	id: "name", title: "A wrong group name",
	about: "At 3 a.m. you type Lunge for Lounge. Nobody is called for a mistake, and nothing is guessed.",
	furnish: func(g *ground) {
		smallTalk(g)
		scam(g)
		g.group(recalltest.Group{ID: "@TGS#LOUNGEDE", Name: "Lounge DE", Members: 87})
	},
	steps: append(append([]step{
		{say: says("Press Send."), mark: "send", types: "/recall Lunge 104 105 reason:scam",
			done: func(g *ground) bool { return g.now.refused["no_such_name"] }},
		{say: says("Only you see this. The first of the two is the one that you meant: press Use 1."), mark: "press:Use 1",
			done: func(g *ground) bool { return g.now.newest().State == bot.Proposed && g.cardShows("Approve") }},
		become("theo", "Now the approvers are called. Be Theo."),
	}, approve("theo", "Press Approve.")...),
		gone("The two messages are gone from Lounge. Lounge DE was never touched."),
	),
}

// clubs are the groups beside the lounge in which one account posts.
var clubs = []string{"Bakery", "Chess", "Cinema", "Cycling", "Gardens", "Kitchen", "Music", "Parents", "Runners"}

var tenGroups = scenario{
	id: "groups", title: "One account in ten groups",
	about: "The same account posts the same scam in ten groups. One request takes it down in all of them.",
	furnish: func(g *ground) {
		smallTalk(g)
		g.say(lounge, "mallory", "Free phones at phones.example")
		for i, name := range clubs {
			id := fmt.Sprintf("@TGS#CLUB%d", i+1)
			g.group(recalltest.Group{ID: id, Name: name, Members: 40 + i})
			g.say(id, "alice", "Good evening, everybody")
			g.say(id, "mallory", "Free phones at phones.example")
		}
	},
	steps: append(append([]step{
		send("/recall in:Lounge,"+strings.Join(clubs, ",")+" from:mallory since:1h reason:scam",
			"In place of one group the command names ten, and it takes what one account wrote there. Press Send."),
		become("theo", "The card names each group and what would go there. Be Theo."),
	}, approve("theo", "Press Approve.")...),
		step{say: says("The message goes from all ten groups, and what the others wrote stays."), done: func(g *ground) bool {
			return g.now.newest().State == bot.Done && g.receipt() && g.gone() == len(g.groups)
		}},
	),
}

// gone is how many messages are recalled in all groups.
func (g *ground) gone() (n int) {
	for _, of := range g.groups {
		n += len(g.world.Service().RecalledSeqs(of.ID, ""))
	}
	return n
}

var free = scenario{
	id: "free", title: "Free play",
	about: "Nothing is marked here. Type any command, write as a member into the group, let things fail.",
	furnish: func(g *ground) {
		smallTalk(g)
		scam(g)
	},
	steps: []step{{say: says("/recalls help has examples to copy."), types: "/recalls help",
		done: func(g *ground) bool { return false }}},
}
