package journal

import "time"

// All asks for all entries there are.
const All = -1

// Query selects entries about one unit in the journal of one machine.
type Query struct {
	Lines int       // the last so many, or All
	Since time.Time // zero: from the beginning
	Until time.Time // zero: to the end

	// Placed asks for what was written since the unit was put on the machine, by the machine's own clock.
	Placed bool
	// After is the cursor of an entry: those behind it are asked for, whatever Since and Placed say.
	After string
	// Follow waits for further entries, until whoever asks has enough.
	Follow bool
	// Sync first waits for journald to have written down what it was told until now.
	Sync bool
}
