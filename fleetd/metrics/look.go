package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/agent"
	"fleet/api"
	"fleet/cluster"
	"fleet/engine"
	"fleet/systemd"
)

// Sources are what is looked at when somebody asks for the metrics. All of them must be set.
type Sources struct {
	Ready   func() error                      // nil while this fleetd is ready
	Session func() (since, renewed time.Time) // of the machine, zero while there is none
	Units   func() map[string]int             // of the machine, by active state
	Backlog func() agent.Backlog
	Asked   func() systemd.Asked
	API     func() api.Load
}

// Watch has the sources looked at whenever somebody asks.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(look{s, &m.engine}) }

type look struct {
	s      Sources
	engine *engineMetrics
}

// What is looked at.
var (
	readyDesc   = desc("ready", "1 while this fleetd is a member of the cluster and etcd answers it, 0 otherwise.")
	sinceDesc   = desc("session_start_time_seconds", "When this machine's session began, in seconds since the epoch; 0 while there is none.")
	renewedDesc = desc("session_renewed_time_seconds", "When the renewal of this machine's session was sent that was the last to be answered; 0 while there is none.")
	unitsDesc   = desc("agent_units", "Units of fleet on this machine, by what systemd calls their active state.", "state")

	lengthDesc = desc("queue_length", "What waits or is under way in a queue.", "queue")
	limitDesc  = desc("queue_limit", "The most that a queue may have; what comes then waits.", "queue")

	machinesDesc   = desc("cluster_machines", "Machines that this fleetd knows, by state.", "state")
	clusterDesc    = desc("cluster_units", "Units that this fleetd knows, by how far the cluster has come with the last request for them.", "phase")
	recordsDesc    = desc("api_cache_records", "Records in the API's cache, by kind.", "kind")
	bytesDesc      = desc("api_cache_bytes", "Memory that these records take, about, without indexes.", "kind")
	rememberedDesc = desc("api_remembered", "Changes that streams may resume from, events of the history, lists that are being read, files and peers that the API remembers.", "what")
	streamsDesc    = desc("api_streams", "Event streams, histories and journals that clients follow.")
	followingDesc  = desc("api_following", "1 while this fleetd follows the cluster, 0 while nobody needs it to and it knows nothing of the cluster.")

	looks = []*prometheus.Desc{
		readyDesc, sinceDesc, renewedDesc, unitsDesc, lengthDesc, limitDesc,
		machinesDesc, clusterDesc, recordsDesc, bytesDesc, rememberedDesc, streamsDesc, followingDesc,
	}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fleet_"+name, help, labels, nil)
}

// Those of which there is none are shown as 0.
var (
	activeStates  = []string{"active", "activating", "deactivating", "failed", "inactive", "maintenance", "refreshing", "reloading"}
	machineStates = []cluster.MachineState{
		cluster.StateLeft, cluster.StateLost, cluster.StateSilent, cluster.StateReturned, cluster.StateDraining, cluster.StateCordoned,
		cluster.StateReady, cluster.StateUnknown,
	}
	phases = []cluster.Phase{cluster.Working, cluster.Done, cluster.Failed, cluster.Nowhere}
)

// Describe implements prometheus.Collector.
func (l look) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range looks {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (l look) Collect(ch chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ready := 1.0
	if l.s.Ready() != nil {
		ready = 0
	}
	show(readyDesc, ready)
	since, renewed := l.s.Session()
	show(sinceDesc, seconds(since))
	show(renewedDesc, seconds(renewed))
	units := l.s.Units()
	for _, state := range activeStates {
		show(unitsDesc, float64(units[state]), state)
	}
	now := l.s.API()
	l.queues(show, now)
	showAPI(show, now)
}

type shower func(d *prometheus.Desc, value float64, labels ...string)

// queues are what work waits in. Those without a limit have at most one entry of each unit of the machine, or of each
// unit and machine of the cluster and stream; the engine's takes what the store tells while a decision is written.
func (l look) queues(show shower, now api.Load) {
	backlog, asked := l.s.Backlog(), l.s.Asked()
	for _, q := range []struct {
		name          string
		length, limit int
	}{
		{"engine_updates", int(l.engine.queued.Load()), engine.MailboxLimit},
		{"agent_steps", backlog.Steps, 0},
		{"agent_fetches", backlog.Fetches, 0},
		{"agent_batch", backlog.Batch, 0},
		{"systemd_calls", asked.Calls, asked.MaxCalls},
		{"systemd_jobs", asked.Jobs, asked.MaxJobs},
		{"api_untold", now.Untold, 0},
		{"api_writes", now.Writes, now.MaxWrites},
		{"api_store_writes", now.Storing, now.MaxStoring},
		{"api_body_bytes", int(now.Bodies), int(now.MaxBodies)},
	} {
		show(lengthDesc, float64(q.length), q.name)
		if q.limit > 0 {
			show(limitDesc, float64(q.limit), q.name)
		}
	}
}

func showAPI(show shower, now api.Load) {
	showCluster(show, now)
	show(rememberedDesc, float64(now.Changes), "changes")
	show(rememberedDesc, float64(now.Happenings), "events")
	show(rememberedDesc, float64(now.Lists), "lists")
	show(rememberedDesc, float64(now.ListRows), "list_rows")
	show(rememberedDesc, float64(now.Past), "list_units")
	show(rememberedDesc, float64(now.Files), "files")
	show(rememberedDesc, float64(now.Peers), "peers")
	show(streamsDesc, float64(now.Streams))
}

// showCluster leaves out what is not known: a cluster of 0 machines would be a lie.
func showCluster(show shower, now api.Load) {
	if !now.Following {
		show(followingDesc, 0)
		return
	}
	show(followingDesc, 1)
	for _, state := range machineStates {
		show(machinesDesc, float64(now.Machines[state]), string(state))
	}
	for _, phase := range phases {
		show(clusterDesc, float64(now.Units[phase]), string(phase))
	}
	for kind, size := range now.Records {
		show(recordsDesc, float64(size.Records), string(kind))
		show(bytesDesc, float64(size.Bytes), string(kind))
	}
}
