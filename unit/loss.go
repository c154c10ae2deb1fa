package unit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OnLost is what becomes of a unit whose machine is lost.
type OnLost string

// The answers. An empty OnLost is what the cluster's setting says.
const (
	Replace OnLost = "replace" // it is started elsewhere
	Wait    OnLost = "wait"    // it waits for its machine to return, or to be forgotten
)

// ParseOnLost reads one of the two words.
func ParseOnLost(s string) (OnLost, error) {
	switch o := OnLost(s); o {
	case Replace, Wait:
		return o, nil
	}
	return "", fmt.Errorf("%s is neither replace nor wait", excerpt(s))
}

// HandOver is in which order a unit that goes to another machine stops and starts.
type HandOver string

// The orders. An empty HandOver is StartFirst, of a unit that says AtMostOnce StopFirst.
const (
	StartFirst HandOver = "start-first" // there are two copies for a moment
	StopFirst  HandOver = "stop-first"  // there is none for a moment
)

// maxReplaceAfter bounds ReplaceAfter=, so that sums with times cannot overflow.
const maxReplaceAfter = 365 * 24 * time.Hour

func addAtMostOnce(r *Rules, v value) (err error) {
	r.AtMostOnce, err = parseBool(v.text)
	return err
}

func addOnFence(r *Rules, v value) error {
	switch v.text {
	case "stop", "freeze":
		r.Freeze = v.text == "freeze"
		return nil
	}
	return fmt.Errorf("%s is neither stop nor freeze", excerpt(v.text))
}

func addOnLost(r *Rules, v value) (err error) {
	r.OnLost, err = ParseOnLost(v.text)
	return err
}

func addReplaceAfter(r *Rules, v value) error {
	after, err := ParseSpan(v.text)
	if err != nil {
		return err
	}
	if after > maxReplaceAfter {
		return fmt.Errorf("%s is more than a year", excerpt(v.text))
	}
	r.ReplaceAfter = &after
	return nil
}

func addHandOver(r *Rules, v value) error {
	switch h := HandOver(v.text); h {
	case StartFirst, StopFirst:
		r.HandOver = h
		return nil
	}
	return fmt.Errorf("%s is neither start-first nor stop-first", excerpt(v.text))
}

func addMaxUnavailable(r *Rules, v value) error {
	text, percent := strings.CutSuffix(v.text, "%")
	most := uint64(1 << 30)
	if percent {
		most = 100
	}
	n, err := parseWithin(text, 1, most)
	if err != nil {
		return fmt.Errorf("%s is neither a number of at least 1 nor a percentage from 1%% to 100%%", excerpt(v.text))
	}
	r.MaxUnavailable = Share{N: n, Percent: percent}
	return nil
}

// Share is a number, or a percentage. The zero value is 1.
type Share struct {
	N       int
	Percent bool
}

// Of is how many of a total that is: at least 1.
func (s Share) Of(total int) int {
	if s.Percent {
		return max(1, total*s.N/100)
	}
	return max(1, s.N)
}

// StopsFirst tells whether the unit stops on one machine before it starts on another.
func (r *Rules) StopsFirst() bool { return r.AtMostOnce || r.HandOver == StopFirst }

// FenceService is the service to which units that say AtMostOnce are bound.
const FenceService Name = "fleet-fence.service"

// fencible are the types of units that can say AtMostOnce: what they are is processes, and what starts them. Whether
// a file system is still mounted or a slice still populated is not for a fence to end.
var fencible = []Type{Service, Socket, Timer, Path, Target}

// Fencible tells whether units of this type can say AtMostOnce.
func (t Type) Fencible() bool { return slices.Contains(fencible, t) }
