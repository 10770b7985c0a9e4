package bot_test

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Widths of Go source, in columns. A tab is four.
const (
	codeWidth    = 120
	commentWidth = 100
	tabWidth     = 4
)

// TestForm: no line of Go is wider than codeWidth, and no line of a comment is wider than
// commentWidth. (.ci/run asks gofmt for the rest of the form.) Three kinds of lines may be wider:
//   - a line that would fit half of codeWidth, were it not for one string literal;
//   - a line in a test that is a piece of a raw string of several lines, which is data there;
//   - a comment that cannot be broken: a URL, a directive, the output of an example.
//
// What gofmt leaves as it is, a line of a comment that begins with a tab, may have codeWidth.
func TestForm(t *testing.T) {
	for _, file := range goFiles(t) {
		source, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range tooWide(file, source) {
			t.Errorf("%s:%d: %d columns", file, line.number, line.width)
		}
	}
}

// goFiles returns every Go file of the module, tests as well, with testdata.
func goFiles(t *testing.T) []string {
	var files []string
	err := fs.WalkDir(os.DirFS(".."), ".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".go") {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

type wideLine struct{ number, width int }

// tooWide returns the lines of a Go file that TestForm does not let pass.
func tooWide(file string, source []byte) []wideLine {
	lines := strings.Split(string(source), "\n")
	limit := make([]int, len(lines)) // how wide each line may be
	for i := range lines {
		limit[i] = codeWidth
	}
	files := token.NewFileSet()
	at := files.AddFile(file, -1, len(source))
	var s scanner.Scanner
	s.Init(at, source, nil, scanner.ScanComments)
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			break
		}
		first := at.Line(pos) - 1
		parts := strings.Split(text, "\n")
		for i, part := range parts {
			n := first + i
			if n == len(lines) {
				continue // the semicolon that ends the last line
			}
			switch {
			case tok == token.STRING && len(parts) > 1 && !strings.HasSuffix(file, "_test.go"):
			case tok == token.STRING && columns(strings.Replace(lines[n], part, "", 1)) <= codeWidth/2:
				limit[n] = columns(lines[n])
			case tok != token.COMMENT || strings.TrimSpace(lines[n]) != strings.TrimSpace(part):
			case !strings.Contains(strings.TrimPrefix(part, "// "), " ") || strings.HasPrefix(part, "//go:"),
				strings.HasPrefix(lines[n], "\t//") && output(lines[:n]):
				limit[n] = columns(lines[n])
			case !strings.HasPrefix(part, "//\t"):
				limit[n] = commentWidth
			}
		}
	}
	var wide []wideLine
	for i, line := range lines {
		if w := columns(line); w > limit[i] {
			wide = append(wide, wideLine{i + 1, w})
		}
	}
	return wide
}

// output reports whether the comment that these lines end in is the output of an example.
func output(lines []string) bool {
	for _, line := range slices.Backward(lines) {
		switch {
		case line == "\t// Output:":
			return true
		case !strings.HasPrefix(line, "\t//"):
			return false
		}
	}
	return false
}

// columns returns how wide a line is.
func columns(line string) int {
	return utf8.RuneCountInString(line) + (tabWidth-1)*strings.Count(line, "\t")
}
