package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/unit"
)

// leavingHost is m1 with units in every stage of leaving it for m2.
func leavingHost(drain *Drain) *Snapshot {
	const m1, m2 = MachineID("m1"), MachineID("m2")
	here, there := Session{Lease: 1, BootID: "b1"}, Session{Lease: 2, BootID: "b2"}
	ordered := func(takes MachineID) Order { return Order{Desired: Launched, Generation: 5, Takes: takes} }
	runs := UnitReport{State: unit.State{Active: "active"}, Content: "c", Generation: 5, Tried: 5, Job: unit.JobDone}
	orders := map[unit.Name]Order{"away.service": ordered("m0"), "job.service": ordered(""), "big.service": ordered(""), "unasked.service": ordered("")}
	global := ordered("")
	global.Global = true
	orders["global.service"] = global
	reports := map[unit.Name]UnitReport{"gone.service": runs}
	for name := range orders {
		reports[name] = runs
	}
	changes := []Change{
		MachineChanged{ID: m1, Machine: &Machine{ID: m1, Session: here}},
		MachineChanged{ID: m2, Machine: &Machine{ID: m2, Session: there}},
		SettingsChanged{ID: m1, Settings: &Settings{Drain: drain}},
		OrdersChanged{ID: m1, Orders: &Orders{Machine: m1, Session: here, Revision: 10, Units: orders}},
		OrdersChanged{ID: m2, Orders: &Orders{Machine: m2, Session: there, Revision: 11, Units: map[unit.Name]Order{
			"away.service": ordered(m1), "gone.service": ordered(m1),
		}}},
		ReportChanged{ID: m1, Report: &Report{Machine: m1, Session: here, Orders: 10, Units: reports}},
		ReportChanged{ID: m2, Report: &Report{Machine: m2, Session: there, Orders: 11, Units: map[unit.Name]UnitReport{"gone.service": runs}}},
		PendingChanged{Name: "job.service", Pending: &Pending{Generation: 5, Waiting: true, Message: "it is being started"}},
		PendingChanged{Name: "big.service", Pending: &Pending{Generation: 5, Message: "cannot leave m1: it is too big"}},
	}
	for name := range reports {
		changes = append(changes, UnitChanged{Name: name, Unit: &Unit{Name: name, Desired: Launched, Generation: 5, Global: name == "global.service"}})
	}
	var s Snapshot
	s.Apply(Update{Revision: 20, Reset: true, Changes: changes})
	return &s
}

func TestDrainingTellsWhatIsLeft(t *testing.T) {
	want := Departures{
		Moving: map[unit.Name]string{
			"away.service": "starting on m2", "gone.service": "stopping", "job.service": "it is being started",
			"unasked.service": "waiting for the engine to choose a machine",
		},
		Stuck:  map[unit.Name]string{"big.service": "cannot leave m1: it is too big"},
		Global: []unit.Name{"global.service"},
		Left:   5,
	}
	if diff := cmp.Diff(want, leavingHost(&Drain{}).Draining("m1")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, leavingHost(&Drain{Boot: "b1"}).Draining("m1")); diff != "" {
		t.Errorf("drained for a reboot, -want +got:\n%s", diff)
	}
	for name, drain := range map[string]*Drain{"is not drained": nil, "has rebooted": {Boot: "b0"}} {
		if d := leavingHost(drain).Draining("m1"); d.Left > 0 || d.Moving != nil {
			t.Errorf("a machine that %s: %+v", name, d)
		}
	}
	if d := leavingHost(&Drain{}).Draining("m3"); d.Left > 0 {
		t.Errorf("a machine that is not there: %+v", d)
	}
}

func TestAUnitThatIsHandedOverIsOnOneMachine(t *testing.T) {
	s := leavingHost(&Drain{})
	st := s.Status("away.service")
	if from, to, ok := st.HandOver(); !ok || from != "m1" || to != "m2" {
		t.Errorf("handed over from %q to %q, %t", from, to, ok)
	}
	phase, message := st.Outcome()
	if st.Machine() != "m1" || st.Current() != Launched || phase != Done {
		t.Errorf("it is %s on %q, %s %s", st.Current(), st.Machine(), phase, message)
	}
	st = s.Status("gone.service")
	if _, _, ok := st.HandOver(); ok || st.Machine() != "m2" {
		t.Errorf("what was handed over is on %q", st.Machine())
	}
}
