package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/functional/record"
	"fleet/functional/testbed"
)

const (
	plainTemplate = "/run/systemd/system/plain@.service" // of the units that systemctl runs
	plainSlice    = "system.slice/system-plain.slice"

	bulkReach    = 1.2 // times what the better of the two uses of systemctl takes
	bulkPatience = 5 * time.Minute
)

// bulk measures how long it takes to start many units on three hosts, and to destroy them, beside systemctl on the same hosts.
func bulk(ctx context.Context, o options) ([]row, error) {
	sizes := []int{100, 300, 1000, 3000}
	if o.short {
		sizes = sizes[:2]
	}
	g, err := bring(ctx, o, testbed.Spec{Name: "bulk", Hosts: 3, ExternalEtcd: true})
	if err != nil {
		return nil, err
	}
	defer g.close()
	for _, h := range g.Hosts() {
		if err := h.WriteFile(plainTemplate, []byte(sleeps), 0o644); err != nil {
			return nil, err
		}
		if _, err := h.Exec(ctx, "systemctl", "daemon-reload"); err != nil {
			return nil, err
		}
	}
	if err := g.submitTemplate(ctx); err != nil {
		return nil, err
	}
	var rows []row
	for _, size := range sizes {
		if !o.wants(strconv.Itoa(size)) {
			continue
		}
		all := make(samples)
		for n := range o.count {
			if err := g.bulkOnce(ctx, size, all); err != nil {
				return nil, fmt.Errorf("%d units: %w", size, err)
			}
			o.say("bulk: %d units, %d of %d", size, n+1, o.count)
		}
		some, err := bulkRows(size, all)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// figure tells samples of one case apart.
type figure struct{ of, metric string }

// samples are what the runs of a bench have shown.
type samples map[figure][]float64

func (s samples) add(of, metric string, value float64) {
	s[figure{of, metric}] = append(s[figure{of, metric}], value)
}

var bulkWays = []string{"one systemctl", "loop of systemctl", "fleetctl"}

func bulkRows(size int, all samples) ([]row, error) {
	var rows []row
	for _, verb := range []string{"start", "destroy"} {
		middle := make(map[string]float64)
		for _, way := range bulkWays {
			m, err := median(all[figure{verb, way}])
			if err != nil {
				return nil, err
			}
			middle[way] = m
			rows = append(rows, row{Bench: "bulk", Case: fmt.Sprintf("%d/%s", size, verb), Metric: way, Value: m, Unit: "s"})
		}
		better := min(middle[bulkWays[0]], middle[bulkWays[1]])
		ratio := row{Bench: "bulk", Case: fmt.Sprintf("%d/%s", size, verb), Metric: "fleetctl / better", Value: middle["fleetctl"] / better}
		ratio.aim(atMost, bulkReach)
		rows = append(rows, ratio)
		for _, kind := range []string{"fleetd", "etcd", "systemd"} {
			m, err := median(all[figure{verb, kind}])
			if err != nil {
				return nil, err
			}
			rows = append(rows, row{Bench: "bulk", Case: fmt.Sprintf("%d/%s", size, verb), Metric: kind + " CPU per 1000", Value: m, Unit: "s"})
		}
		m, err := median(all[figure{verb, "systemd alone"}])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{Bench: "bulk", Case: fmt.Sprintf("%d/%s", size, verb), Metric: "systemd CPU per 1000 without fleet", Value: m, Unit: "s"})
	}
	return rows, nil
}

// bulkOnce starts and ends so many units, each way once.
func (g *ground) bulkOnce(ctx context.Context, size int, all samples) error {
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	for _, way := range bulkWays[:2] {
		script := map[string]string{
			bulkWays[0]: `verb=$1; shift; systemctl "$verb" "$@"`,
			bulkWays[1]: `verb=$1; shift; for u; do systemctl "$verb" "$u"; done`,
		}[way]
		for _, verb := range []string{"start", "destroy"} {
			does := map[string]string{"start": "start", "destroy": "stop"}[verb]
			took, spent, err := g.bulkSystemctl(ctx, script, does, size)
			if err != nil {
				return err
			}
			all.add(verb, way, took.Seconds())
			if way == bulkWays[0] {
				all.add(verb, "systemd alone", perThousand(spent.sum["systemd"], size))
			}
		}
	}
	for _, verb := range []string{"start", "destroy"} {
		took, spent, err := g.bulkFleetctl(ctx, verb, size)
		if err != nil {
			return err
		}
		all.add(verb, "fleetctl", took.Seconds())
		for _, kind := range []string{"fleetd", "etcd", "systemd"} {
			all.add(verb, kind, perThousand(spent.sum[kind], size))
		}
	}
	return nil
}

func perThousand(d time.Duration, size int) float64 { return d.Seconds() * 1000 / float64(size) }

// bulkSystemctl has each host start or stop its share, all at once.
func (g *ground) bulkSystemctl(ctx context.Context, script, verb string, size int) (time.Duration, used, error) {
	return g.timed(ctx, "plain@*.service", plainSlice, verb, size, func(ctx context.Context) error {
		hosts := g.Hosts()
		group, ctx := errgroup.WithContext(ctx)
		for i, h := range hosts {
			names := instances("plain", size*i/len(hosts)+1, size*(i+1)/len(hosts))
			group.Go(func() error {
				_, err := h.Exec(ctx, append([]string{"sh", "-c", script, "sh", verb}, names...)...)
				return err
			})
		}
		return group.Wait()
	})
}

// bulkFleetctl has one fleetctl start or destroy all.
func (g *ground) bulkFleetctl(ctx context.Context, verb string, size int) (time.Duration, used, error) {
	return g.timed(ctx, "bulk@*.service", bulkSlice, verb, size, func(ctx context.Context) error {
		return g.fleetctl(ctx, instances("bulk", 1, size), verb)
	})
}

// timed runs a command that starts units or ends them, and tells how long it took until the last of them was active, or had no
// process, by what systemd and the kernel say. Then it waits until the hosts are at rest.
func (g *ground) timed(ctx context.Context, pattern, slice, verb string, size int, does func(context.Context) error) (time.Duration, used, error) {
	all, err := g.processes(ctx)
	if err != nil {
		return 0, used{}, err
	}
	spent, err := meter(all)
	if err != nil {
		return 0, used{}, err
	}
	began := record.Now()
	var end record.Moment
	if verb == "start" {
		if err := does(ctx); err != nil {
			return 0, used{}, err
		}
		u, err := spent()
		if err != nil {
			return 0, used{}, err
		}
		if end, err = g.allActive(ctx, pattern, size); err != nil {
			return 0, used{}, err
		}
		return end.Sub(began), u, wait(ctx, time.Second)
	}
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return does(inner) })
	group.Go(func() (err error) {
		end, err = g.untilGone(inner, slice)
		return err
	})
	if err := group.Wait(); err != nil {
		return 0, used{}, err
	}
	u, err := spent()
	if err != nil {
		return 0, used{}, err
	}
	return end.Sub(began), u, wait(ctx, time.Second)
}

// allActive makes sure that so many units are active, and says since when the last of them is.
func (g *ground) allActive(ctx context.Context, pattern string, size int) (record.Moment, error) {
	var end record.Moment
	var each []string
	count := 0
	for _, h := range g.Hosts() {
		n, last, err := activeSince(ctx, h, pattern)
		if err != nil {
			return 0, err
		}
		count, end = count+n, max(end, last)
		each = append(each, strconv.Itoa(n))
	}
	if count != size {
		return 0, fmt.Errorf("%s units are active, not %d", strings.Join(each, "+"), size)
	}
	return end, nil
}
