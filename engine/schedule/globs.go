package schedule

import (
	"slices"
	"strings"

	"fleet/unit"
)

// relation is a rule that one unit makes about others by globs on their names.
type relation int

const (
	conflicts relation = iota
	replaces
	relations // how many there are
)

// String is the key of [X-Fleet].
func (r relation) String() string {
	if r == replaces {
		return "Replaces"
	}
	return "Conflicts"
}

func (r relation) verb() string {
	if r == replaces {
		return "replaces"
	}
	return "conflicts with"
}

// selector is one glob that some units use in one relation, with what it meets
// on each machine. So "is there a unit on m that t conflicts with" is a look
// into a map, however many units there are.
type selector struct {
	relation relation
	glob     unit.Glob
	prefix   string // with which every name begins that the glob matches: spares most comparisons
	says     string // of a machine that has a unit the glob matches
	owners   map[*task]struct{}
	targets  map[*machine]tally // units that the glob matches
	holders  map[*machine]tally // units that use it

	targetsAt, holdersAt spots // the listed machines that have any of them

	waitingOwners, waitingTargets set[*task] // those of them that have no machine
}

// tally counts units on one machine.
type tally struct {
	all  int
	firm int // those that are ordered there, or have a claim
}

func (t tally) plus(st standing, by int) tally {
	if st != gone {
		t.all += by
	}
	if st > lingering {
		t.firm += by
	}
	return t
}

type globKey struct {
	relation relation
	glob     unit.Glob
}

// globs are all selectors in use.
type globs struct {
	exact    map[globKey]*selector // those that are plain names
	patterns map[globKey]*selector
}

func newGlobs() globs {
	return globs{exact: make(map[globKey]*selector), patterns: make(map[globKey]*selector)}
}

// register finds the selectors that match a new unit.
func (g *globs) register(t *task) {
	for r := range relations {
		if sel, ok := g.exact[globKey{r, unit.Glob(t.name)}]; ok {
			sel.meet(t)
		}
	}
	for _, sel := range g.patterns {
		if sel.matches(t.name) {
			sel.meet(t)
		}
	}
}

// demand makes these the globs that t uses in a relation.
func (s *State) demand(t *task, r relation, wanted []unit.Glob) {
	old := t.demands[r]
	t.demands[r] = nil
	var fresh []*selector
	for _, glob := range wanted {
		sel := s.selector(r, glob)
		if !slices.Contains(fresh, sel) {
			fresh = append(fresh, sel)
		}
	}
	for _, sel := range fresh {
		if _, ok := sel.owners[t]; !ok {
			sel.owners[t] = struct{}{}
			sel.waitingOwners.put(t, t.want != nil)
			for _, m := range t.where {
				sel.tellHolders(m, gone, m.tasks[t].standing)
			}
		}
	}
	for _, sel := range old {
		if slices.Contains(fresh, sel) {
			continue
		}
		delete(sel.owners, t)
		sel.waitingOwners.drop(t)
		for _, m := range t.where {
			sel.tellHolders(m, m.tasks[t].standing, gone)
		}
		if len(sel.owners) == 0 {
			s.retire(sel)
		}
	}
	t.demands[r] = fresh
}

func (s *State) selector(r relation, glob unit.Glob) *selector {
	key := globKey{r, glob}
	name, exact := glob.Exact()
	table := s.globs.patterns
	if exact {
		table = s.globs.exact
	}
	if sel, ok := table[key]; ok {
		return sel
	}
	sel := &selector{
		relation: r, glob: glob, prefix: literal(glob), says: saysRuns(string(glob), r.String()),
		owners: make(map[*task]struct{}), targets: make(map[*machine]tally), holders: make(map[*machine]tally),
	}
	table[key] = sel
	if exact {
		if t, ok := s.tasks[name]; ok {
			sel.meet(t)
		}
		return sel
	}
	for _, t := range s.tasks {
		if sel.matches(t.name) {
			sel.meet(t)
		}
	}
	return sel
}

func (sel *selector) matches(name unit.Name) bool {
	return strings.HasPrefix(string(name), sel.prefix) && sel.glob.Match(name)
}

// literal is what a glob begins with.
func literal(glob unit.Glob) string {
	if i := strings.IndexAny(string(glob), "*?["); i >= 0 {
		return string(glob[:i])
	}
	return string(glob)
}

// retire drops a selector that no unit uses any more.
func (s *State) retire(sel *selector) {
	key := globKey{sel.relation, sel.glob}
	if name, exact := sel.glob.Exact(); exact {
		delete(s.globs.exact, key)
		if t, ok := s.tasks[name]; ok {
			sel.part(t)
		}
		return
	}
	delete(s.globs.patterns, key)
	for _, t := range s.tasks {
		sel.part(t)
	}
}

func byGlob(a, b *selector) int { return strings.Compare(string(a.glob), string(b.glob)) }

// meet makes t one of the units that the glob matches.
func (sel *selector) meet(t *task) {
	matched := &t.matched[sel.relation]
	sel.waitingTargets.put(t, t.want != nil)
	i, _ := slices.BinarySearchFunc(*matched, sel, byGlob)
	*matched = slices.Insert(*matched, i, sel)
	for _, m := range t.where {
		sel.tellTargets(m, gone, m.tasks[t].standing)
	}
}

func (sel *selector) part(t *task) {
	sel.waitingTargets.drop(t)
	matched := t.matched[sel.relation]
	if i, ok := slices.BinarySearchFunc(matched, sel, byGlob); ok {
		t.matched[sel.relation] = slices.Delete(matched, i, i+1)
	}
}

// count follows a change of t's standing on m.
func (g *globs) count(m *machine, t *task, was, is standing) {
	for r := range relations {
		for _, sel := range t.demands[r] {
			sel.tellHolders(m, was, is)
		}
		for _, sel := range t.matched[r] {
			sel.tellTargets(m, was, is)
		}
	}
}

func (sel *selector) tellTargets(m *machine, was, is standing) {
	tell(sel.targets, m, was, is)
	if m.listed {
		sel.targetsAt.put(m.slot, sel.targets[m].all > 0)
	}
}

func (sel *selector) tellHolders(m *machine, was, is standing) {
	tell(sel.holders, m, was, is)
	if m.listed {
		sel.holdersAt.put(m.slot, sel.holders[m].all > 0)
	}
}

func tell(on map[*machine]tally, m *machine, was, is standing) {
	n := on[m].plus(was, -1).plus(is, +1)
	if n == (tally{}) {
		delete(on, m)
		return
	}
	on[m] = n
}

// targetsBeside counts the units on m, other than t, that the glob matches.
func (sel *selector) targetsBeside(t *task, m *machine) tally {
	n := sel.targets[m]
	if n.all > 0 && slices.Contains(t.matched[sel.relation], sel) {
		n = n.plus(m.tasks[t].standing, -1)
	}
	return n
}

// holdersBeside counts the units on m, other than t, that use the glob.
func (sel *selector) holdersBeside(t *task, m *machine) tally {
	n := sel.holders[m]
	if _, own := sel.owners[t]; own && n.all > 0 {
		n = n.plus(m.tasks[t].standing, -1)
	}
	return n
}

// ownersOn lists the units on m, other than t, that use the glob, oldest first.
func (sel *selector) ownersOn(m *machine, t *task) []*task {
	var found []*task
	if len(sel.owners) < len(m.tasks) {
		for o := range sel.owners {
			if _, there := m.tasks[o]; there && o != t {
				found = append(found, o)
			}
		}
	} else {
		for o := range m.tasks {
			if _, owns := sel.owners[o]; owns && o != t {
				found = append(found, o)
			}
		}
	}
	slices.SortFunc(found, byAge)
	return found
}

// targetsOn lists the units on m, other than t, that the glob matches, oldest first.
func (sel *selector) targetsOn(m *machine, t *task) []*task {
	var found []*task
	for o := range m.tasks {
		if o != t && slices.Contains(o.matched[sel.relation], sel) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, byAge)
	return found
}

// related lists the units on m that a relation ties to t, in either direction; none if all of them are on their way out.
func (t *task) related(r relation, m *machine) []*task {
	var found []*task
	for _, sel := range t.demands[r] {
		if sel.targetsBeside(t, m).firm > 0 {
			found = append(found, sel.targetsOn(m, t)...)
		}
	}
	for _, sel := range t.matched[r] {
		if sel.holdersBeside(t, m).firm > 0 {
			found = append(found, sel.ownersOn(m, t)...)
		}
	}
	return found
}

// rivalsOn lists the units ordered on m that a relation ties to t, in either direction, oldest first.
func (t *task) rivalsOn(m *machine) []*task {
	var found []*task
	for r := range relations {
		found = append(found, t.related(r, m)...)
	}
	found = slices.DeleteFunc(found, func(o *task) bool { return m.tasks[o].standing != ordered })
	slices.SortFunc(found, byAge)
	return slices.Compact(found)
}
