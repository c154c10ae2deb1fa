package main

import (
	"fmt"

	"fleet/unit"
)

// longestExact is the longest amount that people read at a glance: "22.25G", "4080M".
const longestExact = 6

// roughly is an amount for people: exactly if that is short, otherwise to three digits, as "232G" for "243240564K".
func roughly(resource string, amount int64) string {
	exact := unit.FormatAmount(resource, amount)
	if len(exact) <= longestExact || resource != unit.Memory && resource != unit.Disk {
		return exact
	}
	size, suffix := float64(amount), "B"
	for _, next := range []string{"K", "M", "G", "T", "P"} {
		if size < 999.5 { // what would be rounded to 1000
			break
		}
		size, suffix = size/1024, next
	}
	return fmt.Sprintf("%.3g%s", size, suffix)
}
