package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNoDrift holds the table of variables and the struct tags together.
func TestNoDrift(t *testing.T) {
	type row struct {
		Name, Default string
		Secret        bool
	}
	var tags []row
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for f := range fields(typ) {
			tag, ok := f.Tag.Lookup("env")
			if !ok {
				if f.Type.Kind() == reflect.Struct {
					walk(f.Type)
				}
				continue
			}
			name, rest, _ := strings.Cut(tag, ", default=")
			tags = append(tags, row{name, rest, strings.HasSuffix(f.Type.String(), "config.Secret")})
		}
	}
	walk(reflect.TypeFor[Config]())
	var rows []row
	for _, v := range Variables() {
		rows = append(rows, row{v.Name, v.Default, v.Secret})
		if v.Meaning == "" {
			t.Errorf("%s has no meaning", v.Name)
		}
		if v.Default != "" && v.Required != "" {
			t.Errorf("%s is required and has a default", v.Name)
		}
	}
	if diff := cmp.Diff(tags, rows); diff != "" {
		t.Errorf("tags (-) and table (+) differ:\n%s", diff)
	}
	for _, e := range table {
		if e.Default == "" {
			continue
		}
		if _, what, _ := e.check(e.Default); what != "" {
			t.Errorf("the default of %s fails its own check: %s", e.Name, what)
		}
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

func TestTable(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Table(), "\n"), "\n")
	if want := len(Variables()) + 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for i, line := range lines {
		if n := strings.Count(line, "|"); n != 4 || !strings.HasPrefix(line, "| ") || !strings.HasSuffix(line, " |") ||
			strings.Count(line, "`")%2 != 0 {
			t.Errorf("line %d is not a row of three columns: %s", i+1, line)
		}
	}
	for _, want := range []string{
		"| variable | default | meaning |",
		"| `CHAT_SDK_APP_ID` | required | SDKAppID |",
		"| `CHAT_SECRET_KEY` | required, or `CHAT_USER_SIG` | key that signs UserSigs (or `CHAT_SECRET_KEY_FILE`) |",
		"| `CHAT_REASON` | | sent with each recall as `Reason` (100 bytes at most); what a requester writes as reason is never sent |",
		"| `HTTP_ADDR` | `:8080` | events, health |",
	} {
		if !strings.Contains(Table(), want+"\n") {
			t.Errorf("the table lacks %s", want)
		}
	}
}

func TestUnknown(t *testing.T) {
	environ := []string{
		// known, or another program's
		"SLACK_APPROVERS=U1", "SLACK_BOT_TOKEN_FILE=/x", "DATABASE_URL_FILE=/x", "EVIDENCE=full", "INDEX=off",
		"PATH=/bin", "HOME=/", "LANG=C", "HTTP_PROXY=http://x", "LOG_FILE=/x", "DATABASE_HOST=x", "TEXT=x", "CHATTY=1",
		"_=/bin/x",
		"CHAT_SERVICE_HOST=10.0.0.1", "CHAT_SERVICE_PORT_HTTP=80", "SLACK_PORT=tcp://10.0.0.1:80",
		"SLACK_PORT_80_TCP_ADDR=10.0.0.1",
		"no equals sign", "=C:=x",
		// not known
		"SLACK_APROVERS=hunter2", "SLACK_APPROVRES=hunter2", "SLACK_BOT_TOKN_FILE=hunter2", "slack_bot_token=hunter2",
		"DATABSE_URL=hunter2",
		"LOG_LEVLE=hunter2", "CHAT_ADMIN_FILE=hunter2", "POLICY_QUORUM=hunter2", "INDEX_EVERYTHING=hunter2",
		"index=hunter2",
	}
	want := []Problem{
		{"SLACK_APROVERS", "is not a variable of this program",
			"write SLACK_APPROVERS if you mean that one, else remove it"},
		{"SLACK_APPROVRES", "is not a variable of this program",
			"write SLACK_APPROVERS if you mean that one, else remove it"},
		{"SLACK_BOT_TOKN_FILE", "is not a variable of this program",
			"write SLACK_BOT_TOKEN_FILE if you mean that one, else remove it"},
		{"slack_bot_token", "is not a variable of this program",
			"write SLACK_BOT_TOKEN if you mean that one, else remove it"},
		{"DATABSE_URL", "is not a variable of this program", "write DATABASE_URL if you mean that one, else remove it"},
		{"LOG_LEVLE", "is not a variable of this program", "write LOG_LEVEL if you mean that one, else remove it"},
		{"CHAT_ADMIN_FILE", "is not a variable of this program: only a secret can be given as a file",
			"write CHAT_ADMIN"},
		{"POLICY_QUORUM", "is not a variable of this program", "see recallbot --help for those that are, or remove it"},
		{"INDEX_EVERYTHING", "is not a variable of this program",
			"see recallbot --help for those that are, or remove it"},
		{"index", "is not a variable of this program", "write INDEX if you mean that one, else remove it"},
	}
	if diff := cmp.Diff(want, Unknown(environ)); diff != "" {
		t.Error(diff)
	}
}

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "AB", 2}, {"AB", "", 2}, {"AB", "AB", 0}, {"AB", "BA", 1}, {"ABC", "AC", 1}, {"AC", "ABC", 1},
		{"ABC", "AXC", 1}, {"KITTEN", "SITTING", 3},
	} {
		if got := changes(tt.a, tt.b); got != tt.want {
			t.Errorf("changes(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
