package slack

import (
	"regexp"
	"strings"

	"github.com/kyokomi/emoji/v2"
)

// emojiCode is how Slack's clients send an emoji in the text of a command or a form: its name. A
// skin tone follows as a code of its own.
var emojiCode = regexp.MustCompile(`:[a-z0-9_+'-]+:`)

// typed returns text with the emoji that were typed in place of their names. A name that is not
// known, such as one of the workspace's own, stays. The colon that ends one name begins no other.
func typed(text string) string {
	var b strings.Builder
	for {
		at := emojiCode.FindStringIndex(text)
		if at == nil {
			return b.String() + text
		}
		code := text[at[0]:at[1]]
		is := strings.TrimSuffix(emoji.Emojize(code), emoji.ReplacePadding)
		if is == code { // its last colon may begin the next name
			is = code[:len(code)-1]
			at[1]--
		}
		b.WriteString(text[:at[0]] + is)
		text = text[at[1]:]
	}
}
