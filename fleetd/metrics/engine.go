package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/cluster"
	"fleet/engine"
	"fleet/engine/schedule"
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

	elections prometheus.Counter
	decisions *prometheus.CounterVec
	thinking  prometheus.Histogram
	writes    prometheus.Counter
	pending   *prometheus.GaugeVec
	queued    *atomic.Int64 // updates that wait for the next round
	space     *prometheus.GaugeVec
}

func newEngineMetrics(r *prometheus.Registry) engineMetrics {
	counters := func(name, help string, types ...string) *prometheus.CounterVec {
		return counterVec(r, "engine", name, help, types...)
	}
	m := engineMetrics{
		queued: &atomic.Int64{},
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
	m.elections = counter(r, "engine", "elections_total", "Terms for which this machine's engine was elected.")
	m.decisions = counterOf(r, "engine", "decisions_total", "What was decided about a unit, and written.", "action",
		schedule.Place, schedule.Change, schedule.Withdraw, schedule.Pend)
	m.thinking = histogram(r, "engine", "decision_duration_seconds", "How long a round took to take in what is new and to decide, without the writing.", 0.00001, 11)
	m.writes = counter(r, "engine", "transactions_total", "Transactions in which decisions were written.")
	m.pending = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "fleet", Subsystem: "engine", Name: "units_pending",
		Help: "Units that have no machine, or cannot leave one, while this machine's engine leads, by the rule that excludes the most machines.",
	}, []string{"reason"})
	for _, reason := range schedule.Reasons() {
		m.pending.WithLabelValues(reason)
	}
	r.MustRegister(m.pending)
	m.alarms = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "fleet", Name: "alarm",
		Help: "1 while this machine's engine leads and an alarm of that name stands that nobody has acknowledged, 0 otherwise.",
	}, []string{"name"})
	for _, name := range cluster.AlarmNames() {
		m.alarms.WithLabelValues(string(name))
	}
	m.space = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "fleet", Subsystem: "store", Name: "bytes",
		Help: "How full etcd is, as the fullest of its members has it, while this machine's engine leads; 0 otherwise.",
	}, []string{"what"})
	m.full(cluster.Space{})
	r.MustRegister(m.leaderSince, m.alarms, m.space)
	return m
}

// Engine are the callbacks of this fleetd's engine.
func (m *Metrics) Engine() engine.Events {
	e := &m.engine
	return engine.Events{
		Began: func(at time.Time) {
			e.elections.Inc()
			e.leaderSince.Set(seconds(at))
		},
		Ended: func() {
			e.leaderSince.Set(0)
			e.full(cluster.Space{})
		},
		Decided: e.decided,
		Alarm:   e.alarm,

		Homeless: func(reason string, units int) { e.pending.WithLabelValues(reason).Set(float64(units)) },
		Queued:   func(updates int) { e.queued.Store(int64(updates)) },
		Space:    e.full,
	}
}

func (m *engineMetrics) full(is cluster.Space) {
	m.space.WithLabelValues("in_use").Set(float64(is.InUse))
	m.space.WithLabelValues("size").Set(float64(is.Size))
	m.space.WithLabelValues("quota").Set(float64(is.Quota))
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
	m.thinking.Observe(r.Brain.Seconds())
	m.writes.Add(float64(r.Writes))
	add(m.decisions, string(schedule.Place), r.Done.Place)
	add(m.decisions, string(schedule.Change), r.Changed)
	add(m.decisions, string(schedule.Withdraw), r.Done.Withdraw)
	add(m.decisions, string(schedule.Pend), r.Pending)
}
