package unit

import (
	"fmt"
	"strings"
)

// exclusive are the keys that cannot stand together. A unit with one machine to run on, or that
// runs on all of them, has no choice of machines that the last four could steer.
var exclusive = [][2]string{
	{keyMachineID, keyMachineOf},
	{keyMachineID, keyConflicts},
	{keyMachineID, keyGlobal},
	{keyMachineID, keyReplaces},
	{keyGlobal, keyMachineOf},
	{keyGlobal, keyReplaces},
	{keyConflicts, keyReplaces},
	{keyMachineID, keyPrefer},
	{keyMachineID, keySpread},
	{keyMachineID, keyStrategy},
	{keyMachineID, keyReschedule},
	{keyGlobal, keyPrefer},
	{keyGlobal, keySpread},
	{keyGlobal, keyStrategy},
	{keyGlobal, keyReschedule},
}

// combine looks for rules that cannot be met together, in the words of fleet 1
// where it had them.
func (b *rulesBuilder) combine() {
	r := b.rules
	for _, peer := range r.MachineOf {
		if strings.Contains(string(peer), "%") {
			continue // of a template: known once there is an instance
		}
		for _, g := range r.Conflicts {
			if g.Match(peer) {
				b.clash(keyMachineOf, keyConflicts, fmt.Sprintf("unresolvable requirements: peer %q matches conflict %s", peer, excerpt(string(g))))
			}
		}
		for _, g := range r.Replaces {
			if g.Match(peer) {
				b.clash(keyMachineOf, keyReplaces, fmt.Sprintf("unresolvable requirements: peer %q matches replace %s", peer, excerpt(string(g))))
			}
		}
	}
	if x, y, found := contradiction(r.Metadata); found {
		b.clash(keyMetadata, keyMetadata, fmt.Sprintf("no machine can meet both %s and %s", excerpt(x.String()), excerpt(y.String())))
	}
	given := map[string]bool{
		keyMachineID:  r.MachineID != "",
		keyMachineOf:  len(r.MachineOf) > 0,
		keyConflicts:  len(r.Conflicts) > 0,
		keyReplaces:   len(r.Replaces) > 0,
		keyGlobal:     r.Global,
		keyPrefer:     len(r.Prefer) > 0,
		keySpread:     len(r.Spread) > 0,
		keyStrategy:   r.Strategy != "",
		keyReschedule: r.Reschedule,
	}
	for _, pair := range exclusive {
		if given[pair[0]] && given[pair[1]] {
			b.clash(pair[0], pair[1], fmt.Sprintf("%s cannot be used with %s", pair[0], pair[1]))
		}
	}
}

// clash reports two keys at the later of them.
func (b *rulesBuilder) clash(key, other, msg string) {
	if b.lines[other] > b.lines[key] {
		key = other
	}
	b.report(&SyntaxError{Line: b.lines[key], Section: FleetSection, Key: key, Msg: msg})
}
