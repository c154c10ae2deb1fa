package unit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FleetSection is the section of a unit file that speaks to fleet.
const FleetSection = "X-Fleet"

// MaxValues bounds what one key may list, as every rule costs the engine time
// for every machine.
const MaxValues = 1000

// Rules is what a unit demands of a machine: its [X-Fleet] section, and in Needs
// what the section of its own type limits it to. The zero value demands nothing.
//
// In the rules of a template, a value with a specifier that depends on the
// instance (%i %n %N) stands as written, all of its specifiers included: such
// rules are for showing, not for placing, as a template never runs.
type Rules struct {
	MachineID string        // run only on this machine; compare with MatchMachineID
	MachineOf []Name        // run only where all of these are placed
	Metadata  []Requirement // run only on machines that meet all of these; at most one for each key and Op
	Conflicts []Glob        // never share a machine with a unit that matches one of these
	Replaces  []Glob        // take the place of units that match one of these
	Global    bool          // run on every machine that the other rules allow

	Needs  Needs        // what it reserves on its machine
	Prefer []Preference // metadata that it would rather have; the weights of what a machine meets are added up
	Spread []Spread     // over what the instances of its template are spread, most important first
	// Strategy is how it chooses among the machines that fit; empty: as the cluster does.
	Strategy Strategy
	Priority int  // 0-1000: a unit that does not fit may displace units of lower priority
	Kept     bool // Preempt=no: it is never displaced
	Fixed    bool // Movable=no: it is never moved for the sake of others or of balance
	// Reschedule tells that it is tried on other machines after systemd has given it up (Reschedule=on-failure).
	Reschedule bool

	// AtMostOnce tells that it must never run on two machines at a time: it is bound to its machine's fence.
	AtMostOnce bool
	Freeze     bool   // OnFence=freeze: it is frozen while its fence waits for a renewal
	OnLost     OnLost // what becomes of it when its machine is lost; empty: as the cluster's setting says
	// ReplaceAfter is how long its machine has to be lost before it is started elsewhere; nil: as the cluster's setting says.
	ReplaceAfter   *time.Duration
	HandOver       HandOver // see StopsFirst
	MaxUnavailable Share    // how many instances of its template may be down at a time because of a drain
}

// MatchMachineID tells whether a MachineID= rule means the machine with this
// id: it is all of the id, or its first 8 characters.
func MatchMachineID(rule, id string) bool {
	return rule == id || len(rule) == 8 && strings.HasPrefix(id, rule)
}

// Rules reads what the file demands of a machine for the unit named n, whose
// parts the specifiers stand for: its [X-Fleet] section, and the limits in the
// section of the unit's type, which it reserves. The error joins a *SyntaxError for every
// mistake in [X-Fleet], up to 32, in the order of lines.
//
// An empty assignment drops what the key, in any of its spellings, said before.
func (f *File) Rules(n Name) (Rules, error) {
	b := rulesBuilder{unit: n, instance: n, lines: map[string]int{}}
	if n.IsTemplate() {
		// It cannot fail but for a name so long that it can have no instances.
		instance, err := n.WithInstance("i")
		if err != nil {
			return Rules{}, fmt.Errorf("rules of template %s: %w", n, err)
		}
		b.instance = instance
	}
	b.mistakes = slices.Clone(f.fleet.mistakes)
	b.rules.Needs = f.ownNeeds(n.Type())
	for _, given := range f.fleet.given {
		room := MaxValues
		for _, a := range given.all {
			room -= b.read(keys[given.key], a, room)
		}
	}
	b.rules.Needs.dropZeros()
	b.combine()
	if err := join(b.mistakes); err != nil {
		return Rules{}, err
	}
	return b.rules, nil
}

type rulesBuilder struct {
	unit     Name
	instance Name // unit itself, or what stands for any instance of it while values are checked
	rules    Rules
	lines    map[string]int // key, in its modern spelling, to the line that first gave it
	mistakes []*SyntaxError
}

// read adds what one assignment says to the rules, and returns the number of its values.
func (b *rulesBuilder) read(k key, a assignment, room int) int {
	split, err := k.split(a.value)
	if err != nil {
		b.fail(a, err.Error())
		return 0
	}
	if len(split) > room {
		b.fail(a, fmt.Sprintf("more than %d values", MaxValues))
		return 0
	}
	if b.lines[k.name] == 0 {
		b.lines[k.name] = a.line
	}
	for _, written := range split {
		text, byInstance, err := written, false, error(nil)
		if !k.plain {
			text, byInstance, err = expand(written, b.instance)
		}
		if err != nil {
			b.fail(a, excerpt(written)+": "+err.Error())
			continue
		}
		v := value{text: text, keep: text, unit: b.unit}
		if byInstance && b.unit.IsTemplate() {
			v.keep, v.unit = written, b.instance
		}
		if err := k.add(&b.rules, v); err != nil {
			b.fail(a, err.Error())
		}
	}
	return len(split)
}

func (b *rulesBuilder) fail(a assignment, msg string) {
	b.report(&SyntaxError{Line: a.line, Section: FleetSection, Key: a.key, Msg: msg})
}

func (b *rulesBuilder) report(mistake *SyntaxError) {
	if len(b.mistakes) < maxMistakes {
		b.mistakes = append(b.mistakes, mistake)
	}
}
