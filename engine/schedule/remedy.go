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
	costResource = 2.0 // to 3
	costMetadata = 4.0
	costOther    = 5.0
)

// consider takes a machine into account.
func (r *remedies) consider(m *machine) {
	var only fit
	failed := 0
	for i := range r.s.rules {
		rule := &r.s.rules[i]
		for _, t := range r.g {
			f := rule.place(r.s, r.g, t, m)
			if f.class != impossible {
				continue
			}
			if failed++; failed > 1 {
				return
			}
			only = f
			only.rule = rule.name
		}
	}
	if failed == 0 {
		return
	}
	if remedy, cost := r.fix(only, m); remedy != nil && (r.best == nil || cost < r.cost) {
		r.best, r.cost = remedy, cost
	}
}

// fix is what would make m meet the one rule that it fails; nil if nothing a person would do.
func (r *remedies) fix(f fit, m *machine) (*cluster.Remedy, float64) {
	remedy := &cluster.Remedy{Rule: f.rule, Machine: m.id}
	switch f.rule {
	case resourcesRule:
		more, whole := r.g.needOn(m)
		for i := range r.s.resources.names {
			if i != f.lack.resource && whole.at(i) > 0 && more.at(i) > m.freeWith(i, nil) {
				return nil, 0 // more than one is lacking
			}
		}
		name := r.s.resources.names[f.lack.resource]
		remedy.Resource, remedy.Amount = name, f.lack.missing
		amount := unit.FormatAmount(name, f.lack.missing)
		if name == unit.Slots {
			remedy.Text = fmt.Sprintf("raise max_units of %s, or take %s off it", m.id.Short(), plural(f.lack.missing, "unit"))
		} else {
			remedy.Text = fmt.Sprintf("free %s of %s on %s, or reserve that much less", amount, name, m.id.Short())
		}
		return remedy, costResource + float64(f.lack.missing)/float64(max(f.lack.needed, 1))
	case "Cordon":
		remedy.Text = "uncordon " + m.id.Short()
		return remedy, costUncordon
	case "MachineMetadata":
		remedy.Text = fmt.Sprintf("set metadata of %s so that it does not %s any more", m.id.Short(), f.says)
		return remedy, costMetadata
	case "MachineID", "MachineOf", failuresRule:
		return nil, 0
	}
	remedy.Text = fmt.Sprintf("make %s one of those that do not %s", m.id.Short(), f.says)
	return remedy, costOther
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
