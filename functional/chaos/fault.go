package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"fleet/functional/testbed"
)

const (
	fleetd = "fleetd.service"
	fence  = "fleet-fence.service"
)

// target is what a fault strikes: a host, and everything else of its cluster.
type target struct {
	*testbed.Host
	cluster *testbed.Cluster
}

// fault is something that goes wrong with one host.
type fault struct {
	name   string
	weight int // how often it is chosen, among the others
	does   func(context.Context, target) error
	undoes func(context.Context, target) error // nil: it is over at once

	etcd bool // it strikes a separate etcd process, of the host's number
}

// faults are all there are.
func faults() []fault {
	return []fault{
		{name: "power loss", weight: 4, does: powerLoss, undoes: powerOn},
		{name: "reboot", weight: 2, does: func(ctx context.Context, t target) error { return t.Reboot(ctx) }},
		{name: "kill fleetd", weight: 2, does: signalTo(fleetd, syscall.SIGKILL)},
		{name: "stop fleetd", weight: 2, does: systemctl("stop", fleetd, "fleet.socket"), undoes: systemctl("start", "fleet.socket", fleetd)},
		{name: "SIGSTOP of fleetd", weight: 3, does: signalTo(fleetd, syscall.SIGSTOP), undoes: signalTo(fleetd, syscall.SIGCONT)},
		{name: "kill the fence", weight: 2, does: signalTo(fence, syscall.SIGKILL)},
		{name: "SIGSTOP of the fence", weight: 3, does: signalTo(fence, syscall.SIGSTOP), undoes: signalTo(fence, syscall.SIGCONT)},
		{
			name: "SIGSTOP of fleetd and the fence", weight: 3,
			does:   both(signalTo(fleetd, syscall.SIGSTOP), signalTo(fence, syscall.SIGSTOP)),
			undoes: both(signalTo(fleetd, syscall.SIGCONT), signalTo(fence, syscall.SIGCONT)),
		},
		{name: "link down", weight: 3, does: cut(testbed.Unplug), undoes: heal},
		{name: "drop", weight: 3, does: cut(testbed.Drop), undoes: heal},
		{name: "reject", weight: 3, does: cut(testbed.Reject), undoes: heal},
		{name: "deafness", weight: 2, does: cut(testbed.Deaf), undoes: heal},
		{name: "muteness", weight: 2, does: cut(testbed.Mute), undoes: heal},
		{name: "drop to two of three etcds", weight: 1, does: cutHalf, undoes: heal},
		{name: "full disk", weight: 2, does: fillDisk, undoes: emptyDisk},
		{name: "daemon-reexec", weight: 1, does: systemctl("daemon-reexec")},
		{name: "restart of the bus", weight: 1, does: systemctl("restart", "dbus.service")},
		{name: "kill etcd", weight: 2, etcd: true, does: killEtcd, undoes: startEtcd},
		{name: "SIGSTOP of etcd", weight: 3, etcd: true, does: freezeEtcd, undoes: thawEtcd},
	}
}

// powerLoss: a host that dies in silence does not even close its connections, which the kernel would do for it here.
func powerLoss(ctx context.Context, t target) error {
	return errors.Join(t.Cut(ctx, testbed.Unplug), t.Kill(ctx))
}

func powerOn(ctx context.Context, t target) error {
	return errors.Join(t.Heal(ctx), t.Boot(ctx))
}

func systemctl(args ...string) func(context.Context, target) error {
	return func(ctx context.Context, t target) error {
		_, err := t.Exec(ctx, append([]string{"systemctl"}, args...)...)
		return err
	}
}

func signalTo(unit string, signal syscall.Signal) func(context.Context, target) error {
	return func(ctx context.Context, t target) error { return t.Signal(ctx, unit, signal) }
}

func both(a, b func(context.Context, target) error) func(context.Context, target) error {
	return func(ctx context.Context, t target) error { return errors.Join(a(ctx, t), b(ctx, t)) }
}

func cut(mode testbed.CutMode) func(context.Context, target) error {
	return func(ctx context.Context, t target) error { return t.Cut(ctx, mode) }
}

func heal(ctx context.Context, t target) error { return t.Heal(ctx) }

// cutHalf leaves one or two members of etcd in reach.
func cutHalf(ctx context.Context, t target) error {
	var members []netip.Addr
	for _, e := range t.cluster.Etcds() {
		members = append(members, e.Address)
	}
	if members == nil {
		for _, h := range t.cluster.Hosts()[:testbed.EmbeddedMembers] {
			members = append(members, h.Address)
		}
	}
	return t.Cut(ctx, testbed.Drop, members[:2]...)
}

// fillDisk fills the file system of /run, on which are fleetd's state, unit files, and permits.
func fillDisk(ctx context.Context, t target) error {
	_, err := t.Exec(ctx, "sh", "-c", "mount -o remount,size=8m /run && head -c 16M /dev/zero >/run/filler 2>/dev/null; test -s /run/filler")
	return err
}

func emptyDisk(ctx context.Context, t target) error {
	_, err := t.Exec(ctx, "sh", "-c", "rm -f /run/filler; mount -o remount,size=64m /run")
	return err
}

// etcdOf is the separate etcd process of the host's number, or of the last.
func (t target) etcdOf() *testbed.Etcd {
	etcds := t.cluster.Etcds()
	return etcds[min(t.Index, len(etcds))-1]
}

func killEtcd(ctx context.Context, t target) error { return t.etcdOf().Kill(ctx) }

func startEtcd(ctx context.Context, t target) error {
	return t.cluster.StartEtcd(ctx, t.etcdOf().Index)
}

func freezeEtcd(ctx context.Context, t target) error { return t.etcdOf().Freeze(ctx) }

func thawEtcd(ctx context.Context, t target) error { return t.etcdOf().Thaw(ctx) }

// strike does the fault and undoes it after a while. That something cannot be done or undone because of what
// happened meanwhile (its process was killed, the host restarts) belongs to it.
func (f fault) strike(ctx context.Context, t target, during time.Duration) error {
	did := limited(ctx, t, f.does)
	if f.undoes == nil {
		return did
	}
	var waited error
	select {
	case <-ctx.Done():
		waited = ctx.Err()
	case <-time.After(during):
	}
	undid := limited(context.WithoutCancel(ctx), t, f.undoes)
	if waited != nil {
		return waited
	}
	return errors.Join(did, undid)
}

// stepDeadline is for what is done to one host at once.
const stepDeadline = 90 * time.Second

func limited(ctx context.Context, t target, do func(context.Context, target) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepDeadline, fmt.Errorf("not within %s", stepDeadline))
	defer cancel()
	return do(ctx, t)
}
