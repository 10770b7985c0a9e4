package bottest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// beat is how long a direction takes that changes something. It is longer than the shortest pauses
// of the bot and the adapters.
const beat = time.Second

// talk follows the directions of one script on one platform, or on all together.
type talk struct {
	w        World
	platform string // "" when all platforms are in the world
	ids      map[string]string
	count    int
	seen     []section
	line     int // of the current direction
}

// wait waits for about d, until the middle of a second, and then until every goroutine of the
// bubble is blocked. Because it ends in the middle of a second, a random delay of some milliseconds
// does not change the times that people see.
func wait(d time.Duration) {
	middle := time.Now().Add(d).Truncate(time.Second).Add(time.Second / 2)
	time.Sleep(time.Until(middle))
	synctest.Wait()
}

// follow follows one direction.
func (k *talk) follow(d direction) error {
	k.line = d.line
	on := d.on
	if on == "" {
		on = k.platform
	}
	words := make([]string, len(d.words))
	for i, w := range d.words {
		words[i] = k.real(w)
	}
	verb, args := words[0], words[1:]
	anywhere := []string{"pass", "restart", "chat", "ledger", "calls"}
	if on == "" && !slices.Contains(anywhere, verb) {
		return errors.New("with all platforms in the world, a direction begins with a platform")
	}
	if n, ok := shows[verb]; ok && len(words) <= n {
		return fmt.Errorf("a word is missing after %s", verb)
	}
	switch verb {
	case "press", "press-kept", "open":
		if len(args) < 2 {
			return errors.New("a person or a button is missing")
		}
		return k.press(on, verb, strings.Split(args[0], ","), args[1], args[2:])
	case "fill":
		if len(args) < 1 {
			return errors.New("a person is missing")
		}
		values := map[string]string{}
		for _, a := range args[1:] {
			name, value, ok := strings.Cut(a, ":")
			if !ok {
				return fmt.Errorf("%q is not NAME:VALUE", a)
			}
			values[name] = value
		}
		return k.then(k.w.Fill(on, args[0], values))
	case "keep":
		k.w.Keep(on)
		return nil
	case "bar", "admit":
		return k.then(k.w.Bar(on, verb == "bar"))
	case "erase":
		return k.then(k.w.Erase(on, k.at(args, 0)))
	case "redeliver":
		return k.then(k.w.Redeliver(on))
	case "pass":
		if len(args) != 1 {
			return errors.New("a duration is missing")
		}
		t, err := time.ParseDuration(args[0])
		wait(t)
		return err
	case "restart":
		var down time.Duration
		var err error
		if len(args) > 0 {
			if down, err = time.ParseDuration(args[0]); err != nil {
				return err
			}
		}
		if err := k.w.Kill(); err != nil {
			return err
		}
		wait(down)
		return k.then(k.w.Start())
	case "chat":
		return k.w.Chat(args...)

	case "card":
		return k.show(args[0])(k.w.Card(on, k.at(args, 1)))
	case "thread":
		return k.show(args[0])(k.w.Thread(on, k.at(args, 1)))
	case "whisper":
		heard, err := k.w.Whispers(on, args[0])
		return k.show(args[1])(strings.Join(heard, ""), err)
	case "silence":
		heard, err := k.w.Whispers(on, k.at(args, 0))
		if len(heard) > 0 {
			return fmt.Errorf("heard:\n%s", strings.Join(heard, ""))
		}
		return err
	case "ignore":
		_, err := k.w.Whispers(on, k.at(args, 0))
		return err
	case "notified":
		return k.show(args[0])(strings.Join(k.w.Notified(on), "\n"), nil)
	case "ledger":
		lines, err := k.w.Audit()
		return k.show(args[0])(strings.Join(lines, "\n"), err)
	case "report":
		return k.show(args[0])(k.w.Report(k.at(args, 1)))
	case "log":
		return k.show(args[0])(strings.Join(k.w.Log(), "\n"), nil)
	case "calls":
		calls, pace := k.w.Recalls()
		if args[0] == "most" {
			if want := "at most " + k.at(args, 1) + " in any second"; pace != want {
				return errors.New(pace)
			}
			return nil
		}
		if n, err := strconv.Atoi(args[0]); err == nil {
			if n != len(calls) {
				return fmt.Errorf("%d calls:\n%s", len(calls), strings.Join(calls, "\n"))
			}
			return nil
		}
		return k.show(args[0])(strings.Join(append(calls, pace), "\n"), nil)
	}
	if len(args) == 1 && strings.HasPrefix(args[0], "/") {
		return k.then(k.w.Type(on, verb, args[0]))
	}
	return errors.New("there is no such direction")
}

// then waits for a beat after an action that succeeded.
func (k *talk) then(err error) error {
	if err == nil {
		wait(beat)
	}
	return err
}

func (k *talk) at(args []string, n int) string {
	if n < len(args) {
		return args[n]
	}
	return ""
}

// press lets everybody in who press the button at the same time.
func (k *talk) press(on, verb string, who []string, button string, more []string) error {
	id, values := "", map[string]string{}
	for _, m := range more {
		name, value, named := strings.Cut(m, ":")
		switch {
		case requestID.FindString(m) == m:
			id = m
		case named && (name == "count" || name == "reason"):
			values[name] = value
		default:
			values["reason"] = m
		}
	}
	errs := make([]error, len(who))
	var all sync.WaitGroup
	for i, p := range who {
		all.Go(func() {
			switch verb {
			case "press":
				errs[i] = k.w.Press(on, p, button, id, values)
			case "press-kept":
				errs[i] = k.w.PressKept(on, p, button, id, values)
			case "open":
				errs[i] = k.w.Open(on, p, button, id)
			}
		})
	}
	all.Wait()
	return k.then(errors.Join(errs...))
}

// show returns a function that adds what is seen as a section of this name.
func (k *talk) show(name string) func(string, error) error {
	return func(text string, err error) error {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(k.seen, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is a section %s already", name)
		}
		if err := k.learn(); err != nil {
			return err
		}
		text = strings.TrimRight(k.plain(text), "\n") + "\n"
		if text == "\n" {
			text = "(nothing)\n"
		}
		k.seen = append(k.seen, section{name, text, k.line})
		return nil
	}
}

var (
	requestID = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)
	numbered  = regexp.MustCompile(`\bR-\d{1,3}\b`)
	hash      = regexp.MustCompile(`\b[0-9a-f]{16,64}\b`)
)

// learn gives a number to each request that has none.
func (k *talk) learn() error {
	ids, err := k.w.Requests()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if k.ids[id] == "" {
			k.count++
			k.ids[id] = fmt.Sprintf("R-%d", k.count)
		}
	}
	return nil
}

// plain replaces random text by text that is the same in each run. It also replaces the id of a
// request in lower case, which is part of a file's name.
func (k *talk) plain(s string) string {
	for id, name := range k.ids {
		s = strings.ReplaceAll(s, id, name)
		s = strings.ReplaceAll(s, strings.ToLower(id), strings.ToLower(name))
	}
	return hash.ReplaceAllStringFunc(s, func(h string) string {
		if strings.Trim(h, "0123456789") == "" {
			return h // an account's number
		}
		return "…"
	})
}

// real replaces R-1 and the like by the id of the request.
func (k *talk) real(s string) string {
	if !numbered.MatchString(s) || k.learn() != nil {
		return s
	}
	return numbered.ReplaceAllStringFunc(s, func(name string) string {
		for id, n := range k.ids {
			if n == name {
				return id
			}
		}
		return name
	})
}
