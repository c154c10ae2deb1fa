package cluster

import (
	"fmt"
	"time"

	"fleet/unit"
)

// Status is everything known of one unit at one revision: what is wanted, what
// was decided and what machines say. It is computed by whoever reads, and never stored.
type Status struct {
	Name    unit.Name
	Exists  bool   // there is a record of the unit, readable or not
	Corrupt string // why its record cannot be read; empty if it can
	Unit    Unit   // zero if the unit does not exist or is corrupt
	Copies  []Copy // every machine that has orders for it or reports it, by machine id
	Pending *Pending
}

// Copy is a unit on one machine.
type Copy struct {
	Machine  MachineID
	Address  string // empty if the machine is not present
	Boot     string // boot id of the machine; empty if it is not present
	Presence Presence
	Silent   bool        // the machine is present and its fleetd is not there: Report is what it said last
	Away     time.Time   // since when the machine is silent or lost; zero if it is neither, or that is not known
	Order    *Order      // nil if the machine's orders do not have the unit
	Report   *UnitReport // nil if the machine reports nothing of it: unknown, if the machine is lost
	At       time.Time   // when the report was written
	Told     bool        // the report was written in knowledge of the machine's present orders
}

// Presence is whether a machine is there to obey its orders.
type Presence string

// The presences of a machine.
const (
	Present  Presence = "present"  // there, under the session its orders are addressed to, or without any orders
	Returned Presence = "returned" // there, under a session that has been given no orders yet
	Lost     Presence = "lost"     // its lease has ended; what runs there is unknown
	Unknown  Presence = "unknown"  // its record cannot be read
)

// Live tells whether the copy is one that a present machine was ordered to have.
func (c Copy) Live() bool { return c.Order != nil && c.Presence == Present }

// Status joins the records of one unit. It is the only place where records of
// different writers are joined for people and tools.
func (s *Snapshot) Status(name unit.Name) Status {
	st := Status{Name: name}
	st.Unit, st.Exists = s.Unit(name)
	if err, corrupt := s.Corrupt(KindUnit, string(name)); corrupt {
		st.Exists, st.Corrupt = true, err
	}
	if p, ok := s.Pending(name); ok {
		st.Pending = &p
	}
	where := s.Where(name)
	if len(where) > 0 {
		st.Copies = make([]Copy, len(where))
	}
	for i, id := range where {
		st.Copies[i] = s.copyOf(name, id)
	}
	return st
}

func (s *Snapshot) copyOf(name unit.Name, id MachineID) Copy {
	machine, there := s.machines[id]
	orders := s.orders[id]
	report, reported := s.reports[id]

	c := Copy{
		Machine: id, Address: machine.Address, Boot: machine.Session.BootID, Presence: s.Presence(id), Silent: s.Silent(id),
	}
	if c.Silent || c.Presence == Lost {
		c.Away = s.absences[id].Since
	}
	if o, ok := orders.Units[name]; ok {
		c.Order = &o
	}
	if !reported || !there || report.Session != machine.Session {
		return c
	}
	if r, ok := report.Units[name]; ok {
		c.Report, c.At, c.Told = &r, report.At, report.Orders >= orders.Revision
	}
	return c
}

// Presence tells whether a machine is there to obey its orders. One that has never been is lost.
func (s *Snapshot) Presence(id MachineID) Presence {
	machine, there := s.machines[id]
	orders, ordered := s.orders[id]
	_, damaged := s.Corrupt(KindMachine, string(id))
	switch {
	case damaged:
		return Unknown
	case !there:
		return Lost
	case ordered && orders.Session != machine.Session:
		return Returned
	}
	return Present
}

// Current is the state in the words of fleet's v1 API: what has been reached,
// not what is wanted. It is empty for a global unit, which has as many states as copies.
//
//   - inactive: no machine that is present has it;
//   - loaded: it is on a machine and has not been started there;
//   - launched: it runs, or its start was carried out, with whatever result.
func (st Status) Current() DesiredState {
	if !st.Exists || st.Unit.Global {
		return ""
	}
	current := Inactive
	for _, c := range st.Copies {
		if c.Report == nil || c.Report.Content == "" {
			continue
		}
		started := c.Live() && c.Order.Desired == Launched && c.Report.Generation >= c.Order.Generation
		if c.Report.Running() || started {
			return Launched
		}
		current = Loaded
	}
	return current
}

// Machine is the machine that has the unit: the one that was ordered to (while it is being handed over
// the one that hands it over), or else one that still reports it. It is empty for a global unit, and when there is none.
func (st Status) Machine() MachineID {
	if st.Unit.Global {
		return ""
	}
	var reports MachineID
	for _, c := range st.Copies {
		if c.Live() && !st.takes(c) {
			return c.Machine
		}
		if c.Report != nil {
			reports = c.Machine
		}
	}
	return reports
}

// Phase is how far the cluster has come with the last request for a unit.
type Phase string

// The phases of a request.
const (
	Working Phase = "working" // somebody has still to act
	Done    Phase = "done"    // carried out
	Failed  Phase = "failed"  // acted on, without reaching what was asked; the message says why
	Nowhere Phase = "nowhere" // no machine fits the unit; the message is the reason
)

// Outcome is how far the cluster has come with the last request for the unit,
// with a sentence about what is missing or went wrong.
func (st Status) Outcome() (Phase, string) {
	switch {
	case st.Corrupt != "":
		return Failed, "its record cannot be read: " + st.Corrupt
	case !st.Exists || st.Unit.Desired == Inactive:
		return st.leaving()
	}
	return st.arriving()
}

// leaving is the outcome for a unit that is to be on no machine.
func (st Status) leaving() (Phase, string) {
	for _, c := range st.Copies {
		switch {
		case c.Presence == Lost, c.Presence == Unknown:
			continue // nothing can be known; the machine will be told when it is back
		case c.Order == nil && c.Told && c.Report != nil && c.Report.Error != "": // untold, the error is about what it was to do before
			return Failed, fmt.Sprintf("on %s: %s", c.Machine.Short(), c.Report.Error)
		case c.Report != nil:
			return Working, fmt.Sprintf("%s on %s", c.Report.Active, c.Machine.Short())
		case c.Order != nil:
			return Working, "still ordered on " + c.Machine.Short()
		}
	}
	return Done, ""
}

// arriving is the outcome for a unit that is to be loaded or launched.
func (st Status) arriving() (Phase, string) {
	live := 0
	for _, c := range st.Copies {
		if c.Order == nil && c.Report != nil {
			return Working, "still leaving " + c.Machine.Short()
		}
		if !c.Live() || st.takes(c) { // until it is up there, what counts is where it is
			continue
		}
		live++
		if phase, message := st.copyOutcome(c); phase != Done {
			return phase, message
		}
	}
	switch why := st.considered(); {
	case live > 0:
		return Done, ""
	case why == nil:
		return Working, "waiting for the engine to choose a machine"
	case why.Waiting:
		return Working, why.String()
	default:
		return Nowhere, why.String()
	}
}

// considered is what the engine has to say of the last request, nil if it has
// not considered it yet or if there is nothing in its way.
func (st Status) considered() *Pending {
	if st.Pending == nil || st.Pending.Generation < st.Unit.Generation {
		return nil
	}
	return st.Pending
}

func (st Status) copyOutcome(c Copy) (Phase, string) {
	on := "on " + c.Machine.Short()
	if c.Order.Generation < st.Unit.Generation {
		switch why := st.considered(); {
		case why == nil:
			return Working, "waiting for new orders from the engine " + on
		case why.Waiting:
			return Working, why.String()
		default: // what was placed before stays
			return Failed, fmt.Sprintf("unchanged %s: %s", on, why)
		}
	}
	r := c.Report
	switch {
	case r == nil || r.Tried < st.Unit.Generation:
		return Working, "not yet carried out " + on
	case r.Error != "":
		return Failed, on + ": " + r.Error
	case r.Generation < st.Unit.Generation:
		return Working, on + ": " + r.Active
	}
	if st.Unit.Desired == Launched {
		return launched(on, r)
	}
	if r.Active == "deactivating" {
		return Working, on + ": " + r.Active
	}
	return Done, "" // it was stopped; should it run, then something has started it since, a socket of its own for instance
}

func launched(on string, r *UnitReport) (Phase, string) {
	switch {
	case r.Active == "failed":
		return Failed, fmt.Sprintf("%s: failed (result %s)", on, r.Result)
	case r.Job != "" && r.Job != unit.JobDone && !r.Running():
		return Failed, fmt.Sprintf("%s: systemd ended the start job with %q", on, r.Job)
	}
	return Done, ""
}
