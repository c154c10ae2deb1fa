package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestClientListsWithOptions(t *testing.T) {
	f := newFixture(t, api.Options{PageSize: 2})
	m1, m2 := cluster.MachineID("1111"), cluster.MachineID("2222")
	orders := map[cluster.MachineID]*cluster.Orders{}
	for id, disk := range map[cluster.MachineID]string{m1: "ssd", m2: "hdd"} {
		f.store.write(cluster.MachineChanged{ID: id, Machine: &cluster.Machine{
			ID: id, Session: sessionOf(id), Metadata: map[string]string{"disk": disk},
		}})
		orders[id] = &cluster.Orders{Machine: id, Session: sessionOf(id), Units: make(map[unit.Name]cluster.Order)}
	}
	for i, name := range []unit.Name{"a.service", "b.service", "c.service", "d.service", "e.timer"} {
		u := f.store.submit(t, name, sleepUnit, []cluster.DesiredState{cluster.Launched, cluster.Inactive}[i%2])
		orders[[]cluster.MachineID{m1, m2}[i%2]].Units[name] = cluster.Order{Content: u.Content, Desired: cluster.Launched, Generation: u.Generation}
	}
	f.settle(t, f.store.write(cluster.OrdersChanged{ID: m1, Orders: orders[m1]}, cluster.OrdersChanged{ID: m2, Orders: orders[m2]}))

	no := false
	for _, c := range []struct {
		about string
		o     api.ListOptions
		want  string
	}{
		{"everything", api.ListOptions{}, "a.service b.service c.service d.service e.timer"},
		{"names and patterns", api.ListOptions{Names: []unit.Name{"e.timer", "none.service"}, Globs: []unit.Glob{"[ab].*", "c.service"}}, "a.service b.service c.service e.timer"},
		{"a machine", api.ListOptions{Machines: []cluster.MachineID{m2}}, "b.service d.service"},
		{"metadata", api.ListOptions{Selector: []string{"disk=ssd", "disk!=hdd"}}, "a.service c.service e.timer"},
		{"what is wanted", api.ListOptions{Desired: []cluster.DesiredState{cluster.Inactive}, Global: &no}, "b.service d.service"},
		{"an order", api.ListOptions{Sort: "-name", PageSize: 1}, "e.timer d.service c.service b.service a.service"},
		{"at most", api.ListOptions{Sort: "-name", Limit: 3}, "e.timer d.service c.service"},
	} {
		units, err := f.client.UnitsWith(t.Context(), c.o)
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
		}
		var got []string
		for _, u := range units {
			got = append(got, string(u.Name))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.about, got, c.want)
		}
	}
	units, err := f.client.UnitsWith(t.Context(), api.ListOptions{Names: []unit.Name{"a.service"}, Fields: []string{"name", "desiredState"}})
	if diff := gocmp.Diff([]api.Unit{{Name: "a.service", DesiredState: cluster.Launched}}, units); diff != "" || err != nil {
		t.Errorf("fields (-want +got):\n%s%v", diff, err)
	}
	present, err := f.client.MachinesWith(t.Context(), api.ListOptions{Selector: []string{"disk=hdd"}, Fields: []string{"id"}})
	if diff := gocmp.Diff([]api.Machine{{ID: m2}}, present); diff != "" || err != nil {
		t.Errorf("machines (-want +got):\n%s%v", diff, err)
	}
	var refused *api.Error
	if _, err := f.client.StatesWith(t.Context(), api.ListOptions{Active: []string{"up"}}); !errors.As(err, &refused) || refused.Code != http.StatusBadRequest {
		t.Errorf("a state that there is not: %v", err)
	}
}

func TestClientTellsOfOneMachineAndOfSettings(t *testing.T) {
	f := newFixture(t, api.Options{})
	there, lost := cluster.MachineID("1111"), cluster.MachineID("2222")
	u := f.store.submit(t, "a.service", "[Service]\nExecStart=/bin/a\nMemoryMax=1G\n", cluster.Launched)
	order := map[unit.Name]cluster.Order{u.Name: {Content: u.Content, Desired: cluster.Launched, Generation: u.Generation, Reason: "it fits", Since: noon}}
	rack := "7"
	f.settle(t, f.store.write(
		cluster.MachineChanged{ID: there, Machine: &cluster.Machine{ID: there, Session: sessionOf(there), Metadata: map[string]string{"gpu": "no"}}},
		cluster.OrdersChanged{ID: there, Orders: &cluster.Orders{Machine: there, Session: sessionOf(there), Units: order}},
		cluster.OrdersChanged{ID: lost, Orders: &cluster.Orders{Machine: lost, Session: sessionOf(lost), Units: order}},
		cluster.ReportChanged{ID: there, Report: &cluster.Report{
			Machine: there, Session: sessionOf(there), At: noon,
			Units: map[unit.Name]cluster.UnitReport{u.Name: {State: unit.State{Load: "loaded", Active: "active", Sub: "running"}, Content: u.Content}},
		}},
		cluster.SettingsChanged{ID: there, Settings: &cluster.Settings{
			Cordoned: true, Metadata: map[string]*string{"rack": &rack, "gpu": nil}, Capacity: map[string]int64{unit.Memory: 1 << 30},
		}},
		cluster.SettingsChanged{ID: "3333", Settings: &cluster.Settings{}}, // what is left when all was taken back
		cluster.Corrupted{Kind: cluster.KindSettings, ID: "4444", Err: "unexpected end of JSON input"},
	))
	laid := api.MachineSettings{
		MachineID: there, Cordoned: true, Metadata: map[string]string{"rack": "7"}, Hidden: []string{"gpu"}, Capacity: map[string]int64{"memory": 1 << 30},
	}
	ordered := api.Ordered{
		Name: u.Name, DesiredState: cluster.Launched, Generation: u.Generation, Content: u.Content, Reason: "it fits", Since: noon,
		Reserved: &api.Resources{Memory: 1 << 30},
	}

	m, err := f.client.Machine(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != there || m.Presence != cluster.Present || m.Units != 1 || !m.Cordoned || m.Metadata["rack"] != "7" || m.Reserved == nil {
		t.Errorf("the machine: %+v", m.Machine)
	}
	if diff := gocmp.Diff([]api.Ordered{ordered}, m.Ordered); diff != "" {
		t.Errorf("ordered (-want +got):\n%s", diff)
	}
	if len(m.UnitStates) != 1 || m.UnitStates[0].SystemdActiveState != "active" || m.UnitStates[0].WantedGeneration != u.Generation {
		t.Errorf("its units: %+v", m.UnitStates)
	}
	if diff := gocmp.Diff(&laid, m.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}

	gone, err := f.client.Machine(t.Context(), lost)
	if err != nil || gone.Presence != cluster.Lost || len(gone.Ordered) != 1 || len(gone.UnitStates) > 0 {
		t.Errorf("a machine that is lost: %+v, %v", gone, err)
	}
	if _, err := f.client.Machine(t.Context(), "3333"); !errors.Is(err, api.ErrNotFound) || err.Error() != "machine does not exist" {
		t.Errorf("a machine that there is not: %v", err)
	}

	settings, err := f.client.Settings(t.Context())
	damaged := api.MachineSettings{MachineID: "4444", Error: "unexpected end of JSON input"}
	if diff := gocmp.Diff([]api.MachineSettings{laid, damaged}, settings); diff != "" || err != nil {
		t.Errorf("all settings (-want +got):\n%s%v", diff, err)
	}
}

// Two units that always change together are never seen apart, however many pages lie between them and whoever reads.
func TestReadersBesideWritersSeeOneRevision(t *testing.T) {
	w := newWorld(t, 2)
	change := func(desired cluster.DesiredState) {
		var changes []cluster.Change
		for i := range 7 {
			changes = append(changes, w.submitted(unit.Name(fmt.Sprintf("u%d.service", i)), texts[0], desired)...)
		}
		w.tell(false, changes...)
	}
	change(cluster.Inactive)
	var readers sync.WaitGroup
	for _, query := range []string{"units", "units?sort=-name", "units?glob=u*", "units?sort=desiredState", "units?phase=done&phase=working"} {
		readers.Go(func() {
			for range 20 {
				seen := map[cluster.DesiredState]int{}
				token := ""
				for {
					var p page
					w.get(t, w.server, withToken(query, token), &p)
					for _, u := range p.Units {
						seen[u.DesiredState]++
					}
					if token = p.next(); token == "" {
						break
					}
				}
				if len(seen) != 1 || seen[cluster.Inactive]+seen[cluster.Loaded] != 7 {
					t.Errorf("%s saw %v", query, seen)
				}
			}
		})
	}
	for i := range 200 {
		change([]cluster.DesiredState{cluster.Loaded, cluster.Inactive}[i%2])
	}
	readers.Wait()
}

// Our own tokens for lists in the order of names are good for any server of the cluster.
func TestATokenIsGoodForAnotherServer(t *testing.T) {
	w := newWorld(t, 2)
	other := w.serve(2)
	for _, name := range names {
		w.submit(name, texts[0], cluster.Inactive)
	}
	var first, rest page
	w.get(t, w.server, "units", &first)
	w.submit("aaa.service", texts[0], cluster.Inactive)
	got := first.Units
	for token := first.next(); token != ""; token = rest.next() {
		rest = page{}
		w.get(t, other, withToken("units", token), &rest)
		got = append(got, rest.Units...)
	}
	var listed []unit.Name
	for _, u := range got {
		listed = append(listed, u.Name)
	}
	if !slices.Equal(listed, names) {
		t.Errorf("listed %v, want %v", listed, names)
	}
}
