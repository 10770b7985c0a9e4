// Package intake handles what people do: an event comes from an adapter, is stored, takes effect
// and gets its answer, all in one transaction. An event that comes twice acts once.
//
// Adapters hand a Delivery to a Flow (flow.go), which stores it, acknowledges it, asks who acted,
// has it done and answers, on every platform alike, and takes up what a process left that ended. It
// calls Do (dispatch.go), and first Note, where a platform wants its acknowledgement before the
// person's right is known (store.go). button.go has what buttons carry, event.go what a person did
// and what they are answered. act.go is an event on its way through its transaction: ask.go stores
// a request, decide.go brings every verdict to bot.Decide, stop.go ends requests, list.go shows
// them, finder.go searches. afresh.go shows content that is not kept. audit.go tells the audit log
// who did what.
//
// A refusal or a mistake is an answer, not an error. Before a person is shown or told anything, it
// is checked that they may ask, approve or read; nothing here calls the recall API.
package intake
