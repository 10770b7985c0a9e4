package ledgertest

import (
	"fmt"
	"slices"

	"recallbot/bot"
)

// States is which state of a request may follow which. "" comes before the first.
var States = map[bot.State][]bot.State{
	"":            {bot.Preparing},
	bot.Preparing: {bot.Proposed, bot.Refused, bot.Withdrawn},
	bot.Proposed:  {bot.Approved, bot.Rejected, bot.Withdrawn, bot.Expired},
	bot.Approved:  {bot.Running, bot.Stopped, bot.NotStarted, bot.Stopping},
	bot.Running:   {bot.Done, bot.Stopping},
	bot.Stopping:  {bot.Stopped},
}

// CheckRequest says what is wrong with what a transaction made of a request; "" for nothing.
func CheckRequest(was, is bot.Request) string {
	switch {
	case was.State != is.State && !slices.Contains(States[was.State], is.State):
		return fmt.Sprintf("%q became %q", was.State, is.State)
	case was.Digest != "" && was.Digest != is.Digest:
		return "its digest changed"
	}
	if is.State == was.State || is.State != bot.Approved {
		return ""
	}
	people := map[bot.PersonID]bool{is.By.Person: true}
	for _, a := range is.Approvals {
		if people[a.By.Person] || slices.Contains(is.Accounts, a.By.Account) || a.Digest != is.Digest {
			return fmt.Sprintf("an approval by %s does not count", a.By.Person)
		}
		people[a.By.Person] = true
	}
	if len(is.Approvals) < is.Needed {
		return fmt.Sprintf("approved by %d people, %d are needed", len(is.Approvals), is.Needed)
	}
	return ""
}

// CheckBatch says what is wrong with what a transaction made of a batch, whose request is in state,
// under the epoch of the app's lease; "" for nothing. The state of a batch that there was not is
// "". Restored says that the transaction begins to go on from a copy.
func CheckBatch(was, is bot.Batch, state bot.State, epoch int64, restored bool) string {
	own, to := was.Epoch == epoch, is.State
	claimed := to == bot.BatchSending && is.Epoch == epoch && state == bot.Running
	ok := true
	switch was.State {
	case "":
		ok = to == bot.BatchPending || to == bot.BatchDoubt || claimed
	case bot.BatchPending:
		ok = to == was.State || claimed || to == bot.BatchDone
	case bot.BatchSending:
		ok = to == bot.BatchDoubt && was.Epoch <= epoch || own && (to == bot.BatchPending || to == bot.BatchDone) ||
			to == was.State && is.Epoch == was.Epoch
	case bot.BatchDoubt:
		ok = to == was.State || to == bot.BatchPending || to == bot.BatchDone
	case bot.BatchDone:
		ok = to == was.State
	}
	switch {
	case restored && to == bot.BatchDoubt && is.Doubted: // needs no lease: whoever finds the copy does it
		return ""
	case epoch == 0:
		return "a batch changed without the app's lease"
	case !ok:
		return fmt.Sprintf("a batch that was %q under %d became %q under %d while the request was %s", was.State,
			was.Epoch, to, epoch, state)
	case to == bot.BatchDoubt && !is.Doubted || was.Doubted && !is.Doubted:
		return "a batch forgot that it was in doubt"
	}
	return ""
}

// CheckOutcome says what is wrong with the outcome of a message of a batch, under the epoch of the
// app's lease; "" for nothing.
func CheckOutcome(o bot.Outcome, of bot.Batch, epoch int64) string {
	switch {
	case of.Doubted && o.Class == bot.ClassNotSent &&
		slices.Contains([]bot.Why{bot.WhyStopped, bot.WhyNotStarted, bot.WhyNotReadAgain}, o.Why):
		return "what may have been sent is said to be not sent"
	case o.Class == bot.ClassRecalled && o.Confirmed == bot.ByAnswer &&
		(of.State != bot.BatchSending || of.Epoch != epoch):
		return fmt.Sprintf("an answer was stored for a batch that was %q under %d, under %d", of.State, of.Epoch, epoch)
	}
	return ""
}
