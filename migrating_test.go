package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestMigrating: while the ledger is opened /healthz answers and /readyz says that it is migrating;
// afterwards the address is free for the server, and an error of opening is told.
func TestMigrating(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	get := func(path string) (int, string) {
		r, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, strings.TrimSpace(string(b))
	}
	failed := errors.New("the disk is full")
	err = whileMigrating(listener, func() error {
		if code, body := get("/healthz"); code != 200 || body != "ok" {
			t.Errorf("/healthz: %d %s", code, body)
		}
		if code, body := get("/readyz"); code != 503 || body != "migrating" {
			t.Errorf("/readyz: %d %s", code, body)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "served")
	})}
	go server.Serve(listener)
	defer server.Close()
	if code, body := get("/readyz"); code != 200 || body != "served" {
		t.Errorf("afterwards: %d %s", code, body)
	}
	if err := whileMigrating(nil, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("without an address: %v", err)
	}
}
