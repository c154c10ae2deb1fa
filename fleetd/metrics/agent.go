package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/agent"
	"fleet/agent/reconcile"
)

type agentMetrics struct {
	steps         *prometheus.CounterVec
	failedSteps   *prometheus.CounterVec
	reports       prometheus.Counter
	failedReports prometheus.Counter
	reporting     prometheus.Histogram
}

func newAgentMetrics(r *prometheus.Registry) agentMetrics {
	kinds := []string{
		string(reconcile.Load), string(reconcile.Start), string(reconcile.Restart), string(reconcile.Stop), string(reconcile.Unload), string(reconcile.Grant),
	}
	return agentMetrics{
		steps: counterVec(r, "agent", "task_count_total",
			"Steps of units that this machine's agent has taken, whatever their result.", kinds...),
		failedSteps: counterVec(r, "agent", "task_failure_count_total",
			"Steps that failed: what systemd refused, and jobs whose result was not done.", kinds...),
		reports:       counter(r, "agent", "report_count_total", "Reports of this machine that were written."),
		failedReports: counter(r, "agent", "report_failure_count_total", "Reports of this machine that could not be written; they are tried again."),
		reporting:     histogram(r, "agent", "report_duration_second", "How long it took to write a report.", 0.001, 7),
	}
}

// Agent are the callbacks of this fleetd's agent.
func (m *Metrics) Agent() agent.Events {
	a := &m.agent
	return agent.Events{
		Stepped: func(kind reconcile.Kind, failed bool) {
			a.steps.WithLabelValues(string(kind)).Inc()
			if failed {
				a.failedSteps.WithLabelValues(string(kind)).Inc()
			}
		},
		Reported: func(took time.Duration, err error) {
			if err != nil {
				a.failedReports.Inc()
				return
			}
			a.reports.Inc()
			a.reporting.Observe(took.Seconds())
		},
	}
}

// unitStates shows the units of this machine by their active state.
type unitStates struct{ tally func() map[string]int }

var unitStatesDesc = prometheus.NewDesc("fleet_agent_units", "Units of fleet on this machine, by what systemd calls their active state.", []string{"state"}, nil)

// activeStates are systemd's; those of which there is no unit are shown as 0.
var activeStates = []string{"active", "activating", "deactivating", "failed", "inactive", "maintenance", "refreshing", "reloading"}

// Describe implements prometheus.Collector.
func (u unitStates) Describe(ch chan<- *prometheus.Desc) { ch <- unitStatesDesc }

// Collect implements prometheus.Collector.
func (u unitStates) Collect(ch chan<- prometheus.Metric) {
	tally := u.tally()
	for _, state := range activeStates {
		ch <- prometheus.MustNewConstMetric(unitStatesDesc, prometheus.GaugeValue, float64(tally[state]), state)
	}
}
