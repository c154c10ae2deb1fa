package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// strike is one fault on one host.
type strike struct {
	fault  fault
	host   int // index
	during time.Duration
}

func (s strike) String() string {
	at := fmt.Sprintf("%s of h%d", s.fault.name, s.host)
	if s.fault.etcd {
		at = fmt.Sprintf("%s (e%d)", s.fault.name, min(s.host, 3))
	}
	if s.fault.undoes == nil {
		return at
	}
	return fmt.Sprintf("%s for %s", at, s.during.Round(100*time.Millisecond))
}

// round is what happens at one time: one fault, or two on two hosts. Rest follows.
type round struct {
	strikes []strike
	rest    time.Duration
}

func (r round) String() string {
	var words []string
	for _, s := range r.strikes {
		words = append(words, s.String())
	}
	return strings.Join(words, " and ")
}

// planner draws rounds, without end. The same seed draws the same.
type planner struct {
	random *rand.Rand
	faults []fault
	hosts  int
	ttl    time.Duration
	left   []fault // of the first faults: each kind comes once before any is drawn by weight
}

func newPlanner(seed uint64, hosts int, ttl time.Duration, external bool) *planner {
	p := &planner{random: rand.New(rand.NewPCG(seed, 5)), hosts: hosts, ttl: ttl}
	p.faults = slices.DeleteFunc(faults(), func(f fault) bool { return f.etcd && !external })
	p.left = slices.Clone(p.faults)
	p.random.Shuffle(len(p.left), func(i, j int) { p.left[i], p.left[j] = p.left[j], p.left[i] })
	return p
}

func (p *planner) next() round {
	r := round{strikes: []strike{p.strike()}, rest: time.Duration(p.random.Int64N(int64(p.ttl)))}
	if p.random.IntN(4) == 0 {
		second := p.strike()
		for second.host == r.strikes[0].host {
			second.host = 1 + p.random.IntN(p.hosts)
		}
		r.strikes = append(r.strikes, second)
	}
	return r
}

func (p *planner) strike() strike {
	s := strike{fault: p.fault(), host: 1 + p.random.IntN(p.hosts)}
	// Shorter than a lease lives, about as long, or longer: around the limit is where mistakes are.
	shares := [][2]float64{{0.1, 0.8}, {0.8, 1.3}, {1.3, 2}}
	share := shares[p.random.IntN(len(shares))]
	s.during = time.Duration(float64(p.ttl) * (share[0] + p.random.Float64()*(share[1]-share[0])))
	return s
}

func (p *planner) fault() fault {
	if len(p.left) > 0 {
		f := p.left[0]
		p.left = p.left[1:]
		return f
	}
	sum := 0
	for _, f := range p.faults {
		sum += f.weight
	}
	dice := p.random.IntN(sum)
	for _, f := range p.faults {
		if dice -= f.weight; dice < 0 {
			return f
		}
	}
	return p.faults[0]
}
