package cluster

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"fleet/unit"
)

// MachineID is the content of a host's /etc/machine-id: 32 lower-case hexadecimal digits.
type MachineID string

// Short is the form in which people meet a machine id: its first 8 characters.
func (id MachineID) Short() string {
	if len(id) > 8 {
		return string(id[:8])
	}
	return string(id)
}

// Session is one uninterrupted presence of a machine in the cluster: its lease
// in the store and the boot of its kernel. Sessions are compared with ==.
type Session struct {
	Lease  int64  `json:"lease"`  // lease id in the store
	BootID string `json:"bootID"` // /proc/sys/kernel/random/boot_id
}

// IsZero tells whether s names no session at all.
func (s Session) IsZero() bool { return s == Session{} }

// String is the form for logs: lease in hexadecimal, a dot, the first 8 characters of the boot id.
func (s Session) String() string {
	boot := s.BootID
	if len(boot) > 8 {
		boot = boot[:8]
	}
	return fmt.Sprintf("%s.%s", strconv.FormatInt(s.Lease, 16), boot)
}

// Machine is a host that is present. The host itself writes it, bound to the
// lease of its session: when the lease ends the record is gone.
type Machine struct {
	ID       MachineID
	Session  Session
	Address  string            // IP address at which people and tools reach the host
	API      string            // URL at which its fleetd serves the API over TCP; empty: only on the host itself
	Metadata map[string]string // from the host's own configuration
	Capacity Capacity
	Version  string    // version of fleetd, semantic versioning
	Since    time.Time // when the session began, the host's clock

	// Attends tells that the machine's fleetd keeps a record of its Agent while it serves. Of one that does not,
	// because it is older, that there is no such record says nothing.
	Attends bool
	// Fence is what guards units that say AtMostOnce; zero: they cannot run here.
	Fence Fence
	// Leaving tells that the host is being shut down: its units are to be handed over as if it were drained.
	Leaving bool
}

// Fence are the times by which a machine's fence ends the units that are bound to it, counted from when the last
// renewal of the machine's lease was sent: Renewal, then Watchdog, then Kill. Their sum is less than TTL.
type Fence struct {
	TTL      time.Duration // of the machine's lease
	Renewal  time.Duration // how long a renewal may be under way and still count
	Watchdog time.Duration // how long systemd waits for the next before it ends the fence
	Kill     time.Duration // how long a unit may take to stop before it is killed
}

// Check tells whether a unit is certain to be gone before another machine may start it.
func (f Fence) Check() error {
	sum := f.Renewal + f.Watchdog + f.Kill
	if f.Renewal <= 0 || f.Watchdog <= 0 || f.Kill < 0 || sum >= f.TTL {
		return fmt.Errorf("renewal %s + watchdog %s + kill %s = %s is not less than the lease of %s", f.Renewal, f.Watchdog, f.Kill, sum, f.TTL)
	}
	return nil
}

// Agent is a fleetd that serves its machine. It writes the record itself, bound to a lease of its own: when fleetd
// has gone, in whatever way, so has the record, while the machine's session lives on as long as its fence renews it.
type Agent struct {
	Machine MachineID
	Session Session   // of the machine
	Since   time.Time // when this fleetd began to serve, the host's clock
}

// Absence is a machine that is not as it should be, since when, and what was last known of it. The engine writes it
// when it finds the machine silent or gone, and removes it when the machine is back or forgotten.
type Absence struct {
	Machine MachineID
	State   MachineState // Silent, Lost or Left
	Since   time.Time    // the engine's clock
	Session Session      // the one that fell silent, or ended

	Address  string
	Metadata map[string]string
	Version  string
}

// Capacity is what a machine offers to units: what it has, less what is kept for the host.
type Capacity struct {
	MaxUnits int // most units the machine accepts at one time; 0: no limit
	unit.Resources
	PhysicalMemory int64 // bytes that the machine has, the host's own included: what MemoryMax=50% is half of
}

// Settings are what an operator lays over a machine's own record. They outlive
// the machine's presence. The API writes them.
type Settings struct {
	// Metadata overlays the machine's own: a nil value hides the key.
	Metadata map[string]*string
	// Cordoned: the machine is given no further units. What is there stays.
	Cordoned      bool
	CordonedSince time.Time // zero: not known
	// Drain: the machine is given no further units, and what is there goes elsewhere. Nil: it is not drained.
	Drain *Drain
	// Forget has the engine remove all records of a machine that is not present, if it was last known by the session Forgets: a
	// request that came when the machine was just coming back is not carried out when it is lost another time. That is the zero
	// session if it was known by none. Nil: by whichever; an older fleetd was asked.
	Forget  bool
	Forgets *Session
	// Capacity overlays the machine's own, by resource: unit.Memory, …, unit.Slots, or a named one.
	Capacity map[string]int64
}

// Drain is an operator's request to empty a machine.
type Drain struct {
	Since time.Time
	// Boot is the boot id in which the machine is drained, to be rebooted when it is empty; under another
	// boot id the drain is over. Empty: until somebody ends it.
	Boot string
}

// Draining tells whether the units of the machine are to go elsewhere.
func (s Settings) Draining(m Machine) bool {
	return m.Leaving || s.Drain != nil && (s.Drain.Boot == "" || s.Drain.Boot == m.Session.BootID)
}

// Closed tells whether the machine is to be given no further units.
func (s Settings) Closed(m Machine) bool { return s.Cordoned || s.Draining(m) }

// Limit returns the capacity that placement sees: the machine's own with the operator's settings
// laid over it. Neither argument is changed.
func (s Settings) Limit(own Capacity) Capacity {
	if len(s.Capacity) == 0 {
		return own
	}
	own.Named = maps.Clone(own.Named)
	for name, amount := range s.Capacity {
		switch name {
		case unit.Memory:
			own.Memory = amount
		case unit.CPU:
			own.CPU = amount
		case unit.Disk:
			own.Disk = amount
		case unit.Slots:
			own.MaxUnits = int(amount)
		default:
			if own.Named == nil {
				own.Named = make(map[string]int64)
			}
			own.Named[name] = amount
		}
	}
	return own
}

// Overlay returns the metadata that placement sees: the machine's own with the
// operator's settings laid over it. Neither argument is changed.
func (s Settings) Overlay(own map[string]string) map[string]string {
	out := make(map[string]string, len(own)+len(s.Metadata))
	maps.Copy(out, own)
	for key, value := range s.Metadata {
		if value == nil {
			delete(out, key)
			continue
		}
		out[key] = *value
	}
	return out
}
