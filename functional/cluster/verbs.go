package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"fleet/functional/testbed"
)

// stepDeadline is for everything that is done to one host.
const stepDeadline = time.Minute

type verb struct {
	name, usage, help string
	run               func(context.Context, command, []string) error
}

func verbs() []verb {
	return []verb{
		{"up", "up [N]", "have N hosts (3) with fleet on each; boots what is off, installs what was built anew", up},
		{"", "   --ttl DURATION", "lost after so long without a word (10s)", nil},
		{"", "   --metadata I:K=V,…", "metadata of host I; may be repeated", nil},
		{"", "   --external-etcd", "three etcd processes beside the hosts, instead of those in fleetd", nil},
		{"down", "down", "remove everything of the cluster", down},
		{"list", "list [--json]", "the hosts and their state: running, booting, off, cut, paused", list},
		{"exec", "exec I COMMAND…", "run a command on host I", execute},
		{"kill", "kill I", "pull the power of host I", each("kill", (*testbed.Host).Kill)},
		{"boot", "boot I", "switch host I on", each("boot", (*testbed.Host).Boot)},
		{"cut", "cut [--MODE] I", "cut host I off: unplug it, or drop, reject, deaf (what is sent to it), mute (what it sends)", cut},
		{"heal", "heal I", "end a cut", each("heal", func(h *testbed.Host, ctx context.Context) error { return h.Heal(ctx) })},
		{"pause", "pause [--host] I", "stop fleetd of host I (SIGSTOP), or all of the host", pause},
		{"resume", "resume I", "end a pause", each("resume", (*testbed.Host).Resume)},
		{"fleetctl", "fleetctl ARGS…", "fleetctl, talking to any host that answers", fleetctl},
		{"endpoint", "endpoint I", "the URL of the API of host I", endpoint},
		{"logs", "logs I [ARGS…]", "the journal of fleetd on host I; ARGS go to journalctl", logs},
		{"help", "help", "this text", func(_ context.Context, c command, _ []string) error { return help(c) }},
	}
}

func help(c command) error {
	fmt.Fprint(c.stdout, "Usage: scripts/cluster [--name NAME] COMMAND\n\n"+
		"Hosts with real systemd and fleet on this machine. Host I is 1, 2, 3, …\n"+
		"Clusters of different names (play) live side by side.\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(c.stdout, "  %-24s %s\n", v.usage, v.help)
	}
	return nil
}

// each makes a verb of something that is done to one host.
func each(name string, do func(*testbed.Host, context.Context) error) func(context.Context, command, []string) error {
	return func(ctx context.Context, c command, args []string) error {
		if err := only(name, args, 1); err != nil {
			return err
		}
		return c.onHost(ctx, name, args, do)
	}
}

func (c command) onHost(ctx context.Context, verb string, args []string, do func(*testbed.Host, context.Context) error) error {
	_, h, err := c.host(verb, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepDeadline)
	defer cancel()
	return do(h, ctx)
}

func cut(ctx context.Context, c command, args []string) error {
	flags := newFlags("cut")
	modes := map[testbed.CutMode]*bool{}
	for _, mode := range []testbed.CutMode{testbed.Unplug, testbed.Drop, testbed.Reject, testbed.Deaf, testbed.Mute} {
		modes[mode] = flags.Bool(string(mode), false, "")
	}
	args, err := parse(flags, args)
	if err != nil {
		return err
	}
	if err := only("cut", args, 1); err != nil {
		return err
	}
	var chosen []testbed.CutMode
	for mode, is := range modes {
		if *is {
			chosen = append(chosen, mode)
		}
	}
	mode := testbed.Unplug
	switch len(chosen) {
	case 0:
	case 1:
		mode = chosen[0]
	default:
		return misuse("cut: one of --unplug, --drop, --reject, --deaf, --mute")
	}
	return c.onHost(ctx, "cut", args, func(h *testbed.Host, ctx context.Context) error { return h.Cut(ctx, mode) })
}

func pause(ctx context.Context, c command, args []string) error {
	flags := newFlags("pause")
	whole := flags.Bool("host", false, "")
	args, err := parse(flags, args)
	if err != nil {
		return err
	}
	if err := only("pause", args, 1); err != nil {
		return err
	}
	if *whole {
		return c.onHost(ctx, "pause", args, (*testbed.Host).Freeze)
	}
	return c.onHost(ctx, "pause", args, (*testbed.Host).PauseFleetd)
}

func endpoint(_ context.Context, c command, args []string) error {
	if err := only("endpoint", args, 1); err != nil {
		return err
	}
	_, h, err := c.host("endpoint", args)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, h.URL())
	return nil
}

func execute(ctx context.Context, c command, args []string) error {
	_, h, err := c.host("exec", args)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return misuse("exec: say what to run on host %s", args[0])
	}
	cmd, err := h.Command(context.WithoutCancel(ctx), args[1:]...)
	if err != nil {
		return err
	}
	return pass(cmd)
}

func logs(ctx context.Context, c command, args []string) error {
	_, h, err := c.host("logs", args)
	if err != nil {
		return err
	}
	cmd, err := h.LogCommand(context.WithoutCancel(ctx), args[1:]...)
	if err != nil {
		return err
	}
	return pass(cmd)
}

func fleetctl(ctx context.Context, c command, args []string) error {
	cluster, err := c.open()
	if err != nil {
		return err
	}
	h, err := cluster.LiveHost(ctx)
	if err != nil {
		return err
	}
	return pass(cluster.FleetctlCommand(context.WithoutCancel(ctx), h, args...))
}

// pass gives a command our terminal, and its exit code to whoever called us. A
// Ctrl-C reaches it as it does us, and is its to handle.
func pass(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %w", errPassed, err)
	}
	return err
}
