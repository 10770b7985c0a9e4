package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"recallbot/bot"
	"recallbot/config"
	"recallbot/recall"
)

// Checked is what the command check looks at: the program as the environment configures it. Check
// reads only: it asks the services and leaves the bot's own database as it is.
type Checked struct {
	Config config.Config
	// Database looks at the ledger that the configuration names.
	Database  func(context.Context) []bot.Finding
	Chat      *recall.Client
	Platforms []Platform // those that are on, in the order in which they are printed
}

// Platform is a chat platform that check looks at.
type Platform struct {
	ID   bot.Platform
	Name string // as people write it
	// Check returns an error where the platform could not be asked.
	Check func(context.Context) ([]bot.Finding, error)
}

// check tries the configuration against the real services and prints a line for each finding: what
// is well, and what is to be mended. It fails when there is something to mend.
func (c console) check(ctx context.Context) error {
	checked, err := c.Check(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	bad := 0
	show := func(where string, findings ...bot.Finding) {
		for _, f := range findings {
			mark, mend := "ok  ", ""
			switch {
			case f.Hint:
				mark = "note"
			case f.Mend != "":
				mark = "BAD "
				bad++
			}
			if f.Mend != "" {
				mend = ": " + f.Mend
			}
			fmt.Fprintf(c.out, "%s %s: %s%s\n", mark, where, f.What, mend)
		}
	}
	for _, w := range checked.Config.Warnings {
		show("configuration", bot.Finding{What: w.Variable + " " + w.What, Mend: w.Mend, Hint: true})
	}
	show("database", checked.Database(ctx)...)
	show("http", checkAddresses(ctx, checked.Config.HTTP)...)
	show("chat", checkChat(ctx, checked.Chat, checked.Config.Policy.Groups)...)
	if sig := checked.Config.Chat.UserSig; sig.Set() {
		show("chat", checkUserSig(sig.Reveal()))
	}
	for _, p := range checked.Platforms {
		findings, err := p.Check(ctx)
		if err != nil {
			show(string(p.ID), bot.Finding{What: err.Error(), Mend: "see that " + p.Name + " can be reached from here"})
		}
		show(string(p.ID), findings...)
	}
	if bad > 0 {
		return fmt.Errorf("%d to mend", bad)
	}
	return nil
}

// checkAddresses tries to listen where the bot would.
func checkAddresses(ctx context.Context, addresses config.HTTP) []bot.Finding {
	var f bot.Findings
	for _, a := range []struct{ variable, addr string }{
		{"HTTP_ADDR", addresses.Addr}, {"ADMIN_ADDR", addresses.AdminAddr},
	} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.addr)
		switch {
		case err == nil:
			f.Well("%s can be listened on", a.variable)
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE) && health(ctx) == nil:
			f.Hint("another process that is to serve beside it needs another address",
				"%s is in use: the bot serves there already", a.variable)
		case errors.Is(err, syscall.EADDRINUSE):
			f.Bad("end the program that uses it, or write another port", "%s is in use", a.variable)
		default:
			f.Bad("write an address of this machine, with a port that this user may use", "%s: %v", a.variable, err)
		}
	}
	return f
}

// checkChat asks the Chat service for a group that does not exist: the answer to that proves key,
// admin, app and region. Then it looks up each of the groups that is named whole, without a
// wildcard.
func checkChat(ctx context.Context, chat *recall.Client, groups []string) []bot.Finding {
	var f bot.Findings
	_, err := chat.GetGroupInfo(ctx, "recallbot-check")
	switch api, ok := errors.AsType[*recall.Error](err); {
	case err == nil, noGroup(err):
		f.Well("the service takes the key, the admin account and the region")
	case ok:
		f.Bad(api.Code.Meaning()+" See CHAT_SDK_APP_ID, CHAT_SECRET_KEY, CHAT_ADMIN and CHAT_REGION", "%v", err)
		return f
	default:
		f.Bad("see that the service can be reached from here", "%v", err)
		return f
	}
	for _, id := range groups {
		if strings.ContainsAny(id, "*?") {
			continue
		}
		info, err := chat.GetGroupInfo(ctx, recall.GroupID(id))
		switch {
		case err == nil:
			f.Well("POLICY_GROUPS: %s is %s (%s)", id, bot.Visible(info.Name), info.Type)
		case noGroup(err):
			f.Bad("correct it, or take it out", "POLICY_GROUPS: there is no group %s", id)
		default:
			f.Bad("see what the service says", "POLICY_GROUPS: %s could not be looked up: %v", id, err)
		}
	}
	return f
}

// noGroup reports whether the service answered that there is no such group.
func noGroup(err error) bool {
	api, ok := errors.AsType[*recall.Error](err)
	return ok && (api.Code == recall.CodeNoGroup || api.Code == recall.CodeBadGroupID)
}

// checkUserSig looks at when a ready-made UserSig ends.
func checkUserSig(sig string) bot.Finding {
	till, err := recall.UserSigExpiry(sig)
	switch {
	case err != nil:
		return bot.Finding{What: err.Error(), Mend: "set CHAT_USER_SIG to one that the console or your server signed"}
	case time.Until(till) < 24*time.Hour:
		return bot.Finding{What: "CHAT_USER_SIG ends at " + till.UTC().Format(time.RFC3339),
			Mend: "renew it, or set CHAT_SECRET_KEY instead"}
	}
	return bot.Finding{What: "CHAT_USER_SIG is good until " + till.UTC().Format(time.RFC3339)}
}
