package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are those of one fleetd. Make one with New; it may be used from several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	engine   engineMetrics
	agent    agentMetrics
	store    storeMetrics
	systemd  systemdMetrics
	applying prometheus.Histogram
	http     httpMetrics
}

// New returns the metrics of a fleetd of this version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.engine = newEngineMetrics(m.registry)
	m.agent = newAgentMetrics(m.registry)
	m.store = newStoreMetrics(m.registry)
	m.systemd = newSystemdMetrics(m.registry)
	m.applying = histogram(m.registry, "api", "update_duration_seconds",
		"How long the API's cache took to take in an update of the cluster; no request is answered meanwhile.", 0.00001, 10)
	m.http = newHTTPMetrics(m.registry)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fleet_build_info", Help: "1, with the version of this fleetd as a label.",
	}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(info)
	return m
}

// Handler shows the metrics, whatever state this fleetd is in. Only GET and HEAD are understood.
func (m *Metrics) Handler() http.Handler {
	show := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET supported against this resource", http.StatusMethodNotAllowed)
			return
		}
		show.ServeHTTP(w, r)
	})
}
