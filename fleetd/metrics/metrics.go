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
	http     httpMetrics
}

// New returns the metrics of a fleetd of this version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.engine = newEngineMetrics(m.registry)
	m.agent = newAgentMetrics(m.registry)
	m.store = newStoreMetrics(m.registry)
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

// Watch has two more things read whenever somebody asks: whether this fleetd is
// ready, and how many units its machine has in which active state.
func (m *Metrics) Watch(ready func() error, tally func() map[string]int) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fleet_ready", Help: "1 while this fleetd is a member of the cluster and etcd answers it, 0 otherwise.",
		}, func() float64 {
			if ready() != nil {
				return 0
			}
			return 1
		}),
		unitStates{tally},
	)
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
