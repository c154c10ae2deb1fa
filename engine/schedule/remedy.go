package schedule

import (
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// remedies looks for the smallest single change after which a group would be placed: a machine that fails one
// rule only, and that by as little as possible.
type remedies struct {
	s    *State
	g    group
	best *cluster.Remedy
	cost float64
}

func (s *State) newRemedy(g group) *remedies { return &remedies{s: s, g: g} }

// What changes cost beside each other, from a word of an operator's to hardware: a lack of resources
// costs its share of what is needed on top.
const (
	costUncordon = 1.0
	costResource = 2.0 // to 3; one more if the machine does not have as much
	costMetadata = 4.0
	costOther    = 5.0
)

// consider takes a machine into account that fails a rule, of all rules before which it fails none.
func (r *remedies) consider(m *machine, f fit) {
	if f.class != impossible {
		return
	}
	for i := f.at + 1; i < len(r.s.rules); i++ {
		rule := &r.s.rules[i]
		for _, t := range r.g {
			if (rule.of == nil || rule.of(t)) && rule.place(r.s, r.g, t, m).class == impossible {
				return
			}
		}
	}
	cost, ok := r.costOf(f, m)
	if ok && (r.best == nil || cost < r.cost) {
		r.best, r.cost = r.fix(f, m), cost
	}
}

// costOf is what it costs that m meets the one rule that it fails; not ok if it is nothing a person would do.
func (r *remedies) costOf(f fit, m *machine) (float64, bool) {
	switch f.rule {
	case resourcesRule:
		more, whole := r.g.needOn(m)
		for i := range r.s.resources.names {
			if i != f.lack.resource && whole.at(i) > 0 && more.at(i) > m.freeWith(i, nil) {
				return 0, false // more than one is lacking
			}
		}
		cost := costResource + float64(f.lack.missing)/float64(max(f.lack.needed, 1))
		if f.lack.needed > m.capacity.at(f.lack.resource) {
			cost++
		}
		return cost, true
	case "Cordon", drainRule:
		return costUncordon, m.record == nil || !m.record.Leaving
	case "MachineMetadata":
		return costMetadata, true
	case "MachineID", "MachineOf", failuresRule:
		return 0, false
	}
	return costOther, true
}

// fix is what would make m meet the one rule that it fails.
func (r *remedies) fix(f fit, m *machine) *cluster.Remedy {
	remedy := &cluster.Remedy{Rule: f.rule, Machine: m.id}
	switch f.rule {
	case resourcesRule:
		name := r.s.resources.names[f.lack.resource]
		remedy.Resource, remedy.Amount = name, f.lack.missing
		if name == unit.Slots {
			remedy.Text = fmt.Sprintf("raise max_units of %s, or take %s off it", m.id.Short(), plural(f.lack.missing, "unit"))
		} else {
			amount, change := unit.AtLeast(name, f.lack.missing), "free"
			if f.lack.needed > m.capacity.at(f.lack.resource) {
				change = "add" // it has not as much, however empty it is
			}
			remedy.Text = fmt.Sprintf("%s %s of %s on %s, or reserve that much less", change, amount, name, m.id.Short())
		}
	case "Cordon":
		remedy.Text = "uncordon " + m.id.Short()
	case drainRule:
		remedy.Text = "undrain " + m.id.Short()
	default:
		remedy.Text = fmt.Sprintf("%s would do if it did not %s", m.id.Short(), f.says)
	}
	return remedy
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
