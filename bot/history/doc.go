// Package history reads the Chat service: the pages of a group's history, what a filter finds in
// them, and the index of what the service's callbacks told.
//
// reader.go makes the calls of one reading and keeps what each was answered for the audit log;
// search.go finds the messages that a filter asks for; fault.go says what a failed reading means.
// callback.go takes in callbacks (Hear), and index.go finds in what they told. History, in
// history.go, is what they share.
//
// What a reading returns is complete or is an error. A message that it does not return is one that
// the service certainly does not have.
package history
