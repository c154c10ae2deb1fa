package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/cluster"
	"fleet/engine"
)

// The types of tasks and of failures are fleet 1's words.
const (
	taskPlace    = "attemptscheduleunit"
	taskWithdraw = "unscheduleunit"

	failedMachine = "machine_away"
	failedRun     = "run"
	failedPlace   = "schedule"
)

type engineMetrics struct {
	leaderSince prometheus.Gauge
	tasks       *prometheus.CounterVec
	failedTasks *prometheus.CounterVec
	rounds      prometheus.Counter
	failures    *prometheus.CounterVec
	duration    prometheus.Histogram
	alarms      *prometheus.GaugeVec
}

func newEngineMetrics(r *prometheus.Registry) engineMetrics {
	counters := func(name, help string, types ...string) *prometheus.CounterVec {
		return counterVec(r, "engine", name, help, types...)
	}
	m := engineMetrics{
		leaderSince: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "fleet", Subsystem: "engine", Name: "leader_start_time",
			Help: "When this machine's engine was elected, in seconds since the epoch; 0 while it does not lead.",
		}),
		tasks: counters("task_count_total",
			"Tasks that the engine has carried out: a unit ordered onto a machine, or taken off one.", taskPlace, taskWithdraw),
		failedTasks: counters("task_failure_count_total",
			"Tasks that the engine could not write, or does not know whether it did.", taskPlace, taskWithdraw),
		rounds: counter(r, "engine", "reconcile_count_total", "Rounds of the engine: each takes in what is new, decides, and writes."),
		failures: counters("reconcile_failure_count_total",
			"What rounds found: units whose machine was lost, units that their machine may not run any more, units without a machine.",
			failedMachine, failedRun, failedPlace),
		duration: histogram(r, "engine", "reconcile_duration_second", "How long rounds took, with the writing.", 0.0001, 9),
	}
	m.alarms = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "fleet", Name: "alarm",
		Help: "1 while this machine's engine leads and an alarm of that name stands that nobody has acknowledged, 0 otherwise.",
	}, []string{"name"})
	m.alarms.WithLabelValues(string(cluster.MassLoss))
	r.MustRegister(m.leaderSince, m.alarms)
	return m
}

// Engine are the callbacks of this fleetd's engine.
func (m *Metrics) Engine() engine.Events {
	e := &m.engine
	return engine.Events{
		Began:   func(at time.Time) { e.leaderSince.Set(float64(at.UnixNano()) / 1e9) },
		Ended:   func() { e.leaderSince.Set(0) },
		Decided: e.decided,
		Alarm:   e.alarm,
	}
}

func (m *engineMetrics) alarm(name cluster.AlarmName, stands bool) {
	is := 0.0
	if stands {
		is = 1
	}
	m.alarms.WithLabelValues(string(name)).Set(is)
}

func (m *engineMetrics) decided(r engine.Round) {
	m.rounds.Inc()
	m.duration.Observe(r.Took.Seconds())
	add(m.tasks, taskPlace, r.Done.Place)
	add(m.tasks, taskWithdraw, r.Done.Withdraw)
	add(m.failedTasks, taskPlace, r.Failed.Place)
	add(m.failedTasks, taskWithdraw, r.Failed.Withdraw)
	add(m.failures, failedMachine, r.Orphaned)
	add(m.failures, failedRun, r.Barred)
	add(m.failures, failedPlace, r.Pending)
}

// add is for counters of which most stay as they are.
func add(counters *prometheus.CounterVec, kind string, n int) {
	if n > 0 {
		counters.WithLabelValues(kind).Add(float64(n))
	}
}

// counterVec has a counter for each type, all of which are there from the start: what
// has not happened yet is 0, not absent.
func counterVec(r *prometheus.Registry, subsystem, name, help string, types ...string) *prometheus.CounterVec {
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help,
	}, []string{"type"})
	for _, t := range types {
		counters.WithLabelValues(t)
	}
	r.MustRegister(counters)
	return counters
}

func counter(r *prometheus.Registry, subsystem, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help})
	r.MustRegister(c)
	return c
}

// histogram has so many buckets, the least of so many seconds, and each of four times the one before.
func histogram(r *prometheus.Registry, subsystem, name, help string, least float64, buckets int) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(least, 4, buckets),
	})
	r.MustRegister(h)
	return h
}
