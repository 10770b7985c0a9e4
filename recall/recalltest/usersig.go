package recalltest

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkUserSig returns 0 or the code of what is wrong with a UserSig, in the
// order of the service's own library.
func (s *Service) checkUserSig(sig string, identifier string, now time.Time) int {
	s.badSigs = slices.DeleteFunc(s.badSigs, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if s.options.MaxBadUserSigs >= 0 && len(s.badSigs) > s.options.MaxBadUserSigs {
		return 70050
	}
	// Inflating and checking one takes longer than the rest of a call, and a
	// client uses the same one for hours: what is good is remembered.
	known := goodUserSig{sig, identifier, s.options.SDKAppID, s.options.SecretKey}
	if until, ok := s.goodSigs[known]; ok {
		if now.Unix() > until {
			return 70001
		}
		return 0
	}
	code, until := userSigCode(sig, s.options.SDKAppID, identifier, s.options.SecretKey, now)
	switch code {
	case 0:
		if len(s.goodSigs) > 1000 {
			clear(s.goodSigs)
		}
		s.goodSigs[known] = until
	case 70001:
	default:
		s.badSigs = append(s.badSigs, now)
	}
	return code
}

// A goodUserSig is one that was verified, for whom and by which key.
type goodUserSig struct {
	sig, identifier string
	app             uint32
	key             string
}

// userSigCode verifies a UserSig. It returns 0 and the last second of its
// validity, or a code.
func userSigCode(sig string, app uint32, identifier, key string, now time.Time) (code int, until int64) {
	standard := strings.NewReplacer("*", "+", "-", "/", "_", "=").Replace(sig)
	if strings.ContainsAny(sig, "+/=") {
		return 70003, 0
	}
	packed, err := base64.StdEncoding.DecodeString(standard)
	if err != nil {
		return 70003, 0
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 70003, 0
	}
	plain, err := io.ReadAll(io.LimitReader(z, 64<<10))
	if err != nil {
		return 70003, 0
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(plain))
	d.UseNumber()
	if d.Decode(&fields) != nil {
		return 70003, 0
	}
	version, _ := fields["TLS.ver"].(string)
	user, userOK := fields["TLS.identifier"].(string)
	appID, appOK := fields["TLS.sdkappid"].(json.Number)
	at, atOK := fields["TLS.time"].(json.Number)
	life, lifeOK := fields["TLS.expire"].(json.Number)
	mac, macOK := fields["TLS.sig"].(string)
	if version != "2.0" || !userOK || !appOK || !atOK || !lifeOK || !macOK {
		return 70003, 0
	}
	t, err1 := at.Int64()
	e, err2 := life.Int64()
	if err1 != nil || err2 != nil {
		return 70003, 0
	}
	if appID.String() != strconv.FormatUint(uint64(app), 10) {
		return 70014, 0
	}
	if user != identifier {
		return 70013, 0
	}
	if now.Unix() > t+e {
		return 70001, 0
	}
	h := hmac.New(sha256.New, []byte(key))
	io.WriteString(h, "TLS.identifier:"+user+"\nTLS.sdkappid:"+appID.String()+"\nTLS.time:"+at.String()+"\nTLS.expire:"+
		life.String()+"\n")
	if base64.StdEncoding.EncodeToString(h.Sum(nil)) != mac {
		return 70009, 0
	}
	return 0, t + e
}
