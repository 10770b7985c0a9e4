// Package metrics exports figures for Prometheus: how many requests wait, how many messages are in
// doubt, what the Chat service answers, and when each platform was last heard of. No label holds a
// group, a user or a message.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/bot"
	"recallbot/recall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics collects the figures and serves them. The zero value cannot be used; New makes one.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	acks     *prometheus.HistogramVec
	ended    *prometheus.CounterVec
	settled  *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

// New returns empty metrics.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recallbot_chat_calls_total",
			Help: "Calls of the Chat service by command and code; fault is a call without an answer that could be read.",
		}, []string{"command", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recallbot_chat_call_seconds",
			Help:    "Time of a call of the Chat service, the wait for its slot included.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30},
		}, []string{"command"}),
		acks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "recallbot_acknowledgement_seconds", Help: "Time from an event's arrival to its acknowledgement.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 3},
		}, []string{"platform"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recallbot_requests_ended_total", Help: "Requests that have ended, by the state in which they did.",
		}, []string{"state"}),
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recallbot_messages_settled_total", Help: "Messages of approved requests, by their outcome.",
		}, []string{"outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "recallbot_request_seconds", Help: "Time from asking to a step of a request.",
			Buckets: []float64{.1, .5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600},
		}, []string{"step"}),
	}
	// An alert on an increase needs the series from the start.
	for _, s := range bot.States() {
		if !s.Open() {
			m.ended.WithLabelValues(string(s))
		}
	}
	for _, c := range bot.Classes() {
		m.settled.WithLabelValues(string(c))
	}
	m.registry.MustRegister(m.calls, m.latency, m.acks, m.ended, m.settled, m.took, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves GET /metrics. What cannot be collected is left out: the rest is told.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 5 * time.Second,
		ErrorHandling: promhttp.ContinueOnError}))
	return mux
}

// Built exports what the program was built from.
func (m *Metrics) Built(version, commit string, schema int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "recallbot_build_info",
		Help:        "1, with the version and the commit of the program and the schema of its ledger as labels.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "schema": strconv.FormatInt(schema, 10)},
	}, func() float64 { return 1 }))
}

// Step counts a step of a request.
func (m *Metrics) Step(s bot.Step) {
	switch r := s.Request; {
	case r.ID == "" || s.Refused(): // a person was refused something, which changed no request
	case s.Name == "sealed" || s.Name == "begun" || s.Name == "approved" && r.State == bot.Approved ||
		s.Name == "done":
		m.took.WithLabelValues(s.Name).Observe(s.At.Sub(r.Asked).Seconds())
	}
	if r := s.Request; r.ID != "" && s.Name == string(r.State) && !s.Refused() && !r.State.Open() {
		m.ended.WithLabelValues(string(r.State)).Inc()
		for class, n := range s.Counts {
			m.settled.WithLabelValues(string(class)).Add(float64(n))
		}
	}
}

// Door exports the requests that were refused because they were not signed, too large or too slow.
func (m *Metrics) Door(d *inbound.Door) { m.registry.MustRegister(door{d}) }

type door struct{ *inbound.Door }

var refused = prometheus.NewDesc("recallbot_http_refused_total",
	"HTTP requests that were refused, by the service they claim to be from and why.", []string{"from", "why"}, nil)

func (d door) Describe(out chan<- *prometheus.Desc) { out <- refused }

func (d door) Collect(out chan<- prometheus.Metric) {
	for kind, n := range d.Refused() {
		out <- prometheus.MustNewConstMetric(refused, prometheus.CounterValue, float64(n), kind.From, kind.Why)
	}
}

// Callbacks exports how many callbacks were taken, and dropped because they came faster than they
// could be stored.
func (m *Metrics) Callbacks(taken, dropped func() int64) {
	for fate, n := range map[string]func() int64{"taken": taken, "dropped": dropped} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "recallbot_callbacks_total",
			Help:        "Callbacks of the Chat service that are of use, by what became of them.",
			ConstLabels: prometheus.Labels{"fate": fate}}, func() float64 { return float64(n()) }))
	}
}

// Acked returns a function to which the adapter of a platform reports how long an acknowledgement
// took.
func (m *Metrics) Acked(p bot.Platform) func(time.Duration) {
	o := m.acks.WithLabelValues(string(p))
	return func(d time.Duration) { o.Observe(d.Seconds()) }
}

// Heard exports how long ago a platform was last heard of. last returns the zero time before the
// first frame, and while another replica holds the connection: then there is no such series, which
// an alert can ask for with absent().
func (m *Metrics) Heard(p bot.Platform, last func() time.Time) {
	m.registry.MustRegister(&heard{prometheus.NewDesc("recallbot_last_frame_age_seconds",
		"Time since a platform was last heard of; absent before that, and while another replica holds the connection.",
		nil, prometheus.Labels{"platform": string(p)}), last})
}

// heard is the age of a platform's last frame.
type heard struct {
	desc *prometheus.Desc
	last func() time.Time
}

func (h *heard) Describe(out chan<- *prometheus.Desc) { out <- h.desc }

func (h *heard) Collect(out chan<- prometheus.Metric) {
	if t := h.last(); !t.IsZero() {
		out <- prometheus.MustNewConstMetric(h.desc, prometheus.GaugeValue, time.Since(t).Seconds())
	}
}

// Watch makes each scrape read the bot's own figures from the ledger.
func (m *Metrics) Watch(b *bot.Bot) { m.registry.MustRegister(&state{b}) }

// state reads the stored figures.
type state struct{ b *bot.Bot }

var (
	open   = prometheus.NewDesc("recallbot_requests_open", "Open requests by state.", []string{"state"}, nil)
	oldest = prometheus.NewDesc("recallbot_oldest_open_seconds",
		"How long ago the oldest open request was asked for, by state; 0 where there is none.", []string{"state"}, nil)
	readable = prometheus.NewDesc("recallbot_ledger_readable",
		"1 while the ledger can be read; without it nothing is told of open requests.", nil, nil)
	doubt = prometheus.NewDesc("recallbot_messages_in_doubt",
		"Messages that may have been recalled, whose answer was lost and is being found out.", nil, nil)
	paused = prometheus.NewDesc("recallbot_app_paused",
		"1 while the Chat service refuses the app and nothing is sent.", nil, nil)
	unshown = prometheus.NewDesc("recallbot_views_unshown", "Cards that do not show what is stored yet.", nil, nil)
)

func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readable, open, oldest, doubt, paused, unshown} {
		out <- d
	}
}

func (s *state) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	now, err := s.b.Stats(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if err != nil {
		gauge(readable, 0)
		return
	}
	gauge(readable, 1)
	for _, st := range bot.States() {
		if st.Open() {
			gauge(open, float64(now.Open[st]), string(st))
			gauge(oldest, now.Oldest[st].Seconds(), string(st))
		}
	}
	gauge(doubt, float64(now.InDoubt))
	gauge(unshown, float64(now.Unshown))
	flag := 0.0
	if now.Paused {
		flag = 1
	}
	gauge(paused, flag)
}

// Chat returns c with its calls counted.
func (m *Metrics) Chat(c bot.Chat) bot.Chat { return &counted{c, m} }

type counted struct {
	bot.Chat
	m *Metrics
}

func (c *counted) count(command string, began time.Time, err error) {
	code := "0"
	if api, ok := errors.AsType[*recall.Error](err); ok {
		code = strconv.Itoa(int(api.Code))
	} else if err != nil {
		code = "fault"
	}
	c.m.calls.WithLabelValues(command, code).Inc()
	c.m.latency.WithLabelValues(command).Observe(time.Since(began).Seconds())
}

func (c *counted) GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error) {
	began := time.Now()
	a, err := c.Chat.GroupMsgRecall(ctx, r)
	c.count("group_msg_recall", began, err)
	return a, err
}

func (c *counted) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	began := time.Now()
	p, err := c.Chat.GroupMsgGetSimple(ctx, r)
	c.count("group_msg_get_simple", began, err)
	return p, err
}

func (c *counted) GetGroupInfo(ctx context.Context, g recall.GroupID) (recall.GroupInfo, error) {
	began := time.Now()
	i, err := c.Chat.GetGroupInfo(ctx, g)
	c.count("get_group_info", began, err)
	return i, err
}

func (c *counted) GetGroupInfos(ctx context.Context, g []recall.GroupID) ([]recall.GroupInfo, error) {
	began := time.Now()
	i, err := c.Chat.GetGroupInfos(ctx, g)
	c.count("get_group_info", began, err)
	return i, err
}

func (c *counted) GetAppIDGroupList(ctx context.Context, next uint64) (recall.GroupPage, error) {
	began := time.Now()
	p, err := c.Chat.GetAppIDGroupList(ctx, next)
	c.count("get_appid_group_list", began, err)
	return p, err
}

func (c *counted) GetJoinedGroupList(ctx context.Context, member recall.UserID) ([]recall.GroupID, int, error) {
	began := time.Now()
	g, n, err := c.Chat.GetJoinedGroupList(ctx, member)
	c.count("get_joined_group_list", began, err)
	return g, n, err
}

func (c *counted) PortraitGet(ctx context.Context, a []recall.UserID) (map[recall.UserID]string, error) {
	began := time.Now()
	n, err := c.Chat.PortraitGet(ctx, a)
	c.count("portrait_get", began, err)
	return n, err
}
