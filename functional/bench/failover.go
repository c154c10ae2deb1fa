package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

const (
	failoverTTL = testbed.DefaultTTL
	outage      = failoverTTL * 3 / 2 // of etcd, or of a fleetd: longer than leases live
	settled     = time.Minute         // within which everything is as before

	plainUnit unit.Name = "plain.service"
	onceUnit  unit.Name = "once.service"
)

var failoverUnits = map[unit.Name]string{
	plainUnit: "[Service]\nExecStart=/bin/sleep infinity\n",
	onceUnit:  "[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nAtMostOnce=yes\n",
}

// failure is something that happens to the host on which the units run.
type failure struct {
	name   string
	reach  map[unit.Name]float64 // at most so many seconds without the unit
	does   func(context.Context, *failing, *testbed.Host) error
	undoes func(context.Context, *failing, *testbed.Host) error
	moves  bool // the units are expected to be elsewhere afterwards; otherwise it lasts for lasts
	lasts  time.Duration
}

func failures() []failure {
	gone := map[unit.Name]float64{plainUnit: failoverTTL.Seconds() + 1, onceUnit: failoverTTL.Seconds() + 1}
	nothing := map[unit.Name]float64{plainUnit: 0, onceUnit: 0}
	return []failure{
		{
			name: "killed host", reach: gone, moves: true,
			does: func(ctx context.Context, _ *failing, h *testbed.Host) error {
				return errors.Join(h.Cut(ctx, testbed.Unplug), h.Kill(ctx)) // one that dies in silence closes no connection
			},
			undoes: func(ctx context.Context, _ *failing, h *testbed.Host) error {
				return errors.Join(h.Heal(ctx), h.Boot(ctx))
			},
		},
		{
			name: "cut host", reach: map[unit.Name]float64{onceUnit: gone[onceUnit]}, moves: true,
			does:   func(ctx context.Context, _ *failing, h *testbed.Host) error { return h.Cut(ctx, testbed.Drop) },
			undoes: func(ctx context.Context, _ *failing, h *testbed.Host) error { return h.Heal(ctx) },
		},
		{
			name: "drained host", reach: map[unit.Name]float64{plainUnit: 0}, moves: true,
			does: func(ctx context.Context, g *failing, h *testbed.Host) error {
				return g.client.SetDrained(ctx, true, cluster.MachineID(h.MachineID))
			},
			undoes: func(ctx context.Context, g *failing, h *testbed.Host) error {
				return g.client.SetDrained(ctx, false, cluster.MachineID(h.MachineID))
			},
		},
		{
			name: "stopped fleetd", reach: nothing, lasts: outage,
			does:   func(ctx context.Context, _ *failing, h *testbed.Host) error { return systemctl(ctx, h, "stop") },
			undoes: func(ctx context.Context, _ *failing, h *testbed.Host) error { return systemctl(ctx, h, "start") },
		},
		{
			name: "etcd outage", reach: map[unit.Name]float64{plainUnit: 0}, lasts: outage,
			does: func(ctx context.Context, g *failing, _ *testbed.Host) error {
				var problems []error
				for _, e := range g.Etcds() {
					problems = append(problems, e.Stop(ctx))
				}
				return errors.Join(problems...)
			},
			undoes: func(ctx context.Context, g *failing, _ *testbed.Host) error {
				var problems []error
				for i := range g.Etcds() {
					problems = append(problems, g.StartEtcd(ctx, i+1))
				}
				return errors.Join(problems...)
			},
		},
		{
			name: "leader change", reach: nothing, lasts: failoverTTL / 2,
			does:   func(ctx context.Context, g *failing, _ *testbed.Host) error { return g.changeLeader(ctx, "stop") },
			undoes: func(ctx context.Context, g *failing, _ *testbed.Host) error { return g.changeLeader(ctx, "start") },
		},
	}
}

func systemctl(ctx context.Context, h *testbed.Host, verb string) error {
	_, err := h.Exec(ctx, "systemctl", verb, "fleet.socket", "fleetd.service")
	return err
}

// failing is the cluster on which it is measured.
type failing struct {
	*ground
	witness *record.Recorder
	leader  *testbed.Host
}

// failover measures for how long units are nowhere when something happens to their machine: on real hosts, by what
// systemd says.
func failover(ctx context.Context, o options) ([]row, error) {
	on, err := bring(ctx, o, testbed.Spec{Name: "failover", Hosts: 4, ExternalEtcd: true, TTL: failoverTTL})
	if err != nil {
		return nil, err
	}
	defer on.close()
	// The first host's client: nothing is done to that host but a change of its leadership.
	g := &failing{ground: on, witness: record.New(context.WithoutCancel(ctx))}
	defer g.witness.Close()
	for _, h := range g.Hosts() {
		g.witness.Follow(h.Name, h)
	}
	for name, text := range failoverUnits {
		if _, err := g.client.PutFile(ctx, name, []byte(text), api.PutFileOptions{Desired: cluster.Launched}); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, f := range failures() {
		if !o.wants(f.name) {
			continue
		}
		some, err := g.measure(ctx, f, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// measure has a failure happen some times.
func (g *failing) measure(ctx context.Context, f failure, o options) ([]row, error) {
	gaps := make(map[unit.Name][]float64)
	for n := range o.count {
		h := g.Hosts()[2+n%2]
		seen, err := g.once(ctx, f, h)
		if err != nil {
			return nil, err
		}
		for name, gap := range seen {
			gaps[name] = append(gaps[name], gap.Seconds())
		}
		fmt.Fprintf(o.progress, "%s %d of %d: %v\n", f.name, n+1, o.count, seen)
	}
	var rows []row
	for _, name := range []unit.Name{plainUnit, onceUnit} {
		middle, err := median(gaps[name])
		if err != nil {
			return nil, err
		}
		kind := map[unit.Name]string{plainUnit: "plain", onceUnit: "AtMostOnce"}[name]
		for _, r := range []row{
			{Bench: "failover", Case: f.name + "/" + kind, Metric: "median", Value: middle, Unit: "s"},
			{Bench: "failover", Case: f.name + "/" + kind, Metric: "worst", Value: slices.Max(gaps[name]), Unit: "s"},
		} {
			if at, ok := f.reach[name]; ok {
				r.aim(atMost, at)
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// once has a failure happen to the host on which the units run, and returns for how long each was nowhere.
func (g *failing) once(ctx context.Context, f failure, h *testbed.Host) (map[unit.Name]time.Duration, error) {
	for name := range failoverUnits {
		if err := g.bringTo(ctx, name, h); err != nil {
			return nil, err
		}
	}
	began := record.Now()
	if err := f.does(ctx, g, h); err != nil {
		return nil, err
	}
	if f.moves {
		for name := range failoverUnits {
			if err := g.await(ctx, name, func(r record.Run) bool { return r.Host != h.Name && r.Start > began }); err != nil {
				return nil, err
			}
		}
	} else if err := wait(ctx, f.lasts); err != nil {
		return nil, err
	}
	if err := f.undoes(ctx, g, h); err != nil {
		return nil, err
	}
	if err := g.rest(ctx); err != nil {
		return nil, err
	}
	gaps := make(map[unit.Name]time.Duration)
	for name := range failoverUnits {
		gaps[name] = 0
	}
	for _, gap := range record.Gaps(g.witness.Runs(began)) {
		gaps[gap.Unit] = max(gaps[gap.Unit], gap.Length()) // the longest come first
	}
	return gaps, nil
}

// bringTo has a unit run on a host, and nowhere else.
func (g *failing) bringTo(ctx context.Context, name unit.Name, h *testbed.Host) error {
	return g.until(ctx, settled, fmt.Sprintf("%s runs on %s", name, h.Name), func() (bool, error) {
		u, err := g.client.Unit(ctx, name)
		if err != nil || u.Outcome == nil || u.Outcome.Phase != cluster.Done || len(u.Copies) != 1 || u.Copies[0].Active != "active" {
			return false, err
		}
		if u.MachineID == cluster.MachineID(h.MachineID) {
			return true, nil
		}
		_, err = g.client.Move(ctx, name, cluster.MachineID(h.MachineID), 0)
		return false, err
	})
}

// rest waits until all machines are ready, and each unit runs once.
func (g *failing) rest(ctx context.Context) error {
	return g.until(ctx, settled, "everything is as before", func() (bool, error) {
		machines, err := g.client.Machines(ctx)
		if err != nil || len(machines) != len(g.Hosts()) {
			return false, err
		}
		for _, m := range machines {
			if m.State != cluster.StateReady || m.Fence == nil {
				return false, fmt.Errorf("machine %s is %s", m.ID.Short(), m.State)
			}
		}
		for name := range failoverUnits {
			u, err := g.client.Unit(ctx, name)
			if err != nil || u.Outcome == nil || u.Outcome.Phase != cluster.Done || len(u.Copies) != 1 || u.Copies[0].Active != "active" {
				return false, errors.Join(err, fmt.Errorf("%s: %+v", name, u.Outcome))
			}
		}
		return true, nil
	})
}

// await waits until a unit has a run that still goes on, as is asked for.
func (g *failing) await(ctx context.Context, name unit.Name, is func(record.Run) bool) error {
	return g.until(ctx, settled, fmt.Sprintf("%s runs elsewhere", name), func() (bool, error) {
		for _, r := range g.witness.Runs(0) {
			if r.Unit == name && r.End == 0 && is(r) {
				return true, nil
			}
		}
		return false, nil
	})
}

// changeLeader stops the fleetd of the engine that leads, so that another does, or starts it again.
func (g *failing) changeLeader(ctx context.Context, verb string) error {
	if verb == "start" {
		return systemctl(ctx, g.leader, verb)
	}
	for _, h := range g.Hosts() {
		c, err := api.Dial(h.URL(), api.ClientOptions{Timeout: apiPatience})
		if err != nil {
			return err
		}
		machines, err := c.Machines(ctx)
		c.Close()
		if err != nil {
			return err
		}
		for _, m := range machines {
			if m.Leader && m.ID == cluster.MachineID(h.MachineID) {
				g.leader = h
				return systemctl(ctx, h, verb)
			}
		}
	}
	return errors.New("no engine leads")
}
