package api_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// Who asks for machines that are not present is told of them until they are forgotten, and nobody else is.
func TestEventsOfMachinesThatAreNotPresent(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		session := cluster.Session{Lease: 1, BootID: "boot"}
		lost := &cluster.Absence{Machine: "m1", State: cluster.StateLost, Since: noon, Session: session, Address: "192.0.2.9"}
		f.store.write(cluster.MachineChanged{ID: "m1", Machine: &cluster.Machine{ID: "m1", Session: session}})     // 2
		f.store.write(cluster.OrdersChanged{ID: "m1", Orders: &cluster.Orders{Machine: "m1", Session: session}})   // 3
		f.store.write(cluster.AbsenceChanged{ID: "m2", Absence: &cluster.Absence{Machine: "m2", State: "left"}})   // 4
		f.store.write(cluster.MachineChanged{ID: "m3", Machine: &cluster.Machine{ID: "m3", Address: "192.0.2.3"}}) // 5
		synctest.Wait()
		all, present := open(t, f.api, "machines=true&absent=true"), open(t, f.api, "machines=true")
		all.expect("machine m1", "machine m2", "machine m3 192.0.2.3", "sync")
		present.expect("machine m1", "machine m3 192.0.2.3", "sync")

		f.store.write(cluster.MachineChanged{ID: "m1"}) // 6
		all.expect("machine m1")
		present.expect("machine-gone m1")
		f.store.write(cluster.AbsenceChanged{ID: "m1", Absence: lost}) // 7
		all.expect("machine m1 192.0.2.9")
		f.store.write(cluster.OrdersChanged{ID: "m1"}, cluster.AbsenceChanged{ID: "m1"}) // 8
		all.expect("machine-gone m1")
		present.expect("ping")

		synctest.Wait()
		open(t, f.api, "machines=true&absent=true&since=6").expect("machine-gone m1", "sync")
		open(t, f.api, "machines=true&since=6").expect("sync")
	})
}

// A drain advances by what happens elsewhere, too, and whoever follows the machine hears of that.
func TestEventsOfADrain(t *testing.T) {
	f := newFixture(t, api.Options{})
	a, b, each := f.store.submit(t, "a.service", sleepUnit, cluster.Launched), f.store.submit(t, "b.service", sleepUnit, cluster.Launched),
		f.store.submit(t, "each.service", sleepUnit+"[X-Fleet]\nGlobal=true\n", cluster.Launched)
	id := cluster.MachineID(strings.Repeat("1", 32))
	orders := func(units ...cluster.Unit) cluster.Change {
		o := &cluster.Orders{Machine: id, Session: sessionOf(id), Units: make(map[unit.Name]cluster.Order)}
		for _, u := range units {
			o.Units[u.Name] = cluster.Order{Content: u.Content, Desired: u.Desired, Generation: u.Generation, Global: u.Global}
		}
		return cluster.OrdersChanged{ID: id, Orders: o}
	}
	f.settle(t, f.store.write(cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: sessionOf(id), Since: noon}}, orders(a, b, each)))
	if err := f.client.SetDrained(t.Context(), true, id); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		about string
		write cluster.Change
		want  string
	}{
		{"the beginning", nil, "draining: a.service b.service moving, each.service global"},
		{"a cannot leave", cluster.PendingChanged{Name: "a.service", Pending: &cluster.Pending{
			Generation: a.Generation, Machines: 1, Excluded: []cluster.Exclusion{{Rule: "Cordoned", Detail: "are cordoned", Machines: 1}},
		}}, "draining: b.service moving, a.service stuck, each.service global"},
		{"b has left", orders(a, each), "draining: a.service stuck, each.service global"},
		{"nobody wants a any more", cluster.UnitChanged{Name: "a.service"}, "draining: a.service moving, each.service global"},
		{"the drain is over", cluster.SettingsChanged{ID: id, Settings: &cluster.Settings{}}, "ready:"},
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := f.client.Events(ctx, api.EventsOptions{Units: []unit.Name{"none.service"}, Machines: true, Absent: true}, func(e api.Event) error {
		if e.Type != api.EventMachine {
			return nil
		}
		if got := drainWords(e.Machine); got != steps[0].want {
			t.Errorf("%s: %s, want %s", steps[0].about, got, steps[0].want)
		}
		if steps = steps[1:]; len(steps) == 0 {
			return enough
		}
		f.store.write(steps[0].write)
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

func drainWords(m *api.Machine) string {
	var parts []string
	add := func(names []unit.Name, how string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", strings.Trim(fmt.Sprint(names), "[]"), how))
		}
	}
	if d := m.Drain; d != nil {
		add(slices.Sorted(maps.Keys(d.Moving)), "moving")
		add(slices.Sorted(maps.Keys(d.Stuck)), "stuck")
		add(d.Global, "global")
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s", m.State, strings.Join(parts, ", ")))
}

// What the client asks for machines arrives in their settings.
func TestTheClientLaysOperationsOverMachines(t *testing.T) {
	f := newFixture(t, api.Options{})
	api.SetClock(f.api, func() time.Time { return noon })
	ctx := t.Context()
	id, other := cluster.MachineID(strings.Repeat("1", 32)), cluster.MachineID(strings.Repeat("2", 32))
	f.settle(t, f.store.write(
		cluster.AgentChanged{ID: id, Agent: &cluster.Agent{Machine: id, Session: sessionOf(id)}},
		cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: sessionOf(id), Attends: true}},
	))
	steps := []struct {
		about string
		ask   func() error
		want  cluster.Settings
	}{
		{"cordon", func() error { return f.client.SetCordoned(ctx, true, id, other) }, cluster.Settings{Cordoned: true, CordonedSince: noon}},
		{"drain", func() error { return f.client.SetDrained(ctx, true, id, other) }, cluster.Settings{
			Cordoned: true, CordonedSince: noon, Drain: &cluster.Drain{Since: noon},
		}},
		{"for a reboot", func() error { return f.client.DrainToReboot(ctx, id) }, cluster.Settings{
			Cordoned: true, CordonedSince: noon, Drain: &cluster.Drain{Since: noon, Boot: sessionOf(id).BootID},
		}},
		{"undrain, uncordon", func() error {
			return errors.Join(f.client.SetDrained(ctx, false, id), f.client.SetCordoned(ctx, false, id))
		}, cluster.Settings{}},
		{"label", func() error { return f.client.Label(ctx, map[string]string{"zone": "a"}, []string{"disk"}, id, other) }, cluster.Settings{
			Metadata: map[string]*string{"zone": new("a"), "disk": nil},
		}},
	}
	for _, s := range steps {
		if err := s.ask(); err != nil {
			t.Fatalf("%s: %v", s.about, err)
		}
		s.want.Capacity = map[string]int64{}
		if s.want.Metadata == nil {
			s.want.Metadata = map[string]*string{}
		}
		if diff := gocmp.Diff(s.want, f.store.settings[id]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.about, diff)
		}
	}
	var refused *api.Error
	if err := f.client.Forget(ctx, id); !errors.As(err, &refused) || refused.Code != 409 {
		t.Errorf("forget one that is present: %v", err)
	}
	if err := f.client.Forget(ctx, other); err != nil || !f.store.settings[other].Forget {
		t.Errorf("forget one that has settings alone: %v, %+v", err, f.store.settings[other])
	}
	if err := f.client.SetCordoned(ctx, true, other); err != nil || f.store.settings[other].Forget {
		t.Errorf("one that is cordoned is to be known: %v, %+v", err, f.store.settings[other])
	}
	if err := f.client.Forget(ctx, "none"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("forget one that nobody knows: %v", err)
	}
}

func TestTheClientAcknowledgesAlarms(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.settle(t, f.store.write(cluster.AlarmChanged{Name: cluster.MassLoss, Alarm: &cluster.Alarm{Name: cluster.MassLoss, Since: noon, Message: "help"}}))
	alarms, err := f.client.Alarms(t.Context())
	if err != nil || len(alarms) != 1 || alarms[0].Acknowledged {
		t.Fatalf("%+v, %v", alarms, err)
	}
	if err := f.client.Acknowledge(t.Context(), alarms[0]); err != nil {
		t.Fatal(err)
	}
	if alarms, err = f.client.Alarms(t.Context()); err != nil || len(alarms) != 1 || !alarms[0].Acknowledged {
		t.Errorf("%+v, %v", alarms, err)
	}
	if err := f.client.Acknowledge(t.Context(), api.Alarm{Name: "none"}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("one that does not stand: %v", err)
	}
}
