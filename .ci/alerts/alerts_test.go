// Package alerts holds that the alert rules which the program prints fire in a real Prometheus that
// scrapes the program: each in the fault that it is made for, and none while all is well.
package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"

	"github.com/jackc/pgx/v5"
)

const (
	group    = site.Group
	patience = 90 * time.Second
)

func TestMain(m *testing.M) {
	code := m.Run()
	site.Clean()
	os.Exit(code)
}

// world is the program, what it talks to, and a Prometheus that scrapes it.
type world struct {
	*site.Site
	query string // the API of Prometheus
}

var (
	lasts  = regexp.MustCompile(`for: (\d+)m`)
	ranges = regexp.MustCompile(`\[(\d+)m\]`)
	aged   = regexp.MustCompile(`(_seconds(?:\{[^}]*\})? > )(\d+)`)
)

func program(t *testing.T) string {
	file, err := site.Build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// rules are the rules of the program with a sixtieth of the time for which each must hold and, with
// young, of the ages at which it fires and of the times over which it looks. When they fire in full
// time, promtool tests.
func rules(t *testing.T, young bool) string {
	out, err := exec.Command(program(t), "manifest", "alerts").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := lasts.ReplaceAllString(string(out), "for: ${1}s")
	if young {
		text = ranges.ReplaceAllString(text, "[${1}s]")
		text = aged.ReplaceAllStringFunc(text, func(s string) string {
			m := aged.FindStringSubmatch(s)
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			return m[1] + strconv.Itoa(n/60)
		})
	}
	return text
}

// newWorld starts the program and Prometheus. before, if not nil, is called before that.
func newWorld(t *testing.T, young bool, before func(w *world), env ...string) *world {
	admin := site.FreeAddress(t)
	w := &world{Site: site.New(t, site.Options{Env: append([]string{"CHAT_TIMEOUT=4s", "POLICY_LARGE_DELAY=0s",
		"POLICY_MAX_MESSAGES=10000", "ADMIN_ADDR=" + admin, "CHAT_WEBHOOK_TOKEN=token", "INDEX=hash"}, env...)})}
	if before != nil {
		before(w)
	}
	w.Launch()
	prometheus := w.prometheus(rules(t, young), admin)
	t.Cleanup(func() {
		prometheus.Process.Kill()
		prometheus.Wait()
	})
	w.until("a first scrape", func() bool { return len(w.ask(`recallbot_build_info`)) > 0 })
	return w
}

// prometheus scrapes the program and evaluates the rules each second.
func (w *world) prometheus(rules, admin string) *exec.Cmd {
	dir, addr := w.T.TempDir(), site.FreeAddress(w.T)
	for name, text := range map[string]string{
		"rules.yaml": rules,
		"prometheus.yaml": `{global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s},
			rule_files: [rules.yaml],
			scrape_configs: [{job_name: recallbot, static_configs: [{targets: ["` + admin + `"]}]}]}`,
	} {
		text = strings.ReplaceAll(text, "\t", " ")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.T.Fatal(err)
		}
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--log.level=error",
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.query = "http://" + addr + "/api/v1/"
	return cmd
}

// ask returns the labels of what a query finds.
func (w *world) ask(query string) (found []map[string]string) {
	answer, err := http.Get(w.query + "query?" + url.Values{"query": {query}}.Encode())
	if err != nil {
		return nil // it starts
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	var page struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if json.Unmarshal(body, &page) != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	for _, r := range page.Data.Result {
		found = append(found, r.Metric)
	}
	return found
}

// ever returns the alerts that have fired.
func (w *world) ever() (names []string) {
	for _, labels := range w.ask(`count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[30m]))`) {
		names = append(names, labels["alertname"])
	}
	slices.Sort(names)
	return names
}

func (w *world) fires(name string) {
	w.T.Helper()
	began := time.Now()
	w.until(name+" fires", func() bool {
		return len(w.ask(fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, name))) > 0
	})
	w.T.Logf("%s fired after %v", name, time.Since(began).Round(time.Second))
}

func (w *world) until(what string, ok func() bool) {
	w.T.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			w.T.Fatalf("in vain: %s; these alerts fired: %q", what, w.ever())
		}
	}
}

// asks asks for messages, and waits for the card.
func (w *world) asks(first, last int) {
	w.T.Helper()
	w.Say(last - first + 1)
	cards := len(w.Cards())
	w.Types(w.Mina, fmt.Sprintf("/recall %s %d-%d", group, first, last))
	w.until("a card", func() bool { return len(w.Cards()) > cards && w.Approvable() })
}

func (w *world) approves() {
	w.T.Helper()
	all := w.Cards()
	w.until("the approval", func() bool {
		ctx, cancel := context.WithTimeout(w.T.Context(), 5*time.Second)
		defer cancel()
		return w.Approves(ctx, all[len(all)-1])
	})
}

// away makes the Chat service answer nothing, whatever it does.
func (w *world) away() {
	w.Chat.Inject("", -1, recalltest.BadGatewayAfter())
}

// TestAlertsFire: each alert fires in the fault that it is made for.
func TestAlertsFire(t *testing.T) {
	for _, c := range []struct {
		fault        string
		env          func(t *testing.T) []string
		fires        []string
		before, make func(w *world)
	}{
		{"the program is killed", nil, []string{"RecallbotDown"}, nil, func(w *world) { w.Kill() }},
		{"the Chat service refuses the app", nil, []string{"RecallbotPaused"}, nil, func(w *world) {
			w.asks(1, 20)
			w.Chat.Inject(recalltest.Recall, -1, recalltest.Answer(60010, "the app is disabled"))
			w.approves()
		}},
		{"answers are lost, then the Chat service is away", nil,
			[]string{"RecallbotChatAway", "RecallbotInDoubt", "RecallbotRequestStuck"}, nil, func(w *world) {
				w.asks(1, 40)
				w.Chat.Inject(recalltest.Recall, -1, recalltest.BadGatewayAfter())
				w.approves()
				w.until("a call", func() bool { return w.Chat.Calls(recalltest.Recall) > 0 })
				w.away()
			}},
		{"the Chat service is away from the start", nil, []string{"RecallbotChatAway"}, (*world).away, func(w *world) {
			w.Types(w.Mina, "/recall "+group+" 1-2")
		}},
		{"nobody approves", nil, []string{"RecallbotRequestWaits"}, nil, func(w *world) { w.asks(1, 2) }},
		{"Slack takes no card", nil, []string{"RecallbotCardsBehind"}, nil, func(w *world) {
			w.asks(1, 2)
			w.Home.(*slacktest.Home).Fail("chat.update", -1, slacktest.ServerError(503))
			w.approves()
		}},
		{"Slack cannot be reached", nil, []string{"RecallbotSilent"}, nil, func(w *world) { w.Unplug() }},
		{"another signs the callbacks", nil, []string{"RecallbotSignaturesRefused"}, nil, func(w *world) {
			for range 12 {
				at := fmt.Sprintf("http://%s/chat/webhook?SdkAppid=%d&CallbackCommand=Group.CallbackAfterSendMsg"+
					"&contenttype=json&RequestTime=%d&Sign=%064d", w.Addr, w.Chat.SDKAppID(), time.Now().Unix(), 1)
				answer, err := http.Post(at, "application/json", strings.NewReader("{}"))
				if err != nil {
					w.T.Fatal(err)
				}
				answer.Body.Close()
				time.Sleep(300 * time.Millisecond)
			}
		}},
		{"the database is slow, then away", func(t *testing.T) []string {
			return []string{"DATABASE_URL=" + ledgertest.Postgres(t)}
		}, []string{"RecallbotSlow", "RecallbotLedgerAway", "RecallbotCallbacksDropped"}, nil, databaseAway},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			var env []string
			if c.env != nil {
				env = c.env(t)
			}
			// a service that was never there is asked ever less often: too seldom for young ones
			w := newWorld(t, c.before == nil, c.before, env...)
			c.make(w)
			for _, name := range c.fires {
				if !slices.Contains(w.ever(), name) {
					w.fires(name)
				}
			}
			t.Logf("all that fired: %q", w.ever())
		})
	}
	covered := 0
	for line := range strings.Lines(rules(t, true)) {
		if strings.Contains(line, "- alert: ") {
			covered++
		}
	}
	if covered != 12 {
		t.Errorf("there are %d alerts: a new one needs a fault here", covered)
	}
}

// databaseAway holds the writer's row for a while again and again, then takes the database away.
func databaseAway(w *world) {
	var database string
	for _, v := range w.Env {
		if name, value, _ := strings.Cut(v, "="); name == "DATABASE_URL" {
			database = value // the last one counts
		}
	}
	conn, err := pgx.Connect(w.T.Context(), database)
	if err != nil {
		w.T.Fatal(err)
	}
	for range 8 {
		tx, err := conn.Begin(w.T.Context())
		if err == nil {
			_, err = tx.Exec(w.T.Context(), "SELECT 1 FROM counter WHERE name = 'writer' FOR UPDATE")
		}
		if err != nil {
			w.T.Fatal(err)
		}
		d := w.Type(w.Mina, w.Trust, "/recalls list")
		time.Sleep(1500 * time.Millisecond) // of a real server's time
		if err := tx.Rollback(w.T.Context()); err != nil {
			w.T.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.T.Context(), 5*time.Second)
		d.Wait(ctx)
		cancel()
		if slices.Contains(w.ever(), "RecallbotSlow") {
			break
		}
	}
	name := conn.Config().Database
	if err := conn.Close(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
	other := *conn.Config()
	other.Database = "template1"
	admin, err := pgx.ConnectConfig(w.T.Context(), &other)
	if err != nil {
		w.T.Fatal(err)
	}
	defer admin.Close(context.Background())
	away := func(allow bool) {
		_, err := admin.Exec(context.Background(), fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t",
			pgx.Identifier{name}.Sanitize(), allow))
		if err != nil {
			w.T.Fatal(err)
		}
	}
	away(false)
	_, err = admin.Exec(w.T.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Chat.Change(func(o *recalltest.Options) {
		o.Callbacks = recalltest.Callbacks{URL: "http://" + w.Addr + "/chat/webhook", Token: "token"}
	})
	w.Chat.Say(group, "", "alice", "win big")
	w.fires("RecallbotLedgerAway")
}

// TestHealthy: no alert fires while 10,000 messages are recalled and all is well.
func TestHealthy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	w.asks(1, 10_000)
	w.approves()
	const all = `recallbot_messages_settled_total{outcome="recalled"} == 10000`
	w.until("the end", func() bool { return len(w.ask(all)) > 0 })
	// every rule has been evaluated since
	end := time.Now().Add(3 * time.Second)
	w.until("three more evaluations", func() bool { return time.Now().After(end) })
	if fired := w.ever(); len(fired) > 0 {
		t.Errorf("%q fired", fired)
	}
	answer, err := http.Get(w.query + "rules")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(body, []byte(`"health":"ok"`)); n != 12 {
		t.Errorf("%d rules can be evaluated: %s", n, body)
	}
}
