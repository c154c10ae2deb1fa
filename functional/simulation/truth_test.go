package simulation

import (
	"slices"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// rest lets everything end that was begun, and checks what must hold then.
func (f *fate) rest(t *testing.T) {
	f.under.Wait()
	f.w.settle()
	for tries, trying := 0, f.trying(); trying && tries < 2*cluster.MaxTries; tries++ {
		trying = f.trying()
		f.w.settle() // once more after the last of them
	}
	s := f.w.snapshot()
	for name, wanted := range f.wanted {
		f.w.fulfilled(t, s, name, wanted)
	}
	for _, m := range f.w.machines {
		m.truthful(t, s)
		for _, name := range m.host.Running() {
			if f.wanted[name].desired != cluster.Launched {
				t.Errorf("%s runs on %s and is wanted %q", name, m.id, f.wanted[name].desired)
			}
		}
	}
	before := f.w.store.Revision()
	time.Sleep(10 * time.Minute)
	if after := f.w.store.Revision(); after != before {
		t.Errorf("a quiet cluster wrote %d times", after-before)
	}
}

// trying tells whether there are units that are going to be tried again, or just have been.
func (f *fate) trying() bool {
	s := f.w.snapshot()
	for _, name := range s.Names() {
		if failures, failed := s.Failures(name); failed && failures.Next.Add(time.Minute).After(time.Now()) {
			return true
		}
	}
	return false
}

// fulfilled: what is wanted is so, or it is said why not.
func (w *world) fulfilled(t complaints, s *cluster.Snapshot, name unit.Name, wanted wish) {
	st := s.Status(name)
	phase, message := st.Outcome()
	on := w.where(name)
	launched := wanted.desired == cluster.Launched
	var right bool
	switch phase {
	case cluster.Nowhere:
		right = len(on) == 0 && !wanted.free
	case cluster.Failed:
		right = (wanted.fails || wanted.doubted) && (len(on) == 0 || wanted.global())
	case cluster.Done:
		switch {
		case !launched || wanted.ends:
			right = len(on) == 0
		case wanted.global():
			right = true
		default:
			right = len(on) == 1 && !wanted.fails
		}
	}
	if !right {
		t.Errorf("%s is wanted %s and runs on %d machines: %s %s (%q)", name, wanted.desired, len(on), phase, message, wanted.text)
	}
	if st.Unit.Content != wanted.content || st.Unit.Desired != wanted.desired {
		t.Errorf("the record of %s is not what was asked for last: %+v", name, st.Unit)
	}
	for _, m := range on {
		if runs := lives(m, name); runs[len(runs)-1].Content != wanted.content && !wanted.doubted {
			t.Errorf("%s runs on %s with a former file", name, m.id)
		}
	}
}

// truthful: a machine has taken in its orders, and its report is what its host says.
func (m *machine) truthful(t complaints, s *cluster.Snapshot) {
	record, _ := s.Machine(m.id)
	orders, _ := s.Orders(m.id)
	report, _ := s.Report(m.id)
	if record.Session.IsZero() || report.Session != record.Session || report.Orders < orders.Revision {
		t.Errorf("machine %s: session %s, report of %s on orders %d, orders %d", m.id, record.Session, report.Session, report.Orders, orders.Revision)
	}
	seen := m.seen()
	for name, state := range seen {
		said, ok := report.Units[name]
		if _, ordered := orders.Units[name]; !ok || !ordered {
			t.Errorf("%s is on %s: reported %v, ordered %v", name, m.id, ok, ordered)
		}
		said.Since, state.Since = time.Time{}, time.Time{}
		if ok && said.State != state {
			t.Errorf("%s on %s is reported as %+v and is %+v", name, m.id, said.State, state)
		}
	}
	for name := range report.Units {
		if _, ordered := orders.Units[name]; !ordered {
			t.Errorf("%s is reported by %s, which is not to have it", name, m.id)
		}
	}
}

// complaints is where is told what is not as it should be.
type complaints interface {
	Errorf(format string, args ...any)
}

// life is one life of a unit on one machine.
type life struct {
	on         cluster.MachineID
	start, end time.Time // end is zero while it lasts
}

// lives of all units, by unit in the order in which they began.
func (f *fate) lives() map[unit.Name][]life {
	all := make(map[unit.Name][]life)
	for _, m := range f.w.machines {
		for _, r := range m.host.Runs() {
			all[r.Unit] = append(all[r.Unit], life{m.id, r.Start, r.End})
		}
	}
	for _, of := range all {
		slices.SortStableFunc(of, func(a, b life) int { return a.start.Compare(b.start) })
	}
	return all
}

// noOverlap holds as long as no session has ended: two lives of a unit never overlap.
func (f *fate) noOverlap(t *testing.T) {
	for name, all := range f.lives() {
		for i := 1; i < len(all) && !f.everywhere[name]; i++ {
			before, now := all[i-1], all[i]
			if before.on != now.on && (before.end.IsZero() || now.start.Before(before.end)) {
				t.Errorf("%s ran on %s from %s and on %s until %s", name,
					now.on, now.start.Format("04:05.000"), before.on, before.end.Format("04:05.000"))
			}
		}
	}
}

// undisturbed runs do, during which nobody asks anything of any unit. What is healthy, and on a machine
// whose session goes on, lives on; but what was restarted, by name, has lived exactly once more.
func (f *fate) undisturbed(t *testing.T, do func() (restarted unit.Name)) {
	before, sessions := f.lives(), f.w.snapshot()
	restarted := do()
	f.rest(t)
	after, now := f.lives(), f.w.snapshot()
	for name, wanted := range f.wanted {
		if wanted.desired != cluster.Launched || !wanted.free || wanted.fails || wanted.ends || wanted.doubted {
			continue
		}
		host := alive(before[name])
		was, _ := sessions.Machine(host)
		is, _ := now.Machine(host)
		if was.Session != is.Session {
			continue
		}
		expected := count(before[name], host)
		if name == restarted {
			expected++
		}
		if got, on := count(after[name], host), alive(after[name]); got != expected || on != host {
			t.Errorf("%s has lived %d times on %s, expected %d; it runs on %s (restarted: %q)", name, got, host, expected, on, restarted)
		}
	}
	for _, m := range f.w.machines {
		was, _ := sessions.Machine(m.id)
		is, _ := now.Machine(m.id)
		if !f.losable && was.Session != is.Session {
			t.Errorf("machine %s has lost its session", m.id)
		}
	}
}

// alive is the machine on which the last life that has not ended is; empty if all have.
func alive(all []life) cluster.MachineID {
	for _, l := range slices.Backward(all) {
		if l.end.IsZero() {
			return l.on
		}
	}
	return ""
}

// count is how often the unit has lived on the machine.
func count(all []life, on cluster.MachineID) int {
	n := 0
	for _, l := range all {
		if l.on == on {
			n++
		}
	}
	return n
}
