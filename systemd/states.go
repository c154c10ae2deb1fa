package systemd

import (
	"context"
	"fmt"
	"time"

	sddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sync/errgroup"

	"fleet/unit"
)

// fewUnits is how many names are cheaper to match one by one against the units
// in systemd's memory than to have all those units listed.
const fewUnits = 4

// unknown is the state of a unit that systemd does not know.
var unknown = unit.State{Load: "not-found", Active: "inactive", Sub: "dead"}

// results are the interfaces that have a Result property, by unit type.
var results = map[unit.Type]string{
	unit.Service:   "org.freedesktop.systemd1.Service",
	unit.Socket:    "org.freedesktop.systemd1.Socket",
	unit.Timer:     "org.freedesktop.systemd1.Timer",
	unit.Path:      "org.freedesktop.systemd1.Path",
	unit.Mount:     "org.freedesktop.systemd1.Mount",
	unit.Automount: "org.freedesktop.systemd1.Automount",
	unit.Swap:      "org.freedesktop.systemd1.Swap",
	unit.Scope:     "org.freedesktop.systemd1.Scope",
}

// States reads the present state of units. A name that systemd does not know
// has Load "not-found" and Active "inactive", and is not loaded for being asked.
//
// One call lists what changes most. The rest is what systemd has told with the unit's last signal; it is asked
// for that only of units about which it has not signalled yet. What is asked for is
// not of one instant: if it changes meanwhile, Wait says so.
func (m *Manager) States(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	states, err := s.states(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	for n, st := range states {
		if st == unknown && m.disk.has(n) {
			// Not in memory, though it should be: see anchorName. Systemd
			// would load it when asked to start it.
			st.Load = "loaded"
			states[n] = st
		}
	}
	return states, nil
}

func (s *session) states(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error) {
	listed, err := s.list(ctx, names)
	if err != nil {
		return nil, err
	}
	states := make(map[unit.Name]unit.State, len(names))
	var changed []unit.Name
	for _, n := range names {
		l, ok := listed[n]
		if !ok {
			states[n] = unknown
			continue
		}
		if st, ok := s.seen.get(n, l); ok {
			states[n] = st
			continue
		}
		changed = append(changed, n)
	}
	read := make([]unit.State, len(changed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, n := range changed {
		g.Go(func() (err error) {
			read[i], err = s.read(ctx, n, listed[n])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, n := range changed {
		states[n] = read[i]
	}
	return states, nil
}

// list returns those of the named units that are in systemd's memory. Asking
// by pattern or for all of them loads none; asking by name would.
func (s *session) list(ctx context.Context, names []unit.Name) (map[unit.Name]sddbus.UnitStatus, error) {
	var all []sddbus.UnitStatus
	err := s.do(ctx, callList, func() (err error) {
		if len(names) > fewUnits {
			all, err = s.sd.ListUnitsContext(ctx)
			return err
		}
		// Names are their own patterns: "\" escapes nothing in systemd's.
		all, err = s.sd.ListUnitsByPatternsContext(ctx, nil, strs(names))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	listed := make(map[unit.Name]sddbus.UnitStatus, len(all))
	for _, l := range all {
		listed[unit.Name(l.Name)] = l
	}
	return listed, nil
}

// read reads what the list does not tell about a unit in systemd's memory.
//
// It asks for single properties, eight at most: all those of the Unit interface
// cost systemd 15 times as much, and 400 times for the first time after a
// reload, because UnitFileState searches the file system.
func (s *session) read(ctx context.Context, n unit.Name, l sddbus.UnitStatus) (unit.State, error) {
	before := s.seen.generation(n)
	st := unit.State{Load: l.LoadState, Active: l.ActiveState, Sub: l.SubState, Job: l.JobType}
	path := objectPath(n)
	r := reader{ask: func(iface, property string, to any) error { return s.get(ctx, path, iface, property, to) }}
	r.readRun(n.Type(), &st)
	if r.err != nil {
		return unit.State{}, r.err
	}
	s.seen.put(n, before, st)
	return st, nil
}

// values are properties of one interface.
type values map[string]dbus.Variant

// toldState is the state that signals tell of a unit, without Load and Job: rest are the values of the Unit interface, and half
// those of its type's. It fails if they lack any: which are sent is for the version of systemd.
func toldState(t unit.Type, rest, half values) (unit.State, error) {
	r := reader{ask: func(iface, property string, to any) error {
		from := half
		if iface == unitIface {
			from = rest
		}
		value, there := from[property]
		if !there {
			return fmt.Errorf("the signal has no %s", property)
		}
		return value.Store(to)
	}}
	var st unit.State
	r.get(unitIface, "ActiveState", &st.Active)
	r.get(unitIface, "SubState", &st.Sub)
	r.readRun(t, &st)
	return st, r.err
}

// reader reads properties of one unit until the first error.
type reader struct {
	ask func(iface, property string, to any) error
	err error
}

func (r *reader) get(iface, property string, to any) {
	if r.err == nil {
		r.err = r.ask(iface, property, to)
	}
}

// The values of ExecMainCode, waitid(2)'s, that say that a signal ended a process.
const (
	killed = 2
	dumped = 3
)

// skipped tells whether systemd looked at the conditions of the unit's file,
// found one that is not met and did not start it. Its start job is done then.
func (r *reader) skipped() bool {
	var (
		checked uint64
		met     bool
	)
	r.get(unitIface, "ConditionTimestamp", &checked)
	if checked == 0 {
		return false // as with every unit that is loaded and was never started
	}
	r.get(unitIface, "ConditionResult", &met)
	return r.err == nil && !met
}

// sinceProperty is the property that has since when a unit is in its active state, the one that systemctl
// shows. StateChangeTimestamp is another thing: a timer that fires changes its sub-state, and is as active as before.
func sinceProperty(active string) string {
	switch active {
	case "active", "reloading", "refreshing":
		return "ActiveEnterTimestamp"
	case "inactive", "failed":
		return "InactiveEnterTimestamp"
	case "activating":
		return "InactiveExitTimestamp"
	}
	return "ActiveExitTimestamp"
}

// readRun reads what is known of the unit's present or last run.
func (r *reader) readRun(t unit.Type, st *unit.State) {
	var invocation []byte
	r.get(unitIface, "InvocationID", &invocation)
	if len(invocation) == 16 {
		st.InvocationID = fmt.Sprintf("%x", invocation)
	}
	if st.Active == "inactive" {
		st.Skipped = r.skipped()
	}
	iface, ok := results[t]
	if st.InvocationID == "" && st.Active == "inactive" {
		if ok {
			st.Result = "success" // it never ran
		}
		return
	}
	var since uint64
	r.get(unitIface, sinceProperty(st.Active), &since)
	if since > 0 {
		st.Since = time.UnixMicro(int64(since))
	}
	if ok {
		r.get(iface, "Result", &st.Result)
	}
	if t != unit.Service {
		return
	}
	r.get(iface, "ExecMainStatus", &st.ExitStatus)
	if st.ExitStatus != 0 {
		var code int32
		r.get(iface, "ExecMainCode", &code)
		st.Signaled = code == killed || code == dumped
	}
	r.get(iface, "NRestarts", &st.Restarts)
	if st.Running() {
		r.get(iface, "MainPID", &st.MainPID)
	}
}
