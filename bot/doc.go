// Package bot is what recallbot is: requests to recall group messages, the rule that a second person must agree, the running of what was agreed, and the
// telling of what became of every message. It knows no SQL, no Slack and no Discord.
//
// # Goals
//
// A recall in Tencent Cloud Chat cannot be undone, and the service's "OK" says nothing about any message. So, whatever fails:
//
//  1. No call to the recall API without a stored approval, by enough people other than the requester, of exactly these messages.
//  2. What was sealed and shown is what runs.
//  3. Every requested message ends with one outcome that is true. A message that the answer lacks is unknown, not recalled; a lost answer is found out, or
//     called unknown.
//  4. Nothing that a person did is lost: an event is stored before it is acknowledged, and handling it twice changes nothing.
//  5. Never more calls than the quota in any one-second window, all replicas together.
//  6. Text that others wrote never speaks with the bot's voice.
//
// # The life of a request
//
//	preparing --sealed--> proposed --enough people--> approved --claimed--> running --all settled--> done
//	   |                     |                           |                     |
//	   |-> refused           |-> rejected                |-> stopped           |-> stopping --settled--> stopped
//	   |-> withdrawn         |-> withdrawn               |-> not started                  |-> not started, where it never began
//	                         |-> expired                 |-> stopping, where it has so many messages that ending them takes a while
//
// ExampleState prints the whole table. Settled requests never change again.
//
// # Reading order
//
// request.go holds the request, its states, and the pure functions that change it. Decide is the only one that makes an approval, and every way to decide
// (button, form, command) ends in it. person.go and policy.go say who people are and what they may do; seal.go says what a request is fixed to; outcome.go says what
// became of a message.
//
// command.go is the command language, there and back; scope.go has the sets of seqs and filters that it speaks of. text.go and text/ hold every sentence that people
// read, and keep foreign text inert. card.go draws a request free of any platform; answer.go is what is said to one person.
//
// ledger.go says what durable memory must promise; package bot/ledger keeps it in SQL, and bot/ledgertest holds it to it. audit.go is the chain of what
// was done, what puts it there, and its verifier.
//
// bot.go is what adapters call: Do for every event (event.go). It is one transaction: the event's id, the change, and the views and timers that follow. act.go is
// an event on its way through it: asking, deciding, withdrawing, stopping. Then work goes on over what is stored: preparer.go reads messages (history.go) and
// seals; runner.go holds the app's lease and claims batches, rest.go makes them of a part of the messages at a time and ends what is sent no more, call.go makes their calls (reread.go looks at
// messages once more before), result.go stores what came of them, doubt.go finds out about lost answers, pause.go waits with an app that is refused; confirmer.go
// asks a second source; teller.go keeps what people see equal to what is stored; timer.go lets time pass; finder.go searches. callback.go takes in what the
// service itself tells (Hear): recalls that confirm or settle, and messages for the index. afresh.go shows content that is not kept.
//
// surface.go is what a platform must do for the teller, and finding.go what a check of the configuration says; packages adapters/slack and adapters/discord do
// both; adapters/webhook takes in callbacks. adapters/inbound bounds what strangers can take of the three. Package recall is the client of the Chat service, and recall/recalltest the service in memory. Package config reads
// the environment. Package adapters/sandbox puts the real adapters on services in memory: it plays the demo and the conversations in testdata/talk.
//
// # What a crash leaves
//
// A seal that was cut short leaves messages that nobody sees: the next preparation drops them, and so does the end of the request.
//
// A batch is claimed in a durable commit before its call is made. A holder of the lease that finds a batch claimed by an older epoch knows that its call may have been
// made or not: the batch is in doubt, and doubt is settled by reading history, never by guessing. restore.go does the same to all that a copy of the ledger calls unfinished. Posts and cards are rendered from what is stored until they are shown; a
// post whose answer was lost may appear twice, with the same number.
package bot
