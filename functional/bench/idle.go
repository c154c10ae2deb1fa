package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fleet/functional/testbed"
)

const (
	idleFor      = time.Minute
	idleForShort = 15 * time.Second
	idleQuiet    = 5 * time.Second // without a proposal, before it counts as idle
)

// idleCase is a cluster in which nothing happens.
type idleCase struct {
	name     string
	units    int // over three hosts
	embedded bool
	resident float64 // MB that a fleetd is to have at most; 0: nothing is aimed at
	long     bool
}

func idleCases() []idleCase {
	return []idleCase{
		{name: "external/300", units: 300, resident: 25},
		{name: "external/3000", units: 3000, resident: 40, long: true},
		{name: "embedded/300", units: 300, resident: 90, embedded: true},
	}
}

// idle measures what a cluster costs in which units run and nothing happens.
func idle(ctx context.Context, o options) ([]row, error) {
	var rows []row
	for _, embedded := range []bool{false, true} {
		var wanted []idleCase
		for _, c := range idleCases() {
			if c.embedded == embedded && o.wants(c.name) && (!c.long || !o.short) {
				wanted = append(wanted, c)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		some, err := idleOn(ctx, o, embedded, wanted)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// idleOn measures on one cluster, with more units in each case than in that before.
func idleOn(ctx context.Context, o options, embedded bool, cases []idleCase) ([]row, error) {
	g, err := bring(ctx, o, testbed.Spec{Name: "idle", Hosts: 3, ExternalEtcd: !embedded})
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.submitTemplate(ctx); err != nil {
		return nil, err
	}
	var rows []row
	there := 0
	for _, c := range cases {
		if err := g.fleetctl(ctx, instances("bulk", there+1, c.units), "start"); err != nil {
			return nil, err
		}
		there = c.units
		all := make(samples)
		for n := range o.count {
			if err := g.idleOnce(ctx, o, all); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			o.say("idle: %s, %d of %d", c.name, n+1, o.count)
		}
		some, err := idleRows(c, all)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// The figures of idle: per minute, and of the machine where they are most.
const (
	idleProposals = "etcd proposals"
	idleFleetd    = "fleetd CPU per host"
	idleEtcd      = "etcd CPU per member"
	idleSystemd   = "systemd CPU per host"
	idleResident  = "fleetd RSS"
	idleOwn       = "fleetd RSS, of it its own"
)

func idleRows(c idleCase, all samples) ([]row, error) {
	var rows []row
	for _, m := range []struct{ metric, unit string }{
		{idleProposals, "1/min"},
		{idleFleetd, "s/min"},
		{idleEtcd, "s/min"},
		{idleSystemd, "s/min"},
		{idleResident, "MB"},
		{idleOwn, "MB"},
	} {
		if len(all[figure{metric: m.metric}]) == 0 {
			continue // there are no etcds of their own
		}
		value, err := median(all[figure{metric: m.metric}])
		if err != nil {
			return nil, err
		}
		r := row{Bench: "idle", Case: c.name, Metric: m.metric, Value: value, Unit: m.unit}
		switch m.metric {
		case idleProposals:
			r.aim(atMost, 0)
		case idleFleetd:
			if !c.embedded { // else it is etcd's, too
				r.aim(below, 0.1)
			}
		case idleResident:
			r.aim(atMost, c.resident)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// idleOnce looks on for a while, without asking anybody anything.
func (g *ground) idleOnce(ctx context.Context, o options, all samples) error {
	for {
		before, err := g.proposals(ctx)
		if err != nil {
			return err
		}
		if err := wait(ctx, idleQuiet); err != nil {
			return err
		}
		after, err := g.proposals(ctx)
		if err != nil {
			return err
		}
		if after == before {
			break
		}
		o.say("idle: %.0f proposals in %s", after-before, idleQuiet)
		if after-before < 5 { // it will not become quieter
			break
		}
	}
	lasts := idleFor
	if o.short {
		lasts = idleForShort
	}
	u, err := g.spell(ctx, lasts)
	if err != nil {
		return err
	}
	minutes := lasts.Minutes()
	all.add("", idleProposals, u.proposals/minutes)
	all.add("", idleFleetd, u.most["fleetd"].Seconds()/minutes)
	all.add("", idleSystemd, u.most["systemd"].Seconds()/minutes)
	if len(g.Etcds()) > 0 {
		all.add("", idleEtcd, u.most["etcd"].Seconds()/minutes)
	}
	all.add("", idleResident, u.rss)
	all.add("", idleOwn, u.own)
	return nil
}

// proposals is how many changes the first of etcd's members has committed: renewals of leases are none.
func (g *ground) proposals(ctx context.Context) (float64, error) {
	url := fmt.Sprintf("http://%s:2379/metrics", g.Hosts()[0].Address)
	if etcds := g.Etcds(); len(etcds) > 0 {
		url = etcds[0].URL() + "/metrics"
	}
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("count etcd's proposals: %w", err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "etcd_server_proposals_committed_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("etcd does not count its proposals at %s", url)
}
