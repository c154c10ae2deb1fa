package schedule

import (
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// Step is one transaction, with what it means in words for the log.
type Step struct {
	cluster.Decision
	Notes []Note
}

// Note is what a step does about one unit.
type Note struct {
	Action  Action
	Unit    unit.Name
	Machine cluster.MachineID // empty for Pend
	Reason  string
	Barred  bool // withdrawn because the rules do not allow the unit there any more
}

// withdrawal is why a unit was taken off a machine.
type withdrawal struct {
	why    string
	barred bool
}

// Action is what the engine does about a unit.
type Action string

// The actions.
const (
	Place    Action = "place"    // the machine is ordered to have the unit
	Change   Action = "change"   // the machine's order for the unit says something new
	Withdraw Action = "withdraw" // the machine is not to have the unit any more
	Pend     Action = "pend"     // the unit has no machine
)

// maxOrders bounds how many orders of units go into one transaction, beside
// cluster.MaxDecision: etcd refuses requests of more than 1.5 MiB by default, and an
// order takes some 400 bytes. One machine's orders are never divided.
const maxOrders = 2000

// steps packs everything that has to be written into transactions. Who is lost, and since when, comes first: what
// follows from that must not be known without it. New reasons
// come before the orders that they are about: that a unit waits for its
// former copy must not be forgotten if this leader ends in between.
func (s *State) steps() []Step {
	var p packer
	for _, part := range slices.Concat(s.alarmParts(), s.forgetParts(), s.absenceParts()) {
		p.add(part)
	}
	var placed []*task
	for _, t := range sortedTasks(s.reasoned.of) {
		switch {
		case !t.unreadable && sameReason(t.want, t.written):
			s.reasoned.drop(t)
		case t.want == nil:
			placed = append(placed, t)
		default:
			p.add(reasonPart(t))
		}
	}
	orders, told := s.ordersParts()
	for _, t := range s.untold() {
		if _, ok := told[t.name]; !ok {
			p.add(storyPart(t))
		}
	}
	for _, linked := range orders {
		p.add(linked...)
	}
	for _, t := range placed {
		p.add(reasonPart(t))
	}
	if len(s.withdrawn) > 0 {
		s.withdrawn = make(map[placement]withdrawal)
	}
	if len(p.steps) == 0 {
		return s.collect()
	}
	return p.steps
}

// ordersParts are the orders that differ, those together that have to change in one transaction, with
// the stories of the units that leave because they failed, whose names are returned as well.
func (s *State) ordersParts() ([][]Step, map[unit.Name]struct{}) {
	var all [][]Step
	told := make(map[unit.Name]struct{})
	changes := s.orderChanges()
	for _, linked := range s.linked(changes) {
		var parts []Step
		for _, m := range linked {
			part := s.withStories(s.ordersPart(m, changes[m]))
			for name := range part.Failures {
				told[name] = struct{}{}
			}
			parts = append(parts, part)
		}
		all = append(all, parts)
	}
	return all, told
}

// orderChanges lists how the orders of machines are to change. Drafts that change nothing are forgotten.
func (s *State) orderChanges() map[*machine]change {
	drafts := s.draftsByMachine()
	changes := make(map[*machine]change)
	for _, m := range sortedMachines(s.moved.of) {
		if c, ok := m.changeOf(drafts[m]); ok {
			changes[m] = c
		} else {
			s.undraft(m)
		}
	}
	return changes
}

// linked lists the machines whose orders change, those together whose orders have to
// change in one transaction.
func (s *State) linked(changes map[*machine]change) [][]*machine {
	var groups [][]*machine
	seen := make(map[*machine]struct{})
	for _, m := range sortedMachines(changes) {
		if _, ok := seen[m]; ok {
			continue
		}
		seen[m] = struct{}{}
		group := []*machine{m}
		for i := 0; i < len(group); i++ {
			for _, other := range sortedMachines(group[i].with) {
				_, differs := changes[other]
				if _, ok := seen[other]; !ok && differs {
					seen[other] = struct{}{}
					group = append(group, other)
				}
			}
		}
		// Machines that came back go first: should the group not fit into one
		// transaction, a unit is in two orders for a moment, and never in none.
		slices.SortStableFunc(group, func(a, b *machine) int { return b.precedence() - a.precedence() })
		groups = append(groups, group)
	}
	return groups
}

func (m *machine) precedence() int {
	if m.rewrite {
		return 1
	}
	return 0
}

func (s *State) ordersPart(m *machine, c change) Step {
	orders := cluster.Orders{Machine: m.id, Session: m.addressee(), Units: c.after, Left: s.leftBy(m, c.after)}
	if m.record != nil {
		orders.Lease = m.record.Fence.TTL
	} else {
		orders.Lease = m.written.Lease
	}
	return Step{
		Decision: cluster.Decision{Orders: map[cluster.MachineID]cluster.Orders{m.id: orders}},
		Notes:    s.notes(m, c),
	}
}

// notes tell how the orders of a machine differ from those in the store.
func (s *State) notes(m *machine, c change) []Note {
	var notes []Note
	for name, o := range c.after {
		switch old, ok := c.before[name]; {
		case !ok:
			notes = append(notes, Note{Action: Place, Unit: name, Machine: m.id, Reason: o.Reason})
		case old != o:
			notes = append(notes, Note{Action: Change, Unit: name, Machine: m.id, Reason: o.Reason})
		}
	}
	for name := range c.before {
		if _, ok := c.after[name]; !ok {
			w := s.withdrawn[placement{name, m.id}]
			notes = append(notes, Note{Action: Withdraw, Unit: name, Machine: m.id, Reason: w.why, Barred: w.barred})
		}
	}
	slices.SortFunc(notes, func(a, b Note) int { return strings.Compare(string(a.Unit), string(b.Unit)) })
	return notes
}

func reasonPart(t *task) Step {
	part := Step{Decision: cluster.Decision{Pending: map[unit.Name]*cluster.Pending{t.name: t.want}}}
	if t.want != nil {
		part.Notes = []Note{{Action: Pend, Unit: t.name, Reason: t.want.String()}}
	}
	return part
}

// packer fills transactions.
type packer struct {
	steps  []Step
	orders int // of units, in the last step
}

// add puts the parts into one transaction, or, if they are too many for one, into as few as possible.
func (p *packer) add(parts ...Step) {
	together := len(parts)
	if sizeOf(parts) > cluster.MaxDecision {
		together = 1
	}
	for len(parts) > 0 {
		weight, size := 0, sizeOf(parts[:together])
		for _, part := range parts[:together] {
			weight += weightOf(part)
		}
		if len(p.steps) == 0 || p.steps[len(p.steps)-1].Size()+size > cluster.MaxDecision || p.orders+weight > maxOrders {
			p.steps = append(p.steps, Step{})
			p.orders = 0
		}
		for _, part := range parts[:together] {
			p.steps[len(p.steps)-1].take(part)
		}
		p.orders += weight
		parts = parts[together:]
	}
}

func sizeOf(parts []Step) int {
	size := 0
	for _, part := range parts {
		size += part.Size()
	}
	return size
}

func weightOf(part Step) int {
	weight := 0
	for _, orders := range part.Orders {
		weight += len(orders.Units)
	}
	return weight
}

func (step *Step) take(part Step) {
	d := &step.Decision
	d.Orders = gather(d.Orders, part.Orders)
	d.Pending = gather(d.Pending, part.Pending)
	d.Failures = gather(d.Failures, part.Failures)
	d.Collect = gather(d.Collect, part.Collect)
	d.Absences = gather(d.Absences, part.Absences)
	d.Alarms = gather(d.Alarms, part.Alarms)
	d.Forget = append(d.Forget, part.Forget...)
	step.Notes = append(step.Notes, part.Notes...)
}

func gather[K comparable, V any](into, from map[K]V) map[K]V {
	if len(from) == 0 {
		return into
	}
	if into == nil {
		into = make(map[K]V, len(from))
	}
	maps.Copy(into, from)
	return into
}
