package recall

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Defaults of [Config], and bounds of the client.
const (
	DefaultAdmin          UserID = "administrator"
	DefaultTimeout               = 8 * time.Second // the service itself gives up after 3 s
	DefaultCallsPerSecond        = 200             // of the recall page
	DefaultReadsPerSecond        = 100
	DefaultGuard                 = 20 * time.Millisecond

	// MaxAnswerBytes is the longest answer that is read. The service's own
	// limit is 1 MB (CodeAnswerTooLarge).
	MaxAnswerBytes = 2 << 20

	// SlowFor is for how long a pacer is halved after CodeTooFrequent and its like.
	SlowFor = time.Second

	// listsPerSecond is the quota of get_appid_group_list.
	// Source: https://www.tencentcloud.com/document/product/1047/34960.
	listsPerSecond = 1

	maxInfoBytes = 512
)

// Config is what a [Client] needs. SDKAppID, one of SecretKey and UserSig,
// and one of Region and BaseURL are required.
type Config struct {
	SDKAppID SDKAppID
	Admin    UserID // an app admin account; default "administrator"

	SecretKey string // signs UserSigs; wins over UserSig
	UserSig   string // a ready-made UserSig of Admin, for those who do not hand out the key

	Region  Region // where the app lives, or
	BaseURL string // scheme and host alone, for a proxy or a test; wins over Region

	Timeout time.Duration // of one call, from when it is sent; default 8 s; should be over the service's own 3 s

	CallsPerSecond int           // quota of recall calls; default 200
	ReadsPerSecond int           // quota of all other calls together; default 100
	Guard          time.Duration // added to the one-second window of recall calls; default 20 ms, negative for none

	// HTTPClient is used with redirects switched off; nil for one of the
	// client's own: HTTP/1.1, TLS 1.2 at least, and as many idle connections
	// as the pace needs. A RoundTripper that does not call the hooks of
	// net/http/httptrace makes every failed call one that may have been sent.
	HTTPClient *http.Client
}

// Format keeps the secrets out of every way of printing.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "recall.Config{app %d, admin %q, region %q}", c.SDKAppID, c.Admin, c.Region)
}

// MarshalJSON keeps the secrets out of logs that print JSON.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// A Client calls the Chat REST API for one app. It is safe for concurrent
// use, and holds nothing that needs closing.
type Client struct {
	http    *http.Client
	base    string // scheme, host and version
	query   string // the part of the query that never changes
	timeout time.Duration
	signer  *signer
	recalls *Pacer
	reads   *Pacer
	lists   *Pacer // of get_appid_group_list
	asides  *Pacer // of the reads those with Turn.Aside, before they wait for reads as all others
}

// New returns a Client. It calls nobody: whether the app, the key and the
// region are right, the first call tells.
func New(c Config) (*Client, error) {
	if c.SDKAppID == 0 {
		return nil, errors.New("configure recall client: no SDKAppID")
	}
	base, err := c.base()
	if err != nil {
		return nil, fmt.Errorf("configure recall client: %w", err)
	}
	admin := cmp.Or(c.Admin, DefaultAdmin)
	if err := printable("admin account", string(admin)); err != nil {
		return nil, fmt.Errorf("configure recall client: %w", err)
	}
	switch {
	case c.SecretKey != "":
	case c.UserSig == "":
		return nil, errors.New("configure recall client: neither a secret key nor a UserSig")
	default:
		u, err := ParseUserSig(c.UserSig)
		if err != nil {
			return nil, fmt.Errorf("configure recall client: %w", err)
		}
		if u.SDKAppID != c.SDKAppID || u.User != admin {
			return nil, fmt.Errorf("configure recall client: the UserSig is of %q for app %d, not of %q for app %d",
				u.User, u.SDKAppID, admin, c.SDKAppID)
		}
	}
	if c.Timeout < 0 || c.CallsPerSecond < 0 || c.ReadsPerSecond < 0 {
		return nil, errors.New("configure recall client: a timeout or a number of calls is negative")
	}
	calls := cmp.Or(c.CallsPerSecond, DefaultCallsPerSecond)
	reads := cmp.Or(c.ReadsPerSecond, DefaultReadsPerSecond)
	timeout := cmp.Or(c.Timeout, DefaultTimeout)
	var client http.Client
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	} else {
		client.Transport = newTransport()
	}
	// A redirect could lead to another region, and would be a call without a slot.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http: &client,
		base: base + "/v4/",
		query: "?sdkappid=" + strconv.FormatUint(uint64(c.SDKAppID), 10) + "&identifier=" +
			url.QueryEscape(string(admin)) + "&contenttype=json",
		timeout: timeout,
		signer:  newSigner(c.SDKAppID, admin, c.SecretKey, c.UserSig),
		recalls: NewPacer(calls, cmp.Or(c.Guard, DefaultGuard)),
		reads:   NewPacer(reads, 0),
		lists:   NewPacer(listsPerSecond, DefaultGuard),
		asides:  NewPacer(reads/5, 0),
	}, nil
}

func (c Config) base() (string, error) {
	if c.BaseURL == "" {
		if c.Region == "" {
			return "", errors.New("neither a region nor a base URL")
		}
		domain, ok := c.Region.Domain()
		if !ok {
			return "", fmt.Errorf("unknown region %q: one of %v", c.Region, Regions())
		}
		return "https://" + domain, nil
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return "", errors.New("the base URL cannot be parsed") // the error would quote it
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", errors.New("the base URL needs https:// (or http://) and a host")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("the base URL has more than scheme and host")
	}
	return u.Scheme + "://" + u.Host, nil
}

func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		Protocols:           protocols,
		// 200 calls a second at 0.5 s, with room; the default of 2 would dial for nearly every call
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     55 * time.Second,
		DisableCompression:  true,
	}
}

// A call is one command on its way through the client.
type call struct {
	service string // "": group_open_http_svc
	op      string
	pacer   *Pacer
	before  func() error
	request any
}

// call sends the command once; once more when the service says that the
// UserSig has expired and there is a key to sign a new one with.
func (c *Client) call(ctx context.Context, l call) (answer, error) {
	body, err := json.Marshal(l.request)
	if err != nil {
		return answer{}, &Fault{Op: l.op, Kind: FaultNotSent, Err: err}
	}
	a, sig, err := c.attempt(ctx, l, body)
	if e, ok := errors.AsType[*Error](err); ok && e.Code.Class() == ClassSignAgain && c.signer.forget(sig) {
		a, _, err = c.attempt(ctx, l, body)
	}
	return a, err
}

// attempt waits for a slot, sends the command once and reads the answer. It
// returns the UserSig that was used.
func (c *Client) attempt(ctx context.Context, l call, body []byte) (a answer, sig string, err error) {
	fault := func(kind FaultKind, err error) (answer, string, error) {
		return answer{}, sig, &Fault{Op: l.op, Kind: kind, Err: err}
	}
	if turnOf(ctx).Aside && l.pacer == c.reads {
		if err := c.asides.Wait(ctx); err != nil {
			return fault(FaultNotSent, err)
		}
	}
	slot, err := l.pacer.Admit(ctx)
	if err != nil {
		return fault(FaultNotSent, err)
	}
	defer slot.Release() // does nothing once the request was written
	if sig, err = c.signer.sign(); err != nil {
		return fault(FaultNotSent, err)
	}
	if l.before != nil {
		if err := l.before(); err != nil {
			return fault(FaultNotSent, &refusal{err})
		}
	}
	if err := ctx.Err(); err != nil {
		return fault(FaultNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var f flight
	ctx = httptrace.WithClientTrace(ctx, f.trace(slot))
	address := c.base + cmp.Or(l.service, "group_open_http_svc") + "/" + l.op
	address += c.query + "&usersig=" + sig + "&random=" + strconv.FormatUint(uint64(rand.Uint32()), 10)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		// unreachable: New parsed the base; the error would quote it
		return fault(FaultNotSent, errors.New("the address cannot be parsed"))
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if !f.wrote.Load() && !f.neverLeft(err) {
		slot.Sent() // by a transport without hooks, or cut short: counted as late as it can have been
	}
	if err != nil {
		kind := FaultNoAnswer
		if f.neverLeft(err) {
			kind = FaultNotSent
		}
		return fault(kind, c.cause(err, sig))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
		return answer{}, sig, &Fault{Op: l.op, Kind: FaultNoAnswer, Status: response.StatusCode,
			Err: fmt.Errorf("HTTP status %d", response.StatusCode)}
	}
	raw, err := readAnswer(response)
	if err != nil {
		kind := FaultNoAnswer
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errTooLong) {
			kind = FaultUnreadable
		}
		return fault(kind, c.cause(err, sig))
	}
	a, err = c.read(l, raw, sig)
	return a, sig, err
}

// read decodes an answer and judges its envelope. With an *Error the answer
// is returned too.
func (c *Client) read(l call, raw []byte, sig string) (answer, error) {
	unreadable := func(why string) (answer, error) {
		return answer{}, &Fault{Op: l.op, Kind: FaultUnreadable, Err: errors.New(why)}
	}
	var a answer
	if json.Unmarshal(raw, &a) != nil {
		return unreadable(fmt.Sprintf("%d bytes that are not an answer of the API", len(raw)))
	}
	if repeats(raw, false) {
		return unreadable("the answer contradicts itself: it has a field twice")
	}
	code, ok := a.ErrorCode.asCode()
	switch {
	case !ok:
		return unreadable("the answer has no ErrorCode")
	case code != CodeOK:
		if code.Class() == ClassSlower {
			l.pacer.Slow(SlowFor)
		}
		return a, c.apiError(l.op, code, a.ErrorInfo, a.RequestId, sig)
	case a.ActionStatus != "" && a.ActionStatus != "OK":
		return unreadable("the answer contradicts itself: ErrorCode 0, and ActionStatus is not OK")
	}
	return a, nil
}

func (c *Client) apiError(op string, code Code, info, request text, sig string) *Error {
	return &Error{Op: op, Code: code, Info: cut(c.signer.withhold(string(info), sig), maxInfoBytes),
		RequestID: requestID(request)}
}

// requestID bounds what goes into log lines.
func requestID(t text) string { return cut(printableOnly(string(t)), 128) }

// cut shortens s to at most n bytes, at a rune's border.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func printableOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, s)
}

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", MaxAnswerBytes)

// readAnswer reads a body of at most MaxAnswerBytes, whatever its headers say.
func readAnswer(response *http.Response) ([]byte, error) {
	size := response.ContentLength
	if size > MaxAnswerBytes {
		return nil, errTooLong
	}
	var b bytes.Buffer
	b.Grow(int(max(size, 0)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(response.Body, MaxAnswerBytes+1)); err != nil {
		return nil, err
	}
	if b.Len() > MaxAnswerBytes {
		return nil, errTooLong
	}
	return b.Bytes(), nil
}

// cause takes the address out of a transport's error, and what it quotes of the answer.
func (c *Client) cause(err error, sig string) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	words := err.Error()
	if strings.Contains(words, "malformed ") || strings.Contains(words, `"`) {
		return errors.New("the answer is not HTTP (the transport's words are withheld: they quote it)")
	}
	if c.signer.withhold(words, sig) == words && !strings.Contains(words, "usersig=") {
		return err
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("the transport failed (its words are withheld: they held the address)")
}

// flight is what the transport's hooks tell of one request. They run on
// goroutines of the transport, possibly after Do has returned.
type flight struct {
	asked     atomic.Bool // the transport looked for a connection: so it calls hooks
	connected atomic.Bool // it had one: from here on bytes may leave
	wrote     atomic.Bool
}

func (f *flight) trace(slot *Slot) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { f.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { f.connected.Store(true) },
		WroteHeaders: func() {
			f.wrote.Store(true)
			slot.Sent()
		},
	}
}

// neverLeft reports whether it is certain that no byte of the request left.
func (f *flight) neverLeft(err error) bool {
	return err != nil && f.asked.Load() && !f.connected.Load()
}
