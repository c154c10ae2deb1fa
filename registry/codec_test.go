package registry

import (
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
	p, _ := encodePending(cluster.Pending{Generation: 1, Excluded: []cluster.Exclusion{{Rule: "Conflicts", Machines: 2}}})
	s, _ := encodeSettings(cluster.Settings{Metadata: map[string]*string{"a": nil}}, nil)
	for kind, value := range map[string][]byte{"units/a.service": u, "machines/m": m, "orders/m": o, "reports/m": r, "pending/a.service": p, "settings/m": s, "files/x": []byte("[Unit]")} {
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
	return cluster.Unit{Name: "a.service", Content: unit.IDOf([]byte("x")), Desired: cluster.Launched, Global: true, Generation: 9, Restart: 4, Revision: 5}
}

var sampleTime = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func sampleOrders() cluster.Orders {
	return cluster.Orders{
		Machine: "m", Session: cluster.Session{Lease: 1 << 62, BootID: "b"}, Revision: 5,
		Units: map[unit.Name]cluster.Order{"a.service": {
			Content: unit.IDOf(nil), Desired: cluster.Loaded, Generation: 3, Restart: 2, Global: true, Reason: "because", Since: sampleTime,
		}},
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
		"settings": &cluster.Settings{Metadata: map[string]*string{"a": nil, "b": ptr("c")}},
		"machine": &cluster.Machine{
			ID: "m", Session: cluster.Session{Lease: 1, BootID: "b"}, Address: "10.0.0.1", Metadata: map[string]string{"a": "b"},
			Capacity: cluster.Capacity{MaxUnits: 3}, Version: "2.0.0", Since: sampleTime,
		},
		"pending": &cluster.Pending{
			Peers:      []unit.Name{"b.service"},
			Generation: 1, Waiting: true, Machines: 7, Message: "m", Since: sampleTime,
			Excluded: []cluster.Exclusion{{Rule: "MachineMetadata", Detail: "lack disk=ssd", Machines: 3}},
		},
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
	}
	return nil, err
}

func ptr[T any](v T) *T { return &v }
