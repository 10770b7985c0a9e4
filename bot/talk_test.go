package bot_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/sandbox"
	"recallbot/bot/bottest"
)

// discordDocument is Discord's published API, beside the repository.
var discordDocument = filepath.Join("..", "..", "shared", "assets", "discord-openapi.json")

// discordCheck holds what is sent to Discord to that document; nil where it is not laid out. It is
// read once, before there is a bubble.
var discordCheck = sync.OnceValues(func() (func(method, route string, body []byte) error, error) {
	if _, err := os.Stat(discordDocument); err != nil {
		if os.Getenv("CI") == "true" {
			return nil, err
		}
		return nil, nil
	}
	return discordtest.OpenAPI(discordDocument)
})

// inMemory is a folder that is not on a disk, on the systems that have it. What a power failure
// does is not told here.
const inMemory = "/dev/shm"

// TestTalk tells every conversation in testdata/talk, on both platforms, with the real adapters and
// the real ledger.
func TestTalk(t *testing.T) {
	check, err := discordCheck()
	if err != nil {
		t.Fatalf("reading Discord's document: %v", err)
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "talk", "*.txt"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are no conversations: %v", err)
	}
	for _, file := range scripts {
		name := filepath.Base(file)
		t.Run(name[:len(name)-len(".txt")], func(t *testing.T) {
			t.Parallel()
			bottest.Run(t, file, func(t *testing.T, s bottest.Stage) bottest.World {
				o, err := sandbox.Staged(s.Platforms, s.Settings)
				if err != nil {
					t.Fatal(err)
				}
				o.Validate = check
				if _, err := os.Stat(inMemory); err == nil {
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
