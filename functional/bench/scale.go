package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"fleet/functional/hollow"
	"fleet/unit"
)

const (
	scaleUnits = 100 // of each machine
	scaleTTL   = 10 * time.Second
	scaleSlow  = 60 * time.Second // the TTL of scaleLarge machines: with 10 s, to be there is nearly all that two processors can do for them
	racks      = 20               // that the machines are in

	scaleGC     = 400 // percent by which the heap grows between two collections
	scaleMemory = 50  // percent of the machine's memory above which it grows by less

	quiet      = 20 * time.Second // for which nothing happens
	scalePhase = 15 * time.Minute // within which each part of it has to come to its end
	probe      = unit.Name("probe.service")
	scaleReach = 60 // seconds until all units of scaleAim machines are active
	scaleAim   = 1000
	scaleShort = 100
	scaleLarge = 5000
	scaleNeeds = 4 << 20 // bytes of memory for a machine, with its part of etcd; where there is less for all a cluster is left out
)

// scale measures clusters of hollow machines against an etcd process.
func scale(ctx context.Context, o options) ([]row, error) {
	only := regexp.MustCompile(o.only) // measure has tried it
	values := make(map[key][]float64)
	var rows []row
	for range o.count {
		for _, machines := range []int{scaleShort, scaleAim, scaleLarge} {
			name := scaleCase(machines)
			if o.short && machines > scaleShort || !only.MatchString(name) {
				continue
			}
			if memory, err := memoryBytes(); err == nil && memory < int64(machines)*scaleNeeds {
				o.say("%s is left out: it needs %.0f GiB of memory", name, math.Ceil(float64(machines)*scaleNeeds/(1<<30)))
				continue
			}
			some, err := scaleOnce(ctx, machines, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, r := range some {
				if len(values[r.key()]) == 0 {
					rows = append(rows, r)
				}
				values[r.key()] = append(values[r.key()], r.Value)
			}
		}
	}
	for i := range rows {
		var err error
		if rows[i].Value, err = median(values[rows[i].key()]); err != nil {
			return nil, err
		}
		aimOfScale(&rows[i])
	}
	return rows, nil
}

func scaleCase(machines int) string { return fmt.Sprintf("%dx%d", machines, scaleUnits) }

// ttlOfCase is for how long leases live in a case.
func ttlOfCase(name string) time.Duration {
	if name == scaleCase(scaleLarge) {
		return scaleSlow
	}
	return scaleTTL
}

// aimOfScale gives a row its reach, if it has one.
func aimOfScale(r *row) {
	ttl := ttlOfCase(r.Case)
	switch r.Metric {
	case "submit to active":
		if r.Case == scaleCase(scaleAim) {
			r.aim(below, scaleReach)
		}
	case "leader lost, next one decides":
		r.aim(below, (ttl + 5*time.Second).Seconds())
	case "1 % lost, units elsewhere", "rack lost, units elsewhere":
		r.aim(atMost, (ttl + time.Second).Seconds())
	case "idle, etcd revisions", "restarted by mistake", "lost events", "run twice", "asked for again", "warnings and errors":
		r.aim(atMost, 0)
	}
}

// stage is one cluster that is being measured.
type stage struct {
	*hollow.Cluster
	etcd     *hollow.Etcd
	machines int
	ttl      time.Duration
	o        options
	rows     []row
}

func (s *stage) add(metric string, value float64, unit string) {
	s.rows = append(s.rows, row{Bench: "scale", Case: scaleCase(s.machines), Metric: metric, Value: value, Unit: unit})
	fmt.Fprintf(s.o.progress, "%s %s: %s %s\n", scaleCase(s.machines), metric, plain(value), unit)
}

// scaleOnce measures one cluster from its beginning to its end.
func scaleOnce(ctx context.Context, machines int, o options) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "fleet-scale-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// A thousand agents in one heap, with all they know, would be searched for garbage as often as that of one; where memory
	// becomes scarce they are.
	defer debug.SetGCPercent(debug.SetGCPercent(scaleGC))
	if memory, err := memoryBytes(); err == nil {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory * scaleMemory / 100))
	}
	state, err := stateDir(dir)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(state)
	etcd, err := hollow.StartEtcd(ctx, filepath.Join(o.source, "bin", "etcd"), dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, etcd.Stop()) }()
	s := &stage{etcd: etcd, machines: machines, ttl: ttlOfCase(scaleCase(machines)), o: o}
	began := time.Now()
	starting, cancel := context.WithTimeout(ctx, scalePhase)
	defer cancel()
	err = profiled(s, "join", func(ctx context.Context) (err error) {
		s.Cluster, err = hollow.Start(ctx, hollow.Options{
			Machines: machines, Units: scaleUnits, Mortal: 1 + lostFew(machines) + machines/racks, TTL: s.ttl,
			Dial: hollow.DialEtcd(etcd.Address(), s.ttl), Dir: state,
		})
		return err
	})(starting)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.add("machines join", time.Since(began).Seconds(), "s")
	for _, part := range []func(context.Context) error{
		profiled(s, "load", s.load), s.idle, s.parts, profiled(s, "leader", s.loseLeader), s.loseFew, s.loseRack, profiled(s, "roll", s.roll),
	} {
		limited, cancel := context.WithTimeout(ctx, scalePhase)
		err := part(limited)
		cancel()
		if err != nil {
			return nil, errors.Join(err, fmt.Errorf("warnings: %q", s.Trouble.Lines()))
		}
	}
	s.add("warnings and errors", float64(s.Trouble.Count()), "")
	for _, line := range s.Trouble.Lines() {
		fmt.Fprintln(o.progress, line)
	}
	return s.rows, nil
}

// stateDir is where fleetds keep their state: in memory, as /run is, if this machine has such a folder.
func stateDir(otherwise string) (string, error) {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		return filepath.Join(otherwise, "machines"), nil
	}
	return os.MkdirTemp(memory, "fleet-scale-")
}

func lostFew(machines int) int { return max(1, machines/100) }

// all is how many units there are when the probe is one of them.
func (s *stage) all() int { return s.machines*scaleUnits + 1 }

// bill is what etcd and this process have cost, before something and after it.
type bill struct {
	etcdBefore, etcd hollow.EtcdCost
	ownBefore, own   hollow.ProcessCost
}

// during says what something costs.
func (s *stage) during(ctx context.Context, do func() error) (b bill, err error) {
	look := func(etcd *hollow.EtcdCost, own *hollow.ProcessCost) (err error) {
		if *etcd, err = s.etcd.Cost(ctx); err == nil {
			*own, err = hollow.OwnCost()
		}
		return err
	}
	if err := look(&b.etcdBefore, &b.ownBefore); err != nil {
		return bill{}, err
	}
	if err := do(); err != nil {
		return bill{}, err
	}
	return b, look(&b.etcd, &b.own)
}

// load submits all units.
func (s *stage) load(ctx context.Context) error {
	var submitted, active time.Duration
	b, err := s.during(ctx, func() error {
		began := time.Now()
		if err := s.Load(ctx); err != nil {
			return err
		}
		submitted = time.Since(began)
		err := s.AwaitAll(ctx, s.all()-1)
		active = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	view := s.Judge.View()
	s.add("submit", submitted.Seconds(), "s")
	s.add("submit to active", active.Seconds(), "s")
	s.add("placements committed", float64(s.all()-1)/view.LastOrder.Sub(view.FirstOrder).Seconds(), "1/s")
	s.add("orders written for a machine", float64(view.OrdersWritten)/float64(s.machines), "")
	s.add("reports written by a machine", float64(view.ReportsWritten-s.machines)/float64(s.machines), "")
	s.add("asked for again", float64(s.Refused()), "")
	s.add("load, etcd CPU", (b.etcd.CPU - b.etcdBefore.CPU).Seconds(), "s")
	s.add("load, CPU of all else", (b.own.CPU - b.ownBefore.CPU).Seconds(), "s")
	s.add("load, etcd revisions", float64(b.etcd.Revisions-b.etcdBefore.Revisions), "")
	s.add("load, sent by etcd", float64(b.etcd.Sent-b.etcdBefore.Sent)/megabyte, "MiB")
	s.add("load, received by etcd", float64(b.etcd.Received-b.etcdBefore.Received)/megabyte, "MiB")
	s.add("etcd database", float64(b.etcd.Database)/megabyte, "MiB")
	s.add("etcd memory", float64(b.etcd.Memory)/megabyte, "MiB")
	s.add("etcd connections", float64(b.etcd.Connections), "")
	s.add("etcd watchers", float64(b.etcd.Watchers), "")
	s.add("memory of a machine", float64(b.own.Memory)/megabyte/float64(s.machines), "MiB")
	return nil
}

// idle does nothing for a while.
func (s *stage) idle(ctx context.Context) error {
	if err := wait(ctx, 3*time.Second); err != nil { // until what was done last is over
		return err
	}
	b, err := s.during(ctx, func() error { return wait(ctx, quiet) })
	if err != nil {
		return err
	}
	minutes := quiet.Minutes()
	s.add("idle, etcd revisions", float64(b.etcd.Revisions-b.etcdBefore.Revisions), "")
	s.add("idle, etcd CPU per minute", (b.etcd.CPU-b.etcdBefore.CPU).Seconds()/minutes, "s")
	s.add("idle, CPU of a machine per minute", (b.own.CPU-b.ownBefore.CPU).Seconds()/minutes/float64(s.machines), "s")
	return nil
}

// parts measures what knows the whole cluster, each alone in a process.
func (s *stage) parts(ctx context.Context) error {
	for _, name := range []string{"engine", "api"} {
		cost, err := measurePart(ctx, name, s.etcd.Address(), s.ttl)
		if err != nil {
			return err
		}
		s.add(name+" begins", cost.Took.Seconds(), "s")
		s.add(name+" heap", float64(cost.Heap)/megabyte, "MiB")
		s.add(name+" memory", float64(cost.Memory)/megabyte, "MiB")
		s.add(name+" memory, peak", float64(cost.Peak)/megabyte, "MiB")
	}
	return nil
}

// loseLeader takes the power from the leader, and measures how long it takes until the next one has placed a unit, and until all run again.
func (s *stage) loseLeader(ctx context.Context) error {
	former := s.Doomed(1)
	began := time.Now()
	s.Lose(former)
	if err := s.Probe(ctx, probe); err != nil {
		return err
	}
	if err := s.Judge.Await(ctx, func(v hollow.View) bool { return v.Leader != "" && v.Leader != former[0].ID }); err != nil {
		return err
	}
	s.add("leader lost, next one elected", time.Since(began).Seconds(), "s")
	if err := s.Judge.AwaitUnit(ctx, probe); err != nil {
		return err
	}
	s.add("leader lost, next one decides", time.Since(began).Seconds(), "s")
	if err := s.AwaitAll(ctx, s.all()); err != nil {
		return err
	}
	s.add("leader lost, units elsewhere", time.Since(began).Seconds(), "s")
	return nil
}

func (s *stage) loseFew(ctx context.Context) error {
	return s.lose(ctx, "1 % lost, units elsewhere", lostFew(s.machines))
}

func (s *stage) loseRack(ctx context.Context) error {
	return s.lose(ctx, "rack lost, units elsewhere", s.machines/racks)
}

// lose takes the power from some machines at once.
func (s *stage) lose(ctx context.Context, metric string, machines int) error {
	began := time.Now()
	s.Lose(s.Doomed(machines))
	if err := s.AwaitAll(ctx, s.all()); err != nil {
		return err
	}
	s.add(metric, time.Since(began).Seconds(), "s")
	return nil
}

// roll restarts all fleetds, while one unit of a hundred is restarted by a user.
func (s *stage) roll(ctx context.Context) error {
	var restarted []unit.Name
	for i := 0; i < s.machines; i++ {
		restarted = append(restarted, hollow.UnitName(i*scaleUnits+i%scaleUnits))
	}
	began := time.Now()
	if err := s.Roll(ctx, restarted); err != nil {
		return err
	}
	if err := s.AwaitRestarted(ctx, restarted); err != nil {
		return err
	}
	if err := s.AwaitAll(ctx, s.all()); err != nil {
		return err
	}
	s.add("all agents restarted", time.Since(began).Seconds(), "s")
	audit, err := s.Audit(ctx, restarted)
	if err != nil {
		return err
	}
	s.add("restarted by mistake", float64(audit.Restarted), "")
	s.add("lost events", float64(len(audit.Lost)), "")
	s.add("run twice", float64(audit.Doubled), "")
	for _, line := range audit.Lost[:min(10, len(audit.Lost))] {
		fmt.Fprintln(s.o.progress, line)
	}
	return nil
}

// partCommand has this program be a part alone, for scale.
const partCommand = "scale-part"

// measurePart measures a part in a process of its own.
func measurePart(ctx context.Context, name, address string, ttl time.Duration) (hollow.PartCost, error) {
	self, err := os.Executable()
	if err != nil {
		return hollow.PartCost{}, fmt.Errorf("measure the %s: %w", name, err)
	}
	command := exec.CommandContext(ctx, self, partCommand, name, address, ttl.String())
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return hollow.PartCost{}, fmt.Errorf("measure the %s: %w: %s", name, err, strings.TrimSpace(complaint.String()))
	}
	var cost hollow.PartCost
	if err := json.Unmarshal(out, &cost); err != nil {
		return hollow.PartCost{}, fmt.Errorf("measure the %s: %w", name, err)
	}
	return cost, nil
}

// part is such a process.
func part(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 3 || !slices.Contains([]string{"engine", "api"}, args[0]) {
		return misuse("%s is for scale", partCommand)
	}
	ttl, err := time.ParseDuration(args[2])
	if err != nil {
		return misuse("%s: %v", partCommand, err)
	}
	line, err := hollow.DialEtcd(args[1], ttl)(ctx, false)
	if err != nil {
		return err
	}
	defer line.Close()
	var cost hollow.PartCost
	if args[0] == "engine" {
		cost, err = hollow.Engine(ctx, line)
	} else {
		cost, err = hollow.API(ctx, line)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(cost)
}
