package recall

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Content returns what the message says in canonical form: equal for two readings of a message that
// nobody changed, however the service writes them, and different for messages of different content.
// Of JSON the strings are decoded and the keys sorted. Left out are the queries of the addresses of
// media, which the service may sign anew for each reading, and of CloudCustomData what other
// members add to a message: their reactions, and the list of the replies to it. Sender and time are
// not part of it. It is not meant to be read.
func (m Message) Content() []byte {
	body := canonical(m.RawBody, func(v any) any {
		elements, _ := v.([]any)
		for _, e := range elements {
			if e, ok := e.(map[string]any); ok {
				unsigned(e)
			}
		}
		return v
	})
	custom := canonical([]byte(m.CloudCustomData), func(v any) any {
		if c, ok := v.(map[string]any); ok {
			delete(c, "messageReact")
			delete(c, "messageReaction")
			delete(c, "messageReplies")
			if len(c) == 0 {
				return nil // as where there was none before
			}
		}
		return v
	})
	return slices.Concat([]byte(strconv.Itoa(len(body))+" "), body, custom)
}

// canonical returns JSON with its strings decoded, its keys sorted and no white space, after change
// has changed what is in it. Of what is no JSON, or says two things, it returns a line break and
// the bytes as they are.
func canonical(raw []byte, change func(any) any) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if len(raw) == 0 {
		v = nil
	} else if !json.Valid(raw) || d.Decode(&v) != nil || repeats(raw, true) {
		return append([]byte("\n"), raw...)
	}
	if v = change(v); v == nil {
		return nil
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return append([]byte("\n"), raw...) // unreachable: it was decoded from JSON
	}
	return sorted
}

// unsigned cuts the query off each address in an element that is media.
func unsigned(element map[string]any) {
	content, _ := element["MsgContent"].(map[string]any)
	switch element["MsgType"] {
	case "TIMImageElem":
		images, _ := content["ImageInfoArray"].([]any)
		for _, i := range images {
			if i, ok := i.(map[string]any); ok {
				cutQueries(i)
			}
		}
	case "TIMSoundElem", "TIMFileElem", "TIMVideoFileElem":
		cutQueries(content)
	case "TIMRelayElem":
		messages, _ := content["MsgList"].([]any)
		for _, m := range messages {
			if m, ok := m.(map[string]any); ok {
				elements, _ := m["MsgBody"].([]any)
				for _, e := range elements {
					if e, ok := e.(map[string]any); ok {
						unsigned(e)
					}
				}
			}
		}
	}
}

// addresses are the fields of media that hold one.
var addresses = []string{"Url", "URL", "VideoUrl", "ThumbUrl"}

func cutQueries(fields map[string]any) {
	for _, name := range addresses {
		if address, ok := fields[name].(string); ok {
			fields[name], _, _ = strings.Cut(address, "?")
		}
	}
}
