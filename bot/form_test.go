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

// TestTooWide: what TestForm finds, and what it lets pass.
func TestTooWide(t *testing.T) {
	long := strings.Repeat("word ", 24) // 120 columns
	for _, test := range []struct {
		name, file, source string
		want               int
	}{
		{"code of 120", "a.go", "package a\n\nvar a = 1 +" + strings.Repeat("1", 109) + "\n", 0},
		{"code of 121", "a.go", "package a\n\nvar a = 1 +" + strings.Repeat("1", 110) + "\n", 3},
		{"a tab is four", "a.go", "package a\n\nfunc f() {\n\t_ = " + strings.Repeat("1", 113) + "\n}\n", 4},
		{"a string", "a.go", "package a\n\nvar a = \"" + long + "\"\n", 0},
		{"a string and more", "a.go", "package a\n\nvar a = f(" + strings.Repeat("1", 60) + ", \"" + long + "\")\n", 3},
		{"a raw string", "a.go", "package a\n\nvar a = `\n" + long + "x\n`\n", 4},
		{"a raw string in a test", "a_test.go", "package a\n\nvar a = `\n" + long + "x\n`\n", 0},
		{"a comment", "a.go", "// " + long + "\npackage a\n", 1},
		{"a comment of 101", "a.go", "// " + long[:96] + "xx\npackage a\n", 1},
		{"a comment of 100", "a.go", "// " + long[:96] + "x\npackage a\n", 0},
		{"a long comment", "a.go", "/*\n" + long + "\n*/\npackage a\n", 2},
		{"a URL", "a.go", "// https://" + strings.Repeat("x", 120) + "\npackage a\n", 0},
		{"a diagram", "a.go", "//\t" + long[:110] + "\npackage a\n", 0},
		{"an output", "a.go", "package a\n\nfunc f() {\n\t// Output:\n\t// a\n\t// " + long + "\n}\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			wide := tooWide(test.file, []byte(test.source))
			if test.want == 0 && len(wide) > 0 || test.want > 0 && (len(wide) != 1 || wide[0].number != test.want) {
				t.Errorf("got %v, want line %d", wide, test.want)
			}
		})
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
