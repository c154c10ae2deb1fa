package unit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	maxBytes = 1 << 53       // exact in any JSON reader; a thousand of them still fit into an int64
	maxCount = 1_000_000_000 // of anything else: a million CPUs
)

// MaxAmount is the greatest amount of a resource that a machine may offer or a unit reserve:
// 8P of memory or disk, a million CPUs, a thousand million of anything else.
func MaxAmount(resource string) int64 {
	switch resource {
	case Memory, Disk:
		return maxBytes
	}
	return maxCount
}

// ParseAmount reads an amount of a resource, in the unit of Resources: bytes as systemd writes them
// ("512M", "1.5G", "1G 512M", base 1024), CPUs ("1.5", "150%", "500m"), and whole numbers of
// everything else. What is finer than that unit is rounded up.
func ParseAmount(resource, text string) (int64, error) {
	if strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("%s is negative", excerpt(text))
	}
	var (
		amount uint64
		err    error
		expect string
	)
	switch resource {
	case Memory, Disk:
		amount, err = parseBytes(text)
		expect = "a size such as 512M or 1.5G (K M G T P E, base 1024)"
	case CPU:
		amount, err = parseCPU(text)
		expect = "a number of CPUs such as 1.5, 150% or 500m"
	default:
		amount, err = parseCount(text)
		expect = "a whole number"
	}
	limit := MaxAmount(resource)
	switch {
	case errors.Is(err, errTooLarge), err == nil && amount > uint64(limit):
		return 0, fmt.Errorf("%s is more than %s, the most there can be", excerpt(text), FormatAmount(resource, limit))
	case err != nil:
		return 0, fmt.Errorf("%s is not %s", excerpt(text), expect)
	}
	return int64(amount), nil
}

// FormatAmount says an amount exactly and in few letters: bytes with the greatest unit that leaves
// nothing finer than quarters ("512M", "1.5G", "1000B"), CPUs ("1.5"; below one "500m"), and the number
// of anything else. ParseAmount reads it back, unless it is negative.
func FormatAmount(resource string, amount int64) string {
	sign, n := "", uint64(amount)
	if amount < 0 {
		sign, n = "-", -n
	}
	switch resource {
	case Memory, Disk:
		return sign + formatBytes(n)
	case CPU:
		return sign + formatCPU(n)
	}
	return sign + strconv.FormatUint(n, 10)
}

func formatBytes(n uint64) string {
	if n == 0 {
		return "0"
	}
	for _, u := range sizeUnits {
		if quarter := u.factor / 4; n >= u.factor && quarter > 0 && n%quarter == 0 {
			return strconv.FormatUint(n/u.factor, 10) + [...]string{"", ".25", ".5", ".75"}[n%u.factor/quarter] + u.suffix
		}
	}
	return strconv.FormatUint(n, 10) + "B"
}

func formatCPU(n uint64) string {
	switch {
	case n == 0:
		return "0"
	case n < 1000:
		return strconv.FormatUint(n, 10) + "m"
	}
	whole := strconv.FormatUint(n/1000, 10)
	if n%1000 == 0 {
		return whole
	}
	return whole + "." + strings.TrimRight(fmt.Sprintf("%03d", n%1000), "0")
}

// parseCPU reads CPUs in thousandths.
func parseCPU(text string) (uint64, error) {
	if percent, found := strings.CutSuffix(text, "%"); found {
		return parseDecimal(percent, 1)
	}
	if thousandths, found := strings.CutSuffix(text, "m"); found {
		return parseDecimal(thousandths, 0)
	}
	return parseDecimal(text, 3)
}

// parseDecimal reads a decimal number times ten to the power of places, rounded up.
func parseDecimal(text string, places int) (uint64, error) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && fraction == "" || !onlyDigits(fraction) {
		return 0, errMalformed
	}
	kept, finer := fraction, ""
	if len(fraction) > places {
		kept, finer = fraction[:places], fraction[places:]
	}
	n, err := parseCount(whole + kept + strings.Repeat("0", places-len(kept)))
	if err == nil && strings.Trim(finer, "0") != "" {
		n++
	}
	return n, err
}

// parseCount reads digits and nothing else.
func parseCount(text string) (uint64, error) {
	if text == "" || !onlyDigits(text) {
		return 0, errMalformed
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errTooLarge
	}
	return n, nil
}

func onlyDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
