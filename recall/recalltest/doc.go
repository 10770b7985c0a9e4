// Package recalltest is the Chat service in memory: the part of its REST API
// that package recall calls, with its rules, its quota, its codes and its
// faults.
//
//	service := recalltest.New(recalltest.Options{})
//	defer service.Close()
//	service.AddGroup(recalltest.Group{ID: "@TGS#1", Type: "Public"})
//	seq := service.Say("@TGS#1", "", "mallory", "buy my coins")
//	client, err := recall.New(recall.Config{
//		SDKAppID:   recall.SDKAppID(service.SDKAppID()),
//		SecretKey:  service.SecretKey(),
//		BaseURL:    recalltest.URL,
//		HTTPClient: service.Client(),
//	})
//
// A [Service] is an http.Handler. [Service.Client] calls it in process, also
// inside a testing/synctest bubble, where all its times are the bubble's;
// [Service.Start] serves it on a TCP port of this machine.
//
// It reads the JSON of every request itself, checks each field's type and
// range, and shares no type with the client, so that a wrong name or type on
// one side is a failing call and not agreement on a mistake.
//
// # What is modelled
//
//   - The address: method, path, every query parameter; the domain of a region
//     when [Options].Domain is set. UserSigs are really verified, in the order
//     of the service's own library, and too many wrong ones are answered with
//     70050.
//   - The quota: a true sliding window of one second for each command. Calls
//     that it refuses do not count against it.
//   - group_msg_recall: up to 10 messages; per-message codes in an envelope
//     that says OK; groups of each type; topics; messages past their storage
//     period, deleted, not recallable, recalled before (the code for that is
//     not documented, so it is an option); the one hour of AVChatRoom groups.
//   - group_msg_get_simple: pages of at most 20, newest first; normal, deleted
//     or expired, and recalled entries; recalled ones only when asked for;
//     placeholders with or without a time and a sender, or left out; numbers
//     past the storage period that read as placeholders or as nothing; system
//     messages whose MsgBody is an object, with or without their flag;
//     IsFinished.
//   - get_group_info: a code for each group; the base filter, and the flood of
//     members without one; NextMsgSeq, which does not speak of topics.
//   - get_appid_group_list: pages of at most 10,000 ids, TotalCount, a Next of
//     64 bits, one call a second.
//   - get_joined_group_list: the groups in which an account is named as a
//     member (Group.Joined), those of type AVChatRoom only on demand.
//   - portrait_get: nicknames (Service.Nickname) of up to 100 accounts; one that
//     is not imported (Service.Unimport) fails the whole call.
//   - send_group_system_notification.
//   - The callbacks after sending and after recalling, signed, with EventTime
//     as a number and as a string in turn, and on demand twice, late or in
//     another order.
//   - Faults, each for the next calls of one command: see [Fault].
//
// # What is not modelled
//
//   - Accounts and their rights: every account is imported and may send, membership is a list of
//     names, the number of members is a number, and the only rights are those
//     of an app admin.
//   - Sending by REST, muting, and every other command: they are answered
//     with 10003.
//   - What devices show, and read receipts.
//   - The trial edition's daily quota, IP lists, moderation, plans: their
//     codes can be had with [Answer].
//   - TLS: [Service.Start] speaks plain HTTP.
//
// Where the documentation is silent, it does what is named in the comment of
// the option concerned; a field that the API does not know is refused with
// 10004, stricter than the service is known to be, because it shows a
// misspelt one.
package recalltest
