package recalltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	codeTooFrequent = 60007
	working         = -1
)

// Each command belongs to one service.
const (
	groupService   = "/v4/group_open_http_svc/"
	profileService = "/v4/profile/"
)

// ServeHTTP answers one call of the API, with status 200 whatever the code.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	transit := s.jittered(s.options.Transit, s.options.TransitJitter)
	s.mu.Unlock()
	if !s.pause(transit) {
		panic(http.ErrAbortHandler)
	}

	call, fields, faults, reply := s.arrive(r, body)
	if reply != nil {
		s.answer(w, call, faults, reply)
		return
	}

	s.mu.Lock()
	latency := s.jittered(s.options.Latency, s.options.LatencyJitter)
	s.mu.Unlock()
	if f, ok := faults.get(faultDelay); ok {
		latency += f.d
	}
	if !s.pause(latency) {
		panic(http.ErrAbortHandler)
	}
	if f, ok := faults.get(faultActsLate); ok {
		select {
		case <-r.Context().Done():
		case <-s.done.Done():
			panic(http.ErrAbortHandler)
		}
		if s.pause(f.d) {
			s.work(call, fields, faults)
		}
		panic(http.ErrAbortHandler)
	}
	if faults.has(faultResetBefore) {
		panic(http.ErrAbortHandler)
	}
	if f, ok := faults.get(faultStatusBefore); ok {
		if f.code == 0 {
			page(w, f.status)
		} else {
			w.Header().Set("Location", "https://adminapisgp.im.qcloud.com"+r.URL.RequestURI())
			w.WriteHeader(f.status)
			io.WriteString(w, `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`)
		}
		return
	}
	if f, ok := faults.get(faultAnswer); ok && f.status == 0 {
		s.answer(w, call, faults, fail(f.code, "%s", f.info))
		return
	}
	reply = s.work(call, fields, faults)
	if f, ok := faults.get(faultAnswer); ok {
		reply = fail(f.code, "%s", f.info)
	}
	switch {
	case faults.has(faultResetAfter):
		panic(http.ErrAbortHandler)
	case faults.has(faultStatusAfter):
		page(w, http.StatusBadGateway)
		return
	case faults.has(faultHTML):
		page(w, http.StatusOK)
		return
	case faults.has(faultAnswerLost):
		select {
		case <-r.Context().Done():
		case <-s.done.Done():
		}
		panic(http.ErrAbortHandler)
	}
	s.answer(w, call, faults, reply)
}

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w,
		"<html>\r\n<head><title>%d %s</title></head>\r\n<body><center><h1>%d</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n", status, http.StatusText(status), status)
}

// A reply is an answer on its way: its list is apart, for the faults.
type reply struct {
	code     int
	info     string
	fields   map[string]any
	recalled []retCode // of a recall, or
	listName string
	list     []map[string]any
}

type retCode struct {
	MsgSeq  Seq
	RetCode int
	Second  *int           `json:"retCode,omitempty"`
	Extra   map[string]any `json:",omitempty"`
}

func fail(code int, format string, args ...any) *reply {
	return &reply{code: code, info: fmt.Sprintf(format, args...)}
}

// answer writes a reply, as the faults would have it.
func (s *Service) answer(w http.ResponseWriter, call int, faults strikes, r *reply) {
	if call >= 0 {
		s.mu.Lock()
		s.calls[call].Code = r.code
		s.mu.Unlock()
	}
	if f, ok := faults.get(faultMissing); ok && len(r.recalled) > 0 {
		if len(f.seqs) == 0 {
			r.recalled = r.recalled[:len(r.recalled)-1]
		}
		r.recalled = slices.DeleteFunc(r.recalled, func(c retCode) bool { return slices.Contains(f.seqs, c.MsgSeq) })
	}
	if faults.has(faultReordered) {
		slices.Reverse(r.recalled)
		slices.Reverse(r.list)
	}
	if faults.has(faultTwice) {
		r.recalled = append(r.recalled, r.recalled...)
	}
	if f, ok := faults.get(faultTwoCodes); ok {
		for i := range r.recalled {
			r.recalled[i].Second = &f.code
		}
	}
	if faults.has(faultExtraFields) {
		extra := map[string]any{"nested": []int{1, 2}}
		for i := range r.recalled {
			r.recalled[i].Extra = extra
		}
		for _, e := range r.list {
			e["Extra"] = extra
		}
	}
	out := map[string]any{"ActionStatus": "OK", "ErrorInfo": r.info, "ErrorCode": r.code}
	if r.code != 0 {
		out["ActionStatus"] = "FAIL"
	}
	for k, v := range r.fields {
		out[k] = v
	}
	switch {
	case faults.has(faultNoList):
	case r.recalled != nil:
		out["RecallRetList"] = r.recalled
	case r.listName != "":
		if r.list == nil {
			r.list = []map[string]any{}
		}
		out[r.listName] = r.list
	}
	if faults.has(faultNoErrorInfo) {
		delete(out, "ErrorInfo")
	}
	if faults.has(faultExtraFields) {
		out["RequestId"] = "Id-1a2b3c-" + strconv.Itoa(call)
		out["ErrorDisplay"] = ""
		out["Results"] = []any{}
	}
	b := raw(out)
	if len(b) > 1<<20 {
		b = raw(map[string]any{"ActionStatus": "FAIL", "ErrorInfo": "response too large", "ErrorCode": 10018})
	}
	// No Content-Type that says JSON: the documentation's sample has none.
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	switch {
	case faults.has(faultTruncated):
		w.Write(b[:len(b)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	case faults.has(faultCutJSON):
		w.Header().Set("Content-Length", strconv.Itoa(len(b)/2))
		w.Write(b[:len(b)/2])
	default:
		w.Write(b)
	}
}

// arrive checks what comes before any command: the address, the UserSig, the
// quota, the JSON. It logs the call, and returns its place in the log (-1 for
// what is no call of a command), the faults that it meets and, when the call
// goes no further, the reply.
func (s *Service) arrive(r *http.Request, body []byte) (call int, fields map[string]json.RawMessage, faults strikes,
	no *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	command, isService := strings.CutPrefix(r.URL.Path, groupService)
	commands := []string{Recall, History, Info, Notify, Groups, Joined}
	if !isService {
		command, isService = strings.CutPrefix(r.URL.Path, profileService)
		commands = []string{Portrait}
	}
	if r.Method != http.MethodPost || !isService {
		return -1, nil, nil, fail(60009, "wrong resource")
	}
	if !slices.Contains(commands, command) {
		return -1, nil, nil, fail(10003, "unknown command")
	}
	if s.options.Domain != "" && r.Host != s.options.Domain {
		return -1, nil, nil, fail(60026, "the domain is not that of the app's region")
	}
	q := r.URL.Query()
	if no := s.checkQuery(q, now); no != nil {
		return -1, nil, nil, no
	}
	over := s.overQuota(command, now)
	c := Call{Command: command, At: now, Code: working}
	fields, ok := object(body)
	if ok {
		c.Group, _ = str(fields["GroupId"])
		c.Topic, _ = str(fields["TopicId"])
		c.Seqs, _ = seqList(fields["MsgSeqList"])
	}
	if over {
		c.Code = codeTooFrequent
	}
	s.calls = append(s.calls, c)
	call = len(s.calls) - 1
	faults = s.meet(command, false)
	switch {
	case over:
		return call, nil, nil, fail(codeTooFrequent, "calls too frequent")
	case !ok:
		return call, fields, faults, fail(60003, "the request's JSON cannot be parsed")
	}
	return call, fields, faults, nil
}

func (s *Service) checkQuery(q url.Values, now time.Time) *reply {
	for _, v := range q {
		if len(v) != 1 {
			return fail(60025, "a parameter comes twice")
		}
	}
	app := q.Get("sdkappid")
	if app == "" {
		return fail(60012, "no sdkappid")
	}
	if n, err := strconv.ParseUint(app, 10, 32); err != nil || strconv.FormatUint(n, 10) != app {
		return fail(60025, "sdkappid is wrong")
	}
	if _, err := strconv.ParseUint(q.Get("random"), 10, 32); err != nil {
		return fail(60025, "random is not an unsigned number of 32 bits")
	}
	if q.Get("contenttype") != "json" || q.Get("identifier") == "" || q.Get("usersig") == "" {
		return fail(60025, "identifier, usersig or contenttype is wrong")
	}
	if app != strconv.FormatUint(uint64(s.options.SDKAppID), 10) {
		return fail(70020, "unknown sdkappid")
	}
	if code := s.checkUserSig(q.Get("usersig"), q.Get("identifier"), now); code != 0 {
		return fail(code, "the signature was refused")
	}
	if !slices.Contains(s.options.Admins, q.Get("identifier")) {
		return fail(60010, "the identifier is not an app admin")
	}
	return nil
}

// work does what a call asks for.
func (s *Service) work(call int, fields map[string]json.RawMessage, faults strikes) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.calls[call]
	var r *reply
	switch c.Command {
	case Recall:
		r = s.recall(fields, faults, c)
	case History:
		r = s.history(fields)
	case Info:
		r = s.info(fields)
	case Groups:
		r = s.list(fields)
	case Joined:
		r = s.joined(fields)
	case Portrait:
		r = s.portrait(fields)
	default:
		r = s.notify(fields)
	}
	c.Code = r.code
	c.Acted = r.code == 0
	return r
}

// conversationOf reads GroupId and TopicId, and finds what they name.
func (s *Service) conversationOf(fields map[string]json.RawMessage) (g *group, topic string, c *conversation,
	no *reply) {
	id, ok := str(fields["GroupId"])
	if !ok {
		return nil, "", nil, fail(10004, "GroupId is missing or no string")
	}
	if raw, has := fields["TopicId"]; has {
		if topic, ok = str(raw); !ok {
			return nil, "", nil, fail(10004, "TopicId is no string")
		}
	}
	if !validGroupID(id) {
		return nil, "", nil, fail(10015, "GroupId is invalid")
	}
	g, ok = s.groups[id]
	if !ok {
		return nil, "", nil, fail(10010, "the group does not exist")
	}
	if topic != "" && g.Type != "Community" {
		return nil, "", nil, fail(10004, "groups of this type have no topics")
	}
	c, ok = g.conversations[topic]
	if !ok {
		return nil, "", nil, fail(110013, "TopicId is invalid")
	}
	return g, topic, c, nil
}

func (s *Service) recall(fields map[string]json.RawMessage, faults strikes, call *Call) *reply {
	if no := only(fields, "GroupId", "TopicId", "MsgSeqList", "Reason"); no != nil {
		return no
	}
	seqs, ok := seqList(fields["MsgSeqList"])
	if !ok {
		return fail(10004, "MsgSeqList is not a list of objects with a MsgSeq from 1 to 4294967295")
	}
	if len(seqs) == 0 || len(seqs) > 10 {
		return fail(10004, "MsgSeqList has %d entries", len(seqs))
	}
	if raw, has := fields["Reason"]; has {
		if reason, ok := str(raw); !ok || len(reason) > 100 {
			return fail(10004, "Reason is no string or longer than 100 bytes")
		}
	}
	g, topic, c, no := s.conversationOf(fields)
	switch {
	case no != nil:
		return no
	case g.refuses != 0 && g.refuses != 10044:
		return fail(g.refuses, "calls of this group are refused")
	case s.options.RecallDisabled:
		return fail(10041, "the app does not support recalling group messages")
	case slices.Contains(s.options.NoRecallTypes, g.Type):
		return fail(10033, "groups of this type do not support recalls")
	}
	r := &reply{recalled: make([]retCode, 0, len(seqs))}
	call.Codes = map[Seq]int{}
	var done []Seq
	for _, seq := range seqs {
		code := s.recallOne(g, c, seq)
		if f, ok := faults.get(faultPerMessage); ok && (len(f.seqs) == 0 || slices.Contains(f.seqs, seq)) {
			code = f.code
		} else if m := c.message(seq); m != nil && (code == 0 || m.recalled) {
			if m.recalls++; m.recalls > 1 {
				s.twice = append(s.twice, Message{g.ID, topic, seq})
			}
			if !m.recalled {
				m.recalled = true
				done = append(done, seq)
			}
		}
		call.Codes[seq] = code
		r.recalled = append(r.recalled, retCode{MsgSeq: seq, RetCode: code})
	}
	s.afterRecall(g, topic, s.options.Admins[0], "RESTAPI", done)
	return r
}

// recallOne returns the code that recalling a message gets.
func (s *Service) recallOne(g *group, c *conversation, seq Seq) int {
	m := c.message(seq)
	switch {
	case m == nil:
		return 10030
	case m.recalled:
		return s.options.AlreadyRecalled
	case m.deleted || m.expired:
		return 10030
	case !stores(g.Type):
		if s.options.AVChatRoomWithin >= 0 && time.Since(m.at) > s.options.AVChatRoomWithin {
			return 10031
		}
	case s.gone(m):
		return 10030
	}
	if m.unrecallable || m.system {
		return 10032
	}
	return 0
}

func (s *Service) history(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "GroupId", "TopicId", "ReqMsgNumber", "ReqMsgSeq", "WithRecalledMsg"); no != nil {
		return no
	}
	asked, ok := integer(fields["ReqMsgNumber"])
	if !ok || asked < 1 || asked > math.MaxUint32 {
		return fail(10004, "ReqMsgNumber is missing or no number from 1")
	}
	var top int64 // 0, as some clients send it, is the newest
	if raw, has := fields["ReqMsgSeq"]; has {
		if top, ok = integer(raw); !ok || top < 0 || top > math.MaxUint32 {
			return fail(10004, "ReqMsgSeq is not a number of 32 bits")
		}
	}
	var withRecalled int64
	if raw, has := fields["WithRecalledMsg"]; has {
		if withRecalled, ok = integer(raw); !ok || withRecalled < 0 || withRecalled > 1 {
			return fail(10004, "WithRecalledMsg is not 0 or 1")
		}
	}
	g, topic, c, no := s.conversationOf(fields)
	switch {
	case no != nil:
		return no
	case g.refuses != 0 && g.refuses != 10033:
		return fail(g.refuses, "calls of this group are refused")
	case !stores(g.Type):
		return fail(s.options.AVChatRoomHistory, "groups of this type have no history")
	}
	newest := int64(len(c.messages))
	if top == 0 || top > newest {
		top = newest
	}
	r := &reply{listName: "RspMsgList", fields: map[string]any{"GroupId": g.ID, "IsFinished": 1}}
	if topic != "" {
		r.fields["TopicId"] = topic
	}
	size, slots, allGone := 0, int64(0), true
	for ; top >= 1 && slots < asked; top-- {
		m := c.messages[top-1]
		said := m.said()
		gone := s.gone(m)
		hidden := m.recalled && withRecalled == 0 && !s.options.RecalledShown && !gone ||
			(m.recalled || gone) && s.options.PlaceholdersLeftOut || s.options.ExpiredAsNothing && s.expired(m)
		if hidden && !s.options.HiddenTakeSlots {
			continue
		}
		if len(r.list) == 20 || s.options.PageBytes > 0 && len(r.list) > 0 && size+len(said) > s.options.PageBytes {
			r.fields["IsFinished"] = 0
			if allGone {
				r.fields["IsFinished"] = 2
			}
			break
		}
		slots++
		if hidden {
			continue
		}
		size += len(said)
		allGone = allGone && gone
		r.list = append(r.list, s.entry(m, said))
	}
	return r
}

// addresses matches the address in each field of media that has one.
var addresses = regexp.MustCompile(`("(?:Url|URL|VideoUrl|ThumbUrl)"\s*:\s*"[^"?]*)(")`)

// entry is a message as the history tells it; said is its MsgBody.
func (s *Service) entry(m *message, said json.RawMessage) map[string]any {
	e := map[string]any{
		"From_Account": m.from, "IsPlaceMsg": 0, "MsgBody": said, "MsgPriority": m.priority,
		"MsgRandom": m.random, "MsgSeq": m.seq, "MsgTimeStamp": m.at.Unix(),
	}
	if m.system && !s.options.SystemWithoutFlag {
		e["IsSystemMsg"] = 1
	}
	if s.options.SignedAnew {
		s.signed++
		e["MsgBody"] = json.RawMessage(addresses.ReplaceAll(said, fmt.Appendf(nil, "$1?sign=%d$2", s.signed)))
	}
	if m.custom != "" && !s.options.CustomDataLeftOut {
		e["CloudCustomData"] = m.custom
	}
	switch {
	case s.gone(m):
		e["IsPlaceMsg"], e["MsgBody"] = 1, []any{}
	case m.recalled:
		e["IsPlaceMsg"] = 2
		if !s.options.RecalledBody {
			e["MsgBody"] = []any{}
		}
	}
	if e["IsPlaceMsg"] != 0 {
		if s.options.PlaceholdersWithoutTime {
			delete(e, "MsgTimeStamp")
		}
		if s.options.PlaceholdersWithoutSender {
			delete(e, "From_Account")
		}
	}
	return e
}

func (s *Service) info(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "GroupIdList", "ResponseFilter"); no != nil {
		return no
	}
	var ids []string
	if !list(fields["GroupIdList"], func(raw json.RawMessage) bool {
		id, ok := str(raw)
		ids = append(ids, id)
		return ok
	}) || len(ids) == 0 || len(ids) > 50 {
		return fail(10004, "GroupIdList is not a list of 1 to 50 strings")
	}
	var wanted []string
	if raw, has := fields["ResponseFilter"]; has {
		filter, ok := object(raw)
		if !ok {
			return fail(10004, "ResponseFilter is no object")
		}
		if no := only(filter, "GroupBaseInfoFilter", "MemberInfoFilter", "AppDefinedDataFilter_Group",
			"AppDefinedDataFilter_GroupMember"); no != nil {
			return no
		}
		if raw, has := filter["GroupBaseInfoFilter"]; has && !list(raw, func(raw json.RawMessage) bool {
			name, ok := str(raw)
			wanted = append(wanted, name)
			return ok && slices.Contains(baseInfo, name)
		}) {
			return fail(10004, "GroupBaseInfoFilter is not a list of field names")
		}
	}
	r := &reply{listName: "GroupInfo"}
	for _, id := range ids {
		e := map[string]any{"GroupId": id, "ErrorCode": 0, "ErrorInfo": ""}
		r.list = append(r.list, e)
		g, ok := s.groups[id]
		switch {
		case !validGroupID(id):
			e["ErrorCode"], e["ErrorInfo"] = 10015, "GroupId is invalid"
			continue
		case !ok:
			e["ErrorCode"], e["ErrorInfo"] = 10010, "the group does not exist"
			continue
		}
		for name, value := range s.baseInfo(g) {
			if wanted == nil || slices.Contains(wanted, name) {
				e[name] = value
			}
		}
		if wanted == nil && stores(g.Type) {
			members := []any{}
			for i := range g.Members {
				members = append(members, map[string]any{"Member_Account": fmt.Sprintf("member-%d", i),
					"Role": "Member", "JoinTime": 1700000000, "MsgSeq": 0, "MsgFlag": "AcceptAndNotify"})
			}
			e["MemberList"] = members
		}
	}
	return r
}

// list answers with a page of the ids of all groups, in the order of their ids. Next is a number of
// more than 32 bits, as in the documentation's sample, and means nothing to the caller.
// Source: https://www.tencentcloud.com/document/product/1047/34960.
func (s *Service) list(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "Limit", "Next", "GroupType"); no != nil {
		return no
	}
	limit, next := int64(10_000), int64(0)
	ok := true
	if raw, has := fields["Limit"]; has {
		limit, ok = integer(raw)
	}
	if !ok || limit < 1 || limit > 10_000 {
		return fail(10004, "Limit is not a number from 1 to 10000")
	}
	if raw, has := fields["Next"]; has {
		next, ok = integer(raw)
	}
	kind := ""
	if raw, has := fields["GroupType"]; has && ok {
		kind, ok = str(raw)
	}
	var ids []string
	for id, g := range s.groups {
		if kind == "" || g.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	const salt = 1 << 33
	at := max(next-salt, 0)
	if !ok || next != 0 && next <= salt || at > int64(len(ids)) {
		return fail(10004, "Next is not what an answer gave, or GroupType is no string")
	}
	r := &reply{listName: "GroupIdList", fields: map[string]any{"TotalCount": len(ids), "Next": 0}}
	for _, id := range ids[at:min(at+limit, int64(len(ids)))] {
		r.list = append(r.list, map[string]any{"GroupId": id})
	}
	if at+limit < int64(len(ids)) {
		r.fields["Next"] = salt + at + limit
	}
	return r
}

// joined answers with the groups that an account is a member of, in the order of their ids. Those
// of type AVChatRoom are there only WithHugeGroups.
// Source: https://www.tencentcloud.com/document/product/1047/34925.
func (s *Service) joined(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "Member_Account", "WithHugeGroups", "WithNoActiveGroups", "Limit", "Offset",
		"GroupType"); no != nil {
		return no
	}
	member, ok := str(fields["Member_Account"])
	if !ok || member == "" {
		return fail(10004, "Member_Account is missing or no string")
	}
	limit, offset, huge := int64(5000), int64(0), int64(0)
	for name, n := range map[string]*int64{"Limit": &limit, "Offset": &offset, "WithHugeGroups": &huge} {
		if raw, has := fields[name]; has {
			if *n, ok = integer(raw); !ok || *n < 0 {
				return fail(10004, "%s is no number", name)
			}
		}
	}
	if limit < 1 || limit > 5000 {
		return fail(10004, "Limit is not a number from 1 to 5000")
	}
	kind := ""
	if raw, has := fields["GroupType"]; has {
		if kind, ok = str(raw); !ok {
			return fail(10004, "GroupType is no string")
		}
	}
	var ids []string
	for id, g := range s.groups {
		if slices.Contains(g.Joined, member) && (kind == "" || g.Type == kind) &&
			(huge == 1 || g.Type != "AVChatRoom") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	r := &reply{listName: "GroupIdList", fields: map[string]any{"TotalCount": len(ids)}}
	at := min(offset, int64(len(ids)))
	for _, id := range ids[at:min(at+limit, int64(len(ids)))] {
		r.list = append(r.list, map[string]any{"GroupId": id})
	}
	return r
}

// portrait answers with what accounts call themselves. One that is not imported fails the whole
// call. Of one without a nickname there is no ProfileItem.
// Source: https://www.tencentcloud.com/document/product/1047/34917.
func (s *Service) portrait(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "To_Account", "TagList"); no != nil {
		return no
	}
	var accounts, tags []string
	for name, all := range map[string]*[]string{"To_Account": &accounts, "TagList": &tags} {
		ok := list(fields[name], func(raw json.RawMessage) bool {
			one, ok := str(raw)
			*all = append(*all, one)
			return ok && one != ""
		})
		if !ok || len(*all) == 0 {
			return fail(s.options.PortraitRefusal, "%s is missing or no list of strings", name)
		}
	}
	if len(accounts) > 100 {
		return fail(s.options.PortraitRefusal, "more than 100 accounts")
	}
	r := &reply{listName: "UserProfileItem"}
	for _, a := range accounts {
		nick, named := s.nicknames[a]
		if named && nick == nil {
			return fail(s.options.PortraitRefusal, "an account is not imported")
		}
		items := []map[string]any{}
		if nick != nil && slices.Contains(tags, "Tag_Profile_IM_Nick") {
			items = append(items, map[string]any{"Tag": "Tag_Profile_IM_Nick", "Value": *nick})
		}
		r.list = append(r.list, map[string]any{"To_Account": a, "ProfileItem": items, "ResultCode": 0,
			"ResultInfo": ""})
	}
	return r
}

// baseInfo names the fields that a GroupBaseInfoFilter can ask for.
var baseInfo = []string{
	"Type", "Name", "Introduction", "Notification", "FaceUrl", "Owner_Account", "CreateTime", "LastInfoTime",
	"LastMsgTime", "NextMsgSeq", "MemberNum", "MaxMemberNum", "ApplyJoinOption", "MuteAllMember", "ShutUpAllMember",
}

func (s *Service) baseInfo(g *group) map[string]any {
	messages := g.conversations[""].messages // the group's own: topics count for themselves
	last := int64(0)
	if n := len(messages); n > 0 {
		last = messages[n-1].at.Unix()
	}
	all := map[string]any{
		"Type": g.Type, "Name": g.Name, "Introduction": "", "Notification": "", "FaceUrl": "", "Owner_Account": g.Owner,
		"CreateTime": 1700000000, "LastInfoTime": 1700000000, "LastMsgTime": last, "NextMsgSeq": len(messages) + 1,
		"ApplyJoinOption": "FreeAccess", "MuteAllMember": "Off",
	}
	if stores(g.Type) {
		all["MemberNum"], all["MaxMemberNum"] = g.Members, g.MaxMembers
	}
	return all
}

func (s *Service) notify(fields map[string]json.RawMessage) *reply {
	if no := only(fields, "GroupId", "TopicId", "Content", "ToMembers_Account"); no != nil {
		return no
	}
	g, topic, _, no := s.conversationOf(fields)
	if no != nil {
		return no
	}
	content, ok := str(fields["Content"])
	switch {
	case !ok || content == "":
		return fail(10004, "Content is missing or no string")
	case len(content) > 12<<10:
		return fail(80002, "Content is too long")
	}
	var to []string
	if raw, has := fields["ToMembers_Account"]; has {
		if !list(raw, func(raw json.RawMessage) bool {
			id, ok := str(raw)
			to = append(to, id)
			return ok
		}) {
			return fail(60015, "ToMembers_Account is not a list of strings")
		}
		if !stores(g.Type) {
			return fail(10007, "only the whole group can be notified")
		}
	}
	s.notifications = append(s.notifications, Notification{g.ID, topic, content, to})
	return &reply{}
}

// object returns the fields of a JSON object, whose names are
// case-sensitive.
func object(body []byte) (map[string]json.RawMessage, bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' {
		return nil, false
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(body, &fields) == nil
}

func str(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

// integer reads a whole number: not one in quotes, and none with a fraction.
func integer(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// list calls do with each entry of a JSON list until it returns false.
func list(raw json.RawMessage, do func(json.RawMessage) bool) bool {
	var all []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return false
	}
	for _, one := range all {
		if !do(one) {
			return false
		}
	}
	return true
}

func seqList(raw json.RawMessage) ([]Seq, bool) {
	var seqs []Seq
	ok := list(raw, func(one json.RawMessage) bool {
		// As clients write it; anything else is looked at field by field.
		number, plain := bytes.CutPrefix(one, []byte(`{"MsgSeq":`))
		number = bytes.TrimSuffix(number, []byte("}"))
		if _, ok := integer(number); !plain || !ok {
			fields, ok := object(one)
			if !ok || len(fields) != 1 {
				return false
			}
			number = fields["MsgSeq"]
		}
		n, ok := integer(number)
		if !ok || n < 1 || n > math.MaxUint32 {
			return false
		}
		seqs = append(seqs, Seq(n))
		return true
	})
	return seqs, ok
}

// only refuses a field that the command does not know.
func only(fields map[string]json.RawMessage, known ...string) *reply {
	for name := range fields {
		if !slices.Contains(known, name) {
			return fail(10004, "unknown field %q", name)
		}
	}
	return nil
}
