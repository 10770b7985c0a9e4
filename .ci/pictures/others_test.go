package pictures

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// facts are the words and numbers of a page, in their order, without the heads of messages, without
// times and mentions, which every program words in its own way, and without the numbers that our
// fakes write for characters that nobody sees.
const facts = `(() => {
	const left = "style, script, time, .face, .who, .reply, .file, .private, .mention, discord-time, discord-mention, " +
		".slack_date, .slack_user, .slack_user_group, .slack_channel, .slack_blocks_to_jsx--header";
	const all = [];
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement;
		if (!e.closest(left) && e.checkVisibility()) 
			all.push(...n.data.replace(/U\+[0-9A-F]{4,6}/g, " ").match(/[\p{L}\p{N}\p{Extended_Pictographic}]+/gu) ?? []);
	}
	return all;
})()`

// TestOthers: programs that other people wrote draw the cards from the same JSON with the same
// facts, in the same order, as our fakes do.
func TestOthers(t *testing.T) {
	t.Parallel()
	pages := draw(t)
	others := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "draw.mjs"} {
		b, err := os.ReadFile(filepath.Join("others", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(others, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"npm", "ci", "--silent", "--no-audit", "--no-fund"}, {"node", "draw.mjs", folder},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = others
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	ctx := browse(t)
	compared := map[string]int{}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".html")
		ours, err := read(ctx, page)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		theirs, err := read(ctx, strings.TrimSuffix(page, ".html")+".other.html")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(ours) == 0 || !slices.Equal(ours, theirs) {
			t.Errorf("%s: ours   %q\nothers %q", name, ours, theirs)
		}
		compared[strings.Split(name, ".")[1]]++
	}
	t.Log(compared)
	if len(compared) < 2 {
		t.Errorf("cards of %v alone: this shows too little", compared)
	}
}

func read(ctx context.Context, page string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate((&url.URL{Scheme: "file", Path: page}).String())); err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]string](facts))
}
