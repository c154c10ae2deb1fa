package schedule_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

const (
	qualityMachines = 100
	qualitySeeds    = 3
	holesAt         = 0.6 // load
)

// chooser picks a machine for the next unit; units are numbered as they come.
type chooser interface {
	choose(sites []site, n amounts) (machine int, ok bool)
	release(unit int)
}

// BenchmarkQuality is how well units are packed, beside what others would do with the same trace:
// the load at which the first unit finds no place, and the holes of half a standard machine that are left
// at a load of 60 %. The load is that of the dimension of which most is used, and more of both is better.
func BenchmarkQuality(b *testing.B) {
	for _, t := range traces() {
		b.Run(t.String()+"/ours", func(b *testing.B) {
			measureQuality(b, t, func(_ *rand.Rand, sites []site) chooser { return newPackingBrain(b, sites) })
		})
		for _, other := range []struct {
			name string
			formula
		}{
			{"fewest-units", formula{score: fewest}},
			{"nomad-all", formula{score: nomad}},
			{"nomad-sample", formula{score: nomad, sample: nomadSample}},
			{"kubernetes", formula{score: kubernetes}},
		} {
			b.Run(t.String()+"/"+other.name, func(b *testing.B) {
				measureQuality(b, t, func(chance *rand.Rand, _ []site) chooser {
					f := other.formula
					f.chance = chance
					return &f
				})
			})
		}
	}
}

func measureQuality(b *testing.B, t trace, start func(*rand.Rand, []site) chooser) {
	seeds := uint64(qualitySeeds)
	if testing.Short() {
		seeds = 1
	}
	for b.Loop() {
		var refused, holes float64
		for seed := range seeds {
			sites := make([]site, qualityMachines)
			for i, has := range t.machines(rand.New(rand.NewPCG(seed, 1)), len(sites)) {
				sites[i] = site{has: has, free: has}
			}
			r, h := play(b, t, rand.New(rand.NewPCG(seed, 2)), sites, start(rand.New(rand.NewPCG(seed, 3)), sites))
			refused += r / float64(seeds)
			holes += h / float64(seeds)
		}
		b.ReportMetric(refused, "refused_at_load")
		b.ReportMetric(holes, "half_machine_holes")
		b.ReportMetric(0, "ns/op")
	}
}

// play lets units come until one finds no place.
func play(b *testing.B, t trace, chance *rand.Rand, sites []site, c chooser) (refusedAt, holes float64) {
	b.Helper()
	type home struct {
		unit, machine int
		need          amounts
	}
	var homes []home
	var total, used amounts
	for _, m := range sites {
		total = total.plus(1, m.has)
	}
	counted := false
	for number := 0; ; number++ {
		need, goes, which := t.need(chance), chance.Float64() < 0.8, chance.Float64()
		load := share(used, total)
		if !counted && load >= holesAt {
			holes, counted = halves(sites), true
		}
		at, ok := c.choose(sites, need)
		if !ok {
			if !counted {
				holes = halves(sites)
			}
			return load, holes
		}
		if !need.fits(sites[at].free) {
			b.Fatalf("unit %d is placed where there is no room for it", number)
		}
		sites[at].free, sites[at].units = sites[at].free.plus(-1, need), sites[at].units+1
		used = used.plus(1, need)
		homes = append(homes, home{number, at, need})
		if !t.churn || !goes || len(homes) < 100 {
			continue
		}
		i := int(which * float64(len(homes)))
		gone := homes[i]
		homes[i], homes = homes[len(homes)-1], homes[:len(homes)-1]
		m := &sites[gone.machine]
		m.free, m.units = m.free.plus(1, gone.need), m.units-1
		used = used.plus(-1, gone.need)
		c.release(gone.unit)
	}
}

// share is the largest share of any dimension.
func share(used, total amounts) float64 {
	most := 0.0
	for d := range used {
		if total[d] > 0 {
			most = max(most, float64(used[d])/float64(total[d]))
		}
	}
	return most
}

// halves is how many more units of half a standard machine, in every dimension, there is room for.
func halves(sites []site) float64 {
	n := int64(0)
	for _, m := range sites {
		here := int64(math.MaxInt64)
		for d := range m.free {
			if standard[d] > 0 {
				here = min(here, m.free[d]/(standard[d]/2))
			}
		}
		n += here
	}
	return float64(n)
}

// packingBrain is the brain as a chooser.
type packingBrain struct {
	*leader
	came     int
	machines map[cluster.MachineID]int
}

func newPackingBrain(b *testing.B, sites []site) *packingBrain {
	b.Helper()
	u := cluster.Update{Reset: true, Revision: 1}
	machines := make(map[cluster.MachineID]int)
	for i, site := range sites {
		m := benchMachine(i)
		m.Capacity.Resources = unit.Resources{
			CPU: site.has[cores], Memory: site.has[memory], Disk: site.has[disk], Named: map[string]int64{"gpu": site.has[gpus]},
		}
		machines[m.ID] = i
		orders := cluster.Orders{Machine: m.ID, Session: m.Session, Revision: 1}
		u.Changes = append(u.Changes, cluster.MachineChanged{ID: m.ID, Machine: m}, cluster.OrdersChanged{ID: m.ID, Orders: &orders},
			cluster.ReportChanged{ID: m.ID, Report: reportOn(orders, 1)})
	}
	return &packingBrain{leader: elect(b, u), machines: machines}
}

func (p *packingBrain) choose(_ []site, n amounts) (int, bool) {
	f := parsed(p.b, fmt.Sprintf("[X-Fleet]\nCPUReserve=%dm\nMemoryReserve=%d\nDiskReserve=%d\nReserve=gpu=%d\n",
		n[cores], n[memory], n[disk], n[gpus]))
	p.tell(arrival{oldName(p.came), f}.changes(p.revision))
	p.came++
	for _, step := range p.steps {
		for _, note := range step.Notes {
			if note.Action == schedule.Place {
				return p.machines[note.Machine], true
			}
		}
	}
	return 0, false
}

func (p *packingBrain) release(number int) {
	p.tell([]cluster.Change{cluster.UnitChanged{Name: oldName(number)}})
	p.obey()
}
