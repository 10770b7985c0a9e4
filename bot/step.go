package bot

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// Step is a change in the life of a request, or something that a person was refused: what an
// operator reads in the log and counts. It is made from the entry of the audit log that was written
// in the same transaction, so there is one Step for each thing that happened, and none for what was
// rolled back. It has no message content and nothing that people wrote.
type Step struct {
	Name string // such as "asked" or "done"
	// Request is the request as it was stored in that transaction. Its ID is "" where a person was
	// refused something that is about no request.
	Request Request
	By      string // the account that acted, or "bot"
	At      time.Time
	Counts  map[Class]int // by outcome, once the request has ended

	entry Entry
}

// stepNames are the kinds of audit entries that are steps, with their names. A request that begins
// to stop says why after a colon.
var stepNames = map[string]string{
	"asked": "asked", "sealed": "sealed", "approved": "approved", "running": "begun",
	"in doubt after a takeover": "in doubt", "stopping": "stopping", "refused by the bot": "refused",
	"refused": "refused", string(Rejected): "rejected", string(Withdrawn): "withdrawn", string(Expired): "expired",
	string(Done): "done", string(Stopped): "stopped", string(NotStarted): "not started",
}

// stepped is a ledger whose transactions report the steps that they stored.
type stepped struct {
	Ledger
	report func(Step)
}

// Tx runs fn in a transaction, and reports its steps once it is stored.
func (l stepped) Tx(ctx context.Context, fn func(Tx) error) error {
	var steps []Step
	err := l.Ledger.Tx(ctx, func(tx Tx) error {
		noting := &noting{Tx: tx}
		if err := fn(noting); err != nil {
			return err
		}
		var err error
		steps, err = noting.steps() // of the last try
		return err
	})
	if err == nil {
		for _, s := range steps {
			l.report(s)
		}
	}
	return err
}

// noting is a transaction that keeps the entries which are steps.
type noting struct {
	Tx
	entries []Entry
}

// Append appends an entry; see Tx.
func (n *noting) Append(e Entry) (Entry, error) {
	e, err := n.Tx.Append(e)
	what, _, _ := strings.Cut(e.What, ":")
	if err == nil && stepNames[what] != "" {
		n.entries = append(n.entries, e)
	}
	return e, err
}

// steps reads the requests of the entries, as the transaction leaves them.
func (n *noting) steps() ([]Step, error) {
	var steps []Step
	for _, e := range n.entries {
		what, _, _ := strings.Cut(e.What, ":")
		s := Step{Name: stepNames[what], By: e.Actor, At: e.At, entry: e}
		// What a person was refused names what they typed, which may be no request.
		if _, ok := command.ParseRequestID(string(e.Request)); ok {
			r, err := n.Request(e.Request)
			if err != nil && !(errors.Is(err, ErrNotFound) && e.What == "refused") {
				return nil, err
			}
			s.Request = r
		}
		if r := s.Request; r.ID != "" && r.State.HasReceipt() {
			var err error
			if s.Counts, err = n.Progress(r.ID); err != nil {
				return nil, err
			}
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// Refused reports whether the step is that a person was refused something, which changed nothing.
func (s Step) Refused() bool { return s.entry.What == "refused" }

// Log writes the step as one line.
func (s Step) Log(log *slog.Logger) {
	var attrs []any
	add := func(key string, value any) { attrs = append(attrs, key, value) }
	var detail struct {
		Why     string         `json:"why"`
		Act     string         `json:"act"`
		Verb    string         `json:"verb"`
		Group   recall.GroupID `json:"group"`
		Code    int            `json:"code"`
		Batches int            `json:"batches"`
	}
	// A detail that cannot be read tells nothing more. Verifier reports it.
	_ = json.Unmarshal(s.entry.Detail, &detail)
	r := s.Request
	if r.ID != "" {
		add("request", r.ID)
		if r.Scope.Sweeps() {
			add("groups", len(r.Parts))
		} else {
			add("group", r.Scope.Group)
		}
	} else if strings.HasPrefix(string(detail.Group), "@TGS#") { // any other word may be anything that was pasted
		add("group", detail.Group)
	}
	add("by", s.By)
	switch {
	case s.Refused():
		add("act", detail.Act)
		if detail.Verb != "" {
			add("verb", detail.Verb)
		}
		add("why", detail.Why)
	case s.Name == "asked":
		if n := r.Count(); n > 0 {
			add("messages", n)
		}
	case r.Digest != "":
		add("messages", r.Tally.Total)
	}
	switch _, stop, _ := strings.Cut(s.entry.What, ": "); {
	case s.Refused(): // all is said
	case s.Name == "sealed":
		add("send", r.Tally.Send)
		add("need", r.Needed)
	case s.Name == "approved":
		add("have", len(r.Approvals))
		add("need", r.Needed)
	case s.Name == "begun":
		add("send", r.Tally.Send)
	case s.Name == "in doubt":
		add("batches", detail.Batches)
	case s.Name == "stopping" && stop != "":
		add("why", stop)
	case detail.Why != "":
		add("why", detail.Why)
	}
	if detail.Code != 0 {
		add("code", detail.Code)
	}
	for _, c := range Classes() {
		if n := s.Counts[c]; n > 0 {
			add(strings.ReplaceAll(string(c), " ", "_"), n)
		}
	}
	if r.ID != "" && s.Name != "asked" {
		add("since_asked", s.At.Sub(r.Asked).Round(time.Millisecond).String())
	}
	log.Info("request "+s.Name, attrs...)
}
