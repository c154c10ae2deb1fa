package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The handlers that requests are counted by. Fleet 1 counted those for its metrics only.
const (
	handlerMetrics = "prometheus"
	handlerAPI     = "api"
	handlerStream  = "stream" // of the API: it ends when its reader wants it to
)

// httpMetrics have the names and units of the Prometheus library of fleet 1's days.
type httpMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.SummaryVec
	received *prometheus.SummaryVec
	sent     *prometheus.SummaryVec
	open     *prometheus.GaugeVec
}

func newHTTPMetrics(r *prometheus.Registry) httpMetrics {
	summary := func(name, help string) *prometheus.SummaryVec {
		return prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Name: name, Help: help, Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01, 0.99: 0.001},
		}, []string{"handler"})
	}
	m := httpMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests that were answered.",
		}, []string{"code", "handler", "method"}),
		duration: summary("http_request_duration_microseconds", "How long requests took; for a stream, how long it was open."),
		received: summary("http_request_size_bytes", "The size of requests: path and body."),
		sent:     summary("http_response_size_bytes", "The size of answers, without headers."),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "fleet", Subsystem: "api", Name: "requests_in_flight", Help: "Requests that are being answered now, with open streams.",
		}, []string{"handler"}),
	}
	r.MustRegister(m.requests, m.duration, m.received, m.sent, m.open)
	for _, h := range []string{handlerMetrics, handlerAPI, handlerStream} {
		m.open.WithLabelValues(h)
	}
	return m
}

// Serve answers /metrics itself, and leaves all else to the API. It counts both.
func (m *Metrics) Serve(api http.Handler) http.Handler {
	own := m.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			m.http.count(handlerMetrics, own, w, r)
		case isStream(r):
			m.http.count(handlerStream, api, w, r)
		default:
			m.http.count(handlerAPI, api, w, r)
		}
	})
}

// isStream tells whether the answer has no end of its own.
func isStream(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return false
	}
	follow, _ := strconv.ParseBool(r.URL.Query().Get("follow"))
	return follow || strings.HasSuffix(r.URL.Path, "/events")
}

func (m *httpMetrics) count(name string, h http.Handler, w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	open := m.open.WithLabelValues(name)
	open.Inc()
	answer := &counting{ResponseWriter: w, code: http.StatusOK}
	defer func() { // also when the handler panics to break the connection off
		open.Dec()
		m.requests.WithLabelValues(strconv.Itoa(answer.code), name, method(r.Method)).Inc()
		m.duration.WithLabelValues(name).Observe(float64(time.Since(began).Microseconds()))
		m.received.WithLabelValues(name).Observe(float64(len(r.RequestURI)) + float64(max(r.ContentLength, 0)))
		m.sent.WithLabelValues(name).Observe(float64(answer.bytes))
	}()
	h.ServeHTTP(answer, r)
}

// method bounds what clients can make up.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return strings.ToLower(m)
	}
	return "other"
}

// counting is an answer whose code and size are noted.
type counting struct {
	http.ResponseWriter
	code  int
	wrote bool
	bytes int64
}

// WriteHeader implements http.ResponseWriter.
func (c *counting) WriteHeader(code int) {
	if !c.wrote && code >= http.StatusOK {
		c.code, c.wrote = code, true
	}
	c.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (c *counting) Write(b []byte) (int, error) {
	c.wrote = true
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }
