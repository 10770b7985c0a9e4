package bot

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Behind names the libraries that are kept behind one package.
var Behind = map[string]string{
	"github.com/slack-go/slack":         "adapters/slack",
	"github.com/bwmarrin/discordgo":     "adapters/discord",
	"modernc.org/sqlite":                "bot/ledger",
	"github.com/jackc/pgx/v5":           "bot/ledger",
	"github.com/pressly/goose/v3":       "bot/ledger",
	"github.com/sethvargo/go-envconfig": "config",
}

// TakenAway are the folders of platforms that are not in this tree, though a library is kept behind
// them. What the tour, the README and SURVIVES.md go on telling of them is held to nothing.
func TakenAway() (folders []string) {
	for _, home := range Behind {
		_, err := os.Stat("../" + home)
		if strings.HasPrefix(home, "adapters/") && errors.Is(err, fs.ErrNotExist) {
			folders = append(folders, home)
		}
	}
	return folders
}
