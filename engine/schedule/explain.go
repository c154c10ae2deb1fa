package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/cluster"
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

// explain tells why none of the machines may have the group.
func (s *State) explain(g group) cluster.Pending {
	p := cluster.Pending{}
	type reason struct{ rule, detail string }
	count := make(map[reason]int)
	for _, m := range s.machines {
		if m.lost() {
			continue
		}
		p.Machines++
		why := reason{rule: "Presence"}
		switch {
		case m.record == nil:
			why.detail = "have a machine record that cannot be read"
		case m.bad[cluster.KindSettings]:
			why.detail = "have settings that cannot be read"
		case !m.listed:
			why.detail = "have not reported yet"
		default:
			f := s.suits(g, m)
			why = reason{f.rule, f.says}
		}
		count[why]++
	}
	for why, n := range count {
		p.Excluded = append(p.Excluded, cluster.Exclusion{Rule: why.rule, Detail: why.detail, Machines: n})
	}
	slices.SortFunc(p.Excluded, func(a, b cluster.Exclusion) int {
		return cmp.Or(
			cmp.Compare(b.Machines, a.Machines),
			strings.Compare(a.Rule, b.Rule),
			strings.Compare(a.Detail, b.Detail))
	})
	return p
}

// pend records why the group has no machine.
func (s *State) pend(g group, p cluster.Pending) {
	if len(g) > 1 {
		p.Message = fmt.Sprintf("together with %s (MachineOf): %s", g.names(), p.String())
	}
	for _, t := range g {
		own := p
		own.Generation = t.record.Generation
		s.want(t, &own)
	}
}

// want sets the reason that t is to have in the store; nil for none.
func (s *State) want(t *task, p *cluster.Pending) {
	s.expect(t, p != nil && p.Waiting)
	if p == nil && t.want == nil && t.written == nil && !t.unreadable {
		return
	}
	if p != nil {
		p.Since = s.now
		if old := t.written; old != nil && old.Generation == p.Generation {
			p.Since = old.Since
		}
		s.unplaced.add(t)
	} else {
		s.unplaced.drop(t)
	}
	t.want = p
	s.reasoned.add(t)
}

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
		a.Message == b.Message && slices.Equal(a.Peers, b.Peers) && slices.EqualFunc(a.Excluded, b.Excluded, cluster.Exclusion.Equal)
}
