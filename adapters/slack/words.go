package slack

import (
	"strconv"

	"recallbot/bot"
)

// What this adapter says on its own account, beside what package bot says: the furniture of Slack's windows, and what only Slack can go
// wrong with. Nothing here takes text that others wrote.
const (
	wordTitle    = "Recall"
	wordClose    = "Close"
	wordCancel   = "Cancel"
	wordPrevious = "Previous"
	wordNext     = "Next"
	wordRecall   = "Recall these"
	wordChecking = "Checking…"
	wordDone     = "Done. You can close this window."

	wordNotOpened  = "Slack did not open the window in time, and nothing was done. Please try again."
	wordNotUpload  = "The file could not be uploaded: the bot needs the scope files:write."
	wordOpenByHand = "This is too long to be carried by a button. Type the command to ask for a recall of these."
)

// again is what a person reads when their event could not be handled. fault is in the operator's log line of it.
func again(fault string) []bot.Line {
	return []bot.Line{{
		{Kind: bot.Words, Text: "Something went wrong on our side and nothing was done. Please try again. If it keeps happening, give the operator this: "},
		bot.Code(fault),
	}}
}

func plain(s string) bot.Line { return bot.Line{{Kind: bot.Words, Text: s}} }

// leftOut says how many messages a card does not show at one place.
func leftOut(n int) string {
	if n == 1 {
		return "… 1 message left out …"
	}
	return "… " + strconv.Itoa(n) + " messages left out …"
}

// notShown says how many lines did not fit.
func notShown(n int) string {
	if n == 1 {
		return "… 1 more line is not shown here."
	}
	return "… " + strconv.Itoa(n) + " more lines are not shown here."
}
