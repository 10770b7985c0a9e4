package console

import (
	"flag"
	"fmt"
	"strings"
	"time"
)

// Alert is a condition in which somebody must be called.
type Alert struct {
	Name     string
	Expr     string        // in PromQL, over the program's own metrics
	For      time.Duration // how long it must hold
	Severity string        // page: now, by whom it reaches; ticket: on the next working day
	Summary  string
	// Mend is the heading in README.md, under "What to do when an alert fires", that says what to
	// do: the name in words.
	Mend string
}

// Alerts are the rules that manifest alerts prints.
func Alerts() []Alert {
	const page, ticket = "page", "ticket"
	return []Alert{
		{"RecallbotDown", `up{job="recallbot"} == 0`, 2 * time.Minute, page,
			"no answer from {{ $labels.instance }}", "It does not answer"},
		{"RecallbotLedgerAway", `recallbot_ledger_readable == 0`, time.Minute, page,
			"the database cannot be read", "The database is away"},
		{"RecallbotPaused", `recallbot_app_paused == 1`, time.Minute, page,
			"the Chat service refuses the app: nothing is sent", "PAUSED"},
		{"RecallbotChatAway", `sum(increase(recallbot_chat_calls_total{code="fault"}[5m])) > 3 unless ` +
			`sum(increase(recallbot_chat_calls_total{code="0"}[5m])) > 0`, 2 * time.Minute, page,
			"calls of the Chat service get no answer", "The Chat service is away"},
		{"RecallbotRequestWaits", `recallbot_oldest_open_seconds{state="proposed"} > 600`, 0, page,
			"a request has waited {{ $value | humanizeDuration }} for its approval", "A request waits"},
		{"RecallbotRequestStuck", `recallbot_oldest_open_seconds{state=~"running|stopping"} > 3600`, 0, page,
			"a request has been {{ $labels.state }} for an hour", "A request does not end"},
		{"RecallbotInDoubt", `recallbot_messages_in_doubt > 0`, 10 * time.Minute, ticket,
			"{{ $value }} messages may have been recalled, and nobody could read whether", "A request does not end"},
		{"RecallbotCardsBehind", `recallbot_views_unshown > 0`, 10 * time.Minute, ticket,
			"{{ $value }} cards do not show what is stored", "Cards are behind"},
		{"RecallbotSilent", `recallbot_last_frame_age_seconds > 120`, time.Minute, page,
			"{{ $labels.platform }} was not heard of for {{ $value | humanizeDuration }}", "A platform is silent"},
		{"RecallbotSignaturesRefused",
			`sum by (from, why) (increase(recallbot_http_refused_total{why=~"wrong secret|clock off|another app"}[10m])) > 5`,
			0, ticket, "requests of {{ $labels.from }} are refused: {{ $labels.why }}", "Signatures are refused"},
		{"RecallbotCallbacksDropped", `increase(recallbot_callbacks_total{fate="dropped"}[10m]) > 0`, 0, ticket,
			"callbacks come faster than they can be stored", "Callbacks are dropped"},
		{"RecallbotSlow", `histogram_quantile(0.99, sum by (le, platform) ` +
			`(rate(recallbot_acknowledgement_seconds_bucket[5m]))) > 1`, 5 * time.Minute, ticket,
			"{{ $labels.platform }} waits long for acknowledgements, and gives up after 3 s", "Acknowledgements are slow"},
	}
}

// AlertRules is the command manifest alerts.
func AlertRules() Manifest {
	return Manifest{Word: "alerts", Short: "Print alert rules for Prometheus",
		Flags: func(*flag.FlagSet) func() (string, error) {
			return func() (string, error) { return alertRules(Alerts()), nil }
		}}
}

// alertRules writes the rules as a file that Prometheus reads.
func alertRules(all []Alert) string {
	var b strings.Builder
	b.WriteString("# A file for rule_files of Prometheus. The job that scrapes ADMIN_ADDR is called recallbot.\n" +
		"groups:\n- name: recallbot\n  rules:\n")
	for _, a := range all {
		fmt.Fprintf(&b, "  - alert: %s\n    expr: '%s'\n", a.Name, strings.ReplaceAll(a.Expr, "'", "''"))
		if a.For > 0 {
			fmt.Fprintf(&b, "    for: %dm\n", int(a.For.Minutes()))
		}
		fmt.Fprintf(&b, "    labels: {severity: %s}\n    annotations:\n      summary: %q\n      mend: %q\n", a.Severity,
			a.Summary, "README.md, What to do when an alert fires: "+a.Mend)
	}
	return b.String()
}
