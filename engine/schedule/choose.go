package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/engine/schedule/index"
	"fleet/unit"
)

// choice is where a group goes, and how soon it can.
type choice struct {
	machine *machine // nil: nowhere
	class   class
	why     why
	victims []*task // those that it displaces
	liked   rank    // how one unit that is picky likes the machine that was found
}

// why says in which way the machine was found.
type why int

const (
	whyBest why = iota
	whyKept
	whyAnchor
	whyID
	whyReplaces
	whyClaim
	whyDisplaces
	whyMove
)

// choose picks the machine for a group.
func (s *State) choose(g group) choice {
	if s.last.serves(s, g) {
		return choice{machine: s.last.machine}
	}
	if c, ok := s.chooseFormer(g); ok {
		return c
	}
	if candidates, why, few := s.fewCandidates(g); few {
		return s.chooseAmong(g, candidates, why)
	}
	if g.replacing() && g.fresh() {
		if c := s.chooseReplaced(g); c.machine != nil {
			return c
		}
	}
	if m := s.search(g); m != nil {
		return choice{machine: m, liked: s.liked}
	}
	if c := s.chooseAmong(g, sortedMachines(s.clearing.of), whyBest); c.machine != nil && c.class == soon {
		return c
	}
	if g.replacing() {
		if c := s.chooseReplaced(g); c.machine != nil {
			return c
		}
	}
	return s.displace(g, s.listed, whyBest)
}

// fewCandidates lists the only machines that come into question, if the rules leave so few that it pays.
func (s *State) fewCandidates(g group) ([]*machine, why, bool) {
	if anchor := g.anchor(); anchor != nil {
		return anchor.homes(), whyAnchor, true
	}
	for _, t := range g {
		if id := t.rules.MachineID; id != "" {
			var found []*machine
			for _, m := range s.listed {
				if unit.MatchMachineID(id, string(m.id)) {
					found = append(found, m)
				}
			}
			return found, whyID, true
		}
	}
	return nil, whyBest, false
}

// chooseAmong looks at every one of the candidates.
func (s *State) chooseAmong(g group, candidates []*machine, why why) choice {
	var best [impossible]*machine
	for _, m := range candidates {
		if !m.listed {
			continue
		}
		f := s.suits(g, m)
		if f.class == impossible {
			continue
		}
		if b := best[f.class]; b == nil || s.better(g, m, b) {
			best[f.class] = m
		}
	}
	for _, c := range g.preference() {
		if m := best[c]; m != nil {
			return choice{machine: m, class: c, why: why}
		}
	}
	if why == whyBest {
		return choice{}
	}
	return s.displace(g, candidates, why)
}

// chooseReplaced looks at the machines that have a unit which the group replaces.
func (s *State) chooseReplaced(g group) choice {
	var found []*machine
	for _, t := range g {
		for _, sel := range t.demands[replaces] {
			for m := range sel.targets {
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, byID)
	c := s.chooseAmong(g, slices.Compact(found), whyBest)
	if c.class != takes {
		return choice{}
	}
	return c
}

// chooseFormer: a unit takes the place that is kept for it, and stays with the machine on which it still is.
func (s *State) chooseFormer(g group) (choice, bool) {
	if m := g[0].claim; m != nil && m.listed {
		if f := s.suits(g, m); f.class != impossible {
			return choice{machine: m, class: f.class, why: whyClaim}, true
		}
	}
	var former []*machine
	for _, t := range g {
		for _, m := range t.where {
			if m.listed && !slices.Contains(former, m) {
				former = append(former, m)
			}
		}
	}
	if len(former) > 1 {
		slices.SortFunc(former, func(a, b *machine) int {
			if s.better(g, a, b) {
				return -1
			}
			return 1
		})
	}
	for _, m := range former {
		if f := s.suits(g, m); f.class == fits {
			return choice{machine: m, why: whyKept}, true
		}
	}
	return choice{}, false
}

// preference is the order in which the classes of machines are considered. A
// unit that has not had a place since it was asked for takes that of the units it replaces;
// later it keeps away from them as long as there is somewhere else to go.
func (g group) preference() []class {
	if g.fresh() {
		return []class{takes, fits, soon}
	}
	return []class{fits, soon, takes}
}

func (g group) fresh() bool { return slices.ContainsFunc(g, (*task).fresh) }

func (g group) replacing() bool {
	return slices.ContainsFunc(g, func(t *task) bool { return len(t.demands[replaces]) > 0 })
}

// need is what the group takes of every machine alike. Of one unit it is not copied.
func (g group) need() *quantity {
	if len(g) == 1 {
		return g[0].need
	}
	sum := &quantity{}
	for _, t := range g {
		sum.add(t.need, 1)
	}
	return sum
}

// orderOf is the order in which machines are preferred for the group.
func (s *State) orderOf(g group) order {
	strategy := s.options.Strategy
	bare := true
	for _, t := range g {
		bare = bare && t.share == 0 && t.need.bare()
		if t.rules.Strategy != "" {
			strategy = t.rules.Strategy
		}
	}
	switch {
	case bare:
		return fewest
	case strategy == unit.SpreadEvenly:
		return emptiest
	}
	return fullest
}

// better tells whether the group would rather be on a than on b, both of which fit.
func (s *State) better(g group, a, b *machine) bool {
	for _, t := range g {
		if t.taste.picky() {
			if c := s.rankOf(t, a.pool, a).compare(s.rankOf(t, b.pool, b)); c != 0 {
				return c < 0
			}
		}
	}
	o := s.orderOf(g)
	return cmp.Or(cmp.Compare(s.score(a, o), s.score(b, o)), byID(a, b)) < 0
}

// reason is why the group goes where it goes, for people.
func (s *State) reason(g group, c choice) string {
	t := g[0]
	switch {
	case c.class == takes && len(c.victims) == 0, c.why == whyReplaces:
		return "takes the place of the units it replaces"
	case c.why == whyKept:
		return "kept: it was still here"
	case c.why == whyClaim && t.because != "":
		return t.because
	case c.why == whyClaim:
		return "takes the place of the units it replaces"
	case c.why == whyAnchor:
		return "required by MachineOf=" + strings.Join(outside(g), " ")
	case c.why == whyID:
		i := slices.IndexFunc(g, func(t *task) bool { return t.rules.MachineID != "" })
		return "required by MachineID=" + g[i].rules.MachineID
	}
	best := s.bestOf(g, c)
	if len(g) > 1 {
		return "together with " + g.names() + " (MachineOf); " + best
	}
	return best
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

// latest is where the last unit went that is like any other of its needs. Those that follow go there too
// as long as there is room and nothing else has changed: it has become fuller, and was the fullest already.
type latest struct {
	need    *quantity
	machine *machine
	changes int64 // State.changes when it had gone there
}

func (l *latest) serves(s *State, g group) bool {
	if l.machine == nil || l.changes != s.changes || len(g) > 1 {
		return false
	}
	t := g[0]
	if t.need != l.need || len(t.where) > 0 || !s.common(t) {
		return false
	}
	_, ok := l.machine.hasRoom(t.need, t.need, nil)
	return ok
}

// common tells whether t goes wherever any other unit goes that needs as much.
func (s *State) common(t *task) bool {
	return t.taste == nil && t.share == 0 && t.shunned == nil && !t.rules.Reschedule && t.plain() && s.orderOf(t.alone()) == fullest
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

// search returns the best machine that fits at once, nil if there is none.
func (s *State) search(g group) *machine {
	o := s.orderOf(g)
	switch t := g[0]; {
	case len(g) == 1 && t.taste != nil:
		return s.searchPools(t, o)
	case slices.ContainsFunc(g, func(t *task) bool { return t.taste.picky() }):
		return s.searchAll(g, o)
	}
	return s.firstIn(g, s.lane(nil, o))
}

// firstIn returns the first machine of an order that fits at once.
func (s *State) firstIn(g group, ix *index.Index) *machine {
	s.seeking = g
	slot, ok := ix.First(&g.need().v, false, s.accept)
	if !ok {
		return nil
	}
	return s.bySlot.of[slot]
}

// accepts tells whether the machine with that number fits those at once for whom one is being sought.
func (s *State) accepts(at index.Slot) bool {
	return !s.seeking.besetAny(at) && s.suits(s.seeking, s.bySlot.of[at]).class == fits
}

// searchAll compares all machines with room.
func (s *State) searchAll(g group, o order) *machine {
	var best *machine
	s.lane(nil, o).Fitting(&g.need().v, func(at index.Slot) bool {
		m := s.bySlot.of[at]
		if !g.besetAny(at) && s.suits(g, m).class == fits && (best == nil || s.better(g, m, best)) {
			best = m
		}
		return true
	})
	return best
}

// ranked is a pool with the rank that its machines have at best.
type ranked struct {
	pool *pool
	rank rank
	done bool
}

// searchPools goes through the pools that the unit may use, those it likes best first.
func (s *State) searchPools(t *task, o order) *machine {
	allowed := s.choosable(t.taste)
	if !t.taste.picky() {
		return s.firstOf(t, o, allowed)
	}
	least := s.leasts(t)
	s.ranked = s.ranked[:0]
	for i := range allowed {
		a := &allowed[i]
		s.ranked = append(s.ranked, ranked{pool: a.pool, rank: t.rank(a.pool, nil, a.weight, &least)})
	}
	var found candidate
	for {
		next := -1
		for i := range s.ranked {
			if r := &s.ranked[i]; !r.done && (next < 0 || r.rank.compare(s.ranked[next].rank) < 0) {
				next = i
			}
		}
		if next < 0 || found.machine != nil && found.rank.compare(s.ranked[next].rank) < 0 {
			s.liked = found.rank
			return found.machine
		}
		s.searchTied(t, o, s.ranked[next].rank, &least, &found)
	}
}

// searchTied searches all pools whose machines have that rank at best: each of them, or, if they have many of
// all machines, all machines at once.
func (s *State) searchTied(t *task, o order, hope rank, least *[maxSpreads]int, found *candidate) {
	s.rankings++
	pools, machines := 0, 0
	for i := range s.ranked {
		if r := &s.ranked[i]; !r.done && r.rank == hope {
			r.pool.tied = s.rankings
			pools++
			machines += r.pool.machines
		}
	}
	together := pools > 1 && machines*manyPools > len(s.listed)*pools && !t.taste.overMachines()
	if together {
		s.seeking = t.alone()
		if slot, ok := s.lane(nil, o).First(&t.need.v, false, s.acceptTied); ok {
			m := s.bySlot.of[slot]
			found.offer(m, hope, s.score(m, o))
		}
	}
	for i := range s.ranked {
		if r := &s.ranked[i]; r.pool.tied == s.rankings && !r.done {
			r.done = true
			if !together {
				s.searchPool(t, o, r, least, found)
			}
		}
	}
}

func (s *State) acceptsTied(at index.Slot) bool {
	return s.bySlot.of[at].pool.tied == s.rankings && s.accepts(at)
}

// candidate is the best machine so far.
type candidate struct {
	machine *machine
	rank    rank
	score   int64
}

func (c *candidate) offer(m *machine, r rank, score int64) {
	if c.machine == nil || cmp.Or(r.compare(c.rank), cmp.Compare(score, c.score), byID(m, c.machine)) < 0 {
		*c = candidate{m, r, score}
	}
}

// searchPool offers the best machine of a pool. Within a pool machines differ in rank only by Spread=machine.
func (s *State) searchPool(t *task, o order, p *ranked, least *[maxSpreads]int, found *candidate) {
	lane := s.lane(p.pool, o)
	if !t.taste.overMachines() {
		if m := s.firstIn(t.alone(), lane); m != nil {
			found.offer(m, p.rank, s.score(m, o))
		}
		return
	}
	// One that has as few as any is the best there can be.
	slot, ok := lane.First(&t.need.v, false, func(at index.Slot) bool {
		m := s.bySlot.of[at]
		return !t.alone().besetAny(at) && t.rank(p.pool, m, -p.rank.dislike, least) == p.rank && s.suitsAlone(t, m).class == fits
	})
	if ok {
		m := s.bySlot.of[slot]
		found.offer(m, p.rank, s.score(m, o))
		return
	}
	lane.Fitting(&t.need.v, func(at index.Slot) bool {
		m := s.bySlot.of[at]
		if !t.alone().besetAny(at) && s.suitsAlone(t, m).class == fits {
			found.offer(m, t.rank(p.pool, m, -p.rank.dislike, least), s.score(m, o))
		}
		return true
	})
}

// manyPools is from how many on it is better to search all machines than pool by pool.
const manyPools = 16

// firstOf returns the first machine of the pools in that order.
func (s *State) firstOf(t *task, o order, allowed []choosable) *machine {
	if len(allowed) > manyPools {
		return s.firstIn(t.alone(), s.lane(nil, o))
	}
	var found candidate
	for i := range allowed {
		if m := s.firstIn(t.alone(), s.lane(allowed[i].pool, o)); m != nil {
			found.offer(m, rank{}, s.score(m, o))
		}
	}
	return found.machine
}

// leasts are the smallest numbers of kin in any domain of each Spread.
func (s *State) leasts(t *task) (least [maxSpreads]int) {
	for i := range t.taste.spread {
		least[i] = s.least(t, &t.taste.spread[i])
	}
	return least
}

func (s *State) rankOf(t *task, p *pool, m *machine) rank {
	least := s.leasts(t)
	return t.rank(p, m, t.taste.weight(p), &least)
}

// rank is that of m, or that of the machines of p at best if m is nil.
func (t *task) rank(p *pool, m *machine, weight int, least *[maxSpreads]int) rank {
	r := rank{dislike: -weight}
	for i := range t.taste.spread {
		sp := &t.taste.spread[i]
		r.crowd[i] = t.crowd(sp, p, m)
		lacksKey := !sp.overMachines() && p.domain[sp.key] == noDomain
		if lacksKey || r.crowd[i]+1-least[i] > sp.MaxSkew {
			r.skewed |= 1 << (len(t.taste.spread) - 1 - i)
		}
	}
	return r
}

func (t *taste) overMachines() bool {
	for i := range t.spread {
		if t.spread[i].overMachines() {
			return true
		}
	}
	return false
}
