package main

import (
	"context"
	"fmt"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// slower is what fleet may take longer than systemctl on the same host, in ms.
const slower = 50

// way is one way to have a unit start.
type way struct {
	name   string
	starts func(context.Context, *startBench) error
}

// startBench is a cluster with one unit that is loaded on a host, and stopped.
type startBench struct {
	*ground
	host *testbed.Host
	unit unit.Name
}

// start measures from a request to the process of the unit, beside what systemctl takes on the same host for the same unit.
func start(ctx context.Context, o options) ([]row, error) {
	if o.short {
		o.count = min(o.count, 20)
	}
	g, err := bring(ctx, o, testbed.Spec{Name: "start", Hosts: testbed.DefaultHosts})
	if err != nil {
		return nil, err
	}
	defer g.close()
	var rows []row
	for _, of := range []struct {
		name string
		run  func(context.Context, *ground, options) (map[string][]float64, error)
	}{{"loaded", startLoaded}, {"new", startNew}} {
		if !o.wants(of.name) {
			continue
		}
		took, err := of.run(ctx, g, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of.name, err)
		}
		some, err := startRows(of.name, took)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

const (
	bySystemctl = "systemctl start"
	byFleetctl  = "fleetctl start"
	byCall      = "call of the API"
)

// startRows are how long each way took, and how much longer than systemctl.
func startRows(of string, took map[string][]float64) ([]row, error) {
	var rows []row
	for _, way := range []string{bySystemctl, byFleetctl, byCall} {
		for _, q := range []struct {
			name  string
			share float64
		}{{"median", 0.5}, {"p99", 0.99}} {
			value, err := quantile(took[way], q.share)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row{Bench: "start", Case: of + "/" + way, Metric: q.name, Value: value, Unit: "ms"})
			if way == bySystemctl {
				continue
			}
			base, err := quantile(took[bySystemctl], q.share)
			if err != nil {
				return nil, err
			}
			more := row{Bench: "start", Case: of + "/" + way, Metric: q.name + " more", Value: value - base, Unit: "ms"}
			more.aim(atMost, slower)
			rows = append(rows, more)
		}
	}
	return rows, nil
}

// startLoaded starts one unit again and again, each way in turn, that is loaded on its host.
func startLoaded(ctx context.Context, g *ground, o options) (map[string][]float64, error) {
	const name unit.Name = "again.service"
	text := "[Unit]\nStartLimitIntervalSec=0\n" + sleeps
	if _, err := g.client.PutFile(ctx, name, []byte(text), api.PutFileOptions{Desired: cluster.Loaded}); err != nil {
		return nil, err
	}
	s := &startBench{ground: g, unit: name}
	if err := s.untilStopped(ctx); err != nil {
		return nil, err
	}
	ways := []way{
		{name: bySystemctl, starts: func(ctx context.Context, s *startBench) error {
			_, err := s.host.Exec(ctx, "systemctl", "start", string(s.unit))
			return err
		}},
		{name: byFleetctl, starts: func(ctx context.Context, s *startBench) error {
			_, err := s.host.Exec(ctx, "fleetctl", "start", string(s.unit))
			return err
		}},
		{name: byCall, starts: func(ctx context.Context, s *startBench) error {
			return s.await(s.client.SetDesired(ctx, s.unit, cluster.Launched))(ctx)
		}},
	}
	took := make(map[string][]float64)
	for n := range o.count {
		for _, w := range ways {
			began := record.Now()
			if err := w.starts(ctx, s); err != nil {
				return nil, err
			}
			at, err := s.ran(ctx, s.host, s.unit, began)
			if err != nil {
				return nil, err
			}
			took[w.name] = append(took[w.name], milliseconds(at.Sub(began)))
			if err := s.stop(ctx, w.name == bySystemctl); err != nil {
				return nil, err
			}
		}
		if (n+1)%20 == 0 {
			o.say("start: loaded %d of %d", n+1, o.count)
		}
	}
	_, err := g.client.Destroy(ctx, name)
	return took, err
}

// await waits until what was asked for is carried out, without asking again and again meanwhile.
func (s *startBench) await(asked api.Result, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		_, err := s.client.Await(ctx, s.unit, asked.Generation)
		return err
	}
}

// stop has the unit be loaded and stopped again, by whom it was started.
func (s *startBench) stop(ctx context.Context, systemctl bool) error {
	if systemctl {
		if _, err := s.host.Exec(ctx, "systemctl", "stop", string(s.unit)); err != nil {
			return err
		}
	} else if _, err := s.client.SetDesired(ctx, s.unit, cluster.Loaded); err != nil {
		return err
	}
	return s.untilStopped(ctx)
}

// untilStopped waits until fleet knows that the unit has no process, and rests for a moment: the cluster is idle.
func (s *startBench) untilStopped(ctx context.Context) error {
	err := s.until(ctx, settled, fmt.Sprintf("%s is loaded", s.unit), func() (bool, error) {
		u, err := s.client.Unit(ctx, s.unit)
		if err != nil || u.Outcome == nil || u.Outcome.Phase != cluster.Done || len(u.Copies) != 1 || u.Copies[0].Active != "inactive" {
			return false, err
		}
		s.host = s.hostOf(u.MachineID)
		return s.host != nil, nil
	})
	if err != nil {
		return err
	}
	return wait(ctx, 100*time.Millisecond)
}

func (g *ground) hostOf(id cluster.MachineID) *testbed.Host {
	for _, h := range g.Hosts() {
		if h.MachineID == string(id) {
			return h
		}
	}
	return nil
}

// ran waits until the unit's process runs that was started after that moment, and says since when it does.
func (g *ground) ran(ctx context.Context, h *testbed.Host, name unit.Name, after record.Moment) (record.Moment, error) {
	var at record.Moment
	return at, g.until(ctx, settled, fmt.Sprintf("%s has a process", name), func() (bool, error) {
		out, err := h.Exec(ctx, "systemctl", "show", "--property=ExecMainStartTimestampMonotonic", string(name))
		if err != nil {
			return false, err
		}
		at, err = property(out, "ExecMainStartTimestampMonotonic")
		return at > after, err
	})
}

// startNew starts units that nobody has heard of, each way in turn: systemd has to read its files anew for each. A new file of
// systemctl's is written before the time begins.
func startNew(ctx context.Context, g *ground, o options) (map[string][]float64, error) {
	h := g.Hosts()[0]
	ways := []way{
		{name: bySystemctl, starts: func(ctx context.Context, s *startBench) error {
			_, err := s.host.Exec(ctx, "sh", "-c", "systemctl daemon-reload && systemctl start "+string(s.unit))
			return err
		}},
		{name: byFleetctl, starts: func(ctx context.Context, s *startBench) error {
			_, err := s.host.Exec(ctx, "fleetctl", "start", "/root/"+string(s.unit))
			return err
		}},
		{name: byCall, starts: func(ctx context.Context, s *startBench) error {
			return s.await(s.client.PutFile(ctx, s.unit, []byte(sleeps), api.PutFileOptions{Desired: cluster.Launched}))(ctx)
		}},
	}
	took := make(map[string][]float64)
	for n := range o.count {
		for i, w := range ways {
			s := &startBench{ground: g, host: h, unit: unit.Name(fmt.Sprintf("new-%d-%d.service", i, n))}
			file := "/root/" + string(s.unit)
			if w.name == bySystemctl {
				file = "/run/systemd/system/" + string(s.unit)
			}
			if err := h.WriteFile(file, []byte(sleeps), 0o644); err != nil {
				return nil, err
			}
			began := record.Now()
			if err := w.starts(ctx, s); err != nil {
				return nil, err
			}
			at, err := s.startedAnew(ctx, w.name == bySystemctl, began)
			if err != nil {
				return nil, err
			}
			took[w.name] = append(took[w.name], milliseconds(at.Sub(began)))
			if err := s.remove(ctx, file, w.name == bySystemctl); err != nil {
				return nil, err
			}
		}
		if (n+1)%20 == 0 {
			o.say("start: new %d of %d", n+1, o.count)
		}
	}
	return took, nil
}

// startedAnew finds out where a new unit runs, and since when.
func (s *startBench) startedAnew(ctx context.Context, systemctl bool, began record.Moment) (record.Moment, error) {
	if !systemctl {
		err := s.until(ctx, settled, fmt.Sprintf("%s runs", s.unit), func() (bool, error) {
			u, err := s.client.Unit(ctx, s.unit)
			if err != nil || u.Outcome == nil || u.Outcome.Phase != cluster.Done {
				return false, err
			}
			s.host = s.hostOf(u.MachineID)
			return s.host != nil, nil
		})
		if err != nil {
			return 0, err
		}
	}
	return s.ran(ctx, s.host, s.unit, began)
}

// remove has the unit be gone from everywhere.
func (s *startBench) remove(ctx context.Context, file string, systemctl bool) error {
	if systemctl {
		if _, err := s.host.Exec(ctx, "systemctl", "stop", string(s.unit)); err != nil {
			return err
		}
		return s.host.RemoveAll(file)
	}
	if err := s.Hosts()[0].RemoveAll(file); err != nil {
		return err
	}
	if _, err := s.client.Destroy(ctx, s.unit); err != nil {
		return err
	}
	err := s.until(ctx, settled, fmt.Sprintf("%s is gone", s.unit), func() (bool, error) {
		states, err := s.client.StatesWith(ctx, api.ListOptions{Names: []unit.Name{s.unit}})
		return err == nil && len(states) == 0, err
	})
	if err != nil {
		return err
	}
	return wait(ctx, 100*time.Millisecond)
}
