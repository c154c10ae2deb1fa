package unit

import (
	"fmt"
	"slices"
	"strings"
)

// Op is what a Requirement asks about the metadata of a machine.
type Op string

const (
	OpEqual    Op = "="  // the key has one of the values
	OpNotEqual Op = "!=" // the key has none of the values, or the machine does not have it
	OpExists   Op = "?"  // the machine has the key, with whatever value
	OpAbsent   Op = "!"  // the machine does not have the key
)

// Requirement is what a unit demands of one metadata key of its machine.
type Requirement struct {
	Key    string
	Op     Op
	Values []string // at least one for OpEqual and OpNotEqual, none otherwise
}

// Match tells whether a machine with this metadata meets the requirement.
// Comparison is exact.
func (r Requirement) Match(metadata map[string]string) bool {
	value, exists := metadata[r.Key]
	switch r.Op {
	case OpEqual:
		return exists && slices.Contains(r.Values, value)
	case OpNotEqual:
		return !exists || !slices.Contains(r.Values, value)
	case OpExists:
		return exists
	case OpAbsent:
		return !exists
	}
	return false
}

// String is the requirement as a person would say it: "disk=ssd or disk=nvme",
// "zone!=a and zone!=b", "gpu", "!gpu".
func (r Requirement) String() string {
	switch r.Op {
	case OpExists:
		return r.Key
	case OpAbsent:
		return "!" + r.Key
	}
	between := " or "
	if r.Op == OpNotEqual {
		between = " and "
	}
	terms := make([]string, len(r.Values))
	for i, v := range r.Values {
		terms[i] = r.Key + string(r.Op) + v
	}
	return strings.Join(terms, between)
}

// ParseRequirement reads one requirement as MachineMetadata= has it, and refuses what can never be met.
func ParseRequirement(s string) (Requirement, error) { return parseRequirement(strings.Trim(s, space)) }

// parseRequirement reads key=value, key!=value, key, !key, key in (a, b) or key
// notin (a, b). The first "=" ends the key, so a value may have more of them.
func parseRequirement(s string) (Requirement, error) {
	if r, is, err := parseSet(s); is {
		return r, err
	}
	key, value, found := strings.Cut(s, "=")
	r := Requirement{Key: key}
	switch {
	case !found && strings.HasPrefix(s, "!"):
		r.Op, r.Key = OpAbsent, s[1:]
	case !found:
		r.Op = OpExists
	case strings.HasSuffix(key, "!"):
		r.Op, r.Key, r.Values = OpNotEqual, key[:len(key)-1], []string{value}
	default:
		r.Op, r.Values = OpEqual, []string{value}
	}
	switch {
	case r.Key == "":
		return r, fmt.Errorf("%s has no key; a requirement %s", excerpt(s), requirementForms)
	case found && value == "":
		return r, fmt.Errorf("%s has no value; a requirement %s", excerpt(s), requirementForms)
	case strings.TrimSpace(r.Key) != r.Key || strings.TrimSpace(value) != value:
		return r, fmt.Errorf("%s has white space around a key or value", excerpt(s))
	}
	return r, r.checkKey(s)
}

const requirementForms = "must be key=value, key!=value, key, !key, key in (a, b) or key notin (a, b)"

func (r Requirement) checkKey(written string) error {
	if strings.ContainsAny(r.Key, "!<>") {
		return fmt.Errorf("%s: a key cannot have any of \"!<>\"; a requirement %s", excerpt(written), requirementForms)
	}
	return nil
}

// parseSet reads key in (a, b) and key notin (a, b), if s is meant as one of them.
func parseSet(s string) (r Requirement, is bool, err error) {
	key, rest := cutWord(s, space)
	word, list := cutWord(rest, space+"(")
	if !setWord(word) || strings.Contains(key, "=") {
		return r, false, nil
	}
	if key == "" {
		return r, true, fmt.Errorf("%s has no key; a requirement %s", excerpt(s), requirementForms)
	}
	r = Requirement{Key: key, Op: OpEqual}
	if word == "notin" {
		r.Op = OpNotEqual
	}
	list, opened := strings.CutPrefix(list, "(")
	list, closed := strings.CutSuffix(list, ")")
	if !opened || !closed || strings.ContainsAny(list, "()") {
		return r, true, fmt.Errorf("%s: a set is written %s %s (a, b), with the parentheses", excerpt(s), shorten(key), word)
	}
	for value := range strings.SplitSeq(list, ",") {
		value = strings.Trim(value, space)
		if value == "" {
			return r, true, fmt.Errorf("%s has an empty value", excerpt(s))
		}
		if !slices.Contains(r.Values, value) {
			r.Values = append(r.Values, value)
		}
	}
	return r, true, r.checkKey(s)
}

func setWord(s string) bool { return s == "in" || s == "notin" }

// cutWord splits s before the first of the characters that end a word, and drops white space after it.
func cutWord(s, ends string) (word, rest string) {
	end := strings.IndexAny(s, ends)
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], space)
}

// mergeRequirement adds r to what is demanded already. Values of one key are
// alternatives wherever they were written, so they become one Requirement.
func mergeRequirement(all []Requirement, r Requirement) []Requirement {
	for i := range all {
		if all[i].Key != r.Key || all[i].Op != r.Op {
			continue
		}
		for _, v := range r.Values {
			if !slices.Contains(all[i].Values, v) {
				all[i].Values = append(all[i].Values, v)
			}
		}
		return all
	}
	return append(all, r)
}

// contradiction finds two requirements that no machine can meet together.
func contradiction(all []Requirement) (a, b Requirement, found bool) {
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.Key == b.Key && (excludes(a, b) || excludes(b, a)) {
				return a, b, true
			}
		}
	}
	return a, b, false
}

// excludes tells whether meeting a rules out b, both about the same key.
func excludes(a, b Requirement) bool {
	switch a.Op {
	case OpAbsent:
		return b.Op == OpExists || b.Op == OpEqual
	case OpNotEqual:
		return b.Op == OpEqual && !slices.ContainsFunc(b.Values, func(v string) bool {
			return !slices.Contains(a.Values, v)
		})
	}
	return false
}
