package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/hollow"
	"fleet/unit"
)

const (
	storeMachines = 10
	storeUnits    = 100 // of each, in bulk
	storeSingle   = 50  // units that come, go elsewhere or end one after another
	storeIdle     = 1000
	storeChanges  = 100_000
	storeCompact  = 10_000 // changes between two compactions
	storeQuiet    = 300 * time.Millisecond
)

// storeBench measures what is written to an etcd process by a small cluster of hollow machines.
func storeBench(ctx context.Context, o options) ([]row, error) {
	var runs []row
	for range o.count {
		some, err := storeOnce(ctx, o)
		if err != nil {
			return nil, err
		}
		runs = append(runs, some...)
	}
	return medians(runs)
}

// storeStage is the cluster that is measured.
type storeStage struct {
	*hollow.Cluster
	etcd  *hollow.Etcd
	meter *hollow.Meter
	o     options
	rows  []row
}

func (s *storeStage) add(of, metric string, value float64, unit string) {
	s.rows = append(s.rows, row{Bench: "store", Case: of, Metric: metric, Value: value, Unit: unit})
	fmt.Fprintf(s.o.progress, "%s, %s: %s %s\n", of, metric, plain(value), unit)
}

func storeOnce(ctx context.Context, o options) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "fleet-store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	etcd, err := hollow.StartEtcd(ctx, filepath.Join(o.source, "bin", "etcd"), dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, etcd.Stop()) }()
	dial := hollow.DialEtcd(etcd.Address(), scaleTTL)
	c, err := hollow.Start(ctx, hollow.Options{Machines: storeMachines, Units: storeUnits, TTL: scaleTTL, Dial: dial, Dir: filepath.Join(dir, "state")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	line, err := dial(ctx, false)
	if err != nil {
		return nil, err
	}
	defer line.Close()
	following, end := context.WithCancel(ctx)
	defer end()
	meter, err := hollow.Measure(following, line)
	if err != nil {
		return nil, err
	}
	s := &storeStage{Cluster: c, etcd: etcd, meter: meter, o: o}
	err = inProfile(o.profile, "store", func(ctx context.Context) error {
		for _, part := range []func(context.Context) error{s.started, s.loaded, s.moved, s.ended, s.growth} {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return s.behind(ctx, line)
	})(ctx)
	return s.rows, err
}

// cost is what something writes, for each of n.
func (s *storeStage) cost(ctx context.Context, of string, n int, do func() error) error {
	before, err := s.meter.Quiet(ctx, storeQuiet)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := s.meter.Quiet(ctx, storeQuiet)
	if err != nil {
		return err
	}
	w := after.Since(before)
	s.add(of, "revisions", float64(w.Revisions)/float64(n), "")
	s.add(of, "bytes", float64(w.Bytes)/float64(n), "B")
	for _, family := range []string{"units", "files", "orders", "reports", "pending"} {
		if records := w.Of[family]; records > 0 {
			s.add(of, family+" written", float64(records)/float64(n), "")
		}
	}
	return nil
}

func single(i int) unit.Name { return unit.Name(fmt.Sprintf("single@%d.service", i)) }

// each does something to units one after another.
func (s *storeStage) each(ctx context.Context, do func(unit.Name) error) func() error {
	return func() error {
		for i := range storeSingle {
			if err := do(single(i)); err != nil {
				return err
			}
			if _, err := s.meter.Quiet(ctx, storeQuiet); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *storeStage) started(ctx context.Context) error {
	return s.cost(ctx, "started one after another", storeSingle, s.each(ctx, func(n unit.Name) error {
		if err := s.Probe(ctx, n); err != nil {
			return err
		}
		return s.Judge.AwaitUnit(ctx, n)
	}))
}

func (s *storeStage) loaded(ctx context.Context) error {
	all := storeMachines * storeUnits
	return s.cost(ctx, fmt.Sprintf("%d started at once", all), all, func() error {
		if err := s.Load(ctx); err != nil {
			return err
		}
		return s.AwaitAll(ctx, all+storeSingle)
	})
}

func (s *storeStage) moved(ctx context.Context) error {
	return s.cost(ctx, "moved one after another, 100 units on each machine", storeSingle, s.each(ctx, func(n unit.Name) error {
		_, err := s.Client().Move(ctx, n, "", 0)
		return err
	}))
}

// ended has processes die: systemd starts them again, which is two changes of state.
func (s *storeStage) ended(ctx context.Context) error {
	return s.cost(ctx, "a process dies and is started again, 100 units on each machine", storeSingle, s.each(ctx, s.Kill))
}

// growth has inactive units asked for again and again: nobody but the store has anything to do with that.
func (s *storeStage) growth(ctx context.Context) error {
	changes := make([]api.Change, storeIdle)
	for i := range changes {
		changes[i] = api.Change{Name: unit.Name(fmt.Sprintf("idle@%d.service", i)), File: []byte("[Service]\nExecStart=/bin/true\n")}
	}
	first, err := s.ask(ctx, changes)
	if err != nil {
		return err
	}
	for i := range changes {
		changes[i].File, changes[i].Desired = nil, cluster.Inactive
	}
	all := storeChanges
	if s.o.short {
		all /= 10
	}
	of := fmt.Sprintf("%d changes, compacted every %d", all, storeCompact)
	s.add(of, "in use before", float64(first.InUse), "B")
	var most, inUse int64
	began := time.Now()
	for done := 0; done < all; done += len(changes) {
		now, err := s.ask(ctx, changes)
		if err != nil {
			return err
		}
		most, inUse = max(most, now.Database), now.InUse
		if (done+len(changes))%storeCompact == 0 {
			if err := s.etcd.Compact(ctx); err != nil {
				return err
			}
		}
	}
	s.add(of, "changes", float64(all)/time.Since(began).Seconds(), "1/s")
	s.add(of, "database, most", float64(most), "B")
	s.add(of, "in use before a compaction", float64(inUse), "B")
	if _, err := s.meter.Quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	last, err := s.etcd.Cost(ctx)
	if err != nil {
		return err
	}
	s.add(of, "in use behind the last", float64(last.InUse), "B")
	return nil
}

func (s *storeStage) ask(ctx context.Context, changes []api.Change) (hollow.EtcdCost, error) {
	results, err := s.Client().Change(ctx, changes)
	if err != nil {
		return hollow.EtcdCost{}, err
	}
	if i := slices.IndexFunc(results, func(r api.ChangeResult) bool { return r.Error != "" }); i >= 0 {
		return hollow.EtcdCost{}, results[i].Err()
	}
	return s.etcd.Cost(ctx)
}

// behind is how long those take that have to read everything anew: after a compaction that was faster than they are,
// after a connection that was away for too long, or in a new leader. The units are those that run, and the inactive ones.
func (s *storeStage) behind(ctx context.Context, line hollow.Line) error {
	if err := s.etcd.Compact(ctx); err != nil {
		return err
	}
	const of = "right after a compaction, 2,050 units"
	cost, err := hollow.API(ctx, line)
	if err != nil {
		return err
	}
	s.add(of, "cache of the API anew", milliseconds(cost.Took), "ms")
	if cost, err = hollow.Engine(ctx, line); err != nil {
		return err
	}
	s.add(of, "engine anew", milliseconds(cost.Took), "ms")
	return nil
}
