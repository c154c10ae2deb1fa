package systemd

import (
	"context"
	"fmt"
	"strings"
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

// typeProperties are the properties beyond the Unit interface that State
// holds, by unit type. Types not named here have none.
var typeProperties = map[unit.Type]struct {
	iface      string
	properties []string
}{
	"service":   {"org.freedesktop.systemd1.Service", []string{"Result", "ExecMainStatus", "MainPID", "NRestarts"}},
	"socket":    {"org.freedesktop.systemd1.Socket", []string{"Result"}},
	"timer":     {"org.freedesktop.systemd1.Timer", []string{"Result"}},
	"path":      {"org.freedesktop.systemd1.Path", []string{"Result"}},
	"mount":     {"org.freedesktop.systemd1.Mount", []string{"Result"}},
	"automount": {"org.freedesktop.systemd1.Automount", []string{"Result"}},
	"swap":      {"org.freedesktop.systemd1.Swap", []string{"Result"}},
	"scope":     {"org.freedesktop.systemd1.Scope", []string{"Result"}},
}

// States reads the present state of units. A name that systemd does not know
// has Load "not-found" and Active "inactive", and is not loaded for being asked.
//
// One call lists what changes most; the rest is read anew only of units about
// which systemd has signalled since it was last read.
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
		if st, ok := s.seen.get(n); ok && st.Load == l.LoadState && st.Active == l.ActiveState && st.Sub == l.SubState {
			st.Job = l.JobType
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
			read[i], err = s.read(ctx, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, n := range changed {
		read[i].Job = listed[n].JobType
		states[n] = read[i]
	}
	return states, nil
}

// list returns those of the named units that are in systemd's memory. Asking
// by pattern or for all of them loads none; asking by name would.
func (s *session) list(ctx context.Context, names []unit.Name) (map[unit.Name]sddbus.UnitStatus, error) {
	var all []sddbus.UnitStatus
	err := s.do(ctx, func() (err error) {
		if len(names) > fewUnits {
			all, err = s.sd.ListUnitsContext(ctx)
			return err
		}
		patterns := make([]string, len(names))
		for i, n := range names {
			patterns[i] = strings.ReplaceAll(string(n), `\`, `\\`)
		}
		all, err = s.sd.ListUnitsByPatternsContext(ctx, nil, patterns)
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

// read reads the whole state of a unit in systemd's memory, but for its job.
func (s *session) read(ctx context.Context, n unit.Name) (unit.State, error) {
	before := s.seen.generation(n)
	var all map[string]dbus.Variant
	err := s.do(ctx, func() error {
		o := s.conn.Object(busName, objectPath(n))
		return o.CallWithContext(ctx, getAll, 0, unitIface).Store(&all)
	})
	if err != nil {
		return unit.State{}, fmt.Errorf("read properties of %s: %w", n, err)
	}
	st := unit.State{}
	store(all, "LoadState", &st.Load)
	store(all, "ActiveState", &st.Active)
	store(all, "SubState", &st.Sub)
	var since uint64
	store(all, "StateChangeTimestamp", &since)
	if since > 0 {
		st.Since = time.UnixMicro(int64(since))
	}
	var invocation []byte
	store(all, "InvocationID", &invocation)
	if len(invocation) == 16 {
		st.InvocationID = fmt.Sprintf("%x", invocation)
	}
	if err := s.readType(ctx, n, &st); err != nil {
		return unit.State{}, err
	}
	s.seen.put(n, before, st)
	return st, nil
}

// readType reads single properties: all those of a service are 300, some of
// which systemd must read from the kernel.
func (s *session) readType(ctx context.Context, n unit.Name, st *unit.State) error {
	if st.Load == "not-found" {
		return nil
	}
	t := typeProperties[n.Type()]
	for _, p := range t.properties {
		var to any
		switch p {
		case "Result":
			to = &st.Result
		case "ExecMainStatus":
			to = &st.ExitStatus
		case "MainPID":
			to = &st.MainPID
		case "NRestarts":
			to = &st.Restarts
		}
		if err := s.get(ctx, objectPath(n), t.iface, p, to); err != nil {
			return err
		}
	}
	return nil
}

// store leaves the zero value where systemd lacks the property: older
// versions lack some.
func store(from map[string]dbus.Variant, property string, to any) {
	if v, ok := from[property]; ok {
		_ = v.Store(to)
	}
}
