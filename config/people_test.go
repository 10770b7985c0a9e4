package config

import (
	"fmt"
	"strings"
	"testing"

	"recallbot/bot"

	"github.com/google/go-cmp/cmp"
)

// TestNumbers holds the needed approvals against the people who can give them.
func TestNumbers(t *testing.T) {
	const three = "- {name: mina, irc: [U1], matrix: [1]}\n- {name: theo, irc: [T0/U2], matrix: [2]}\n- {name: ann, irc: [U3]}\n"
	ircs := func(requesters, approvers string, more ...string) map[string]string {
		return with(onlyIRC(), append([]string{"IRC_REQUESTERS", requesters, "IRC_APPROVERS", approvers},
			more...)...)
	}
	for _, tt := range []struct {
		name     string
		env      map[string]string
		problems string
		warnings string
	}{
		{name: "enough", env: ircs("U1", "U2,U3")},
		{name: "a user group may hold enough", env: ircs("U1", "U2,S1", "POLICY_APPROVALS", "9")},
		{name: "a role may hold enough", env: with(onlyMatrix(), "POLICY_APPROVALS", "9")},
		{
			name:     "two approvers, three needed",
			env:      ircs("U1", "U2,U3", "POLICY_APPROVALS", "3"),
			problems: "POLICY_APPROVALS: 3 people are needed besides the requester, but IRC_APPROVERS can give 2 at most; name more people in IRC_APPROVERS, or a group, or write POLICY_APPROVALS=2",
		},
		{
			name:     "the default for large requests counts too",
			env:      ircs("U1", "U2"),
			problems: "POLICY_LARGE_APPROVALS: 2 people are needed besides the requester, but IRC_APPROVERS can give 1 at most; name more people in IRC_APPROVERS, or a group, or write POLICY_LARGE_APPROVALS=1",
		},
		{name: "one approver, one needed for any", env: ircs("U1", "U2", "POLICY_LARGE_APPROVALS", "1")},
		{name: "no request can be large", env: ircs("U1", "U2", "POLICY_LARGE_FROM", "11", "POLICY_MAX_MESSAGES",
			"10")},
		{
			name:     "a request can just be large",
			env:      ircs("U1", "U2", "POLICY_LARGE_FROM", "10", "POLICY_MAX_MESSAGES", "10"),
			problems: "POLICY_LARGE_APPROVALS: 2 people are needed besides the requester, but IRC_APPROVERS can give 1 at most; name more people in IRC_APPROVERS, or a group, or write POLICY_LARGE_APPROVALS=1",
		},
		{
			name:     "the only approver is the only requester",
			env:      ircs("U1", "U1"),
			problems: "POLICY_APPROVALS: 1 person is needed besides the requester, but IRC_APPROVERS can give 0 at most; name more people in IRC_APPROVERS, or a group",
		},
		{
			name:     "every requester is an approver",
			env:      ircs("U1,U2", "U1,U2,U3", "POLICY_LARGE_APPROVALS", "3"),
			problems: "POLICY_LARGE_APPROVALS: 3 people are needed besides the requester, but IRC_APPROVERS can give 2 at most; name more people in IRC_APPROVERS, or a group, or write POLICY_LARGE_APPROVALS=2",
		},
		{name: "a requester out of a group need not be an approver",
			env:      ircs("U1,S1", "U1,U2,U3", "POLICY_LARGE_APPROVALS", "3"),
			warnings: "POLICY_LARGE_APPROVALS: large requests of IRC U1 cannot be approved: 3 people are needed besides them; name more people in IRC_APPROVERS"},
		{name: "one requester is an approver", env: ircs("U1,U9", "U1", "POLICY_LARGE_APPROVALS", "1"),
			warnings: "POLICY_APPROVALS: what IRC U1 asks for cannot be approved: 1 person is needed besides them; name more people in IRC_APPROVERS"},
		{name: "nobody may ask", env: ircs("", "U1", "POLICY_LARGE_APPROVALS", "1"),
			warnings: "IRC_REQUESTERS: is empty: nobody may ask here; name those who may"},
		{name: "nobody may approve", env: ircs("U1", ""),
			warnings: "IRC_APPROVERS: is empty: nobody may approve here; name those who may"},
		{name: "nobody may do anything", env: ircs("", ""),
			warnings: "IRC_REQUESTERS: is empty: nobody may ask here; name those who may\nIRC_APPROVERS: is empty: nobody may approve here; name those who may"},
		{
			name:     "each platform for itself",
			env:      with(bothPlatforms(), "IRC_APPROVERS", "U2,U3", "MATRIX_APPROVERS", "user:2"),
			problems: "POLICY_LARGE_APPROVALS: 2 people are needed besides the requester, but MATRIX_APPROVERS can give 1 at most; name more people in MATRIX_APPROVERS, or a group, or write POLICY_LARGE_APPROVALS=1",
		},
		{name: "no roster for two platforms", env: bothPlatforms(),
			warnings: "POLICY_ROSTER_FILE: is not set: whoever has an account on two platforms counts as two people; write a roster that joins the accounts of each person"},
		{
			name: "a roster joins the platforms",
			env: with(bothPlatforms(), "IRC_REQUESTERS", "U1", "IRC_APPROVERS", "U3", "MATRIX_REQUESTERS",
				"user:1", "MATRIX_APPROVERS", "user:2",
				"POLICY_ROSTER_FILE", file(t, three)),
		},
		{
			name: "two accounts of one person count once",
			env: with(bothPlatforms(), "IRC_REQUESTERS", "U1", "IRC_APPROVERS", "U2", "MATRIX_REQUESTERS",
				"user:1", "MATRIX_APPROVERS", "user:2",
				"POLICY_ROSTER_FILE", file(t, three)),
			problems: "POLICY_LARGE_APPROVALS: 2 people are needed besides the requester, but IRC_APPROVERS and MATRIX_APPROVERS can give 1 at most; name more people in IRC_APPROVERS and MATRIX_APPROVERS and in the roster, or write POLICY_LARGE_APPROVALS=1",
		},
		{
			name: "the requester's other account does not help",
			env: with(bothPlatforms(), "IRC_REQUESTERS", "U1", "IRC_APPROVERS", "", "MATRIX_REQUESTERS", "",
				"MATRIX_APPROVERS", "user:1", "POLICY_ROSTER_FILE", file(t, three)),
			problems: "POLICY_APPROVALS: 1 person is needed besides the requester, but IRC_APPROVERS and MATRIX_APPROVERS can give 0 at most; name more people in IRC_APPROVERS and MATRIX_APPROVERS and in the roster",
		},
		{
			name:     "a group is no larger than the roster",
			env:      ircs("U1", "S1", "POLICY_APPROVALS", "4", "POLICY_ROSTER_FILE", file(t, three)),
			problems: "POLICY_APPROVALS: 4 people are needed besides the requester, but IRC_APPROVERS can give 2 at most; name more people in IRC_APPROVERS and in the roster, or write POLICY_APPROVALS=2",
		},
		{
			name:     "nobody is in a group without an account on its platform",
			env:      with(onlyMatrix(), "MATRIX_REQUESTERS", "user:1", "POLICY_ROSTER_FILE", file(t, three)),
			problems: "POLICY_LARGE_APPROVALS: 2 people are needed besides the requester, but MATRIX_APPROVERS can give 1 at most; name more people in MATRIX_APPROVERS and in the roster, or write POLICY_LARGE_APPROVALS=1",
		},
		{
			name: "who is not in the roster cannot ask or approve",
			env:  ircs("U1,U8", "U2,U3,U9", "POLICY_ROSTER_FILE", file(t, three)),
			warnings: "IRC_REQUESTERS: U8 is not in the roster, so they may not ask; add them to POLICY_ROSTER_FILE\n" +
				"IRC_APPROVERS: U9 is not in the roster, so they may not approve; add them to POLICY_ROSTER_FILE",
		},
		{
			name:     "no approver is in the roster",
			env:      ircs("U1", "U7,U8,U9", "POLICY_ROSTER_FILE", file(t, three)),
			problems: "POLICY_APPROVALS: 1 person is needed besides the requester, but IRC_APPROVERS can give 0 at most; name more people in IRC_APPROVERS and in the roster",
		},
		{name: "a roster and nobody", env: ircs("", "", "POLICY_ROSTER_FILE", file(t, three)),
			warnings: "IRC_REQUESTERS: is empty: nobody may ask here; name those who may\nIRC_APPROVERS: is empty: nobody may approve here; name those who may"},
		{name: "both ways of delivery", env: with(onlyIRC(), "IRC_SECRETS", "x"),
			warnings: "IRC_SECRETS: is not used; remove it"},
		{name: "a deadline before the default reminder", env: with(onlyIRC(), "POLICY_APPROVE_WITHIN", "6m"),
			warnings: "POLICY_REMIND_AFTER: 10m0s is not before POLICY_APPROVE_WITHIN, 6m0s: nobody is reminded; write less, such as 2m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tryLoad(t, tt.env)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.problems, got); diff != "" {
				t.Fatalf("problems:\n%s", diff)
			}
			if err == nil {
				if diff := cmp.Diff(tt.warnings, Problems(c.Warnings).Error()); diff != "" {
					t.Errorf("warnings:\n%s", diff)
				}
			}
		})
	}
}

// TestMost checks the arithmetic against trying every requester out.
func TestMost(t *testing.T) {
	for bits := range 1 << 8 {
		var requesters, approvers []string
		for i := range 4 {
			if bits>>i&1 != 0 {
				requesters = append(requesters, fmt.Sprintf("U%d", i))
			}
			if bits>>(4+i)&1 != 0 {
				approvers = append(approvers, fmt.Sprintf("U%d", i))
			}
		}
		if len(requesters) == 0 || len(approvers) == 0 {
			continue
		}
		best := -1
		for _, r := range requesters {
			others := 0
			for _, a := range approvers {
				if a != r {
					others++
				}
			}
			best = max(best, others)
		}
		var b bench
		b.requesters.add(side{}, users(requesters), bot.Roster{})
		b.approvers.add(side{}, users(approvers), bot.Roster{})
		if got, known := b.most(); got != best || !known {
			t.Errorf("requesters %s, approvers %s: %d, want %d", strings.Join(requesters, " "),
				strings.Join(approvers, " "), got, best)
		}
		for needed := 1; needed <= 4; needed++ {
			if all := len(b.stranded(needed)) == len(requesters); all != (best < needed) {
				t.Errorf("requesters %s, approvers %s, %d needed: stranded %q", requesters, approvers, needed,
					b.stranded(needed))
			}
		}
	}
}

func users(ids []string) (l []bot.Principal) {
	for _, id := range ids {
		l = append(l, bot.Principal{User: id})
	}
	return l
}
