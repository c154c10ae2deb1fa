//go:build functional

package functional

import (
	"os/exec"
	"path/filepath"
	"testing"

	"fleet/functional/testbed"
)

// TestTheSystemdPackageOnARealSystemd runs the tests of package systemd on a host: there alone they
// meet the real one, to which the small one of systemdtest is held.
func TestTheSystemdPackageOnARealSystemd(t *testing.T) {
	w := start(t, testbed.Spec{Name: "systemd", Hosts: 1})
	h := w.host(1)
	binary := filepath.Join(t.TempDir(), "systemd.test")
	build := exec.CommandContext(w.ctx(), "go", "test", "-c", "-o", binary, "./systemd")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the tests: %v\n%s", err, out)
	}
	const there = "/usr/bin/systemd.test"
	if err := h.CopyFile(binary, there, 0o755); err != nil {
		t.Fatal(err)
	}
	w.exec(h, "systemctl", "stop", "fleet.socket", "fleetd.service") // the units directory has one owner
	cmd, err := h.Command(w.ctx(), "env", "FLEET_TEST_SYSTEMD=system", there, "-test.v", "-test.timeout=5m")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
