package schedule

import (
	"fmt"
	"slices"
	"strings"

	"fleet/engine/schedule/index"
	"fleet/unit"
)

// compared tells of each of the machines, all of which the group may have, how it compares with the others.
func (s *State) compared(g group, fitting []*machine) []string {
	class := make(map[*machine]class, len(fitting))
	for _, m := range fitting {
		class[m] = s.verdict(g, m).class
	}
	best := slices.Clone(fitting)
	slices.SortFunc(best, func(a, b *machine) int {
		switch {
		case a == b:
			return 0
		case class[a] != class[b]:
			return int(class[a]) - int(class[b])
		case s.better(g, a, b):
			return -1
		}
		return 1
	})
	place := make(map[*machine]int, len(best))
	for i, m := range best {
		place[m] = i + 1
	}
	words := make([]string, len(fitting))
	for i, m := range fitting {
		parts := []string{placeOf(place[m], len(best))}
		switch class[m] {
		case soon:
			parts = append(parts, "once "+g.obstructing(m)+" has stopped")
		case takes:
			parts = append(parts, "in the place of units that it replaces")
		}
		for _, t := range g {
			if t.taste.picky() {
				parts = append(parts, s.liking(t, m)...)
			}
		}
		words[i] = strings.Join(append(parts, s.left(g, m)), "; ")
	}
	return words
}

func placeOf(n, of int) string {
	switch {
	case of == 1:
		return "the only one"
	case n == 1:
		return fmt.Sprintf("best of %d", of)
	}
	return ordinal(n) + fmt.Sprintf(" of %d", of)
}

func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

// liking says what the unit prefers of a machine.
func (s *State) liking(t *task, m *machine) []string {
	var parts []string
	if len(t.taste.prefer) > 0 {
		most := 0
		for _, p := range t.taste.prefer {
			most += p.Weight
		}
		parts = append(parts, fmt.Sprintf("preferred %d of %d", t.taste.weight(m.pool), most))
	}
	for i := range t.taste.spread {
		sp := &t.taste.spread[i]
		where := "there"
		if !sp.overMachines() {
			where = "where it lacks " + sp.Key
			if v, ok := m.metadata[sp.Key]; ok {
				where = "in " + sp.Key + "=" + v
			}
		}
		others := int64(t.crowd(sp, m.pool, m))
		parts = append(parts, plural(others, "other instance")+" "+where)
	}
	return parts
}

// left says what the group would leave of what it needs. A group that reserves nothing goes by the number of units.
func (s *State) left(g group, m *machine) string {
	_, whole := g.needOn(m)
	var parts []string
	for i := slots + 1; i < index.Dims+len(whole.more); i++ {
		if whole.at(i) > 0 {
			parts = append(parts, inWordsOf(s.resources.names[i], m.freeWith(i, nil)-whole.at(i)))
		}
	}
	if len(parts) == 0 {
		return plural(m.used.v[slots], "unit") + " there"
	}
	last := len(parts) - 1
	text := parts[last] + " would be left"
	if last > 0 {
		text = strings.Join(parts[:last], ", ") + " and " + text
	}
	return text
}

// inWordsOf is an amount to three digits: "2.1G of memory", "1.5 CPUs", "3 gpu".
func inWordsOf(resource string, n int64) string {
	if n == 0 {
		return "no " + resource
	}
	switch resource {
	case unit.CPU:
		return fmt.Sprintf("%.3g CPUs", float64(n)/1000)
	case unit.Memory, unit.Disk:
		size, letter := float64(n), ""
		for _, next := range []string{"K", "M", "G", "T", "P"} {
			if size < 1000 {
				break
			}
			size, letter = size/1024, next
		}
		return fmt.Sprintf("%.3g%s of %s", size, letter, resource)
	}
	return fmt.Sprintf("%d %s", n, resource)
}
