package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/systemd"
	"fleet/unit"
)

type systemdMetrics struct {
	failed *prometheus.CounterVec
	took   *prometheus.HistogramVec
	jobs   *prometheus.HistogramVec
}

func newSystemdMetrics(r *prometheus.Registry) systemdMetrics {
	calls := systemd.Calls()
	return systemdMetrics{
		failed: counterOf(r, "systemd", "call_failures_total", "Calls over D-Bus that this machine's systemd refused or did not answer.", "call", calls...),
		took: histogramOf(r, "systemd", "call_duration_seconds", "How long calls over D-Bus took.",
			"call", 0.0001, 9, calls...),
		jobs: histogramOf(r, "systemd", "job_duration_seconds",
			"How long jobs of units took, from the asking to systemd's result, whatever that was.", "type", 0.001, 9, systemd.Jobs()...),
	}
}

// Systemd are the callbacks of this fleetd's connection to systemd.
func (m *Metrics) Systemd() systemd.Events {
	s := &m.systemd
	return systemd.Events{
		Called: func(what systemd.Call, took time.Duration, err error) {
			s.took.WithLabelValues(string(what)).Observe(took.Seconds())
			if err != nil {
				s.failed.WithLabelValues(string(what)).Inc()
			}
		},
		Job: func(verb systemd.Call, took time.Duration, _ unit.JobResult) {
			s.jobs.WithLabelValues(string(verb)).Observe(took.Seconds())
		},
	}
}
