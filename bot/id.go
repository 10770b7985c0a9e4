package bot

import "recallbot/bot/command"

// EventID names one event of a platform, so that the same event delivered twice acts once.
type EventID string

// RequestID names a request. The command language reads and writes it.
type RequestID = command.RequestID
