package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
)

// Rebalance tells which moves would reach a goal, one after another: each is allowed by every rule and has room
// when its turn comes, while the unit is still held for where it was. Units stay whole with those that they are
// tied to. What is not at rest is left alone: who has no place, is starting, stopping or has failed.
func (a Advisor) Rebalance(s *cluster.Snapshot, goal cluster.Goal, limit int) (cluster.Plan, error) {
	r := &rebalancing{rehearsal: a.rehearse(s), limit: limit, groups: make(map[*machine]*movers)}
	p := cluster.Plan{Before: r.balance()}
	switch goal {
	case cluster.GoalFree:
		r.free()
	case cluster.GoalEven:
		r.even()
	default:
		return cluster.Plan{}, fmt.Errorf("there is no goal %q", goal)
	}
	r.shorten()
	p.After = r.balance()
	for _, m := range r.made {
		p.Steps = append(p.Steps, m.steps()...)
	}
	return p, nil
}

// rebalancing is a rehearsal in which units are moved about.
type rebalancing struct {
	*rehearsal
	limit   int // of moves; 0: none
	spent   int
	made    []relocation
	owned   set[*machine] // whose records are copies
	groups  map[*machine]*movers
	changed func(m *machine) // is told of every machine that gave or received
}

// relocation is a move of a group.
type relocation struct {
	group    group
	from, to *machine
	reason   string
}

// affords tells whether so many more moves may be made.
func (r *rebalancing) affords(moves int) bool { return r.limit == 0 || r.spent+moves <= r.limit }

// try makes a move if it is allowed.
func (r *rebalancing) try(m relocation) bool {
	if r.verdict(m.group, m.to).class != fits {
		return false
	}
	was := [2]float64{m.from.share(), m.to.share()}
	r.shift(m.group, m.from, m.to)
	m.reason = r.gain(m, was)
	r.made = append(r.made, m)
	r.spent += len(m.group)
	return true
}

// undo takes back the moves made since there were so many.
func (r *rebalancing) undo(since int) {
	for len(r.made) > since {
		last := r.made[len(r.made)-1]
		r.made = r.made[:len(r.made)-1]
		r.spent -= len(last.group)
		r.shift(last.group, last.to, last.from)
	}
}

// shift brings a group from one machine to another, as if all of it had been ordered and carried out.
func (r *rebalancing) shift(g group, from, to *machine) {
	r.own(from)
	r.own(to)
	for _, t := range g {
		to.written.Units[t.name], to.report.Units[t.name] = from.written.Units[t.name], from.report.Units[t.name]
		delete(from.written.Units, t.name)
		delete(from.report.Units, t.name)
		r.stand(from, t)
		r.stand(to, t)
	}
	if r.groups[from] != nil {
		r.groups[from].drop(g)
	}
	if r.groups[to] != nil {
		r.groups[to].of = append(r.groups[to].of, g)
	}
	if r.changed != nil {
		r.changed(from)
		r.changed(to)
	}
}

// own makes copies of the records of m that may be changed.
func (r *rebalancing) own(m *machine) {
	if r.owned.has(m) {
		return
	}
	r.owned.add(m)
	m.written, m.report = withoutOrders(m, nil), withoutReports(m, nil)
}

// movers are the groups on a machine that may be moved for the sake of balance.
type movers struct {
	of  []group
	all bool // they are all that is there
}

func (w *movers) drop(g group) {
	w.of = slices.DeleteFunc(w.of, func(o group) bool { return o[0] == g[0] })
}

func (r *rebalancing) movers(m *machine) *movers {
	w := r.groups[m]
	if w == nil {
		w = r.findMovers(m)
		r.groups[m] = w
	}
	return w
}

func (r *rebalancing) findMovers(m *machine) *movers {
	w := &movers{all: true}
	seen := make(map[*task]struct{}, len(m.tasks))
	for _, t := range slices.SortedFunc(maps.Keys(m.tasks), byName) {
		if _, ok := seen[t]; ok || t.record.Global && m.tasks[t].standing == ordered {
			continue
		}
		g := t.together(m)
		slices.SortFunc(g, byName)
		for _, u := range g {
			seen[u] = struct{}{}
		}
		if slices.ContainsFunc(g, func(u *task) bool { return !u.movable(m) }) {
			w.all = false
			continue
		}
		w.of = append(w.of, g)
	}
	return w
}

func byName(a, b *task) int { return strings.Compare(string(a.name), string(b.name)) }

// movable tells whether t is at rest on m, and could be elsewhere.
func (t *task) movable(m *machine) bool {
	if !t.wanted() || !t.settled() || t.record.Global || t.rules.Fixed || t.rules.MachineID != "" {
		return false
	}
	if len(t.where) != 1 || m.tasks[t].standing != ordered || m.emptied() != "" || t.record.Move > m.units()[t.name].Move {
		return false
	}
	found, ok := m.copyOf(t.name)
	return ok && m.arrived(t) && found.Active != "failed"
}

// holdOn is what is held on m for the group.
func (g group) holdOn(m *machine) *quantity {
	if len(g) == 1 {
		return m.tasks[g[0]].hold
	}
	sum := &quantity{}
	for _, t := range g {
		sum.add(m.tasks[t].hold, 1)
	}
	return sum
}

// gain says what a move has brought.
func (r *rebalancing) gain(m relocation, was [2]float64) string {
	from, to := m.from.id.Short(), m.to.id.Short()
	less, more := percents(was[0], m.from.share()), percents(was[1], m.to.share())
	text := fmt.Sprintf("%s %s → %s, %s %s → %s", from, less[0], less[1], to, more[0], more[1])
	if less[0] == less[1] && more[0] == more[1] {
		a, b := m.from.used.v[slots], m.to.used.v[slots]
		n := int64(len(m.group))
		text = fmt.Sprintf("%s %s as before (%d → %d units), %s %s (%d → %d)", from, less[0], a+n, a, to, more[0], b-n, b)
	}
	if m.from.crewless() {
		text = "frees " + from + "; " + text
	}
	if len(m.group) > 1 {
		text = "with " + m.group.names() + " (MachineOf); " + text
	}
	return text
}

func percents(was, is float64) (words [2]string) {
	for i, share := range []float64{was, is} {
		words[i] = fmt.Sprintf("%.0f%%", 100*share)
	}
	return words
}

func (m relocation) steps() []cluster.PlanStep {
	var steps []cluster.PlanStep
	for _, t := range m.group {
		steps = append(steps, cluster.PlanStep{Action: cluster.PlanMove, Unit: t.name, From: m.from.id, To: m.to.id, Reason: m.reason})
	}
	return steps
}

// shorten makes one move of several of the same group, wherever that is allowed.
func (r *rebalancing) shorten() {
	long := slices.Clone(r.made)
	short := shortened(long)
	if len(short) == len(long) {
		return
	}
	r.undo(0)
	for _, m := range short {
		if !r.try(m) {
			r.undo(0)
			for _, m := range long {
				r.try(m)
			}
			return
		}
	}
}

func shortened(long []relocation) []relocation {
	last := make(map[string]int)
	for i, m := range long {
		last[m.group.names()] = i
	}
	first := make(map[string]*machine)
	var short []relocation
	for i, m := range long {
		key := m.group.names()
		if first[key] == nil {
			first[key] = m.from
		}
		if last[key] != i || first[key] == m.to {
			continue
		}
		m.from = first[key]
		short = append(short, m)
	}
	return short
}
