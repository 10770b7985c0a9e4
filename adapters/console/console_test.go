package console_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
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
		Demo:  func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "played\n"); return err },
		Check: func(context.Context) (console.Checked, error) {
			return console.Checked{}, config.Problems{{Variable: "CHAT_REGION", What: "is missing", Mend: "set it"}}
		},
		Open: func(ctx context.Context, url string) (console.Ledger, error) {
			return ledger.Open(ctx, url, ledger.Options{ReadOnly: true})
		},
		Manifests: map[string]func(string) (string, error){
			"slack": func(address string) (string, error) {
				if address == "bad" {
					return "", errors.New("a bad address")
				}
				return "manifest for " + address, nil
			},
		},
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
		{"demo", 0, "played\n", ""},
		{"manifest slack", 0, "manifest for \n", ""},
		{"manifest slack --http https://bot.example.com", 0, "manifest for https://bot.example.com\n", ""},
		{"manifest --http https://bot.example.com slack", 0, "manifest for https://bot.example.com\n", ""},
		{"manifest slack --http bad", 2, "", "recallbot: a bad address\n\nrecallbot removes"},
		{"manifest irc", 2, "", "recallbot: unknown command \"manifest irc\"\n"},
		{"recall", 2, "", "recallbot: unknown command \"recall\"\n\nrecallbot removes"},
		{"serve now", 2, "", "recallbot: unknown command \"serve now\"\n"},
		{"backup", 2, "", "recallbot: unknown command \"backup\"\n"},
		{"audit export --from yesterday", 2, "", "recallbot: invalid value \"yesterday\" for flag -from"},
		{"audit export --color", 2, "", "recallbot: flag provided but not defined: -color"},
		{"audit verify", 1, "", "recallbot: "},
		{"check", 2, "", "recallbot: the configuration has 1 problems:\n"},
		{"audit export --help", 0, "recallbot removes", ""},
		{"help", 0, "recallbot removes", ""},
		{"version", 0, "", ""},
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
			{What: "one channel is private", Mend: "invite the bot", Hint: true}}, nil, 0, []string{
			"note configuration: POLICY_REMIND_AFTER ",
			"note database: there is none yet: it is made at the first start",
			"ok   chat: the service takes the key, the admin account and the region",
			"ok   irc: the token works",
			"note irc: one channel is private: invite the bot",
		}, ""},
		{"a bad key, a platform that is away", "wrong", nil, errors.New("irc: no answer"), 1, []string{
			"note configuration: POLICY_REMIND_AFTER ",
			"note database: there is none yet: it is made at the first start",
			"BAD  chat: ",
			"BAD  irc: irc: no answer: see that IRC can be reached from here",
		}, "recallbot: 2 to mend\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := recalltest.New(recalltest.Options{})
			chat, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(service.SDKAppID()),
				SecretKey: test.secret, BaseURL: recalltest.URL, HTTPClient: service.Client()})
			if err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			p := program(&out)
			p.Check = func(context.Context) (console.Checked, error) {
				return console.Checked{Chat: chat, Database: func(ctx context.Context) []bot.Finding {
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
