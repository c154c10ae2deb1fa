package cluster

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/unit"
)

func TestLimitIsTheMachinesCapacityWithTheOperatorsOverIt(t *testing.T) {
	own := Capacity{
		MaxUnits: 10, PhysicalMemory: 4096,
		Resources: unit.Resources{Memory: 1, CPU: 2, Disk: 3, Named: map[string]int64{"gpu": 1, "license": 5}},
	}
	var s Snapshot
	s.Apply(Update{Revision: 1, Reset: true, Changes: []Change{
		MachineChanged{ID: "m", Machine: &Machine{ID: "m", Capacity: own}},
		MachineChanged{ID: "bare", Machine: &Machine{ID: "bare"}},
	}})
	if diff := cmp.Diff(own, s.Limit("m")); diff != "" {
		t.Errorf("without settings (-own +limit):\n%s", diff)
	}

	s.Apply(Update{Revision: 2, Changes: []Change{
		SettingsChanged{ID: "m", Settings: &Settings{Capacity: map[string]int64{
			unit.Memory: 11, unit.CPU: 0, unit.Disk: 13, unit.Slots: 14, "gpu": 0, "tape": 1,
		}}},
		SettingsChanged{ID: "bare", Settings: &Settings{Capacity: map[string]int64{"gpu": 2}}},
	}})
	want := Capacity{
		MaxUnits: 14, PhysicalMemory: 4096,
		Resources: unit.Resources{Memory: 11, CPU: 0, Disk: 13, Named: map[string]int64{"gpu": 0, "license": 5, "tape": 1}},
	}
	if diff := cmp.Diff(want, s.Limit("m")); diff != "" {
		t.Errorf("with settings (-want +limit):\n%s", diff)
	}
	if machine, _ := s.Machine("m"); machine.Capacity.Named["gpu"] != 1 || len(machine.Capacity.Named) != 2 {
		t.Errorf("the machine's own capacity was changed: %v", machine.Capacity)
	}
	if got := s.Limit("bare").Named["gpu"]; got != 2 {
		t.Errorf("a machine that states nothing is limited to %d gpus", got)
	}
}

// Two values are equal only if no field tells them apart: each is changed in turn.
func TestEqualSeesEveryField(t *testing.T) {
	now := time.Unix(5, 0)
	exclusion := Exclusion{Rule: "Resources", Detail: "lack memory", Machines: 2, Examples: []MachineID{"m1"}, Resource: unit.Memory, Needed: 3, Missing: 1}
	failures := Failures{Generation: 4, Tries: []Try{{Machine: "m1", At: now, Result: "exit-code", ExitStatus: 2}}, Next: now, Parked: true}
	everyField(t, exclusion, Exclusion.Equal)
	everyField(t, failures, Failures.Equal)
	everyField(t, failures.Tries[0], func(a, b Try) bool {
		return Failures{Tries: []Try{a}}.Equal(Failures{Tries: []Try{b}})
	})
}

func everyField[T any](t *testing.T, full T, equal func(a, b T) bool) {
	t.Helper()
	if !equal(full, full) {
		t.Errorf("%+v does not equal itself", full)
	}
	for i := range reflect.TypeFor[T]().NumField() {
		less := full
		field := reflect.ValueOf(&less).Elem().Field(i)
		if field.IsZero() {
			t.Errorf("the sample has no %s", reflect.TypeFor[T]().Field(i).Name)
		}
		field.SetZero()
		if equal(full, less) {
			t.Errorf("%+v equals %+v", full, less)
		}
	}
}

// Times come back from the store without the zone they were written in.
func TestFailuresAreEqualInAnyZone(t *testing.T) {
	now := time.Unix(5, 0)
	f := Failures{Tries: []Try{{At: now}}, Next: now}
	utc := Failures{Tries: []Try{{At: now.In(time.FixedZone("east", 3600))}}, Next: now.UTC()}
	if !f.Equal(utc) {
		t.Errorf("%v does not equal %v", f, utc)
	}
}

func TestSizeCountsEveryRecordOfADecision(t *testing.T) {
	d := Decision{
		Orders:   map[MachineID]Orders{"m": {}},
		Pending:  map[unit.Name]*Pending{"a.service": nil},
		Failures: map[unit.Name]*Failures{"a.service": nil, "b.service": {}},
		Collect:  map[unit.ContentID]int64{"f": 1},
	}
	if got := d.Size(); got != 5 {
		t.Errorf("size is %d, five records are written", got)
	}
}

func TestAUnitThatOnlyFailedIsNamed(t *testing.T) {
	var s Snapshot
	touched := s.Apply(Update{Revision: 1, Changes: []Change{FailuresChanged{Name: "a.service", Failures: &Failures{}}}})
	if want := []unit.Name{"a.service"}; !cmp.Equal(want, touched) || !cmp.Equal(want, s.Names()) {
		t.Errorf("touched %v, names %v", touched, s.Names())
	}
}
