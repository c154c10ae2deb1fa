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
	Cordoned bool
	// Capacity overlays the machine's own, by resource: unit.Memory, …, unit.Slots, or a named one.
	Capacity map[string]int64
}

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
