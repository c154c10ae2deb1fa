package schedule

import (
	"cmp"
	"path/filepath"
	"slices"
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
//	machine ID... [key=value...]           machines come, with a new session, and report what runs on them. What they
//	                                       offer is memory= cpu= disk= gpu= license= units=, what they physically have
//	                                       physical=, each a number; everything else is metadata
//	join ID...                             the same without the report
//	metadata ID [key=value...]             all that a machine says of itself changes, what it offers included
//	settings ID key=value... key=          an operator overlays metadata; "key=" hides the key
//	capacity ID memory=2G... memory=       an operator overlays what the machine offers; "memory=" takes that back
//	cordon ID..., uncordon ID...           an operator wants no further units there
//	drain ID..., undrain ID...             an operator wants the units there to go elsewhere
//	shutdown ID...                         hosts are being shut down
//	lose ID...                             sessions end; what runs there goes on running, but for what the fence ends
//	silence ID..., attend ID...            their fleetd goes away; is back
//	fence ID... [sound=no]                 their fence comes; or goes, as it does of a machine with fence=none
//	overdue ID...                          these have not renewed their leases, and no others
//	acknowledge                            an operator acknowledges the alarms
//	space 85 [size=90] [own=no] [refuses=yes]
//	                                       so many percent of the store's quota are in use; of an etcd of its own, and
//	                                       one that refuses to grow
//	forget ID...                           an operator wants the records of lost machines removed
//	absences                               the engine's records of absent machines and alarms; times since the beginning
//	reboot ID...                           (of lost machines) what ran there is gone
//	unit NAME... [desired=loaded|inactive] submit units, launched unless said otherwise. The input is their [X-Fleet]
//	                                       section, or several sections if it begins with a header
//	want NAME... desired=...               change what is wanted
//	move NAME [ID]                         ask for a unit to leave its machine, for that one or for whichever is best
//	destroy NAME...
//	fail NAME... [times=N] [on=ID]         systemd gives up units where they are; and N times as soon as they are tried again
//	corrupt KIND ID, repair KIND ID        a record becomes unreadable; is written anew as it was
//	decide                                 the engine decides and writes; the answer is its decisions
//	obey ID... [not=NAME]                  machines carry out their orders, but for one unit, and report
//	settle                                 decide and obey in turn until nothing changes
//	wait DURATION                          time passes
//	brake DURATION                         the engine has just begun, after an outage
//	elect [strategy=pack|spread] [on_lost=wait] [replace_after=DURATION] [loss_limit=PERCENT] [loss_window=DURATION]
//	                                       another engine takes over, from the store, perhaps with other settings
//	reset                                  the engine's watch is told everything anew
//	show                                   orders, what is reserved of what there is, and the engine's other records
//	explain, plan, rebalance               ask, and change nothing: see runAdvice
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasPrefix(path, filepath.Join("testdata", "rapid")) {
			return // where rapid keeps what it has found, if it is not told otherwise
		}
		if slices.Contains(notYet, filepath.Base(path)) {
			t.Skip("the engine does not know this rule yet")
		}
		s := newSim(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(t, d)
		})
	})
}

// notYet are the scenarios of which the engine does not do as they say yet.
var notYet []string

func (s *sim) run(t *testing.T, d *datadriven.TestData) string {
	s.now = s.now.Add(time.Second)
	a := readArgs(t, d)
	switch d.Cmd {
	case "machine", "join":
		for _, id := range a.machines() {
			s.joinWith(id, a.metadata, a.has)
			if d.Cmd == "machine" {
				s.write(s.hosts[id])
			}
		}
	case "metadata":
		s.change(a.machines()[0], func(m *cluster.Machine) { m.Metadata, m.Capacity = a.metadata, a.has })
	case "settings", "capacity", "cordon", "uncordon", "drain", "undrain":
		for _, id := range a.machines() {
			s.configure(id, func(settings *cluster.Settings) { a.operate(d.Cmd, settings) })
		}
	case "shutdown":
		for _, id := range a.machines() {
			s.change(id, func(m *cluster.Machine) { m.Leaving = true })
		}
	case "lose":
		s.lose(a.machines()...)
	case "reboot":
		for _, id := range a.machines() {
			s.reboot(id)
		}
	case "unit", "want":
		return s.runUnit(d, a)
	case "move":
		to := cluster.MachineID("")
		if len(a.names) > 1 {
			to = a.machines()[1]
		}
		s.move(unit.Name(a.names[0]), to)
	case "destroy":
		for _, name := range a.names {
			s.destroy(unit.Name(name))
		}
	case "fail":
		for _, name := range a.names {
			if times := a.metadata["times"]; times != "" {
				return s.failTimes(unit.Name(name), times)
			}
			if !s.failOn(unit.Name(name), cluster.MachineID(a.metadata["on"])) {
				return name + " runs nowhere"
			}
		}
	case "corrupt", "repair":
		s.damage(record{cluster.Kind(a.names[0]), a.names[1]}, d.Cmd == "corrupt")
	case "decide":
		return trace(s.decide())
	case "obey":
		for _, id := range a.machines() {
			s.obey(s.hosts[id], func(name unit.Name) bool { return string(name) != a.metadata["not"] })
		}
	case "settle":
		return s.settle()
	case "wait":
		s.now = s.now.Add(a.duration(t) - time.Second)
	case "brake":
		until := s.now.Add(a.duration(t))
		s.brakeUntil(until)
	case "elect":
		s.strategy = cmp.Or(unit.Strategy(a.metadata["strategy"]), s.strategy)
		s.options = a.options(t, s.options)
		s.elect()
	case "reset":
		s.apply(s.snapshot())
	case "show":
		return s.show()
	default:
		if answer, ok := s.runLosses(d, a); ok {
			return answer
		}
		return s.runAdvice(t, d, a)
	}
	return ""
}

func (s *sim) runUnit(d *datadriven.TestData, a args) string {
	text := ""
	if d.Cmd == "unit" {
		text = "[Service]\nExecStart=/bin/true\n"
		if d.Input != "" && !strings.HasPrefix(d.Input, "[") {
			text += "[" + unit.FleetSection + "]\n"
		}
		text += d.Input + "\n"
	}
	desired := cmp.Or(cluster.DesiredState(a.metadata["desired"]), cluster.Launched)
	for _, name := range a.names {
		if err := s.submit(unit.Name(name), desired, text); err != nil {
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
