// Package history reads the Chat service: the pages of a group's history, the messages that a
// filter selects, and the index of what the service's callbacks reported.
//
// reader.go makes the calls of one Reader and keeps a record of each for the audit log; search.go
// searches history by a filter; fault.go decides what a failed call means. callback.go stores
// callbacks (Hear), and index.go searches the messages that they reported. History, in history.go,
// is what these files share.
//
// A successful read is complete. If it does not return a message, the service does not have that
// message.
package history
