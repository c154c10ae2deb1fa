package schedule

import (
	"fmt"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// Advisor answers what the engine thinks and what it would do. It asks the rules by which the engine
// decides, over a State of its own: there is no second opinion. It is not told the time, so that whatever waits for
// a time is waited for. The zero value works.
type Advisor Options

func (a Advisor) rehearse(s *cluster.Snapshot) *rehearsal {
	return rehearse(s, Options(a))
}

// Explain tells why a unit is where it is, or nowhere. A unit that is placed is judged together with those
// that would have to move with it, and as if none of them were there.
func (a Advisor) Explain(s *cluster.Snapshot, name unit.Name) (cluster.Explanation, error) {
	r := a.rehearse(s)
	t, ok := r.tasks[name]
	if !ok || !t.exists && t.corrupt == "" {
		return cluster.Explanation{}, fmt.Errorf("unit %s: %w", name, cluster.ErrNotFound)
	}
	e := cluster.Explanation{Unit: name}
	homes := t.homes()
	for _, m := range homes {
		order := m.units()[name]
		if e.Machines == nil {
			e.Reason, e.Since = order.Reason, order.Since
		}
		e.Machines = append(e.Machines, m.id)
	}
	if f, failed := s.Failures(name); failed {
		e.Failures = &f
	}
	nowhere := len(homes) == 0 && t.wanted()
	if nowhere && t.written != nil {
		e.Pending, e.Since = t.written, t.written.Since
	}
	g := t.alone()
	switch {
	case t.record.Global:
	case len(homes) > 0:
		g = t.together(homes[0])
	case nowhere:
		g = r.groupOf(t)
	}
	r.judge(&e, g, homes)
	if e.Pending != nil {
		r.recount(&e, g)
		e.Remedy = e.Pending.Remedy
	}
	return e, nil
}

// judge asks every machine.
func (r *rehearsal) judge(e *cluster.Explanation, g group, homes []*machine) {
	if !g[0].settled() && len(homes) == 0 {
		return // what it demands is not known
	}
	r.takeOut(g)
	var fitting []*machine
	at := make(map[*machine]int)
	for _, m := range r.present() {
		f := r.verdict(g, m)
		v := cluster.Verdict{Machine: m.id, Here: slices.Contains(homes, m), Fits: f.class != impossible}
		if v.Fits {
			at[m] = len(e.Verdicts)
			fitting = append(fitting, m)
		} else {
			v.Rule, v.Detail = f.rule, r.words(f)
		}
		if f.rule == resourcesRule {
			v.Resource, v.Needed, v.Missing = r.resources.names[f.lack.resource], f.lack.needed, f.lack.missing
		}
		e.Verdicts = append(e.Verdicts, v)
	}
	for i, score := range r.compared(g, fitting) {
		e.Verdicts[at[fitting[i]]].Score = score
	}
}

// recount brings the numbers of a reason up to date, and names every machine. If a machine fits by now, the
// engine is about to find out: until then what it has said stands.
func (r *rehearsal) recount(e *cluster.Explanation, g group) {
	if len(e.Pending.Excluded) == 0 {
		return // it is not about machines
	}
	fresh := r.explain(g)
	for i := range fresh.Excluded {
		x := &fresh.Excluded[i]
		if x.Rule == "" {
			return
		}
		x.Examples = nil
		for _, v := range e.Verdicts {
			if v.Rule == x.Rule && v.Resource == x.Resource && (v.Detail == x.Detail || strings.HasPrefix(x.Detail, v.Detail+" (")) {
				x.Examples = append(x.Examples, v.Machine)
			}
		}
	}
	p := *e.Pending
	p.Machines, p.Excluded, p.Remedy, p.Message = fresh.Machines, fresh.Excluded, fresh.Remedy, ""
	if len(g) > 1 {
		p.Message = "together with " + g.but(r.tasks[e.Unit]) + tiedText + fresh.String()
	}
	e.Pending = &p
}
