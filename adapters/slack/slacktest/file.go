package slacktest

// This file serves the upload of files in Slack's three steps: a method gives an upload URL, the
// content is sent there, and a second method shares the file in a channel. Each step checks that
// the one before it was done.

import (
	"bytes"
	"cmp"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// File is an uploaded file that was shared.
type File struct {
	ID       string
	Name     string
	Title    string
	Content  []byte
	Channel  string
	ThreadTS string // of the thread it was shared in; empty: in the channel itself
	TS       string // of the message that shares it
}

type file struct {
	File
	length   int
	uploaded bool
	done     bool
	key      string // of the upload URL
	at       time.Time
}

// Files returns the files shared in a channel, in order: those in the thread of
// the message threadTS, or all of them when threadTS is empty.
func (w *Workspace) Files(channel, threadTS string) []File {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []File
	for _, f := range w.files {
		if f.done && f.Channel == channel && (threadTS == "" || f.ThreadTS == threadTS) {
			s := f.File
			s.Content = bytes.Clone(f.Content)
			list = append(list, s)
		}
	}
	return list
}

func getUploadURL(c *call) (map[string]any, *refusal) {
	w := c.w
	name := c.str("filename")
	n, err := strconv.Atoi(c.str("length"))
	if name == "" || err != nil || n <= 0 {
		return nil, refuse("invalid_arguments")
	}
	f := &file{File: File{ID: w.id("F"), Name: name}, length: n, at: w.now()}
	f.key = f.ID + "-" + strconv.FormatInt(f.at.UnixNano(), 36)
	w.files = append(w.files, f)
	base := "https://" + cmp.Or(w.UploadHost, "files.slack.com")
	if w.hosts[c.r.Host] {
		base = "http://" + c.r.Host
	}
	return map[string]any{"upload_url": base + "/upload/v1/" + f.key, "file_id": f.ID}, nil
}

// serveUpload receives the content of a file, as the body or as the first file of a form.
func (w *Workspace) serveUpload(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	entry, fault := w.arrive("upload", "", len(body))
	if !fault.before(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	status, text := w.upload(r, body)
	if !fault.after(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	if status == http.StatusOK {
		w.finish(entry, status, "")
	} else {
		w.finish(entry, status, text)
	}
	http.Error(rw, text, status)
}

func (w *Workspace) upload(r *http.Request, body []byte) (status int, text string) {
	content := body
	if kind, values, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		// Go's reader ignores what follows the end of a form, and others refuse it or keep it.
		if end := []byte("--" + values["boundary"] + "--"); bytes.Count(body, end) != 1 {
			return http.StatusBadRequest, "the form does not end once"
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		part, err := r.MultipartReader()
		if err != nil {
			return http.StatusBadRequest, "bad form"
		}
		content = nil
		for p, err := part.NextPart(); err == nil; p, err = part.NextPart() {
			if p.FileName() == "" {
				continue
			}
			if content, err = io.ReadAll(p); err != nil {
				return http.StatusBadRequest, "bad form"
			}
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.files, func(f *file) bool { return f.key == strings.TrimPrefix(r.URL.Path, "/upload/v1/") })
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "method not allowed"
	case i < 0 || w.files[i].done:
		return http.StatusNotFound, "no such upload"
	case len(content) != w.files[i].length:
		return http.StatusBadRequest, "length differs from what was announced"
	}
	w.files[i].Content, w.files[i].uploaded = content, true
	return http.StatusOK, "OK - " + strconv.Itoa(len(content))
}

func completeUpload(c *call) (map[string]any, *refusal) {
	w := c.w
	v, _, ok := c.value("files")
	list, isList := v.([]any)
	if !ok || !isList || len(list) == 0 {
		return nil, refuse("invalid_arguments")
	}
	var files []*file
	titles := []string{}
	for _, e := range list {
		m, _ := e.(map[string]any)
		i := slices.IndexFunc(w.files, func(f *file) bool { return f.ID == str(m, "id") })
		if i < 0 || !w.files[i].uploaded || w.files[i].done {
			return nil, refuse("file_not_found")
		}
		files = append(files, w.files[i])
		titles = append(titles, str(m, "title"))
	}
	var ch *channel
	thread := ""
	if id := c.str("channel_id"); id != "" {
		ch = w.channels[id]
		switch {
		case ch == nil || (ch.Private || ch.IM) && !ch.BotIn:
			return nil, refuse("channel_not_found")
		case ch.Archived:
			return nil, refuse("is_archived")
		case !ch.BotIn:
			return nil, refuse("not_in_channel") // chat:write.public does not cover files
		}
		if no := ch.restricted(c.str("thread_ts")); no != nil {
			return nil, no
		}
		if thread = c.str("thread_ts"); thread != "" {
			var no *refusal
			if thread, no = ch.thread(thread, c.method, w); no != nil {
				return nil, no
			}
		}
	}
	var blocks []any
	if c.has("blocks") && c.str("initial_comment") == "" {
		v, size, ok := c.value("blocks")
		list, isList := v.([]any)
		if !ok || !isList {
			return nil, refuse("invalid_blocks_format")
		}
		var no *refusal
		if blocks, no = w.checkBlocks(list, size); no != nil {
			return nil, no
		}
	}
	answer := []any{}
	for i, f := range files {
		f.done = true
		if f.Title = titles[i]; f.Title == "" {
			f.Title = f.Name
		}
		answer = append(answer, map[string]any{"id": f.ID, "title": f.Title})
	}
	if ch != nil {
		m := &message{Message: Message{User: w.BotUserID, ThreadTS: thread, Text: c.str("initial_comment"),
			Subtype: "file_share"}, blocks: blocks}
		for _, f := range files {
			m.Files = append(m.Files, f.File)
		}
		w.post(ch, m)
		for i, f := range files {
			f.Channel, f.ThreadTS, f.TS = ch.ID, thread, m.TS
			m.Files[i] = f.File
		}
	}
	return map[string]any{"files": answer}, nil
}
