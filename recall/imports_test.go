package recall_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The client can be imported alone, and the service in memory shares nothing
// with it: a mistake must not be on both sides.
func TestImports(t *testing.T) {
	for dir, allowed := range map[string][]string{
		".":          {"github.com/patrickmn/go-cache", "golang.org/x/time/rate"},
		"recalltest": nil,
	} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				first, _, _ := strings.Cut(path, "/")
				ok := first != "recallbot" && !strings.Contains(first, ".")
				for _, a := range allowed {
					ok = ok || path == a
				}
				if !ok {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}
