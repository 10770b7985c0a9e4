// Package intake handles what people do: an event arrives from an adapter, is stored, is applied
// and gets its answer, all in one transaction. An event that is delivered twice is applied once.
//
// An adapter hands a Delivery to a Flow (flow.go). For every platform alike, the Flow stores the
// event, acknowledges it, asks who acted, handles it and answers; it also handles the orphans of a
// process that has ended. It calls Do (dispatch.go), and before that Receive if the platform must
// be acknowledged before the person's right is known (store.go). event.go has events and answers,
// button.go the payloads of buttons. act.go is one event within its transaction: ask.go stores a
// request, decide.go passes every verdict to bot.Decide, stop.go ends requests, list.go shows them,
// finder.go searches. showall.go answers Show all, and reads what is not kept of the messages.
// audit.go writes audit entries about people.
//
// A refusal or a mistake is an answer, not an error. A person is shown nothing before their right
// to ask, approve or read has been checked. Nothing here calls the recall API.
package intake
