package schedule

import (
	"math"

	"fleet/cluster"
	"fleet/engine/schedule/index"
)

// share is the largest part of any resource that is reserved on m. It is more than 1 where the capacity was lowered.
func (m *machine) share() float64 { return m.shareWith(nil, 0) }

// shareWith is the share if so many times as much were reserved too.
func (m *machine) shareWith(need *quantity, times int64) float64 {
	largest := 0.0
	for i := range index.Dims + len(m.capacity.more) {
		has, used := m.capacity.at(i), m.used.at(i)
		if has <= 0 || has == unlimited {
			continue
		}
		if need != nil {
			used += times * need.at(i)
		}
		largest = max(largest, float64(used)/float64(has))
	}
	return largest
}

// crewless tells whether m has no unit, those aside that every machine has.
func (m *machine) crewless() bool {
	for t := range m.tasks {
		if !t.record.Global {
			return false
		}
	}
	return true
}

// balance measures how units lie on the machines that are present.
func (s *State) balance() cluster.Balance {
	var b cluster.Balance
	var sum, squares float64
	all := s.present()
	for _, m := range all {
		if m.crewless() {
			b.Empty++
		}
		share := m.share()
		b.Fullest = max(b.Fullest, share)
		sum += share
		squares += share * share
	}
	if n := float64(len(all)); n > 0 {
		mean := sum / n
		b.Spread = math.Sqrt(max(0, squares/n-mean*mean))
	}
	return b
}
