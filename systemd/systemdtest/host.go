package systemdtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fleet/unit"
)

// Host is one machine's systemd and the part of its disk that systemd and
// fleet use. The zero value is not usable; NewHost makes one.
type Host struct {
	mu struct {
		sync.Mutex
		files    map[unit.Name][]byte
		units    map[unit.Name]*process
		host     map[unit.Name]string // units of the host itself, by path
		programs programs
		installs int    // of programs
		fence    *fence // nil if none is installed
		managers map[*Manager]struct{}
		enabled  map[unit.Name]bool
		runs     []Run
		reloads  int
		nextID   uint32 // of jobs, processes and invocations
		diskFull bool
		busDown  bool
		boots    int

		awake chan struct{} // closed when the host goes on; nil unless it is suspended
		late  []func()      // what became due meanwhile
		naps  []Nap
	}
}

// Run is one life of a unit, from the moment it was started until nothing of
// it was left.
type Run struct {
	Unit       unit.Name
	Content    unit.ContentID
	Invocation string
	Start      time.Time
	End        time.Time // zero while it lasts
	Result     string    // as State.Result; power-loss if the host crashed
}

// NewHost returns a machine that has just booted.
func NewHost() *Host {
	h := &Host{}
	h.mu.managers = map[*Manager]struct{}{}
	h.mu.host = map[unit.Name]string{}
	h.mu.programs = programs{}
	h.reset()
	return h
}

func (h *Host) reset() {
	h.mu.files = map[unit.Name][]byte{}
	h.mu.units = map[unit.Name]*process{}
	h.mu.enabled = map[unit.Name]bool{}
}

// Manager returns a new connection, of which Run must be called. The ones
// before it remain: a new fleetd may start before the old one is gone.
func (h *Host) Manager() *Manager {
	h.mu.Lock()
	defer h.mu.Unlock()
	return newManager(h, h.mu.boots)
}

// Crash is a loss of power: every process ends at once, and /run is empty.
// Connections made before it never work again. The host is up again at once.
func (h *Host) Crash() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake(false)
	for _, p := range h.mu.units {
		p.lostPower()
	}
	h.mu.fence.lostPower()
	for m := range h.mu.managers {
		m.disconnect()
	}
	clear(h.mu.managers)
	h.mu.boots++
	h.reset()
}

// Kill kills the processes of a unit, as the kernel would when out of memory.
func (h *Host) Kill(n unit.Name) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.mu.units[n]
	if p == nil || p.run < 0 || !p.does.process {
		return fmt.Errorf("kill %s: it has no process", n)
	}
	p.exited("signal", 9)
	return nil
}

// Trigger starts a unit without an agent's asking: a timer elapsed, a
// connection came in, an administrator typed.
func (h *Host) Trigger(n unit.Name) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.queue(n, "start")
	return err
}

// FillDisk makes every write fail until it is called with false.
func (h *Host) FillDisk(full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.diskFull = full
}

// CutBus ends all connections, and refuses new ones until HealBus. Units go on.
func (h *Host) CutBus() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.busDown = true
	for m := range h.mu.managers {
		m.disconnect()
	}
}

// HealBus lets the connections be made anew.
func (h *Host) HealBus() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.busDown = false
	for m := range h.mu.managers {
		m.reconnect()
	}
}

// AddHostUnit makes a name one of the host's own, with its file at this path.
// A template makes all its instances the host's.
func (h *Host) AddHostUnit(n unit.Name, path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.host[n] = path
}

// Runs returns every life of every unit, in the order in which they began,
// those before a crash included.
func (h *Host) Runs() []Run {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.mu.runs)
}

// Running returns the units that have a life now, in order.
func (h *Host) Running() []unit.Name {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []unit.Name
	for _, n := range slices.Sorted(maps.Keys(h.mu.units)) {
		if h.mu.units[n].run >= 0 {
			names = append(names, n)
		}
	}
	return names
}

// Reloads is how often systemd has read all its files anew.
func (h *Host) Reloads() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.reloads
}

// Enabled tells whether the unit's [Install] section was carried out.
func (h *Host) Enabled(n unit.Name) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.enabled[n]
}

func (h *Host) id() uint32 {
	h.mu.nextID++
	return h.mu.nextID
}

// changed rings at every connection. The caller holds the lock.
func (h *Host) changed(n unit.Name) {
	for m := range h.mu.managers {
		m.ring(n)
	}
}

// hostPath is the host's own file for a name, or for its template.
func (h *Host) hostPath(n unit.Name) (string, bool) {
	if p, ok := h.mu.host[n]; ok {
		return p, true
	}
	p, ok := h.mu.host[n.Template()]
	return p, ok && n.IsInstance()
}
