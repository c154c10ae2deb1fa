package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/functional/costs"
	"fleet/unit"
)

// Bytes of records as they mostly are: a service that runs, placed by the engine.
func TestWhatRecordsTake(t *testing.T) {
	const machineID = "0f8fad5bd9cb469fa16570867728950e"
	session := cluster.Session{Lease: 0x694d7f3a5b8c1e2d, BootID: "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
	since := time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)
	content := unit.IDOf([]byte("[Service]\nExecStart=/bin/server\n"))
	name := func(i int) unit.Name { return unit.Name(fmt.Sprintf("web@%04d.service", i)) }
	orders := func(n int) int {
		o := cluster.Orders{Machine: machineID, Session: session, Units: make(map[unit.Name]cluster.Order)}
		for i := range n {
			o.Units[name(i)] = cluster.Order{
				Content: content, Desired: cluster.Launched, Generation: 123456, Reason: "the fullest of 3 machines that fit", Since: since,
			}
		}
		return size(t)(encodeOrders(o))
	}
	report := func(n int) int {
		r := cluster.Report{Machine: machineID, Session: session, Orders: 123457, At: since, Units: make(map[unit.Name]cluster.UnitReport)}
		for i := range n {
			r.Units[name(i)] = cluster.UnitReport{
				State: unit.State{
					Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: 12345,
					InvocationID: strings.Repeat("0123456789abcdef", 2), Since: since,
				},
				Content: content, Generation: 123456, Tried: 123456, Job: unit.JobDone,
			}
		}
		return size(t)(encodeReport(r))
	}
	check := func(what string, bytes int) {
		t.Helper()
		costs.Check(t, what, float64(bytes))
	}
	check("bytes of orders for no unit", orders(0))
	check("bytes of each unit in orders", (orders(101)-orders(1))/100)
	check("bytes of a report of no unit", report(0))
	check("bytes of each unit in a report", (report(101)-report(1))/100)
	check("bytes of a unit's record", size(t)(encodeUnit(cluster.Unit{Name: name(0), Content: content, Desired: cluster.Launched, Generation: 123456}, nil)))
	check("bytes of a reason why a unit has no machine", size(t)(encodePending(cluster.Pending{
		Generation: 123456, Machines: 3, Since: since,
		Excluded: []cluster.Exclusion{{Rule: "MachineMetadata", Detail: "lack disk=ssd", Machines: 3, Examples: []cluster.MachineID{machineID, machineID, machineID}}},
	})))
	check("bytes of a machine's record", size(t)(encodeMachine(cluster.Machine{
		ID: machineID, Session: session, Address: "10.0.0.1", API: "https://10.0.0.1:7001", Metadata: map[string]string{"disk": "ssd", "zone": "a"},
		Capacity: cluster.Capacity{MaxUnits: 2000, PhysicalMemory: 64 << 30, Resources: unit.Resources{Memory: 63 << 30, CPU: 16000, Disk: 500 << 30}},
		Version:  cluster.Version, Since: since, Attends: true,
	})))
}

func size(t *testing.T) func(value []byte, err error) int {
	return func(value []byte, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return len(value)
	}
}
