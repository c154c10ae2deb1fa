package schedule

import (
	"slices"

	"fleet/cluster"
	"fleet/engine/schedule/index"
	"fleet/unit"
)

// machine is everything known of one machine id: the records, and what was
// decided for it since.
type machine struct {
	id       cluster.MachineID
	record   *cluster.Machine // nil: the machine is lost, or its record cannot be read
	settings cluster.Settings
	metadata map[string]string
	written  *cluster.Orders // the orders in the store
	report   *cluster.Report
	agent    *cluster.Agent // its fleetd, while it serves
	away     away
	fencing  fencing
	had      *cluster.Orders       // of a lost machine: what it is known to have had, see loss.go
	bad      map[cluster.Kind]bool // which of those records cannot be read

	drafts  drafts
	epoch   int32                 // of the drafts that count, see drafts.go
	drafted int                   // how many there may be; 0: the orders are as written
	rewrite bool                  // the orders are made anew, of drafts alone
	tidy    bool                  // the orders are to be written anew, with less in Left
	with    map[*machine]struct{} // machines whose orders have to change in the same transaction

	// leaving has the units that left the orders of the present session, and changing those whose
	// content changed in them, until the machine's report has confirmed it.
	leaving, changing map[unit.Name]departure

	tasks    map[*task]berth // the units that are, or may be, on the machine
	capacity quantity        // what it has for units
	physical int64           // bytes of memory, those of the host included
	used     quantity        // what is held for the units
	fading   quantity        // that part of it which is held for units that are on their way out
	arriving quantity        // and that which is for units whose start has not been reported yet

	claimants set[*task] // the units that have a claim on it
	waiters   set[*task] // the units that wait for others to leave it

	slot   index.Slot // its number in the indexes
	listed bool       // it may be given units
	pool   *pool      // if it is listed
	stale  uint8      // in which indexes it is not at its place
}

// departure is something that left the orders with their revision, and what is held for it.
type departure struct {
	revision int64
	hold     *quantity
	unbound  bool // no fence ends it, see cluster.Left
}

// berth is what a unit has on a machine.
type berth struct {
	standing standing
	hold     *quantity // never nil unless the unit is gone
	arriving bool      // ordered, and not reported as started yet
	from     *machine  // of one that is taking: the machine that has the unit
}

// standing is what a unit is to a machine.
type standing int

const (
	gone      standing = iota // nothing
	lingering                 // it is not ordered there, but it may be there still
	claimed                   // the place is kept for it while others make room
	taking                    // the present orders name it, and it is at home on another machine until it is up here
	ordered                   // the present orders name it: it is at home here
)

// lost tells whether the machine's session has ended. A record that cannot be read is no loss.
func (m *machine) lost() bool { return m.record == nil && !m.bad[cluster.KindMachine] }

// reported tells whether the machine's present session has said what is there.
func (m *machine) reported() bool {
	switch {
	case m.report == nil:
		return false
	case m.record != nil:
		return m.report.Session == m.record.Session
	}
	return m.written == nil || m.bad[cluster.KindOrders] || m.report.Session == m.written.Session
}

// live tells whether the orders are such as the machine obeys.
func (m *machine) live() bool {
	switch {
	case m.lost():
		return false
	case m.rewrite:
		return true
	case m.bad[cluster.KindOrders]:
		return false
	case m.record == nil:
		return m.written != nil && (m.report == nil || m.report.Session == m.written.Session)
	case m.written == nil:
		return m.reported() && len(m.report.Units) == 0
	}
	return m.written.Session == m.record.Session
}

// eligible tells whether the machine may be given units that it does not have.
func (m *machine) eligible() bool {
	return m.record != nil && !m.bad[cluster.KindSettings] && m.reported() && m.live() && !m.silent()
}

// awaits tells whether the machine has reported and now needs the first orders of its session.
func (m *machine) awaits() bool { return m.record != nil && m.reported() && !m.live() }

// still tells whether the unit may be on the machine, whatever was decided since the orders were written.
func (m *machine) still(name unit.Name) bool {
	if m.lost() {
		return false
	}
	if m.reported() {
		if _, ok := m.report.Units[name]; ok {
			return true
		}
	}
	if _, ok := m.leaving[name]; ok {
		return true
	}
	if m.written == nil {
		return false
	}
	// Of the orders of a former session the report tells what has become.
	if m.reported() && m.record != nil && m.written.Session != m.record.Session {
		return false
	}
	_, ok := m.written.Units[name]
	return ok
}

// standingOf is what t is to m; if it is taking, from which machine.
func (s *State) standingOf(m *machine, t *task) (standing, *machine) {
	if m.lost() {
		return gone, nil
	}
	if m.live() {
		if o, ok := m.order(t); ok {
			if from := s.giver(m, t, o); from != nil {
				return taking, from
			}
			return ordered, nil
		}
	}
	switch {
	case t.claim == m:
		return claimed, nil
	case m.still(t.name):
		return lingering, nil
	}
	return gone, nil
}

// copyOf is what the machine reports of the unit.
func (m *machine) copyOf(name unit.Name) (cluster.UnitReport, bool) {
	if !m.reported() {
		return cluster.UnitReport{}, false
	}
	r, ok := m.report.Units[name]
	return r, ok
}

// units are those the machine is to have. The map must not be changed.
func (m *machine) units() map[unit.Name]cluster.Order {
	var written map[unit.Name]cluster.Order
	if m.written != nil {
		written = m.written.Units
	}
	if m.drafted == 0 && !m.rewrite {
		return written
	}
	all := make(map[unit.Name]cluster.Order, len(m.tasks))
	for t := range m.tasks {
		if o, ok := m.order(t); ok {
			all[t.name] = o
		}
	}
	return all
}

// free is what is left of it, in the dimensions of the indexes; negative where its capacity was lowered below what is used.
func (m *machine) free() index.Vector {
	free := m.capacity.v
	for i := range free {
		free[i] -= m.used.v[i]
	}
	return free
}

// addressee is the session that new orders go to.
func (m *machine) addressee() cluster.Session {
	if m.record != nil {
		return m.record.Session
	}
	return m.written.Session
}

// put orders the unit onto the machine, or changes its order there.
func (s *State) put(m *machine, t *task, o cluster.Order) {
	if len(t.where) == 0 {
		s.land(m, t, o)
		return
	}
	if old, ok := m.order(t); ok && old == o {
		return
	}
	s.draft(m, t, draft{order: o})
	delete(s.withdrawn, placement{t.name, m.id})
	s.stand(m, t)
}

// land is put for a unit that is nowhere: as no record of any machine names it, there is nothing to look up.
func (s *State) land(m *machine, t *task, o cluster.Order) {
	s.draft(m, t, draft{order: o})
	if len(s.withdrawn) > 0 {
		delete(s.withdrawn, placement{t.name, m.id})
	}
	b := berth{standing: ordered, hold: t.needOn(m), arriving: true}
	m.tasks[t] = b
	t.where = append(t.where, m)
	m.account(b, +1)
	s.unsettle(m)
	s.placed(m, t, gone)
}

// bar takes the unit out of the machine's orders because the rules do not allow it there any more.
func (s *State) bar(m *machine, t *task, says string) {
	s.takeOff(m, t, withdrawal{why: barred(says), barred: true})
}

// remove takes the unit out of the machine's orders.
func (s *State) remove(m *machine, t *task, why string) {
	s.takeOff(m, t, withdrawal{why: why})
}

func (s *State) takeOff(m *machine, t *task, w withdrawal) {
	if _, ok := m.order(t); !ok {
		return
	}
	s.draft(m, t, draft{gone: true})
	s.withdrawn[placement{t.name, m.id}] = w
	s.stand(m, t)
}

// stand brings everything that is derived from the standing of one unit on one
// machine up to date, and wakes whom the change may concern.
func (s *State) stand(m *machine, t *task) {
	was := m.tasks[t]
	is := s.berthOf(m, t, was)
	if was == is {
		return
	}
	i, found := slices.BinarySearchFunc(t.where, m, byID)
	if is.standing == gone {
		delete(m.tasks, t)
		t.where = slices.Delete(t.where, i, i+1)
	} else {
		m.tasks[t] = is
		if !found {
			t.where = slices.Insert(t.where, i, m)
		}
	}
	m.account(was, -1)
	m.account(is, +1)
	s.countGiver(t, was, is)
	defer s.restandTakers(m, t)
	s.wakeQueued(t)
	s.unsettle(m)
	s.clearing.put(m, m.fading.v[slots] > 0)
	m.claimants.put(t, is.standing == claimed)
	if was.standing == is.standing {
		if !was.hold.equal(is.hold) {
			s.roomMade(m)
		}
		return
	}
	if is.standing == ordered {
		s.placed(m, t, was.standing)
		if was.standing == taking {
			s.review.add(t) // it is at home here now
		}
	} else {
		s.tally(m, t, was.standing, is.standing)
		if was.standing == ordered {
			s.countPriority(t, -1)
			s.wakeFollowers(t)
		}
	}
	switch {
	case is.standing < was.standing:
		s.eased(m, t)
	case was.standing == lingering:
		s.cleared(m)
	}
}

// placed follows a unit that has been ordered onto m.
func (s *State) placed(m *machine, t *task, was standing) {
	s.tally(m, t, was, ordered)
	s.countPriority(t, +1)
	s.resettle(t)
	for _, sel := range t.matched[replaces] {
		for u := range sel.waitingOwners.of {
			s.wake(u) // which may take t's place
		}
	}
	if !t.settled() {
		s.readRules(t) // what is ordered tells them, as far as they are known
	}
	s.wakeFollowers(t)
	s.wakeRivalGroups(t)
}

// tally counts t where units on m are counted.
func (s *State) tally(m *machine, t *task, was, is standing) {
	s.globs.count(m, t, was, is)
	s.countKin(m, t, was, is)
}

func (s *State) berthOf(m *machine, t *task, was berth) berth {
	is := berth{}
	is.standing, is.from = s.standingOf(m, t)
	if is.standing == gone {
		return is
	}
	is.hold = s.holdOf(m, t, is.standing, was.hold)
	is.arriving = is.standing >= taking && !m.arrived(t)
	return is
}

// arrived tells whether the machine has said that it has carried out its order for t, or tried to.
func (m *machine) arrived(t *task) bool {
	r, ok := m.copyOf(t.name)
	return ok && max(r.Generation, r.Tried) >= m.orderFor(t).Generation
}

func (m *machine) account(b berth, times int64) {
	if b.standing == gone {
		return
	}
	m.used.add(b.hold, times)
	if b.standing == lingering {
		m.fading.add(b.hold, times)
	}
	if b.arriving {
		m.arriving.add(b.hold, times)
	}
}
