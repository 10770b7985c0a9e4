// Package bot defines a request to recall group messages, and the rule that a second person must
// approve it. It knows no SQL and no platform, and starts nothing; the ledger supplies the time
// that decides.
//
// A recall cannot be undone, and the service's "OK" says nothing about any message. So, whatever
// fails: no call without a stored approval, by enough people other than the requester, of exactly
// these messages; what was shown is what runs; every message ends with one outcome that is true;
// nothing that a person did is lost; never more calls than the quota; and text of others never
// appears as the bot's own.
//
//	preparing --sealed--> proposed --enough people--> approved --claimed--> running --all settled--> done
//	   |                     |                           |                     |
//	   |-> refused           |-> rejected                |-> stopped           |-> stopping -> stopped
//	   |-> withdrawn         |-> withdrawn, expired      |-> not started (by way of stopping, when large)
//
// # Where to look
//
//	person.go policy.go     who people are, and who may ask, approve and read
//	request.go              a request and its states; Decide alone makes an approval, and refuses
//	                        one's own
//	traits.go               what the bot knows about a platform
//	part.go where.go        what a request has in each of its groups, and how groups are named
//	seal.go outcome.go      what was sealed, and the outcome of each message
//	kind.go                 thousands of messages, as kinds that people can look at
//	card.go text.go         a card, from its headline to its buttons; text of others kept inert
//	phone.go                as much of a card as a phone shows
//	text/en.txt             every sentence of the bot in chat; a platform's own stand in its folder
//	audit.go step.go        the chain of what was done, and its verifier; what the log has of it
//	ledger.go surface.go    what durable memory and a platform must do
//	bot.go                  the options, and what a transaction does for intake and worker
//	command/                the language that people type, there and back
//	history/                reading the Chat service, and what its callbacks report
//	intake/flow.go          the way of a command or press, from its arrival to its answer
//	intake/dispatch.go      what is done for it; intake/store.go stores it first
//	worker/loop.go          work on what is stored, a file a step: preparer, claim, call, result, teller
//	worker/doubt.go         what a lost answer becomes, when it is read
//	worker/takeover.go      after a restart, what was claimed is in doubt; worker/restore.go after a
//	                        copy of the ledger; intake/flow.go handles events without an answer
//	ledger/ ledgertest/     the ledger in SQL, and what every ledger promises
//	bottest/ testdata/talk/ conversations as test files
//	golden/                 the files that tests compare with, and -update
//
// A Slack press arrives in adapters/slack/event.go, a Discord one in
// adapters/discord/interaction.go; adapters/adapters.go lists the platforms, and main.go puts
// everything together. Package recall is the client of the Chat service, config the environment,
// adapters/sandbox everything on services in memory.
package bot
