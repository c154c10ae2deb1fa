package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

func newListener() *listener {
	return &listener{session: &session{jobs: newJobs(), seen: newSeen()}, bell: newBell()}
}

func jobRemoved(id uint32, n unit.Name, result string) *dbus.Signal {
	return &dbus.Signal{Body: []any{id, dbus.ObjectPath("/org/freedesktop/systemd1/job/1"), string(n), result}}
}

func TestSignalsRingForFleetsUnitsOnly(t *testing.T) {
	l := newListener()
	l.bell.know("a-b@1.service")
	l.session.seen.put("a-b@1.service", 0, unit.State{Load: "loaded", Active: "active"})
	for range 1000 {
		l.DeliverSignal("", "PropertiesChanged", &dbus.Signal{Path: objectPath("other.service")})
		l.DeliverSignal("", "PropertiesChanged", &dbus.Signal{Path: objectPath("a-b@1.service")})
	}
	names, all, err := l.bell.wait(t.Context())
	if err != nil || all || !slices.Equal(names, []unit.Name{"a-b@1.service"}) {
		t.Errorf("wait = %v, %v, %v", names, all, err)
	}
	if _, ok := l.session.seen.get("a-b@1.service", sddbus.UnitStatus{LoadState: "loaded", ActiveState: "active"}); ok {
		t.Error("a state is kept that systemd said has changed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if names, all, err := l.bell.wait(ctx); err == nil {
		t.Errorf("rang twice: %v, %v", names, all)
	}
}

func TestReloadRingsForAll(t *testing.T) {
	l := newListener()
	l.bell.know("a.service")
	l.DeliverSignal("", "PropertiesChanged", &dbus.Signal{Path: objectPath("a.service")})
	l.DeliverSignal("", "Reloading", &dbus.Signal{Body: []any{true}})
	l.DeliverSignal("", "Reloading", &dbus.Signal{Body: []any{false}})
	if names, all, err := l.bell.wait(t.Context()); err != nil || !all || len(names) > 0 {
		t.Errorf("wait = %v, %v, %v", names, all, err)
	}
}

func TestMalformedSignalsAreIgnored(t *testing.T) {
	l := newListener()
	for _, name := range []string{"PropertiesChanged", "JobRemoved", "Reloading", "NameOwnerChanged", "Other"} {
		for _, body := range [][]any{nil, {1}, {"a", "b", "c"}, {true, true, true, true}} {
			l.DeliverSignal("", name, &dbus.Signal{Body: body})
		}
	}
	if names, all := l.bell.collect(); all || len(names) > 0 {
		t.Errorf("rang: %v, %v", names, all)
	}
}

func TestAStateReadBeforeASignalIsNotKept(t *testing.T) {
	s := newSeen()
	before := s.generation("a.service")
	s.forget("a.service")
	s.put("a.service", before, unit.State{Active: "active"})
	if st, ok := s.get("a.service", sddbus.UnitStatus{ActiveState: "active"}); ok {
		t.Errorf("kept %+v", st)
	}
}

func propertiesChanged(n unit.Name, iface string, now map[string]any) *dbus.Signal {
	body := make(map[string]dbus.Variant)
	for property, value := range now {
		body[property] = dbus.MakeVariant(value)
	}
	return &dbus.Signal{Path: objectPath(n), Body: []any{iface, body, []string{}}}
}

// What systemd 252 sends when a service runs, of what fleet wants to know.
func runningService(pid uint32) (half, rest map[string]any) {
	return map[string]any{"Result": "success", "ExecMainStatus": int32(0), "ExecMainCode": int32(0), "NRestarts": uint32(2), "MainPID": pid},
		map[string]any{
			"ActiveState": "active", "SubState": "running", "InvocationID": []byte("0123456789abcdef"),
			"ActiveEnterTimestamp": uint64(1_000_000), "ConditionTimestamp": uint64(1), "ConditionResult": true,
		}
}

func TestAStateThatSystemdTellsIsNotAskedFor(t *testing.T) {
	const n = "a.service"
	listed := sddbus.UnitStatus{Name: n, LoadState: "loaded", ActiveState: "active", SubState: "running", JobType: "restart"}
	l := newListener()
	l.bell.know(n)
	half, rest := runningService(7)
	l.DeliverSignal("", "PropertiesChanged", propertiesChanged(n, results[unit.Service], half))
	if names, _ := l.bell.collect(); len(names) > 0 {
		t.Error("half of what is new rings")
	}
	l.DeliverSignal("", "PropertiesChanged", propertiesChanged(n, unitIface, rest))
	l.DeliverSignal("", "JobRemoved", jobRemoved(7, n, "done"))
	if names, _ := l.bell.collect(); len(names) != 1 {
		t.Errorf("rang: %v", names)
	}
	want := unit.State{
		Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: 7, Restarts: 2,
		InvocationID: fmt.Sprintf("%x", "0123456789abcdef"), Since: time.UnixMicro(1_000_000), Job: "restart",
	}
	if st, ok := l.session.seen.get(n, listed); !ok || st != want {
		t.Errorf("seen %+v, %v", st, ok)
	}
	listed.SubState = "stop-sigterm"
	if st, ok := l.session.seen.get(n, listed); ok {
		t.Errorf("systemd lists it as %s, and seen is %+v", listed.SubState, st)
	}
	if len(l.session.seen.mu.halves) > 0 {
		t.Error("what was told is kept twice")
	}
}

func TestAStateOfWhichSystemdTellsNotAllIsAskedFor(t *testing.T) {
	const n = "a.service"
	listed := sddbus.UnitStatus{Name: n, LoadState: "loaded", ActiveState: "active", SubState: "running"}
	for _, missing := range []string{"Result", "ExecMainStatus", "NRestarts", "MainPID", "ActiveState", "SubState", "InvocationID", "ActiveEnterTimestamp"} {
		l := newListener()
		l.bell.know(n)
		before := l.session.seen.generation(n)
		half, rest := runningService(7)
		delete(half, missing)
		delete(rest, missing)
		l.DeliverSignal("", "PropertiesChanged", propertiesChanged(n, results[unit.Service], half))
		l.DeliverSignal("", "PropertiesChanged", propertiesChanged(n, unitIface, rest))
		if st, ok := l.session.seen.get(n, listed); ok {
			t.Errorf("without %s: seen %+v", missing, st)
		}
		l.session.seen.put(n, before, unit.State{Active: "active", Sub: "running"})
		if _, ok := l.session.seen.get(n, listed); ok {
			t.Errorf("without %s: what was read before is kept", missing)
		}
	}
	l := newListener()
	l.bell.know(n)
	_, rest := runningService(7)
	l.DeliverSignal("", "PropertiesChanged", propertiesChanged(n, unitIface, rest))
	if st, ok := l.session.seen.get(n, listed); ok {
		t.Errorf("without what is of services: seen %+v", st)
	}
}

func TestAStateThatWasReadIsReadAgainWhenAJobHasEnded(t *testing.T) {
	const n = "a.service"
	l := newListener()
	l.bell.know(n)
	l.session.seen.put(n, 0, unit.State{Load: "loaded", Active: "inactive", Sub: "dead"})
	l.DeliverSignal("", "JobRemoved", jobRemoved(7, n, "done"))
	if st, ok := l.session.seen.get(n, sddbus.UnitStatus{LoadState: "loaded", ActiveState: "inactive", SubState: "dead"}); ok {
		t.Errorf("seen %+v", st)
	}
}

func TestAResultMayOvertakeItsJob(t *testing.T) {
	l := newListener()
	j := l.session.jobs
	_, result, err := j.queue(t.Context(), func() (int, error) {
		l.DeliverSignal("", "JobRemoved", jobRemoved(7, "a.service", "done"))
		return 7, nil
	})
	if err != nil || <-result != "done" {
		t.Errorf("queue: %v", err)
	}
	if len(j.room) != 0 || len(j.mu.early) != 0 {
		t.Errorf("kept: %d calls, %v", len(j.room), j.mu.early)
	}
}

func TestCallsThatShareAJobShareItsResult(t *testing.T) {
	l := newListener()
	j := l.session.jobs
	same := func() (int, error) { return 7, nil }
	_, first, err1 := j.queue(t.Context(), same)
	_, second, err2 := j.queue(t.Context(), same)
	_, third, err3 := j.queue(t.Context(), same)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	j.leave(7, second)
	l.DeliverSignal("", "JobRemoved", jobRemoved(7, "a.service", "failed"))
	if r := []string{<-first, <-third}; r[0] != "failed" || r[1] != "failed" {
		t.Errorf("results %v", r)
	}
	if len(second) != 0 || len(j.room) != 0 {
		t.Errorf("left over: %d results, %d calls", len(second), len(j.room))
	}
}

func TestALostConnectionEndsAllWaiting(t *testing.T) {
	j := newJobs()
	_, before, err := j.queue(t.Context(), func() (int, error) { return 7, nil })
	if err != nil {
		t.Fatal(err)
	}
	j.abandon()
	_, after, err := j.queue(t.Context(), func() (int, error) { return 8, nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []chan string{before, after} {
		if r, ok := <-ch; ok {
			t.Errorf("result %q of a lost job", r)
		}
	}
	if len(j.room) != 0 {
		t.Errorf("%d calls keep room", len(j.room))
	}
}

func TestJobsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJobs()
		num := 0
		next := func() (int, error) { num++; return num, nil }
		for range maxJobs {
			if _, _, err := j.queue(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		queued := false
		go func() {
			_, _, err := j.queue(t.Context(), next)
			queued = err == nil
		}()
		synctest.Wait()
		if queued {
			t.Fatal("one job too many was queued")
		}
		j.done(1, "done")
		synctest.Wait()
		if !queued {
			t.Fatal("there was room, and nobody took it")
		}
	})
}

func TestTail(t *testing.T) {
	long := strings.Repeat("é", 300)
	got := tail("one\ntwo\n"+long+"\nbad \xff\n", 3)
	want := []string{"two", strings.Repeat("é", 256), "bad \uFFFD"}
	if !slices.Equal(got, want) {
		t.Errorf("tail = %q, want %q", got, want)
	}
	if got := tail("\n", 3); got != nil {
		t.Errorf("tail of nothing = %q", got)
	}
	if got := cut(strings.Repeat("é", 300), 511); got != strings.Repeat("é", 255) {
		t.Errorf("cut in the middle of a character: %d bytes", len(got))
	}
}
