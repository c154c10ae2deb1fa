package schedule

import (
	"time"

	"fleet/cluster"
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
	open     openings // the machines that may be given units

	// What has to be looked at again. Every one of them is emptied by Decide.
	review    set[*task]               // units that have, or may have to lose, a place
	contested set[*task]               // units that may have to leave a place to others
	homeless  set[*task]               // units that want a place
	recheck   set[*machine]            // machines that may have room for a global unit
	returned  set[*machine]            // machines that wait for the first orders of their session
	moved     set[*machine]            // machines whose orders have to be written
	reasoned  set[*task]               // units whose pending record may have to be written
	garbage   map[unit.ContentID]*file // files that nothing refers to
	unplaced  set[*task]               // units with a reason why they have no machine
	troubled  set[*task]               // units whose rules cannot be read
	corrupt   map[record]struct{}      // records that may refer to any file
	withdrawn map[placement]string     // why units were taken off machines, for the log

	patience patience

	now   time.Time
	wrote []write // own writes that have not come back yet
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

// New is the state of an empty cluster. The first update it is given has to be a Reset.
func New() *State {
	return &State{
		tasks:     make(map[unit.Name]*task),
		machines:  make(map[cluster.MachineID]*machine),
		files:     make(map[unit.ContentID]*file),
		globals:   make(map[*task]struct{}),
		globs:     newGlobs(),
		rules:     rules(),
		garbage:   make(map[unit.ContentID]*file),
		corrupt:   make(map[record]struct{}),
		withdrawn: make(map[placement]string),
	}
}

// Decide returns what has to be written, in this order, each step as one
// transaction; nothing if all is well. The caller commits each step and says so with
// Committed before it calls Apply again. If it cannot, the State is of no
// further use. Now is written into records, and ends what Wait began; nothing else depends on it.
func (s *State) Decide(now time.Time) []Step {
	s.now = now
	s.loseIfDue()
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
	batch := sortedTasks(s.homeless.of)
	for _, t := range batch {
		if s.homeless.has(t) {
			s.house(t) // which may house others of the batch first
		}
	}
	return len(batch) > 0
}

// Committed takes in that the step was written at that revision of the store.
func (s *State) Committed(step Step, revision int64) {
	s.wrote = append(s.wrote, write{step.Decision, revision})
	s.takeIn(step.Decision, revision)
}

func (s *State) takeIn(d cluster.Decision, revision int64) {
	for id, orders := range d.Orders {
		orders.Revision = revision
		s.ordersWritten(s.machine(id), orders)
	}
	for name, p := range d.Pending {
		t := s.task(name)
		t.written, t.writtenAt, t.unreadable = p, revision, false
		s.reasoned.drop(t)
		s.forget(t)
	}
	for id := range d.Collect {
		delete(s.garbage, id)
	}
}

// task returns the unit of that name, which is made if nothing has named it before.
func (s *State) task(name unit.Name) *task {
	t, ok := s.tasks[name]
	if !ok {
		t = &task{name: name}
		s.tasks[name] = t
		s.globs.register(t)
	}
	return t
}

// forget drops a unit that no record names any more.
func (s *State) forget(t *task) {
	if s.tasks[t.name] != t || t.exists || t.corrupt != "" || len(t.where) > 0 || len(t.followers) > 0 || t.written != nil || t.want != nil || t.unreadable {
		return
	}
	delete(s.tasks, t.name)
}

func (s *State) machine(id cluster.MachineID) *machine {
	m, ok := s.machines[id]
	if !ok {
		m = &machine{id: id, tasks: make(map[*task]standing)}
		s.machines[id] = m
	}
	return m
}
