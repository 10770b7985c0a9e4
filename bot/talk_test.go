package bot_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recallbot/adapters"
	"recallbot/adapters/sandbox"
	"recallbot/bot/bottest"
)

// documents is the folder with what platforms publish about their API, beside the repository.
var documents = filepath.Join("..", "..", "shared", "assets")

// inMemory is a folder that is not on a disk, on the systems that have it. What a power failure
// does is not told here.
const inMemory = "/dev/shm"

// pages is where the cards are drawn for a browser.
var pages = flag.String("pages", "", "write each card of TestTalk as a page into this folder")

// TestTalk tells every conversation in testdata/talk, on each platform, with the real adapters and
// the real ledger. What is sent to a platform is held to its documents; where they are not laid out
// it is not, which CI takes as a failure.
func TestTalk(t *testing.T) {
	if !exists(documents) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("there is no %s", documents)
		}
		documents = ""
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "talk", "*.txt"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are no conversations: %v", err)
	}
	var platforms []string
	for _, p := range adapters.IDs() {
		platforms = append(platforms, string(p))
	}
	for _, file := range scripts {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bottest.Run(t, file, platforms, func(t *testing.T, s bottest.Stage) bottest.World {
				o, err := sandbox.Staged(s.Platforms, s.Settings)
				if err != nil {
					t.Fatal(err)
				}
				o.Documents = documents
				if *pages != "" {
					o.Pages = filepath.Join(*pages, name)
				}
				if exists(inMemory) {
					o.Folder = inMemory
				}
				world, err := sandbox.New(o)
				if err != nil {
					t.Fatal(err)
				}
				return world
			})
		})
	}
}
