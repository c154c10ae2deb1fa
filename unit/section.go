package unit

import (
	"slices"
	"strings"
)

// fleetSection is what is known of [X-Fleet] without the name of a unit. It is found out
// once for a file, because the rules of one file are read for many units.
type fleetSection struct {
	given    []givenKey // in the order of keys
	mistakes []*SyntaxError
	shared   bool // SharedRules
}

// givenKey is a key with the assignments that count for it.
type givenKey struct {
	key int // index in keys
	all []assignment
}

// SharedRules tells that Rules says the same for all names of one type, but for those of templates:
// nothing in [X-Fleet] depends on the name. It costs nothing, so that whoever keeps many units of one
// file can read its rules once for each type. It may be false although they are the same.
func (f *File) SharedRules() bool { return f.fleet.shared }

func readSection(headers []header, all []assignment) fleetSection {
	s := fleetSection{shared: true}
	for _, h := range headers {
		if h.section != FleetSection && distance(letters(h.section), letters(FleetSection)) <= 1 {
			s.report(&SyntaxError{
				Line: h.line, Section: h.section, Msg: "unknown section; did you mean [" + FleetSection + "]?",
			})
		}
	}
	for key, given := range s.group(all) {
		if len(given) == 0 {
			continue
		}
		s.given = append(s.given, givenKey{key, given})
		s.shared = s.shared && !keys[key].dependsOnName(given)
	}
	return s
}

// group returns the assignments that count for each of the known keys, by its index.
func (s *fleetSection) group(all []assignment) [][]assignment {
	given := make([][]assignment, len(keys))
	for _, a := range all {
		if a.section != FleetSection {
			continue
		}
		i, known := findKey(a.key)
		switch {
		case a.ignored:
			s.fail(a, "not UTF-8")
		case !known:
			s.fail(a, unknownKey(a.key))
		case a.value == "":
			given[i] = nil
		default:
			given[i] = append(given[i], a)
		}
	}
	for i, k := range keys {
		if k.modernWins {
			given[i] = dropLegacy(k, given[i])
		}
	}
	return given
}

func dropLegacy(k key, all []assignment) []assignment {
	var modern []assignment
	for _, a := range all {
		if a.key == k.name {
			modern = append(modern, a)
		}
	}
	if modern == nil {
		return all
	}
	return modern
}

// dependsOnName looks for specifiers, and for MachineOf, which may not name the unit itself.
func (k key) dependsOnName(given []assignment) bool {
	return k.name == keyMachineOf || !k.plain && slices.ContainsFunc(given, func(a assignment) bool {
		return strings.Contains(a.value, "%")
	})
}

func (s *fleetSection) fail(a assignment, msg string) {
	s.report(&SyntaxError{Line: a.line, Section: FleetSection, Key: a.key, Msg: msg})
}

func (s *fleetSection) report(mistake *SyntaxError) {
	if len(s.mistakes) < maxMistakes {
		s.mistakes = append(s.mistakes, mistake)
	}
}
