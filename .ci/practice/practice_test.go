// Package practice plays the practice ground in a browser, as somebody does who opens it for the
// first time. It is a module of its own, so that the bot needs no browser driver.
package practice

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "make the picture in the README anew")

var keep = flag.String("keep", "", "write pictures of the page into this folder")

// readyWithin is until when the page is served, from the start of the program.
const readyWithin = 2 * time.Second

// ground is a practice ground that runs.
type ground struct {
	address string
	temp    string // its folder for temporary files
	program *exec.Cmd
}

// begin starts the program that RECALLBOT names.
func begin(t *testing.T) *ground {
	g := &ground{temp: t.TempDir()}
	program := os.Getenv("RECALLBOT")
	if program == "" {
		t.Fatal("RECALLBOT does not name the program")
	}
	g.program = exec.Command(program, "practice")
	g.program.Env = []string{"TMPDIR=" + g.temp, "HOME=" + t.TempDir()}
	g.program.Stderr = os.Stderr
	out, err := g.program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := g.program.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if took := time.Since(began); err != nil || took > readyWithin {
		t.Errorf("it is ready after %v: %v", took, err)
	}
	g.address = regexp.MustCompile(`http://\S+`).FindString(line)
	t.Cleanup(func() {
		g.program.Process.Signal(syscall.SIGINT)
		if err := g.program.Wait(); err != nil {
			t.Errorf("the practice ground ended with: %v", err)
		}
		if left, err := os.ReadDir(g.temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return g
}

// firstCard is until when the demo shows its first card.
const firstCard = 1500 * time.Millisecond

// TestDemo: the demo prints as it happens.
func TestDemo(t *testing.T) {
	demo := exec.CommandContext(t.Context(), os.Getenv("RECALLBOT"), "demo")
	demo.Env = []string{"TMPDIR=" + t.TempDir()}
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	took := time.Duration(0)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if took == 0 && strings.Contains(lines.Text(), "[Approve]") {
			took = time.Since(began)
		}
	}
	if err := demo.Wait(); err != nil || took == 0 || took > firstCard {
		t.Errorf("the first card is shown after %v: %v", took, err)
	}
}

// watch collects what a page should not do.
type watch struct {
	mu    sync.Mutex
	wrong []string
}

func (w *watch) add(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// browse opens a browser without a window on a page. The test fails for what the page says on the
// console, and for a request that goes anywhere else.
func browse(t *testing.T, address string) context.Context {
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")})
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	var w watch
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			w.add("the console has a %s", e.Type)
		case *runtime.EventExceptionThrown:
			w.add("the script fails: %s", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if l := e.Entry.Level; l == log.EntryLevelError || l == log.EntryLevelWarning {
				w.add("the console has: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != at.Host {
				w.add("a request goes to %s", e.Request.URL)
			}
		}
	})
	if err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(address))
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, what := range w.wrong {
			t.Error(what)
		}
	})
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%v in %s", err, script)
	}
	return v
}

// seen is what somebody looks for before they press.
type seen struct {
	Task   string // what the page says to do
	Next   string // the label of what is to be pressed, "" for nothing
	Name   string // of that button
	Hidden bool   // it cannot be seen
}

const look = `(() => {
	const b = document.querySelector("[data-next]");
	return {
		Task: document.getElementById("task").innerText,
		Next: b ? b.innerText.trim() : "", Name: b ? b.name : "",
		Hidden: !!b && !b.offsetParent,
	};
})()`

// show turns to the part of the page, on a phone, in which the next press is.
const show = `(() => {
	const b = document.querySelector("[data-next]");
	const view = b.closest(".more") ? "more" : b.closest(".group") ? "group" : "channel";
	document.querySelector('[name=view][value="' + view + '"]').click();
})()`

var typed = regexp.MustCompile(`Type ([0-9,]+) `)

// play presses what is marked until the scenario is done, and returns how often it pressed until
// something was recalled, the labels of what it pressed, and what the page said in the end.
func play(t *testing.T, ctx context.Context, name string, within time.Duration) (first int, pressed []string,
	said string) {
	t.Helper()
	end := time.Now().Add(within)
	last, shots := "", 0
	for {
		s := ask[seen](t, ctx, look)
		if first == 0 && ask[bool](t, ctx, `!!document.querySelector(".gone")`) {
			first = len(pressed)
		}
		if s.Task != last {
			last = s.Task
			shots++
			shoot(t, ctx, fmt.Sprintf("%s.%02d", name, shots))
		}
		switch {
		case strings.Contains(s.Task, "✓ Done."):
			return first, pressed, s.Task
		case time.Now().After(end):
			t.Fatalf("%s: after %q it still says:\n%s\nand the channel\n%s", name, pressed, s.Task,
				ask[string](t, ctx, `document.querySelector(".platform").innerText`))
		case s.Next == "":
			time.Sleep(50 * time.Millisecond)
			continue
		case s.Hidden:
			do(t, ctx, chromedp.Evaluate[chromedp.Void](show))
		}
		if m := typed.FindStringSubmatch(s.Task); s.Name == "send" && m != nil {
			do(t, ctx, chromedp.SendKeys("#window input:not([type=hidden])", strings.ReplaceAll(m[1], ",", "")))
		}
		do(t, ctx, chromedp.Click("[data-next]"))
		pressed = append(pressed, s.Next)
		for wait := time.Now().Add(5 * time.Second); time.Now().Before(wait); time.Sleep(30 * time.Millisecond) {
			if now := ask[seen](t, ctx, look); now != s {
				break
			}
		}
	}
}

func shoot(t *testing.T, ctx context.Context, name string) {
	if *keep == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*keep, name+".png"), png, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scenarios are those of the shelf, but free play, and how long each may take.
func scenarios(t *testing.T, ctx context.Context) []string {
	l := ask[[]string](t, ctx, `[...document.querySelectorAll("#shelf button")].map(b => b.value)`)
	return slices.DeleteFunc(l, func(s string) bool { return s == "free" })
}

func choose(t *testing.T, ctx context.Context, name, value string) {
	press := fmt.Sprintf(`document.querySelector('[name=%q][value=%q]').click()`, name, value)
	do(t, ctx, chromedp.Evaluate[chromedp.Void](press))
}

// open begins a scenario.
func open(t *testing.T, ctx context.Context, id string) {
	t.Helper()
	choose(t, ctx, "scenario", id)
	until(t, ctx, `document.querySelector("#shelf [value=`+id+`][aria-current]") && `+
		`!document.getElementById("task").innerText.includes("✓ Done.")`)
}

// mostPresses is how often somebody who opens the page presses until the first recall that was
// approved.
const mostPresses = 5

// TestScenarios: each scenario is played to its check mark by pressing what is marked, on each
// platform.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"slack", "discord"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			g := begin(t)
			ctx := browse(t, g.address)
			if on != "slack" {
				choose(t, ctx, "tab", on)
			}
			for i, id := range scenarios(t, ctx) {
				if i > 0 {
					open(t, ctx, id)
				}
				began := time.Now()
				first, pressed, said := play(t, ctx, on+"."+id, time.Minute)
				t.Logf("%s: %v, %q, %q", id, time.Since(began).Round(time.Millisecond), pressed, said)
				if i == 0 && (first == 0 || first > mostPresses) {
					t.Errorf("the first recall comes after %d presses: %q", first, pressed)
				}
				if i == 0 && !strings.Contains(said, "All 2,000 are recalled. None was sent twice.") {
					t.Errorf("after the plug was pulled it says %q", said)
				}
			}
		})
	}
}

// axe is the checker of accessibility, of npm, and its version.
const axe = "axe-core@4.14.1"

// checker downloads axe and returns its script.
func checker(t *testing.T) string {
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
		"--prefix", dir, axe)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// measured is what is wrong with how the page looks.
type measured struct {
	Wide   []string // what stands out on the right of the page, or of what holds it
	Unseen []string // messages of which something is not shown
	Axe    []string // violations
}

const measure = `(async () => {
	const m = { Wide: [], Unseen: [], Axe: [] };
	await Promise.all(document.getAnimations().map(a => a.finished));
	for (const e of document.body.querySelectorAll("*")) {
		if (!e.offsetParent || e.closest("legend")) continue;
		const box = e.closest("section, header, body").getBoundingClientRect(), r = e.getBoundingClientRect();
		if (r.right > box.right + 1 || r.right > innerWidth + 1) m.Wide.push(e.outerHTML.slice(0, 120));
	}
	const shown = !!document.querySelector(".platform").offsetParent;
	for (const e of shown ? document.querySelectorAll("#channel article *, #window *") : []) {
		const s = getComputedStyle(e);
		if (e.innerText && (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || s.fontSize === "0px" ||
			e.scrollWidth > e.clientWidth + 1 && s.display !== "inline")) m.Unseen.push(e.outerHTML.slice(0, 120));
	}
	const r = await axe.run(document);
	for (const v of r.violations) for (const n of v.nodes) m.Axe.push(v.id + ": " + n.html.slice(0, 160) + " " + n.failureSummary);
	return m;
})()`

// widths are those of a phone, a tablet and a desk, in CSS pixels, and heights what they show.
var widths, heights = []int64{360, 768, 1440}, []int64{740, 1024, 900}

// TestLooks: at each width, light and dark, nothing stands out, all of a card can be seen, and axe
// finds nothing, while a question is asked, a window or form is open, and when all is over.
func TestLooks(t *testing.T) {
	t.Parallel()
	script := checker(t)
	for _, on := range []string{"slack", "discord"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			ctx := browse(t, begin(t).address)
			do(t, ctx, chromedp.Evaluate[chromedp.Void](script))
			choose(t, ctx, "tab", on)
			open(t, ctx, "name")
			for _, step := range []struct{ name, press, then string }{
				{"", "[data-next]", `document.querySelector("[value='Use 1']")`},
				{"private", "[data-next]", `document.querySelector("[name=face][data-next]")`},
				{"", "[data-next]", `document.querySelector("[name=press][data-next]")`},
				{"all", "[name=press][value='Show all']",
					`document.querySelector(".platform").innerText.split("Double your coins").length > 2`},
				{"asked", "", ""},
			} {
				if step.name == "asked" {
					if ask[bool](t, ctx, `!!document.querySelector("[name=close]")`) {
						do(t, ctx, chromedp.KeyEvent("\x1b")) // Escape
						until(t, ctx, `!document.querySelector("[name=close]")`)
					}
					step.press = "[name=press][value=Approve]"
					step.then = `document.querySelector("[name=confirm], [name=send]")`
				}
				do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Click(step.press))
				until(t, ctx, step.then)
				if step.name != "" {
					looks(t, ctx, on+"."+step.name)
				}
			}
			do(t, ctx, chromedp.EmulateViewport(1440, 900))
			play(t, ctx, on+".end", time.Minute)
			looks(t, ctx, on+".done")
		})
	}
}

func until(t *testing.T, ctx context.Context, so string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ask[bool](t, ctx, "!!("+so+")"); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not become true; the page is\n%s", so, ask[string](t, ctx, "document.body.innerText"))
		}
	}
}

// looks measures the page at each width, light and dark, and on a phone each part of it.
func looks(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for i, width := range widths {
		views := []string{"channel"}
		if width == widths[0] {
			views = []string{"group", "more", "channel"}
		}
		do(t, ctx, chromedp.EmulateViewport(width, heights[i]))
		for _, scheme := range []string{"dark", "light"} {
			if width == widths[1] && scheme == "dark" {
				continue // its colours are those of the others
			}
			feature := emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme}
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{&feature}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			for _, view := range views {
				turn := `document.querySelector("[name=view][value=` + view + `]").click()`
				do(t, ctx, chromedp.Evaluate[chromedp.Void](turn))
				m, err := chromedp.Run(ctx, chromedp.Evaluate[measured](measure, chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				found := map[string][]string{"stands out": m.Wide, "is not seen": m.Unseen, "axe": m.Axe}
				for what, all := range found {
					for _, one := range all {
						t.Errorf("%s, %d px, %s, %s: %s: %s", name, width, scheme, view, what, one)
					}
				}
				shoot(t, ctx, fmt.Sprintf("%s.%d.%s.%s", name, width, scheme, view))
			}
		}
	}
}

// tabs is after how many presses of Tab everything on the page has had the focus.
const tabs = 80

// TestKeyboard: a scenario is played with the keyboard alone, and the focus is seen.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	ctx := browse(t, begin(t).address)
	open(t, ctx, "name")
	const focused = `document.activeElement.matches("[data-next]")`
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s := ask[seen](t, ctx, look)
		if strings.Contains(s.Task, "✓ Done.") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it still says:\n%s", s.Task)
		}
		if s.Next == "" {
			continue
		}
		for n := 0; !ask[bool](t, ctx, focused) && n < tabs; n++ {
			do(t, ctx, chromedp.KeyEvent("\t"))
		}
		if !ask[bool](t, ctx, focused+` && getComputedStyle(document.activeElement).outlineStyle != "none"`) {
			continue // it has changed meanwhile
		}
		do(t, ctx, chromedp.KeyEvent("\r"))
		for wait := time.Now().Add(2 * time.Second); time.Now().Before(wait); time.Sleep(30 * time.Millisecond) {
			if ask[seen](t, ctx, look) != s {
				break
			}
		}
	}
}

// TestWithoutScript: a page whose script does not run shows the channel, and its buttons work.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	ctx := browse(t, begin(t).address)
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond) // the scam has come
	do(t, ctx, chromedp.Reload(), chromedp.Click("[data-next]"))
	for end := time.Now().Add(10 * time.Second); ; {
		time.Sleep(time.Second) // the press leads to the page again
		do(t, ctx, chromedp.Reload())
		page, err := chromedp.Run(ctx, chromedp.OuterHTML("html"))
		if err == nil && strings.Contains(page, "Double your coins") && strings.Contains(page, `value="Approve"`) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v: the card is not in\n%s", err, page)
		}
	}
}

// pictureBytes is how large the picture in the README may be.
const pictureBytes = 200_000

// TestPicture makes the picture in the README anew with -update, and checks that it is there.
func TestPicture(t *testing.T) {
	file := filepath.Join("practice.png")
	if *update {
		ctx := browse(t, begin(t).address)
		do(t, ctx, chromedp.EmulateViewport(1160, 700))
		until(t, ctx, `document.querySelector(".composer [data-next]")`)
		do(t, ctx, chromedp.Click("[data-next]"))
		until(t, ctx, `document.querySelector("#task [data-next]")`)
		do(t, ctx, chromedp.Click("[data-next]"))
		until(t, ctx, `document.querySelector("[name=face][data-next]")`)
		do(t, ctx, chromedp.Click("[data-next]"))
		until(t, ctx, `document.querySelector("[name=press][data-next]")`)
		time.Sleep(300 * time.Millisecond)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(file, png, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	picture, err := os.ReadFile(file)
	if err != nil || len(picture) > pictureBytes || !strings.HasPrefix(string(picture), "\x89PNG") {
		t.Errorf("%s has %d bytes: %v", file, len(picture), err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil || !strings.Contains(string(readme), "(.ci/practice/practice.png)") {
		t.Errorf("the README does not show it: %v", err)
	}
}
