package bot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestLogKey: an error stands in the log under one key, err, whoever writes the line.
func TestLogKey(t *testing.T) {
	levels := []string{"Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext",
		"Log", "With"}
	wrong := []string{"error", "Error", "Err", "e", "cause"}
	seen := 0
	for file := range sources(t) {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join("..", file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			called, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(levels, called.Sel.Name) || len(call.Args) < 2 {
				return true
			}
			// The keys follow the text of the line. One may stand in a slog.Attr.
			for _, arg := range call.Args[1:] {
				if attr, ok := arg.(*ast.CallExpr); ok && len(attr.Args) == 2 {
					arg = attr.Args[0]
				}
				lit, ok := arg.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				key, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				if key == "err" {
					seen++
				}
				if slices.Contains(wrong, key) {
					t.Errorf("%s: the log key %q, want \"err\"", fset.Position(arg.Pos()), key)
				}
			}
			return true
		})
	}
	if seen < 20 {
		t.Errorf("%d errors are logged: this test sees nothing", seen)
	}
}
