package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
)

const (
	sleeps    = "[Service]\nExecStart=/bin/sleep infinity\n"
	template  = "bulk@.service" // of the units that fleet runs in the benches of many
	bulkSlice = "system.slice/system-bulk.slice"

	apiPatience = 5 * time.Second
)

// ground is the cluster on which is measured.
type ground struct {
	*testbed.Cluster
	client *api.Client // of the first host
	leave  []func()
}

// bring makes a cluster for a bench, when nobody else uses this machine for hosts. It has to be left.
func bring(ctx context.Context, o options, spec testbed.Spec) (_ *ground, err error) {
	spec.Name, spec.Source = "bench-"+spec.Name, o.source
	g := &ground{}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	unlock, err := testbed.Alone(ctx)
	if err != nil {
		return nil, err
	}
	g.leave = append(g.leave, unlock)
	if err := testbed.Down(ctx, spec.Name); err != nil {
		return nil, err
	}
	g.leave = append(g.leave, func() {
		if err := testbed.Down(context.WithoutCancel(ctx), spec.Name); err != nil {
			o.say("take the hosts down: %v", err)
		}
	})
	up, cancel := context.WithTimeout(ctx, testbed.StartDeadline)
	defer cancel()
	if g.Cluster, err = testbed.Up(up, spec, func(s string) { o.say("%s", s) }); err != nil {
		return nil, err
	}
	if err := g.WaitMachines(up); err != nil {
		return nil, err
	}
	if g.client, err = api.Dial(g.Hosts()[0].URL(), api.ClientOptions{Timeout: apiPatience}); err != nil {
		return nil, err
	}
	g.leave = append(g.leave, g.client.Close)
	return g, nil
}

// close takes the cluster down, and lets others have the machine.
func (g *ground) close() {
	for i := len(g.leave) - 1; i >= 0; i-- {
		g.leave[i]()
	}
}

// say tells people how far it is.
func (o options) say(format string, args ...any) { fmt.Fprintf(o.progress, format+"\n", args...) }

// wants tells whether a case was asked for.
func (o options) wants(of string) bool {
	wanted, err := regexp.Compile(o.only)
	return err != nil || wanted.MatchString(of)
}

// instances are names of units of a template, from and to included.
func instances(prefix string, from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, fmt.Sprintf("%s@%d.service", prefix, i))
	}
	return names
}

// fleetctl runs one on the first host, with the names on its standard input, where any number of them has room.
func (g *ground) fleetctl(ctx context.Context, names []string, args ...string) error {
	cmd, err := g.Hosts()[0].Command(ctx, append(append([]string{"fleetctl"}, args...), "-")...)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n"))
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		text := said.Bytes()
		return fmt.Errorf("fleetctl %s of %d units: %w: %s", strings.Join(args, " "), len(names), err, text[max(0, len(text)-1000):])
	}
	return nil
}

// submitTemplate gives the cluster the template of the benches of many.
func (g *ground) submitTemplate(ctx context.Context) error {
	_, err := g.client.PutFile(ctx, template, []byte(sleeps), api.PutFileOptions{Desired: cluster.Inactive})
	return err
}

// activeSince tells of the units on a host that a pattern matches how many are active, and when the last of them came to be.
func activeSince(ctx context.Context, h *testbed.Host, pattern string) (count int, last record.Moment, err error) {
	out, err := h.Exec(ctx, "systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic", pattern)
	if err != nil {
		return 0, 0, err
	}
	for block := range strings.SplitSeq(out, "\n\n") {
		if !strings.Contains(block, "ActiveState=active") {
			continue
		}
		at, err := property(block, "ActiveEnterTimestampMonotonic")
		if err != nil {
			return 0, 0, err
		}
		count, last = count+1, max(last, at)
	}
	return count, last, nil
}

// property is one of systemd's times, as systemctl show prints it.
func property(shown, name string) (record.Moment, error) {
	for line := range strings.Lines(shown) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			microseconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return record.Moment(microseconds * 1000), err
		}
	}
	return 0, fmt.Errorf("systemctl does not show %s", name)
}

// live counts the units on all hosts that have processes.
func (g *ground) live(slice string) (int, error) {
	count := 0
	for _, h := range g.Hosts() {
		n, err := h.Live(slice)
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

// untilGone waits until none of the units in a slice has a process, and says when that was.
func (g *ground) untilGone(ctx context.Context, slice string) (record.Moment, error) {
	for {
		n, err := g.live(slice)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return record.Now(), nil
		}
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d units still live: %w", n, err)
		}
	}
}

// reloads is how often a host's systemd has read its unit files anew since then, as it writes to its journal.
func reloads(ctx context.Context, h *testbed.Host, since time.Time) (int, error) {
	out, err := h.Exec(ctx, "journalctl", "_PID=1", "--output=cat", "--no-pager", fmt.Sprintf("--since=@%d.%06d", since.Unix(), since.Nanosecond()/1000))
	if err != nil {
		return 0, err
	}
	count := 0
	for line := range strings.Lines(out) {
		// Newer ones also say who has asked for it.
		if strings.HasPrefix(line, "Reloading") && !strings.HasPrefix(line, "Reloading requested") {
			count++
		}
	}
	return count, nil
}

// until asks until the condition holds, whatever errors come before.
func (g *ground) until(ctx context.Context, patience time.Duration, what string, holds func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s: %w", patience, what, errors.Join(err, errors.New("it is not so")))
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
