package unit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Preference is metadata that a unit would rather have than not.
type Preference struct {
	Requirement
	Weight int // 1-1000
}

// Spread asks that the instances of a template be spread evenly.
type Spread struct {
	Key      string // a metadata key, or SpreadMachine
	MaxSkew  int    // at least 1: by how many a domain may exceed the one with the fewest
	Required bool   // rather no machine than more skew
}

// MaxSpreads is over how many keys one unit can be spread.
const MaxSpreads = 4

// SpreadMachine is the Spread.Key that stands for single machines.
const SpreadMachine = "machine"

// Strategy is how one of the machines that fit is chosen.
type Strategy string

// The strategies. A unit that reserves nothing always goes to the machine with the fewest units.
const (
	Pack         Strategy = "pack"   // the fullest
	SpreadEvenly Strategy = "spread" // the emptiest
)

// maxWeight is the greatest Preference.Weight and Spread.MaxSkew.
const maxWeight = 1000

// addPreference takes [WEIGHT:]REQUIREMENT.
func addPreference(r *Rules, v value) error {
	if _, err := parsePreference(v.text); err != nil {
		return err
	}
	p, err := parsePreference(v.keep)
	if err != nil {
		return err
	}
	same := func(o Preference) bool {
		return o.Key == p.Key && o.Op == p.Op && slices.Equal(o.Values, p.Values)
	}
	if slices.ContainsFunc(r.Prefer, same) {
		return fmt.Errorf("%s is preferred twice", excerpt(p.String()))
	}
	r.Prefer = append(r.Prefer, p)
	return nil
}

// parsePreference takes what stands before the first ":" for a weight if it could be one, or
// somebody's idea of one; a key like that can be had behind a weight.
func parsePreference(s string) (Preference, error) {
	weight := 1
	before, after, found := strings.Cut(s, ":")
	if found && strings.Trim(before, "+-.,%0123456789") == "" {
		var err error
		if weight, err = parseWithin(before, 1, maxWeight); err != nil {
			return Preference{}, fmt.Errorf("weight of %s: %w", excerpt(after), err)
		}
		s = after
	}
	requirement, err := parseRequirement(s)
	return Preference{requirement, weight}, err
}

// addSpread takes KEY[:MAXSKEW][:required].
func addSpread(r *Rules, v value) error {
	parts := strings.Split(v.text, ":")
	s := Spread{Key: parts[0], MaxSkew: 1}
	options := parts[1:]
	if n := len(options); n > 0 && options[n-1] == "required" {
		s.Required = true
		options = options[:n-1]
	}
	if len(options) > 0 {
		skew, err := parseWithin(options[0], 1, maxWeight)
		if err != nil || len(options) > 1 {
			return fmt.Errorf("%s is not KEY[:MAXSKEW][:required], such as zone, zone:2 or zone:1:required; the skew is 1-%d", excerpt(v.text), maxWeight)
		}
		s.MaxSkew = skew
	}
	if err := checkKey(s.Key); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Spread, func(o Spread) bool { return o.Key == s.Key }) {
		return fmt.Errorf("spread over %s twice", excerpt(s.Key))
	}
	if len(r.Spread) == MaxSpreads {
		return fmt.Errorf("more than %d keys to spread over", MaxSpreads)
	}
	r.Spread = append(r.Spread, s)
	return nil
}

// checkKey refuses a metadata key that no requirement could name either.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("no metadata key to spread over")
	case strings.TrimSpace(key) != key || strings.ContainsAny(key, "!<>="):
		return fmt.Errorf("%s is no metadata key", excerpt(key))
	}
	return nil
}

func addStrategy(r *Rules, v value) error {
	switch s := Strategy(v.text); s {
	case Pack, SpreadEvenly:
		r.Strategy = s
		return nil
	}
	return fmt.Errorf("%s is neither %s nor %s", excerpt(v.text), Pack, SpreadEvenly)
}
