// Package worker does what happens without a person: its loops read the stored state, prepare
// requests, run approved ones, write cards and threads, and act when a time has come.
//
// loop.go has Run and the loop that holds the app's lease (lease.go). plan.go finds what can be
// started: preparer.go reads messages and seals a request; claim.go claims batches, in a commit
// before their calls; call.go makes the calls, and reread.go reads messages once more before, to
// compare them with their seal (sealed.go). result.go stores the results. rest.go makes batches of
// the messages that have none, a part at a time, and ends what is no longer sent. takeover.go puts
// in doubt what an earlier holder claimed; doubt.go reads what happened to a batch whose answer was
// lost; heard.go applies what callbacks report; confirmer.go reads recalled messages again as a
// second source; finish.go ends a request.
// pause.go waits while the service refuses the app, and restore.go makes it safe to continue from a
// copy of the ledger. teller.go keeps cards and threads equal to the stored state, and timer.go
// acts on time. runner.go is the state of one holder of the lease, worker.go what all loops share.
//
// A batch is claimed in a durable commit before its call is made. If a holder finds a batch that an
// older epoch claimed, the call may have been made or not: the batch is in doubt. A doubt is
// resolved by reading history, never by guessing.
package worker
