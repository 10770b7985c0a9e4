// Package discord is how the bot meets people on Discord: slash commands, buttons and forms come
// in, cards and notes go out.
//
// # Coming in
//
// Interactions come over the Gateway (gateway.go) or as signed HTTP requests (endpoint.go).
// interaction.go decodes one into an intake.Event and says who acted, by the member object that
// Discord put into this very interaction; delivery.go hands it to intake.Flow and gives the answer,
// which answer.go turns into Discord's. An event is stored before it is answered, so what Discord
// sees as acknowledged is never lost. Discord waits 3 seconds for a first answer. headcount.go
// keeps how many are in the approvers' roles, so that a request which nobody could grant is refused
// without a call.
//
// # Going out
//
// surface.go implements bot.Surface with the bot token, never with an interaction's token, which
// dies after 15 minutes. message.go draws cards, pages and notes within Discord's limits, cut by
// characters and honest about it; markup.go keeps what others wrote inert. rest.go makes the calls.
//
// # The library
//
// discordgo speaks the Gateway's protocol, checks signatures and names Discord's types. It is
// trusted neither with reconnecting nor with calls: it can hang for ever, repeats what must not be
// repeated, ignores contexts while it waits, and keeps a bucket for every interaction that ever
// was.
package discord
