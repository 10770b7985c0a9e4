package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Table(platforms), "\n"), "\n")
	if want := len(Variables(platforms)) + 2; len(lines) != want {
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
		if !strings.Contains(Table(platforms), want+"\n") {
			t.Errorf("the table lacks %s", want)
		}
	}
}

// TestUnknown: what comes near a variable that is not set is misspelt; of the others it is said
// that they are not known.
func TestUnknown(t *testing.T) {
	environ := []string{
		// known, or another program's
		"IRC_APPROVERS=U1", "IRC_TOKEN_FILE=/x", "DATABASE_URL_FILE=/x", "EVIDENCE=full", "INDEX=off",
		"PATH=/bin", "HOME=/", "LANG=C", "HTTP_PROXY=http://x", "LOG_FILE=/x", "DATABASE_HOST=x", "TEXT=x", "CHATTY=1",
		"_=/bin/x",
		"CHAT_SERVICE_HOST=10.0.0.1", "CHAT_SERVICE_PORT_HTTP=80", "IRC_PORT=tcp://10.0.0.1:80",
		"IRC_PORT_80_TCP_ADDR=10.0.0.1",
		"no equals sign", "=C:=x", "IRC_REQUESTRES= ",
		// not known
		"IRC_APROVERS=hunter2", "IRC_APPROVRES=hunter2", "IRC_TOKN_FILE=hunter2", "irc_token=hunter2",
		"DATABSE_URL=hunter2", "index=hunter2", "POLICY_QUORUM=hunter2", "INDEX_EVERYTHING=hunter2",
		// misspelt
		"LOG_LEVLE=hunter2", "CHAT_ADMIN_FILE=hunter2", "IRC_SOCKETTOKEN_FILE=hunter2", "policy_groups=hunter2",
	}
	const what = "is not a variable of this program"
	others := []Problem{
		{"IRC_APROVERS", what, "write IRC_APPROVERS if you mean that one, else remove it"},
		{"IRC_APPROVRES", what, "write IRC_APPROVERS if you mean that one, else remove it"},
		{"IRC_TOKN_FILE", what, "write IRC_TOKEN_FILE if you mean that one, else remove it"},
		{"irc_token", what, "write IRC_TOKEN if you mean that one, else remove it"},
		{"DATABSE_URL", what, "write DATABASE_URL if you mean that one, else remove it"},
		{"index", what, "write INDEX if you mean that one, else remove it"},
		{"POLICY_QUORUM", what, "see the table in README.md for those that are, or remove it"},
		{"INDEX_EVERYTHING", what, "see the table in README.md for those that are, or remove it"},
	}
	misspelt := Problems{
		{"LOG_LEVLE", what, "write LOG_LEVEL if you mean that one, else remove it"},
		{"CHAT_ADMIN_FILE", what + ": only a secret can be given as a file", "write CHAT_ADMIN"},
		{"IRC_SOCKETTOKEN_FILE", what, "write IRC_SOCKET_TOKEN_FILE if you mean that one, else remove it"},
		{"policy_groups", what, "write POLICY_GROUPS if you mean that one, else remove it"},
	}
	gotMisspelt, gotOthers := read(lookupIn(environ), platforms).unknown(environ)
	if diff := cmp.Diff(misspelt, gotMisspelt); diff != "" {
		t.Error("misspelt:", diff)
	}
	if diff := cmp.Diff(others, gotOthers); diff != "" {
		t.Error("others:", diff)
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
