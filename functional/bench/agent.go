package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

const (
	agentFlapping = 50
	agentBatch    = 100
	agentFirst    = 100_001 // number of the first of a batch
	flapFor       = 30 * time.Second
	flapForShort  = 10 * time.Second
	flapTemplate  = "flap@.service"
)

// flaps ends after a second, and is started again at once.
const flaps = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 1\nRestart=always\nRestartSec=0\n"

// agents measures one fleetd with many units on its host.
func agents(ctx context.Context, o options) ([]row, error) {
	sizes := []int{1000, 2000}
	if o.short {
		sizes = []int{200}
	}
	g, err := bring(ctx, o, testbed.Spec{
		Name: "agent", Hosts: 1, ExternalEtcd: true,
		Config: map[string]string{"max_units": "4000"}, // more than the default, and than any case has
	})
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.submitTemplate(ctx); err != nil {
		return nil, err
	}
	if _, err := g.client.PutFile(ctx, flapTemplate, []byte(flaps), api.PutFileOptions{Desired: cluster.Inactive}); err != nil {
		return nil, err
	}
	var rows []row
	there := 0
	for _, size := range sizes {
		if !o.wants(strconv.Itoa(size)) {
			continue
		}
		if err := g.fleetctl(ctx, instances("bulk", there+1, size), "start"); err != nil {
			return nil, err
		}
		there = size
		all := make(samples)
		for n := range o.count {
			if err := g.agentOnce(ctx, o, all); err != nil {
				return nil, fmt.Errorf("%d units: %w", size, err)
			}
			o.say("agent: %d units, %d of %d", size, n+1, o.count)
		}
		for _, m := range agentMetrics {
			value, err := median(all[figure{metric: m.name}])
			if err != nil {
				return nil, err
			}
			rows = append(rows, row{Bench: "agent", Case: strconv.Itoa(size), Metric: m.name, Value: value, Unit: m.unit})
		}
	}
	return rows, nil
}

// metric is the name of a figure and its unit.
type metric struct{ name, unit string }

var agentMetrics = []metric{
	{"adopt after a restart", "s"},
	{"adopt, fleetd CPU", "s"},
	{"100 new", "s"},
	{"100 new, one reload and one systemctl", "s"},
	{"100 new, daemon-reloads", ""},
	{"100 new, fleetd CPU", "s"},
	{"50 flap, fleetd CPU", "s/min"},
	{"50 flap, etcd CPU", "s/min"},
	{"50 flap, systemd CPU", "s/min"},
	{"50 flap, etcd proposals", "1/s"},
	{"fleetd RSS", "MB"},
}

func (g *ground) agentOnce(ctx context.Context, o options, all samples) error {
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	for _, part := range []func(context.Context, options, samples) error{g.adopt, g.batch, g.batchOfSystemctl, g.flap} {
		if err := part(ctx, o, all); err != nil {
			return err
		}
	}
	return nil
}

// adopt restarts fleetd, and stops a unit while there is none: the next one has adopted what runs when it tells of that.
func (g *ground) adopt(ctx context.Context, _ options, all samples) error {
	h, probe := g.Hosts()[0], unit.Name("bulk@1.service")
	for _, command := range [][]string{
		{"systemctl", "stop", "fleet.socket", "fleetd.service"},
		{"systemctl", "stop", string(probe)},
	} {
		if _, err := h.Exec(ctx, command...); err != nil {
			return err
		}
	}
	began := record.Now()
	if _, err := h.Exec(ctx, "systemctl", "start", "fleet.socket", "fleetd.service"); err != nil {
		return err
	}
	if err := g.until(ctx, settled, "fleetd has adopted its units", func() (bool, error) {
		u, err := g.client.Unit(ctx, probe)
		return err == nil && len(u.Copies) == 1 && u.Copies[0].Active == "inactive", err
	}); err != nil {
		return err
	}
	all.add("", "adopt after a restart", record.Now().Sub(began).Seconds())
	processes, err := g.processes(ctx)
	if err != nil {
		return err
	}
	for _, p := range processes {
		if p.kind != "fleetd" {
			continue
		}
		spent, err := p.cpu() // since it began
		if err != nil {
			return err
		}
		all.add("", "adopt, fleetd CPU", spent.Seconds())
	}
	return g.fleetctl(ctx, []string{string(probe)}, "start")
}

// batch starts some more units at once.
func (g *ground) batch(ctx context.Context, _ options, all samples) error {
	h, names := g.Hosts()[0], instances("bulk", agentFirst, agentFirst+agentBatch-1)
	processes, err := g.processes(ctx)
	if err != nil {
		return err
	}
	spent, err := meter(processes)
	if err != nil {
		return err
	}
	began, clock := record.Now(), time.Now()
	if err := g.fleetctl(ctx, names, "start"); err != nil {
		return err
	}
	u, err := spent()
	if err != nil {
		return err
	}
	_, last, err := activeSince(ctx, h, "bulk@*.service")
	if err != nil {
		return err
	}
	n, err := reloads(ctx, h, clock)
	if err != nil {
		return err
	}
	all.add("", "100 new", last.Sub(began).Seconds())
	all.add("", "100 new, daemon-reloads", float64(n))
	all.add("", "100 new, fleetd CPU", u.sum["fleetd"].Seconds())
	return g.fleetctl(ctx, names, "destroy")
}

// batchOfSystemctl starts as many without fleet: files, one reload, one command.
func (g *ground) batchOfSystemctl(ctx context.Context, _ options, all samples) error {
	h, names := g.Hosts()[0], instances("plain", 1, agentBatch)
	if err := h.WriteFile(plainTemplate, []byte(sleeps), 0o644); err != nil {
		return err
	}
	began := record.Now()
	if _, err := h.Exec(ctx, append([]string{"sh", "-c", `systemctl daemon-reload && systemctl start "$@"`, "sh"}, names...)...); err != nil {
		return err
	}
	_, last, err := activeSince(ctx, h, "plain@*.service")
	if err != nil {
		return err
	}
	all.add("", "100 new, one reload and one systemctl", last.Sub(began).Seconds())
	_, err = h.Exec(ctx, append([]string{"systemctl", "stop"}, names...)...)
	return err
}

// flap has some units end and be started again every second.
func (g *ground) flap(ctx context.Context, o options, all samples) error {
	names := instances("flap", 1, agentFlapping)
	if err := g.fleetctl(ctx, names, "start"); err != nil {
		return err
	}
	lasts := flapFor
	if o.short {
		lasts = flapForShort
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return err
	}
	u, err := g.spell(ctx, lasts)
	if err != nil {
		return err
	}
	for _, kind := range []string{"fleetd", "etcd", "systemd"} {
		all.add("", "50 flap, "+kind+" CPU", u.most[kind].Seconds()/lasts.Minutes())
	}
	all.add("", "50 flap, etcd proposals", u.proposals/lasts.Seconds())
	all.add("", "fleetd RSS", u.rss)
	return g.fleetctl(ctx, names, "destroy")
}
