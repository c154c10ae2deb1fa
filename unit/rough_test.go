package unit_test

import (
	"testing"

	"pgregory.net/rapid"

	"fleet/unit"
)

func TestAmountsAreReadAtAGlance(t *testing.T) {
	for _, c := range []struct {
		resource              string
		amount                int64
		most, roughly, enough string
	}{
		{unit.Memory, 0, "0", "0", "0"},
		{unit.Memory, 22<<30 + 256<<20, "22.25G", "22.25G", "22.25G"},
		{unit.Memory, 4080 << 20, "4080M", "4080M", "4080M"},
		{unit.Memory, 999_999, "976K", "977K", "977K"},
		{unit.Memory, 1<<30 - 1, "0.99G", "1G", "1G"},
		{unit.Memory, 8123456 << 10, "7.74G", "7.75G", "7.75G"},
		{unit.Disk, 243240564 << 10, "231G", "232G", "232G"},
		{unit.CPU, 1234567, "1234.567", "1234.567", "1234.567"},
		{"gpu", 1000000000, "1000000000", "1000000000", "1000000000"},
	} {
		if got := unit.AtMost(c.resource, c.amount); got != c.most {
			t.Errorf("at most %d of %s is %q, want %q", c.amount, c.resource, got, c.most)
		}
		if got := unit.Roughly(c.resource, c.amount); got != c.roughly {
			t.Errorf("%d of %s is %q, want %q", c.amount, c.resource, got, c.roughly)
		}
		if got := unit.AtLeast(c.resource, c.amount); got != c.enough {
			t.Errorf("at least %d of %s is %q, want %q", c.amount, c.resource, got, c.enough)
		}
	}
}

// TestRoughAmountsKeepTheirPromise: what is said to be free is, and what is said to be enough is enough.
func TestRoughAmountsKeepTheirPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 1<<50).Draw(t, "amount")
		most, err := unit.ParseAmount(unit.Memory, unit.AtMost(unit.Memory, amount))
		if err != nil {
			t.Fatal(err)
		}
		enough, err := unit.ParseAmount(unit.Memory, unit.AtLeast(unit.Memory, amount))
		if err != nil {
			t.Fatal(err)
		}
		if most > amount || enough < amount {
			t.Fatalf("%d is between %d and %d", amount, most, enough)
		}
	})
}
