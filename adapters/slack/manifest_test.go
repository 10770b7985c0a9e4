package slack

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestManifest(t *testing.T) {
	for _, address := range []string{"", "https://bot.example.com", "https://bot.example.com/recallbot/",
		"http://localhost:8080"} {
		body, err := Manifest(address)
		if err != nil {
			t.Fatalf("Manifest(%q): %v", address, err)
		}
		var m struct {
			Features struct {
				Commands []struct {
					Command, URL string
					ShouldEscape *bool `json:"should_escape"`
				} `json:"slash_commands"`
			}
			OAuth    struct{ Scopes struct{ Bot []string } } `json:"oauth_config"`
			Settings struct {
				Socket        bool `json:"socket_mode_enabled"`
				Interactivity struct {
					Enabled bool   `json:"is_enabled"`
					URL     string `json:"request_url"`
				}
			}
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		if m.Settings.Socket != (address == "") || !m.Settings.Interactivity.Enabled {
			t.Errorf("%q: settings %+v", address, m.Settings)
		}
		base := strings.TrimRight(address, "/")
		for _, c := range m.Features.Commands {
			if c.ShouldEscape == nil || *c.ShouldEscape {
				t.Errorf("%q: %s escapes what is typed", address, c.Command)
			}
			if address != "" && c.URL != base+"/slack/commands" || address == "" && c.URL != "" {
				t.Errorf("%q: %s goes to %q", address, c.Command, c.URL)
			}
		}
		if address != "" && m.Settings.Interactivity.URL != base+"/slack/interactions" {
			t.Errorf("%q: interactivity goes to %q", address, m.Settings.Interactivity.URL)
		}
		if !slices.Equal(m.OAuth.Scopes.Bot, []string{"commands", "chat:write", "files:write", "usergroups:read",
			"users:read", "channels:read", "groups:read"}) {
			t.Errorf("%q: scopes %v", address, m.OAuth.Scopes.Bot)
		}
	}
	for _, address := range []string{"bot.example.com", "http://bot.example.com", "https://", "https://a@b.example",
		"https://bot.example.com/?x=1", "ftp://bot.example.com", "::"} {
		if _, err := Manifest(address); err == nil {
			t.Errorf("Manifest(%q) is made", address)
		}
	}
}

// TestManifestSchema holds the manifest to the schemas that Slack publishes.
func TestManifestSchema(t *testing.T) {
	for _, name := range []string{"slack-manifest.schema.1.json", "slack-manifest.schema.2.json"} {
		c := jsonschema.NewCompiler()
		c.UseRegexpEngine(func(s string) (jsonschema.Regexp, error) {
			// Lookaheads, which this engine does not have, stand in fields that the manifest does
			// not use.
			r, err := regexp.Compile(strings.TrimPrefix(s, `^(?![\.\-])`))
			return r, err
		})
		schema, err := c.Compile(assets(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{"", "https://bot.example.com"} {
			body, err := Manifest(address)
			if err != nil {
				t.Fatal(err)
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s, %q: %v", name, address, err)
			}
		}
	}
}
