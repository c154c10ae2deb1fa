package systemdtest

import (
	"slices"
	"strings"
	"time"

	"fleet/unit"
)

// forever is how long a process runs that only ends when it is stopped.
const forever = time.Duration(1<<63 - 1)

// behaviour is what a unit's file makes it do.
type behaviour struct {
	loadErr   string // why systemd does not accept the file, "" if it does
	startTime time.Duration
	startFail bool
	runTime   time.Duration // of the main process; forever for units without one
	runFail   bool
	stopTime  time.Duration
	patience  time.Duration // TimeoutStopSec=
	oneshot   bool
	remain    bool // active after the main process ended well
	process   bool // has a main process
	restart   string
	pause     time.Duration // before an automatic restart
	install   bool
	active    string // sub-state while it is active
	logs      []string
	exit      int32 // status of a main process that fails
	unmet     bool  // a condition of the file does not hold

	atMostOnce bool // it is bound to the fence
	freeze     bool // OnFence=freeze
}

// required names, by type, the keys of which systemd wants at least one.
var required = map[unit.Type]struct {
	section string
	keys    []string
}{
	unit.Service: {"Service", []string{"ExecStart", "ExecStop"}},
	unit.Socket:  {"Socket", []string{"ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenNetlink"}},
	unit.Timer:   {"Timer", []string{"OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec", "OnCalendar"}},
	unit.Path:    {"Path", []string{"PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"}},
	unit.Mount:   {"Mount", []string{"What"}},
	unit.Swap:    {"Swap", []string{"What"}},
}

// activeSub is the sub-state of an active unit by its type.
var activeSub = map[unit.Type]string{
	unit.Service: "running", unit.Socket: "listening", unit.Timer: "waiting", unit.Path: "waiting",
	unit.Mount: "mounted", unit.Automount: "waiting", unit.Swap: "active", unit.Target: "active",
	unit.Slice: "active", unit.Scope: "running",
}

func (programs programs) behaviourOf(n unit.Name, raw []byte) behaviour {
	f, err := unit.Parse(raw)
	if err != nil {
		return behaviour{loadErr: err.Error()}
	}
	b := behaviour{
		runTime: forever,
		active:  activeSub[n.Type()],
		install: f.HasInstall(),
		logs:    f.Values("X-Test", "Log"),
		exit:    1,
		unmet:   slices.ContainsFunc(f.Values("Unit", "ConditionPathExists"), programs.unmet),
	}
	if rules, err := f.Rules(n); err == nil {
		b.atMostOnce, b.freeze = rules.AtMostOnce, rules.Freeze
	}
	if r, ok := required[n.Type()]; ok && !hasAny(f, r.section, r.keys) {
		b.loadErr = "Unit " + string(n) + " lacks " + strings.Join(r.keys, "= or ") + "=. Refusing."
	}
	if n.Type() == unit.Service {
		b.service(f, programs)
	}
	b.patience = 90 * time.Second
	if d := duration(f, "Service", "TimeoutStopSec"); d > 0 {
		b.patience = d
	}
	b.startTime = longer(b.startTime, duration(f, "X-Test", "StartSec"))
	b.stopTime = longer(b.stopTime, duration(f, "X-Test", "StopSec"))
	switch fail, _ := f.Value("X-Test", "Fail"); fail {
	case "load":
		b.loadErr = "Fail=load"
	case "start":
		b.startFail = true
	}
	return b
}

func (b *behaviour) service(f *unit.File, programs programs) {
	value := func(key string) string {
		v, _ := f.Value("Service", key)
		return v
	}
	b.process = true
	b.oneshot = value("Type") == "oneshot"
	b.remain = value("RemainAfterExit") == "yes" || value("RemainAfterExit") == "true"
	b.restart = value("Restart")
	b.pause = 100 * time.Millisecond
	if p := duration(f, "Service", "RestartSec"); p > 0 {
		b.pause = p
	}
	var fail bool
	b.startTime, fail = programs.run(f.Values("Service", "ExecStartPre"))
	b.startFail = fail || b.startTime == forever
	b.runTime, b.runFail = programs.run(f.Values("Service", "ExecStart"))
	b.stopTime, _ = programs.run(f.Values("Service", "ExecStop"))
	if b.oneshot && b.runTime != forever {
		// A oneshot is starting until its commands have ended.
		b.startTime += b.runTime
		b.startFail = b.startFail || b.runFail
		b.runTime = 0
	}
	programs.tell(f.Values("Service", "ExecStart"), b)
}

// longer is how long two things take, one after the other.
func longer(a, b time.Duration) time.Duration {
	if a == forever || b == forever {
		return forever
	}
	return a + b
}

func duration(f *unit.File, section, key string) time.Duration {
	v, _ := f.Value(section, key)
	return parseDuration(v)
}

// parseDuration reads "10", "10s", "500ms", "infinity"; what it cannot read is zero.
func parseDuration(s string) time.Duration {
	if s == "infinity" {
		return forever
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	d, _ := time.ParseDuration(s + "s")
	return d
}

func hasAny(f *unit.File, section string, keys []string) bool {
	for _, k := range keys {
		if len(f.Values(section, k)) > 0 {
			return true
		}
	}
	return false
}
