package ledger

import (
	"os"
	"testing"
)

// TestMarkerOrder: a transaction that is noted after the next one does not make a copy between the
// two pass for the ledger.
func TestMarkerOrder(t *testing.T) {
	lock, err := os.Create(t.TempDir() + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	m, err := newMarker(lock)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 3, 2} {
		if err := m.put(n); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int64]bool{2: false, 3: true, 4: true} {
		if got := m.belongs(n, m.born); got != want {
			t.Errorf("after 3 transactions a file with %d belongs: %v", n, got)
		}
	}
}

// TestMarkerWithoutBirth: where nobody tells when the lock file was made, its number serves.
func TestMarkerWithoutBirth(t *testing.T) {
	dir := t.TempDir()
	var born [3]string
	for i, name := range []string{"a", "b", "a"} {
		f, err := os.OpenFile(dir+"/"+name, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			born[i], err = number(f)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if born[0] == born[1] || born[0] != born[2] {
		t.Errorf("two files and the first again: %q", born)
	}
}

// TestSound: a version of SQLite that can corrupt the file is refused.
func TestSound(t *testing.T) {
	for version, want := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.54.1": true, "4.0.0": true,
		"3.51.2": false, "3.50.9": false, "3.7.0": false, "2.8.17": false, "": false, "3.51": false,
	} {
		if err := sound(version); (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		}
	}
}
