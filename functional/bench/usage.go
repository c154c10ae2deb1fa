package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which the kernel tells the processor's time: USER_HZ is 100 wherever Go runs on Linux.
const tick = 10 * time.Millisecond

// process is one whose use of the machine is of interest.
type process struct {
	kind string // fleetd, etcd, systemd
	host string
	pid  int
}

// processes finds the fleetds, the separate etcds, and the PID 1s.
func (g *ground) processes(ctx context.Context) ([]process, error) {
	var all []process
	for _, h := range g.Hosts() {
		pid, _, err := h.MainPID(ctx, "fleetd.service")
		if err != nil {
			return nil, err
		}
		leader, err := h.Leader()
		if err != nil {
			return nil, err
		}
		all = append(all, process{"fleetd", h.Name, pid}, process{"systemd", h.Name, leader})
	}
	for _, e := range g.Etcds() {
		pid, err := e.PID()
		if err != nil {
			return nil, err
		}
		all = append(all, process{"etcd", e.Name, pid})
	}
	return all, nil
}

// used is what processes have used of the processors, by kind: together, and the one that has used most.
type used struct{ sum, most map[string]time.Duration }

// meter begins to measure, and returns what tells how much was used since.
func meter(all []process) (func() (used, error), error) {
	before := make([]time.Duration, len(all))
	for i, p := range all {
		var err error
		if before[i], err = p.cpu(); err != nil {
			return nil, err
		}
	}
	return func() (used, error) {
		u := used{make(map[string]time.Duration), make(map[string]time.Duration)}
		for i, p := range all {
			now, err := p.cpu()
			if err != nil {
				return used{}, err
			}
			u.sum[p.kind] += now - before[i]
			u.most[p.kind] = max(u.most[p.kind], now-before[i])
		}
		return u, nil
	}, nil
}

// spell is what a while has cost.
type spell struct {
	used
	proposals float64 // of etcd
	rss, own  float64 // MiB of the fleetd that has most then, and what of it is no file's
}

// spell measures a while in which the bench does nothing.
func (g *ground) spell(ctx context.Context, lasts time.Duration) (spell, error) {
	processes, err := g.processes(ctx)
	if err != nil {
		return spell{}, err
	}
	before, err := g.proposals(ctx)
	if err != nil {
		return spell{}, err
	}
	spent, err := meter(processes)
	if err != nil {
		return spell{}, err
	}
	if err := wait(ctx, lasts); err != nil {
		return spell{}, err
	}
	var s spell
	if s.used, err = spent(); err != nil {
		return spell{}, err
	}
	after, err := g.proposals(ctx)
	if err != nil {
		return spell{}, err
	}
	s.proposals = after - before
	for _, p := range processes {
		if p.kind != "fleetd" {
			continue
		}
		all, own, err := p.resident()
		if err != nil {
			return spell{}, err
		}
		s.rss, s.own = max(s.rss, all/megabyte), max(s.own, own/megabyte)
	}
	return s, nil
}

// cpu is what the process has used of the processors since it began.
func (p process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, fmt.Errorf("see what %s of %s has used: %w", p.kind, p.host, err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	const utime, stime = 11, 12 // behind the name
	if len(fields) <= stime {
		return 0, fmt.Errorf("see what %s of %s has used: %q", p.kind, p.host, stat)
	}
	var ticks int64
	for _, field := range fields[utime : stime+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("see what %s of %s has used: %w", p.kind, p.host, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

const megabyte = 1 << 20

// resident is the memory of a process that is there, in bytes: all of it, and what of it is its own and no file's.
func (p process) resident() (all, own float64, err error) {
	status := fmt.Sprintf("/proc/%d/status", p.pid)
	for name, into := range map[string]*float64{"VmRSS": &all, "RssAnon": &own} {
		kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(field(status, name, ""), " kB"), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("see the memory of %s of %s: %w", p.kind, p.host, err)
		}
		*into = kilobytes * 1024
	}
	return all, own, nil
}
