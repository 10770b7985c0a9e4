package discordtest

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		body := object{"content": "c", "nonce": "n1", "enforce_nonce": true}
		first := post(t, g, trust, body)
		if again := post(t, g, trust, body); again.ID != first.ID || len(g.Messages(trust)) != 1 {
			t.Error("the same nonce made two messages")
		}
		if m := post(t, g, trust, object{"content": "c", "nonce": "n1"}); m.ID == first.ID {
			t.Error("a nonce that is not enforced was enforced")
		}
		time.Sleep(3*time.Minute + time.Second)
		if m := post(t, g, trust, body); m.ID == first.ID {
			t.Error("the nonce was remembered too long")
		}
	})
}

func TestEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		m := post(t, g, trust, object{"content": "c", "embeds": []any{embed(5)},
			"components": []any{row(button("b", "1"))}})
		path := "/channels/" + trust + "/messages/" + m.ID
		want(t, call(t, g, "PATCH", path, object{"content": "d"}), 200, 0)
		m, _ = g.Message(m.Ref())
		if m.Content != "d" || len(m.Buttons()) != 1 || !strings.Contains(string(m.Raw), "xxxxx") {
			t.Errorf("after an edit of the content: %s", m.Raw)
		}
		want(t, call(t, g, "PATCH", path, object{"content": "", "embeds": []any{}}), 400, 50006)
		v2 := []any{object{"type": 10, "content": "v2"}}
		want(t, call(t, g, "PATCH", path, object{"flags": 1 << 15, "components": v2}), 400, 50035)
		want(t, call(t, g, "PATCH", path, object{"flags": 1 << 15, "components": v2, "content": nil,
			"embeds": []any{}}), 200, 0)
		want(t, call(t, g, "PATCH", path, object{"flags": 0, "content": "back"}), 400, 50035)

		theirs := g.Say(mina, trust, "hello")
		want(t, call(t, g, "PATCH", "/channels/"+trust+"/messages/"+theirs.ID, object{"content": "x"}), 403, 50005)
		want(t, call(t, g, "DELETE", "/channels/"+trust+"/messages/"+theirs.ID, nil), 403, 50013)

		time.Sleep(time.Hour)
		for n := range 3 {
			a := call(t, g, "PATCH", path, object{"components": v2})
			if (a.code == 30046) != (n == 2) { // exactly one hour is not yet older
				t.Errorf("edit %d: %d (%d)", n, a.status, a.code)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(58 * time.Minute) // the edit that was taken is an hour old
		want(t, call(t, g, "PATCH", path, object{"components": v2}), 200, 0)
		want(t, call(t, g, "PATCH", path, object{"components": v2}), 429, 30046)
		want(t, call(t, g, "DELETE", path, nil), 204, 0)
		want(t, call(t, g, "GET", path, nil), 404, 10008)
		if l := g.Messages(trust); len(l) != 1 || l[0].Content != "hello" {
			t.Errorf("messages: %+v", l)
		}
	})
}

func TestGetMessages(t *testing.T) {
	g := newGuild(t)
	var ids []string
	for n := range 5 {
		ids = append(ids, post(t, g, trust, object{"content": fmt.Sprint(n)}).ID)
	}
	for query, texts := range map[string]string{"": "43210", "?limit=2": "43", "?before=" + ids[2]: "10",
		"?after=" + ids[2]: "43", "?limit=1&after=" + ids[1]: "2"} {
		a := call(t, g, "GET", "/channels/"+trust+"/messages"+query, nil)
		v, _ := decode(a.raw)
		got := ""
		for _, o := range objects(v.([]any)) {
			got += str(o, "content")
		}
		if got != texts {
			t.Errorf("%s: %s, want %s", query, got, texts)
		}
	}
	want(t, call(t, g, "GET", "/channels/"+trust+"/messages?limit=101", nil), 400, 50035)
}

func TestPermissions(t *testing.T) {
	g := newGuild(t)
	path := "/channels/" + trust + "/messages"
	m := post(t, g, trust, object{"content": "c"})
	reply := object{"content": "c", "message_reference": object{"message_id": m.ID}}
	want(t, call(t, g, "POST", path, reply), 200, 0)
	for _, tt := range []struct {
		denied int64
		body   object
		code   int64
	}{
		{SendMessages, object{"content": "c"}, 50013},
		{EmbedLinks, object{"embeds": []any{embed(1)}}, 50013},
		{ReadMessageHistory, reply, 160002},
		{ViewChannel, object{"content": "c"}, 50001},
	} {
		g.Deny(trust, tt.denied)
		want(t, call(t, g, "POST", path, tt.body), 403, tt.code)
		g.Allow(trust, tt.denied)
	}
	g.Deny(trust, ReadMessageHistory)
	want(t, call(t, g, "GET", path+"/"+m.ID, nil), 403, 50013)
	g.DeleteChannel(trust)
	want(t, call(t, g, "POST", path, object{"content": "c"}), 404, 10003)
}

func TestThreads(t *testing.T) {
	g := newGuild(t)
	m := post(t, g, trust, object{"content": "card"})
	path := "/channels/" + trust + "/messages/" + m.ID + "/threads"
	for _, bad := range []object{{}, {"name": ""}, {"name": text(101)}, {"name": "n", "auto_archive_duration": 99}} {
		want(t, call(t, g, "POST", path, bad), 400, 50035)
	}
	g.Deny(trust, CreatePublicThreads)
	want(t, call(t, g, "POST", path, object{"name": "n"}), 403, 50013)
	g.Allow(trust, CreatePublicThreads)
	a := call(t, g, "POST", path, object{"name": "R-1", "auto_archive_duration": 1440})
	if a.status != 201 || str(a.body, "id") != m.ID || integer(a.body, "type") != PublicThread {
		t.Fatalf("thread: %d %s", a.status, a.raw)
	}
	want(t, call(t, g, "POST", path, object{"name": "again"}), 400, 160004)
	line := post(t, g, m.ID, object{"content": "line"})
	want(t, call(t, g, "POST", "/channels/"+m.ID+"/messages/"+line.ID+"/threads", object{"name": "n"}), 400, 50024)
	if th := g.Threads(trust); len(th) != 1 || th[0].Name != "R-1" || th[0].Message != m.ID ||
		th[0].Archive != 24*time.Hour {
		t.Errorf("threads: %+v", th)
	}
	if got := len(g.Thread(m.ID)) + len(g.Thread(trust)); got != 2 {
		t.Errorf("%d messages, want the same one twice", got)
	}
	if card, _ := g.Message(m.Ref()); card.Thread != m.ID || card.Flags&flagHasThread == 0 {
		t.Errorf("card: %+v", card)
	}

	g.Archive(m.ID)
	want(t, call(t, g, "PATCH", "/channels/"+m.ID+"/messages/"+line.ID, object{"content": "x"}), 400, 50083)
	post(t, g, m.ID, object{"content": "brings it back"})
	if g.Threads(trust)[0].Archived {
		t.Error("still archived")
	}
	g.Lock(m.ID)
	want(t, call(t, g, "POST", "/channels/"+m.ID+"/messages", object{"content": "c"}), 400, 160005)
	g.Unlock(m.ID)
	g.Deny(trust, SendMessagesInThreads)
	want(t, call(t, g, "POST", "/channels/"+m.ID+"/messages", object{"content": "c"}), 403, 50013)
	g.Allow(trust, SendMessagesInThreads)
	g.Deny(trust, SendMessages) // has no effect in threads
	post(t, g, m.ID, object{"content": "c"})

	want(t, call(t, g, "PATCH", "/channels/"+m.ID, object{"name": "new", "archived": true}), 200, 0)
	want(t, call(t, g, "PATCH", "/channels/"+m.ID, object{"name": "newer"}), 400, 50083)
	want(t, call(t, g, "PATCH", "/channels/"+m.ID, object{"locked": true}), 403, 50013)
	want(t, call(t, g, "PATCH", "/channels/"+trust, object{"name": "x"}), 403, 50013)
	want(t, call(t, g, "POST", "/channels/"+trust+"/threads", object{"name": "private"}), 403, 50013)
	want(t, call(t, g, "POST", "/channels/"+trust+"/threads", object{"name": "own", "type": 11}), 201, 0)
}

func TestFiles(t *testing.T) {
	g := newGuild(t)
	send := func(payload string, files map[string]string) (answer, error) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		if payload != "" {
			w.WriteField("payload_json", payload)
		}
		for name, data := range files {
			part, _ := w.CreateFormFile(name, "results.csv")
			io.WriteString(part, data)
		}
		w.Close()
		req, _ := http.NewRequestWithContext(t.Context(), "POST",
			"https://discord.com/api/v9/channels/"+trust+"/messages", &b)
		req.Header.Set("Authorization", "Bot "+g.BotToken)
		req.Header.Set("Content-Type", w.FormDataContentType())
		resp, err := g.Client().Do(req)
		if err != nil {
			return answer{}, err
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		v, _ := decode(raw)
		o, _ := v.(object)
		return answer{status: resp.StatusCode, code: integer(o, "code"), raw: raw, body: o}, err
	}
	for _, tt := range []struct {
		payload string
		files   map[string]string
		status  int
		code    int64
	}{
		{`{"content":"c","attachments":[{"id":0,"filename":"seqs.csv","description":"all"}]}`,
			map[string]string{"files[0]": "seq\n1\n"}, 200, 0},
		{``, map[string]string{"files[0]": "x"}, 200, 0},
		{`{"content":"c"}`, map[string]string{"file": "x"}, 400, 50035},
		{`{"attachments":[{"id":1}]}`, map[string]string{"files[0]": "x"}, 400, 50035},
		{`{"content":"c"}`, map[string]string{"files[0]": text(10<<20 + 1)}, 413, 40005},
	} {
		a, err := send(tt.payload, tt.files)
		if err != nil {
			t.Fatal(err)
		}
		want(t, a, tt.status, tt.code)
	}
	f := g.Files(trust)
	if len(f) != 2 || f[0].Name != "seqs.csv" || f[0].Description != "all" || string(f[0].Data) != "seq\n1\n" {
		t.Errorf("files: %+v", f)
	}
	g.Deny(trust, AttachFiles)
	if a, _ := send("", map[string]string{"files[0]": "x"}); a.code != 50013 {
		t.Errorf("without permission: %s", a.raw)
	}
}

func TestNotified(t *testing.T) {
	all := "<@" + mina + "> <@&" + leads + "> <@&" + silent + "> @everyone `<@" + theo + ">`"
	for name, tt := range map[string]struct {
		allowed any
		flags   int
		power   bool
		want    string
	}{
		"default":        {nil, 0, false, "user mina, role leads, user theo"},
		"with power":     {nil, 0, true, "user mina, role leads, role silent, everyone everyone, user theo"},
		"nobody":         {object{"parse": []any{}}, 0, true, ""},
		"parse null":     {object{"parse": nil}, 0, false, "user mina, role leads, user theo"},
		"roles":          {object{"parse": []any{"roles"}}, 0, false, "role leads"},
		"one role":       {object{"parse": []any{}, "roles": []any{leads}}, 0, false, "role leads"},
		"one user":       {object{"users": []any{theo}}, 0, false, "user theo"},
		"not mentioned":  {object{"parse": []any{}, "users": []any{"9"}}, 0, false, ""},
		"silent message": {object{"users": []any{mina}}, 1 << 12, false, "user mina (silent)"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuild(t)
			if tt.power {
				g.Allow(trust, MentionEveryone)
			}
			body := object{"content": all, "flags": tt.flags, "embeds": []any{object{"title": "<@" + mina + ">"}}}
			if tt.allowed != nil {
				body["allowed_mentions"] = tt.allowed
			}
			m := post(t, g, trust, body)
			call(t, g, "PATCH", "/channels/"+trust+"/messages/"+m.ID, object{"content": all + " again"})
			var got []string
			for _, n := range g.Notified() {
				s := n.Kind + " " + n.Name
				if n.Silent {
					s += " (silent)"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("notified %s, want %s", s, tt.want)
			}
		})
	}
}

func TestReplyNotifies(t *testing.T) {
	g := newGuild(t)
	theirs := g.Say(mina, trust, "hello")
	reply := object{"content": "c", "message_reference": object{"message_id": theirs.ID}}
	post(t, g, trust, reply)
	reply["allowed_mentions"] = object{"parse": []any{}}
	post(t, g, trust, reply)
	if n := g.Notified(); len(n) != 1 || n[0].ID != mina {
		t.Errorf("notified: %+v", n)
	}
}

func TestAnswersNotifyUsersOnly(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	g.Command(mina, trust, "recall")
	b.reply(b.expect(0, "INTERACTION_CREATE"), object{"type": 4,
		"data": object{"content": "<@" + theo + "> <@&" + leads + ">"}})
	g.Command(mina, trust, "recall")
	b.reply(b.expect(0, "INTERACTION_CREATE"), object{"type": 4, "data": object{"content": "<@" + theo + ">",
		"flags": 64}})
	if n := g.Notified(); len(n) != 1 || n[0].Kind != "user" || n[0].ID != theo {
		t.Errorf("notified: %+v", n)
	}
}
