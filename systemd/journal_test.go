package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/journal"
)

// pretend puts a shell script in the place of a program.
func pretend(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\ncd "+dir+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func manager(t *testing.T, user bool) *Manager {
	t.Helper()
	if user {
		t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	}
	m, err := New(Options{User: user, UnitsDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestJournalctlIsAskedWithoutAShell(t *testing.T) {
	dir := pretend(t, "journalctl", `printf '%s\n' "$@" >> asked; echo end >> asked; echo '{"A":"1"}'; echo '{"A":"2"}'`)
	since, until := time.Unix(1700000000, 250000), time.Unix(1700000100, 0)
	put := time.Unix(1600000000, 0)
	for _, c := range []struct {
		user bool
		q    journal.Query
		want string
	}{
		{false, journal.Query{Lines: 10}, "--unit=a@$(b).service --lines=10"},
		{true, journal.Query{Lines: 0, Follow: true}, "--user-unit=a@$(b).service --lines=0 --follow"},
		{false, journal.Query{Lines: journal.All, Since: since, Until: until}, "--unit=a@$(b).service --lines=all --since=@1700000000.000250 --until=@1700000100.000000"},
		{false, journal.Query{Lines: journal.All, After: "s=1;i=2", Since: since}, "--unit=a@$(b).service --lines=all --after-cursor=s=1;i=2"},
		{false, journal.Query{Lines: journal.All, Placed: true}, "--unit=a@$(b).service --lines=all --since=@1600000000.000000"},
		{false, journal.Query{Lines: 1, Sync: true}, "--unit=a@$(b).service --lines=1"},
	} {
		m := manager(t, c.user)
		if err := os.WriteFile(m.disk.file("a@$(b).service"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(m.disk.file("a@$(b).service"), put, put); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, "asked"))
		var got []string
		err := m.Journal(t.Context(), "a@$(b).service", c.q, func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || strings.Join(got, "") != "{\"A\":\"1\"}\n{\"A\":\"2\"}\n" {
			t.Errorf("%v: %q, %v", c.q, got, err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "asked"))
		if err != nil {
			t.Fatal(err)
		}
		asked := strings.Join(strings.Fields(string(raw)), " ")
		want := "--quiet --no-pager --output=json --all " + c.want + " end"
		if c.q.Sync {
			want = "--sync end " + want
		}
		if asked != want {
			t.Errorf("asked %s\n want %s", asked, want)
		}
	}
}

func TestNothingIsLeftOfAJournalThatNobodyReads(t *testing.T) {
	// A child of its own that holds the output, and a signal that is ignored: neither may keep the reader.
	dir := pretend(t, "journalctl", `trap '' TERM INT; sleep 1000 & echo $! > child; echo $$ > self; echo '{"A":"1"}'; wait; wait`)
	m := manager(t, false)
	full := errors.New("full")
	ctx, cancel := context.WithCancel(t.Context())
	for what, fn := range map[string]func([]byte) error{
		"its reader fails":  func([]byte) error { return full },
		"its context ended": func([]byte) error { cancel(); return nil },
	} {
		c := t.Context()
		want := full
		if strings.Contains(what, "context") {
			c, want = ctx, context.Canceled
		}
		if err := m.Journal(c, "a.service", journal.Query{Follow: true}, fn); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		for _, file := range []string{"self", "child"} {
			raw, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if !ended(pid) {
				t.Errorf("%s: process %s (%d) is still there", what, file, pid)
			}
		}
	}
}

// ended waits for a killed process; a zombie that is not ours to reap counts as ended.
func ended(pid int) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
			return true
		}
	}
	return false
}

func TestLongEntriesAreHandedOnAndTooLongOnesLeftOut(t *testing.T) {
	pretend(t, "journalctl", `echo first; head -c 200000 /dev/zero | tr '\0' x; echo; head -c 17000000 /dev/zero | tr '\0' y; echo; echo last`)
	var sizes []int
	err := manager(t, false).Journal(t.Context(), "a.service", journal.Query{}, func(line []byte) error {
		sizes = append(sizes, len(line))
		return nil
	})
	if err != nil || fmt.Sprint(sizes) != "[6 200001 5]" {
		t.Errorf("%v, %v", sizes, err)
	}
}

func TestWhatJournalctlComplainsOfIsSaid(t *testing.T) {
	pretend(t, "journalctl", `echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1`)
	err := manager(t, false).Journal(t.Context(), "a.service", journal.Query{After: "x"}, func([]byte) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "read the journal of a.service: journalctl: exit status 1: Failed to seek") {
		t.Error(err)
	}
}

func TestStatusIsWhatSystemctlSays(t *testing.T) {
	dir := pretend(t, "systemctl", `echo "$@" > asked; echo "$SYSTEMD_COLORS" >> asked; echo "* a.service - $1"; exit 3`)
	text, err := manager(t, true).StatusText(t.Context(), "a.service", 7)
	if err != nil || text != "* a.service - status\n" {
		t.Errorf("%q, %v", text, err)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || string(asked) != "status --no-pager --full --lines=7 --user -- a.service\n0\n" {
		t.Errorf("%q, %v", asked, err)
	}
	pretend(t, "systemctl", `echo "Unit a.service could not be found." >&2; exit 4`)
	if text, err := manager(t, false).StatusText(t.Context(), "a.service", 7); err != nil || text != "Unit a.service could not be found.\n" {
		t.Errorf("%q, %v", text, err)
	}
	pretend(t, "systemctl", `echo "Failed to connect to bus" >&2; exit 1`)
	if _, err := manager(t, false).StatusText(t.Context(), "a.service", 7); err == nil || !strings.Contains(err.Error(), "Failed to connect to bus") {
		t.Error(err)
	}
}
