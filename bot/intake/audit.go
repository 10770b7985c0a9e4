package intake

import (
	"cmp"
	"time"

	"recallbot/bot"
)

// audit appends an entry about what the person of the event did.
func (in *Intake) audit(tx bot.Tx, e Event, what string, id bot.RequestID, digest string, more map[string]any) error {
	_, err := tx.Append(bot.Entry{
		Process: time.Now(), Actor: e.By.String(), Event: e.ID,
		What: what, Request: id, Digest: digest, Detail: bot.Detail(more),
	})
	return err
}

// auditRefused appends an entry about a refused event: which request, which card, and why.
func (in *Intake) auditRefused(tx bot.Tx, e Event, no *bot.Refusal) error {
	cmd := e.Read().command
	more := map[string]any{"act": string(e.Act.Kind), "command": e.Act.Command, "why": no.Key}
	if cmd.Verb != "" {
		more["verb"] = cmd.Verb
	}
	if cmd.Scope.Group != "" {
		more["group"] = string(cmd.Scope.Group)
	}
	// The payload of a button proves nothing, and may be of any length.
	id, card := bot.Cut(bot.Visible(string(cmp.Or(e.Act.Request, cmd.Request))), 40),
		bot.Cut(bot.Visible(e.Act.Digest), 80)
	return in.audit(tx, e, "refused", bot.RequestID(id), card, more)
}

// auditRead appends that the person of the event was shown the content of messages, after the calls
// that were made for it. more is the detail of the entry.
func (in *Intake) auditRead(tx bot.Tx, e Event, id bot.RequestID, digest string, calls []bot.Trace,
	more map[string]any) error {
	for _, t := range append(calls, bot.NewTrace("read", more)) {
		_, err := tx.Append(bot.Entry{
			Process: time.Now(), Actor: e.By.String(), Event: e.ID,
			What: t.What, Request: id, Digest: digest, Detail: t.Detail,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
