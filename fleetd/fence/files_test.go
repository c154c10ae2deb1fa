package fence

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// files are those of a host whose control groups are plain files: as with version 1, a group has no means to
// kill or freeze but signals.
func files(t *testing.T) Files {
	dir := t.TempDir()
	f := Files{Dir: filepath.Join(dir, "fence"), DropIns: filepath.Join(dir, "system"), Cgroups: filepath.Join(dir, "cgroup")}
	for _, n := range []string{"db.service", "cpu.service", "web@1.service", "gone.service"} {
		write(t, filepath.Join(f.DropIns, n+".d", DropIn), "")
	}
	write(t, filepath.Join(f.DropIns, "ice.service.d", DropIn), freezeMark+"\n")
	write(t, filepath.Join(f.DropIns, "other.service.d", "override.conf"), "")
	return f
}

// process is a child whose id is in a group.
func process(t *testing.T, f Files, group string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	write(t, filepath.Join(f.Cgroups, group, "cgroup.procs"), strconv.Itoa(c.Process.Pid)+"\n")
	return c
}

func ended(t *testing.T, c *exec.Cmd) bool {
	t.Helper()
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

func TestBoundUnitsAreFoundWhereverTheirSliceIs(t *testing.T) {
	f := files(t)
	process(t, f, "system.slice/db.service")
	process(t, f, "system.slice/_cpu.service")
	process(t, f, "system.slice/system-web.slice/web@1.service/inner")
	process(t, f, "a.slice/a-b.slice/other.service")
	write(t, filepath.Join(f.Cgroups, "system.slice/ice.service/cgroup.events"), "populated 0\nfrozen 0\n")
	left, err := f.Left()
	if want := []unit.Name{"_cpu.service", "db.service", "web@1.service"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left: %v, %v; want %v", left, err, want)
	}
}

func TestProcessesAreKilledOneByOneWhereTheKernelHasNoOtherMeans(t *testing.T) {
	f := files(t)
	bound, frozen, other := process(t, f, "system.slice/db.service/inner"), process(t, f, "x.slice/ice.service"), process(t, f, "system.slice/other.service")
	if err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := f.KillFrozen(); err != nil {
		t.Fatal(err)
	}
	if !ended(t, frozen) {
		t.Error("the unit that was frozen lives")
	}
	if err := f.Kill(); err != nil {
		t.Fatal(err)
	}
	if !ended(t, bound) {
		t.Error("the bound unit lives")
	}
	if other.ProcessState != nil {
		t.Error("another unit was killed")
	}
}

func TestPermitsOfOtherSessionsAreTakenBack(t *testing.T) {
	f := files(t)
	mine, theirs := cluster.Session{Lease: 1, BootID: "b"}, cluster.Session{Lease: 2, BootID: "b"}
	write(t, filepath.Join(f.Dir, "a.service.env"), "# session "+mine.String()+"\nFLEET_FENCE=1\n")
	write(t, filepath.Join(f.Dir, "b.service.env"), "# session "+theirs.String()+"\nFLEET_FENCE=1\n")
	write(t, filepath.Join(f.Dir, "c.service.env"), "damaged")
	expect := func(want ...string) {
		t.Helper()
		there, err := filepath.Glob(filepath.Join(f.Dir, "*.env"))
		for i := range there {
			there[i] = filepath.Base(there[i])
		}
		if err != nil || !slices.Equal(there, want) {
			t.Errorf("permits %v, %v; want %v", there, err, want)
		}
	}
	if err := f.Revoke(mine); err != nil {
		t.Fatal(err)
	}
	expect("a.service.env")
	if err := f.Revoke(cluster.Session{}); err != nil {
		t.Fatal(err)
	}
	expect()
}

func TestWhatIsGuardedIsSaidAndTakenBack(t *testing.T) {
	f := files(t)
	if g, err := f.Guard(); g != (Guard{}) || err != nil {
		t.Errorf("before: %+v, %v", g, err)
	}
	want := Guard{Life: "abc", Session: cluster.Session{Lease: 1, BootID: "b"}, Times: Times(10 * time.Second)}
	if err := f.Announce(want); err != nil {
		t.Fatal(err)
	}
	if g, err := f.Guard(); g != want || err != nil {
		t.Errorf("%+v, %v", g, err)
	}
	for range 2 {
		if err := f.Announce(Guard{}); err != nil {
			t.Fatal(err)
		}
	}
	if g, err := f.Guard(); g != (Guard{}) || err != nil {
		t.Errorf("afterwards: %+v, %v", g, err)
	}
}

func TestASessionIsOfThisBoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	if s, err := ReadSession(path, "b"); !s.IsZero() || err != nil {
		t.Errorf("without a file: %+v, %v", s, err)
	}
	write(t, path, `{"lease":7,"boot":"b","endpoints":["http://a:1"],"later":true}`)
	if s, err := ReadSession(path, "b"); s.Lease != 7 || len(s.Endpoints) != 1 || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := ReadSession(path, "c"); !s.IsZero() || err != nil {
		t.Errorf("of another boot: %+v, %v", s, err)
	}
	write(t, path, `{`)
	if _, err := ReadSession(path, "b"); err == nil {
		t.Error("a damaged file is a session")
	}
}

// The kernel ends a process at its deadline that is stopped, and no other.
func TestADeadlineEndsAProcessThatIsStopped(t *testing.T) {
	if at := os.Getenv("FENCE_TEST_DEADLINE"); at != "" {
		d, err := NewDeadline()
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.ParseDuration(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Set(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := d.Set(time.Now().Add(after)); err != nil { // it replaces the first
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		_ = os.Stdout.Close() // says that it lives
		select {}
	}
	c := exec.Command(os.Args[0], "-test.run=^TestADeadlineEndsAProcessThatIsStopped$")
	c.Env = append(os.Environ(), "FENCE_TEST_DEADLINE=700ms")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	_, _ = out.Read(make([]byte, 1))
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if !ended(t, c) {
		t.Fatal("it has not ended")
	}
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("it ended after %s: %s", took, c.ProcessState)
	}
}

func TestATimeIsMarkedForTheNextProcess(t *testing.T) {
	f := Files{Dir: filepath.Join(t.TempDir(), "fence")}
	if at := f.Marked(); !at.IsZero() {
		t.Errorf("nothing was marked, and it says %s", at)
	}
	for _, in := range []time.Duration{time.Hour, -time.Minute, 3 * time.Second} {
		if err := f.Mark(time.Now().Add(in)); err != nil {
			t.Fatal(err)
		}
		if off := time.Until(f.Marked()) - in; off.Abs() > time.Second {
			t.Errorf("marked %s from now, it is off by %s", in, off)
		}
	}
}
