package recall

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A MessageStatus says what the history knows of a message. The service calls
// it IsPlaceMsg.
type MessageStatus int

const (
	StatusNormal           MessageStatus = 0 // it is there
	StatusDeletedOrExpired MessageStatus = 1 // deleted, past its storage period, or never stored; it has no body
	StatusRecalled         MessageStatus = 2 // recalled; whether it still has a body is not promised
)

func (s MessageStatus) String() string {
	return nameOf(s, "normal", "deleted or expired", "recalled")
}

// A Message is one entry of a group's history.
// Source: https://trtc.io/document/34971 and, for the bodies,
// https://cloud.tencent.com/document/product/269/2720.
type Message struct {
	Seq    Seq
	From   UserID
	Time   time.Time // when the service took it, in whole seconds; zero when not told
	Status MessageStatus

	// System marks what the service itself wrote, such as "A joined". Its body
	// is usually not a list, so that Body is nil and RawBody has it.
	System bool

	Random          uint32
	Priority        int // 1 high, 2 normal, 3 low, 4 lowest; 0 when not told
	Body            []Element
	RawBody         json.RawMessage // MsgBody as it came: what a hash of the content covers
	CloudCustomData string
}

// An Element is one part of a message.
type Element struct {
	Type    string          `json:"MsgType"`    // such as "TIMTextElem"
	Content json.RawMessage `json:"MsgContent"` // an object whose fields depend on Type
}

// messageJSON is a message in an answer. Only the number and the status must
// be right: the rest is for reading, and a surprise there loses that field.
type messageJSON struct {
	From_Account    text
	IsPlaceMsg      *number
	IsSystemMsg     number
	MsgBody         json.RawMessage
	MsgPriority     number
	MsgRandom       number
	MsgSeq          number
	MsgTimeStamp    number
	CloudCustomData text
}

func (j *messageJSON) message() (Message, bool) {
	m := Message{
		From: UserID(j.From_Account), Time: j.MsgTimeStamp.asSeconds(), System: j.IsSystemMsg.n == 1,
		Random: j.MsgRandom.asUint32(), Priority: j.MsgPriority.asInt(),
		RawBody: j.MsgBody, Body: readBody(j.MsgBody), CloudCustomData: string(j.CloudCustomData),
	}
	if s := j.IsPlaceMsg; s != nil {
		if !s.ok || s.n < 0 || s.n > math.MaxInt32 {
			return Message{}, false
		}
		m.Status = MessageStatus(s.n)
	}
	var ok bool
	m.Seq, ok = j.MsgSeq.asSeq()
	return m, ok
}

// readBody returns the elements of a body that is a list of them, else nil.
// What cannot be read, or says two things, is an element of no known type.
func readBody(raw json.RawMessage) []Element {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	elements := make([]Element, 0, 1)
	if json.Unmarshal(raw, &elements) == nil && !repeats(raw, true) {
		return elements
	}
	var singly []json.RawMessage
	if json.Unmarshal(raw, &singly) != nil {
		return nil
	}
	elements = elements[:0]
	for _, one := range singly {
		var e Element
		if json.Unmarshal(one, &e); repeats(one, true) {
			e = Element{Content: one}
		}
		elements = append(elements, e)
	}
	return elements
}

// Excerpt returns the message in a few words, at most `most` runes: the text
// of text elements, and for every other element what it is, in brackets. It is
// one line: control characters are removed, and white space is folded. It is
// empty for a message without a body. What it returns was still written by
// others: mark-up, mentions, and characters that are not seen or turn the
// direction of others are left as they are, for whoever shows it to deal with.
func (m Message) Excerpt(most int) string {
	w := excerpt{left: most}
	for _, e := range m.Body {
		if w.full {
			break
		}
		w.sep()
		e.excerpt(&w)
	}
	if m.Body == nil && len(m.RawBody) > 0 && string(m.RawBody) != "null" && string(m.RawBody) != `""` {
		if m.System {
			w.write("[system message]")
		} else {
			w.write("[unreadable message]")
		}
	}
	return w.String()
}

// excerpt has the words for each type of element. An element whose content cannot be read gets them
// without details.
func (e Element) excerpt(w *excerpt) {
	switch e.Type {
	case "TIMTextElem":
		var c struct{ Text text }
		json.Unmarshal(e.Content, &c)
		w.write(string(c.Text))
	case "TIMFaceElem":
		var c struct{ Index number }
		json.Unmarshal(e.Content, &c)
		detail := ""
		if c.Index.ok {
			detail = strconv.FormatInt(c.Index.n, 10)
		}
		w.bracket("face", "", detail)
	case "TIMLocationElem":
		var c struct {
			Desc                text
			Latitude, Longitude any
		}
		json.Unmarshal(e.Content, &c)
		detail := string(c.Desc)
		if lat, ok := c.Latitude.(float64); ok && detail == "" {
			if long, ok := c.Longitude.(float64); ok {
				detail = fmt.Sprintf("%.5f, %.5f", lat, long)
			}
		}
		w.bracket("location", "", detail)
	case "TIMCustomElem":
		var c struct{ Data, Desc, Ext text }
		json.Unmarshal(e.Content, &c)
		w.bracket("custom", ":", firstOf(string(c.Desc), string(c.Data), string(c.Ext)))
	case "TIMSoundElem":
		var c struct{ Second number }
		json.Unmarshal(e.Content, &c)
		w.bracket("voice", "", seconds(c.Second))
	case "TIMImageElem":
		var c struct {
			ImageInfoArray []struct{ Type, Width, Height number }
		}
		json.Unmarshal(e.Content, &c)
		detail := ""
		for _, i := range c.ImageInfoArray { // type 1 is the original, the others are smaller
			if i.Width.asInt() > 0 && i.Height.asInt() > 0 && (detail == "" || i.Type.n == 1) {
				detail = fmt.Sprintf("%dx%d", i.Width.n, i.Height.n)
			}
		}
		w.bracket("image", "", detail)
	case "TIMFileElem":
		var c struct {
			FileName text
			FileSize number
		}
		json.Unmarshal(e.Content, &c)
		// A sender's client may give the whole path on the sender's machine.
		name := string(c.FileName)
		name = name[strings.LastIndexAny(name, `/\`)+1:]
		if c.FileSize.ok && c.FileSize.n >= 0 {
			// The size goes first: a long name must not push it out.
			w.bracket("file", "", size(c.FileSize.n)+" "+name)
		} else {
			w.bracket("file", "", name)
		}
	case "TIMVideoFileElem":
		var c struct{ VideoSecond number }
		json.Unmarshal(e.Content, &c)
		w.bracket("video", "", seconds(c.VideoSecond))
	case "TIMRelayElem":
		w.write("[forwarded messages]") // no page gives its fields
	case "":
		w.write("[unreadable element]")
	default:
		w.bracket("unknown element", ":", e.Type)
	}
}

func firstOf(all ...string) string {
	for _, s := range all {
		if strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

func seconds(n number) string {
	if !n.ok || n.n < 0 {
		return ""
	}
	return strconv.FormatInt(n.n, 10) + " s"
}

func size(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	f, unit := float64(n)/1000, 0
	for ; f >= 999.5 && unit < 3; unit++ {
		f /= 1000
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + []string{"kB", "MB", "GB", "TB"}[unit]
}

// excerpt builds one line of at most so many runes.
type excerpt struct {
	b     strings.Builder
	left  int  // runes that still fit
	space bool // a space is due before the next rune
	full  bool // something did not fit
}

func (w *excerpt) sep() { w.space = w.b.Len() > 0 }

// bracket writes [what detail], with the colon between them when there is a
// detail. The detail cannot close the bracket by being too long: the excerpt
// ends there.
func (w *excerpt) bracket(what, colon, detail string) {
	w.write("[" + what)
	if strings.TrimSpace(detail) != "" {
		w.write(colon)
		w.space = true
		w.write(detail)
	}
	w.space = false
	w.write("]")
}

func (w *excerpt) write(s string) {
	for _, r := range s {
		if w.full {
			return
		}
		switch {
		case unicode.IsSpace(r):
			w.space = w.b.Len() > 0
			continue
		case unicode.IsControl(r):
			r = picture(r)
		}
		need := 1
		if w.space {
			need = 2
		}
		if need > w.left {
			w.full = true
			return
		}
		if w.space {
			w.b.WriteByte(' ')
			w.space = false
		}
		w.b.WriteRune(r)
		w.left -= need
	}
}

// picture returns the character that stands for a control character.
func picture(control rune) rune {
	switch {
	case control < ' ':
		return '␀' + control
	case control == 0x7f:
		return '␡'
	}
	return utf8.RuneError
}

// String returns the line; where something did not fit, its last rune makes
// room for an ellipsis.
func (w *excerpt) String() string {
	s := w.b.String()
	if !w.full {
		return s
	}
	if w.left > 0 {
		return s + "…"
	}
	_, last := utf8.DecodeLastRuneInString(s)
	if last == 0 {
		return ""
	}
	return strings.TrimRight(s[:len(s)-last], " ") + "…"
}
