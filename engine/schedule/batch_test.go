package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestBatches asks for several units at once that have nothing to do with each other but that they want the same
// room, and expects that each is where a full scan of all machines puts it, taken in their order.
func TestBatches(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := newWorld(t)
		w.furnish(t)
		var batch []unit.Name
		for i := range rapid.IntRange(1, 6).Draw(t, "batch") {
			name := unit.Name(fmt.Sprintf("new@%d.service", i))
			if w.submit(name, cluster.Launched, someLooseText().Draw(t, "text")) != nil {
				t.Skip("not a unit that the API takes")
			}
			batch = append(batch, name)
		}
		slices.SortStableFunc(batch, func(a, b unit.Name) int { return -cmp.Compare(w.rules(a).Priority, w.rules(b).Priority) })
		dream := w.dream()
		want := make(map[unit.Name]string)
		for again := true; again; { // a place that is taken may even out what a required Spread has forbidden
			again = false
			for _, name := range batch {
				if want[name] == "" {
					want[name] = dream.placeNaively(t, name)
					again = again || want[name] != ""
				}
			}
		}
		scan := ""
		for _, name := range batch {
			scan += fmt.Sprintf("%s: %s\n", name, want[name])
		}
		steps := w.decide()
		for _, name := range batch {
			if got := strings.Join(w.homes(name), " "); got != want[name] {
				t.Fatalf("%s is on %q\n%s%s%s", name, got, scan, trace(steps), w.show())
			}
		}
	})
}

// placeNaively puts a unit where it has to be, and says where that is.
func (s *sim) placeNaively(t *rapid.T, name unit.Name) string {
	for _, h := range s.present() {
		if _, ok := s.victims(h, []unit.Name{name}); ok && s.best([]unit.Name{name}) == nil {
			t.Skip("somebody would be displaced")
		}
	}
	h := s.best([]unit.Name{name})
	if h == nil {
		return ""
	}
	s.put(name, h)
	return string(h.id)
}

// homes are the machines that are ordered to have a unit.
func (s *sim) homes(name unit.Name) []string {
	var ids []string
	for _, h := range s.present() {
		if _, here := s.live(h)[name]; here {
			ids = append(ids, string(h.id))
		}
	}
	return ids
}
