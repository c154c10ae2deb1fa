package schedule_test

import (
	"testing"
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

// A store was restored. Its orders say that a unit that must not run twice is on a machine that is back without it: it may
// have been moved since the backup was made, and still be running there until its fence has ended it.
func TestAfterARestoreAUnitThatMustNotRunTwiceWaitsUntilItHasEnded(t *testing.T) {
	text := []byte("[Service]\nExecStart=/bin/server\n[X-Fleet]\nAtMostOnce=yes\n")
	file, err := unit.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, lease := range map[string]time.Duration{
		"restored": 10 * time.Second, "restored, and others have longer leases": time.Minute, "never restored": 0,
	} {
		restored := lease > 0
		t.Run(name, func(t *testing.T) {
			before, session := cluster.Session{Lease: 1, BootID: "b"}, cluster.Session{Lease: 2, BootID: "b"}
			order := cluster.Order{Content: file.ID(), Desired: cluster.Launched, Generation: 3, Fence: 4}
			changes := []cluster.Change{
				cluster.FileChanged{ID: file.ID(), File: file, Revision: 3},
				cluster.UnitChanged{Name: "once.service", Unit: &cluster.Unit{Name: "once.service", Content: file.ID(), Desired: cluster.Launched, Generation: 3}},
				cluster.MachineChanged{ID: "m1", Machine: &cluster.Machine{ID: "m1", Session: session, Fence: cluster.Fence{TTL: 10, Renewal: 2, Watchdog: 5, Kill: 2}}},
				cluster.OrdersChanged{ID: "m1", Orders: &cluster.Orders{Machine: "m1", Session: before, Revision: 5, Units: map[unit.Name]cluster.Order{"once.service": order}}},
				cluster.ReportChanged{ID: "m1", Report: &cluster.Report{Machine: "m1", Session: session}},
			}
			if restored {
				gone := cluster.Orders{Machine: "m2", Session: cluster.Session{Lease: 3, BootID: "b"}, Lease: lease, Revision: 5}
				changes = append(changes, cluster.OrdersChanged{ID: "m2", Orders: &gone}, cluster.AbsenceChanged{ID: "m2", Absence: &cluster.Absence{
					Machine: "m2", State: cluster.StateLost, Since: now, Session: gone.Session,
				}})
				changes = append(changes, cluster.EpochChanged{Epoch: &cluster.Epoch{Number: 1, Began: 6, Base: 5, Offset: 1000}})
			}
			brain := schedule.New(schedule.Options{Since: now})
			brain.Wait(now.Add(10 * time.Second))
			brain.Apply(cluster.Update{Revision: 7, Reset: true, Changes: changes})
			revision := int64(7)
			ordered := func(now time.Time) bool {
				there := false
				for range 3 {
					for _, step := range brain.Decide(now) {
						revision++
						brain.Committed(step, revision)
						if o, ok := step.Orders["m1"]; ok {
							_, there = o.Units["once.service"]
							brain.Apply(cluster.Update{Revision: revision, Changes: []cluster.Change{cluster.ReportChanged{ID: "m1", Report: &cluster.Report{
								Machine: "m1", Session: session, Orders: revision,
							}}}})
						}
					}
				}
				return there
			}
			if got := ordered(now); got == restored {
				t.Errorf("at once it is ordered: %v", got)
			}
			if at := brain.Again(); restored && at.After(now.Add(10*time.Second)) {
				t.Errorf("it is looked at again at %s", at)
			}
			if got := ordered(now.Add(lease - time.Second)); restored && got {
				t.Error("it is ordered when it may still run where the lease lives")
			}
			if at := brain.Again(); restored && !at.Equal(now.Add(lease)) {
				t.Errorf("it is looked at again at %s", at)
			}
			if got := ordered(now.Add(lease + time.Second)); restored && !got {
				t.Error("it is not ordered when it has certainly ended")
			}
		})
	}
}
