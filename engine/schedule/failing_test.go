package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

const rescheduled = "[Service]\nExecStart=/bin/true\n[X-Fleet]\nReschedule=on-failure\n"

func TestPauseAfter(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: 10 * time.Second, 2: 20 * time.Second, 3: 40 * time.Second, 6: 320 * time.Second,
		7: 10 * time.Minute, 8: 10 * time.Minute, 1000: 10 * time.Minute,
	} {
		if got := pauseAfter(failures); got != want {
			t.Errorf("after %d failures: %s, not %s", failures, got, want)
		}
	}
}

// failingSim has machines and one unit that is tried elsewhere when it fails.
func failingSim(t *testing.T, machines int) *sim {
	t.Helper()
	s := newSim(t)
	for n := range machines {
		id := cluster.MachineID(fmt.Sprintf("m%d", n+1))
		s.join(id, nil, 0)
		s.write(s.hosts[id])
	}
	s.mustSubmit(t, "a.service", rescheduled)
	s.settle()
	return s
}

func (s *sim) mustSubmit(t *testing.T, name unit.Name, text string) {
	t.Helper()
	if err := s.submit(name, cluster.Launched, text); err != nil {
		t.Fatal(err)
	}
}

// failAgain has a unit fail, and waits until it is tried again.
func (s *sim) failAgain(name unit.Name) {
	s.now = s.now.Add(time.Second)
	s.fail(name)
	s.settle()
	for s.home(name) == "" && s.state.Again().After(s.now) {
		s.now = s.state.Again()
		s.settle()
	}
}

// failTimes is failAgain for scripts.
func (s *sim) failTimes(name unit.Name, times string) string {
	n, err := strconv.Atoi(times)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	var b strings.Builder
	for range n {
		before := s.now
		s.failAgain(name)
		fmt.Fprintf(&b, "on %s after %s\n", s.home(name), s.now.Sub(before)-time.Second)
	}
	return b.String()
}

func (s *sim) home(name unit.Name) cluster.MachineID {
	for _, h := range s.present() {
		if _, ok := s.live(h)[name]; ok {
			return h.id
		}
	}
	return ""
}

func TestAUnitGoesRoundUntilItIsParked(t *testing.T) {
	s := failingSim(t, 3)
	var went []string
	for s.home("a.service") != "" && len(went) < 20 {
		went = append(went, string(s.home("a.service")))
		s.failAgain("a.service")
	}
	if got, want := strings.Join(went, " "), "m1 m2 m3 m1 m2 m3 m1 m2 m3 m1"; got != want {
		t.Errorf("it was on %s, not on %s", got, want)
	}
	p := s.pending["a.service"]
	if want := "failed 4 times on m1 (exit-code, status 1), 3 times on m2 (exit-code, status 1), 3 times on m3 (exit-code, status 1); " +
		"it is not tried again"; p.String() != want || p.Waiting {
		t.Errorf("it is said of it: %s", p)
	}
	if p.Remedy == nil || p.Remedy.Text != "start it again when it is mended" {
		t.Errorf("what would help: %+v", p.Remedy)
	}
	if !s.state.Again().IsZero() {
		t.Errorf("the engine wakes at %s for a unit that is parked", s.state.Again())
	}

	s.now = s.now.Add(24 * time.Hour)
	s.elect()
	if did := s.settle(); did != "" {
		t.Errorf("the next day a new engine does\n%s", did)
	}
	s.mustSubmit(t, "a.service", "")
	s.settle()
	if _, told := s.failures["a.service"]; told || s.home("a.service") == "" {
		t.Errorf("after a new request:\n%s", s.show())
	}
}

func TestAMachineThatWasNotTriedComesFirst(t *testing.T) {
	s := failingSim(t, 2)
	s.failAgain("a.service")
	s.now = s.now.Add(time.Second)
	s.fail("a.service")
	s.settle()
	s.join("m3", nil, 0)
	s.write(s.hosts["m3"])
	// It has more units than the others: that it was not tried counts more.
	s.mustSubmit(t, "b.service", "[X-Fleet]\nMachineID=m3\n")
	s.settle()
	s.now = s.state.Again()
	s.settle()
	if home := s.home("a.service"); home != "m3" {
		t.Errorf("it is on %q", home)
	}
}

func TestAFailureAfterALongTimeIsTheFirst(t *testing.T) {
	s := failingSim(t, 3)
	s.failAgain("a.service")
	s.failAgain("a.service")
	s.now = s.now.Add(lasting)
	s.fail("a.service")
	s.settle()
	f := s.failures["a.service"]
	if len(f.Tries) != 1 || f.Next.Sub(s.now) != firstPause {
		t.Errorf("after ten minutes: %s", s.showFailures(f))
	}
}

func TestWhatIsNoFailure(t *testing.T) {
	for what, edit := range map[string]func(*cluster.UnitReport){
		"systemd is about to restart it": func(r *cluster.UnitReport) { r.Sub = "failed-before-auto-restart" },
		"a job of it is under way":       func(r *cluster.UnitReport) { r.State.Job = "start" },
		"the request is not carried out": func(r *cluster.UnitReport) { r.Generation-- },
	} {
		t.Run(what, func(t *testing.T) {
			s := failingSim(t, 2)
			h := s.hosts["m1"]
			c := h.copies["a.service"]
			c.Active, c.Sub, c.Result = "failed", "failed", "exit-code"
			edit(&c)
			h.copies["a.service"] = c
			s.write(h)
			if steps := s.decide(); len(steps) > 0 {
				t.Errorf("decided: %s", trace(steps))
			}
		})
	}
}

func TestAUnitIsRecordedAsItIsTakenOff(t *testing.T) {
	s := failingSim(t, 2)
	const many = 150
	for n := range many {
		s.mustSubmit(t, unit.Name(fmt.Sprintf("f%d.service", n)), rescheduled+"MachineMetadata=!absent\n")
	}
	s.settle()
	s.lose("m2")
	s.settle()
	for name := range s.units {
		s.fail(name)
	}
	taken := 0
	for range 10 {
		for _, step := range s.decide() {
			for _, note := range step.Notes {
				if note.Action != Withdraw {
					continue
				}
				taken++
				if f := step.Failures[note.Unit]; f == nil || f.Tries[0].Machine != "m1" {
					t.Fatalf("%s is taken off m1 in a transaction that does not tell why", note.Unit)
				}
			}
		}
	}
	if taken != many+1 {
		t.Errorf("%d units of %d were taken off", taken, many+1)
	}
}

func TestAUnitDoesNotStartWhereItHasNotStopped(t *testing.T) {
	s := failingSim(t, 1)
	s.fail("a.service")
	slow := func(name unit.Name) bool { return name != "a.service" }
	for range 5 {
		s.decide()
		s.obey(s.hosts["m1"], slow)
		s.now = s.now.Add(time.Minute)
	}
	if p := s.pending["a.service"]; !p.Waiting || p.String() != "waiting for a.service to stop on m1" {
		t.Errorf("while it has not stopped: %s", p)
	}
	s.obey(s.hosts["m1"], nil)
	s.settle()
	if home := s.home("a.service"); home != "m1" || len(s.failures["a.service"].Tries) != 1 {
		t.Errorf("when it has stopped:\n%s", s.show())
	}
}

// A machine that was lost before it could take the unit off has it, failed, when it is back.
func TestAMachineDoesNotKeepWhatFailedThere(t *testing.T) {
	s := failingSim(t, 2)
	s.fail("a.service")
	s.decide()
	s.lose("m1")
	s.settle()
	s.elect()
	s.join("m1", nil, 0)
	s.write(s.hosts["m1"])
	s.settle()
	if home := s.home("a.service"); home != "" || len(s.failures["a.service"].Tries) != 1 {
		t.Errorf("before its time:\n%s", s.show())
	}
	s.now = s.state.Again()
	s.settle()
	if home := s.home("a.service"); home != "m2" || len(s.failures["a.service"].Tries) != 1 {
		t.Errorf("at its time:\n%s", s.show())
	}
}

func TestFollowersGoWithAUnitThatFailsAndWaitForIt(t *testing.T) {
	s := failingSim(t, 2)
	s.mustSubmit(t, "f.service", "[X-Fleet]\nMachineOf=a.service\n")
	s.mustSubmit(t, "g.service", rescheduled+"MachineOf=a.service\n")
	s.settle()
	s.fail("a.service")
	s.settle()
	if p := s.pending["f.service"]; !p.Waiting || !strings.Contains(p.String(), "a.service") {
		t.Errorf("its follower: %s", p)
	}
	s.now = s.state.Again()
	s.settle()
	for _, name := range []unit.Name{"a.service", "f.service", "g.service"} {
		if home := s.home(name); home != "m2" {
			t.Errorf("%s is on %q", name, home)
		}
	}

	// A follower that fails leaves alone, and nobody waits for it.
	s.fail("g.service")
	s.settle()
	if s.home("g.service") != "" || s.home("a.service") != "m2" || s.home("f.service") != "m2" {
		t.Errorf("a follower failed:\n%s", s.show())
	}
	s.lose("m2")
	s.settle()
	if s.home("a.service") != "m1" || s.home("f.service") != "m1" || s.home("g.service") != "" {
		t.Errorf("and its machine was lost:\n%s", s.show())
	}
	s.now = s.state.Again()
	s.settle()
	if s.home("g.service") != "m1" {
		t.Errorf("at its time:\n%s", s.show())
	}
}

func TestWhatKeepsAUnitThatHasFailedFromAnyMachine(t *testing.T) {
	s := failingSim(t, 2)
	s.failAgain("a.service")
	s.fail("a.service")
	for _, id := range []cluster.MachineID{"m1", "m2"} {
		s.configure(id, func(settings *cluster.Settings) { settings.Cordoned = true })
	}
	s.settle()
	s.now = s.state.Again()
	s.settle()
	want := "failed on m1 (exit-code, status 1), on m2 (exit-code, status 1); 0 of 2 machines fit: 2 are cordoned"
	if p := s.pending["a.service"]; p.String() != want || p.Waiting {
		t.Errorf("it is said of it: %s", p)
	}
	var snapshot cluster.Snapshot
	snapshot.Apply(s.snapshot())
	e, err := Advisor{}.Explain(&snapshot, "a.service")
	if err != nil {
		t.Fatal(err)
	}
	if e.Pending.String() != want || len(e.Failures.Tries) != 2 {
		t.Errorf("it is explained: %s, %+v", e.Pending, e.Failures)
	}
	s.configure("m2", func(settings *cluster.Settings) { settings.Cordoned = false })
	s.settle()
	if s.home("a.service") != "m2" {
		t.Errorf("when a machine fits:\n%s", s.show())
	}
}

// What is rehearsed takes no time, so that nothing is tried again in it.
func TestAPlanLeavesAUnitThatHasFailedAlone(t *testing.T) {
	s := failingSim(t, 2)
	s.fail("a.service")
	s.settle()
	var snapshot cluster.Snapshot
	snapshot.Apply(s.snapshot())
	r := rehearse(&snapshot, Options{})
	if steps := r.Decide(time.Time{}); len(steps) > 0 {
		t.Errorf("it does: %s", trace(steps))
	}
}

// misrecord writes a record about failures as nobody should.
func (s *sim) misrecord(name unit.Name, f *cluster.Failures) {
	if f == nil {
		delete(s.failures, name)
	} else {
		s.failures[name] = *f
	}
	s.feed(cluster.FailuresChanged{Name: name, Failures: f})
}

func TestForeignRecordsArePutRight(t *testing.T) {
	s := failingSim(t, 2)
	s.misrecord("nobody.service", &cluster.Failures{Generation: 7, Tries: make([]cluster.Try, 3), Parked: true})
	s.misrecord("a.service", &cluster.Failures{Generation: 1 << 40})
	s.settle()
	if len(s.failures) != 0 {
		t.Errorf("records about nothing stay:\n%s", s.show())
	}

	s.fail("a.service")
	s.settle()
	f := s.failures["a.service"]
	f.Next = s.now.Add(1000 * time.Hour)
	s.misrecord("a.service", &f)
	s.settle()
	if next := s.state.Again(); next.Sub(s.now) > longestPause {
		t.Errorf("it is held until %s", next)
	}
	if did := s.settle(); did != "" {
		t.Errorf("again: %s", did)
	}
	s.misrecord("a.service", nil) // by somebody who means that it may be tried again
	s.settle()
	if s.home("a.service") == "" {
		t.Errorf("nothing is known of failures any more:\n%s", s.show())
	}

	f.Tries = slices.Repeat(f.Tries, 30)
	s.misrecord("a.service", &f)
	s.failAgain("a.service")
	if f := s.failures["a.service"]; len(f.Tries) != cluster.MaxTries || !f.Parked {
		t.Errorf("after too many: %s", s.showFailures(f))
	}
}

func TestADamagedRecordIsReplaced(t *testing.T) {
	for what, leaderKnows := range map[string]bool{"by what is known": true, "by nothing": false} {
		t.Run(what, func(t *testing.T) {
			s := failingSim(t, 2)
			s.fail("a.service")
			s.settle()
			damaged := cluster.Corrupted{Kind: cluster.KindFailures, ID: "a.service", Err: "damaged"}
			if leaderKnows {
				s.feed(damaged)
			} else {
				s.state, s.shadow = s.brain(), s.brain()
				u := s.snapshot()
				u.Changes = slices.DeleteFunc(u.Changes, func(c cluster.Change) bool { _, is := c.(cluster.FailuresChanged); return is })
				u.Changes = append(u.Changes, damaged, cluster.Corrupted{Kind: cluster.KindFailures, ID: "not a name", Err: "damaged"})
				s.apply(u)
			}
			written := false
			for _, step := range s.decide() {
				_, ok := step.Failures["a.service"]
				written = written || ok
			}
			_, told := s.failures["a.service"]
			if !written || told != leaderKnows {
				t.Errorf("written: %t\n%s", written, s.show())
			}
			s.settle()
			if home := s.home("a.service"); (home == "") != leaderKnows {
				t.Errorf("it is on %q", home)
			}
		})
	}
}
