package sandbox_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// pinned is an image by its full version, a digest after it or not.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?(@sha256:[0-9a-f]{64})?$`)

// TestImagesArePinned: no image is one that may be another tomorrow.
func TestImagesArePinned(t *testing.T) {
	body, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]bool{"scratch": true}
	from := regexp.MustCompile(`(?m)^FROM (\S+)(?: AS (\S+))?$`).FindAllStringSubmatch(string(body), -1)
	if len(from) != strings.Count(string(body), "FROM ") || len(from) == 0 ||
		strings.HasPrefix(string(body), "# syntax=") {
		t.Fatalf("cannot read all images of the Dockerfile: %q", from)
	}
	for _, f := range from {
		if !stages[f[1]] && !pinned.MatchString(f[1]) {
			t.Errorf("Dockerfile: %s is not of one version", f[1])
		}
		stages[f[2]] = true
	}
	for name, s := range compose(t) {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("compose.yaml: %s is not of one version", s.Image)
		}
		if s.Memory == "" || s.PIDs == 0 {
			t.Errorf("compose.yaml: %s has no limit of memory or processes", name)
		}
	}
}

// TestComposeIsNarrow: the bot runs on a root that is read only, without privileges, and has a
// small folder for temporary files all the same.
func TestComposeIsNarrow(t *testing.T) {
	s, ok := compose(t)["recallbot"]
	if !ok || !s.ReadOnly || len(s.Tmpfs) != 1 || !strings.HasPrefix(s.Tmpfs[0], "/tmp:size=") || len(s.Drop) != 1 ||
		s.Drop[0] != "ALL" {
		t.Errorf("the service is %+v", s)
	}
}

type service struct {
	Build    any
	Image    string
	ReadOnly bool `yaml:"read_only"`
	Tmpfs    []string
	Memory   string   `yaml:"mem_limit"`
	PIDs     int      `yaml:"pids_limit"`
	Drop     []string `yaml:"cap_drop"`
}

func compose(t *testing.T) map[string]service {
	t.Helper()
	body, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(body, &file); err != nil || len(file.Services) == 0 {
		t.Fatal(err)
	}
	return file.Services
}
