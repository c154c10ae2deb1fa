package api

import (
	"maps"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Fence are the times, in seconds, by which a machine's fence ends units that say AtMostOnce when the machine is
// cut off, counted from when the last renewal of its lease was sent: renewal, then watchdog, then kill.
type Fence struct {
	Lease    float64 `json:"lease"`           // of the machine: what the sum of the others has to be less than
	Renewal  float64 `json:"renewal"`         // how long a renewal may be under way and still count
	Watchdog float64 `json:"watchdog"`        // how long systemd waits for the next before it ends the fence
	Kill     float64 `json:"kill"`            // how long a unit may take to stop before it is killed
	Error    string  `json:"error,omitempty"` // why nothing that says AtMostOnce is placed there in spite of it
}

// Drain is a machine that is being emptied, or has been. How far that has come, the last three fields say; lists leave them out.
type Drain struct {
	Since  time.Time            `json:"since,omitzero"`   // when it was asked for; missing if the host is being shut down
	Reboot bool                 `json:"reboot,omitempty"` // the machine is rebooted when what can leave has left, and is drained no longer then
	Moving map[unit.Name]string `json:"moving,omitempty"` // units that are still to leave, with what they wait for
	Stuck  map[unit.Name]string `json:"stuck,omitempty"`  // units that cannot leave, and why
	Global []unit.Name          `json:"global,omitempty"` // units that stay, as they are on every machine
}

func fenceOf(f cluster.Fence) *Fence {
	if f == (cluster.Fence{}) {
		return nil
	}
	out := &Fence{Lease: f.TTL.Seconds(), Renewal: f.Renewal.Seconds(), Watchdog: f.Watchdog.Seconds(), Kill: f.Kill.Seconds()}
	if err := f.Check(); err != nil {
		out.Error = err.Error()
	}
	return out
}

// drain is nil for a machine that is not drained. A drain for a reboot is over when the machine was rebooted, and it has
// not begun to be over while the machine is away.
func (v view) drain(id cluster.MachineID) *Drain {
	settings := v.Settings(id)
	machine, there := v.Machine(id)
	if there && !settings.Draining(machine) || settings.Drain == nil && !machine.Leaving {
		return nil
	}
	if settings.Drain == nil {
		return &Drain{}
	}
	return &Drain{Since: settings.Drain.Since, Reboot: settings.Drain.Boot != ""}
}

// drained is drain with how far it has come. It is of the present cluster.
func (v view) drained(id cluster.MachineID) *Drain {
	d := v.drain(id)
	if _, there := v.Machine(id); !there || d == nil {
		return d
	}
	left := v.Draining(id)
	d.Moving, d.Stuck, d.Global = maps.Clone(left.Moving), maps.Clone(left.Stuck), left.Global
	return d
}

// away tells whether a machine is not present and still known.
func (v view) away(id cluster.MachineID) bool {
	_, there := v.Machine(id)
	_, damaged := v.Corrupt(cluster.KindMachine, string(id))
	_, ordered := v.Orders(id)
	_, absent := v.Absence(id)
	return !there && !damaged && (ordered || absent)
}

// lastSession is the one by which a machine that is not present was last known; zero: nobody remembers.
func (v view) lastSession(id cluster.MachineID) cluster.Session {
	if absence, ok := v.Absence(id); ok {
		return absence.Session
	}
	orders, _ := v.Orders(id)
	return orders.Session
}

// awayMachine is what is known of a machine that is not present; nil: nothing.
func (v view) awayMachine(id cluster.MachineID) *Machine {
	if !v.away(id) {
		return nil
	}
	absence, _ := v.Absence(id)
	orders, _ := v.Orders(id)
	settings := v.Settings(id)
	m := &Machine{
		ID: id, PrimaryIP: absence.Address, Version: absence.Version, Metadata: settings.Overlay(absence.Metadata),
		Units: len(orders.Units), Cordoned: settings.Cordoned, Drain: v.drain(id),
	}
	m.State, m.StateSince = v.State(id)
	return m
}

// knownMachine returns a machine that is present, or still known, or nil.
func (v view) knownMachine(id cluster.MachineID) *Machine {
	if m := v.machine(id); m != nil {
		return m
	}
	return v.awayMachine(id)
}

// toldMachine is knownMachine with how far a drain has come. It is of the present cluster.
func (v view) toldMachine(id cluster.MachineID) *Machine {
	m := v.knownMachine(id)
	if m != nil {
		m.Drain = v.drained(id)
	}
	return m
}
