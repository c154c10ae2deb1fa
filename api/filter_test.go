package api_test

import (
	"net/url"
	"path"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// What a filter selects is what one finds who reads everything and looks for himself, whichever index finds it.
func TestFiltersSelectWhatTheyAreAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1000)
		w.populate(t)
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			w.change(t)
		}
		var all struct {
			Units    []api.Unit
			States   []api.UnitState
			Machines []api.Machine
		}
		for _, list := range []string{"units", "state", "machines"} {
			w.get(t, w.server, list, &all)
		}
		disks := make(map[cluster.MachineID]string)
		for _, m := range all.Machines {
			disks[m.ID] = m.Metadata["disk"]
		}
		q := drawFilter(t)
		var wantUnits []unit.Name
		asked := make(map[unit.Name]bool) // units that are what is asked of the unit itself
		for _, u := range all.Units {
			if asked[u.Name] = q.unit(u); asked[u.Name] && q.anyCopy(u.Copies, disks) {
				wantUnits = append(wantUnits, u.Name)
			}
		}
		var got struct {
			Units  []api.Unit
			States []api.UnitState
		}
		w.get(t, w.server, "units?"+q.Encode(), &got)
		var units []unit.Name
		for _, u := range got.Units {
			units = append(units, u.Name)
		}
		if diff := gocmp.Diff(wantUnits, units); diff != "" {
			t.Fatalf("units?%s (-want +got):\n%s", q.Encode(), diff)
		}
		if q.ofRecords() {
			return // states are listed of units, too, that are not
		}
		var wantStates []api.UnitState
		for _, s := range all.States {
			c := api.Copy{MachineID: s.MachineID, Load: s.SystemdLoadState, Active: s.SystemdActiveState, Sub: s.SystemdSubState}
			if q.named(s.Name) && q.copied(c, disks) {
				wantStates = append(wantStates, s)
			}
		}
		w.get(t, w.server, "state?"+q.Encode(), &got)
		if diff := gocmp.Diff(wantStates, got.States); diff != "" {
			t.Fatalf("state?%s (-want +got):\n%s", q.Encode(), diff)
		}
	})
}

// filterQuery is a filter as a client sends it, and as one would read it.
type filterQuery struct{ url.Values }

func drawFilter(t *rapid.T) filterQuery {
	q := filterQuery{url.Values{}}
	draw := func(parameter string, values ...string) {
		q.Values[parameter] = rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, 2, rapid.ID[string]).Draw(t, parameter)
	}
	for _, parameter := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"unitName", "glob", "machineID", "desiredState", "activeState", "subState", "phase", "global", "selector",
	}), 1, 3, rapid.ID[string]).Draw(t, "parameters") {
		switch parameter {
		case "unitName":
			draw(parameter, "a.service", "b@1.service", "none.service")
		case "glob":
			draw(parameter, "b@*", "*.service", "*@?.s*", "[ac].*", "x*")
		case "machineID":
			draw(parameter, "1111aaaa", "3333cccc", "none")
		case "desiredState":
			draw(parameter, "inactive", "loaded", "launched")
		case "activeState":
			draw(parameter, "active", "failed", "inactive")
		case "subState":
			draw(parameter, "x", "dead")
		case "phase":
			draw(parameter, "working", "done", "failed", "nowhere")
		case "global":
			q.Set(parameter, rapid.SampledFrom([]string{"true", "false"}).Draw(t, parameter))
		case "selector":
			q.Set(parameter, "disk="+rapid.SampledFrom([]string{"ssd", "hdd"}).Draw(t, parameter))
		}
	}
	return q
}

func (q filterQuery) among(parameter, value string) bool {
	return len(q.Values[parameter]) == 0 || slices.Contains(q.Values[parameter], value)
}

func (q filterQuery) named(name unit.Name) bool {
	matches := func(glob string) bool { ok, _ := path.Match(glob, string(name)); return ok }
	return len(q.Values["unitName"])+len(q.Values["glob"]) == 0 ||
		slices.Contains(q.Values["unitName"], string(name)) || slices.ContainsFunc(q.Values["glob"], matches)
}

func (q filterQuery) unit(u api.Unit) bool {
	global := q.Get("global") == "" || (q.Get("global") == "true") == u.Global
	return q.named(u.Name) && q.among("desiredState", string(u.DesiredState)) && q.among("phase", string(u.Outcome.Phase)) && global
}

func (q filterQuery) ofRecords() bool {
	return len(q.Values["desiredState"])+len(q.Values["phase"])+len(q.Values["global"]) > 0
}

func (q filterQuery) copied(c api.Copy, disks map[cluster.MachineID]string) bool {
	disk, there := disks[c.MachineID]
	if q.Get("selector") != "" && (!there || q.Get("selector") != "disk="+disk) {
		return false
	}
	return q.among("machineID", string(c.MachineID)) && q.among("activeState", c.Active) && q.among("subState", c.Sub)
}

func (q filterQuery) anyCopy(copies []api.Copy, disks map[cluster.MachineID]string) bool {
	asked := len(q.Values["machineID"]) + len(q.Values["activeState"]) + len(q.Values["subState"]) + len(q.Values["selector"])
	return asked == 0 || slices.ContainsFunc(copies, func(c api.Copy) bool { return q.copied(c, disks) })
}
