package cluster

import (
	"strings"
	"testing"

	"fleet/unit"
)

// world is one unit, a.service at generation 5, wanted launched, and what machine m1 says.
type world struct {
	unit   *Unit
	order  *Order
	report *UnitReport
	gone   bool  // m1's lease has ended
	other  bool  // m1 is back under another session
	acked  int64 // orders taken in by m1; its orders are at revision 10
	why    *Pending
}

func (w world) status() Status {
	now, before := Session{Lease: 2}, Session{Lease: 1}
	orders := Orders{Machine: "m1", Session: now, Revision: 10, Units: map[unit.Name]Order{}}
	if w.other {
		orders.Session = before
	}
	if w.order != nil {
		orders.Units["a.service"] = *w.order
	}
	changes := []Change{OrdersChanged{ID: "m1", Orders: &orders}}
	if w.unit != nil {
		changes = append(changes, UnitChanged{Name: "a.service", Unit: w.unit})
	}
	if w.why != nil {
		changes = append(changes, PendingChanged{Name: "a.service", Pending: w.why})
	}
	if !w.gone {
		report := Report{Machine: "m1", Session: now, Orders: w.acked, Units: map[unit.Name]UnitReport{}}
		if w.report != nil {
			report.Units["a.service"] = *w.report
		}
		changes = append(changes, MachineChanged{ID: "m1", Machine: &Machine{ID: "m1", Session: now}}, ReportChanged{ID: "m1", Report: &report})
	}
	var s Snapshot
	s.Apply(Update{Revision: 20, Reset: true, Changes: changes})
	return s.Status("a.service")
}

func TestStatusTellsHowFarARequestHasCome(t *testing.T) {
	wanted := &Unit{Name: "a.service", Desired: Launched, Generation: 5}
	loaded := &Unit{Name: "a.service", Desired: Loaded, Generation: 5}
	unwanted := &Unit{Name: "a.service", Desired: Inactive, Generation: 5}
	ordered := &Order{Desired: Launched, Generation: 5}
	says := func(active string, generation int64) *UnitReport {
		return &UnitReport{State: unit.State{Active: active}, Content: "c", Generation: generation, Tried: generation, Job: unit.JobDone}
	}
	with := func(r *UnitReport, change func(*UnitReport)) *UnitReport { change(r); return r }

	for name, c := range map[string]struct {
		world
		phase   Phase
		current DesiredState
		message string
	}{
		"nobody has looked at it yet":      {world{unit: wanted}, Working, Inactive, "engine"},
		"no machine fits":                  {world{unit: wanted, why: &Pending{Generation: 5, Machines: 3, Excluded: []Exclusion{{Detail: "lack disk=ssd", Machines: 3}}}}, Nowhere, Inactive, "0 of 3 machines fit: 3 lack disk=ssd"},
		"the reason is about an old wish":  {world{unit: wanted, why: &Pending{Generation: 4}}, Working, Inactive, "engine"},
		"it waits for its former copy":     {world{unit: wanted, why: &Pending{Generation: 5, Waiting: true, Message: "waiting for m2"}}, Working, Inactive, "m2"},
		"ordered, the agent is silent":     {world{unit: wanted, order: ordered}, Working, Inactive, "not yet carried out"},
		"starting":                         {world{unit: wanted, order: ordered, report: with(says("activating", 4), func(r *UnitReport) { r.Tried = 5 })}, Working, Launched, "activating"},
		"runs":                             {world{unit: wanted, order: ordered, report: says("active", 5)}, Done, Launched, ""},
		"runs since an earlier request":    {world{unit: wanted, order: ordered, report: says("active", 4)}, Working, Launched, ""},
		"the order is an old one":          {world{unit: wanted, order: &Order{Desired: Launched, Generation: 4}, report: says("active", 4)}, Working, Launched, "new orders"},
		"its new file cannot be read":      {world{unit: wanted, order: &Order{Desired: Launched, Generation: 4}, report: says("active", 4), why: &Pending{Generation: 5, Message: "its unit file cannot be read"}}, Failed, Launched, "unchanged on m1: its unit file"},
		"a oneshot has ended":              {world{unit: wanted, order: ordered, report: says("inactive", 5)}, Done, Launched, ""},
		"failed":                           {world{unit: wanted, order: ordered, report: with(says("failed", 5), func(r *UnitReport) { r.Result = "exit-code" })}, Failed, Launched, "exit-code"},
		"its condition was not met":        {world{unit: wanted, order: ordered, report: with(says("inactive", 5), func(r *UnitReport) { r.Job = "dependency" })}, Failed, Launched, "dependency"},
		"the agent cannot":                 {world{unit: wanted, order: ordered, report: with(says("inactive", 4), func(r *UnitReport) { r.Tried = 5; r.Error = "disk full" })}, Failed, Loaded, "disk full"},
		"an error about an old wish":       {world{unit: wanted, order: ordered, report: with(says("inactive", 3), func(r *UnitReport) { r.Tried = 4; r.Error = "disk full" })}, Working, Loaded, ""},
		"loaded":                           {world{unit: loaded, order: &Order{Desired: Loaded, Generation: 5}, report: says("inactive", 5)}, Done, Loaded, ""},
		"to be loaded, still stopping":     {world{unit: loaded, order: &Order{Desired: Loaded, Generation: 5}, report: says("deactivating", 5)}, Working, Launched, "deactivating"},
		"loaded, and triggered since":      {world{unit: loaded, order: &Order{Desired: Loaded, Generation: 5}, report: says("active", 5)}, Done, Launched, ""},
		"unloaded":                         {world{unit: unwanted}, Done, Inactive, ""},
		"unloaded, still stopping":         {world{unit: unwanted, report: says("deactivating", 4)}, Working, Launched, "deactivating"},
		"destroyed":                        {world{}, Done, "", ""},
		"destroyed, still stopping":        {world{report: says("deactivating", 5)}, Working, "", "deactivating"},
		"destroyed, and it cannot leave":   {world{acked: 10, report: with(says("active", 5), func(r *UnitReport) { r.Error = "no bus" })}, Failed, "", "no bus"},
		"destroyed after it failed":        {world{acked: 9, report: with(says("inactive", 4), func(r *UnitReport) { r.Error = "refused" })}, Working, "", "inactive"},
		"destroyed, its orders stand":      {world{order: ordered, acked: 10}, Working, "", "still ordered"},
		"destroyed, its machine is lost":   {world{order: ordered, gone: true}, Done, "", ""},
		"its machine is lost":              {world{unit: wanted, order: ordered, gone: true}, Working, Inactive, "engine"},
		"its machine is back, not ordered": {world{unit: wanted, order: ordered, other: true, report: says("active", 5)}, Working, Launched, "engine"},
	} {
		t.Run(name, func(t *testing.T) {
			st := c.status()
			phase, message := st.Outcome()
			if phase != c.phase || !strings.Contains(message, c.message) {
				t.Errorf("outcome %s %q, expect %s %q", phase, message, c.phase, c.message)
			}
			if got := st.Current(); got != c.current {
				t.Errorf("current state %q, expect %q", got, c.current)
			}
		})
	}
}
