// Package slacktest is a Slack workspace in memory: the Web API over HTTP,
// Socket Mode over WebSocket, request URLs, and the people who type commands
// and press buttons. An adapter under test talks to it as it would to Slack,
// and a test then looks at what people see. The workspace promises to be at
// least as strict as Slack: what it accepts, Slack accepts.
//
// # Use
//
//	w := slacktest.New()
//	defer w.Close()
//	w.AddUser(slacktest.User{ID: "U1", Name: "mina"})
//	w.AddChannel(slacktest.Channel{ID: "C1", Name: "trust", Members: []string{"U1"}, BotIn: true})
//	// the app under test uses w.Client(), w.Dial, w.BotToken, w.AppToken
//	err := w.WaitSockets(ctx, 1)
//	d := w.Command("U1", "C1", "/recall", "@TGS#A 1 2")
//	err = d.Wait(ctx)
//	card := w.Messages("C1")[0]
//	fmt.Print(w.Picture(card))
//	w.Press("U1", card.Ref(), "approve")
//
// [Workspace.Client] and [Workspace.Dial] stay in the process and need no
// network, so both work inside a testing/synctest bubble; make the Workspace
// inside the bubble and Close it before the bubble ends. [Workspace.Start]
// listens on loopback for end-to-end tests and demonstrations.
//
// Deliveries go to Socket Mode unless [Workspace.Deliver] or RequestURL is set;
// as with Slack, one app cannot have both at once.
//
// # What is modelled
//
//   - Web API: auth.test, apps.connections.open, chat.postMessage, chat.update,
//     chat.delete, chat.postEphemeral, chat.getPermalink, views.open, views.update,
//     views.push, users.info, usergroups.list, usergroups.users.list,
//     conversations.info, conversations.members, conversations.history,
//     conversations.replies, files.getUploadURLExternal, the upload itself,
//     files.completeUploadExternal, bots.info, team.info. Requests are read as raw
//     forms and JSON, never with a client library's types. Tokens, token kinds,
//     scopes, rate limits, archived channels, membership, restrictions on posting
//     (see [Posting]) and all limits of messages, blocks and modals are enforced; a
//     property that Slack does not know is an error. Where Slack's own limit is not
//     published, the stricter reading is taken: see MaxBlockBytes.
//   - An app that is installed for a whole organisation (OrgInstall), and a plan
//     without user groups (GroupsCode).
//   - A reply to a deleted message, which is posted in the channel itself.
//   - Socket Mode: one-time ticket URLs, hello, pings, slash_commands and
//     interactive envelopes, acknowledgements, refresh, disconnect with each
//     reason, at most ten sockets, acknowledgements that are too large, fragmented,
//     on another socket or for nothing (see [Workspace.Complaints]).
//   - Request URLs: form posts signed with v0 over the raw body.
//   - trigger_id: three seconds, once. response_url: five uses, thirty minutes.
//   - People: commands, presses (of what is shown, of an older copy, or forged),
//     modal submissions and closings, plain messages; what each of them sees, who
//     is notified by a mention, and what Slack says when the app is silent for
//     three seconds.
//   - Faults: see [Workspace.Fail], [Fault], [Socket], and the fields of
//     [Workspace].
//
// # What is not modelled
//
// The Events API, OAuth and token rotation, home tabs, shortcuts (but
// [Workspace.Send] sends any payload), options loaded from the app, scheduled and
// streamed messages, unfurling, search, reactions, pins, custom steps, more than
// one workspace or app, names in place of channel ids, and the order in which
// Slack would show a late file. Text is stored as it was sent: Slack's own
// rewriting of links and emoji is left out. Block types that are not listed in the
// checks are refused even where Slack would take them.
// In an interaction body, "token" is present and constant.
//
// # Where Slack's behaviour is not established
//
// The stricter or more hostile reading is taken; a field of [Workspace] selects
// the other one where that is said. An acknowledgement on another socket than the
// one that carried the envelope does not count (AckAnySocket). An answer to a
// response_url of a press that does not set replace_original replaces the message.
// A command by somebody of another organisation carries that organisation's team
// id. chat.update without text and blocks is refused. A reply to a deleted message
// stands in the channel even where the message had replies. Messages of more than 4,000
// characters are accepted and recorded in [Workspace.Complaints].
package slacktest
