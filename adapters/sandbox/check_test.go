package sandbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/sandbox/site"
	"recallbot/recall"
)

// TestCheckTells: what is wrong with the configuration is found before anything is served, with the
// exit code that tells a mistake in it (2) from what is to be mended elsewhere (1). The variable is
// named, no secret is repeated, and a program that is started all the same refuses in the same way.
func TestCheckTells(t *testing.T) {
	s := site.New(t, site.Options{Platforms: adapters.IDs()})
	sig := func(user recall.UserID) string {
		sig, err := recall.SignUserSig(recall.SDKAppID(s.Chat.SDKAppID()), s.Chat.SecretKey(), user, time.Now(),
			48*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	good := sig("administrator")
	const secret = "hun1er2"
	type test struct {
		name string
		env  []string
		code int
		want []string // in what check says
	}
	tests := []test{
		{"all is well", nil, 0, []string{"ok   chat", "ok   http"}},
		{"a UserSig", []string{"CHAT_SECRET_KEY=", "CHAT_USER_SIG=" + good}, 0,
			[]string{"CHAT_USER_SIG is good until"}},
		{"no UserSig", []string{"CHAT_SECRET_KEY=", "CHAT_USER_SIG=" + secret}, 2, []string{"CHAT_USER_SIG: "}},
		{"half a UserSig", []string{"CHAT_SECRET_KEY=", "CHAT_USER_SIG=" + good[:40]}, 2, []string{"CHAT_USER_SIG: "}},
		{"another's UserSig", []string{"CHAT_SECRET_KEY=", "CHAT_USER_SIG=" + sig("mina")}, 2,
			[]string{`CHAT_USER_SIG: is of "mina"`, "CHAT_ADMIN"}},
		{"a UserSig as key", []string{"CHAT_SECRET_KEY=" + good}, 2, []string{"CHAT_SECRET_KEY: is a UserSig"}},
		{"@ in a password", []string{"DATABASE_URL=postgres://bot:x@" + secret + "@127.0.0.1:1/recall"}, 2,
			[]string{"DATABASE_URL: ", "@ as %40"}},
		{"/ in a password", []string{"DATABASE_URL=postgres://bot:x/" + secret + "@127.0.0.1:1/recall"}, 2,
			[]string{"DATABASE_URL: ", "/ as %2F"}},
		{"digits before / in a password", []string{"DATABASE_URL=postgres://bot:1/" + secret + "@127.0.0.1:1/recall"},
			2, []string{"DATABASE_URL: ", "/ as %2F"}},
		{"@ and / in a password", []string{"DATABASE_URL=postgres://bot:x@y/" + secret + "@127.0.0.1:1/recall"}, 2,
			[]string{"DATABASE_URL: ", "/ as %2F"}},
		{"no database in the URL", []string{"DATABASE_URL=postgres://bot:" + secret + "@127.0.0.1:1"}, 2,
			[]string{"DATABASE_URL: names no database"}},
		{"a database out of reach", []string{"DATABASE_URL=postgres://bot:" + secret + "@127.0.0.1:1/recall"}, 1,
			[]string{"BAD  database"}},
		{"a directory that is not there", []string{"DATABASE_URL=sqlite:nowhere/recallbot.db"}, 1,
			[]string{"BAD  database", "make the directory"}},
		{"a key in quotes", []string{`CHAT_SECRET_KEY="` + secret + `"`}, 2,
			[]string{"CHAT_SECRET_KEY: has quotes around it"}},
		{"names that come near", []string{"POLICY_APROVALS=2", "CHAT_WEBHOK_TOKEN=" + secret}, 2,
			[]string{"POLICY_APROVALS: ", "write POLICY_APPROVALS", "CHAT_WEBHOK_TOKEN: ", "write CHAT_WEBHOOK_TOKEN"}},
		{"a group", []string{"POLICY_GROUPS=" + site.Group + ",@TGS#_*"}, 0, []string{"is Casino talk (Public)"}},
		{"a group that is not there", []string{"POLICY_GROUPS=" + site.Group + ",@TGS#GONE"}, 1,
			[]string{"POLICY_GROUPS: there is no group @TGS#GONE"}},
		{"an address of another machine", []string{"HTTP_ADDR=192.0.2.1:80"}, 1, []string{"BAD  http: HTTP_ADDR"}},
	}
	for _, p := range adapters.Platforms {
		id, token := string(p.ID), p.Variables[0].Name
		channels, requesters := strings.ToUpper(id)+"_CHANNELS", strings.ToUpper(id)+"_REQUESTERS"
		near := strings.Replace(requesters, "QU", "Q", 1)
		tests = append(tests,
			test{id + ", all is well", nil, 0, []string{"ok   " + id}},
			test{id + ", a token in quotes", []string{token + "='" + secret + "'"}, 2,
				[]string{token + ": has quotes around it"}},
			test{id + ", a name that comes near one that is set", []string{near + "=1"}, 0,
				[]string{"note configuration: " + near}},
			test{id + ", any channel", []string{channels + "=any"}, 0,
				[]string{id + ": the bot may be used in every channel"}})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := slices.Concat(s.Env, test.env)
			out, code := s.Run(env, "check")
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not said", want)
				}
			}
			served, at := "", 0
			if test.code == 2 {
				if served, at = s.Run(env); at != 2 {
					t.Errorf("served all the same, exit code %d", at)
				}
			}
			for _, hidden := range []string{secret, good} {
				if strings.Contains(out+served, hidden) {
					t.Error("a secret is repeated")
				}
			}
			if t.Failed() {
				t.Logf("check said:\n%s\nserving said:\n%s", out, served)
			}
		})
	}
}
