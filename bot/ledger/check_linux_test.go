package ledger_test

import (
	"strings"
	"testing"

	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"

	"golang.org/x/sys/unix"
)

// TestCheckReadOnlyDisk: a disk that takes no writes is told, for a file that is to be made and for
// one that is there.
func TestCheckReadOnlyDisk(t *testing.T) {
	ledgertest.SmallDisk(t, 64<<20, func(t *testing.T, disk string) {
		if err := open(t, "sqlite:"+disk+"/there.db").Close(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"none.db", "there.db"} {
			bad := ""
			for _, f := range ledger.Check(t.Context(), "sqlite:"+disk+"/"+name, nil) {
				if f.Mend != "" && !f.Hint {
					bad += f.What + "\n"
				}
			}
			if !strings.Contains(bad, "cannot be written") {
				t.Errorf("%s: what is bad: %q", name, bad)
			}
		}
	})
}
