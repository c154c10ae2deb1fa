package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/customer"
	"fleet/functional/record"
	"fleet/functional/testbed"
)

const (
	clusterName = "chaos"
	hosts       = 4
	ttl         = testbed.DefaultTTL

	// rest is how long the cluster may take, everything healed, until everybody has what was asked for last.
	rest = 2 * time.Minute
	look = 100 * time.Millisecond

	// patience is that of customers (package customer says why): longer than any fault, and what TCP then takes to try again.
	patience = 5 * ttl
)

// chaos is one run.
type chaos struct {
	*testbed.Cluster
	options
	out     io.Writer
	began   time.Time
	start   record.Moment
	witness *record.Recorder
	clients []*api.Client
}

// run has the cluster up, works it and breaks it, heals it, and says what came of it.
func run(ctx context.Context, o options, out io.Writer) (*verdict, error) {
	store := "embedded"
	if o.external {
		store = "external"
	}
	fmt.Fprintf(out, "seed %d, %s, %d hosts, etcd %s, agent_ttl %s\n", o.seed, o.during, hosts, store, ttl)
	if err := testbed.Down(ctx, clusterName); err != nil {
		return nil, err
	}
	failed := true
	defer func() {
		if failed && o.keep {
			fmt.Fprintf(out, "left for you: scripts/cluster --name %s list\n", clusterName)
			return
		}
		if err := testbed.Down(context.WithoutCancel(ctx), clusterName); err != nil {
			fmt.Fprintf(out, "take the cluster down: %v\n", err)
		}
	}()
	up, cancel := context.WithTimeout(ctx, testbed.StartDeadline)
	defer cancel()
	c, err := testbed.Up(up, testbed.Spec{Name: clusterName, Hosts: hosts, Source: o.source, ExternalEtcd: o.external, TTL: ttl}, func(string) {})
	if err != nil {
		return nil, err
	}
	if err := c.WaitMachines(up); err != nil {
		return nil, err
	}
	x := &chaos{Cluster: c, options: o, out: out, began: time.Now(), start: record.Now(), witness: record.New(context.WithoutCancel(ctx))}
	defer x.witness.Close()
	for _, h := range c.Hosts() {
		x.witness.Follow(h.Name, h)
		client, err := api.Dial(h.URL(), api.ClientOptions{Timeout: patience})
		if err != nil {
			return nil, err
		}
		defer client.Close()
		x.clients = append(x.clients, client)
	}
	v, err := x.work(ctx)
	failed = err != nil || v.failed()
	return v, err
}

// work is the run on a cluster that is up.
func (x *chaos) work(ctx context.Context) (*verdict, error) {
	l := newLoad(x.seed, x.clients)
	for _, c := range l.all() {
		if err := c.Launch(ctx); err != nil {
			return nil, err
		}
	}
	if late := x.settle(ctx, l.all()); len(late) > 0 {
		return nil, fmt.Errorf("before anything is broken: %s", strings.Join(late, "; "))
	}
	v := &verdict{kinds: make(map[string]int), longest: make(map[record.Kind]record.Gap), twice: make(map[record.Kind]int)}
	end := time.Now().Add(x.during)
	group, working := errgroup.WithContext(ctx)
	for _, c := range l.moody {
		group.Go(func() error { return moody(working, c, end) })
	}
	group.Go(func() error { return x.faults(working, v, end) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	x.say("everything is healed")
	healed := time.Now()
	v.late = x.settle(ctx, l.all())
	v.settled = time.Since(healed)
	v.leftovers = x.leftovers(l.all())
	for _, c := range l.all() {
		v.requests += len(c.History)
	}
	return v, x.judge(ctx, v)
}

// moody asks for one thing after the other until then.
func moody(ctx context.Context, c *customer.Customer, until time.Time) error {
	for time.Now().Before(until) {
		if err := c.Ask(ctx); err != nil {
			return err
		}
		if err := wait(ctx, time.Duration(c.Random.Int64N(int64(8*time.Second)))); err != nil {
			return err
		}
	}
	return nil
}

// faults strikes until then.
func (x *chaos) faults(ctx context.Context, v *verdict, until time.Time) error {
	p := newPlanner(x.seed, hosts, ttl, x.external)
	for time.Now().Before(until) {
		r := p.next()
		x.say(r.String())
		var strikes sync.WaitGroup
		for _, s := range r.strikes {
			h, err := x.Host(s.host)
			if err != nil {
				return err
			}
			v.faults++
			v.kinds[s.fault.name]++
			strikes.Go(func() {
				if err := s.fault.strike(ctx, target{h, x.Cluster}, s.during); err != nil {
					x.say(fmt.Sprintf("  %s: %v", s, err))
				}
			})
		}
		strikes.Wait()
		if err := wait(ctx, r.rest); err != nil {
			return err
		}
	}
	return x.heal(ctx)
}

// heal ends whatever is left of faults: of one whose undoing failed.
func (x *chaos) heal(ctx context.Context) error {
	var problems []error
	for _, h := range x.Hosts() {
		t := target{h, x.Cluster}
		problems = append(problems, limited(ctx, t, powerOn), limited(ctx, t, emptyDisk), limited(ctx, t, systemctl("start", "fleet.socket", fleetd)))
	}
	for i := range x.Etcds() {
		problems = append(problems, x.StartEtcd(ctx, i+1))
	}
	return errors.Join(problems...)
}

// settle waits until all machines are there and all customers have what they asked for last; it returns what is missing then.
func (x *chaos) settle(ctx context.Context, customers []*customer.Customer) []string {
	deadline := time.Now().Add(rest)
	for {
		missing := x.missing(ctx, customers)
		if len(missing) == 0 || time.Now().After(deadline) || wait(ctx, look) != nil {
			return missing
		}
	}
}

func (x *chaos) missing(ctx context.Context, customers []*customer.Customer) []string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	machines, err := x.clients[0].Machines(ctx)
	if err != nil || len(machines) != hosts {
		return []string{fmt.Sprintf("%d of %d machines are listed, %v", len(machines), hosts, err)}
	}
	var missing []string
	for _, c := range customers {
		u, err := x.clients[0].Unit(ctx, c.Name)
		if errors.Is(err, api.ErrNotFound) {
			u, err = api.Unit{Absent: true}, nil
		}
		if err == nil && c.Settled(u) {
			continue
		}
		missing = append(missing, fmt.Sprintf("%s is not as was asked for (%s, version %d): %v %+v %+v", c.Name, c.Desired, c.Version, err, u.Outcome, u.Copies))
	}
	return missing
}

// leftovers are files on hosts of units that nobody wants there.
func (x *chaos) leftovers(customers []*customer.Customer) []string {
	wanted := make(map[string]bool)
	for _, c := range customers {
		wanted[string(c.Name)] = c.Desired == cluster.Launched || c.Desired == cluster.Loaded
	}
	var left []string
	for _, h := range x.Hosts() {
		leader, err := h.Leader()
		if err != nil {
			continue
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/root/run/fleet/units/*.service", leader))
		for _, file := range files {
			if name := filepath.Base(file); !wanted[name] {
				left = append(left, fmt.Sprintf("%s has the file of %s", h.Name, name))
			}
		}
	}
	return left
}

func (x *chaos) say(what string) {
	fmt.Fprintf(x.out, "%7.1f %s  %s\n", time.Since(x.began).Seconds(), record.Now(), what)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
