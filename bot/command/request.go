package command

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// A RequestID names a request: "R-" and 6 characters of Crockford base32. It is short enough to say
// aloud and cannot be guessed from another one.
type RequestID string

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewRequestID draws an id, uniformly among 2^30, from a source of random bytes such as
// crypto/rand.Reader. It panics where the source fails. The caller detects a collision in its own
// store.
func NewRequestID(random io.Reader) RequestID {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(fmt.Sprintf("draw a request id: %v", err)) // unreachable with crypto/rand
	}
	n := binary.BigEndian.Uint32(b[:])
	id := []byte("R-000000")
	for i := range 6 {
		id[2+i] = crockford[n>>(5*i)&31]
	}
	return RequestID(id)
}

// ParseRequestID reads an id as people write it: in any case, o for 0, i and l for 1, with or
// without "R-", and with what clients change on the way (typographic dashes, full-width digits,
// zero-width characters, spaces and paired marks around it, the comma, colon or point after it).
func ParseRequestID(s string) (RequestID, bool) {
	s = strings.ToUpper(strings.TrimSpace(FoldString(strings.Map(dropZeroWidth, s))))
	s = strings.TrimRight(unpaired(strings.TrimRight(s, punctuation+".")), punctuation+".")
	s = strings.TrimPrefix(s, "R-")
	if len(s) != 6 {
		return "", false
	}
	s = strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(s)
	for _, r := range s {
		if !strings.ContainsRune(crockford, r) {
			return "", false
		}
	}
	return RequestID("R-" + s), true
}
