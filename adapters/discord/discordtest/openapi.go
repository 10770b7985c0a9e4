package discordtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// OpenAPI reads Discord's published OpenAPI document (API v10) and returns a check of request
// bodies, for Guild.Validate. path may be a route of the document or a concrete path, with or
// without /api/v9 or /api/v10; a route that the document lacks, or that takes no JSON, is an error.
// The document types default_member_permissions as an integer, while the API takes and gives a
// decimal string: the check converts it first.
//
// The guild itself checks what the document does not say: see the package documentation.
func OpenAPI(file string) (func(method, path string, body []byte) error, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("decoding the OpenAPI document: %w", err)
	}
	root, _ := doc.(object)
	paths, _ := root["paths"].(object)
	if len(paths) == 0 {
		return nil, fmt.Errorf("decoding the OpenAPI document: no paths in %s", file)
	}
	const name = "https://discord.example/openapi.json"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("loading the OpenAPI document: %w", err)
	}
	var mu sync.Mutex
	schemas := map[string]*jsonschema.Schema{}
	schema := func(method, path string) (*jsonschema.Schema, error) {
		route, ok := routeOf(paths, strings.ToLower(method), path)
		if !ok {
			return nil, fmt.Errorf("the OpenAPI document has no %s %s with a JSON body", method, path)
		}
		escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(route)
		pointer := name + "#/paths/" + escaped + "/" + strings.ToLower(method) +
			"/requestBody/content/application~1json/schema"
		mu.Lock()
		defer mu.Unlock()
		if s, ok := schemas[pointer]; ok {
			return s, nil
		}
		s, err := compiler.Compile(pointer)
		if err != nil {
			return nil, fmt.Errorf("compiling the schema of %s %s: %w", method, route, err)
		}
		schemas[pointer] = s
		return s, nil
	}
	return func(method, path string, body []byte) error {
		s, err := schema(method, path)
		if err != nil {
			return err
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("decoding the body: %w", err)
		}
		if l, ok := v.([]any); ok {
			for _, o := range objects(l) {
				if p, ok := o["default_member_permissions"].(string); ok {
					o["default_member_permissions"] = json.Number(p)
				}
			}
		}
		return s.Validate(v)
	}, nil
}

// routeOf finds the document's route for a path. Literal segments take precedence over parameters.
func routeOf(paths object, method, path string) (string, bool) {
	for _, prefix := range []string{"/api/v9", "/api/v10"} {
		if p, ok := strings.CutPrefix(path, prefix+"/"); ok {
			path = "/" + p
		}
	}
	have := strings.Split(path, "/")
	best, literals := "", -1
	for route, v := range paths {
		want := strings.Split(route, "/")
		if len(want) != len(have) {
			continue
		}
		n, ok := 0, true
		for i := range want {
			switch {
			case want[i] == have[i] && !strings.HasPrefix(want[i], "{"):
				n++
			case !strings.HasPrefix(want[i], "{") || have[i] == "":
				ok = false
			}
		}
		item, _ := v.(object)
		if ok && n > literals && sub(sub(sub(sub(item, method), "requestBody"), "content"), "application/json") != nil {
			best, literals = route, n
		}
	}
	return best, literals >= 0
}
