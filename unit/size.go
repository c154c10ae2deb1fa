package unit

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

var (
	errMalformed = errors.New("malformed")
	errTooLarge  = errors.New("too large")
)

// sizeUnits are systemd's, greatest first. Without a unit it is bytes.
var sizeUnits = []sizeUnit{{"E", 1 << 60}, {"P", 1 << 50}, {"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {"", 1}}

type sizeUnit struct {
	suffix string
	factor uint64
}

// parseBytes reads a size as systemd's parse_size does with the base 1024: terms with descending
// units, summed. Where systemd cuts fractions of a byte off, this rounds up.
func parseBytes(text string) (uint64, error) {
	var sum uint64
	units := sizeUnits
	for rest := text; ; {
		var (
			whole, fraction string
			unit            sizeUnit
			err             error
		)
		whole, rest = cutDigits(strings.TrimPrefix(strings.TrimLeft(rest, space), "+"))
		if after, dotted := strings.CutPrefix(rest, "."); dotted {
			fraction, rest = cutDigits(after)
		}
		if unit, units, err = cutUnit(strings.TrimLeft(rest, space), units); err != nil {
			return 0, err
		}
		term, err := unit.times(whole, fraction)
		if err != nil {
			return 0, err
		}
		if term > math.MaxUint64-sum {
			return 0, errTooLarge
		}
		sum += term
		rest = strings.TrimLeft(rest, space)[len(unit.suffix):]
		if rest == "" {
			return sum, nil
		}
	}
}

// times is the number of bytes in whole.fraction of the unit.
func (u sizeUnit) times(whole, fraction string) (uint64, error) {
	n, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return 0, numberError(err)
	}
	f, err := parseFraction(fraction)
	if err != nil {
		return 0, err
	}
	// systemd wants room for the next whole unit if there is a fraction.
	if most := math.MaxUint64 / u.factor; n > most || f > 0 && n == most {
		return 0, errTooLarge
	}
	// A float scaled by a power of two loses nothing, so this is as exact as its reading.
	return n*u.factor + uint64(math.Ceil(f*float64(u.factor))), nil
}

// cutDigits takes the digits off that a text starts with.
func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// parseFraction reads the digits after a point; systemd takes as many as fit into 64 bits, or none.
func parseFraction(digits string) (float64, error) {
	if digits == "" {
		return 0, nil
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return 0, errMalformed
	}
	return strconv.ParseFloat("0."+digits, 64)
}

// cutUnit finds the unit that s starts with, and those that may follow in the next term.
func cutUnit(s string, units []sizeUnit) (u sizeUnit, lesser []sizeUnit, err error) {
	for i, u := range units {
		if strings.HasPrefix(s, u.suffix) {
			return u, units[i+1:], nil
		}
	}
	return u, nil, errMalformed
}

func numberError(err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return errTooLarge
	}
	return errMalformed
}

// parseShare reads a share as systemd's parse_permyriad_unbounded does, in hundredths of a
// percent: "50%", "33.33%", "12.5‰", "5‱".
func parseShare(text string) (int64, error) {
	for _, form := range []struct {
		sign   string
		places int
	}{{"‱", 0}, {"‰", 1}, {"%", 2}} {
		number, found := strings.CutSuffix(text, form.sign)
		if !found {
			continue
		}
		whole, fraction, dotted := strings.Cut(number, ".")
		if dotted && (fraction == "" || len(fraction) > form.places || !onlyDigits(fraction)) || strings.Contains(whole, "_") {
			return 0, errMalformed
		}
		// systemd reads the whole part like a C program does: 0x10 and 010 are no decimals.
		n, err := strconv.ParseInt(strings.TrimLeft(whole, space), 0, 32)
		if err != nil {
			return 0, numberError(err)
		}
		if n < 0 {
			return 0, errMalformed
		}
		for i := range form.places {
			n *= 10
			if i < len(fraction) {
				n += int64(fraction[i] - '0')
			}
		}
		if n > math.MaxInt32 {
			return 0, errTooLarge
		}
		return n, nil
	}
	return 0, errMalformed
}
