package bot

import "recallbot/bot/command"

// EventID is the id of one event of a platform. An event that is delivered twice has the same id
// and is applied once.
type EventID string

// RequestID names a request. The command language reads and writes it.
type RequestID = command.RequestID
