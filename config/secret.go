package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// dots is all that anybody sees of a secret, set or not, short or long.
const dots = "•••"

// Secret is a value that cannot be printed: every verb of fmt, slog, JSON and
// text show dots. The value is reached by [Secret.Reveal] and nothing else, so
// that each use can be found by that name. The zero Secret is not set.
//
// The value hangs on a pointer because fmt cannot call methods of a field that
// its struct does not export, and prints the memory instead: it then finds an
// address.
type Secret struct {
	value *string
}

// NewSecret makes a Secret of a value; the empty value makes one that is not set.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value itself, empty when the secret is not set. What it
// returns must not reach a log, an error or a person.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Set reports whether there is a value.
func (s Secret) Set() bool { return s.value != nil }

// Equal reports whether two secrets hold the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Format implements [fmt.Formatter]: dots for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, dots) }

// String implements [fmt.Stringer], for those who call it directly.
func (s Secret) String() string { return dots }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(dots) }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(dots), nil }

// MarshalJSON implements [json.Marshaler].
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(dots) }

// EnvDecode takes the value from the environment.
func (s *Secret) EnvDecode(value string) error {
	*s = NewSecret(value)
	return nil
}
