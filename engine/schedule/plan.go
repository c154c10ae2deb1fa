package schedule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// Plan tells what would follow from edits: what the engine makes of the cluster with them, once all machines
// have obeyed, beside what it makes of it without them. What concerns the edited units comes first, in
// their order, then what concerns others, by name.
func (a Advisor) Plan(s *cluster.Snapshot, edits []cluster.UnitEdit) (cluster.Plan, error) {
	r := a.rehearse(s)
	if err := r.rest(); err != nil {
		return cluster.Plan{}, fmt.Errorf("rehearse the cluster as it is: %w", err)
	}
	before := r.standing()
	clear(r.withdrawn)
	if err := r.edit(edits); err != nil {
		return cluster.Plan{}, err
	}
	if err := r.rest(); err != nil {
		return cluster.Plan{}, fmt.Errorf("rehearse what follows: %w", err)
	}
	return cluster.Plan{Steps: r.differences(before, edits)}, nil
}

// edit writes the edits as the registry would.
func (r *rehearsal) edit(edits []cluster.UnitEdit) error {
	var news []cluster.Change
	for _, e := range edits {
		if e.File != nil {
			f, err := unit.Parse(e.File)
			if err != nil {
				return fmt.Errorf("read the file of %s: %w", e.Unit.Name, err)
			}
			news = append(news, cluster.FileChanged{ID: f.ID(), File: f, Revision: r.revision + 1})
		}
		if u := e.Unit; r.asks(e) {
			r.revision++ // each is younger than the one before
			u.Generation, u.Revision = max(u.Generation, r.revision)+1, r.revision
			if e.Restart {
				u.Restart = u.Generation
			}
			if e.Move {
				u.Move = u.Generation
			}
			news = append(news, cluster.UnitChanged{Name: u.Name, Unit: &u})
		}
	}
	r.tell(news...)
	return nil
}

// asks tells whether an edit asks for anything that is not so.
func (r *rehearsal) asks(e cluster.UnitEdit) bool {
	t := r.tasks[e.Unit.Name]
	if t == nil || !t.exists || e.File != nil || e.Restart || e.Move || !t.hasHome() {
		return true
	}
	return t.record.Content != e.Unit.Content || t.record.Desired != e.Unit.Desired
}

// standing is what all machines are ordered to have.
func (r *rehearsal) standing() map[*machine]*cluster.Orders {
	all := make(map[*machine]*cluster.Orders, len(r.machines))
	for _, m := range r.machines {
		if m.live() && m.written != nil {
			all[m] = m.written
		}
	}
	return all
}

// fate is what becomes of a unit.
type fate struct {
	from, to, there []*machine // that it leaves, that it is given, and where something changes
	old, now        cluster.Order
}

// differences lists what has become of units.
func (r *rehearsal) differences(before map[*machine]*cluster.Orders, edits []cluster.UnitEdit) []cluster.PlanStep {
	fates := r.fates(before)
	rank := make(map[unit.Name]int, len(edits))
	for i, e := range edits {
		rank[e.Unit.Name] = i - len(edits)
		if _, ok := fates[e.Unit.Name]; !ok {
			fates[e.Unit.Name] = &fate{}
		}
	}
	names := slices.SortedFunc(maps.Keys(fates), func(a, b unit.Name) int {
		return cmp.Or(cmp.Compare(rank[a], rank[b]), strings.Compare(string(a), string(b)))
	})
	var steps []cluster.PlanStep
	for _, name := range names {
		steps = append(steps, r.stepsOf(name, fates[name], rank[name] < 0)...)
	}
	return steps
}

func (r *rehearsal) fates(before map[*machine]*cluster.Orders) map[unit.Name]*fate {
	fates := make(map[unit.Name]*fate)
	of := func(name unit.Name) *fate {
		if fates[name] == nil {
			fates[name] = &fate{}
		}
		return fates[name]
	}
	now := r.standing()
	for _, m := range sortedMachines(r.machinesOf()) {
		was, is := before[m], now[m]
		if was == is {
			continue
		}
		for name, o := range unitsOf(is) {
			switch old, had := unitsOf(was)[name]; {
			case !had:
				of(name).to = append(of(name).to, m)
				of(name).now = o
			case old != o:
				f := of(name)
				f.there, f.old, f.now = append(f.there, m), old, o
			}
		}
		for name := range unitsOf(was) {
			if _, has := unitsOf(is)[name]; !has {
				of(name).from = append(of(name).from, m)
			}
		}
	}
	return fates
}

func (r *rehearsal) machinesOf() map[*machine]struct{} {
	all := make(map[*machine]struct{}, len(r.machines))
	for _, m := range r.machines {
		all[m] = struct{}{}
	}
	return all
}

func unitsOf(o *cluster.Orders) map[unit.Name]cluster.Order {
	if o == nil {
		return nil
	}
	return o.Units
}

// stepsOf is what a fate is in the words of a plan. More than one step has only a unit that is, or was, global.
func (r *rehearsal) stepsOf(name unit.Name, f *fate, edited bool) []cluster.PlanStep {
	t := r.tasks[name]
	why := r.withdrawn[name]
	wanted := t != nil && t.wanted()
	var steps []cluster.PlanStep
	for len(f.from) > 0 && len(f.to) > 0 {
		step := cluster.PlanStep{Action: cluster.PlanMove, Unit: name, From: f.from[0].id, To: f.to[0].id, Reason: both(why, f.now.Reason)}
		if displaced(why) {
			step.Action = cluster.PlanDisplace
		}
		steps = append(steps, step)
		f.from, f.to = f.from[1:], f.to[1:]
	}
	for _, m := range f.from {
		step := cluster.PlanStep{Action: cluster.PlanStop, Unit: name, From: m.id, Reason: why}
		if wanted && !t.hasHome() && m == f.from[0] {
			step.Action, step.Pending = cluster.PlanPend, t.want
			if displaced(why) {
				step.Action = cluster.PlanDisplace
			}
		}
		steps = append(steps, step)
	}
	for _, m := range f.to {
		steps = append(steps, cluster.PlanStep{Action: cluster.PlanPlace, Unit: name, To: m.id, Reason: f.now.Reason})
	}
	for _, m := range f.there {
		if why := f.news(); why != "" {
			steps = append(steps, cluster.PlanStep{Action: cluster.PlanChange, Unit: name, From: m.id, To: m.id, Reason: why})
		}
	}
	if len(steps) == 0 && edited && wanted && !t.hasHome() {
		steps = append(steps, cluster.PlanStep{Action: cluster.PlanPend, Unit: name, Pending: t.want})
	}
	return steps
}

// both says why a unit leaves one machine and why it comes to another.
func both(leaves, comes string) string {
	if leaves == "" || comes == "" {
		return leaves + comes
	}
	return leaves + "; there: " + comes
}

// displaced tells whether a unit was taken off its machine for one of higher priority.
func displaced(why string) bool { return strings.HasPrefix(why, displacedWord) }

// displacedWord begins every reason made by displacedBy.
const displacedWord = "displaced by "

// news is what changes about a unit that stays where it is; empty if nothing but that it was asked for.
func (f *fate) news() string {
	var parts []string
	if f.old.Content != f.now.Content {
		parts = append(parts, "its file changes")
	}
	if f.old.Desired != f.now.Desired {
		parts = append(parts, fmt.Sprintf("it is %s instead of %s", f.now.Desired, f.old.Desired))
	}
	if f.old.Restart != f.now.Restart {
		parts = append(parts, "it is restarted")
	}
	if f.old.Move != f.now.Move {
		parts = append(parts, f.now.Reason)
	}
	if f.old.Global != f.now.Global && f.now.Global {
		parts = append(parts, "it becomes global")
	}
	return strings.Join(parts, "; ")
}
