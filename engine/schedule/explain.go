package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// saysRuns completes "3 machines …" for machines with a unit that the rule is about.
func saysRuns(what, rule string) string {
	return fmt.Sprintf("run %s (%s)", what, rule)
}

// barred is why a unit has to leave a machine, made from what completes "3 machines …" for such machines.
func barred(says string) string { return "not allowed on machines that " + says }

// saysOf is what to say of a machine that keeps t away because of the selector's owners there.
func (sel *selector) saysOf(m *machine, t *task) string {
	owners := sel.ownersOn(m, t)
	if len(sel.owners) > 3 || len(owners) == 0 {
		return fmt.Sprintf("run units with %s=%s", sel.relation, sel.glob)
	}
	return saysRuns(string(owners[0].name), sel.relation.String())
}

// presence is the rule that a machine fails which is there and cannot be given units.
const presence = "Presence"

// verdict is what the rules say of the group on m. A machine fails one rule first.
func (s *State) verdict(g group, m *machine) fit {
	says := ""
	switch {
	case m.record == nil:
		says = "have a machine record that cannot be read"
	case m.bad[cluster.KindSettings]:
		says = "have settings that cannot be read"
	case m.silent():
		says = "are silent"
	case !m.listed:
		says = "have not reported yet"
	default:
		return s.suits(g, m)
	}
	return fit{class: impossible, rule: presence, says: says}
}

// maxExclusions bounds what one reason lists: beyond it what excludes the fewest machines is left out.
const maxExclusions = 20

// explain tells why none of the machines may have the group.
func (s *State) explain(g group) cluster.Pending { return s.explainBut(g, nil) }

// explainBut tells why none of the machines but one may have the group.
func (s *State) explainBut(g group, but *machine) cluster.Pending {
	type reason struct {
		rule, says string
		resource   int
	}
	g.forgive(g.forgive(0)) // that it has failed somewhere is never why it is nowhere
	p := cluster.Pending{}
	found := make(map[reason]*cluster.Exclusion)
	remedy := s.newRemedy(g)
	for _, m := range s.present() {
		if m == but {
			continue
		}
		p.Machines++
		f := s.verdict(g, m)
		key := reason{f.rule, f.says, f.lack.resource}
		e := found[key]
		if e == nil {
			e = &cluster.Exclusion{Rule: f.rule, Detail: s.words(f)}
			if f.rule == resourcesRule {
				e.Resource, e.Needed, e.Missing = s.resources.names[f.lack.resource], f.lack.needed, f.lack.missing
			}
			found[key] = e
		}
		e.Machines++
		if f.rule == resourcesRule {
			e.Missing = min(e.Missing, f.lack.missing)
		}
		if len(e.Examples) < cluster.MaxExamples {
			e.Examples = append(e.Examples, m.id)
		}
		if f.rule != presence {
			remedy.consider(m, f)
		}
	}
	for _, e := range found {
		if e.Rule == resourcesRule && e.Resource != unit.Slots {
			e.Detail += s.mostFree(e)
		}
		p.Excluded = append(p.Excluded, *e)
	}
	slices.SortFunc(p.Excluded, func(a, b cluster.Exclusion) int {
		return cmp.Or(
			cmp.Compare(b.Machines, a.Machines),
			strings.Compare(a.Rule, b.Rule),
			strings.Compare(a.Detail, b.Detail))
	})
	p.Excluded = p.Excluded[:min(len(p.Excluded), maxExclusions)]
	p.Remedy = remedy.best
	return p
}

func (s *State) mostFree(e *cluster.Exclusion) string {
	free := e.Needed - e.Missing
	if free <= 0 {
		return " (none is free)"
	}
	return fmt.Sprintf(" (at most %s free)", unit.AtMost(e.Resource, free))
}

// words are what a fit says of a machine.
func (s *State) words(f fit) string {
	if f.class == impossible && f.rule == resourcesRule {
		return s.lacks(f.lack)
	}
	switch f.class {
	case soon:
		return "have units on their way out"
	case takes:
		return "have units that are to make way"
	}
	return f.says
}

// present lists the machines that are there, by id, in a slice of the caller's own.
func (s *State) present() []*machine {
	if s.mute.empty() {
		return slices.Clone(s.listed)
	}
	all := append(sortedMachines(s.mute.of), s.listed...)
	slices.SortFunc(all, byID)
	return all
}

// whyNowhere is why the group has no machine. While so many units have none that not all of them are looked
// at whenever something changes, a reason that was found once is kept as long as it is not asked for anew: to
// find it takes a look at every machine.
func (s *State) whyNowhere(g group) cluster.Pending {
	if t := g[0]; len(g) == 1 && len(s.unplaced.of) > fewUnplaced {
		if old := t.want; old != nil && !old.Waiting && old.Generation == t.record.Generation && len(old.Excluded) > 0 {
			return *old
		}
		if c := s.nowhere[t.rules]; c.changes == s.changes && c.rules == t.rules && s.plain(t) {
			return c.why
		}
	}
	p := s.explain(g)
	if len(g) == 1 && s.plain(g[0]) {
		if len(s.nowhere) > fewUnplaced {
			clear(s.nowhere)
		}
		s.nowhere[g[0].rules] = explained{g[0].rules, s.changes, p}
	}
	return p
}

// explained is a reason that is true of all units with the same rules, until something changes.
type explained struct {
	rules   *unit.Rules
	changes int64
	why     cluster.Pending
}

// pend records why the group has no machine.
func (s *State) pend(g group, p cluster.Pending) {
	need, why := g.need(), p.String()
	for _, t := range g {
		t.asking = need
		own := p
		if len(g) > 1 {
			own.Message = "together with " + g.but(t) + tiedText + why
		}
		own.Generation = t.record.Generation
		if t.claim != nil {
			own.Place = t.claim.id
		}
		own.Note = t.note
		if old := t.written; own.Note == "" && old != nil && old.Generation == own.Generation {
			own.Note = old.Note
		}
		s.want(t, &own)
	}
}

// want sets the reason that t is to have in the store; nil for none.
func (s *State) want(t *task, p *cluster.Pending) {
	s.expect(t, p != nil && p.Waiting)
	if p == nil {
		t.note = ""
		if t.want == nil && t.written == nil && !t.unreadable {
			return
		}
	} else {
		p.Since = s.now
		if old := t.written; old != nil && old.Generation == p.Generation {
			p.Since = old.Since
			if t.want == nil && sameKind(p, old) {
				p = old
			}
		}
	}
	s.countReason(t, p)
	if t.kin != nil && !t.hasHome() && ((p == nil) != (t.want == nil) || p != nil && p.Waiting != t.want.Waiting) {
		s.wakeQueued(t)
	}
	s.notePending(t, p != nil)
	if t.awaits != nil {
		t.awaits.waiters.drop(t)
		t.awaits = nil
	}
	t.want = p
	s.reasoned.add(t)
}

// sameKind tells whether a reason that a former leader wrote still says what has to be said. The numbers in it
// may be older than those of p, as they are in the reasons of this leader: they are of when the unit was last looked at.
func sameKind(p, old *cluster.Pending) bool {
	before, _, _ := strings.Cut(p.Message, tiedText)
	after, _, _ := strings.Cut(old.Message, tiedText)
	return !p.Waiting && !old.Waiting && p.Machines == old.Machines && before == after && p.Place == old.Place && p.Note == old.Note
}

// tiedText is between the names of a group and the reason why it has no machine.
const tiedText = " (MachineOf): "

// expect notes whether t will have a place without anybody's help, which its followers say of themselves too.
func (s *State) expect(t *task, soon bool) {
	if t.expected != soon {
		t.expected = soon
		s.wakeFollowers(t)
	}
}

// sameReason tells whether two reasons say the same.
func sameReason(a, b *cluster.Pending) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Generation == b.Generation && a.Waiting == b.Waiting && a.Machines == b.Machines &&
		a.Message == b.Message && a.Place == b.Place && a.Note == b.Note && slices.Equal(a.Peers, b.Peers) &&
		slices.EqualFunc(a.Excluded, b.Excluded, cluster.Exclusion.Equal) && sameRemedy(a.Remedy, b.Remedy)
}

func sameRemedy(a, b *cluster.Remedy) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
