package unit

import (
	"fmt"
	"math"
)

// longestExact is the longest amount that people read at a glance: "22.25G", "4080M".
const longestExact = 6

// Roughly is an amount for people: exactly if that is short, otherwise to three digits, as "232G" for "243240564K".
func Roughly(resource string, amount int64) string { return rough(resource, amount, math.Round) }

// AtMost is Roughly, but never more than there is: for what somebody might take at its word and use up.
func AtMost(resource string, amount int64) string { return rough(resource, amount, math.Floor) }

// AtLeast is Roughly, but never less than there is: for what has to be enough.
func AtLeast(resource string, amount int64) string { return rough(resource, amount, math.Ceil) }

func rough(resource string, amount int64, round func(float64) float64) string {
	exact := FormatAmount(resource, amount)
	if len(exact) <= longestExact || resource != Memory && resource != Disk {
		return exact
	}
	size, suffix := float64(amount), "B"
	for _, next := range []string{"K", "M", "G", "T", "P"} {
		if math.Abs(size) < 999.5 { // what would be rounded to 1000
			break
		}
		size, suffix = size/1024, next
	}
	scale := 1.0 // of the third digit
	for ; math.Abs(size)*scale < 99.95 && scale < 1000; scale *= 10 {
	}
	return fmt.Sprintf("%.4g%s", round(size*scale)/scale, suffix)
}
