package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fleet/cluster"
	"fleet/unit"
)

// TestScripts runs the scenarios in testdata. Each reads as the documentation
// of one rule; `go test -rewrite` writes the answers anew.
//
//	machine ID... [key=value...] [max=N]   machines come, with a new session, and report what runs on them
//	join ID...                             the same without the report
//	metadata ID key=value... [max=N]       a machine's own metadata or capacity change
//	settings ID key=value... key=          an operator overlays metadata; "key=" hides the key
//	lose ID...                             sessions end; what runs there goes on running
//	reboot ID...                           (of lost machines) what ran there is gone
//	unit NAME [desired=loaded|inactive]    submit a unit, launched unless said otherwise; the input is its [X-Fleet] section
//	want NAME... desired=...               change what is wanted
//	destroy NAME...
//	corrupt KIND ID, repair KIND ID        a record becomes unreadable; is written anew as it was
//	decide                                 the engine decides and writes; the answer is its decisions
//	obey ID... [not=NAME]                  machines carry out their orders, but for one unit, and report
//	settle                                 decide and obey in turn until nothing changes
//	wait DURATION                          the engine has just begun, after an outage
//	elect                                  another engine takes over, from the store
//	reset                                  the engine's watch is told everything anew
//	show                                   orders and pending records
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newSim(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(t, d)
		})
	})
}

func (s *sim) run(t *testing.T, d *datadriven.TestData) string {
	s.now = s.now.Add(time.Second)
	switch d.Cmd {
	case "machine", "join":
		ids, metadata, limit := machineArgs(t, d)
		for _, id := range ids {
			s.join(id, metadata, limit)
			if d.Cmd == "machine" {
				s.write(s.hosts[id])
			}
		}
	case "wait":
		d, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		s.state.Wait(s.now.Add(d))
		s.shadow.Wait(s.now.Add(d))
	case "metadata":
		ids, metadata, limit := machineArgs(t, d)
		s.change(ids[0], func(m *cluster.Machine) { m.Metadata, m.Capacity.MaxUnits = metadata, limit })
	case "settings":
		ids, metadata, _ := machineArgs(t, d)
		settings := cluster.Settings{Metadata: map[string]*string{}}
		for key, value := range metadata {
			settings.Metadata[key] = &value
			if value == "" {
				settings.Metadata[key] = nil
			}
		}
		s.settings[ids[0]] = settings
		s.feed(cluster.SettingsChanged{ID: ids[0], Settings: &settings})
	case "lose":
		ids, _, _ := machineArgs(t, d)
		s.lose(ids...)
	case "reboot":
		ids, _, _ := machineArgs(t, d)
		for _, id := range ids {
			s.reboot(id)
		}
	case "unit":
		return s.runUnit(d)
	case "want":
		for _, arg := range d.CmdArgs {
			if len(arg.Vals) == 0 {
				if err := s.submit(unit.Name(arg.Key), desired(d), ""); err != nil {
					return err.Error()
				}
			}
		}
	case "destroy":
		for _, arg := range d.CmdArgs {
			s.destroy(unit.Name(arg.Key))
		}
	case "corrupt", "repair":
		s.damage(record{cluster.Kind(d.CmdArgs[0].Key), d.CmdArgs[1].Key}, d.Cmd == "corrupt")
	case "decide":
		return trace(s.decide())
	case "obey":
		ids, not, _ := machineArgs(t, d)
		for _, id := range ids {
			s.obey(s.hosts[id], func(name unit.Name) bool { return string(name) != not["not"] })
		}
	case "settle":
		return s.settle()
	case "elect":
		s.elect()
	case "reset":
		s.apply(s.snapshot())
	case "show":
		return s.show()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return ""
}

func machineArgs(t *testing.T, d *datadriven.TestData) (ids []cluster.MachineID, metadata map[string]string, limit int) {
	metadata = make(map[string]string)
	for _, arg := range d.CmdArgs {
		switch {
		case arg.Key == "max":
			n, err := strconv.Atoi(arg.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			limit = n
		case len(arg.Vals) > 0:
			metadata[arg.Key] = arg.Vals[0]
		default:
			ids = append(ids, cluster.MachineID(arg.Key))
		}
	}
	return ids, metadata, limit
}

func desired(d *datadriven.TestData) cluster.DesiredState {
	for _, arg := range d.CmdArgs {
		if arg.Key == "desired" {
			return cluster.DesiredState(arg.Vals[0])
		}
	}
	return cluster.Launched
}

func (s *sim) runUnit(d *datadriven.TestData) string {
	text := "[Service]\nExecStart=/bin/true\n"
	if d.Input != "" {
		text += "[X-Fleet]\n" + d.Input + "\n"
	}
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) > 0 {
			continue
		}
		if err := s.submit(unit.Name(arg.Key), desired(d), text); err != nil {
			return err.Error() + "\n"
		}
	}
	return ""
}

func (s *sim) damage(r record, bad bool) {
	if r.kind == cluster.KindFile {
		r.id = string(s.units[unit.Name(r.id)].Content) // named by a unit that has it
	}
	if bad {
		s.corrupt[r] = true
		s.feed(cluster.Corrupted{Kind: r.kind, ID: r.id, Err: "damaged"})
		return
	}
	delete(s.corrupt, r)
	switch r.kind {
	case cluster.KindUnit:
		u := s.units[unit.Name(r.id)]
		s.feed(cluster.UnitChanged{Name: u.Name, Unit: &u})
	case cluster.KindFile:
		f := s.files[unit.ContentID(r.id)]
		s.feed(cluster.FileChanged{ID: unit.ContentID(r.id), File: f.File, Revision: f.Revision})
	case cluster.KindMachine:
		s.feed(cluster.MachineChanged{ID: cluster.MachineID(r.id), Machine: s.hosts[cluster.MachineID(r.id)].record})
	case cluster.KindSettings:
		settings := s.settings[cluster.MachineID(r.id)]
		s.feed(cluster.SettingsChanged{ID: cluster.MachineID(r.id), Settings: &settings})
	default:
		s.t.Fatalf("nobody repairs %s", r.kind)
	}
}

// settle lets the engine and the machines act in turn until nothing changes.
func (s *sim) settle() string {
	var b strings.Builder
	for range 20 {
		steps := s.decide()
		b.WriteString(trace(steps))
		for _, h := range s.present() {
			s.obey(h, nil)
		}
		if len(steps) == 0 {
			return b.String()
		}
	}
	return b.String() + "this does not settle\n"
}

func trace(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			b.WriteString("then\n")
		}
		for _, note := range step.Notes {
			on := ""
			if note.Machine != "" {
				on = " on " + string(note.Machine)
			}
			pending := ""
			if p := step.Pending[note.Unit]; p != nil && note.Action == Pend {
				pending = waits(p.Waiting)
			}
			fmt.Fprintf(&b, "%s %s%s: %s%s\n", note.Action, note.Unit, on, pending, note.Reason)
		}
		for id := range step.Orders {
			if len(step.Notes) == 0 {
				fmt.Fprintf(&b, "orders for the new session of %s\n", id)
			}
		}
		if n := len(step.Collect); n > 0 {
			fmt.Fprintf(&b, "collect %d files\n", n)
		}
	}
	return b.String()
}
