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
	}
	m.registry.MustRegister(m.calls, m.latency, m.acks, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves GET /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 5 * time.Second}))
	return mux
}

// Acked returns a function to which the adapter of a platform reports how long an acknowledgement
// took.
func (m *Metrics) Acked(p bot.Platform) func(time.Duration) {
	o := m.acks.WithLabelValues(string(p))
	return func(d time.Duration) { o.Observe(d.Seconds()) }
}

// Heard exports how long ago a platform was last heard of. last returns the zero time before the
// first frame, and while another replica holds the connection.
func (m *Metrics) Heard(p bot.Platform, last func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "recallbot_last_frame_age_seconds",
		Help:        "Time since a platform was last heard of; -1 before the first frame, and while another replica holds the connection.",
		ConstLabels: prometheus.Labels{"platform": string(p)},
	}, func() float64 {
		if t := last(); !t.IsZero() {
			return time.Since(t).Seconds()
		}
		return -1
	}))
}

// Watch makes each scrape read the bot's own figures from the ledger.
func (m *Metrics) Watch(b *bot.Bot) { m.registry.MustRegister(&state{b}) }

// state reads the stored figures.
type state struct{ b *bot.Bot }

var (
	open   = prometheus.NewDesc("recallbot_requests_open", "Open requests by state.", []string{"state"}, nil)
	oldest = prometheus.NewDesc("recallbot_oldest_open_seconds", "How long the oldest open request has waited.", nil,
		nil)
	doubt = prometheus.NewDesc("recallbot_messages_in_doubt",
		"Messages that may have been recalled, whose answer was lost and is being found out.", nil, nil)
	paused = prometheus.NewDesc("recallbot_app_paused",
		"1 while the Chat service refuses the app and nothing is sent.", nil, nil)
	unshown = prometheus.NewDesc("recallbot_views_unshown", "Cards that do not show what is stored yet.", nil, nil)
)

func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{open, oldest, doubt, paused, unshown} {
		out <- d
	}
}

func (s *state) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	now, err := s.b.Stats(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(open, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, st := range bot.States() {
		if st.Open() {
			gauge(open, float64(now.Open[st]), string(st))
		}
	}
	gauge(oldest, now.Oldest.Seconds())
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
