package schedule

import (
	"slices"

	"fleet/unit"
)

// rule is one demand on the machine of a unit. To add a rule, write its two
// questions and put it into the list.
type rule struct {
	name string
	// of: does the rule say anything about t on machines where it is not? Nil: of every unit.
	of func(t *task) bool
	// place: may t, one of the group, be placed on the eligible machine m?
	place func(s *State, g group, t *task, m *machine) fit
	// keep: may t, which the orders of m name, stay there? If not, the text completes
	// "3 machines …". Nil: the rule is not asked again of a unit that is placed.
	keep func(s *State, t *task, m *machine) (bool, string)
	// yields: must t, which shares m with o, go because of o? Nil: the rule is not about two units.
	yields func(t, o *task) bool
}

// rules in the order in which they are asked. A machine is counted for the
// first one that it fails. Room comes last: what lacks nothing but room may displace others.
func rules() []rule {
	return []rule{
		{name: "MachineID", of: bound, place: placeMachineID, keep: keepMachineID},
		{name: "MachineMetadata", of: demanding, place: placeMetadata, keep: keepMetadata},
		{name: "Cordon", place: placeCordon},
		{name: drainRule, place: placeDrain},
		{name: "AtMostOnce", of: exclusive, place: placeAtMostOnce, keep: keepAtMostOnce},
		{name: "MachineOf", of: following, place: placeMachineOf, keep: keepMachineOf},
		{name: "Conflicts", of: relates(conflicts), place: placeConflicts, yields: yieldsConflicts},
		{name: "Replaces", of: relates(replaces), place: placeReplaces, yields: yieldsReplaces},
		{name: "Spread", of: confined, place: placeSpread},
		{name: "Move", of: shunning, place: placeMove},
		{name: failuresRule, of: failed, place: placeFailures},
		{name: resourcesRule, place: placeResources, keep: keepResources},
	}
}

// plain tells whether any machine with room will do.
func (s *State) plain(t *task) bool {
	for i := range s.rules {
		if of := s.rules[i].of; of != nil && of(t) {
			return false
		}
	}
	return true
}

// fit is how well a machine suits. The zero value is: as it should.
type fit struct {
	class class
	says  string // why not, in words that complete "3 machines …"
	rule  string
	at    int  // the number of that rule
	lack  lack // of rule Resources, which has no words of its own
}

type class int

const (
	fits       class = iota // at once
	soon                    // when a unit has stopped that is on its way out
	takes                   // when units have left that this one replaces
	impossible              // as things stand, not
)

func never(says string) fit { return fit{class: impossible, says: says} }

// suits asks all rules about all members of the group.
func (s *State) suits(g group, m *machine) fit {
	worst := fit{}
	for i := range s.rules {
		r := &s.rules[i]
		for _, t := range g {
			if r.of != nil && !r.of(t) {
				continue
			}
			f := r.place(s, g, t, m)
			if f.class <= worst.class {
				continue
			}
			worst = f
			if f.class == impossible {
				worst.rule, worst.at = r.name, i
				return worst
			}
		}
	}
	return worst
}

// holds asks whether t may stay on m, other units than its peers left aside.
func (s *State) holds(t *task, m *machine) (bool, string) {
	for i := range s.rules {
		if s.rules[i].keep == nil {
			continue
		}
		if ok, says := s.rules[i].keep(s, t, m); !ok {
			return false, says
		}
	}
	return true, ""
}

// stronger returns a unit on m because of which t has to go, with the name of the rule; nil if there is none.
func (s *State) stronger(t *task, m *machine) (*task, string) {
	for i := range s.rules {
		if s.rules[i].yields == nil {
			continue
		}
		for _, o := range t.rivalsOn(m) {
			if s.rules[i].yields(t, o) {
				return o, s.rules[i].name
			}
		}
	}
	return nil, ""
}

func bound(t *task) bool     { return t.rules.MachineID != "" }
func demanding(t *task) bool { return len(t.rules.Metadata) > 0 }
func following(t *task) bool { return len(t.peers) > 0 }
func confined(t *task) bool  { return t.taste.confines() }
func shunning(t *task) bool  { return t.shunned != nil }
func failed(t *task) bool    { return t.rules.Reschedule || t.story() != nil }

func relates(r relation) func(*task) bool {
	return func(t *task) bool { return len(t.demands[r])+len(t.matched[r]) > 0 }
}

func keepMachineID(_ *State, t *task, m *machine) (bool, string) {
	if id := t.rules.MachineID; id != "" && !unit.MatchMachineID(id, string(m.id)) {
		return false, "do not match MachineID"
	}
	return true, ""
}

func placeMachineID(s *State, _ group, t *task, m *machine) fit {
	if ok, says := keepMachineID(s, t, m); !ok {
		return never(says)
	}
	return fit{}
}

func keepMetadata(_ *State, t *task, m *machine) (bool, string) {
	if !m.eligible() {
		return true, "" // what its metadata are is not known
	}
	for i, requirement := range t.rules.Metadata {
		if !requirement.Match(m.metadata) {
			return false, t.lacks[i]
		}
	}
	return true, ""
}

func placeMetadata(s *State, _ group, t *task, m *machine) fit {
	if ok, says := keepMetadata(s, t, m); !ok {
		return never(says)
	}
	return fit{}
}

func keepMachineOf(_ *State, t *task, m *machine) (bool, string) {
	for i, peer := range t.peers {
		if m.tasks[peer].standing < taking {
			return false, t.without[i]
		}
	}
	return true, ""
}

func placeMachineOf(_ *State, g group, t *task, m *machine) fit {
	for i, peer := range t.peers {
		if m.tasks[peer].standing != ordered && !slices.Contains(g, peer) {
			return never(t.without[i])
		}
	}
	return fit{}
}

// placeConflicts goes both ways, and counts what is still stopping: units that
// conflict are never together on a machine, not even for a moment.
func placeConflicts(_ *State, g group, t *task, m *machine) fit {
	if o := g.rival(t, conflicts); o != nil {
		return never(saysRuns(string(o.name), conflicts.String()))
	}
	worst := fit{}
	for _, sel := range t.demands[conflicts] {
		n := sel.targetsBeside(t, m)
		if n.firm > 0 {
			return never(sel.says)
		}
		if n.all > 0 {
			worst.class = soon
		}
	}
	for _, sel := range t.matched[conflicts] {
		n := sel.holdersBeside(t, m)
		if n.firm > 0 {
			return never(sel.saysOf(m, t))
		}
		if n.all > 0 {
			worst.class = soon
		}
	}
	return worst
}

// yieldsConflicts: of two units that conflict and share a machine, the one that was asked for later has to go.
func yieldsConflicts(t, o *task) bool {
	return (t.aims(conflicts, o) || o.aims(conflicts, t)) && (!o.settled() || newer(t, o))
}

// placeReplaces: a unit keeps away from what replaces it. Units that it
// replaces itself make room if they were asked for earlier.
func placeReplaces(_ *State, g group, t *task, m *machine) fit {
	if o := g.rival(t, replaces); o != nil {
		return never(saysRuns(string(o.name), replaces.String()))
	}
	worst := fit{}
	for _, sel := range t.matched[replaces] {
		if sel.holdersBeside(t, m).all == 0 {
			continue
		}
		for _, o := range sel.ownersOn(m, t) {
			switch mutual := t.aims(replaces, o); {
			case mutual && newer(t, o) && o.settled():
			case m.tasks[o].standing == lingering:
				worst.class = max(worst.class, soon)
			default:
				return never("run " + string(o.name) + ", which replaces it")
			}
		}
	}
	for _, sel := range t.demands[replaces] {
		if sel.targetsBeside(t, m).all == 0 {
			continue
		}
		for _, o := range sel.targetsOn(m, t) {
			if m.tasks[o].standing != lingering && !(newer(t, o) && o.settled()) {
				return never("run " + string(o.name) + ", which it replaces but which was requested later")
			}
			worst.class = takes
		}
	}
	return worst
}

// yieldsReplaces: where a unit meets what replaces it, it goes. If each replaces the other, the older one goes.
func yieldsReplaces(t, o *task) bool {
	return o.aims(replaces, t) && (!t.aims(replaces, o) || newer(o, t))
}

// placeCordon: a machine that an operator has cordoned is given nothing that it does not have.
func placeCordon(_ *State, _ group, t *task, m *machine) fit {
	if !m.settings.Cordoned || m.tasks[t].standing == ordered {
		return fit{}
	}
	if _, here := m.copyOf(t.name); !here {
		return never("are cordoned")
	}
	return fit{}
}

// placeSpread: a required Spread keeps a unit from a domain that has too many of its kin. Who has a place kept for it
// there has been asked.
func placeSpread(s *State, g group, t *task, m *machine) fit {
	if t.taste == nil || t.claim == m {
		return fit{}
	}
	for i := range t.taste.spread {
		sp := &t.taste.spread[i]
		if !sp.Required {
			continue
		}
		if !sp.overMachines() && m.pool.domain[sp.key] == noDomain {
			return never("lack " + sp.Key + " (Spread)")
		}
		with := t.kinAmong(g, sp, m)
		if t.crowd(sp, m.pool, m)+with+1-s.leastOf(t, i, with, m) > sp.MaxSkew {
			where := "have"
			if !sp.overMachines() {
				where = "are in a " + sp.Key + " that has"
			}
			return never(where + " as many instances of " + string(t.name.Template()) + " as Spread allows while others have fewer")
		}
	}
	return fit{}
}
