package systemd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/unit"
)

func newDisk(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	return disk{units: filepath.Join(dir, "units"), links: filepath.Join(dir, "system")}
}

func put(t *testing.T, d disk, n unit.Name, text string) {
	t.Helper()
	changed, err := d.put(n, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !changed {
		t.Errorf("put %s: not changed", n)
	}
}

// tree lists what is in the directories, links with their targets.
func tree(t *testing.T, d disk) []string {
	t.Helper()
	root := filepath.Dir(d.units)
	var found []string
	err := filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		s := strings.TrimPrefix(p, root+"/")
		if to, err := os.Readlink(p); err == nil {
			s += " -> " + strings.TrimPrefix(to, root+"/")
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func expectTree(t *testing.T, d disk, want ...string) {
	t.Helper()
	if got := tree(t, d); !slices.Equal(got, want) {
		t.Errorf("on disk:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestPutIsIdempotent(t *testing.T) {
	d := newDisk(t)
	put(t, d, "a.service", "one")
	expectTree(t, d, "system/a.service -> units/a.service", "units/a.service")
	if changed, err := d.put("a.service", []byte("one")); changed || err != nil {
		t.Errorf("the same bytes again: changed=%v, %v", changed, err)
	}
	put(t, d, "a.service", "two")
	if raw, err := os.ReadFile(d.file("a.service")); err != nil || string(raw) != "two" {
		t.Errorf("%q, %v", raw, err)
	}
	if err := os.Remove(d.link("a.service")); err != nil {
		t.Fatal(err)
	}
	put(t, d, "a.service", "two")
	expectTree(t, d, "system/a.service -> units/a.service", "units/a.service")
}

func TestPutTakesTheLongestName(t *testing.T) {
	d := newDisk(t)
	n := unit.Name(strings.Repeat("n", unit.MaxNameLen-len(".service")) + ".service")
	put(t, d, n, "text")
	hidden, err := d.hide(n)
	if err != nil {
		t.Fatal(err)
	}
	if d.has(n) {
		t.Error("a hidden file is seen")
	}
	if err := d.show(n, hidden); err != nil {
		t.Error(err)
	}
	if !d.has(n) || !d.linked(n) {
		t.Error("a shown file is not seen")
	}
}

func TestPutLeavesNothingWhenItFails(t *testing.T) {
	d := newDisk(t)
	put(t, d, "a.service", "one")
	// A directory in the way fails the rename, for root too.
	if err := os.Mkdir(d.file("b.service"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := d.put("b.service", []byte("text")); err == nil || !strings.Contains(err.Error(), d.file("b.service")) {
		t.Errorf("err = %v", err)
	}
	expectTree(t, d, "system/a.service -> units/a.service", "units/a.service")
}

func TestUnlinkTakesOnlyFleetsLinks(t *testing.T) {
	d := newDisk(t)
	put(t, d, "a.service", "one")
	put(t, d, "b.service", "one")
	for link, to := range map[string]string{
		"alias.service":             d.file("a.service"),
		"x.target.wants/a.service":  d.file("a.service"),
		"x.target.wants/b.service":  "../b.service", // by way of the unit's link
		"y.target.wants/a.service":  d.link("a.service"),
		"host.service":              "/lib/systemd/system/host.service",
		"y.target.wants/h.service":  "/lib/systemd/system/h.service",
		"a.service.d/override.conf": d.file("a.service"),
	} {
		p := filepath.Join(d.links, link)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, p); err != nil {
			t.Fatal(err)
		}
	}
	isA := func(n unit.Name) bool { return n == "a.service" }
	if _, err := d.unlink(isA, false); err != nil {
		t.Fatal(err)
	}
	rest := []string{
		"system/a.service.d/override.conf -> units/a.service",
		"system/b.service -> units/b.service",
		"system/host.service -> /lib/systemd/system/host.service",
		"system/x.target.wants/b.service -> ../b.service",
		"system/y.target.wants/h.service -> /lib/systemd/system/h.service",
		"units/a.service",
		"units/b.service",
	}
	expectTree(t, d, slices.Insert(slices.Clone(rest), 0, "system/a.service -> units/a.service")...)
	if _, err := d.unlink(isA, true); err != nil {
		t.Fatal(err)
	}
	expectTree(t, d, rest...)
}

func TestSweep(t *testing.T) {
	d := newDisk(t)
	if removed, err := d.sweep(); err != nil || len(removed) > 0 {
		t.Errorf("nothing there: %v, %v", removed, err)
	}
	put(t, d, "a.service", "one")
	put(t, d, "gone.service", "one")
	if err := os.Remove(d.file("gone.service")); err != nil {
		t.Fatal(err)
	}
	put(t, d, "hidden.service", "one")
	if _, err := d.hide("hidden.service"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.file("README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removed, err := d.sweep()
	if err != nil || len(removed) != 3 {
		t.Errorf("removed %v, %v", removed, err)
	}
	expectTree(t, d, "system/a.service -> units/a.service", "units/README", "units/a.service")
	if names, err := d.names(); err != nil || !slices.Equal(names, []unit.Name{"a.service"}) {
		t.Errorf("names: %v, %v", names, err)
	}
}

func TestHostFile(t *testing.T) {
	d := newDisk(t)
	m := &Manager{disk: d}
	put(t, d, "ours.service", "text")
	lib := t.TempDir()
	for _, n := range []string{"host.service", "tpl@.service"} {
		if err := os.WriteFile(filepath.Join(lib, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", filepath.Join(lib, "masked.service")); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[unit.Name]string{
		"ours.service":   "",
		"free.service":   "",
		"free@1.service": "",
		"host.service":   lib + "/host.service",
		"tpl@1.service":  lib + "/tpl@.service",
		"tpl@1.socket":   "",
		"masked.service": lib + "/masked.service",
	} {
		if got := m.hostFile([]string{d.links, lib}, n); got != want {
			t.Errorf("hostFile(%s) = %q, want %q", n, got, want)
		}
	}
}
