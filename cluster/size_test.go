package cluster

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/unit"
)

// What is counted as records change is what a whole snapshot of them weighs.
func TestSizesAreThoseOfTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Snapshot
		for i := range rapid.IntRange(1, 40).Draw(t, "updates") {
			s.Apply(Update{Revision: int64(i), Reset: i == 0, Changes: []Change{drawChange(t)}})
		}
		var anew Snapshot
		anew.Apply(s.All())
		if got, want := fmt.Sprint(s.Sizes()), fmt.Sprint(anew.Sizes()); got != want {
			t.Fatalf("%s, and told anew %s", got, want)
		}
		total := 0
		for kind, size := range s.Sizes() {
			total += size.Records
			if (size.Records == 0) != (size.Bytes == 0) || size.Bytes < 0 {
				t.Fatalf("%s: %+v", kind, size)
			}
		}
		for _, damaged := range s.corrupt {
			total += len(damaged)
		}
		if total != s.records() {
			t.Fatalf("%d records are counted, and there are %d", total, s.records())
		}
	})
}

// What is said of memory is about what it takes.
func TestSizesAreAboutWhatMemoryIsTaken(t *testing.T) {
	const machines, each = 20, 100
	own := func(s string) string { return strings.Clone(s) } // as decoding makes them
	fill := func() *Snapshot {
		s := &Snapshot{}
		u := Update{Reset: true, Revision: 1}
		for i := range machines {
			id := MachineID(fmt.Sprintf("%032d", i))
			orders := &Orders{Machine: id, Units: make(map[unit.Name]Order, each)}
			report := &Report{Machine: id, Units: make(map[unit.Name]UnitReport, each)}
			for n := range each {
				name := unit.Name(fmt.Sprintf("unit-%d@%d.service", i, n))
				content := func() unit.ContentID { return unit.ContentID(own(strings.Repeat("a", 64))) }
				orders.Units[unit.Name(own(string(name)))] = Order{Content: content(), Desired: Launched, Reason: own("the fullest of 20 machines that fit"), Since: time.Now()}
				report.Units[unit.Name(own(string(name)))] = UnitReport{Content: content(), State: unit.State{InvocationID: own(strings.Repeat("b", 32))}}
				u.Changes = append(u.Changes, UnitChanged{Name: name, Unit: &Unit{Name: name, Content: content(), Desired: Launched}})
			}
			u.Changes = append(u.Changes, OrdersChanged{ID: id, Orders: orders}, ReportChanged{ID: id, Report: report})
		}
		s.Apply(u)
		return s
	}
	before := live()
	s := fill()
	taken := live() - before
	said := int64(0)
	for _, size := range s.Sizes() {
		said += size.Bytes
	}
	runtime.KeepAlive(s)
	// The rest is the maps, and the index of where units are.
	if said > taken || said < taken/3 {
		t.Errorf("%d bytes are said, and %d are taken", said, taken)
	}
}

func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
