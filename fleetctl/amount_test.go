package main

import (
	"testing"

	"fleet/unit"
)

func TestAmountsAreReadAtAGlance(t *testing.T) {
	for _, c := range []struct {
		resource string
		amount   int64
		want     string
	}{
		{unit.Memory, 0, "0"},
		{unit.Memory, 22<<30 + 256<<20, "22.25G"},
		{unit.Memory, 4080 << 20, "4080M"},
		{unit.Memory, 999_999, "977K"},
		{unit.Memory, 1<<30 - 1, "1G"},
		{unit.Disk, 243240564 << 10, "232G"},
		{unit.CPU, 1234567, "1234.567"},
		{"gpu", 1000000000, "1000000000"},
	} {
		if got := roughly(c.resource, c.amount); got != c.want {
			t.Errorf("%d of %s is %q, want %q", c.amount, c.resource, got, c.want)
		}
	}
}
