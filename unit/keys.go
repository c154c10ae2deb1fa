package unit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// key is one key of [X-Fleet]. A new one is a new entry of keys, a field of
// Rules, and its forbidden combinations in combine.
type key struct {
	name       string
	legacy     []string                       // spellings of older fleets that mean the same
	modernWins bool                           // legacy spellings count only where the modern one is absent
	hidden     bool                           // never suggested
	split      func(string) ([]string, error) // a value into its words
	add        func(*Rules, value) error      // one word into the rules
}

// value is one word of a value.
type value struct {
	text string // specifiers expanded: what is checked
	keep string // what the rules say; differs from text only in a template
	unit Name   // whose rules these are; for text that depends on the instance, some instance
}

const (
	keyMachineID = "MachineID"
	keyMachineOf = "MachineOf"
	keyMetadata  = "MachineMetadata"
	keyConflicts = "Conflicts"
	keyReplaces  = "Replaces"
	keyGlobal    = "Global"
)

var keys = []key{
	{name: keyMachineID, legacy: []string{"X-ConditionMachineID"}, modernWins: true, split: words, add: addMachineID},
	{name: keyMachineOf, legacy: []string{"X-ConditionMachineOf"}, split: nameWords, add: addMachineOf},
	{name: keyMetadata, legacy: []string{"X-ConditionMachineMetadata"}, split: requirementWords, add: addMetadata},
	{name: keyConflicts, legacy: []string{"X-Conflicts"}, split: nameWords, add: addConflicts},
	{name: keyReplaces, split: nameWords, add: addReplaces},
	{name: keyGlobal, split: words, add: addGlobal},
	{name: "X-ConditionMachineBootID", hidden: true, split: words, add: refuseBootID},
}

func addMachineID(r *Rules, v value) error {
	if v.text == "" || strings.ContainsAny(v.text, space) {
		return fmt.Errorf("%s is no machine id", excerpt(v.text))
	}
	if r.MachineID != "" && r.MachineID != v.keep {
		return fmt.Errorf("%s is a second machine id after %s, but a unit runs on one machine", excerpt(v.keep), excerpt(r.MachineID))
	}
	r.MachineID = v.keep
	return nil
}

func addMachineOf(r *Rules, v value) error {
	peer, err := parseWritten(v.text)
	if err != nil {
		return err
	}
	if peer.IsTemplate() {
		return fmt.Errorf("%s is a template, which never runs; name an instance of it", peer)
	}
	if peer == v.unit {
		return errors.New("the unit cannot require itself")
	}
	if !slices.Contains(r.MachineOf, Name(v.keep)) {
		r.MachineOf = append(r.MachineOf, Name(v.keep))
	}
	return nil
}

// parseWritten is ParseName with a hint for who forgot the type.
func parseWritten(s string) (Name, error) {
	n, err := ParseName(s)
	if err == nil {
		return n, nil
	}
	if meant, other := ParseName(Complete(s)); other == nil {
		return "", fmt.Errorf("%w; did you mean %s?", err, meant)
	}
	return "", err
}

func addMetadata(r *Rules, v value) error {
	if _, err := parseRequirement(v.text); err != nil {
		return err
	}
	requirement, err := parseRequirement(v.keep)
	if err != nil {
		return err
	}
	r.Metadata = mergeRequirement(r.Metadata, requirement)
	return nil
}

func addConflicts(r *Rules, v value) (err error) {
	r.Conflicts, err = addGlob(r.Conflicts, v)
	return err
}

func addReplaces(r *Rules, v value) (err error) {
	r.Replaces, err = addGlob(r.Replaces, v)
	return err
}

func addGlob(globs []Glob, v value) ([]Glob, error) {
	if err := Glob(v.text).check(); err != nil {
		return globs, err
	}
	if slices.Contains(globs, Glob(v.keep)) {
		return globs, nil
	}
	return append(globs, Glob(v.keep)), nil
}

// addGlobal takes the words of fleet 1 and of systemd. The last one counts.
func addGlobal(r *Rules, v value) error {
	switch strings.ToLower(v.text) {
	case "true", "yes", "1", "on", "t", "y":
		r.Global = true
	case "false", "no", "0", "off", "f", "n":
		r.Global = false
	default:
		return fmt.Errorf("%s is neither true nor false", excerpt(v.text))
	}
	return nil
}

func refuseBootID(*Rules, value) error {
	return errors.New("machines are not known by their boot ids; use " + keyMachineID)
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
	id, peers := r.MachineID != "", len(r.MachineOf) > 0
	conflicts, replaces := len(r.Conflicts) > 0, len(r.Replaces) > 0
	for _, c := range []struct {
		both       bool
		key, other string
		msg        string
	}{
		{id && peers, keyMachineID, keyMachineOf, "MachineID cannot be used with MachineOf"},
		{id && conflicts, keyMachineID, keyConflicts, "MachineID cannot be used with Conflicts"},
		{id && r.Global, keyMachineID, keyGlobal, "MachineID cannot be used with Global"},
		{id && replaces, keyMachineID, keyReplaces, "MachineID cannot be used with Replaces"},
		{r.Global && peers, keyGlobal, keyMachineOf, "Global cannot be used with MachineOf"},
		{r.Global && replaces, keyGlobal, keyReplaces, "Global cannot be used with Replaces"},
		{conflicts && replaces, keyConflicts, keyReplaces, "Conflicts cannot be used with Replaces"},
	} {
		if c.both {
			b.clash(c.key, c.other, c.msg)
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
