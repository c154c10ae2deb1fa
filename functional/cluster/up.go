package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/functional/testbed"
)

// upDeadline is long enough for the first up of a machine, which makes the hosts'
// root file system.
const upDeadline = 5 * time.Minute

func up(ctx context.Context, c command, args []string) error {
	spec := testbed.Spec{Name: c.name, Source: c.source, Metadata: map[int]string{}}
	flags := newFlags("up")
	flags.DurationVar(&spec.TTL, "ttl", 0, "")
	flags.BoolVar(&spec.ExternalEtcd, "external-etcd", false, "")
	flags.Func("metadata", "", func(value string) error {
		index, pairs, err := parseMetadata(value)
		spec.Metadata[index] = pairs
		return err
	})
	args, err := parse(flags, args)
	if err != nil {
		return err
	}
	if err := only("up", args, 1); err != nil {
		return err
	}
	if len(args) == 1 {
		spec.Hosts, err = strconv.Atoi(args[0])
		if err != nil || spec.Hosts < 1 || spec.Hosts > testbed.MaxHosts {
			return misuse("up: %q is not a number of hosts from 1 to %d", args[0], testbed.MaxHosts)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, upDeadline)
	defer cancel()
	started := time.Now()
	var mu sync.Mutex
	progress := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(c.stdout, "%6.1fs  %s\n", time.Since(started).Seconds(), what)
	}
	cluster, err := testbed.Up(ctx, spec, progress)
	if err != nil {
		return err
	}
	progress("waiting until fleet knows all machines")
	if err := waitMachines(ctx, cluster); err != nil {
		return err
	}
	progress("done")
	fmt.Fprintln(c.stdout)
	if err := table(ctx, c, cluster); err != nil {
		return err
	}
	c.nextSteps()
	return nil
}

// waitMachines is shorter than the deadline of up: with the hosts running, fleet
// has to appear soon or something is wrong with it.
func waitMachines(ctx context.Context, cluster *testbed.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, stepDeadline)
	defer cancel()
	return cluster.WaitMachines(ctx)
}

func parseMetadata(value string) (int, string, error) {
	number, pairs, ok := strings.Cut(value, ":")
	index, err := strconv.Atoi(number)
	if !ok || err != nil || !strings.Contains(pairs, "=") {
		return 0, "", fmt.Errorf("want I:KEY=VALUE,… such as 1:disk=ssd")
	}
	return index, pairs, nil
}

func (c command) nextSteps() {
	me := "scripts/cluster"
	if c.name != "play" {
		me += " --name " + c.name
	}
	fmt.Fprintf(c.stdout, `
Next:
  %[1]s fleetctl list-machines
  %[1]s fleetctl start examples/hello.service
  %[1]s exec 1 systemctl status
  %[1]s kill 1            pull the power of a host
  %[1]s down              remove everything again
  %[1]s help              everything else
`, me)
}

func down(ctx context.Context, c command, args []string) error {
	if err := only("down", args, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, upDeadline)
	defer cancel()
	return testbed.Down(ctx, c.name)
}

// row is one host in list --json.
type row struct {
	Index     int           `json:"index"`
	Name      string        `json:"name"`
	MachineID string        `json:"machine_id"`
	Address   string        `json:"address"`
	State     testbed.State `json:"state"`
}

func list(ctx context.Context, c command, args []string) error {
	flags := newFlags("list")
	asJSON := flags.Bool("json", false, "")
	args, err := parse(flags, args)
	if err != nil {
		return err
	}
	if err := only("list", args, 0); err != nil {
		return err
	}
	cluster, err := c.open()
	if err != nil {
		return err
	}
	if !*asJSON {
		return table(ctx, c, cluster)
	}
	rows, err := rowsOf(ctx, cluster)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

func table(ctx context.Context, c command, cluster *testbed.Cluster) error {
	rows, err := rowsOf(ctx, cluster)
	if err != nil {
		return err
	}
	columns := tabwriter.NewWriter(c.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(columns, "HOST\tNAME\tADDRESS\tMACHINE ID\tSTATE")
	for _, r := range rows {
		fmt.Fprintf(columns, "%d\t%s\t%s\t%s\t%s\n", r.Index, r.Name, r.Address, r.MachineID, r.State)
	}
	return columns.Flush()
}

func rowsOf(ctx context.Context, cluster *testbed.Cluster) ([]row, error) {
	hosts := cluster.Hosts()
	rows := make([]row, len(hosts))
	var group errgroup.Group
	for i, h := range hosts {
		group.Go(func() error {
			state, err := h.State(ctx)
			rows[i] = row{h.Index, h.Name, h.MachineID, h.Address.String(), state}
			return err
		})
	}
	return rows, group.Wait()
}
