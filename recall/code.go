package recall

import (
	"slices"
	"strconv"
)

// A Code is what the service answers with: 0 for yes, anything else for no.
// It comes in the envelope of every answer ([Error]), and for each message in
// the list of a recall's answer ([RecallAnswer]).
type Code int

// The codes that the recall page names, and those that a caller of this
// package is likely to tell apart. [Codes] has all that are known.
const (
	CodeOK                 Code = 0
	CodeInternal           Code = 10002
	CodeBadCommand         Code = 10003
	CodeBadParameter       Code = 10004
	CodeNotAllowed         Code = 10007
	CodeNoGroup            Code = 10010
	CodeBadGroupID         Code = 10015
	CodeAnswerTooLarge     Code = 10018
	CodeNoMessage          Code = 10030
	CodeTooOld             Code = 10031
	CodeCannotBeRecalled   Code = 10032
	CodeGroupTypeNoRecall  Code = 10033
	CodeRecallSwitchedOff  Code = 10041
	CodeGroupTypeNoHistory Code = 10044
	CodeTooFrequent        Code = 60007
	CodeServiceTimeout     Code = 60008
	CodeNotAnAdmin         Code = 60010
	CodeWrongRegion        Code = 60026
	CodeUserSigExpired     Code = 70001
	CodeUserSigIllegal     Code = 70003
	CodeUserSigWrongKey    Code = 70009
	CodeUserSigFailures    Code = 70050
)

// A Class says what to do with a call that was answered with a code.
type Class int

const (
	// ClassNone is the class of 0.
	ClassNone Class = iota
	// ClassRetry: not executed; the same call may do better after a pause.
	ClassRetry
	// ClassSignAgain: not executed; right with a new UserSig. The client has
	// done so once, where it holds the key, before anybody sees the code.
	ClassSignAgain
	// ClassSlower: not executed, because calls come too often. The client
	// halves its pace for a second; the call may be sent again.
	ClassSlower
	// ClassWait: not executed; stop for a minute at least, and tell somebody.
	ClassWait
	// ClassNever: not executed, and the same call never will be. This is also
	// the class of every code that is not known.
	ClassNever
	// ClassUnknownOutcome: the service failed inside, perhaps after doing what
	// was asked. Read the history before anything else.
	ClassUnknownOutcome
)

func (c Class) String() string {
	return nameOf(c, "none", "retry", "sign again", "slower", "wait", "never", "unknown outcome")
}

// A Level says what a code condemns when it comes in an envelope.
type Level int

const (
	// LevelMessage: one message of the call, nobody knows which: each deserves
	// a call of its own. Every code in the list of a recall's answer has this
	// level, whatever [Code.Level] says of it: it speaks of its message alone.
	LevelMessage Level = iota
	// LevelBatch: this call. Others, with other messages, may do well.
	LevelBatch
	// LevelRequest: every call about this group.
	LevelRequest
	// LevelApp: every call of the app, until somebody mends what is wrong.
	LevelApp
)

func (l Level) String() string {
	return nameOf(l, "message", "batch", "request", "app")
}

func nameOf[T ~int](i T, names ...string) string {
	if i >= 0 && int(i) < len(names) {
		return names[i]
	}
	return strconv.Itoa(int(i))
}

// Known reports whether a page of the service names the code.
func (c Code) Known() bool { _, ok := codes[c]; return ok }

// Name returns a few words that name the code, the same for ever; "unknown
// code" where no page does.
func (c Code) Name() string { return c.entry().name }

// Meaning returns a sentence about what the code says and, where somebody can
// mend it, how.
func (c Code) Meaning() string { return c.entry().meaning }

// Class returns what to do next. A code that is not known is never retried.
func (c Code) Class() Class { return c.entry().class }

// Level returns what the code condemns in an envelope. A code that is not
// known condemns the call that it answers.
func (c Code) Level() Level { return c.entry().level }

// Page returns the address of the documentation that names the code; empty
// where none does.
func (c Code) Page() string { return c.entry().page }

// String returns the number and the name.
func (c Code) String() string { return strconv.Itoa(int(c)) + " " + c.Name() }

func (c Code) entry() codeEntry {
	if e, ok := codes[c]; ok {
		return e
	}
	return codeEntry{"unknown code", "No page of the service names this code.", ClassNever, LevelBatch, ""}
}

// Codes returns every known code but 0, in ascending order.
func Codes() []Code {
	all := make([]Code, 0, len(codes))
	for c := range codes {
		if c != CodeOK {
			all = append(all, c)
		}
	}
	slices.Sort(all)
	return all
}

type codeEntry struct {
	name, meaning string
	class         Class
	level         Level
	page          string
}

// The pages. errorsOld and overviewOld are the last published states of tables
// that have lost entries since; the service may still answer with those.
const (
	recallPage = "https://www.tencentcloud.com/document/product/1047/34965"
	errorsPage = "https://trtc.io/document/34348"
	errorsOld  = "https://github.com/tencentyun/qcloud-documents (error codes)"
	webErrors  = "https://web.sdk.qcloud.com/im/download/error-message/v3/0.0.4/tim-error-message.txt"
)

// codes classifies by what the pages advise. Two rules of thumb hold for what
// they leave open: a fault inside the service leaves the outcome open, and
// what speaks of the account, the key or the plan condemns the app.
var codes = map[Code]codeEntry{
	0: {"ok", "Done.", ClassNone, LevelMessage, recallPage},

	// The recall page's own.
	10002: {"internal error", "The service failed inside; it may have acted.", ClassUnknownOutcome, LevelBatch,
		recallPage},
	10003: {"unknown command", "The command does not exist.", ClassNever, LevelApp, recallPage},
	10004: {"bad parameter", "A field of the request is wrong; the API's own words say which.", ClassNever, LevelMessage,
		recallPage},
	10007: {"not allowed", "The group's type or the caller's rights forbid the operation.", ClassNever, LevelRequest,
		recallPage},
	10010: {"no such group", "The group does not exist, or was dismissed.", ClassNever, LevelRequest, recallPage},
	10015: {"bad group id", "The group id is malformed, or names no group.", ClassNever, LevelRequest, recallPage},
	10030: {"no such message", "The message does not exist, or is past its storage period.", ClassNever, LevelMessage,
		recallPage},
	10031: {"message too old", "The message is outside the time in which it can be recalled.", ClassNever, LevelMessage,
		recallPage},
	10032: {"message cannot be recalled", "Messages of this kind cannot be recalled.", ClassNever, LevelMessage,
		recallPage},
	10033: {"group type cannot recall", "Groups of this type do not support recalls.", ClassNever, LevelRequest,
		recallPage},
	10041: {"recall switched off", "The app is configured not to support recalling group messages.", ClassNever,
		LevelRequest, recallPage},

	// The rest of the group family.
	10005: {"too many accounts", "The request names more accounts than the command takes.", ClassNever, LevelBatch,
		errorsPage},
	10006: {"operation too frequent", "The operation is called too often.", ClassSlower, LevelBatch, errorsPage},
	10008: {"illegal request", "The request or its signature did not pass.", ClassNever, LevelApp, webErrors},
	10009: {"owner may not leave", "The owner of a group cannot leave it.", ClassNever, LevelBatch, errorsPage},
	10011: {"unreadable packet", "The service could not read the request's JSON.", ClassNever, LevelBatch, errorsPage},
	10012: {"bad operator", "The UserID of the caller is illegal.", ClassNever, LevelApp, errorsPage},
	10013: {"already a member", "The account is a member already.", ClassNever, LevelBatch, errorsPage},
	10014: {"group full", "The group has all the members it can have.", ClassNever, LevelBatch, errorsPage},
	10016: {"denied by the app", "A callback of the app refused the operation.", ClassNever, LevelBatch, errorsPage},
	10017: {"sender muted", "The sender is muted in the group.", ClassNever, LevelBatch, errorsPage},
	10018: {"answer too large", "The answer would be over 1 MB: ask for less.", ClassNever, LevelBatch, errorsPage},
	10019: {"no such account", "The account does not exist.", ClassNever, LevelBatch, errorsPage},
	10021: {"group id taken", "Another account's group has this id.", ClassNever, LevelBatch, errorsPage},
	10023: {"group too busy", "The group sends more than 40 messages a second.", ClassSlower, LevelBatch, errorsPage},
	10024: {"already handled", "The invitation or application was handled before.", ClassNever, LevelBatch,
		errorsPage},
	10025: {"group id taken by caller", "A group of the caller's own has this id.", ClassNever, LevelBatch,
		errorsPage},
	10026: {"command disabled", "The command is disabled for the app.", ClassNever, LevelApp, errorsPage},
	10034: {"message type cannot be deleted", "Messages of this kind cannot be deleted.", ClassNever, LevelBatch,
		errorsPage},
	10035: {"AVChatRoom cannot delete", "AVChatRoom groups do not support deleting messages.", ClassNever, LevelBatch,
		errorsPage},
	10036: {"too many AVChatRooms", "The plan allows no more AVChatRoom groups.", ClassNever, LevelBatch, errorsPage},
	10037: {"too many groups of one user", "The plan allows the user no more groups.", ClassNever, LevelBatch,
		errorsPage},
	10038: {"too many members", "The plan allows the group no more members.", ClassNever, LevelBatch, errorsPage},
	10044: {"group type has no history", "Groups of this type store no messages.", ClassNever, LevelRequest,
		errorsPage},
	10045: {"group attribute error 10045", "A group attribute breaks a limit.", ClassNever, LevelBatch, errorsPage},
	10046: {"group attribute error 10046", "A group attribute breaks a limit.", ClassNever, LevelBatch, errorsPage},
	10047: {"group attribute error 10047", "A group attribute breaks a limit.", ClassNever, LevelBatch, errorsPage},
	10048: {"group attribute error 10048", "A group attribute breaks a limit.", ClassNever, LevelBatch, errorsPage},
	10049: {"group attributes too frequent", "Group attributes are written too often.", ClassRetry, LevelBatch,
		errorsPage},
	10050: {"group attribute error 10050", "A group attribute breaks a limit.", ClassNever, LevelBatch, errorsPage},
	10051: {"deletion range too large", "The range of messages to delete is too large.", ClassNever, LevelBatch,
		errorsPage},
	10052: {"message absent in group", "The message is not in the group.", ClassNever, LevelBatch, errorsPage},
	10053: {"too many mentions", "A message mentions more than 30 accounts.", ClassNever, LevelBatch, errorsPage},
	10054: {"too many members to list", "The group has too many members for one answer: read by pages.", ClassNever,
		LevelBatch, errorsPage},
	10056: {"group attribute conflict", "Somebody else wrote the group attributes meanwhile.", ClassRetry, LevelBatch,
		errorsPage},
	10058: {"too many trial groups", "The trial edition allows 100 groups.", ClassNever, LevelBatch, errorsPage},
	10059: {"needs a higher plan", "The feature needs the Pro edition or above.", ClassNever, LevelApp, errorsPage},
	10060: {"read receipts not supported", "Read receipts are not available here.", ClassNever, LevelBatch,
		errorsPage},
	10061: {"read receipts not supported by type", "The group's type has no read receipts.", ClassNever, LevelBatch,
		errorsPage},
	10062: {"read receipt limit", "A limit of read receipts is reached.", ClassNever, LevelBatch, errorsPage},
	10063: {"too many counters", "A group has more than 20 counter keys.", ClassNever, LevelBatch, errorsPage},
	10070: {"too many pinned messages", "The limit of pinned messages is reached.", ClassNever, LevelBatch,
		errorsPage},
	11000: {"communities not enabled", "The app has not enabled communities.", ClassNever, LevelRequest, errorsPage},
	110006: {"permission group error 110006", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110007: {"permission group error 110007", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110008: {"permission group error 110008", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110009: {"permission group error 110009", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110010: {"permission group error 110010", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110011: {"permission group error 110011", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110012: {"permission group error 110012", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},
	110013: {"bad topic id", "The topic id is invalid.", ClassNever, LevelRequest, errorsPage},
	110014: {"permission group error 110014", "A permission group or topic is wrong.", ClassNever, LevelRequest,
		errorsPage},

	// Public codes of the REST front, 60000 to 69999.
	60002: {"unreadable HTTP", "The service could not parse the HTTP request or its address.", ClassNever, LevelApp,
		errorsPage},
	60003: {"unreadable JSON", "The service could not parse the request's JSON.", ClassNever, LevelApp, errorsPage},
	60004: {"account check failed", "The caller's account or UserSig could not be checked.", ClassRetry, LevelBatch,
		errorsPage},
	60005: {"account check failed", "The caller's account or UserSig could not be checked.", ClassRetry, LevelBatch,
		errorsPage},
	60006: {"invalid SDKAppID", "The SDKAppID is invalid.", ClassNever, LevelApp, errorsOld},
	60007: {"too frequent", "The API is called more often than its quota allows.", ClassSlower, LevelBatch, errorsPage},
	60008: {"service timeout", "The service timed out inside, or the HTTP request was malformed; it may have acted.",
		ClassUnknownOutcome, LevelBatch, errorsPage},
	60009: {"wrong address", "The path of the address is wrong.", ClassNever, LevelApp, errorsPage},
	60010: {"not an app admin", "The API takes calls of app admin accounts only: set the admin account.", ClassNever,
		LevelApp, errorsPage},
	60011: {"app too frequent", "The app calls more often than its quota allows.", ClassSlower, LevelBatch, errorsOld},
	60012: {"no SDKAppID", "The address lacks the SDKAppID.", ClassNever, LevelApp, errorsPage},
	60013: {"unreadable inside", "The service could not read the answer of its own back end; it may have acted.",
		ClassUnknownOutcome, LevelBatch, errorsPage},
	60014: {"account check timed out", "Checking the caller's account took too long.", ClassRetry, LevelBatch,
		errorsPage},
	60015: {"UserID is no string", "A UserID in the body is not a string.", ClassNever, LevelApp, errorsPage},
	60016: {"app disabled", "The SDKAppID is disabled.", ClassNever, LevelApp, errorsPage},
	60017: {"request disabled", "The request is disabled for the app.", ClassNever, LevelApp, errorsPage},
	60018: {"too frequent", "Calls come too often.", ClassSlower, LevelBatch, errorsPage},
	60019: {"too frequent", "Calls come too often.", ClassSlower, LevelBatch, errorsOld},
	60020: {"service unavailable", "The app's plan is missing or expired, or its account is in arrears.", ClassNever,
		LevelApp, errorsPage},
	60021: {"address not allowed", "The caller's IP address is not on the app's list.", ClassNever, LevelApp,
		errorsPage},
	60025: {"wrong address parameters", "SDKAppID, identifier, UserSig or content type in the address is wrong.",
		ClassNever, LevelApp, errorsPage},
	60026: {"wrong region", "The domain is not that of the app's region: set the region of the app.", ClassNever,
		LevelApp, errorsPage},
	60027: {"product not allowed", "The app's product type may not call this.", ClassNever, LevelApp, errorsPage},
	60028: {"trial quota used up", "The trial edition's requests of this day are used up.", ClassNever, LevelApp,
		errorsPage},

	// Accounts and UserSig, 70000 to 79999.
	70001: {"UserSig expired", "The UserSig is past its validity.", ClassSignAgain, LevelApp, errorsPage},
	70002: {"no UserSig", "The UserSig is empty.", ClassNever, LevelApp, errorsOld},
	70003: {"illegal UserSig", "The UserSig is malformed or cut off.", ClassNever, LevelApp, errorsPage},
	70005: {"illegal UserSig", "The UserSig is malformed or cut off.", ClassNever, LevelApp, errorsOld},
	70009: {"UserSig with wrong key", "The UserSig does not verify, most likely for a wrong key.", ClassNever, LevelApp,
		errorsPage},
	70013: {"UserSig of another account", "The UserSig was signed for another UserID.", ClassNever, LevelApp,
		errorsPage},
	70014: {"UserSig of another app", "The UserSig was signed for another SDKAppID.", ClassNever, LevelApp, errorsPage},
	70016: {"no public key", "The service has no key for the app: check the app's region.", ClassNever, LevelApp,
		errorsPage},
	70020: {"unknown SDKAppID", "The SDKAppID is not known: check it and the app's region.", ClassNever, LevelApp,
		errorsPage},
	70050: {"too many wrong UserSigs", "Too many UserSigs failed: wait a minute before the next.", ClassWait, LevelApp,
		errorsPage},
	70051: {"account blocked", "The account is on the block list.", ClassNever, LevelApp, errorsPage},
	70052: {"UserSig invalidated", "The UserSig was made invalid.", ClassSignAgain, LevelApp, errorsOld},
	70107: {"account not imported", "The account is not known to the app.", ClassNever, LevelApp, errorsPage},
	70114: {"restricted", "The account is restricted for security.", ClassNever, LevelApp, errorsOld},
	70169: {"internal timeout", "The service timed out inside; it may have acted.", ClassUnknownOutcome, LevelBatch,
		errorsPage},
	70202: {"internal timeout", "The service timed out inside; it may have acted.", ClassUnknownOutcome, LevelBatch,
		errorsOld},
	70206: {"bad batch size", "The number of accounts in the request is illegal.", ClassNever, LevelApp, errorsOld},
	70398: {"too many accounts", "The app has all the accounts it can have.", ClassNever, LevelApp, errorsPage},
	70399: {"account import forbidden", "A deleted account cannot be imported again within three months.", ClassNever,
		LevelApp, errorsPage},
	70402: {"bad parameters", "Parameters are illegal.", ClassNever, LevelApp, errorsPage},
	70403: {"admin needed", "The operation needs an admin account.", ClassNever, LevelApp, errorsOld},
	70404: {"SDK too old", "The caller's SDK is too old.", ClassNever, LevelApp, errorsPage},
	70500: {"internal error", "The service failed inside; it may have acted.", ClassUnknownOutcome, LevelBatch,
		errorsPage},
	71000: {"account deletion not allowed", "The account cannot be deleted.", ClassNever, LevelApp, errorsPage},
	72000: {"daily users over quota", "The trial's quota of daily active users is used up.", ClassNever, LevelApp,
		errorsPage},
	72001: {"feature not enabled", "The app has not enabled the feature.", ClassNever, LevelApp, errorsPage},
	72002: {"monthly users over quota", "The trial's quota of monthly active users is used up.", ClassNever, LevelApp,
		errorsPage},
	72010: {"too frequent", "Requests come too often.", ClassSlower, LevelBatch, errorsPage},
	72011: {"feature not enabled", "The app has not enabled the feature.", ClassNever, LevelApp, errorsPage},
	72012: {"feature not enabled", "The app has not enabled the feature.", ClassNever, LevelApp, errorsPage},

	// Content and service, 80000 to 89999.
	80001: {"text blocked", "Moderation blocked the text.", ClassNever, LevelBatch, errorsPage},
	80002: {"message too long", "The message body is over 12 KB.", ClassNever, LevelBatch, errorsPage},
	80003: {"callback failed", "The app's own before-send callback failed or timed out.", ClassNever, LevelBatch,
		errorsPage},
	80004: {"image blocked", "Moderation blocked the image.", ClassNever, LevelBatch, errorsPage},
	80005: {"service deactivated", "The service is deactivated for the app.", ClassNever, LevelApp, errorsPage},
}
