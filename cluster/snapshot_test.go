package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/unit"
)

var (
	someUnits    = []unit.Name{"a.service", "b.service", "c.timer"}
	someMachines = []MachineID{"m1", "m2", "m3"}
)

func drawChange(t *rapid.T) Change {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	id := rapid.SampledFrom(someMachines).Draw(t, "machine")
	gone := rapid.IntRange(0, 3).Draw(t, "gone") == 0
	number := rapid.Int64Range(1, 3)
	session := Session{Lease: number.Draw(t, "lease"), BootID: "boot"}
	switch rapid.IntRange(0, 10).Draw(t, "kind") {
	case 0:
		if gone {
			return UnitChanged{Name: name}
		}
		desired := rapid.SampledFrom([]DesiredState{Inactive, Loaded, Launched}).Draw(t, "desired")
		return UnitChanged{Name: name, Unit: &Unit{Name: name, Desired: desired, Generation: number.Draw(t, "generation")}}
	case 1:
		if gone {
			return MachineChanged{ID: id}
		}
		return MachineChanged{ID: id, Machine: &Machine{ID: id, Session: session, Address: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "address")}}
	case 2:
		if gone {
			return OrdersChanged{ID: id}
		}
		orders := &Orders{Machine: id, Session: session, Revision: number.Draw(t, "revision"), Units: map[unit.Name]Order{}}
		for _, n := range rapid.SliceOfDistinct(rapid.SampledFrom(someUnits), rapid.ID).Draw(t, "ordered") {
			orders.Units[n] = Order{Desired: Launched, Generation: number.Draw(t, "generation")}
		}
		return OrdersChanged{ID: id, Orders: orders}
	case 3:
		if gone {
			return ReportChanged{ID: id}
		}
		report := &Report{Machine: id, Session: session, Orders: number.Draw(t, "orders"), Units: map[unit.Name]UnitReport{}}
		for _, n := range rapid.SliceOfDistinct(rapid.SampledFrom(someUnits), rapid.ID).Draw(t, "reported") {
			active := rapid.SampledFrom([]string{"active", "inactive", "failed"}).Draw(t, "active")
			report.Units[n] = UnitReport{
				State: unit.State{Active: active}, Generation: number.Draw(t, "generation"),
				Error: rapid.SampledFrom([]string{"", "no bus"}).Draw(t, "error"),
			}
		}
		return ReportChanged{ID: id, Report: report}
	case 4:
		if gone {
			return PendingChanged{Name: name}
		}
		return PendingChanged{Name: name, Pending: &Pending{Generation: number.Draw(t, "generation")}}
	case 5:
		kind := rapid.SampledFrom([]Kind{KindUnit, KindPending, KindFailures}).Draw(t, "corrupt kind")
		return Corrupted{Kind: kind, ID: string(name), Err: "damaged"}
	case 6:
		if gone {
			return FailuresChanged{Name: name}
		}
		return FailuresChanged{Name: name, Failures: &Failures{Generation: number.Draw(t, "generation"), Tries: []Try{{Machine: id}}}}
	case 7:
		if gone {
			return SettingsChanged{ID: id}
		}
		return SettingsChanged{ID: id, Settings: &Settings{Cordoned: true, Capacity: map[string]int64{unit.CPU: number.Draw(t, "cpu")}}}
	case 9:
		if gone {
			return Corrupted{Kind: KindEpoch, ID: EpochID, Err: "damaged"}
		}
		return EpochChanged{Epoch: &Epoch{Number: number.Draw(t, "epoch"), Offset: 100}}
	case 8:
		if gone {
			return LeaderChanged{}
		}
		return LeaderChanged{Machine: id}
	}
	kind := rapid.SampledFrom([]Kind{KindMachine, KindSettings, KindOrders, KindReport}).Draw(t, "corrupt kind")
	return Corrupted{Kind: kind, ID: string(id), Err: "damaged"}
}

// statuses leaves out when a report was taken in: a mere acknowledgement of
// orders is told only to those it says something new about.
func statuses(s *Snapshot) map[unit.Name]string {
	all := make(map[unit.Name]string)
	for _, name := range someUnits {
		st := s.Status(name)
		phase, message := st.Outcome()
		text := fmt.Sprintf("%v %v %s %s %s %s", st.Exists, st.Unit, st.Corrupt, st.Current(), phase, message)
		for _, c := range st.Copies {
			text += fmt.Sprintf(" | %s %s %s %v %v", c.Machine, c.Address, c.Presence, deref(c.Order), deref(c.Report))
		}
		failures, failed := s.Failures(name)
		all[name] = text + fmt.Sprintf(" %v %v %v", deref(st.Pending), failures, failed)
	}
	return all
}

func deref[T any](p *T) any {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%+v", *p)
}

// Whoever waits for a unit is woken by what Apply returns. A unit left out is a waiter that hangs.
func TestApplyNamesEveryUnitWhoseStatusChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Snapshot
		for revision := range rapid.Int64Range(1, 30).Draw(t, "updates") {
			update := Update{Revision: revision, Reset: rapid.IntRange(0, 15).Draw(t, "reset") == 0}
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				update.Changes = append(update.Changes, drawChange(t))
			}
			before := statuses(&s)
			touched := s.Apply(update)
			after := statuses(&s)
			for _, name := range someUnits {
				if before[name] != after[name] && !slices.Contains(touched, name) {
					t.Fatalf("%+v changed %s and did not name it (%v):\nbefore %s\nafter  %s", update, name, touched, before[name], after[name])
				}
			}
		}
	})
}

// The index behind Where must agree with a look at every record.
func TestWhereAgreesWithTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Snapshot
		for revision := range rapid.Int64Range(1, 40).Draw(t, "updates") {
			s.Apply(Update{Revision: revision, Changes: []Change{drawChange(t)}})
		}
		for _, name := range someUnits {
			want := make(map[MachineID]bool)
			for _, id := range someMachines {
				orders, _ := s.Orders(id)
				report, _ := s.Report(id)
				_, ordered := orders.Units[name]
				_, reported := report.Units[name]
				if ordered || reported {
					want[id] = true
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), s.Where(name)); diff != "" {
				t.Fatalf("where %s is (-records +index):\n%s", name, diff)
			}
		}
	})
}

func TestARecordThatIsDamagedIsUnknownNotAbsent(t *testing.T) {
	var s Snapshot
	s.Apply(Update{Revision: 1, Reset: true, Changes: []Change{
		UnitChanged{Name: "a.service", Unit: &Unit{Name: "a.service", Desired: Launched, Generation: 1}},
		Corrupted{Kind: KindUnit, ID: "a.service", Err: "not JSON"},
	}})
	st := s.Status("a.service")
	if phase, _ := st.Outcome(); !st.Exists || st.Corrupt != "not JSON" || phase != Failed {
		t.Errorf("status of a damaged record: %+v", st)
	}
	if diff := cmp.Diff([]unit.Name{"a.service"}, s.Units()); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	s.Apply(Update{Revision: 2, Changes: []Change{UnitChanged{Name: "a.service", Unit: &Unit{Name: "a.service"}}}})
	if st := s.Status("a.service"); st.Corrupt != "" {
		t.Errorf("after it was written anew it is still %q", st.Corrupt)
	}
}

func TestOverlayHidesAndAdds(t *testing.T) {
	ssd := "ssd"
	s := Settings{Metadata: map[string]*string{"disk": &ssd, "zone": nil}}
	own := map[string]string{"zone": "a", "rack": "7"}
	if diff := cmp.Diff(map[string]string{"disk": "ssd", "rack": "7"}, s.Overlay(own)); diff != "" {
		t.Errorf("overlay (-want +got):\n%s", diff)
	}
	if len(own) != 2 {
		t.Error("the machine's own metadata was changed")
	}
}
