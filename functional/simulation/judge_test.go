package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const (
	// bound is how long a cluster may take to come to rest.
	bound = 5 * time.Minute
	// still is for how long nothing may be written for it to count as come to rest.
	still = 30 * time.Second
)

// judge finds out what is wrong after a history, or was.
func (s *stage) judge() {
	s.rest("with what operators have asked for", s.steady)
	for _, m := range s.w.machines {
		s.set(m.id, func(have *cluster.Settings) {
			ssd := "ssd"
			*have = cluster.Settings{Metadata: map[string]*string{"disk": &ssd}}
		})
	}
	s.note("nothing is drained or cordoned")
	s.rest("with nothing in the way", s.complete)
	before := s.w.store.Revision()
	time.Sleep(2 * time.Minute)
	if after := s.w.store.Revision(); after != before {
		s.wrong("a quiet cluster wrote %d times", after-before)
	}
	s.leftovers()
	s.loseOne()
	s.overlaps()
	s.disturbed()
	s.unordered()
	s.stampedes()
}

// list collects complaints.
type list []string

func (l *list) Errorf(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

// rest waits until all is well and nobody writes any more.
func (s *stage) rest(how string, check func(complaints, *cluster.Snapshot)) {
	limit := time.Now().Add(bound)
	for revision := int64(-1); ; {
		time.Sleep(still)
		var found list
		if now := s.w.store.Revision(); now != revision {
			found.Errorf("it still writes")
			revision = now
		}
		check(&found, s.w.snapshot())
		if len(found) == 0 {
			return
		}
		if time.Now().After(limit) {
			for _, f := range found {
				s.wrong("%s after everything was over, %s: %s", bound, how, f)
			}
			return
		}
	}
}

// steady is what holds whatever operators have asked for.
func (s *stage) steady(t complaints, all *cluster.Snapshot) {
	for name, wanted := range s.wanted {
		st := all.Status(name)
		phase, message := st.Outcome()
		if on := s.w.where(name); phase == cluster.Working || len(on) > 1 && !wanted.global() {
			t.Errorf("%s runs on %d machines: %s %s", name, len(on), phase, message)
		}
		for _, c := range st.Copies {
			if s.closed(all, c.Machine, cluster.Settings.Draining) && s.mayLeave(all, name, wanted) {
				t.Errorf("%s is on %s, which is drained", name, c.Machine)
			}
		}
	}
}

// closed tells whether a machine is closed in some way.
func (s *stage) closed(all *cluster.Snapshot, id cluster.MachineID, how func(cluster.Settings, cluster.Machine) bool) bool {
	settings := all.Settings(id)
	machine, _ := all.Machine(id)
	return how(settings, machine)
}

// mayLeave tells whether there is a machine to which the unit can go, and nothing that keeps it from going there.
func (s *stage) mayLeave(all *cluster.Snapshot, name unit.Name, wanted wish) bool {
	leader := name == "u0.service" // which others may follow
	if leader || wanted.global() || wanted.doubted || wanted.atMostOnce() || strings.Contains(wanted.text, "Machine") {
		return false
	}
	return slices.ContainsFunc(s.w.machines, func(m *machine) bool { return !s.closed(all, m.id, cluster.Settings.Closed) })
}

// complete is what holds when every unit may be everywhere.
func (s *stage) complete(t complaints, all *cluster.Snapshot) {
	for name, wanted := range s.wanted {
		wanted.free = s.runnable(wanted)
		if wanted.doubted && len(s.w.where(name)) == 0 {
			continue // it was ended behind systemd's back, and nobody asks for it to be started again
		}
		s.w.fulfilled(t, all, name, wanted)
		if on := s.w.where(name); wanted.global() && wanted.desired == cluster.Launched && !wanted.doubted && len(on) != len(s.w.machines) {
			t.Errorf("%s runs on %d of %d machines", name, len(on), len(s.w.machines))
		}
	}
	for _, m := range s.w.machines {
		m.truthful(t, all)
		for _, name := range m.host.Running() {
			if s.wanted[name].desired != cluster.Launched && !s.orphans[name] {
				t.Errorf("%s runs on %s and is wanted %q", name, m.id, s.wanted[name].desired)
			}
		}
	}
}

// runnable tells whether there is a machine for the unit when nothing is drained.
func (s *stage) runnable(wanted wish) bool {
	if strings.Contains(wanted.text, "MachineOf=") {
		leader, ok := s.wanted["u0.service"]
		return ok && leader.desired != cluster.Inactive
	}
	return true
}

// leftovers are what a unit leaves that was destroyed.
func (s *stage) leftovers() {
	all := s.w.snapshot()
	for _, m := range s.w.machines {
		for name := range m.seen() {
			if _, ok := s.wanted[name]; !ok && !s.orphans[name] {
				s.wrong("%s is left over on %s", name, m.id)
			}
		}
	}
	for _, name := range all.Names() {
		if _, ok := s.wanted[name]; ok || s.orphans[name] {
			continue
		}
		if st := all.Status(name); st.Exists || len(st.Copies) > 0 || st.Pending != nil {
			s.wrong("%s is left over in the store: %+v", name, st)
		}
	}
}

// loseOne: whatever has happened to it, and whatever its clocks show, a cluster that is well replaces what a lost machine had.
func (s *stage) loseOne() {
	lost := s.w.leader() // which has to be replaced, too
	if len(s.wanted)%2 == 0 {
		lost = s.w.machines[len(s.contents)%len(s.w.machines)]
	}
	had := lost.host.Running()
	lost.crash()
	time.Sleep(ttl + time.Minute)
	for _, name := range had {
		wanted, ok := s.wanted[name]
		if !ok || wanted.doubted || wanted.ends || wanted.global() || strings.Contains(wanted.text, "Machine") || strings.Contains(wanted.text, "OnLost=wait") {
			continue
		}
		if on := s.w.where(name); len(on) != 1 {
			phase, message := s.w.snapshot().Status(name).Outcome()
			s.wrong("%s after machine %s was lost %s runs on %d others: %s %s (%q)", ttl+time.Minute, lost.id[31:], name, len(on), phase, message, wanted.text)
		}
	}
}

// run is one life of a unit on one machine.
type run struct {
	systemdtest.Run
	on *machine
}

func (r run) String() string {
	end := "now"
	if !r.End.IsZero() {
		end = r.End.Format("15:04:05.000")
	}
	return fmt.Sprintf("on %s from %s to %s (%s)", r.on.id[31:], r.Start.Format("15:04:05.000"), end, r.Result)
}

// end is when it ended, or now.
func (r run) end() time.Time {
	if r.End.IsZero() {
		return time.Now()
	}
	return r.End
}

// runs of all units, by unit in the order in which they began.
func (s *stage) runs() map[unit.Name][]run {
	all := make(map[unit.Name][]run)
	for _, m := range s.w.machines {
		for _, r := range m.host.Runs() {
			all[r.Unit] = append(all[r.Unit], run{r, m})
		}
	}
	for _, of := range all {
		slices.SortStableFunc(of, func(a, b run) int { return a.Start.Compare(b.Start) })
	}
	return all
}

// overlaps: no unit that says AtMostOnce has ever run twice at one time. One that was global once may still be leaving.
func (s *stage) overlaps() {
	for name, all := range s.runs() {
		global := slices.ContainsFunc(all, func(r run) bool { return wish{kind: s.contents[r.Content]}.global() })
		if s.goneBack || global {
			continue
		}
		for i, b := range all {
			for _, a := range all[:i] {
				if a.on != b.on && s.contents[a.Content].atMostOnce() && s.contents[b.Content].atMostOnce() && together(a, b) > 0 {
					s.wrong("%s ran twice for %s: %s, and %s", name, together(a, b), a, b)
				}
			}
		}
	}
}

// moment is what a host that was suspended may take to find out that it was.
const moment = 100 * time.Millisecond

// together is for how long two runs ran at one time. On a host that is suspended nothing runs; when it goes
// on, what should not run any more does for a moment, which nothing on that host can prevent.
func together(a, b run) time.Duration {
	from, to := b.Start, a.end()
	if b.end().Before(to) {
		to = b.end()
	}
	sum := max(0, to.Sub(from))
	for _, nap := range slices.Concat(a.on.host.Naps(), b.on.host.Naps()) {
		began, ended := nap.Start, nap.End
		if ended = ended.Add(moment); nap.End.IsZero() || ended.After(to) {
			ended = to
		}
		if began.Before(from) {
			began = from
		}
		sum -= max(0, ended.Sub(began))
	}
	return sum
}

// disturbed: what nobody has touched since it was submitted, on a machine that kept its session, of which no operator wanted anything, runs on.
func (s *stage) disturbed() {
	for name, all := range s.runs() {
		wanted, ok := s.wanted[name]
		if !ok || len(s.asked[name]) != 1 || strings.Contains(wanted.text, "X-Fleet") || wanted.ends {
			continue
		}
		for _, r := range all {
			other := slices.ContainsFunc(all, func(o run) bool { // of two copies one has to go; all of a hand-over may take no time
				return o.on != r.on && !o.Start.After(r.End) && !o.end().Before(r.End)
			})
			if !r.End.IsZero() && !other && r.Result != "power-loss" && !s.meddled[r.on.id] && s.ledger.stayed(r.on.id, r.Start, r.End) {
				s.wrong("%s was ended without anybody's wish: %s", name, r)
			}
		}
	}
}

// stampedes: when more than half of the machines are lost at about the same time, their units wait for them.
func (s *stage) stampedes() {
	for name, all := range s.runs() {
		wanted, ok := s.wanted[name]
		if !ok || strings.Contains(wanted.text, "Machine") || wanted.global() || wanted.ends {
			continue
		}
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			if placed := s.ledger.placed(b.on.id, name, b.Start); !s.ledger.led(placed.Add(-atOnce), placed) {
				continue // a new leader may not know who was there
			}
			touched := slices.ContainsFunc(s.asked[name], func(at time.Time) bool { return at.After(a.Start) })
			if a.on != b.on && !touched && !s.meddled[a.on.id] && s.ledger.stampede(a.on.id, s.ledger.placed(b.on.id, name, b.Start), s.meddled) {
				s.wrong("%s was replaced although most machines were lost at once: %s, and %s", name, a, b)
			}
		}
	}
}

// stop is something that fleetd did by which a unit that ran was to end.
type stop struct {
	at   time.Time
	m    *machine
	step string
	name unit.Name
	run  systemdtest.Run
}

// stopped is called when fleetd is about to stop a unit.
func (s *stage) stopped(m *machine, step string, name unit.Name) {
	runs := lives(m, name)
	if len(runs) == 0 || !runs[len(runs)-1].End.IsZero() {
		return // nothing is stopped by it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.stops = append(s.mu.stops, stop{time.Now(), m, step, name, runs[len(runs)-1]})
}

// unordered: whatever fleetd stopped it was told to.
func (s *stage) unordered() {
	for _, stop := range s.mu.stops {
		if !s.ledger.toldToStop(stop.m.id, stop.name, stop.run.Content, stop.run.Start.Add(-time.Minute), stop.at) {
			s.wrong("%s %s on %s at %s without an order to", stop.step, stop.name, stop.m.id[31:], stop.at.Format("15:04:05.000"))
		}
	}
}

// follow keeps the ledger from now on: a watch alone would not notice that the store has gone back.
func (s *stage) follow() {
	s.unfollow()
	ctx, cancel := context.WithCancel(context.Background())
	reader := registry.New(s.w.store.Client(), registry.Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = reader.Follow(ctx, s.ledger.take)
	}()
	s.unfollow = func() {
		cancel()
		<-done
	}
}
