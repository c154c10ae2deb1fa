package unit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// key is one key of [X-Fleet]. A new one is a new entry of keys, a field of
// Rules, and its forbidden combinations in exclusive.
type key struct {
	name       string
	legacy     []string                       // spellings of older fleets that mean the same
	modernWins bool                           // legacy spellings count only where the modern one is absent
	hidden     bool                           // never suggested
	plain      bool                           // "%" is a percent sign, not the start of a specifier
	split      func(string) ([]string, error) // a value into its words
	add        func(*Rules, value) error      // one word into the rules
}

// value is one word of a value.
type value struct {
	text string // specifiers expanded: what is checked
	keep string // what the rules say; differs from text only in a template
	unit Name   // whose rules these are; for text that depends on the instance, some instance
}

// maxPriority is the greatest Rules.Priority.
const maxPriority = 1000

const (
	keyMachineID = "MachineID"
	keyMachineOf = "MachineOf"
	keyMetadata  = "MachineMetadata"
	keyConflicts = "Conflicts"
	keyReplaces  = "Replaces"
	keyGlobal    = "Global"

	keyMemoryReserve = "MemoryReserve"
	keyCPUReserve    = "CPUReserve"
	keyDiskReserve   = "DiskReserve"
	keyReserve       = "Reserve"

	keyPrefer     = "PreferMetadata"
	keySpread     = "Spread"
	keyStrategy   = "Strategy"
	keyPriority   = "Priority"
	keyPreempt    = "Preempt"
	keyMovable    = "Movable"
	keyReschedule = "Reschedule"

	keyAtMostOnce     = "AtMostOnce"
	keyOnFence        = "OnFence"
	keyOnLost         = "OnLost"
	keyReplaceAfter   = "ReplaceAfter"
	keyHandOver       = "HandOver"
	keyMaxUnavailable = "MaxUnavailable"
)

var keys = []key{
	{name: keyMachineID, legacy: []string{"X-ConditionMachineID"}, modernWins: true, split: words, add: addMachineID},
	{name: keyMachineOf, legacy: []string{"X-ConditionMachineOf"}, split: nameWords, add: addMachineOf},
	{name: keyMetadata, legacy: []string{"X-ConditionMachineMetadata"}, split: requirementWords, add: addMetadata},
	{name: keyConflicts, legacy: []string{"X-Conflicts"}, split: nameWords, add: addConflicts},
	{name: keyReplaces, split: nameWords, add: addReplaces},
	{name: keyGlobal, split: words, add: addGlobal},
	{name: keyMemoryReserve, plain: true, split: whole, add: addMemoryReserve},
	{name: keyCPUReserve, plain: true, split: whole, add: addCPUReserve},
	{name: keyDiskReserve, plain: true, split: whole, add: addDiskReserve},
	{name: keyReserve, plain: true, split: words, add: addReserve},
	{name: keyPrefer, split: preferenceWords, add: addPreference},
	{name: keySpread, plain: true, split: words, add: addSpread},
	{name: keyStrategy, plain: true, split: whole, add: addStrategy},
	{name: keyPriority, plain: true, split: whole, add: addPriority},
	{name: keyPreempt, plain: true, split: whole, add: addPreempt},
	{name: keyMovable, plain: true, split: whole, add: addMovable},
	{name: keyReschedule, plain: true, split: whole, add: addReschedule},
	{name: keyAtMostOnce, plain: true, split: whole, add: addAtMostOnce},
	{name: keyOnFence, plain: true, split: whole, add: addOnFence},
	{name: keyOnLost, plain: true, split: whole, add: addOnLost},
	{name: keyReplaceAfter, plain: true, split: whole, add: addReplaceAfter},
	{name: keyHandOver, plain: true, split: whole, add: addHandOver},
	{name: keyMaxUnavailable, plain: true, split: whole, add: addMaxUnavailable},
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

// addGlobal is one of the switches of which the last word counts.
func addGlobal(r *Rules, v value) (err error) {
	r.Global, err = parseBool(v.text)
	return err
}

func addPriority(r *Rules, v value) (err error) {
	r.Priority, err = parseWithin(v.text, 0, maxPriority)
	return err
}

func addPreempt(r *Rules, v value) error {
	preempt, err := parseBool(v.text)
	r.Kept = !preempt
	return err
}

func addMovable(r *Rules, v value) error {
	movable, err := parseBool(v.text)
	r.Fixed = !movable
	return err
}

func addReschedule(r *Rules, v value) error {
	switch v.text {
	case "on-failure":
		r.Reschedule = true
	case "no":
		r.Reschedule = false
	default:
		return fmt.Errorf("%s is neither on-failure nor no", excerpt(v.text))
	}
	return nil
}

// parseBool takes the words of fleet 1 and of systemd.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "1", "on", "t", "y":
		return true, nil
	case "false", "no", "0", "off", "f", "n":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", excerpt(s))
}

func parseWithin(s string, least, most uint64) (int, error) {
	n, err := parseCount(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is no whole number from %d to %d", excerpt(s), least, most)
	}
	return int(n), nil
}

func refuseBootID(*Rules, value) error {
	return errors.New("machines are not known by their boot ids; use " + keyMachineID)
}
