package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/systemd"
	"fleet/unit"
)

const (
	linkDir  = "/run/systemd/system"
	unitsDir = "/run/fleet/units"
	sleeper  = "[Service]\nExecStart=/bin/sleep infinity\n"
)

// connectSystem is connect for tests that touch the host beside the Manager.
func connectSystem(t testing.TB) *systemd.Manager {
	t.Helper()
	if w := os.Getenv("FLEET_TEST_SYSTEMD"); w != "" && w != "system" {
		t.Skip("needs the system's systemd")
	}
	return connect(t)
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func load(t testing.TB, m *systemd.Manager, n unit.Name, text string) {
	t.Helper()
	failed, err := m.Load(context.Background(), map[unit.Name][]byte{n: []byte(text)})
	if err != nil || failed[n] != nil {
		t.Fatalf("load %s: %v, %v", n, failed[n], err)
	}
}

func start(t testing.TB, m *systemd.Manager, n unit.Name) {
	t.Helper()
	if r, err := m.Start(context.Background(), n); err != nil || r != unit.JobDone {
		t.Fatalf("start %s: %q, %v", n, r, err)
	}
}

func state(t testing.TB, m *systemd.Manager, n unit.Name) unit.State {
	t.Helper()
	states, err := m.States(context.Background(), []unit.Name{n})
	if err != nil {
		t.Fatal(err)
	}
	return states[n]
}

// waitAll waits until any unit may have changed.
func waitAll(t testing.TB, m *systemd.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		_, all, err := m.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if all {
			return
		}
	}
}

// drain takes what has rung so far.
func drain(m *systemd.Manager) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, _, err := m.Wait(ctx)
		cancel()
		if err != nil {
			return
		}
	}
}

// leftovers are links to fleet's files, and files that are no units.
func leftovers(t testing.TB) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(linkDir, func(p string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if to, err := os.Readlink(p); err == nil && strings.HasPrefix(to, unitsDir) {
			found = append(found, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(unitsDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		found = append(found, filepath.Join(unitsDir, f.Name()))
	}
	return found
}

// A timer that has fired is active since it was started, and not since it fired.
func TestAUnitIsInItsStateSinceWhenSystemctlSays(t *testing.T) {
	m := connectSystem(t)
	service, timer := unit.Name("contract-fired.service"), unit.Name("contract-fired.timer")
	load(t, m, service, "[Service]\nType=oneshot\nExecStart=/bin/true\n")
	load(t, m, timer, "[Timer]\nOnActiveSec=300ms\nAccuracySec=1ms\n")
	start(t, m, timer)
	for deadline := time.Now().Add(10 * time.Second); state(t, m, timer).Sub != "elapsed"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the timer is %+v", state(t, m, timer))
		}
	}
	for n, property := range map[unit.Name]string{timer: "ActiveEnterTimestamp", service: "InactiveEnterTimestamp"} {
		shown := command(t, "systemctl", "show", "--timestamp=us+utc", "--value", "-p", property, string(n))
		want, err := time.Parse("Mon 2006-01-02 15:04:05.999999 MST", shown)
		if err != nil {
			t.Fatal(err)
		}
		if st := state(t, m, n); !st.Since.Equal(want) {
			t.Errorf("%s is %s since %v, systemctl says %v", n, st.Active, st.Since.UTC(), want)
		}
	}
}

func TestInstallLinksComeAndGo(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-wanted.service")
	load(t, m, n, sleeper+"[Install]\nWantedBy=multi-user.target\nAlias=contract-alias.service\n")
	if _, err := os.Lstat(linkDir + "/multi-user.target.wants/contract-wanted.service"); err != nil {
		t.Error(err)
	}
	if w := command(t, "systemctl", "show", "-p", "Wants", "multi-user.target"); !strings.Contains(w, string(n)) {
		t.Errorf("systemd does not know of it: %s", w)
	}
	load(t, m, n, sleeper+"[Install]\nWantedBy=network-online.target\n")
	if _, err := os.Lstat(linkDir + "/multi-user.target.wants/contract-wanted.service"); err == nil {
		t.Error("the link of the old [Install] section is still there")
	}
	if _, err := os.Lstat(linkDir + "/network-online.target.wants/contract-wanted.service"); err != nil {
		t.Error(err)
	}
	if failed, err := m.Unload(t.Context(), []unit.Name{n}); err != nil || len(failed) > 0 {
		t.Errorf("Unload = %v, %v", failed, err)
	}
	if l := leftovers(t); len(l) > 0 {
		t.Errorf("left over: %v", l)
	}
}

func TestAliasOfAHostUnitIsRefused(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-thief.service")
	failed, err := m.Load(t.Context(), map[unit.Name][]byte{n: []byte(sleeper + "[Install]\nAlias=dbus.service\n")})
	var he *systemd.HostUnitError
	if err != nil || !errors.As(failed[n], &he) || he.Name != "dbus.service" {
		t.Errorf("Load = %v, %v", failed, err)
	}
	if l := leftovers(t); len(l) > 0 {
		t.Errorf("left over: %v", l)
	}
}

func TestUnitsWithoutFilesAreTheHosts(t *testing.T) {
	m := connectSystem(t)
	command(t, "systemd-run", "--unit=contract-transient", "--quiet", "/bin/sleep", "infinity")
	defer command(t, "systemctl", "stop", "contract-transient")
	for _, n := range []unit.Name{"contract-transient.service", "-.mount", "system.slice", "init.scope"} {
		failed, err := m.Load(t.Context(), map[unit.Name][]byte{n: []byte(sleeper)})
		var he *systemd.HostUnitError
		if err != nil || !errors.As(failed[n], &he) {
			t.Errorf("Load of %s = %v, %v", n, failed, err)
		}
	}
}

func TestOneReloadPerBatch(t *testing.T) {
	m := connectSystem(t)
	before := reloads(t)
	files := map[unit.Name][]byte{}
	var names []unit.Name
	for i := range 20 {
		n := unit.Name(fmt.Sprintf("contract-batch@%d.service", i))
		files[n] = []byte(sleeper + "[Install]\nWantedBy=multi-user.target\n")
		names = append(names, n)
	}
	for range 2 { // the second changes nothing
		if failed, err := m.Load(t.Context(), files); err != nil || len(failed) > 0 {
			t.Fatalf("Load = %v, %v", failed, err)
		}
	}
	if got := reloads(t) - before; got != 1 {
		t.Errorf("%d reloads for a Load", got)
	}
	if failed, err := m.Unload(t.Context(), names); err != nil || len(failed) > 0 {
		t.Fatalf("Unload = %v, %v", failed, err)
	}
	if got := reloads(t) - before; got != 2 {
		t.Errorf("%d reloads for a Load and an Unload", got)
	}
}

// reloads counts systemd's reloads since boot by what it logs about each.
func reloads(t testing.TB) int {
	t.Helper()
	command(t, "journalctl", "--sync")
	out := command(t, "journalctl", "-b", "-o", "cat", "-q", "_PID=1", "--grep", "^Reloading\\.$", "--no-pager")
	return strings.Count(out+"\n", "Reloading.\n")
}

// greets is a service that says hello from somebody, and ends when the journal has that: journald finds out whose line it is
// while the process lives.
func greets(somebody string) string {
	return fmt.Sprintf(`[Service]
Type=oneshot
TimeoutStartSec=60
ExecStart=/bin/sh -c 'echo hello from %s; until journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$$INVOCATION_ID | grep -q hello; do sleep 0.1; done'
`, somebody)
}

func TestResultOfAFinishedRunIsKept(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-once.service")
	load(t, m, n, greets("contract"))
	start(t, m, n)
	st := state(t, m, n)
	if st.Load != "loaded" || st.Active != "inactive" || st.InvocationID == "" || st.Result != "success" {
		t.Errorf("after the run: %+v", st)
	}
	load(t, m, "contract-other.service", sleeper) // reloads systemd
	if again := state(t, m, n); again != st {
		t.Errorf("after a reload: %+v, before %+v", again, st)
	}
	second, err := systemd.New(systemd.Options{}) // as after a restart of fleetd
	if err != nil {
		t.Fatal(err)
	}
	run(t, second)
	if again := state(t, second, n); again != st {
		t.Errorf("to another connection: %+v, before %+v", again, st)
	}
	lines, err := m.Logs(t.Context(), n, 20)
	if err != nil || !strings.Contains(strings.Join(lines, "\n"), "hello from contract") {
		t.Errorf("Logs = %q, %v", lines, err)
	}
}

// What a process writes at once is in the journal before systemd has noted that the unit runs, every tenth time or so.
func TestTheFirstLineOfARunIsInItsLog(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-hasty.service")
	load(t, m, n, "[Unit]\nStartLimitIntervalSec=0\n"+greets("$$INVOCATION_ID"))
	for range 40 {
		start(t, m, n)
		want := "hello from " + state(t, m, n).InvocationID
		lines, err := m.Logs(t.Context(), n, 20)
		if err != nil || !slices.Contains(lines, want) || strings.Count(strings.Join(lines, "\n"), "hello") != 1 {
			t.Fatalf("Logs = %q, %v; want %q", lines, err, want)
		}
	}
}

func TestConditionNotMet(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-condition.service")
	load(t, m, n, "[Unit]\nConditionPathExists=/nonexistent\n"+sleeper)
	if st := state(t, m, n); st.Skipped {
		t.Errorf("before it was started: %+v", st)
	}
	start(t, m, n)
	if st := state(t, m, n); !st.Skipped || st.Active != "inactive" {
		t.Errorf("after a start that did nothing: %+v", st)
	}
}

func TestSignalIsNoExitStatus(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-signal.service")
	load(t, m, n, sleeper)
	start(t, m, n)
	if _, err := m.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if st := state(t, m, n); st.ExitStatus != 15 || !st.Signaled || st.Skipped {
		t.Errorf("after a stop: %+v", st)
	}
}

func TestLogOfWhatNeverRan(t *testing.T) {
	m := connectSystem(t)
	for n, c := range map[unit.Name]struct{ file, why string }{
		"contract-bad.service": {"[Service]\nType=simple\n", "Service has no ExecStart="},
		"contract-lone.socket": {"[Socket]\nListenStream=/run/contract-lone.sock\n", "contract-lone.service"},
	} {
		if _, err := m.Load(t.Context(), map[unit.Name][]byte{n: []byte(c.file)}); err != nil {
			t.Fatal(err)
		}
		_, _ = m.Start(t.Context(), n) // it fails, with an error or with a result
		lines, err := m.Logs(t.Context(), n, 10)
		if err != nil || !strings.Contains(strings.Join(lines, "\n"), c.why) {
			t.Errorf("Logs(%s) = %q, %v", n, lines, err)
		}
	}
}

func TestAskingCausesNoSignals(t *testing.T) {
	m := connectSystem(t)
	load(t, m, "contract-asked.service", sleeper)
	drain(m)
	names := []unit.Name{"contract-asked.service", "contract-absent.service"}
	for range 3 {
		if _, err := m.States(t.Context(), names); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if rung, all, err := m.Wait(ctx); err == nil {
		t.Errorf("asking rang: %v, all=%v", rung, all)
	}
}

func TestDaemonReexec(t *testing.T) { testReconnect(t, "systemctl", "daemon-reexec") }

func TestBusRestart(t *testing.T) { testReconnect(t, "systemctl", "restart", "dbus.service") }

func testReconnect(t *testing.T, cut ...string) {
	m := connectSystem(t)
	n, slow := unit.Name("contract-lasting.service"), unit.Name("contract-slow.service")
	load(t, m, n, sleeper)
	load(t, m, slow, "[Service]\nExecStartPre=/bin/sleep 2\nExecStart=/bin/sleep infinity\n")
	start(t, m, n)
	before := state(t, m, n)
	drain(m)
	job := make(chan error, 1)
	go func() {
		_, err := m.Start(context.Background(), slow)
		job <- err
	}()
	for state(t, m, slow).Active != "activating" {
		if _, _, err := m.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	command(t, cut[0], cut[1:]...)
	waitAll(t, m)
	if err := <-job; !errors.Is(err, systemd.ErrConnection) {
		t.Errorf("job at the cut: %v", err)
	}
	if after := state(t, m, n); after != before {
		t.Errorf("after: %+v, before %+v", after, before)
	}
	for state(t, m, slow).Active != "active" {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, _, err := m.Wait(ctx); err != nil {
			t.Fatalf("%+v: %v", state(t, m, slow), err)
		}
		cancel()
	}
	command(t, "kill", fmt.Sprint(before.MainPID))
	for state(t, m, n).Active == "active" {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, _, err := m.Wait(ctx); err != nil {
			t.Fatalf("no signals after the reconnect: %v", err)
		}
		cancel()
	}
}

func TestLeavingsOfACrashAreSwept(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-kept.service")
	load(t, m, n, sleeper)
	start(t, m, n)
	pid := state(t, m, n).MainPID
	dangling := linkDir + "/contract-gone.service"
	wants := linkDir + "/contract.target.wants/contract-gone.service"
	if err := os.MkdirAll(filepath.Dir(wants), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{dangling, wants} {
		if err := os.Symlink(unitsDir+"/contract-gone.service", l); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(unitsDir+"/.fleet-12345", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file that was replaced just before the crash: systemd has not read it.
	time.Sleep(10 * time.Millisecond) // systemd compares times of files
	changed := []byte(sleeper + "# changed\n")
	if err := os.WriteFile(unitsDir+"/"+string(n), changed, 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := systemd.New(systemd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, second)
	waitAll(t, second)
	if got := leftovers(t); len(got) != 2 {
		t.Errorf("after the sweep: %v", got)
	}
	if _, err := os.Lstat(filepath.Dir(wants)); err == nil {
		t.Error("an empty directory is left")
	}
	if r := command(t, "systemctl", "show", "-p", "NeedDaemonReload", "--value", string(n)); r != "no" {
		t.Errorf("NeedDaemonReload: %s", r)
	}
	if st := state(t, second, n); st.Active != "active" || st.MainPID != pid {
		t.Errorf("after adoption: %+v", st)
	}
}

func TestFullDiskLeavesNothing(t *testing.T) {
	connectSystem(t) // for the skip and the clean-up
	dir := t.TempDir()
	command(t, "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", dir)
	defer command(t, "umount", dir)
	m, err := systemd.New(systemd.Options{UnitsDir: dir + "/units"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, m)
	small, big := unit.Name("contract-small.service"), unit.Name("contract-big.service")
	load(t, m, small, sleeper)
	failed, err := m.Load(t.Context(), map[unit.Name][]byte{
		big: append([]byte(sleeper), bytes.Repeat([]byte("#\n"), 50_000)...),
	})
	if err != nil || !errors.Is(failed[big], syscall.ENOSPC) || !strings.Contains(failed[big].Error(), dir+"/units/"+string(big)) {
		t.Errorf("Load = %v, %v", failed, err)
	}
	if files, err := m.Files(t.Context()); err != nil || len(files) != 1 {
		t.Errorf("Files = %v, %v", files, err)
	}
	entries, err := os.ReadDir(dir + "/units")
	if err != nil || len(entries) != 1 {
		t.Errorf("units directory: %v, %v", entries, err)
	}
	if _, err := os.Lstat(linkDir + "/" + string(big)); err == nil {
		t.Error("a link to no file is left")
	}
	// The old bytes survive a change that does not fit.
	failed, err = m.Load(t.Context(), map[unit.Name][]byte{small: bytes.Repeat([]byte("#\n"), 50_000)})
	if err != nil || failed[small] == nil {
		t.Errorf("Load = %v, %v", failed, err)
	}
	start(t, m, small)
	if r, err := m.Stop(t.Context(), small); err != nil || r != unit.JobDone {
		t.Errorf("Stop = %v, %v", r, err)
	}
	if failed, err := m.Unload(t.Context(), []unit.Name{small}); err != nil || len(failed) > 0 {
		t.Errorf("Unload = %v, %v", failed, err)
	}
}

func TestAHostUnitMovesInLater(t *testing.T) {
	m := connectSystem(t)
	n := unit.Name("contract-moved.service")
	load(t, m, n, sleeper)
	host := "/etc/systemd/system/" + string(n)
	if err := os.WriteFile(host, []byte(sleeper), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		command(t, "systemctl", "stop", string(n))
		_ = os.Remove(host)
		command(t, "systemctl", "daemon-reload")
	}()
	command(t, "systemctl", "daemon-reload")
	command(t, "systemctl", "start", string(n))
	var he *systemd.HostUnitError
	failed, err := m.Load(t.Context(), map[unit.Name][]byte{n: []byte(sleeper + "#\n")})
	if err != nil || !errors.As(failed[n], &he) || he.Path != host {
		t.Errorf("Load = %v, %v", failed, err)
	}
	if failed, err := m.Unload(t.Context(), []unit.Name{n}); err != nil || len(failed) > 0 {
		t.Errorf("Unload = %v, %v", failed, err)
	}
	if a := command(t, "systemctl", "is-active", string(n)); a != "active" {
		t.Errorf("the host's unit is %s", a)
	}
	if l := leftovers(t); len(l) > 0 {
		t.Errorf("left over: %v", l)
	}
}

// More jobs at once than systemd can watch callers for.
func TestManyJobsAtOnce(t *testing.T) {
	m := connectSystem(t)
	files := map[unit.Name][]byte{}
	for i := range 600 {
		files[unit.Name(fmt.Sprintf("contract-crowd@%d.service", i))] = []byte("[Service]\nType=oneshot\nExecStart=/bin/sleep 3\n")
	}
	if failed, err := m.Load(t.Context(), files); err != nil || len(failed) > 0 {
		t.Fatalf("Load = %v, %v", failed, err)
	}
	errs := make(chan error, len(files))
	for n := range files {
		go func() {
			r, err := m.Start(t.Context(), n)
			if err == nil && r != unit.JobDone {
				err = fmt.Errorf("start %s: %s", n, r)
			}
			errs <- err
		}()
	}
	for range files {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
