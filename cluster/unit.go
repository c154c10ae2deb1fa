package cluster

import (
	"fmt"

	"fleet/unit"
)

// DesiredState is what a user wants of a unit. The words are those of fleet's v1 API.
type DesiredState string

// The three states a user can ask for.
const (
	Inactive DesiredState = "inactive" // stored, on no machine
	Loaded   DesiredState = "loaded"   // on a machine and known to its systemd, not running
	Launched DesiredState = "launched" // on a machine and started
)

// ParseDesiredState reads one of the three words.
func ParseDesiredState(s string) (DesiredState, error) {
	switch d := DesiredState(s); d {
	case Inactive, Loaded, Launched:
		return d, nil
	}
	return "", fmt.Errorf("invalid desired state %q: expect inactive, loaded or launched", s)
}

// Unit is a unit as its users want it. The API writes it, for a user.
type Unit struct {
	Name    unit.Name
	Content unit.ContentID
	Desired DesiredState

	// Global repeats what the file's [X-Fleet] section says: one copy on every
	// eligible machine. It is stored so that readers need not parse the file.
	Global bool

	// Generation grows by one or more with every request that concerns the unit.
	// The first generation of a record is greater than the store's revision
	// when it was made, hence than any generation of an earlier unit of the same name.
	Generation int64

	// Restart is the generation of the last request to restart the unit, 0 if there was none.
	Restart int64

	// Move is the generation of the last request to move the unit, 0 if there was none, and
	// MoveTo the machine it was asked to move to; empty for whichever is best but the present one.
	Move   int64
	MoveTo MachineID

	// Revision is the store's revision of the last write of this record. It is not stored in it.
	Revision int64
}
