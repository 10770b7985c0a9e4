// Package recall is a client of the part of the Tencent Cloud Chat REST API (v4) that recalls group
// messages: it recalls them, reads them, asks about groups and nicknames, notifies groups, and
// reads the callbacks that tell of messages. It needs the standard library and a cache, and can be
// used by itself.
//
//	client, err := recall.New(recall.Config{
//		SDKAppID:  1400000000,
//		SecretKey: os.Getenv("CHAT_SECRET_KEY"),
//		Region:    recall.RegionFrankfurt,
//	})
//	answer, err := client.GroupMsgRecall(ctx, recall.RecallRequest{
//		Group: "@TGS#2J4SZEAEL", Seqs: []recall.Seq{100, 101},
//	})
//
// # Three ways to fail, and a fourth
//
// A recall cannot be undone, and what became of each message must be known. So failures are told
// apart by what may have happened:
//
//   - [*Fault]: there is no answer of the API. Its Kind says whether the
//     request never left (FaultNotSent: nothing happened; errors.Is(err,
//     [ErrNotSent])), left and was not answered (FaultNoAnswer), or was
//     answered with something else (FaultUnreadable). After the last two
//     anything may have happened: read the history.
//   - [*Error]: the API said no to the whole call. [Code.Class] says what to
//     do next, [Code.Level] what else it condemns. [ClassUnknownOutcome] is
//     the API saying that it does not know itself.
//   - A code for one message in [RecallAnswer].Codes.
//   - A message that is missing there. HTTP 200, ActionStatus OK and
//     ErrorCode 0 prove nothing for a message: only its own code does. One
//     that the answer lacks is unknown, and nothing in this package turns it
//     into anything else.
//
// What a message's state is, its history tells: read it with [HistoryRequest].WithRecalled and look
// at [Message].Status. A recalled message has [StatusRecalled]. Which code a message that is
// recalled a second time gets, no page says.
//
// # Groups
//
//	Private     recalls, history    the same as Work
//	Public      recalls, history
//	ChatRoom    recalls, history    the same as Meeting
//	AVChatRoom  recalls             online members only; China domain: up to one hour;
//	                                native SDK 7.4.4634, web SDK 3.1.2
//	Community   recalls, history    with topics, each with numbers of its own
//
// A message is named by group, topic and number ([Seq]). The numbers of messages come from the
// history, from the after-send callback, or from whoever sent them by REST.
//
// # Limits
//
//	messages in one recall          10          MaxRecallSeqs
//	calls a second, each command    200         Config.CallsPerSecond, ReadsPerSecond
//	messages in one history page    20          MaxHistoryPage
//	Reason                          100 bytes   MaxReasonBytes
//	group id                        48 bytes    MaxGroupIDBytes
//	answer                          1 MB        CodeAnswerTooLarge; MaxAnswerBytes are read
//	time inside the service         3 s         Config.Timeout must be longer
//
// A request that breaks one of them is not sent ([ErrInvalidRequest]).
//
// # Pace
//
// Two pacers, one for recalls and one for everything else, keep the calls of a client within the
// quota of every window of one second; see [Pacer] for what exactly is promised. Each attempt takes
// a slot of its own. Which of the waiting calls is next, the [Turn] in their contexts says:
// [InTurn]. When the service says that calls come too often all the same, the pace is halved for a
// second. A process that takes over from another should wait for one second before its first
// recall: the quota is the app's.
//
// Nothing is retried inside, so that nobody is surprised by a call, but for one case: when the
// service says that the UserSig has expired and the client holds the key, it signs a new one and
// tries once more.
//
// # Secrets
//
// The key and the UserSig made with it are a full credential of an app admin. The UserSig is part
// of every address, so no error of this package holds an address, and [Config] does not print.
// UserSigs are signed for 24 hours and renewed at 90 % of that.
//
// # Callbacks
//
// [VerifyCallback] checks who called, [ParseCallback] reads what they say. The signature covers
// neither the body nor the command.
//
// Package recalltest, below this one, is the service in memory.
package recall
