package console_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"recallbot/adapters/console"
	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/config"
	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

// program is a program whose parts say that they were called.
func program(out *bytes.Buffer) console.Program {
	return console.Program{
		Serve: func(context.Context) error { out.WriteString("served\n"); return nil },
		Demo: func(flags *flag.FlagSet) func(context.Context, io.Writer) error {
			both := flags.Bool("both", false, "on both")
			return func(_ context.Context, w io.Writer) error {
				_, err := fmt.Fprintln(w, "played", *both)
				return err
			}
		},
		Practice: func(flags *flag.FlagSet) func(context.Context, io.Writer) error {
			addr := flags.String("addr", "free", "listen there")
			return func(_ context.Context, w io.Writer) error {
				_, err := fmt.Fprintln(w, "practised at", *addr)
				return err
			}
		},
		Check: func(context.Context) (console.Checked, error) {
			return console.Checked{}, config.Problems{{Variable: "CHAT_REGION", What: "is missing", Mend: "set it"}}
		},
		Open: func(ctx context.Context, url string) (console.Ledger, error) {
			return ledger.Open(ctx, url, ledger.Options{ReadOnly: true})
		},
		Schema: 7,
		Manifests: []console.Manifest{{Word: "irc", Short: "Print what sets up IRC",
			Flags: func(flags *flag.FlagSet) func() (string, error) {
				address := flags.String("http", "", "for requests to this `URL`")
				return func() (string, error) {
					if *address == "bad" {
						return "", errors.New("a bad address")
					}
					return "manifest for " + *address, nil
				}
			}}},
	}
}

// TestRun: what a command line calls, what it prints and where, and the exit code.
func TestRun(t *testing.T) {
	t.Setenv("DATABASE_URL", "sqlite:"+filepath.Join(t.TempDir(), "none.db"))
	for _, test := range []struct {
		args      string
		code      int
		out, errs string // the beginning of each
	}{
		{"", 0, "served\n", ""},
		{"serve", 0, "served\n", ""},
		{"demo", 0, "played false\n", ""},
		{"demo --both", 0, "played true\n", ""},
		{"practice --addr :1", 0, "practised at :1\n", ""},
		{"demo now", 2, "", "recallbot: recallbot demo takes no words\n"},
		{"manifest irc", 0, "manifest for \n", ""},
		{"manifest irc --http https://bot.example.com", 0, "manifest for https://bot.example.com\n", ""},
		{"manifest irc --http bad", 2, "", "recallbot: a bad address\nSee: recallbot manifest irc --help\n"},
		{"manifest", 2, "", "recallbot: recallbot manifest needs one of: irc\n"},
		{"manifest ircs", 2, "", "recallbot: unknown command \"ircs\", did you mean irc?\n"},
		{"recall", 2, "", "recallbot: unknown command \"recall\"\nSee: recallbot --help\n"},
		{"serve now", 2, "", "recallbot: recallbot serve takes no words\n"},
		{"backup", 2, "", "recallbot: recallbot backup takes FILE\n"},
		{"backup a b", 2, "", "recallbot: recallbot backup takes FILE\n"},
		{"backup a --csv", 2, "", "recallbot: unknown flag: --csv\nSee: recallbot backup --help\n"},
		{"--csv", 2, "", "recallbot: unknown flag: --csv\nSee: recallbot --help\n"},
		{"audit", 2, "", "recallbot: recallbot audit needs one of: export, report, verify\n"},
		{"audit export --from yesterday", 2, "", "recallbot: --from: \"yesterday\" is no time such as 2026-11-01"},
		{"audit export --request mina", 2, "", "recallbot: --request: \"mina\" is no request id, such as R-7K3M9Q\n"},
		{"audit export --color", 2, "", "recallbot: unknown flag: --color\nSee: recallbot audit export --help\n"},
		{"audit verify", 1, "", "recallbot: "},
		{"audit verify a b", 2, "", "recallbot: recallbot audit verify takes [FILE]\n"},
		{"check", 2, "", "recallbot: the configuration has 1 problems:\n"},
		{"--help", 0, "recallbot removes", ""},
		{"help", 0, "recallbot removes", ""},
		{"audit export --help", 0, "Write the audit log", ""},
		{"help audit verify", 0, "Check the audit log", ""},
		{"manifest irc -h", 0, "Print what sets up IRC", ""},
		{"version", 0, "", ""},
		{"--version", 0, "", ""},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := console.Run(t.Context(), strings.Fields(test.args), &out, &errs, program(&out))
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.HasPrefix(out.String(), test.out) || (code != 0 && out.Len() > 0) {
				t.Errorf("printed %q, want %q first", out.String(), test.out)
			}
			if !strings.HasPrefix(errs.String(), test.errs) || (code == 0 && errs.Len() > 0) {
				t.Errorf("told %q as an error, want %q first", errs.String(), test.errs)
			}
		})
	}
}

// TestVersion: both ways to ask name the schema.
func TestVersion(t *testing.T) {
	for _, args := range []string{"version", "--version"} {
		var out bytes.Buffer
		console.Run(t.Context(), []string{args}, &out, io.Discard, program(&out))
		version, commit := console.Build()
		want := fmt.Sprintf("recallbot %s, commit %s, schema 7 (%s)\n", version, commit, runtime.Version())
		if out.String() != want {
			t.Errorf("%s prints %q, want %q", args, out.String(), want)
		}
	}
}

// TestCheck: a line a finding in the order of the parts, with what to do about it; what is to be
// mended is counted and fails, a note does not.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		secret string
		found  []bot.Finding
		err    error
		code   int
		want   []string
		errs   string
	}{
		{"well", recalltest.DefaultSecretKey, []bot.Finding{{What: "the token works"},
			{What: "one channel is private", Mend: "invite the bot", Hint: true}}, nil, 1, []string{
			"note configuration: POLICY_REMIND_AFTER ",
			"note database: there is none yet: it is made at the first start",
			"ok   http: HTTP_ADDR can be listened on",
			"BAD  http: ADMIN_ADDR: ",
			"ok   chat: the service takes the key, the admin account and the region",
			"ok   chat: POLICY_GROUPS: @TGS#2J4SZEAEL is Lounge (Public)",
			"BAD  chat: POLICY_GROUPS: there is no group @TGS#GONE: correct it, or take it out",
			"ok   irc: the token works",
			"note irc: one channel is private: invite the bot",
		}, "recallbot: 2 to mend\n"},
		{"a bad key, a platform that is away", "wrong", nil, errors.New("irc: no answer"), 1, []string{
			"note configuration: POLICY_REMIND_AFTER ",
			"note database: there is none yet: it is made at the first start",
			"ok   http: HTTP_ADDR can be listened on",
			"BAD  http: ADMIN_ADDR: ",
			"BAD  chat: ",
			"BAD  irc: irc: no answer: see that IRC can be reached from here",
		}, "recallbot: 3 to mend\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := recalltest.New(recalltest.Options{})
			service.AddGroup(recalltest.Group{ID: "@TGS#2J4SZEAEL", Type: "Public", Name: "Lounge"})
			chat, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(service.SDKAppID()),
				SecretKey: test.secret, BaseURL: recalltest.URL, HTTPClient: service.Client()})
			if err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			p := program(&out)
			warned := config.Config{Warnings: []config.Problem{{Variable: "POLICY_REMIND_AFTER", What: "is late"}},
				HTTP:   config.HTTP{Addr: "127.0.0.1:0", AdminAddr: "192.0.2.1:0"},
				Policy: bot.Policy{Groups: []string{"@TGS#2J4SZEAEL", "@TGS#GONE", "@TGS#_*"}}}
			p.Check = func(context.Context) (console.Checked, error) {
				return console.Checked{Chat: chat, Config: warned, Database: func(ctx context.Context) []bot.Finding {
					return ledger.Check(ctx, "sqlite:"+filepath.Join(t.TempDir(), "none.db"), nil)
				}, Platforms: []console.Platform{{ID: "irc", Name: "IRC",
					Check: func(context.Context) ([]bot.Finding, error) { return test.found, test.err }}}}, nil
			}
			if code := console.Run(t.Context(), []string{"check"}, &out, &errs, p); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i := range min(len(lines), len(test.want)) {
				if strings.HasPrefix(lines[i], test.want[i]) && strings.HasSuffix(test.want[i], " ") {
					lines[i] = test.want[i] // the rest is in the words of another package
				}
			}
			if diff := cmp.Diff(test.want, lines); diff != "" {
				t.Errorf("check printed (-want +got):\n%s", diff)
			}
			if errs.String() != test.errs {
				t.Errorf("told %q as an error, want %q", errs.String(), test.errs)
			}
		})
	}
}
