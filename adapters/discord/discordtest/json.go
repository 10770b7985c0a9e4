package discordtest

import (
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// This file reads raw JSON and collects the errors of a body. The functions that read a key return
// the zero value for a missing key, for null and for a value of another type; the checks in
// limits.go refuse wrong types first.

func str(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func num(o object, key string) (int64, bool) {
	switch n := o[key].(type) {
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	case int:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

func integer(o object, key string) int64 {
	n, _ := num(o, key)
	return n
}

func flag(o object, key string) bool {
	b, _ := o[key].(bool)
	return b
}

func list(o object, key string) []any {
	l, _ := o[key].([]any)
	return l
}

func sub(o object, key string) object {
	s, _ := o[key].(object)
	return s
}

// objects iterates over the objects of a list, with their index.
func objects(l []any) iter.Seq2[int, object] {
	return func(yield func(int, object) bool) {
		for i, v := range l {
			if o, ok := v.(object); ok && !yield(i, o) {
				return
			}
		}
	}
}

func keys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// copyJSON returns a deep copy.
func copyJSON(v any) any {
	switch v := v.(type) {
	case object:
		o := make(object, len(v))
		for k, x := range v {
			o[k] = copyJSON(x)
		}
		return o
	case []any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = copyJSON(x)
		}
		return l
	}
	return v
}

func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: only maps, slices, strings, numbers and booleans come here
	}
	return b
}

// form collects the errors of a body, in the form of Discord's "Invalid Form Body".
type form struct {
	errors object
	server bool // Discord answers 500 instead of refusing the body
}

// add records an error at a dotted path ("embeds.0.title"); the empty path is the whole body.
func (f *form) add(path, code, message string) {
	if f.errors == nil {
		f.errors = object{}
	}
	at := f.errors
	if path != "" {
		for p := range strings.SplitSeq(path, ".") {
			next, ok := at[p].(object)
			if !ok {
				next = object{}
				at[p] = next
			}
			at = next
		}
	}
	at["_errors"] = append(list(at, "_errors"), object{"code": code, "message": message})
}

// err returns Discord's answer, nil when there is no error.
func (f *form) err() *apiError {
	if f.server {
		return &apiError{status: 500, message: "500: Internal Server Error"}
	}
	if f.errors == nil {
		return nil
	}
	e := fail(400, 50035)
	e.errors = f.errors
	return e
}

func join(path string, parts ...any) string {
	for _, p := range parts {
		var s string
		switch p := p.(type) {
		case string:
			s = p
		case int:
			s = strconv.Itoa(p)
		}
		if path == "" {
			path = s
		} else {
			path += "." + s
		}
	}
	return path
}
