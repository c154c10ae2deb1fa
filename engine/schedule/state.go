package schedule

import (
	"time"

	"fleet/cluster"
	"fleet/engine/schedule/index"
	"fleet/unit"
)

// State is what the brain knows: the facts as the store has them, and what it
// has decided on top of them. It belongs to one goroutine.
type State struct {
	tasks    map[unit.Name]*task
	machines map[cluster.MachineID]*machine
	files    map[unit.ContentID]*file
	globals  map[*task]struct{}
	globs    globs
	rules    []rule
	options  Options

	resources  resources
	kins       map[unit.Name]*kin
	priorities map[int]int // how many units on machines are of each priority
	numbers    []*task     // by their number
	vacant     []int32     // numbers that are free
	spare      []task      // for units that come

	// The machines that may be given units, and where each of them is in every order.
	listed             []*machine // by id
	bySlot             *slotted
	lanes              lanes
	pools              map[string]*pool
	poolGen            int // grows whenever a pool comes or goes
	keys               keyring
	changes            int64    // grows with every change of what is held on any machine
	ranked             []ranked // scratch of searchPools
	liked              rank     // of what searchPools found
	leastFor           leasts
	last               latest
	reasons            map[string]int            // how many units have no machine, by reason
	nowhere            map[*unit.Rules]explained // why units have no machine, by their rules
	futile             map[*unit.Rules]int64     // State.changes when nothing made way for units with those rules
	mute               set[*machine]             // those that are there and may not be given units
	seeking            group                     // for whom a machine is being sought
	accept, acceptTied func(index.Slot) bool     // accepts and acceptsTied
	rankings           int64                     // how often pools were ranked
	clearing           set[*machine]             // those with units that are on their way out

	// What has to be looked at again. Every one of them is emptied by Decide.
	review    set[*task]               // units that have, or may have to lose, a place
	contested set[*task]               // units that may have to leave a place to others
	homeless  set[*task]               // units that want a place
	leavers   set[*task]               // units that are to leave their machine for another
	recheck   set[*machine]            // machines that may have room for a global unit
	returned  set[*machine]            // machines that wait for the first orders of their session
	moved     set[*machine]            // machines whose orders have to be written
	reasoned  set[*task]               // units whose pending record may have to be written
	garbage   map[unit.ContentID]*file // files that nothing refers to
	unplaced  set[*task]               // units with a reason why they have no machine
	ambitious set[*task]               // those of them that may displace others
	confined  set[*task]               // those of them that a required Spread keeps from machines
	waiting   *index.Waiting           // all of them, by how much room would do
	troubled  set[*task]               // units whose rules cannot be read
	corrupt   map[record]struct{}      // records that may refer to any file
	drafts    drafts                   // orders that are not written yet
	withdrawn map[placement]withdrawal // why units were taken off machines, for the log

	patience patience
	losses   losses
	brake    brake
	space    space
	failures failures

	now   time.Time
	epoch cluster.Epoch // that the store is in

	restored bool    // units may run where nobody knows, see orphan.go
	stamp    int64   // the greatest of a revision that is known, see cluster.Epoch
	wrote    []write // own writes that have not come back yet
}

type record struct {
	kind cluster.Kind
	id   string
}

type placement struct {
	unit    unit.Name
	machine cluster.MachineID
}

// write is a decision that the store has taken in.
type write struct {
	decision cluster.Decision
	revision int64
}

// Options are what decisions depend on beside the facts. The zero value works.
type Options struct {
	Strategy unit.Strategy // of units that do not name one; default: pack

	// What becomes of units that do not say so themselves when their machine is lost.
	OnLost       unit.OnLost   // default: replace
	ReplaceAfter time.Duration // how long their machine has to be lost before they are started elsewhere

	LossLimit  int           // percent of the machines that may be lost within LossWindow before it is held back; default: 50; 100: all
	LossWindow time.Duration // default: a minute
	// Since is when the session of the machine that leads began. If the store was restored before, whoever was in
	// the history that was lost has heard nothing since then. Zero: that is not known.
	Since time.Time

	ReturnGrace time.Duration // how long the others are given to return as well when enough machines have; default: 10 s
}

// New is the state of an empty cluster. The first update it is given has to be a Reset.
func New(o Options) *State {
	s := &State{}
	s.begin(o)
	return s
}

// begin forgets everything.
func (s *State) begin(o Options) {
	*s = State{
		options:    o,
		resources:  newResources(),
		kins:       make(map[unit.Name]*kin),
		priorities: make(map[int]int),
		pools:      make(map[string]*pool),
		waiting:    index.NewWaiting(),
		bySlot:     &slotted{},
		tasks:      make(map[unit.Name]*task),
		machines:   make(map[cluster.MachineID]*machine),
		files:      make(map[unit.ContentID]*file),
		globals:    make(map[*task]struct{}),
		globs:      newGlobs(),
		rules:      rules(),
		garbage:    make(map[unit.ContentID]*file),
		corrupt:    make(map[record]struct{}),
		withdrawn:  make(map[placement]withdrawal),
		drafts:     make(drafts),
		reasons:    make(map[string]int),
		nowhere:    make(map[*unit.Rules]explained),
		futile:     make(map[*unit.Rules]int64),
	}
	s.losses.haunted, s.losses.dueOf = make(map[unit.Name][]*machine), make(map[unit.Name]time.Time)
	s.lanes = s.newLanes()
	s.accept, s.acceptTied = s.accepts, s.acceptsTied
}

// Decide returns what has to be written, in this order, each step as one
// transaction; nothing if all is well. The caller commits each step and says so with
// Committed before it calls Apply again. If it cannot, the State is of no
// further use. Now is written into records, and ends what Wait began and the pauses of units that have failed.
func (s *State) Decide(now time.Time) []Step {
	s.lookAround(now)
	s.weighLosses()
	s.weighSpace()
	s.wakeDue()
	s.weighFailures()
	for _, m := range sortedMachines(s.returned.of) {
		s.admit(m)
	}
	for rounds := 0; rounds < s.maxRounds() && s.work(); rounds++ {
	}
	return s.steps()
}

// maxRounds bounds one decision. It is far more than any needs; should units drive each other
// from place to place without an end, the engine writes what stands, which
// satisfies all rules, and goes on with the next news instead of hanging.
func (s *State) maxRounds() int { return 1000 + 10*len(s.tasks) }

// work does the most urgent kind of work there is: what must not stay, before
// what belongs on every machine, before what needs only one.
func (s *State) work() bool {
	if batch := sortedTasks(s.review.of); len(batch) > 0 {
		s.review = set[*task]{}
		for _, t := range batch {
			s.reviewTask(t)
		}
		return true
	}
	if batch := sortedTasks(s.contested.of); len(batch) > 0 {
		for _, t := range batch {
			s.contest(t)
			if !s.review.empty() {
				break // somebody left, and perhaps others with him
			}
		}
		return true
	}
	if !s.recheck.empty() {
		for _, m := range sortedMachines(s.recheck.of) {
			s.fillGlobals(m)
		}
		return true
	}
	batch := s.seekers()
	for _, t := range batch {
		switch {
		case s.homeless.has(t):
			s.house(t)
		case s.leavers.has(t):
			s.moveOut(t)
		default:
			continue // it went with another
		}
		if !s.review.empty() {
			break // somebody made way, who may be more urgent than the next
		}
	}
	return len(batch) > 0
}

// Committed takes in that the step was written at that revision of the store.
func (s *State) Committed(step Step, revision int64) {
	s.wrote = append(s.wrote, write{step.Decision, revision})
	s.reach(revision)
	s.takeIn(step.Decision, revision)
}

// reach takes in how far the store has come.
func (s *State) reach(revision int64) { s.stamp = max(s.stamp, s.epoch.Stamp(revision)) }

func (s *State) takeIn(d cluster.Decision, revision int64) {
	for id, orders := range d.Orders {
		orders.Revision = revision
		s.ordersWritten(s.machine(id), orders)
	}
	for name, p := range d.Pending {
		t := s.task(name)
		t.written, t.writtenAt, t.unreadable = p, revision, false
		if t.want == nil {
			s.countReason(t, p)
		}
		s.reasoned.drop(t)
		s.forget(t)
	}
	for name, f := range d.Failures {
		s.failuresWritten(s.task(name), f, revision)
	}
	for id := range d.Collect {
		delete(s.garbage, id)
	}
	for id, absence := range d.Absences {
		s.absenceWritten(s.machine(id), absence, revision)
	}
	for name, alarm := range d.Alarms {
		s.alarmWritten(name, alarm, revision)
	}
	for _, id := range d.Forget {
		s.machineForgotten(s.machine(id), revision)
	}
}

// task returns the unit of that name, which is made if nothing has named it before.
func (s *State) task(name unit.Name) *task {
	t, ok := s.tasks[name]
	if !ok {
		t = s.newTask(name)
		t.single[0] = t
		s.tasks[name] = t
		s.enrol(t)
		s.globs.register(t)
	}
	return t
}

// newTask makes units a few hundred at a time: of most, there are many.
func (s *State) newTask(name unit.Name) *task {
	if len(s.spare) == 0 {
		s.spare = make([]task, min(max(len(s.tasks)/8, 8), 512))
	}
	t := &s.spare[0]
	s.spare = s.spare[1:]
	t.name = name
	t.rules, t.need = &unread.rules, unread.need
	t.where = t.near[:0]
	return t
}

// forget drops a unit that no record names any more.
func (s *State) forget(t *task) {
	if s.tasks[t.name] != t || t.exists || t.corrupt != "" || len(t.where) > 0 || len(t.followers) > 0 || t.written != nil || t.want != nil || t.unreadable || t.recorded() {
		return
	}
	delete(s.tasks, t.name)
	s.setTaste(t, nil)
	s.disown(t)
	s.numbers[t.id] = nil
	s.vacant = append(s.vacant, t.id)
}

// enrol gives a new unit its number and its kin.
func (s *State) enrol(t *task) {
	if last := len(s.vacant) - 1; last >= 0 {
		t.id = s.vacant[last]
		s.vacant = s.vacant[:last]
		s.numbers[t.id] = t
	} else {
		t.id = int32(len(s.numbers))
		s.numbers = append(s.numbers, t)
	}
	s.adopt(t)
}

func (s *State) machine(id cluster.MachineID) *machine {
	m, ok := s.machines[id]
	if !ok {
		m = &machine{id: id, drafts: s.drafts, tasks: make(map[*task]berth)}
		s.machines[id] = m
	}
	return m
}
