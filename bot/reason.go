package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Mark returns what the audit log holds of the words of a reason: their HMAC under a key of the
// request, "" for no words. The words and the key lie beside the log, in the request. Once both are
// forgotten the mark says nothing, and while they are there Verifier finds another reason in their
// place.
func (r Request) Mark(words string) string {
	if words == "" || len(r.ReasonKey) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, r.ReasonKey)
	mac.Write([]byte(words))
	return hex.EncodeToString(mac.Sum(nil))
}

// WithoutReasons returns the request as it is once the words of its reasons are forgotten, those of
// earlier requests that it quotes among them.
func (r Request) WithoutReasons() Request {
	r.Reason, r.EndReason, r.ReasonKey, r.ReasonsForgotten = "", "", nil, true
	earlier := append([]Earlier(nil), r.Earlier...)
	for i := range earlier {
		earlier[i].Reason = ""
	}
	r.Earlier = earlier
	return r
}
