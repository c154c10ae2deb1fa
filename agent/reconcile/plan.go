package reconcile

import (
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Input is everything that the next steps depend on. Plan changes none of it.
type Input struct {
	Session cluster.Session // the machine's present session, zero if there is none
	Orders  cluster.Orders  // the newest orders, obeyed only if they are addressed to Session

	Files  map[unit.Name]unit.ContentID // the unit files on this host
	States map[unit.Name]unit.State     // what systemd says; a unit without a state has not been looked at
	Memory map[unit.Name]Memory
	Busy   map[unit.Name]Step // steps that have not ended

	// Fence names the fence that guards units in the present session; empty: none does.
	Fence string

	Now time.Time

	// Names are the units to look at; nil means all that orders, files or memory name.
	Names []unit.Name
}

// Output is what to do now.
type Output struct {
	// Memory is what has to be remembered instead of what was. It must be kept
	// safe before a start or restart of Steps is queued.
	Memory map[unit.Name]Memory
	// Forget are units that are gone from the host.
	Forget []unit.Name
	// Steps has at most one step per unit, none for a busy one; ordered by name.
	Steps []Step
	// Interrupt are busy units whose step nobody wants to wait for any more.
	Interrupt []unit.Name
	// Again is when to look again even if nothing changes; zero if there is no need.
	Again time.Time
}

// Obeys tells whether there are orders for the present session.
func (in Input) Obeys() bool {
	return !in.Session.IsZero() && in.Orders.Session == in.Session
}

// Plan decides the next step of each unit. Without orders for the present
// session it decides nothing: what runs is kept.
func Plan(in Input) Output {
	var out Output
	if !in.Obeys() {
		return out
	}
	names := in.Names
	if names == nil {
		names = in.all()
	}
	for _, name := range names {
		out.add(in, name)
	}
	return out
}

func (in Input) all() []unit.Name {
	names := make([]unit.Name, 0, len(in.Orders.Units)+len(in.Files))
	names = slices.AppendSeq(names, maps.Keys(in.Orders.Units))
	names = slices.AppendSeq(names, maps.Keys(in.Files))
	names = slices.AppendSeq(names, maps.Keys(in.Memory))
	slices.Sort(names)
	return slices.Compact(names)
}

func (out *Output) add(in Input, name unit.Name) {
	order, ordered := in.Orders.Units[name]
	if step, busy := in.Busy[name]; busy {
		if outdated(step, order, ordered) {
			out.Interrupt = append(out.Interrupt, name)
		}
		return
	}
	state, seen := in.States[name]
	if !seen {
		return
	}
	before := in.Memory[name]
	s := situation{
		name: name, order: order, ordered: ordered,
		file: in.Files[name], state: state, memory: before, fence: in.Fence, now: in.Now,
	}
	next := s.decide()
	if next.forget {
		out.Forget = append(out.Forget, name)
		return
	}
	if s.memory != before {
		if out.Memory == nil {
			out.Memory = make(map[unit.Name]Memory)
		}
		out.Memory[name] = s.memory
	}
	if next.step.Kind != "" {
		out.Steps = append(out.Steps, next.step)
	}
	if !next.again.IsZero() && (out.Again.IsZero() || next.again.Before(out.Again)) {
		out.Again = next.again
	}
}

// outdated tells whether a job that is being waited for stands in the way of
// the orders. Only starts and restarts do: they may take as long as the unit
// likes (a oneshot's whole work), and systemd replaces them by the next job. A
// stop is always waited for.
func outdated(s Step, order cluster.Order, ordered bool) bool {
	if s.Kind != Start && s.Kind != Restart {
		return false
	}
	return !ordered || order.Desired != cluster.Launched || order.Content != s.Content || order.Restart > s.Restart
}
