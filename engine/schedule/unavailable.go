package schedule

import (
	"fmt"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// Instances that stop before they start elsewhere leave a machine that is being emptied only so many at a time that
// no more of their template are down than MaxUnavailable allows. Those that are down for other reasons count.

// queue has a group wait at home if too many instances would be down without it, and tells whether it has to.
func (s *State) queue(g group, home *machine) bool {
	if !g.stopsFirst(home) {
		return false
	}
	for _, t := range g {
		leaving := s.upAmong(g, t.kin)
		if t.kin == nil || leaving == 0 {
			continue
		}
		total, down := s.downOf(t.kin, g)
		most := t.rules.MaxUnavailable.Of(total)
		if len(down) == 0 || len(down)+leaving <= most {
			continue
		}
		for _, u := range g {
			s.release(u)
			t.kin.queued.add(u)
		}
		s.pend(g, cluster.Pending{
			Waiting: slices.ContainsFunc(down, s.coming),
			Message: fmt.Sprintf("waits to leave %s: of %d instances of %s %d %s down (MaxUnavailable=%s): %s", home.id.Short(),
				total, t.name.Template(), len(down), isAre(len(down)), share(t.rules.MaxUnavailable), some(namesOf(down))),
		})
		return true
	}
	return false
}

// upAmong counts the instances in the group that are not down.
func (s *State) upAmong(g group, k *kin) int {
	n := 0
	for _, t := range g {
		if k != nil && t.kin == k && t.serves() && !s.down(t) {
			n++
		}
	}
	return n
}

// downOf counts the instances that are to run, and lists those that do not, by age, but for the group.
func (s *State) downOf(k *kin, but group) (total int, down []*task) {
	for _, t := range k.members {
		if !t.serves() {
			continue
		}
		total++
		if !slices.Contains(but, t) && s.down(t) {
			down = append(down, t)
		}
	}
	slices.SortFunc(down, byAge)
	return total, down
}

// serves tells whether the unit is one of those that are to run somewhere.
func (t *task) serves() bool {
	return t.wanted() && t.record.Desired == cluster.Launched && !t.record.Global
}

// down tells whether the unit should run and does not. One that has ended well does not have to.
func (s *State) down(t *task) bool {
	return !slices.ContainsFunc(t.homes(), func(m *machine) bool {
		r, ok := m.copyOf(t.name)
		return s.up(t, m) || ok && r.Generation >= m.orderFor(t).Generation && r.Active == "inactive" && r.State.Job == ""
	})
}

// coming tells whether a unit that is down is on its way up.
func (s *State) coming(t *task) bool {
	for _, m := range t.homes() {
		r, ok := m.copyOf(t.name)
		return !ok || r.Active != "failed" && r.Error == "" || r.Generation < m.orderFor(t).Generation && r.Error == ""
	}
	return t.want == nil || t.want.Waiting
}

// wakeQueued has those looked at that wait until fewer instances of t's template are down.
func (s *State) wakeQueued(t *task) {
	if t.kin == nil {
		return
	}
	for u := range t.kin.queued.of {
		if u != t {
			s.wake(u)
		}
	}
}

func namesOf(tasks []*task) []string {
	var all []string
	for _, t := range tasks {
		all = append(all, string(t.name))
	}
	return all
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func share(s unit.Share) string {
	if s.Percent {
		return fmt.Sprintf("%d%%", s.N)
	}
	return fmt.Sprint(max(1, s.N))
}
