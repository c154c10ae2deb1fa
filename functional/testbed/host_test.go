//go:build functional

package testbed_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/functional/testbed"
)

// The testbed itself, on hosts without fleet: a test on top of it has to be able
// to believe it.

func bare(t *testing.T, hosts int) *testbed.Cluster {
	t.Helper()
	return testbed.Start(t, testbed.Spec{Name: "t-bed", Hosts: hosts, Source: "../..", Bare: true})
}

func host(t *testing.T, c *testbed.Cluster, index int) *testbed.Host {
	t.Helper()
	h, err := c.Host(index)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a fact; the test ends with its context.
func eventually(t *testing.T, ctx context.Context, fact string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it did not happen that %s", fact)
		case <-ticker.C:
		}
	}
}

func bootID(t *testing.T, ctx context.Context, h *testbed.Host) string {
	t.Helper()
	id, err := h.Exec(ctx, "cat", "/proc/sys/kernel/random/boot_id")
	must(t, err)
	return id
}

func TestDiskSurvivesPowerCutAndRunDoesNot(t *testing.T) {
	ctx := deadline(t)
	h := host(t, bare(t, 1), 1)
	must(t, h.WriteFile("/var/lib/kept", []byte("kept"), 0o600))
	must(t, h.WriteFile("/run/lost", []byte("lost"), 0o600))
	before := bootID(t, ctx, h)

	must(t, h.Kill(ctx))
	if state, err := h.State(ctx); err != nil || state != testbed.Off {
		t.Fatalf("a killed host is %q, %v", state, err)
	}
	if _, err := h.Exec(ctx, "true"); !errors.Is(err, testbed.ErrOff) {
		t.Errorf("exec on a host that is off: %v", err)
	}
	must(t, h.Boot(ctx))
	if data, err := h.ReadFile("/var/lib/kept"); err != nil || string(data) != "kept" {
		t.Errorf("the disk lost what was on it: %q, %v", data, err)
	}
	if _, err := h.ReadFile("/run/lost"); err == nil {
		t.Error("/run outlived the boot")
	}
	if after := bootID(t, ctx, h); after == before {
		t.Errorf("two boots have the same id %s", after)
	}
}

func TestRebootComesBackWithoutHelp(t *testing.T) {
	ctx := deadline(t)
	h := host(t, bare(t, 1), 1)
	before := bootID(t, ctx, h)
	must(t, h.Reboot(ctx))
	if bootID(t, ctx, h) == before {
		t.Error("the host did not reboot")
	}
	must(t, h.PowerOff(ctx))
	if state, err := h.State(ctx); err != nil || state != testbed.Off {
		t.Errorf("a host that powered off is %q, %v", state, err)
	}
}

func TestMachineIDIsTheHosts(t *testing.T) {
	ctx := deadline(t)
	c := bare(t, 2)
	for _, h := range c.Hosts() {
		id, err := h.Exec(ctx, "systemd-id128", "machine-id")
		must(t, err)
		if strings.TrimSpace(id) != h.MachineID {
			t.Errorf("%s believes to be %s, not %s", h.Name, id, h.MachineID)
		}
	}
}

func TestExecPassesExitCodeAndStandardError(t *testing.T) {
	ctx := deadline(t)
	h := host(t, bare(t, 1), 1)
	_, err := h.Exec(ctx, "sh", "-c", "echo sorry >&2; exit 5")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 5 || !strings.Contains(err.Error(), "sorry") {
		t.Errorf("exit code or standard error is lost: %v", err)
	}
}

func TestMainPIDIsSeenFromBothSides(t *testing.T) {
	ctx := deadline(t)
	h := host(t, bare(t, 1), 1)
	_, err := h.Exec(ctx, "systemd-run", "--unit=sleeper", "sleep", "1000")
	must(t, err)
	outer, inner, err := h.MainPID(ctx, "sleeper.service")
	must(t, err)
	if outer == 0 || inner == 0 || outer == inner {
		t.Fatalf("main process is %d here and %d there", outer, inner)
	}
	must(t, syscall.Kill(outer, syscall.SIGKILL))
	eventually(t, ctx, "the unit whose main process was killed fails", func() bool {
		_, err := h.Exec(ctx, "systemctl", "is-failed", "sleeper.service")
		return err == nil
	})
}

// Each way to cut a host off looks as it should to whoever tries to reach it.
func TestCuts(t *testing.T) {
	ctx := deadline(t)
	c := bare(t, 2)
	a, b := host(t, c, 1), host(t, c, 2)
	_, err := b.Exec(ctx, "systemd-run", "--unit=listener", "--property=Type=exec",
		"nginx", "-e", "stderr", "-g", "daemon off; error_log stderr;")
	must(t, err)
	reach := func(from *testbed.Host) error {
		_, err := from.Exec(ctx, "timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/"+b.Address.String()+"/80")
		return err
	}
	eventually(t, ctx, "the listener comes up", func() bool { return reach(a) == nil })
	silent := func(err error) bool {
		var exit *exec.ExitError
		return errors.As(err, &exit) && exit.ExitCode() == 124
	}

	must(t, b.Cut(ctx, testbed.Drop))
	if err := reach(a); !silent(err) {
		t.Errorf("dropped: want silence, got %v", err)
	}
	if err := reach(b); err != nil {
		t.Errorf("dropped: a host does not reach itself: %v", err)
	}
	must(t, b.Cut(ctx, testbed.Reject))
	if err := reach(a); err == nil || silent(err) {
		t.Errorf("rejected: want a refusal, got %v", err)
	}
	dialer := net.Dialer{Timeout: time.Second}
	if _, err := dialer.DialContext(ctx, "tcp", b.Address.String()+":80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("rejected: the build machine got %v", err)
	}
	// hears tells whether packets that nobody expects arrive: the kernel counts them.
	hears := func(from, to *testbed.Host) bool {
		count := func() string {
			out, err := to.Exec(ctx, "nstat", "-az", "UdpNoPorts")
			must(t, err)
			return out
		}
		before := count()
		_, err := from.Exec(ctx, "bash", "-c", "for i in 1 2 3; do echo >/dev/udp/"+to.Address.String()+"/9 || true; done 2>/dev/null")
		must(t, err)
		return count() != before
	}
	must(t, b.Cut(ctx, testbed.Deaf))
	if err := reach(a); !silent(err) {
		t.Errorf("deaf: want silence, got %v", err)
	}
	if hears(a, b) || !hears(b, a) {
		t.Error("deaf: it hears, or is not heard")
	}
	must(t, b.Cut(ctx, testbed.Mute))
	if err := reach(a); !silent(err) {
		t.Errorf("mute: want silence, got %v", err)
	}
	if hears(b, a) || !hears(a, b) {
		t.Error("mute: it is heard, or does not hear")
	}
	must(t, b.Cut(ctx, testbed.Drop, netip.MustParseAddr("192.0.2.77")))
	if err := reach(a); err != nil {
		t.Errorf("cut off from another peer only: %v", err)
	}
	must(t, b.Cut(ctx, testbed.Unplug))
	if err := reach(a); err == nil {
		t.Error("unplugged, and still reached")
	}
	must(t, b.Kill(ctx))
	must(t, b.Boot(ctx))
	if state, err := b.State(ctx); err != nil || state != testbed.CutOff {
		t.Errorf("after a boot the cut host is %q, %v", state, err)
	}
	must(t, b.Heal(ctx))
	if state, err := b.State(ctx); err != nil || state != testbed.Running {
		t.Errorf("the healed host is %q, %v", state, err)
	}
}

func TestFrozenHostStandsStill(t *testing.T) {
	ctx := deadline(t)
	h := host(t, bare(t, 1), 1)
	must(t, h.Freeze(ctx))
	if state, err := h.State(ctx); err != nil || state != testbed.Paused {
		t.Errorf("the frozen host is %q, %v", state, err)
	}
	must(t, h.Thaw(ctx))
	if state, err := h.State(ctx); err != nil || state != testbed.Running {
		t.Errorf("the thawed host is %q, %v", state, err)
	}
}

func TestUpCompletesWhatAnInterruptedUpLeft(t *testing.T) {
	ctx := deadline(t)
	spec := testbed.Spec{Name: "t-bed", Hosts: 3, Source: "../..", Bare: true}
	must(t, testbed.Down(ctx, spec.Name))
	t.Cleanup(func() { must(t, testbed.Down(context.WithoutCancel(ctx), spec.Name)) })
	for _, after := range []time.Duration{5, 20, 50, 100, 200, 400} {
		short, cancel := context.WithTimeout(ctx, after*time.Millisecond)
		testbed.Up(short, spec, func(string) {})
		cancel()
	}
	c, err := testbed.Up(ctx, spec, func(string) {})
	must(t, err)
	for _, h := range c.Hosts() {
		if state, err := h.State(ctx); err != nil || state != testbed.Running {
			t.Errorf("%s is %q, %v", h.Name, state, err)
		}
	}
}

func TestDownLeavesNothing(t *testing.T) {
	ctx := deadline(t)
	c := bare(t, 2)
	leader, err := host(t, c, 2).Leader()
	must(t, err)
	must(t, testbed.Down(ctx, "t-bed"))
	must(t, testbed.Down(ctx, "t-bed"))
	eventually(t, ctx, "PID 1 of a host is gone and reaped", func() bool {
		return errors.Is(syscall.Kill(leader, 0), syscall.ESRCH)
	})
	for _, leftover := range [][]string{
		{"sh", "-c", "! grep -q fleet-testbed/t-bed /proc/self/mountinfo"},
		{"sh", "-c", "! find /sys/fs/cgroup -path '*fleet-testbed/t-bed*' | grep -q ."},
		{"test", "!", "-e", "/var/lib/fleet-testbed/t-bed"},
	} {
		if out, err := exec.Command(leftover[0], leftover[1:]...).CombinedOutput(); err != nil {
			t.Errorf("left over: %q: %v: %s", leftover, err, out)
		}
	}
	if _, err := testbed.Open("t-bed"); !errors.Is(err, testbed.ErrNoCluster) {
		t.Errorf("a cluster that is down is still found: %v", err)
	}
}
