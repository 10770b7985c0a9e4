// Package discord puts the bot on Discord: it receives slash commands, presses and forms, and shows
// requests as messages with threads.
//
// # Coming in
//
// Interactions come over the Gateway (gateway.go) or as signed HTTP requests (endpoint.go).
// interaction.go decodes one into an intake.Event and says who acted, from the member object in the
// same interaction; delivery.go passes it to intake.Flow and sends the answer, which answer.go
// converts to Discord's. An event is stored before it is answered, so an acknowledged event is
// never lost. Discord waits 3 seconds for a first answer. headcount.go counts the members of the
// approver roles, so that a request which nobody could approve is refused without a call.
//
// # Going out
//
// surface.go implements bot.Surface with the bot token, never with an interaction's token, which
// expires after 15 minutes. message.go draws cards, pages and notes within Discord's limits; what
// is cut is counted. markup.go escapes text that others wrote. rest.go makes the calls.
//
// # The library
//
// discordgo speaks the Gateway's protocol, checks signatures and names Discord's types. It is
// used neither for reconnecting nor for calls: it can hang for ever, repeats calls that must not be
// repeated, ignores contexts while it waits, and keeps a bucket for every interaction for ever.
package discord
