package registry

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cluster"
	"fleet/unit"
)

func FuzzDecode(f *testing.F) {
	u, _ := encodeUnit(sampleUnit(), nil)
	m, _ := encodeMachine(cluster.Machine{Session: cluster.Session{Lease: 1, BootID: "b"}, Metadata: map[string]string{"a": "b"}})
	o, _ := encodeOrders(sampleOrders())
	r, _ := encodeReport(sampleReport())
	p, _ := encodePending(samplePending())
	l, _ := encodeFailures(sampleFailures())
	s, _ := encodeSettings(cluster.Settings{Metadata: map[string]*string{"a": nil}, Capacity: map[string]int64{"cpu": 1}}, nil)
	for kind, value := range map[string][]byte{
		"units/a.service": u, "machines/m": m, "orders/m": o, "reports/m": r, "pending/a.service": p, "failures/a.service": l, "settings/m": s, "files/x": []byte("[Unit]"),
	} {
		f.Add(kind, value)
	}
	k := keyspace{prefix: "/"}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		change, ok := k.change(Event{Pair: Pair{Key: "/" + key, Value: value, Mod: 3}})
		if !ok {
			return
		}
		var s cluster.Snapshot
		s.Apply(cluster.Update{Changes: []cluster.Change{change}})
		// What can be read can be written, and reads the same.
		if c, ok := change.(cluster.UnitChanged); ok {
			again, err := encodeUnit(*c.Unit, value)
			if err != nil {
				t.Fatal(err)
			}
			back, err := decodeUnit(c.Name, Pair{Value: again, Mod: 3})
			if err != nil || *back != *c.Unit {
				t.Fatalf("%+v became %+v, %v", c.Unit, back, err)
			}
		}
		if _, ok := k.change(Event{Deleted: true, Pair: Pair{Key: "/" + key, Mod: 4}}); !ok {
			t.Fatal("its removal tells nothing")
		}
	})
}

func sampleUnit() cluster.Unit {
	return cluster.Unit{
		Name: "a.service", Content: unit.IDOf([]byte("x")), Desired: cluster.Launched, Global: true,
		Generation: 9, Restart: 4, Move: 5, MoveTo: "m", Revision: 5,
	}
}

func samplePending() cluster.Pending {
	return cluster.Pending{
		Generation: 1, Waiting: true, Machines: 7, Peers: []unit.Name{"b.service"}, Message: "m", Place: "m", Note: "displaced by c.service (priority 700)", Since: sampleTime,
		Excluded: []cluster.Exclusion{{
			Rule: "Resources", Detail: "lack memory", Machines: 3, Examples: []cluster.MachineID{"m", "n"},
			Resource: unit.Memory, Needed: 512, Missing: 12,
		}},
		Remedy: &cluster.Remedy{Rule: "Resources", Machine: "m", Resource: unit.Memory, Amount: 12, Text: "free 12 bytes of memory on m"},
	}
}

func sampleFailures() cluster.Failures {
	return cluster.Failures{
		Generation: 4, Next: sampleTime, Parked: true,
		Tries: []cluster.Try{{Machine: "m", At: sampleTime, Result: "exit-code", ExitStatus: 3}},
	}
}

var sampleTime = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func sampleOrders() cluster.Orders {
	return cluster.Orders{
		Machine: "m", Session: cluster.Session{Lease: 1 << 62, BootID: "b"}, Lease: time.Minute, Revision: 5,
		Units: map[unit.Name]cluster.Order{"a.service": {
			Content: unit.IDOf(nil), Desired: cluster.Loaded, Generation: 3, Restart: 2, Move: 1, Global: true, Reason: "because", Since: sampleTime,
			Fence: 7, Freeze: true, Unbound: true, Takes: "n",
		}},
		Left: map[unit.Name]cluster.Left{"b.service": {Unbound: true}},
	}
}

func sampleReport() cluster.Report {
	return cluster.Report{
		Machine: "m", Session: cluster.Session{Lease: 1, BootID: "b"}, Orders: 4, At: sampleTime, Revision: 5,
		Units: map[unit.Name]cluster.UnitReport{"a.service": {
			State: unit.State{
				Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", ExitStatus: -3, Signaled: true, Skipped: true, MainPID: 7, Restarts: 2,
				InvocationID: "i", Since: sampleTime, Job: "start",
			},
			Content: "c", Generation: 3, Tried: 4, Job: "failed", Error: "no", Log: []string{"a", "b"},
		}},
	}
}

func TestRecordsSurviveTheStore(t *testing.T) {
	sample := map[string]any{
		"unit":     ptr(sampleUnit()),
		"orders":   ptr(sampleOrders()),
		"report":   ptr(sampleReport()),
		"pending":  ptr(samplePending()),
		"failures": ptr(sampleFailures()),
		"settings": &cluster.Settings{
			Metadata: map[string]*string{"a": nil, "b": ptr("c")}, Cordoned: true, Capacity: map[string]int64{unit.Memory: 0, "gpu": 2},
			CordonedSince: sampleTime, Drain: &cluster.Drain{Since: sampleTime, Boot: "b"}, Forget: true, Forgets: &cluster.Session{Lease: 1, BootID: "b"},
		},
		"machine": &cluster.Machine{
			ID: "m", Session: cluster.Session{Lease: 1, BootID: "b"}, Address: "10.0.0.1", Metadata: map[string]string{"a": "b"},
			Capacity: cluster.Capacity{
				MaxUnits: 3, PhysicalMemory: 1 << 40,
				Resources: unit.Resources{Memory: 1 << 39, CPU: 8000, Disk: 1 << 41, Named: map[string]int64{"gpu": 4}},
			},
			API: "https://10.0.0.1:7001", Version: "2.0.0", Since: sampleTime,
			Attends: true, Fence: cluster.Fence{TTL: 4, Renewal: 1, Watchdog: 1, Kill: 1}, Leaving: true,
		},
		"agent": &cluster.Agent{Machine: "m", Session: cluster.Session{Lease: 1, BootID: "b"}, Since: sampleTime},
		"absence": &cluster.Absence{
			Machine: "m", State: cluster.StateLost, Since: sampleTime, Session: cluster.Session{Lease: 1, BootID: "b"},
			Address: "10.0.0.1", Metadata: map[string]string{"a": "b"}, Version: "2.0.0",
		},
		"alarm": &cluster.Alarm{Name: cluster.MassLoss, Since: sampleTime, Machines: []cluster.MachineID{"m"}, Message: "m"},
		"epoch": &cluster.Epoch{Number: 1, Began: 2, Base: 3, Offset: 4},
		"ack":   &cluster.Ack{Name: cluster.MassLoss, Since: sampleTime},
	}
	for what, want := range sample {
		requireFull(t, what, reflect.ValueOf(want).Elem())
		got, err := roundTrip(want)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", what, diff)
		}
	}
}

// requireFull fails if a field of the sample is not set, so that a field that
// is added to the vocabulary and forgotten here is found.
func requireFull(t *testing.T, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		requireFull(t, path, v.Elem())
		return
	case reflect.Slice:
		for i := range v.Len() {
			requireFull(t, path, v.Index(i))
		}
		return
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range v.NumField() {
		name := path + "." + v.Type().Field(i).Name
		if v.Field(i).IsZero() {
			t.Errorf("the sample has no %s", name)
		}
		requireFull(t, name, v.Field(i))
		if f := v.Field(i); f.Kind() == reflect.Map {
			for _, key := range f.MapKeys() {
				requireFull(t, name, f.MapIndex(key))
			}
		}
	}
}

func roundTrip(record any) (any, error) {
	var value []byte
	var err error
	switch r := record.(type) {
	case *cluster.Unit:
		if value, err = encodeUnit(*r, nil); err == nil {
			return decodeUnit(r.Name, Pair{Value: value, Mod: 5})
		}
	case *cluster.Orders:
		if value, err = encodeOrders(*r); err == nil {
			return decodeOrders(r.Machine, Pair{Value: value, Mod: 5})
		}
	case *cluster.Report:
		if value, err = encodeReport(*r); err == nil {
			return decodeReport(r.Machine, Pair{Value: value, Mod: 5})
		}
	case *cluster.Settings:
		if value, err = encodeSettings(*r, nil); err == nil {
			return decodeSettings(Pair{Value: value})
		}
	case *cluster.Machine:
		if value, err = encodeMachine(*r); err == nil {
			return decodeMachine(r.ID, Pair{Value: value})
		}
	case *cluster.Pending:
		if value, err = encodePending(*r); err == nil {
			return decodePending(Pair{Value: value})
		}
	case *cluster.Agent:
		if value, err = encodeAgent(*r); err == nil {
			return decodeAgent(r.Machine, Pair{Value: value})
		}
	case *cluster.Absence:
		if value, err = encodeAbsence(*r); err == nil {
			return decodeAbsence(r.Machine, Pair{Value: value})
		}
	case *cluster.Alarm:
		if value, err = encodeAlarm(*r); err == nil {
			return decodeAlarm(r.Name, Pair{Value: value})
		}
	case *cluster.Ack:
		if value, err = encodeAck(*r); err == nil {
			return decodeAck(r.Name, Pair{Value: value})
		}
	case *cluster.Epoch:
		if value, err = encodeEpoch(*r); err == nil {
			return decodeEpoch(Pair{Value: value})
		}
	case *cluster.Failures:
		if value, err = encodeFailures(*r); err == nil {
			return decodeFailures(Pair{Value: value})
		}
	}
	return nil, err
}

// Records that a fleet without resources wrote mean what they meant, and one that
// has no use for the new fields writes what that one wrote.
func TestRecordsOfTheFormerFleetAreRead(t *testing.T) {
	p, err := decodePending(Pair{Value: []byte(
		`{"v":1,"generation":4,"machines":3,"excluded":[{"Rule":"Conflicts","Detail":"run b.service","Machines":3}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := &cluster.Pending{Generation: 4, Machines: 3, Excluded: []cluster.Exclusion{{Rule: "Conflicts", Detail: "run b.service", Machines: 3}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("pending (-want +read):\n%s", diff)
	}

	former := `{"v":1,"session":{"lease":1,"bootID":"b"},"address":"x","maxUnits":7}`
	m, err := decodeMachine("m", Pair{Value: []byte(former)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cluster.Capacity{MaxUnits: 7}, m.Capacity); diff != "" {
		t.Errorf("capacity (-want +read):\n%s", diff)
	}
	again, err := encodeMachine(*m)
	if err != nil || string(again) != former {
		t.Errorf("a machine without resources is written as %s, %v", again, err)
	}

	s, err := decodeSettings(Pair{Value: []byte(`{"v":1,"metadata":{"a":null}}`)})
	if err != nil || s.Cordoned || s.Capacity != nil {
		t.Errorf("settings are read as %+v, %v", s, err)
	}
}

// What cannot be is not taken for granted: free room is computed from it.
func TestImpossibleAmountsAreRefused(t *testing.T) {
	session := cluster.Session{Lease: 1, BootID: "b"}
	for what, c := range map[string]cluster.Capacity{
		"units":    {MaxUnits: -1},
		"memory":   {Resources: unit.Resources{Memory: -1}},
		"cpu":      {Resources: unit.Resources{CPU: -1}},
		"disk":     {Resources: unit.Resources{Disk: -1}},
		"gpu":      {Resources: unit.Resources{Named: map[string]int64{"gpu": -1}}},
		"physical": {PhysicalMemory: -1},
	} {
		if value, err := encodeMachine(cluster.Machine{Session: session, Capacity: c}); err == nil {
			t.Errorf("a machine with less than no %s is written: %s", what, value)
		}
	}
	if value, err := encodeSettings(cluster.Settings{Capacity: map[string]int64{"gpu": -1}}, nil); err == nil {
		t.Errorf("settings with less than no gpu are written: %s", value)
	}
}

// BenchmarkEncodeOrders tells what an order takes of the store: the orders of two
// machines with thousands of units have to fit into one request.
func BenchmarkEncodeOrders(b *testing.B) {
	const units = 1000
	orders := cluster.Orders{Session: cluster.Session{Lease: 1 << 62, BootID: "0b4b2a6e-6a1f-4f0e-9d5c-3f1f8f0c7d11"}, Units: make(map[unit.Name]cluster.Order)}
	for i := range units {
		orders.Units[unit.Name(fmt.Sprintf("web@%d.service", i))] = cluster.Order{
			Content: unit.IDOf(nil), Desired: cluster.Launched, Generation: 100000, Reason: "fewest units of the 7 machines that fit", Since: sampleTime,
		}
	}
	var value []byte
	for b.Loop() {
		var err error
		if value, err = encodeOrders(orders); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(value))/units, "B/order")
}

func ptr[T any](v T) *T { return &v }
