// Package practice is the practice ground: the sandbox's world, live, on one page for a browser on
// this machine. Left is the phone of a group's members, right the channel on a platform, drawn from
// what the platform's fake received. Whoever opens it plays the people: they ask, approve, and try
// to cheat.
//
// The page is drawn here and works without a script: each press posts a form. The
// script, where it runs, posts without leaving the page, and puts what has changed in its place.
package practice

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Serve adds the flags of the practice ground. Once they are parsed, serve prints its address,
// opens a browser where there is one, and serves until its context ends. Then nothing of it is
// left.
func Serve(flags *flag.FlagSet) (serve func(ctx context.Context, out io.Writer) error) {
	addr := flags.String("addr", "127.0.0.1:0", "listen on this loopback `address`; port 0 is a free one")
	return func(ctx context.Context, out io.Writer) error {
		l, err := listen(*addr)
		if err != nil {
			return fmt.Errorf("practice: --addr: %w", err)
		}
		g := &ground{done: map[string]bool{}}
		if err := g.begin(shelf[0].id); err != nil {
			return errors.Join(fmt.Errorf("practice: %w", err), l.Close())
		}
		s := &site{ground: g, hosts: loopback(l)}
		server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second,
			BaseContext: func(net.Listener) context.Context { return ctx }}
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(l) }()
		address := "http://" + s.hosts[0] + "/"
		fmt.Fprintf(out, "The practice ground is at %s\nNothing leaves this machine. Press Ctrl-C to end it.\n", address)
		if f, ok := out.(*os.File); ok && f == os.Stdout {
			open(address)
		}
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
		server.Close()
		if e := g.close(); e != nil {
			err = errors.Join(err, fmt.Errorf("practice: at the end: %w", e))
		}
		return err
	}
}

// listen listens on loopback, and nowhere else.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s is not an address of this machine alone, such as 127.0.0.1:8000", addr)
	}
	return net.Listen("tcp", addr)
}

// open opens the page in the browser of whoever sits at this machine, if anybody does.
func open(address string) {
	names := []string{"xdg-open", address}
	switch runtime.GOOS {
	case "darwin":
		names[0] = "open"
	case "windows":
		names = []string{"rundll32.exe", "url.dll,FileProtocolHandler", address}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) { // os/exec is not linked in otherwise
		p, err := os.StartProcess(filepath.Join(dir, names[0]), names, &os.ProcAttr{})
		if err == nil {
			go p.Wait()
			return
		}
	}
}
