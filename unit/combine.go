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
	{keyGlobal, keyAtMostOnce},
	{keyGlobal, keyOnLost},
	{keyGlobal, keyReplaceAfter},
	{keyGlobal, keyHandOver},
	{keyGlobal, keyMaxUnavailable},
}

// combine looks for rules that cannot be met together, in the words of fleet 1
// where it had them.
func (b *rulesBuilder) combine() {
	r := &b.rules
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
	if r.Freeze && !r.AtMostOnce {
		b.clash(keyOnFence, keyOnFence, "OnFence=freeze needs AtMostOnce=yes: only such units are fenced")
	}
	if t := b.unit.Type(); r.AtMostOnce && !t.Fencible() {
		b.clash(keyAtMostOnce, keyAtMostOnce, fmt.Sprintf("a %s cannot be fenced: AtMostOnce is for services, sockets, timers, paths and targets", t))
	}
	if r.AtMostOnce && r.HandOver == StartFirst {
		b.clash(keyAtMostOnce, keyHandOver, "HandOver=start-first cannot be used with AtMostOnce: there would be two copies for a moment")
	}
	if r.OnLost == Wait && r.ReplaceAfter != nil {
		b.clash(keyOnLost, keyReplaceAfter, "ReplaceAfter cannot be used with OnLost=wait, which replaces nothing")
	}
	for _, pair := range exclusive {
		if r.says(pair[0]) && r.says(pair[1]) {
			b.clash(pair[0], pair[1], fmt.Sprintf("%s cannot be used with %s", pair[0], pair[1]))
		}
	}
}

// says tells whether the rules hold anything of one of the exclusive keys.
func (r *Rules) says(key string) bool {
	switch key {
	case keyMachineID:
		return r.MachineID != ""
	case keyMachineOf:
		return len(r.MachineOf) > 0
	case keyConflicts:
		return len(r.Conflicts) > 0
	case keyReplaces:
		return len(r.Replaces) > 0
	case keyGlobal:
		return r.Global
	case keyPrefer:
		return len(r.Prefer) > 0
	case keySpread:
		return len(r.Spread) > 0
	case keyStrategy:
		return r.Strategy != ""
	case keyReschedule:
		return r.Reschedule
	case keyAtMostOnce:
		return r.AtMostOnce
	case keyOnLost:
		return r.OnLost != ""
	case keyReplaceAfter:
		return r.ReplaceAfter != nil
	case keyHandOver:
		return r.HandOver != ""
	case keyMaxUnavailable:
		return r.MaxUnavailable != (Share{})
	}
	return false
}

// clash reports two keys at the later of them.
func (b *rulesBuilder) clash(key, other, msg string) {
	if b.lines[other] > b.lines[key] {
		key = other
	}
	b.report(&SyntaxError{Line: b.lines[key], Section: FleetSection, Key: key, Msg: msg})
}
