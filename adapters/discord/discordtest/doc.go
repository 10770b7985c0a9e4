// Package discordtest is a Discord guild in memory: the REST API below /api/v9 and /api/v10, the
// Gateway, signed HTTP interactions, and people who type commands, press buttons and fill in forms.
//
// New makes a guild. Client answers REST calls in this process and Dial connects to the Gateway
// over a pipe; both work inside a synctest bubble. Start listens on loopback. Interactions go over
// the Gateway, or, after Deliver or with InteractionsURL, as signed POSTs. Close ends everything
// and leaves no goroutine behind. The guild promises to be at least as strict as Discord: what it
// accepts, Discord accepts.
//
//	g := discordtest.New()
//	defer g.Close()
//	g.AddChannel(discordtest.Channel{ID: "100", Name: "trust"})
//	g.AddMember(discordtest.Member{UserID: "7", Name: "mina"})
//	// ... the bot connects and registers its commands ...
//	i := g.Command("7", "100", "recall", discordtest.Opt("group", "@TGS#2J4SZEAEL"))
//	err := i.Wait(ctx)
//
// # What is modelled
//
// Bodies are read as raw JSON, not with a client library's types, and held to Discord's limits:
// content 2000, embeds 10 and 6000 characters in sum, components (rows, nesting, 40 in total, 4000
// characters of text, HTTP 500 above 10158 bytes), custom_id 1 to 100 and unique, buttons (80
// characters, link against custom_id), forms (title and label 45, placeholder 100, 1 to 5 inputs),
// commands (names, 25 options, 8000 characters), thread names and archive times, nonces, uploads. A
// violation is 400 with code 50035 and the path of the field. Unknown top-level keys are ignored,
// as Discord does, and kept for UnknownKeys. With Validate every body is also held to Discord's
// OpenAPI document.
//
// Interactions: the first answer within 3 s (else 10062), once (40060), of a kind that fits; edits
// and followups for 15 min (then 50027); 10015 before the first answer; ephemeral messages for one
// person only. Messages: enforce_nonce, replies, allowed_mentions with Discord's defaults, files,
// partial edits, 30046 for old ones; a nonce whose message was deleted is refused with 10008.
// Threads: 160004, 160005, 50083, 50024, permissions, private ones without the bot (50001), to
// which Admit lets it. Direct messages of the bot (50007 where they are closed). The bot's
// permissions (50001, 50013, 160002). A bot that is kicked loses its commands, and sees nothing
// until it is invited again. Bulk overwrite of commands, 200 creates a day (30034). The Gateway:
// HELLO, IDENTIFY with its budget of 1000 a day (one more resets the token), READY, RESUME with
// what came meanwhile, heartbeats, INTERACTION_CREATE to every session of the shard, op 7, op 9,
// close codes. An interaction that no session takes, nor resumes, is lost.
//
// Two bots with the same token get every interaction, and one of them may answer it.
//
// Faults: Fail with a Fault for REST; GatewayNext, Reconnect, Invalidate, CloseGateway, Drop and
// Silence for the Gateway; SignNext, Replay, Resend and Redispatch for deliveries; SetOrigin for
// interactions from other guilds and direct messages.
//
// Notified returns whom a message notified. A mention counts even inside code or after a backslash,
// and "parse": null counts like an absent parse, so that only a correct allowed_mentions prevents
// a notification.
//
// # What is not modelled
//
// Other guilds, voice, reactions, webhooks that an application creates, polls, stickers, the menus
// of user and message commands (CommandForged sends one), permission overwrites of members (a
// member has only Permissions and roles; the bot's permissions in a channel are shown as one
// overwrite), events other than READY, RESUMED and INTERACTION_CREATE (Dispatch sends any event),
// compressed Gateway payloads, automatic archiving of threads, automatic moderation, the numbers of
// real rate limits other than those of Guild.Limits, the portal. Where Discord's documents leave a
// question open, the stricter reading is taken; each such place says so in a comment. A timed-out
// member keeps its member.permissions, and the client still sends this member's presses, and those
// of a member who does not see the channel.
package discordtest
