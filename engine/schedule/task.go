package schedule

import (
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// task is a unit with all that placement has to know of it.
type task struct {
	name    unit.Name
	record  cluster.Unit
	exists  bool
	corrupt string // why its record cannot be read: what it says is unknown
	content unit.ContentID
	rules   *unit.Rules // shared by units whose files say the same; never nil
	problem string      // why the rules of the present content cannot be read

	id     int32     // its number among all units
	kin    *kin      // the instances of its template; nil: it is no instance
	place  int       // its place among them
	need   *quantity // what it takes of a machine
	share  int64     // the memory of its need as a part of the machine's, in hundredths of a percent; 0: it is an amount
	taste  *taste    // what it demands and prefers of metadata; nil: nothing
	single [1]*task  // itself

	peers     []*task // the units that MachineOf names, but itself
	followers map[*task]struct{}
	demands   [relations][]*selector // its own globs
	matched   [relations][]*selector // the globs of all units that match its name, sorted
	lacks     []string               // for each requirement: what to say of a machine that does not meet it
	without   []string               // for each peer: what to say of a machine that does not have it

	near  [1]*machine // the memory of where, as long as it is one
	where []*machine  // the machines on which it has a standing, by id
	claim *machine    // the machine that is being cleared for it

	because string    // of a claim: what the unit's order is to say
	awaits  *machine  // that others are to leave
	shunned *machine  // the machine that it was asked to leave
	note    string    // what happened to it last, to be said with the reason why it has no machine
	asking  *quantity // what it was refused, together with those that have to be with it
	asked   *quantity // under which it waits for room

	// orderedGen is the greatest generation of any order for it that the brain has
	// seen. A unit that is younger than that has not had a place yet.
	orderedGen int64

	want       *cluster.Pending // why it has no machine, as decided
	written    *cluster.Pending // as the store has it
	countedAs  string           // under which reason it is counted, see Homeless
	expected   bool             // it has no place yet, and will have one without anybody's help
	writtenAt  int64            // revision of the last own write of that
	unreadable bool             // the stored record cannot be read and has to be replaced
	failing    *failing         // where it has failed; nil: nowhere
	housing    bool             // house is at work on it: guards against running in circles
}

// alone is the group of this unit only.
func (t *task) alone() group { return t.single[:] }

// wanted tells whether somebody wants the unit on a machine.
func (t *task) wanted() bool {
	return t.exists && t.corrupt == "" && (t.record.Desired == cluster.Loaded || t.record.Desired == cluster.Launched)
}

// settled tells whether it is known what the unit demands, so that it may be judged and moved.
func (t *task) settled() bool { return t.corrupt == "" && t.problem == "" }

// fresh tells whether what was last asked of the unit is not in any orders yet.
func (t *task) fresh() bool { return t.record.Generation > t.orderedGen }

// homes lists the machines whose present orders name the unit, by id.
func (t *task) homes() []*machine {
	var homes []*machine
	for _, m := range t.where {
		if m.tasks[t].standing == ordered {
			homes = append(homes, m)
		}
	}
	return homes
}

func (t *task) hasHome() bool {
	return slices.ContainsFunc(t.where, func(m *machine) bool { return m.tasks[t].standing == ordered })
}

// related tells whether one of the two names the other in a rule.
func related(a, b *task) bool {
	for r := range relations {
		if a.aims(r, b) || b.aims(r, a) {
			return true
		}
	}
	return false
}

// aims tells whether one of t's globs of that relation matches o.
func (t *task) aims(r relation, o *task) bool {
	if t == o {
		return false
	}
	return slices.ContainsFunc(t.demands[r], func(sel *selector) bool { return slices.Contains(o.matched[r], sel) })
}

// order is what the unit's record asks of a machine.
func (t *task) order() cluster.Order {
	return cluster.Order{
		Content: t.record.Content, Desired: t.record.Desired, Global: t.record.Global,
		Generation: t.record.Generation, Restart: t.record.Restart, Move: t.record.Move,
	}
}
