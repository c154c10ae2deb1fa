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
	planning      prometheus.Histogram
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
		planning: histogram(r, "agent", "reconcile_duration_seconds",
			"How long the agent took to look at what is new, and to begin what followed from it.", 0.00001, 10),
	}
}

// Agent are the callbacks of this fleetd's agent.
func (m *Metrics) Agent() agent.Events {
	a := &m.agent
	return agent.Events{
		Planned: func(took time.Duration) { a.planning.Observe(took.Seconds()) },
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
