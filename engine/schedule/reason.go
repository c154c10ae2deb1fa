package schedule

import (
	"fmt"
	"slices"
	"strings"
)

// reason tells of each of the group why it goes where it goes, for people.
func (s *State) reason(g group, c choice) func(*task) string {
	if text := s.given(g, c); text != "" {
		return func(t *task) string {
			if c.why == whyClaim && t.because != "" {
				return t.because
			}
			return text
		}
	}
	best := s.bestOf(g, c)
	return func(t *task) string {
		if len(g) > 1 {
			return "together with " + g.but(t) + " (MachineOf); " + best
		}
		return best
	}
}

// given is why the group had no choice, empty if it had one.
func (s *State) given(g group, c choice) string {
	t := g[0]
	switch {
	case c.class == takes && len(c.victims) == 0, c.why == whyReplaces:
		return "takes the place of the units it replaces"
	case c.why == whyKept:
		return "kept: it was still here"
	case c.why == whyClaim && t.because != "":
		return t.because
	case c.why == whyClaim && g.replacing():
		return "takes the place of the units it replaces"
	case c.why == whyClaim:
		return "takes the place that was cleared for it"
	case c.why == whyAnchor:
		return "required by MachineOf=" + strings.Join(outside(g), " ")
	case c.why == whyID:
		i := slices.IndexFunc(g, func(t *task) bool { return t.rules.MachineID != "" })
		return "required by MachineID=" + g[i].rules.MachineID
	}
	return ""
}

// counted is up to how many machines those that fit are counted in a reason. Beyond that it would cost more than the search.
const counted = 64

// bestOf says in which order m was the first.
func (s *State) bestOf(g group, c choice) string {
	m := c.machine
	others := ""
	if len(s.listed) <= counted {
		n := 0
		for _, other := range s.listed {
			if s.suits(g, other).class == fits {
				n++
			}
		}
		if n == 1 {
			return "the only machine that fits"
		}
		others = fmt.Sprintf(" of %d machines that fit", n)
	}
	text := orderTexts[s.orderOf(g)]
	switch t := g[0]; {
	case len(g) > 1:
	case t.taste.picky() && c.class == fits:
		text = t.taste.says(c.liked, text)
	case t.taste.picky():
		text = t.taste.says(s.rankOf(t, m.pool, m), text)
	}
	if s.orderOf(g) == fewest {
		return fmt.Sprintf("%s (%d)%s", text, m.used.v[slots], others)
	}
	if others == "" {
		return text
	}
	return text + others
}

// orderTexts say what a machine is that is the first in an order.
var orderTexts = [orders]string{fullest: "the fullest", fewest: "fewest units", emptiest: "the emptiest"}

// says puts what made a machine preferred ahead of what it is otherwise. There are few such texts, and many units.
func (t *taste) says(r rank, otherwise string) string {
	key := liking{r.skewed, r.dislike, otherwise}
	if text, ok := t.said[key]; ok {
		return text
	}
	var b strings.Builder
	if len(t.prefer) > 0 && r.dislike < 0 {
		fmt.Fprintf(&b, "preferred (%d), ", -r.dislike)
	}
	for i := range t.spread {
		if r.skewed&(1<<(len(t.spread)-1-i)) == 0 {
			fmt.Fprintf(&b, "spread over %s, ", t.spread[i].Key)
		}
	}
	b.WriteString(otherwise)
	if t.said == nil {
		t.said = make(map[liking]string)
	}
	t.said[key] = b.String()
	return b.String()
}

// liking is what a reason says of a preferred machine.
type liking struct {
	skewed, dislike int
	otherwise       string
}

// outside lists the peers that are not of the group.
func outside(g group) []string {
	var names []string
	for _, t := range g {
		for _, peer := range t.peers {
			if !slices.Contains(g, peer) && !slices.Contains(names, string(peer.name)) {
				names = append(names, string(peer.name))
			}
		}
	}
	return names
}
