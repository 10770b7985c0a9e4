package adapters_test

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recallbot/adapters"
	"recallbot/bot/golden"
	"recallbot/config"

	"github.com/google/go-cmp/cmp"
)

// TestTags: each variable has one field that it fills, and each field a variable; a default passes
// its own check; and a platform's variables begin with its id.
func TestTags(t *testing.T) {
	var tags []string
	var walk func(typ reflect.Type, prefix string)
	walk = func(typ reflect.Type, prefix string) {
		for f := range fields(typ) {
			tag, ok := f.Tag.Lookup("env")
			name, more, _ := strings.Cut(tag, ", prefix=")
			switch {
			case ok && name != "":
				tags = append(tags, prefix+name)
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, prefix+more)
			}
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
	for _, p := range adapters.Platforms {
		prefix := strings.ToUpper(string(p.ID)) + "_"
		for i, v := range p.Variables {
			if !strings.HasPrefix(v.Name, prefix) || i == 0 && v.Missing == "" {
				t.Errorf("%s does not begin with %s, or is the first and has no Missing", v.Name, prefix)
			}
		}
		if a, ok := p.Account(p.Example); !ok || a.Platform != p.ID {
			t.Errorf("%s: the example of an account is %v, %t", p.ID, a, ok)
		}
		walk(reflect.TypeOf(p.Settings()).Elem(), "")
	}
	var names []string
	for _, v := range config.Variables(adapters.Configurations()) {
		names = append(names, v.Name)
		if v.Meaning == "" {
			t.Errorf("%s has no meaning", v.Name)
		}
		if v.Default != "" && v.Required != "" {
			t.Errorf("%s is required and has a default", v.Name)
		}
		if v.Default == "" {
			continue
		}
		if _, what, _ := v.Check(v.Default); what != "" {
			t.Errorf("the default of %s fails its own check: %s", v.Name, what)
		}
	}
	slices.Sort(tags)
	slices.Sort(names)
	if diff := cmp.Diff(tags, names); diff != "" {
		t.Errorf("tags (-) and table (+) differ:\n%s", diff)
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

var begins = regexp.MustCompile(`is off without it\n#([A-Z]+_)`)

// listed is the example without the variables of platforms that are not in the list.
func listed(example string) string {
	all := config.Variables(adapters.Configurations())
	for _, first := range begins.FindAllStringSubmatch(example, -1) {
		if !slices.ContainsFunc(all, func(v config.Variable) bool { return strings.HasPrefix(v.Name, first[1]) }) {
			example = regexp.MustCompile(`# .*\n#`+first[1]+`.*\n\n`).ReplaceAllString(example, "")
		}
	}
	return example
}

// TestExample: .env.example is the table of variables (-update rewrites it), and nothing is wrong
// with a copy of it but what is to be filled in.
func TestExample(t *testing.T) {
	body, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	if listed(string(body)) != config.Example(adapters.Configurations()) {
		golden.Check(t, "../.env.example", config.Example(adapters.Configurations()))
	}
	var environ []string
	for line := range strings.Lines(config.Example(adapters.Configurations())) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			environ = append(environ, line)
		}
	}
	_, err = config.Load(t.Context(), environ, adapters.Configurations())
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("the example is complete, or wrong: %v", err)
	}
	for _, p := range problems {
		if p.What != "is not set" && !strings.HasPrefix(p.What, "is not set, and neither is ") {
			t.Errorf("the example is wrong: %v", p)
		}
	}
}
