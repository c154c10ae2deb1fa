package unit

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// What is said of an amount is exact, and is how its author may write it.
func TestAmountRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		resource := rapid.SampledFrom([]string{Memory, CPU, Disk, Slots, "gpu"}).Draw(t, "resource")
		amount := rapid.Int64Range(0, MaxAmount(resource)).Draw(t, "amount")
		if rapid.Bool().Draw(t, "round") { // as people's amounts are
			amount = amount >> 40 << rapid.IntRange(0, 40).Draw(t, "shift")
		}
		checkFormat(t, resource, amount)
	})
}

func TestFormatAmount(t *testing.T) {
	for _, tc := range []struct {
		resource string
		amount   int64
		want     string
	}{
		{Memory, 0, "0"},
		{Memory, 1, "1B"},
		{Memory, 1000, "1000B"},
		{Memory, 512 << 20, "512M"},
		{Memory, 1536 << 20, "1.5G"},
		{Memory, 1 << 30, "1G"},
		{Memory, 1<<30 + 1<<20, "1025M"},
		{Memory, -300 << 20, "-300M"},
		{Disk, 5 << 40, "5T"},
		{Disk, 1280, "1.25K"},
		{CPU, 0, "0"},
		{CPU, 50, "50m"},
		{CPU, 500, "500m"},
		{CPU, 1000, "1"},
		{CPU, 1500, "1.5"},
		{CPU, 12_034, "12.034"},
		{CPU, -500, "-500m"},
		{"gpu", 2, "2"},
		{"gpu", -2, "-2"},
		{Slots, 100, "100"},
		{Memory, math.MinInt64, "-8E"},
		{"gpu", math.MinInt64, "-9223372036854775808"},
	} {
		if got := FormatAmount(tc.resource, tc.amount); got != tc.want {
			t.Errorf("%d of %s is said as %q, want %q", tc.amount, tc.resource, got, tc.want)
		}
	}
}

// A size is what systemd 252 makes of it, except that no fraction of a byte is lost; 0 stands for what it refuses.
func TestSizesOfSystemd(t *testing.T) {
	const k, m, g = 1 << 10, 1 << 20, 1 << 30
	for text, want := range map[string]uint64{
		"1":                          1,
		"10B":                        10,
		"1K":                         k,
		"512M":                       512 * m,
		"1G 512M":                    g + 512*m,
		"1G512M":                     g + 512*m,
		"1G 0.5M 3":                  g + m/2 + 3,
		"1G5":                        g + 5,
		"1 G":                        g,
		"+5M":                        5 * m,
		"1.5G":                       g + g/2,
		"1.G":                        g,
		"0.3M":                       314573,
		"1.5":                        2,
		"1.0000000":                  1,
		"15.5P 3":                    15<<50 + 1<<49 + 3,
		"15E":                        15 << 60,
		"16E":                        0,
		"15.9E":                      0,
		"15E 1E":                     0,
		".5G":                        0,
		"1.+5G":                      0,
		"1GB":                        0,
		"1Gi":                        0,
		"1g":                         0,
		"1K1M":                       0,
		"512M 1G":                    0,
		"10 20":                      0,
		"-5M":                        0,
		"-0":                         0,
		"1e3":                        0,
		"0x10":                       0,
		`"1G"`:                       0,
		"":                           0,
		" ":                          0,
		"1G ":                        0,
		"infinity":                   0,
		"50%":                        0,
		"+ 5M":                       0,
		"++5M":                       0,
		"1.99999999999999999999999G": 0,
		"99999999999999999999":       0,
	} {
		got, err := parseBytes(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d (error %v), want %d", text, got, err, want)
		}
	}
}

// A share is what systemd 252 makes of it; -1 stands for what it refuses.
func TestSharesOfSystemd(t *testing.T) {
	for text, want := range map[string]int64{
		"50%":       5000,
		"0%":        0,
		"150%":      15_000,
		"33.33%":    3333,
		"12.5%":     1250,
		"0.01%":     1,
		"+5%":       500,
		"500‰":      5000,
		"12.5‰":     125,
		"7‱":        7,
		"0x10%":     1600,
		"010%":      800,
		"0b11%":     300,
		"0o11%":     900,
		"-0.5%":     50,
		"33.333%":   -1,
		"12.55‰":    -1,
		"1.5‱":      -1,
		".5%":       -1,
		"5.%":       -1,
		"5.x%":      -1,
		"-5%":       -1,
		"1e2%":      -1,
		"08%":       -1,
		"0x_1%":     -1,
		"0_1%":      -1,
		"50 %":      -1,
		"50":        -1,
		"%":         -1,
		"%%":        -1,
		"":          -1,
		"30000000%": -1,
	} {
		got, err := parseShare(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d (error %v), want %d", text, got, err, want)
		}
	}
}

// CPUs are counted in thousandths, and none is lost.
func TestParseCPU(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1000, "1.5": 1500, "0.5": 500, "1.0001": 1001, "1.0000": 1000, "0.069": 69,
		"150%": 1500, "12.5%": 125, "12.34%": 124, "0.01%": 1, "500m": 500, "0.5m": 1, "1000000": 1_000_000_000,
	} {
		if got, err := ParseAmount(CPU, text); got != want || err != nil {
			t.Errorf("%q is %d (error %v), want %d", text, got, err, want)
		}
	}
}
