package schedule

import "strings"

// pool has the machines whose metadata are the same as far as any unit asks about them. What units
// demand and prefer of metadata is asked once of a pool, not of every machine.
type pool struct {
	signature string
	values    map[string]string // of the keys that matter
	domain    []int             // for each key that matters: the number of its value; -1: it has none
	lanes     lanes
	machines  int
	tied      int64 // State.rankings when it was one of the best last
}

// keyring has the metadata keys that some unit has asked about.
type keyring struct {
	names  []string
	number map[string]int
	values []map[string]int // for each key: the number of each of its values
}

// noDomain is the number of the value of a key that a machine does not have.
const noDomain = -1

// useKey returns the number of a key by which machines are to be told apart from now on.
func (s *State) useKey(key string) int {
	i, ok := s.keys.number[key]
	if ok {
		return i
	}
	if s.keys.number == nil {
		s.keys.number = make(map[string]int)
	}
	i = len(s.keys.names)
	s.keys.number[key] = i
	s.keys.names = append(s.keys.names, key)
	s.keys.values = append(s.keys.values, make(map[string]int))
	for _, m := range s.listed {
		s.repool(m)
	}
	return i
}

func (s *State) joinPool(m *machine) {
	var b strings.Builder
	for _, key := range s.keys.names {
		if v, ok := m.metadata[key]; ok {
			b.WriteByte('=')
			b.WriteString(v)
		}
		b.WriteByte(0)
	}
	p, ok := s.pools[b.String()]
	if !ok {
		p = s.newPool(b.String(), m)
	}
	p.machines++
	m.pool = p
	s.countAll(m, +1)
}

func (s *State) newPool(signature string, m *machine) *pool {
	p := &pool{signature: signature, values: make(map[string]string), lanes: s.newLanes()}
	for i, key := range s.keys.names {
		v, ok := m.metadata[key]
		if !ok {
			p.domain = append(p.domain, noDomain)
			continue
		}
		n, known := s.keys.values[i][v]
		if !known {
			n = len(s.keys.values[i])
			s.keys.values[i][v] = n
		}
		p.values[key] = v
		p.domain = append(p.domain, n)
	}
	s.pools[signature] = p
	s.poolGen++
	return p
}

func (s *State) leavePool(m *machine) {
	p := m.pool
	s.countAll(m, -1)
	for o := range p.lanes {
		p.lanes[o].ix.Drop(m.slot)
		m.stale &^= 1 << (int(orders) + o)
	}
	m.pool = nil
	if p.machines--; p.machines == 0 {
		delete(s.pools, p.signature)
		s.poolGen++
	}
}

// repool brings m to the pool of its present metadata.
func (s *State) repool(m *machine) {
	s.leavePool(m)
	s.joinPool(m)
	s.unsettle(m)
}
