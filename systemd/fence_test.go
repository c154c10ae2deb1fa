package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/unit"
)

func newFenced(t *testing.T) *Manager {
	t.Helper()
	m, err := New(Options{UnitsDir: filepath.Join(t.TempDir(), "units"), FenceDir: filepath.Join(t.TempDir(), "fen%ce")})
	if err != nil {
		t.Fatal(err)
	}
	m.disk = newDisk(t)
	return m
}

func TestOnlyUnitsThatSaySoAreBound(t *testing.T) {
	m := newFenced(t)
	const service = "[Service]\nExecStart=/bin/db\n"
	for _, c := range []struct {
		name unit.Name
		text string
		want []string // lines; none: there is no drop-in
		not  string
	}{
		{"a.service", service, nil, ""},
		{"a.service", service + "# AtMostOnce=yes\n", nil, ""},
		{"a.service", service + "[X-Fleet]\nAtMostOnce=no\n", nil, ""},
		{"a.service", service + "[X-Fleet]\nAtMostOnce=yes\n", []string{
			"[Unit]", "BindsTo=fleet-fence.service", "After=fleet-fence.service",
			"AssertPathExists=" + strings.ReplaceAll(m.fence, "%", "%%") + "/%n.env",
			"[Service]", "EnvironmentFile=" + strings.ReplaceAll(m.fence, "%", "%%") + "/%n.env",
		}, "KillMode"},
		{"a.service", service + "KillMode=process\nSendSIGKILL=no\n[X-Fleet]\nAtMostOnce=yes\nOnFence=freeze\n", []string{
			"# OnFence=freeze", "KillMode=control-group", "SendSIGKILL=yes",
		}, ""},
		{"a.service", service + "KillMode=mixed\n[X-Fleet]\nAtMostOnce=yes\n", []string{"[Service]"}, "KillMode"},
		{"a.timer", "[Timer]\nOnCalendar=daily\n[X-Fleet]\nAtMostOnce=yes\n", []string{"BindsTo=fleet-fence.service"}, "EnvironmentFile"},
	} {
		got := m.binding(c.name, []byte(c.text))
		if (got == nil) != (c.want == nil) {
			t.Errorf("%s: %q is bound by %q", c.name, c.text, got)
			continue
		}
		for _, line := range c.want {
			if !strings.Contains("\n"+string(got), "\n"+line+"\n") {
				t.Errorf("%q: %q is not in\n%s", c.text, line, got)
			}
		}
		if c.not != "" && strings.Contains(string(got), c.not) {
			t.Errorf("%q: %q is in\n%s", c.text, c.not, got)
		}
	}
}

func TestABindingGoesWithItsFile(t *testing.T) {
	m := newFenced(t)
	const name = unit.Name("db.service")
	raw := []byte("[Service]\nExecStart=/bin/db\n[X-Fleet]\nAtMostOnce=yes\n")
	put(t, m.disk, name, string(raw))
	files, err := m.Files(t.Context())
	if err != nil || files[name] == unit.IDOf(raw) {
		t.Errorf("without its drop-in it counts as it is: %v, %v", files, err)
	}
	failed := map[unit.Name]error{}
	if put := m.putAll([]unit.Name{name}, map[unit.Name][]byte{name: raw}, failed); len(put) != 1 || !m.stale {
		t.Fatal(put, failed)
	}
	expectTree(t, m.disk, "system/db.service -> units/db.service", "system/db.service.d/50-fleet-fence.conf", "units/db.service")
	if files, err := m.Files(t.Context()); err != nil || files[name] != unit.IDOf(raw) {
		t.Errorf("%v, %v", files, err)
	}
	if on, err := os.ReadFile(m.disk.file(name)); err != nil || string(on) != string(raw) {
		t.Errorf("the unit's own file is %q, %v", on, err)
	}

	if err := m.Permit(t.Context(), name, "a.b", 7); err != nil {
		t.Fatal(err)
	}
	if permit, err := os.ReadFile(m.permit(name)); err != nil || string(permit) != "# session a.b\nFLEET_FENCE=7\n" {
		t.Errorf("permit %q, %v", permit, err)
	}
	m.revoke([]unit.Name{name, "other.service"}, failed)
	hidden := m.hide([]unit.Name{name}, failed)
	if _, err := os.Stat(m.permit(name)); !os.IsNotExist(err) {
		t.Errorf("the permit is still there: %v", err)
	}
	if _, err := os.Stat(m.disk.dropIn(name)); !os.IsNotExist(err) {
		t.Errorf("the drop-in is still there: %v", err)
	}
	m.show(hidden, failed)
	if len(failed) > 0 {
		t.Error(failed)
	}
	expectTree(t, m.disk, "system/db.service -> units/db.service", "system/db.service.d/50-fleet-fence.conf", "units/db.service")

	// What a crash leaves of a unit that has no file any more.
	if err := os.Remove(m.disk.file(name)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.disk.sweep(); err != nil {
		t.Fatal(err)
	}
	expectTree(t, m.disk)
}

func TestAUsersSystemdRefusesUnitsThatNeedAFence(t *testing.T) {
	m := newFenced(t)
	m.user = true
	failed := map[unit.Name]error{}
	raw := []byte("[Service]\nExecStart=/bin/db\n[X-Fleet]\nAtMostOnce=yes\n")
	if put := m.putAll([]unit.Name{"db.service"}, map[unit.Name][]byte{"db.service": raw}, failed); len(put) > 0 || failed["db.service"] == nil {
		t.Errorf("put %v, failed %v", put, failed)
	}
}

// A name may be so long that there is no room for those of files beside it.
func TestAUnitOfTheLongestNameIsLoadedAndGoes(t *testing.T) {
	m := newFenced(t)
	name := unit.Name(strings.Repeat("n", 247) + ".service")
	failed := map[unit.Name]error{}
	if put := m.putAll([]unit.Name{name}, map[unit.Name][]byte{name: []byte("[Service]\nExecStart=/bin/db\n")}, failed); len(put) != 1 {
		t.Fatal(put, failed)
	}
	m.revoke([]unit.Name{name}, failed)
	m.hide([]unit.Name{name}, failed)
	if len(failed) > 0 {
		t.Error(failed)
	}
}
