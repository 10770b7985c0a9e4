package recall

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
)

// UserSigLife is for how long the client signs a UserSig. It signs anew at
// 90 % of that.
const UserSigLife = 24 * time.Hour

// userSigEncoding is base64 with * - _ for + / =. It is not the URL-safe
// alphabet, in which - and _ mean other things.
var userSigEncoding = base64.NewEncoding(
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-").WithPadding('_')

// Bounds of what ParseUserSig reads; a real one has about 200 characters and
// inflates to as many bytes.
const (
	maxUserSig      = 4096
	maxUserSigPlain = 8192
)

// A UserSig is what a UserSig string says. It is a credential only together
// with Sig.
type UserSig struct {
	SDKAppID SDKAppID
	User     UserID
	Time     time.Time     // when it was signed, in whole seconds
	Life     time.Duration // for how long it holds from then, in whole seconds
	Sig      []byte        // HMAC-SHA256 over the rest
}

// Expires returns the last moment at which it is valid.
func (s UserSig) Expires() time.Time { return s.Time.Add(s.Life) }

// String leaves the signature out.
func (s UserSig) String() string {
	return fmt.Sprintf("UserSig of %q for app %d until %s", s.User, s.SDKAppID, s.Expires().UTC().Format(time.RFC3339))
}

// GoString is String.
func (s UserSig) GoString() string { return s.String() }

type userSigJSON struct {
	Version  string   `json:"TLS.ver"`
	User     UserID   `json:"TLS.identifier"`
	SDKAppID SDKAppID `json:"TLS.sdkappid"`
	Time     int64    `json:"TLS.time"`
	Life     int64    `json:"TLS.expire"`
	Sig      string   `json:"TLS.sig"`
}

// SignUserSig makes the UserSig (version 2.0) of a user: who holds it can act
// as that user until now+life, so it must never be shown or logged. The key
// is the text that the console shows, not the bytes that it looks like in
// hexadecimal. Time and life count in whole seconds; life is at most ten
// years by the service's own rule, which is not enforced here.
func SignUserSig(app SDKAppID, key string, user UserID, now time.Time, life time.Duration) (string, error) {
	u := userSigJSON{"2.0", user, app, now.Unix(), int64(life / time.Second), ""}
	u.Sig = base64.StdEncoding.EncodeToString(userSigMAC(key, u))
	plain, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("sign UserSig: %w", err)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write(plain) // a bytes.Buffer cannot fail
	z.Close()
	return userSigEncoding.EncodeToString(packed.Bytes()), nil
}

func userSigMAC(key string, u userSigJSON) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "TLS.identifier:%s\nTLS.sdkappid:%d\nTLS.time:%d\nTLS.expire:%d\n", u.User, u.SDKAppID, u.Time,
		u.Life)
	return mac.Sum(nil)
}

// ParseUserSig reads a UserSig without checking its signature. Its errors
// never quote what it was given.
func ParseUserSig(sig string) (UserSig, error) {
	u, err := parseUserSig(sig)
	if err != nil {
		return UserSig{}, fmt.Errorf("read UserSig: %w", err)
	}
	mac, err := base64.StdEncoding.DecodeString(u.Sig)
	if err != nil {
		return UserSig{}, errors.New("read UserSig: its signature is not base64")
	}
	return UserSig{u.SDKAppID, u.User, time.Unix(u.Time, 0), time.Duration(u.Life) * time.Second, mac}, nil
}

func parseUserSig(sig string) (userSigJSON, error) {
	var u userSigJSON
	if len(sig) > maxUserSig {
		return u, fmt.Errorf("it is longer than %d characters", maxUserSig)
	}
	packed, err := userSigEncoding.DecodeString(sig)
	if err != nil || strings.ContainsAny(sig, "\r\n") {
		return u, errors.New("it is not in the alphabet of UserSigs, or cut off")
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return u, errors.New("it is not a zlib stream")
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxUserSigPlain+1))
	if err != nil {
		return u, errors.New("its zlib stream is damaged")
	}
	if len(plain) > maxUserSigPlain {
		return u, fmt.Errorf("it inflates to more than %d bytes", maxUserSigPlain)
	}
	if json.Unmarshal(plain, &u) != nil {
		return u, errors.New("it does not hold the JSON of a UserSig")
	}
	if u.Version != "2.0" {
		return u, errors.New("it is not of version 2.0")
	}
	if u.Time < 0 || u.Time > maxSeconds || u.Life < 0 || u.Life > maxUserSigLife {
		return u, errors.New("its times are out of range")
	}
	return u, nil
}

// maxUserSigLife is what fits a time.Duration, in seconds.
const maxUserSigLife = int64(1<<63-1) / int64(time.Second)

// UserSigExpiry returns until when a ready-made UserSig is valid, by what it
// says itself. Whether its key is right only the service can tell.
func UserSigExpiry(sig string) (time.Time, error) {
	u, err := ParseUserSig(sig)
	if err != nil {
		return time.Time{}, err
	}
	return u.Expires(), nil
}

// Verify reports whether the UserSig was signed with key.
func (s UserSig) Verify(key string) bool {
	u := userSigJSON{User: s.User, SDKAppID: s.SDKAppID, Time: s.Time.Unix(), Life: int64(s.Life / time.Second)}
	return hmac.Equal(s.Sig, userSigMAC(key, u))
}

// signer hands out the UserSig of the admin. Its fields are secrets: it is
// only ever held by pointer, so that printing what holds it shows an address.
type signer struct {
	app   SDKAppID
	user  UserID
	key   string // empty: ready is all there is
	ready string

	mu    sync.Mutex // one signing at a time
	cache *cache.Cache
}

func newSigner(app SDKAppID, user UserID, key, ready string) *signer {
	// No janitor: the one entry is replaced, and a goroutine would outlive the client.
	return &signer{app: app, user: user, key: key, ready: ready, cache: cache.New(UserSigLife/10*9, 0)}
}

const signerEntry = "usersig"

func (s *signer) sign() (string, error) {
	if s.key == "" {
		return s.ready, nil
	}
	if sig, ok := s.cache.Get(signerEntry); ok {
		return sig.(string), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sig, ok := s.cache.Get(signerEntry); ok {
		return sig.(string), nil
	}
	sig, err := SignUserSig(s.app, s.key, s.user, time.Now(), UserSigLife)
	if err != nil {
		return "", err
	}
	s.cache.SetDefault(signerEntry, sig)
	return sig, nil
}

// forget makes the next sign sign anew, unless somebody has done so since sig
// was handed out. It returns false where there is no key to sign with.
func (s *signer) forget(sig string) bool {
	if s.key == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.cache.Get(signerEntry); ok && now.(string) == sig {
		s.cache.Delete(signerEntry)
	}
	return true
}

// withhold returns s without any UserSig or key in it: what the service or a
// transport says goes into errors, and could quote the address.
func (s *signer) withhold(words, sig string) string {
	for _, secret := range []string{sig, s.key, s.ready} {
		if len(secret) >= 8 && strings.Contains(words, secret) {
			words = strings.ReplaceAll(words, secret, "[withheld]")
		}
	}
	return words
}
