package cluster

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fleet/unit"
)

// sameSnapshot compares all that two snapshots hold; the maps of damaged records stay when they have become empty.
var sameSnapshot = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreMapEntries(func(_ Kind, ids map[string]string) bool { return len(ids) == 0 }),
}

func TestWhoeverIsToldAllKnowsAll(t *testing.T) {
	file, err := unit.Parse([]byte("[Unit]\n"))
	if err != nil {
		t.Fatal(err)
	}
	files := []Change{
		FileChanged{ID: "f1", File: file, Revision: 3},
		Corrupted{Kind: KindFile, ID: "f2", Err: "damaged"},
		FileChanged{ID: "f2"},
	}
	rapid.Check(t, func(t *rapid.T) {
		var told, s Snapshot
		told.Apply(Update{Revision: 1, Changes: []Change{drawChange(t)}}) // to be forgotten
		for revision := range rapid.Int64Range(0, 40).Draw(t, "updates") {
			change := drawChange(t)
			if rapid.IntRange(0, 7).Draw(t, "file") == 0 {
				change = rapid.SampledFrom(files).Draw(t, "change of a file")
			}
			s.Apply(Update{Revision: revision, Changes: []Change{change}})
		}
		all := s.All()
		told.Apply(all)
		if diff := cmp.Diff(&s, &told, sameSnapshot); diff != "" {
			t.Fatalf("-teller +told:\n%s", diff)
		}
		if diff := cmp.Diff(all, told.All(), sameSnapshot); diff != "" {
			t.Fatalf("told in another order (-teller +told):\n%s", diff)
		}
	})
}

// What All tells must not be tied to the teller, which goes on.
func TestWhatIsToldDoesNotChangeWithTheTeller(t *testing.T) {
	var s, told Snapshot
	s.Apply(Update{Revision: 1, Changes: []Change{UnitChanged{Name: "a.service", Unit: &Unit{Name: "a.service", Generation: 1}}}})
	all := s.All()
	s.Apply(Update{Revision: 2, Changes: []Change{UnitChanged{Name: "a.service", Unit: &Unit{Name: "a.service", Generation: 2}}}})
	told.Apply(all)
	if u, _ := told.Unit("a.service"); u.Generation != 1 || told.Revision != 1 {
		t.Errorf("at revision %d the unit is %+v", told.Revision, u)
	}
}
