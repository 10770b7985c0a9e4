package recall

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Part is one string of a message.
type Part struct {
	Of   PartOf
	Text string
	// Who is whose message was forwarded, as its sender's client says; "" for the message itself.
	Who string
}

// PartOf says what of a message a Part is.
type PartOf string

const (
	OfText      PartOf = "text"        // of a text element
	OfDesc      PartOf = "description" // of a custom element: what a push notification shows
	OfData      PartOf = "data"        // a value of a custom, face or unknown element
	OfExt       PartOf = "extension"   // of a custom element
	OfFile      PartOf = "file"        // its name
	OfPlace     PartOf = "place"       // the name of a location
	OfForwarded PartOf = "forwarded"
	OfQuote     PartOf = "quotes" // what the message quotes, as its sender's client says
	// OfKind is what an element is, in the words of this package, such as "image 640x480". It is no
	// string of the message.
	OfKind PartOf = "kind"
)

// What is read of one message at most. A message of the service has 12 KB; an answer may have any.
const (
	maxParts     = 2000
	maxPartBytes = 128 << 10 // of the strings together
	maxForwarded = 8         // forwarded messages within forwarded messages
	maxNested    = 32        // values within values, JSON in a string of JSON included
)

// Parts returns every string of the message that members can read, in the order of its elements,
// and last what it quotes. Between them it says what each element is that is more than text
// (OfKind). whole is false where some is missing: what is over 2000 strings or 128 KB, what is
// nested too deep, and forwarded messages that the service keeps elsewhere because they have more
// than 12 KB. Nothing is done to the strings. What cannot be read, such as a message that
// is no list of elements, is a kind, and so is a message in which there is nothing.
//
// Source: https://trtc.io/document/33527, and for quotes the clients of
// https://github.com/TencentCloud/TIMSDK, which keep them in CloudCustomData.
func (m Message) Parts() (parts []Part, whole bool) {
	p := partsOf{whole: true, bytes: maxPartBytes}
	p.elements(m.Body, "", 0)
	switch raw := string(m.RawBody); {
	case m.System && m.Body == nil:
		p.kind("system message", "")
	case m.Body == nil && raw != "" && raw != "null" && raw != `""`:
		p.whole = false
		p.kind("unreadable message", "")
	}
	if q, ok := m.Quote(); ok {
		p.add(OfQuote, q.Text, "")
	}
	if len(p.list) == 0 && p.whole {
		p.kind("empty message", "")
	}
	return p.list, p.whole
}

// A Quote is what a message says of the message that it answers. The sender's client wrote it:
// nothing of it needs to be true.
type Quote struct {
	Seq  Seq    // 0 where it is not told, as by older clients
	ID   string // the clients' own name for the message
	Text string // the beginning of its text
}

// Quote returns what the message quotes, if it is an answer to another and the service returned its
// CloudCustomData.
func (m Message) Quote() (Quote, bool) {
	if !strings.Contains(m.CloudCustomData, `"messageReply"`) {
		return Quote{}, false
	}
	var c struct {
		Reply *struct {
			ID       text   `json:"messageID"`
			Abstract text   `json:"messageAbstract"`
			Seq      number `json:"messageSequence"`
		} `json:"messageReply"`
	}
	if json.Unmarshal([]byte(m.CloudCustomData), &c) != nil || c.Reply == nil {
		return Quote{}, false
	}
	q := Quote{ID: string(c.Reply.ID), Text: string(c.Reply.Abstract)}
	q.Seq, _ = c.Reply.Seq.asSeq()
	return q, true
}

// nearby is by how much the time in a client's name of a message may differ from the service's.
const nearby = 60 // seconds

// Of reports whether the message that is quoted is m, by its number or, where none is told, by the
// clients' name for it: the sender's number, the time and the random number of m, between hyphens.
//
// Source: https://jishuzhan.net/article/1833302418905894913, which quotes the documentation.
func (q Quote) Of(m Message) bool {
	if q.Seq != 0 || m.Random == 0 || m.Time.IsZero() {
		return q.Seq != 0 && q.Seq == m.Seq
	}
	var n [3]uint64
	name := strings.Split(q.ID, "-")
	if len(name) != len(n) {
		return false
	}
	for i, s := range name {
		var err error
		if n[i], err = strconv.ParseUint(s, 10, 63); err != nil {
			return false
		}
	}
	off := int64(n[1]) - m.Time.Unix()
	return n[2] == uint64(m.Random) && -nearby <= off && off <= nearby
}

// partsOf collects the parts of one message.
type partsOf struct {
	list  []Part
	bytes int // left
	whole bool
}

// add adds a part that is not blank.
func (p *partsOf) add(of PartOf, s, who string) {
	switch {
	case strings.TrimSpace(s) == "":
	case len(p.list) >= maxParts, len(s) > p.bytes:
		p.whole = false
	default:
		p.bytes -= len(s)
		p.list = append(p.list, Part{of, s, who})
	}
}

// kind says what an element is, with a detail that this package made of numbers.
func (p *partsOf) kind(what, detail string) {
	if detail != "" {
		what += " " + detail
	}
	p.add(OfKind, what, "")
}

// elements adds the parts of the elements of a message. who is set for a forwarded message, which
// is so many messages deep.
func (p *partsOf) elements(body []Element, who string, deep int) {
	at := len(p.list)
	for _, e := range body {
		if len(p.list) >= maxParts {
			p.whole = false
			break
		}
		p.element(e, deep)
	}
	if deep == 0 {
		return
	}
	for i := range p.list[at:] {
		part := &p.list[at+i]
		if part.Of != OfKind {
			part.Of = OfForwarded
		}
		if part.Who == "" {
			part.Who = cmp.Or(who, "somebody")
		}
	}
}

// element adds the parts of one element. Of one whose content cannot be read it says only what it
// is.
func (p *partsOf) element(e Element, deep int) {
	switch e.Type {
	case "TIMTextElem":
		var c struct{ Text text }
		json.Unmarshal(e.Content, &c)
		p.add(OfText, string(c.Text), "")
	case "TIMFaceElem":
		var c struct {
			Index number
			Data  text
		}
		json.Unmarshal(e.Content, &c)
		detail := ""
		if c.Index.ok {
			detail = strconv.FormatInt(c.Index.n, 10)
		}
		p.kind("face", detail)
		p.data(string(c.Data))
	case "TIMLocationElem":
		var c struct {
			Desc                text
			Latitude, Longitude any
		}
		json.Unmarshal(e.Content, &c)
		lat, ok := c.Latitude.(float64)
		long, both := c.Longitude.(float64)
		if ok && both && strings.TrimSpace(string(c.Desc)) == "" {
			p.kind("location", fmt.Sprintf("%.5f, %.5f", lat, long))
		} else {
			p.kind("location", "")
		}
		p.add(OfPlace, string(c.Desc), "")
	case "TIMCustomElem":
		var c struct{ Data, Desc, Ext text }
		json.Unmarshal(e.Content, &c)
		p.kind("custom", "")
		p.add(OfDesc, string(c.Desc), "")
		p.data(string(c.Data))
		p.add(OfExt, string(c.Ext), "")
	case "TIMSoundElem":
		var c struct{ Second number }
		json.Unmarshal(e.Content, &c)
		p.kind("voice", seconds(c.Second))
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
		p.kind("image", detail)
	case "TIMFileElem":
		var c struct {
			FileName text
			FileSize number
		}
		json.Unmarshal(e.Content, &c)
		detail := ""
		if c.FileSize.ok && c.FileSize.n >= 0 {
			detail = size(c.FileSize.n)
		}
		p.kind("file", detail)
		// A sender's client may give the whole path on the sender's machine.
		name := string(c.FileName)
		p.add(OfFile, name[strings.LastIndexAny(name, `/\`)+1:], "")
	case "TIMVideoFileElem":
		var c struct{ VideoSecond number }
		json.Unmarshal(e.Content, &c)
		p.kind("video", seconds(c.VideoSecond))
	case "TIMRelayElem":
		p.relay(e.Content, deep)
	case "":
		p.whole = false
		p.kind("unreadable element", "")
	default:
		p.kind("unknown element", "")
		p.add(OfData, e.Type, "")
		p.data(string(e.Content))
	}
}

// relay adds the parts of forwarded messages. The service gives their text (MsgList) or the name
// under which only clients can fetch it (JsonMsgKey).
func (p *partsOf) relay(content json.RawMessage, deep int) {
	var c struct {
		Title, CompatibleText, JsonMsgKey text
		MsgNum                            number
		AbstractList                      []text
		MsgList                           []struct {
			From_Account text
			MsgBody      json.RawMessage
		}
	}
	json.Unmarshal(content, &c)
	what := "forwarded messages"
	switch n := c.MsgNum.n; {
	case n == 1:
		what = "1 forwarded message"
	case n > 1:
		what = strconv.FormatInt(n, 10) + " " + what
	}
	p.kind(what, "")
	if c.MsgList == nil || c.JsonMsgKey != "" || deep >= maxForwarded {
		p.whole = false
	}
	p.add(OfForwarded, string(c.Title), "")
	if deep < maxForwarded {
		for _, m := range c.MsgList {
			if len(p.list) >= maxParts {
				p.whole = false
				break
			}
			p.elements(readBody(m.MsgBody), string(m.From_Account), deep+1)
		}
	}
	for _, s := range c.AbstractList {
		p.add(OfForwarded, string(s), "")
	}
	p.add(OfForwarded, string(c.CompatibleText), "")
}

// data adds the values of data that is JSON, and other data as it is.
func (p *partsOf) data(s string) {
	if !p.values([]byte(s), 0) {
		p.add(OfData, s, "")
	}
}

// values adds the strings and numbers of a JSON object or array, each key's in the order of the
// text, and never the keys. A string may hold JSON again. It reports false, having added nothing,
// for anything else.
func (p *partsOf) values(raw []byte, deep int) bool {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' || !json.Valid(raw) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []bool // of the objects and arrays around: whether it is an object
	isKey := false  // the next string is one
	for len(p.list) < maxParts {
		t, err := d.Token()
		if err != nil {
			return true // the end
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				if open = append(open, t == '{'); deep+len(open) > maxNested {
					p.whole = false
					return true
				}
			} else {
				open = open[:len(open)-1]
			}
			isKey = len(open) > 0 && open[len(open)-1]
			continue
		case string:
			if isKey {
				isKey = false
				continue
			}
			if deep+len(open) >= maxNested || !p.values([]byte(t), deep+len(open)) {
				p.add(OfData, t, "")
			}
		case json.Number:
			p.add(OfData, string(t), "")
		}
		isKey = len(open) > 0 && open[len(open)-1]
	}
	p.whole = false
	return true
}

// Searchable returns the texts of the message that a phrase may occur in, each with what it is of:
// its text elements, those that follow each other as one, with spaces between them and without; and
// every other part but OfKind. whole is that of Parts.
func (m Message) Searchable() (texts []Part, whole bool) {
	parts, whole := m.Parts()
	for i := 0; i < len(parts); i++ {
		if parts[i].Of == OfKind {
			continue
		}
		end := i + 1
		for parts[i].Of == OfText && end < len(parts) && parts[end].Of == OfText {
			end++
		}
		texts = append(texts, parts[i])
		if end > i+1 {
			run := make([]string, 0, end-i)
			for _, p := range parts[i:end] {
				run = append(run, p.Text)
			}
			texts[len(texts)-1].Text = strings.Join(run, " ")
			texts = append(texts, Part{Of: OfText, Text: strings.Join(run, "")})
			i = end - 1
		}
	}
	slices.SortStableFunc(texts, func(a, b Part) int { // what was found in the text needs no mark
		switch aText, bText := a.Of == OfText, b.Of == OfText; {
		case aText == bText:
			return 0
		case aText:
			return -1
		}
		return 1
	})
	return texts, whole
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
