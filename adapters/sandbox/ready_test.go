package sandbox_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"recallbot/adapters"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
)

// TestReadyz: what only an admin can mend makes /readyz fail, and is told there and in the log,
// with the mend: on each platform, that it refuses the token.
func TestReadyz(t *testing.T) {
	for _, p := range adapters.Platforms {
		t.Run(string(p.ID), func(t *testing.T) {
			s := site.New(t, site.Options{Platforms: []bot.Platform{p.ID}})
			secrets, variable := s.Home.Secrets(), p.Variables[0].Name
			i := slices.IndexFunc(s.Env, func(v string) bool { return strings.HasPrefix(v, variable+"=") })
			s.Env[i] += "x" // which is the token of nobody
			s.Launch()
			s.Until("what is wrong", func() bool {
				status, says := site.Ready(s.Addr)
				mend := "set " + variable + " to "
				return status == http.StatusServiceUnavailable && strings.Contains(says, mend) &&
					strings.Contains(s.Said(), mend)
			})
			_, says := site.Ready(s.Addr)
			for _, secret := range secrets {
				if strings.Contains(says+s.Said(), secret) {
					t.Error("a secret is told")
				}
			}
		})
	}
}
