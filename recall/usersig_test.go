package recall_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"recallbot/recall"
)

// Made with the service's own library for Node, whose demo key this is, with
// its clock at 1700000000.
const demoKey = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"

var vectors = []struct {
	name   string
	app    recall.SDKAppID
	key    string
	user   recall.UserID
	life   time.Duration
	mac    string
	packed string // by Node's zlib: what is inside counts, not these very bytes
}{
	{"A", 1400000000, demoKey, "administrator", 86400 * time.Second, "yLAe+w7WUeUuqbV9h/TX78u21oTGi+i9Zp1u3PpnY60=",
		"eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJEpycxNVbIyNEcVTa0oyCxKVbKyMDOBCRVnpitZKVX6OKZql5uHh6aGlhYmhVlm6IdEmFuUGhnmh7hnamdaRhUYlhoHFORFmhnYKtUCAK0SM5I_"},
	{"B", 1400000000, demoKey, "xiaojun", 15552000 * time.Second, "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4=",
		"eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmqOKplYUZBaBxE1NTY3gosWZ6UpWSj5ljuYp*p7l5unBxXnF2WVhVU4uAf7Ozi5JpX7O5SbuHuUhzgZJmQXaTia2SrUAohcx8g__"},
	{"C", 88888888, "key with + and / =", "admin", 604800 * time.Second, "/FRCxv8Xe1IF5Hg6/I6vXf9EJmpxR5LGXcxufF+2RsQ=",
		"eJw1yUELgjAYxvHv8l4LnZK2Bp6ileGl1WFXaZu8xGQ4G4Pouwe6-rfn93zg0d2zoCdgUGYEtstGpccZDS7cK4tjOrx69c6hAkZTq89oNbBiT1Kr6uhw0sBqsqN-8zgAg5yLYwxU6qLl1WWo87YO0hxOV*uiqLqzfMa34ZtS*FsD3x9nXi-x"},
}

func TestUserSigKnownAnswers(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for _, v := range vectors {
		ours, err := recall.SignUserSig(v.app, v.key, v.user, now, v.life)
		if err != nil {
			t.Fatal(err)
		}
		for from, sig := range map[string]string{"ours": ours, "the library's": v.packed} {
			u, err := recall.ParseUserSig(sig)
			if err != nil {
				t.Errorf("%s, %s: %v", v.name, from, err)
				continue
			}
			if mac := base64.StdEncoding.EncodeToString(u.Sig); mac != v.mac {
				t.Errorf("%s, %s: TLS.sig is %s, want %s", v.name, from, mac, v.mac)
			}
			if u.SDKAppID != v.app || u.User != v.user || !u.Time.Equal(now) || u.Life != v.life {
				t.Errorf("%s, %s: read as %v", v.name, from, u)
			}
			if !u.Verify(v.key) || u.Verify(v.key+"x") {
				t.Errorf("%s, %s: Verify does not tell the key from another", v.name, from)
			}
			if at, err := recall.UserSigExpiry(sig); err != nil || !at.Equal(now.Add(v.life)) {
				t.Errorf("%s, %s: expires %v, %v", v.name, from, at, err)
			}
		}
	}
}

func TestParseUserSigRefuses(t *testing.T) {
	good := vectors[0].packed
	for name, sig := range map[string]string{
		"empty":        "",
		"cut off":      good[:len(good)-5],
		"cut in four":  good[:len(good)-8],
		"URL alphabet": strings.ReplaceAll(good, "*", "-"),
		"too long":     strings.Repeat("A", 5000),
		"not zlib":     "AAAA",
		"line break":   good[:4] + "\n" + good[4:],
	} {
		if u, err := recall.ParseUserSig(sig); err == nil {
			t.Errorf("%s: read as %v", name, u)
		} else if sig != "" && strings.Contains(err.Error(), sig) {
			t.Errorf("%s: the error quotes the UserSig", name)
		}
	}
}

func TestUserSigDoesNotPrint(t *testing.T) {
	u, err := recall.ParseUserSig(vectors[0].packed)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, u); strings.Contains(s, string(u.Sig)) || strings.Contains(s, "Sig:") {
			t.Errorf("%s prints %q", format, s)
		}
	}
}

func FuzzUserSig(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.packed, v.key, string(v.user), uint32(v.app), int64(1700000000), int64(v.life/time.Second))
	}
	f.Fuzz(func(t *testing.T, sig, key, user string, app uint32, at, life int64) {
		recall.ParseUserSig(sig)
		if at < 0 || at > 1<<37 || life < 0 || life > 1<<32 || len(user) > 1000 ||
			strings.ToValidUTF8(user, "") != user {
			return
		}
		made, err := recall.SignUserSig(recall.SDKAppID(app), key, recall.UserID(user), time.Unix(at, 0),
			time.Duration(life)*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		u, err := recall.ParseUserSig(made)
		if err != nil {
			t.Fatal(err)
		}
		if u.User != recall.UserID(user) || u.SDKAppID != recall.SDKAppID(app) || u.Time.Unix() != at ||
			u.Life != time.Duration(life)*time.Second || !u.Verify(key) {
			t.Fatalf("came back as %v", u)
		}
	})
}
