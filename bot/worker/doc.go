// Package worker does what goes on by itself: loops over stored state that prepare requests, run
// what was approved, tell what became of it, and let time pass.
//
// loop.go has Run and the loop that holds the app's lease (lease.go). plan.go finds what can be
// started: preparer.go reads messages and seals a request; claim.go claims batches, in a commit
// before their calls; call.go makes the calls, and reread.go looks at messages once more before;
// result.go stores what came of them. rest.go makes batches of a part of the messages at a time,
// and ends what is sent no more. doubt.go reads what became of a batch whose answer was lost;
// confirmer.go reads recalled messages back as a second source; finish.go ends a request. pause.go
// waits with an app that the service refuses, restore.go makes it safe to go on from a copy of the
// ledger. teller.go keeps cards and threads equal to what is stored, and timer.go lets time pass.
// runner.go is the state of one holder of the lease, worker.go what all loops share.
//
// A batch is claimed in a durable commit before its call is made. A holder that finds a batch
// claimed by an older epoch knows that its call may have been made or not: the batch is in doubt,
// and doubt is settled by reading history, never by guessing.
package worker
