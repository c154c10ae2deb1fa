package cluster

import (
	"slices"
	"time"
)

// Failures is where a unit with Reschedule=on-failure has failed since a user last asked anything of
// it, and what is next. The engine writes it, and removes it when it has no more to say.
type Failures struct {
	Generation int64     // Unit.Generation whose attempts these are; a younger request starts anew
	Tries      []Try     // oldest first; at most MaxTries
	Next       time.Time // not to be placed again before; zero: at once
	Parked     bool      // it is not tried again until somebody asks for it
}

// Try is one attempt to run a unit that systemd has given up.
type Try struct {
	Machine    MachineID
	At         time.Time // when the engine saw it, the engine's clock
	Result     string    // systemd's word: exit-code, start-limit-hit, …
	ExitStatus int
}

// MaxTries is how often a unit is tried before it is parked.
const MaxTries = 10

// Equal tells whether the two say the same.
func (f Failures) Equal(o Failures) bool {
	same := func(a, b Try) bool {
		sameTime := a.At.Equal(b.At)
		a.At, b.At = time.Time{}, time.Time{}
		return sameTime && a == b
	}
	return f.Generation == o.Generation && f.Next.Equal(o.Next) && f.Parked == o.Parked && slices.EqualFunc(f.Tries, o.Tries, same)
}
