package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"recallbot/bot"
)

// States is which state of a request may follow which. "" comes before the first.
var States = map[bot.State][]bot.State{
	"":            {bot.Preparing},
	bot.Preparing: {bot.Proposed, bot.Refused, bot.Withdrawn},
	bot.Proposed:  {bot.Approved, bot.Rejected, bot.Withdrawn, bot.Expired},
	bot.Approved:  {bot.Running, bot.Stopped, bot.NotStarted, bot.Stopping},
	bot.Running:   {bot.Done, bot.Stopping},
	bot.Stopping:  {bot.Stopped, bot.NotStarted},
}

// CheckRequest says what is wrong with what a transaction made of a request; "" for nothing.
func CheckRequest(was, is bot.Request) string {
	switch {
	case was.State != is.State && !slices.Contains(States[was.State], is.State):
		return fmt.Sprintf("%q became %q", was.State, is.State)
	case was.Digest != "" && was.Digest != is.Digest:
		return "its digest changed"
	case is.State == bot.NotStarted && !is.NeverBegun():
		return "it had begun, and is called not started"
	}
	if is.State == bot.Running && was.State != is.State && ahead(is.Granted.Add(is.Delay()), is.Begun, is.Delay()) {
		return "it began before its delay was over"
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

// ahead reports whether at is later than now, by no more than a clock can tell that was not set
// back.
func ahead(at, now time.Time, most time.Duration) bool { return at.After(now) && at.Sub(now) <= most }

// retryMost is the longest pause of a batch.
const retryMost = 30 * time.Second

// CheckClaim says what is wrong with claiming a batch of a request at now; "" for nothing. was is
// the batch before.
func CheckClaim(was bot.Batch, of bot.Request, now time.Time) string {
	switch {
	case len(was.Seqs) > 0 && of.Parts[was.Part].Condemned != nil:
		return "a batch is claimed that the service refuses as a whole"
	case ahead(was.After, now, retryMost):
		return "a batch is claimed before it is due"
	}
	return ""
}

// CheckOutcome says what is wrong with the outcome of a message of a batch of a request in state,
// under the epoch of the app's lease; "" for nothing. The batch is as it was before, the zero Batch
// where there is none; the state is as it is after. read says that history was read for it.
func CheckOutcome(o bot.Outcome, of bot.Batch, state bot.State, epoch int64, read bool) string {
	batched := of.State != ""
	unsent := o.Class == bot.ClassNotSent &&
		slices.Contains([]bot.Why{bot.WhyStopped, bot.WhyNotStarted, bot.WhyNotReadAgain}, o.Why)
	coded := o.Code != 0 && (o.Class == bot.ClassNotFound || o.Class == bot.ClassRefused)
	switch {
	case of.Doubted && o.Class == bot.ClassNotSent && (unsent || !read):
		return "what may have been sent is said to be not sent"
	case unsent && (state == bot.Running || state == bot.Done):
		return fmt.Sprintf("%s, and the request is %s", o.Why, state)
	case of.Doubted && coded && !read:
		return "a code alone settled what was in doubt"
	case of.Unread && coded:
		return "a code settled what was sent again unread"
	case batched && !read && slices.Contains([]bot.Why{bot.WhyVerified, bot.WhyMissingHistory, bot.WhyGone,
		bot.WhyChanged}, o.Why):
		return fmt.Sprintf("%s, and nobody has read it", o.Why)
	case o.Class == bot.ClassRecalled && o.Confirmed == bot.ByAnswer &&
		(of.State != bot.BatchSending || of.Epoch != epoch):
		return fmt.Sprintf("an answer was stored for a batch that was %q under %d, under %d", of.State, of.Epoch, epoch)
	}
	return ""
}
