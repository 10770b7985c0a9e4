package practice

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// site serves the page of a ground to browsers on this machine.
type site struct {
	*ground
	hosts []string // that the page is known by
}

func (s *site) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.index)
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("GET /report/{id}", s.report)
	m.HandleFunc("POST /do", s.do)
	m.HandleFunc("GET /page.css", asset("text/css", style+s.styles()))
	m.HandleFunc("GET /page.js", asset("text/javascript", script))
	return s.guard(m)
}

// policy lets the page load nothing but what this server serves. The colour of a bar is a style.
const policy = "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; script-src 'self'; " +
	"connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard refuses who comes under another name, or from another page: this program acts on what is
// posted.
func (s *site) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-store")
		origin, err := url.Parse(r.Header.Get("Origin"))
		switch {
		case !slices.Contains(s.hosts, r.Host):
			http.Error(w, "this page is at http://"+s.hosts[0], http.StatusForbidden)
		case r.Method != http.MethodGet && (err != nil || origin.Scheme != "http" || origin.Host != r.Host):
			http.Error(w, "this did not come from the page itself", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			h.ServeHTTP(w, r)
		}
	})
}

func asset(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		io.WriteString(w, text)
	}
}

// styles are the stylesheets of the platforms.
func (g *ground) styles() (all string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range adapters.IDs() {
		all += g.world.Home(id).Style()
	}
	return all
}

func (s *site) index(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	panes := s.panes()
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, whole(panes))
}

// tick is how often the page is looked at for changes.
const tick = 120 * time.Millisecond

// events tells a browser which panes have changed, and how they are now.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	known := map[string]string{}
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		panes := s.panes()
		s.mu.Unlock()
		changed := map[string]string{}
		for name, drawn := range panes {
			if was, ok := known[name]; !ok || was != drawn {
				known[name], changed[name] = drawn, drawn
			}
		}
		if len(changed) > 0 {
			data, err := json.Marshal(changed)
			if err != nil {
				return // unreachable: strings always marshal
			}
			w.Write([]byte("data: " + string(data) + "\n\n"))
			if flush.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-every.C:
		}
	}
}

// report shows what the command audit report prints.
func (s *site) report(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	text, err := "", errDead
	if !s.dead {
		text, err = s.world.Report(r.PathValue("id"))
	}
	s.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, reportPage(r.PathValue("id"), text))
}

// do does what was pressed, and shows the page again where there is no script to show it.
func (s *site) do(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f := r.PostForm
	if id := f.Get("scenario"); id != "" {
		if err := s.begin(id); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	} else {
		s.mu.Lock()
		ctx := s.ctx
		deed := s.act(f)
		s.mu.Unlock()
		if deed != nil {
			s.await(ctx, deed)
		}
	}
	if r.Header.Get("X-Live") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// act does what a form says, and returns what is then to be waited for, if anything. g.mu is held.
func (g *ground) act(f url.Values) bottest.Deed {
	there, user := g.home().People(), g.user(g.face)
	if f.Get("asked") == "" { // a question that is not answered is no longer asked
		g.asks, g.asking = "", ""
	}
	switch {
	case f.Has("face"):
		g.face, g.note = f.Get("face"), ""
		if !slices.ContainsFunc(people, func(p bottest.Person) bool { return p.Name == g.face }) {
			g.face = people[0].Name
		}
	case f.Has("tab"):
		if tab := bot.Platform(f.Get("tab")); g.world.Home(tab) != nil {
			g.tab, g.note = tab, ""
		}
	case f.Has("line"):
		line := strings.TrimSpace(f.Get("line"))
		if g.typed = ""; line != g.present().types { // what the scenario wants typed is still to come
			g.typed = g.present().types
		}
		if !strings.HasPrefix(line, "/recall") {
			if line != "" {
				g.note = "Type a command that begins with /recall or /recalls."
			}
			return nil
		}
		return there.Type(user, g.home().Channel(), line)
	case f.Has("member"):
		if from, text := strings.TrimSpace(f.Get("from")), strings.TrimSpace(f.Get("text")); from != "" && text != "" {
			g.say(lounge, from, text)
		}
	case f.Has("button"):
		if do := g.present().do; do != nil && !g.busy {
			g.busy = true
			at := g.step
			g.aside(func(ctx context.Context) {
				do(ctx, g)
				g.waits(ctx, acknowledged, func() bool { return g.step != at }) // else it can be pressed again
				g.locked(ctx, func() { g.busy = false })
			})
		}
	case f.Has("tool"):
		g.tool(f.Get("tool"))
	case f.Has("on"):
		return g.press(f, there, user)
	}
	return nil
}

// press presses a button of a message, window or form.
func (g *ground) press(f url.Values, there bottest.People, user string) bottest.Deed {
	m, ok := g.find(f.Get("on"))
	label := f.Get("press")
	switch {
	case !ok:
		g.note = "This is not there any more."
	case f.Has("close"):
		there.Close(user)
	case f.Has("send"):
		form, ok := there.Form(user)
		if !ok {
			return nil
		}
		in := map[string]string{}
		for _, name := range form.Inputs {
			in[name] = f.Get(name)
		}
		return there.Send(user, form, in)
	case f.Has("confirm"):
		return there.Press(user, m.Ref, f.Get("confirm"))
	case f.Has("cancel"):
	case m.Window:
		return there.PressAlone(user, label)
	case m.HTML(label) != m.HTML(""): // it asks first
		g.asks, g.asking = m.ID, label
	default:
		return there.Press(user, m.Ref, label)
	}
	return nil
}

// tool does what no person on a platform can.
func (g *ground) tool(name string) {
	g.note = ""
	switch name {
	case "10m", "30m":
		d, err := time.ParseDuration(name)
		g.fail(err)
		g.ahead += d
		g.fail(g.world.Push(d))
	case "off", "on":
		g.off = name == "off"
		g.faults()
	case "lose":
		g.lose = true
		g.faults()
	case "kill":
		if !g.dead {
			g.fail(g.world.Kill())
			g.dead = true
		}
	case "start":
		if g.dead {
			g.fail(g.world.Start())
			g.dead = false
		}
	}
}

// loopback are the names under which a listener on loopback is known.
func loopback(l net.Listener) []string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil // unreachable: TCP listeners have a port
	}
	return []string{l.Addr().String(), net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port)}
}
