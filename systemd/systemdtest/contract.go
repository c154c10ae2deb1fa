package systemdtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/systemd"
	"fleet/unit"
)

// Systemd is what the contract is about.
type Systemd interface {
	Files(ctx context.Context) (map[unit.Name]unit.ContentID, error)
	States(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error)
	Wait(ctx context.Context) (names []unit.Name, all bool, err error)
	Load(ctx context.Context, files map[unit.Name][]byte) (map[unit.Name]error, error)
	Unload(ctx context.Context, names []unit.Name) (map[unit.Name]error, error)
	Start(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Stop(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Restart(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Logs(ctx context.Context, n unit.Name, lines int) ([]string, error)
}

// Subject is what one test of the contract works on.
type Subject struct {
	Systemd
	// HostUnit is a unit of the host itself, and HostInstance one that would be
	// an instance of a template of the host; it may be empty.
	HostUnit, HostInstance unit.Name
	// Mounts tells that file systems may be mounted.
	Mounts bool
}

const (
	sleeper = "[Service]\nExecStart=/bin/sleep infinity\n"
	failing = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
	dying   = "[Service]\nExecStart=/bin/false\n"
	bad     = "[Service]\nType=simple\n"
)

// Contract is what every systemd does for fleet. run runs each test with a
// subject that is connected, and has none of the units that the tests load:
// their names begin with "contract-".
func Contract(t *testing.T, run func(t *testing.T, test func(t *testing.T, s Subject))) {
	tests := []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"a unit lives from load to unload", testLife},
		{"an unknown unit is not found and can be stopped", testUnknown},
		{"a start that fails says so, and the log has it", testFailedStart},
		{"a process that dies rings and is restarted by hand", testDeath},
		{"a start takes as long as it takes", testSlowStart},
		{"since when a unit is active or not has nothing to do with its sub-state", testSince},
		{"a running or stopping unit is not unloaded", testUnloadRefused},
		{"a bad unit fails alone", testBatchIsolation},
		{"a unit of the host is refused", testHostUnits},
		{"a template and a bad name are refused", testBadNames},
		{"a changed file takes effect with the next start", testChange},
		{"every type of unit loads, starts and stops", testTypes},
		{"a wait for a job can be given up", testGiveUp},
		{"a batch of many units", testMany},
		{"install sections never fail a load", testInstall},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, tt.test) })
	}
}

func testLife(t *testing.T, s Subject) {
	n := unit.Name("contract-life.service")
	load(t, s, n, sleeper)
	files, err := s.Files(t.Context())
	if err != nil || files[n] != unit.IDOf([]byte(sleeper)) {
		t.Errorf("Files() = %v, %v; want %s with its id", files, err, n)
	}
	if st := state(t, s, n); st.Load != "loaded" || st.Active != "inactive" {
		t.Errorf("after load: %+v", st)
	}
	runJob(t, s.Start, n, unit.JobDone)
	st := state(t, s, n)
	if st.Active != "active" || st.Sub != "running" || st.MainPID == 0 || len(st.InvocationID) != 32 || st.Since.IsZero() || st.Result != "success" || st.Job != "" {
		t.Errorf("after start: %+v", st)
	}
	runJob(t, s.Start, n, unit.JobDone)
	if again := state(t, s, n); again.InvocationID != st.InvocationID {
		t.Errorf("starting a running unit made it another one: %+v, before %+v", again, st)
	}
	runJob(t, s.Restart, n, unit.JobDone)
	if again := state(t, s, n); again.InvocationID == st.InvocationID || again.Active != "active" {
		t.Errorf("after restart: %+v, before %+v", again, st)
	}
	runJob(t, s.Stop, n, unit.JobDone)
	if st := state(t, s, n); st.Active != "inactive" || st.MainPID != 0 || st.InvocationID == "" {
		t.Errorf("after stop: %+v", st)
	}
	unload(t, s, n)
	if st := state(t, s, n); st.Load != "not-found" || st.Active != "inactive" {
		t.Errorf("after unload: %+v", st)
	}
	if files, err := s.Files(t.Context()); err != nil || files[n] != "" {
		t.Errorf("Files() after unload = %v, %v", files, err)
	}
}

func testUnknown(t *testing.T, s Subject) {
	n := unit.Name("contract-unknown.service")
	if st := state(t, s, n); st.Load != "not-found" || st.Active != "inactive" {
		t.Errorf("state of unknown unit: %+v", st)
	}
	runJob(t, s.Stop, n, unit.JobDone)
	if r, err := s.Start(t.Context(), n); err == nil {
		t.Errorf("Start of unknown unit = %q, want an error", r)
	}
	unload(t, s, n)
}

func testFailedStart(t *testing.T, s Subject) {
	n := unit.Name("contract-failed.service")
	load(t, s, n, failing)
	runJob(t, s.Start, n, "failed")
	st := state(t, s, n)
	if st.Active != "failed" || st.Result != "exit-code" || st.ExitStatus != 1 {
		t.Errorf("after failed start: %+v", st)
	}
	lines, err := s.Logs(t.Context(), n, 10)
	if err != nil || !strings.Contains(strings.Join(lines, "\n"), "Failed with result 'exit-code'") {
		t.Errorf("Logs() = %q, %v", lines, err)
	}
	if lines, err := s.Logs(t.Context(), n, 1); err != nil || len(lines) != 1 {
		t.Errorf("Logs(1) = %q, %v", lines, err)
	}
	unload(t, s, n)
	if st := state(t, s, n); st.Load != "not-found" || st.Active != "inactive" {
		t.Errorf("after unload of a failed unit: %+v", st)
	}
}

func testDeath(t *testing.T, s Subject) {
	n := unit.Name("contract-death.service")
	load(t, s, n, dying)
	runJob(t, s.Start, n, unit.JobDone)
	st := eventually(t, s, n, func(st unit.State) bool { return st.Active == "failed" })
	if st.Result != "exit-code" || st.MainPID != 0 {
		t.Errorf("after its death: %+v", st)
	}
	runJob(t, s.Start, n, unit.JobDone)
	eventually(t, s, n, func(again unit.State) bool {
		return again.Active == "failed" && again.InvocationID != st.InvocationID
	})
}

func testSlowStart(t *testing.T, s Subject) {
	n := unit.Name("contract-slow.service")
	load(t, s, n, "[Service]\nExecStartPre=/bin/sleep 1\nExecStart=/bin/sleep infinity\n")
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := s.Start(t.Context(), n)
		done <- err
	}()
	st := eventually(t, s, n, func(st unit.State) bool { return st.Active == "activating" })
	if st.Job != "start" {
		t.Errorf("while starting: %+v", st)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("the start took %v", took)
	}
	if st := state(t, s, n); st.Active != "active" || st.Job != "" {
		t.Errorf("after start: %+v", st)
	}
}

func testSince(t *testing.T, s Subject) {
	n := unit.Name("contract-since.service")
	load(t, s, n, "[Service]\nExecStartPre=/bin/sleep 0.3\nExecStart=/bin/sleep 0.6\nRemainAfterExit=yes\nExecStop=/bin/sleep 0.5\n")
	reached := func(active, sub string) func(unit.State) bool {
		return func(st unit.State) bool { return st.Active == active && (sub == "" || st.Sub == sub) }
	}
	later := func(when string, a, b unit.State) {
		t.Helper()
		if !a.Since.Before(b.Since) {
			t.Errorf("%s: since %v, and before it was %s since %v", when, b.Since, a.Active, a.Since)
		}
	}
	job := func(do func(context.Context, unit.Name) (unit.JobResult, error)) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := do(t.Context(), n)
			done <- err
		}()
		return done
	}
	start := job(s.Start)
	starting := eventually(t, s, n, reached("activating", ""))
	if err := <-start; err != nil {
		t.Error(err)
	}
	running := eventually(t, s, n, reached("active", "running"))
	later("running", starting, running)
	if exited := eventually(t, s, n, reached("active", "exited")); !exited.Since.Equal(running.Since) {
		t.Errorf("its process has ended: active since %v, and before it was since %v", exited.Since, running.Since)
	}
	stop := job(s.Stop)
	stopping := eventually(t, s, n, reached("deactivating", ""))
	if err := <-stop; err != nil {
		t.Error(err)
	}
	later("stopping", running, stopping)
	later("stopped", stopping, state(t, s, n))
}

func testUnloadRefused(t *testing.T, s Subject) {
	n := unit.Name("contract-stopping.service")
	text := "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 1\n"
	load(t, s, n, text)
	runJob(t, s.Start, n, unit.JobDone)
	refused := func(when string) {
		t.Helper()
		failed, err := s.Unload(t.Context(), []unit.Name{n})
		if err != nil || !errors.Is(failed[n], systemd.ErrRunning) {
			t.Errorf("Unload %s = %v, %v; want ErrRunning", when, failed, err)
		}
		if files, err := s.Files(t.Context()); err != nil || files[n] != unit.IDOf([]byte(text)) {
			t.Errorf("Files() %s = %v, %v", when, files, err)
		}
	}
	refused("while it runs")
	stopped := make(chan error, 1)
	go func() {
		_, err := s.Stop(t.Context(), n)
		stopped <- err
	}()
	eventually(t, s, n, func(st unit.State) bool { return st.Active == "deactivating" })
	refused("while it stops")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	unload(t, s, n)
}

func testBatchIsolation(t *testing.T, s Subject) {
	const good, evil, worse = unit.Name("contract-good.service"), unit.Name("contract-bad.service"), unit.Name("contract-garbage.service")
	failed, err := s.Load(t.Context(), map[unit.Name][]byte{
		good: []byte(sleeper), evil: []byte(bad), worse: []byte("\x00\xff no unit file\n"), s.HostUnit: []byte(sleeper),
	})
	if err != nil {
		t.Fatal(err)
	}
	var le *systemd.LoadError
	if !errors.As(failed[evil], &le) || le.State != "bad-setting" || le.Reason == "" {
		t.Errorf("error of %s: %v", evil, failed[evil])
	}
	if failed[worse] == nil {
		t.Errorf("%s was loaded", worse)
	}
	if failed[good] != nil {
		t.Errorf("error of %s: %v", good, failed[good])
	}
	if st := state(t, s, evil); st.Load != "bad-setting" {
		t.Errorf("state of %s: %+v", evil, st)
	}
	runJob(t, s.Start, good, unit.JobDone)
	if r, err := s.Start(t.Context(), evil); err == nil {
		t.Errorf("Start of a bad unit = %q, want an error", r)
	}
	unload(t, s, evil, worse)
	if st := state(t, s, evil); st.Load != "not-found" {
		t.Errorf("state of %s after unload: %+v", evil, st)
	}
}

func testHostUnits(t *testing.T, s Subject) {
	for _, n := range []unit.Name{s.HostUnit, s.HostInstance} {
		if n == "" {
			continue
		}
		failed, err := s.Load(t.Context(), map[unit.Name][]byte{n: []byte(sleeper)})
		var he *systemd.HostUnitError
		if err != nil || !errors.As(failed[n], &he) || he.Name != n {
			t.Errorf("Load of %s = %v, %v; want HostUnitError", n, failed, err)
		}
	}
	if files, err := s.Files(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("Files() = %v, %v", files, err)
	}
}

func testBadNames(t *testing.T, s Subject) {
	n := unit.Name("contract-template@.service")
	failed, err := s.Load(t.Context(), map[unit.Name][]byte{n: []byte(sleeper), "contract-../x.service": []byte(sleeper)})
	if err != nil || len(failed) != 2 {
		t.Errorf("Load = %v, %v", failed, err)
	}
	if files, err := s.Files(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("Files() = %v, %v", files, err)
	}
}

func testChange(t *testing.T, s Subject) {
	n := unit.Name("contract-change@1.service")
	load(t, s, n, sleeper)
	runJob(t, s.Start, n, unit.JobDone)
	before := state(t, s, n)
	load(t, s, n, failing)
	if files, err := s.Files(t.Context()); err != nil || files[n] != unit.IDOf([]byte(failing)) {
		t.Errorf("Files() = %v, %v", files, err)
	}
	if after := state(t, s, n); after.Active != "active" || after.MainPID != before.MainPID {
		t.Errorf("a new file touched the process: %+v, before %+v", after, before)
	}
	runJob(t, s.Restart, n, "failed")
	load(t, s, n, bad+"# changed\n", "bad-setting")
	load(t, s, n, sleeper)
	runJob(t, s.Start, n, unit.JobDone)
}

func testTypes(t *testing.T, s Subject) {
	units := map[unit.Name]string{
		"contract-type.service":       sleeper,
		"contract-type.socket":        "[Socket]\nListenStream=%t/contract-type.sock\n",
		"contract-type.timer":         "[Timer]\nOnActiveSec=1h\n",
		"contract-type.path":          "[Path]\nPathExists=/nonexistent/contract\n",
		"contract-type.target":        "[Unit]\nDescription=target\n",
		"contract-type.slice":         "[Unit]\nDescription=slice\n",
		"contract-es\\x2dcape.target": "[Unit]\nDescription=target\n",
		"run-contract.mount":          "[Mount]\nWhat=tmpfs\nWhere=/run/contract\nType=tmpfs\n",
		"run-contract2.automount":     "[Automount]\nWhere=/run/contract2\n",
		"run-contract2.mount":         "[Mount]\nWhat=tmpfs\nWhere=/run/contract2\nType=tmpfs\n",
	}
	files := map[unit.Name][]byte{}
	var names []unit.Name
	for n, text := range units {
		files[n] = []byte(text)
		names = append(names, n)
	}
	failed, err := s.Load(t.Context(), files)
	if err != nil || len(failed) > 0 {
		t.Fatalf("Load = %v, %v", failed, err)
	}
	for _, n := range names {
		if n.Type() == unit.Automount || n.Type() == unit.Mount && !s.Mounts {
			continue // loading has to do: an automount needs the kernel's autofs
		}
		runJob(t, s.Start, n, unit.JobDone)
		if st := state(t, s, n); st.Load != "loaded" || st.Active != "active" {
			t.Errorf("after start of %s: %+v", n, st)
		}
		runJob(t, s.Stop, n, unit.JobDone)
		if st := state(t, s, n); st.Active != "inactive" {
			t.Errorf("after stop of %s: %+v", n, st)
		}
	}
	unload(t, s, names...)
}

func testGiveUp(t *testing.T, s Subject) {
	n := unit.Name("contract-giveup.service")
	load(t, s, n, "[Service]\nExecStartPre=/bin/sleep 1\nExecStart=/bin/sleep infinity\n")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r, err := s.Start(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start = %q, %v; want the context's end", r, err)
	}
	if st := state(t, s, n); st.Active != "activating" {
		t.Errorf("the job was not left alone: %+v", st)
	}
	runJob(t, s.Start, n, unit.JobDone)
	if st := state(t, s, n); st.Active != "active" {
		t.Errorf("after start: %+v", st)
	}
}

func testMany(t *testing.T, s Subject) {
	files := map[unit.Name][]byte{}
	var names []unit.Name
	for i := range 50 {
		n := unit.Name(fmt.Sprintf("contract-many@%d.service", i))
		files[n] = []byte(sleeper)
		names = append(names, n)
	}
	if failed, err := s.Load(t.Context(), files); err != nil || len(failed) > 0 {
		t.Fatalf("Load = %v, %v", failed, err)
	}
	errs := make(chan error, len(names))
	for _, n := range names {
		go func() {
			r, err := s.Start(t.Context(), n)
			if err == nil && r != unit.JobDone {
				err = fmt.Errorf("start %s: %s", n, r)
			}
			errs <- err
		}()
	}
	for range names {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	states, err := s.States(t.Context(), names)
	if err != nil || len(states) != len(names) {
		t.Fatalf("States = %v, %v", states, err)
	}
	for n, st := range states {
		if st.Active != "active" || st.MainPID == 0 {
			t.Errorf("%s: %+v", n, st)
		}
	}
}

func testInstall(t *testing.T, s Subject) {
	n, m := unit.Name("contract-install.service"), unit.Name("contract-install2.service")
	failed, err := s.Load(t.Context(), map[unit.Name][]byte{
		n: []byte(sleeper + "[Install]\nWantedBy=multi-user.target\n"),
		m: []byte(sleeper + "[Install]\nAlso=contract-missing.service\nWantedBy=contract.target\n"),
	})
	if err != nil || len(failed) > 0 {
		t.Errorf("Load = %v, %v", failed, err)
	}
	runJob(t, s.Start, m, unit.JobDone)
	runJob(t, s.Stop, m, unit.JobDone)
	unload(t, s, n, m)
}
