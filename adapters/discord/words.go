package discord

import (
	"fmt"

	"recallbot/bot"
)

// The few words that only Discord needs. Everything else that people read stands in bot/text.
const (
	wordNext     = "Next"
	wordPrevious = "Previous"
	wordRecall   = "Recall these"
)

func wordsMoreLines(n int) string {
	if n == 1 {
		return "… (1 more line)"
	}
	return fmt.Sprintf("… (%s more lines)", grouped(n))
}

func wordsSkipped(n int) string {
	if n == 1 {
		return "… 1 message not shown here …"
	}
	return fmt.Sprintf("… %s messages not shown here …", grouped(n))
}

func words(s string) bot.Line { return bot.Line{{Kind: bot.Words, Text: s}} }

var (
	wordsAsked        = words("Understood. The card follows in this channel.")
	wordsDone         = words("Done.")
	wordsPressAgain   = words("Discord cannot open a form here. Press the button on the card instead.")
	wordsNoThread     = words("Discord refused a thread here, so this is said in the channel:")
	wordsNoFile       = words("The file could not be attached: the bot may not attach files here.")
	wordsCardFollows  = words("The message you pressed can no longer be changed. This is the request as it is now:")
	wordsPageOf       = func(n, of int) string { return fmt.Sprintf("%s of %s", grouped(n), grouped(of)) }
	wordsRecallByHand = words("To recall exactly these, copy:")
	wordsProgress     = func(id bot.RequestID) bot.Line {
		return bot.Line{bot.Code(string(id)), {Kind: bot.Words, Text: ": "}}
	}
	wordsForged = words("This button or form is not one that the bot made. Nothing was done.")
)

// again is what a person reads when a fault of ours kept the bot from acting; the id finds the line in the log.
func again(fault string) bot.Line {
	return append(words("Something went wrong on our side and nothing was done. Please try again. If it keeps happening, give the operator this: "), bot.Code(fault))
}
