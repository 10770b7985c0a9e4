// Package pictures looks at the cards of the conversations in a browser, as people do on a phone
// and on a desk. It is a module of its own, so that the bot needs no browser driver.
package pictures

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var (
	keep   = flag.String("keep", "", "write a picture of each card into this folder")
	update = flag.Bool("update", false, "write the picture of the README again")
	talk   = flag.String("talk", "", "look at the cards of the conversations that match this pattern alone")
)

// widths are those of a phone and of a window beside others, in CSS pixels.
var widths = []int64{375, 760}

// buttonsAbove is where on a phone the buttons of a waiting card end at the latest: the lowest
// point that is seen without scrolling. Source: SURFACE.md, section 2.
const buttonsAbove = 600

// measured is what a page says of itself.
type measured struct {
	Wide    float64  // how far something stands out on the right
	Buttons float64  // where the last button ends
	Approve bool     // there is one that approves
	Pale    []string // text whose contrast is below 4.5 : 1 (WCAG 2.2, 1.4.3)
	Reads   string
}

// measure is what a page is asked.
const measure = `(() => {
	const light = c => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
	const rgb = s => s.match(/[\d.]+/g).map(Number);
	const luminance = c => 0.2126 * light(c[0]) + 0.7152 * light(c[1]) + 0.0722 * light(c[2]);
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0) return c;
		}
		return [255, 255, 255];
	};
	const pale = [];
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || !e.offsetParent || e.closest("button:disabled, style")) continue;
		const a = luminance(rgb(getComputedStyle(e).color)), b = luminance(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) pale.push(ratio.toFixed(2) + " " + n.data.trim());
	}
	const buttons = [...document.querySelectorAll("button")].filter(b => b.offsetParent);
	return {
		Wide: Math.max(0, ...[...document.body.querySelectorAll("*")].filter(e => e.offsetParent).map(
			e => e.getBoundingClientRect().right - innerWidth)),
		Buttons: Math.max(0, ...buttons.map(b => b.getBoundingClientRect().bottom)),
		Approve: buttons.some(b => b.innerText.startsWith("Approve")),
		Pale: pale,
		Reads: document.body.innerText,
	};
})()`

// folder is where the pages of the cards are.
var folder string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "recallbot-pictures-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

// tell lets the conversations be told once. Each of their cards is written as a page.
var tell = sync.OnceValue(func() error {
	cmd := exec.Command("go", "test", "./bot", "-run", "^TestTalk$/"+*talk, "-count=1", "-pages", folder)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// draw returns the pages of the cards of the conversations.
func draw(t *testing.T) []string {
	if err := tell(); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.[0-9]*.html"))
	pages = slices.DeleteFunc(pages, func(p string) bool { return strings.HasSuffix(p, ".other.html") })
	if err != nil || len(pages) < 100 && *talk == "" {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	return pages
}

// browse opens a browser without a window.
func browse(t *testing.T) context.Context {
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{chromedp.NoSandbox,
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND")})
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return ctx
}

// look opens a page and measures it.
func look(ctx context.Context, page string, width int64) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	address := (&url.URL{Scheme: "file", Path: page}).String()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(address)); err != nil {
		return measured{}, err
	}
	if *keep != "" {
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			return measured{}, err
		}
		name := fmt.Sprintf("%s.%d.png", strings.TrimSuffix(filepath.Base(page), ".html"), width)
		if err := os.WriteFile(filepath.Join(*keep, name), png, 0o666); err != nil {
			return measured{}, err
		}
	}
	return chromedp.Run(ctx, chromedp.Evaluate[measured](measure))
}

// TestCards: on a phone and in a window nothing stands out of a card, and its words can be read.
// The buttons of a card that waits are seen without scrolling.
func TestCards(t *testing.T) {
	t.Parallel()
	pages := draw(t)
	ctx := browse(t)
	waiting := 0
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".html")
		for _, width := range widths {
			m, err := look(ctx, page, width)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if m.Wide > 0.5 {
				t.Errorf("%s, %d px wide: something stands out by %.1f px", name, width, m.Wide)
			}
			for _, p := range m.Pale {
				t.Errorf("%s: pale: %s", name, p)
			}
			if strings.TrimSpace(m.Reads) == "" {
				t.Errorf("%s says nothing", name)
			}
			if !m.Approve || width != widths[0] {
				continue
			}
			if waiting++; m.Buttons > buttonsAbove {
				t.Errorf("%s: its buttons end at %.0f px", name, m.Buttons)
			}
		}
	}
	if waiting < 20 && *talk == "" {
		t.Errorf("only %d cards wait: this shows nothing", waiting)
	}
}

// The README shows one card as people see it: that of its conversation.
const (
	pictured = "two_people.discord.1.html"
	picture  = "card.png"
)

// TestReadmePicture: the picture is there and small, and -update draws it again.
func TestReadmePicture(t *testing.T) {
	if *update {
		pages := draw(t)
		i := slices.IndexFunc(pages, func(p string) bool { return filepath.Base(p) == pictured })
		if i < 0 {
			t.Fatalf("there is no %s", pictured)
		}
		ctx := browse(t)
		size := chromedp.EmulateViewport(560, 100, chromedp.EmulateScale(2))
		address := (&url.URL{Scheme: "file", Path: pages[i]}).String()
		if err := chromedp.Do(ctx, size, chromedp.Navigate(address)); err != nil {
			t.Fatal(err)
		}
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(picture, png, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.Stat(picture); err != nil || is.Size() > 150_000 {
		t.Errorf("the picture: %v, %v", is, err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil || !strings.Contains(string(readme), `src=".ci/pictures/`+picture+`"`) {
		t.Errorf("the README does not show it: %v", err)
	}
}
