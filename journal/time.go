package journal

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a point in time as journalctl's --since and --until do (systemd.time(7)):
// "2006-01-02 15:04:05", parts of it, "yesterday", "today", "now", "tomorrow", "-1h 30min",
// "10min ago", "+5min" or "@1136214245", and also RFC 3339. What has no zone of its own is in now's.
func ParseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch text {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	case "tomorrow":
		return midnight.AddDate(0, 0, 1), nil
	}
	mistake := fmt.Errorf("%q is no time: expect such as 2006-01-02 15:04:05, 15:04, yesterday, -1h, 10min ago, @1136214245 or RFC 3339", text)
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		d, err := fraction(seconds, time.Second)
		if err != nil {
			return time.Time{}, mistake
		}
		return time.Unix(0, int64(d)).In(now.Location()), nil
	}
	if ago, ok := strings.CutSuffix(text, " ago"); ok {
		text = "-" + ago
	}
	if text != "" && (text[0] == '-' || text[0] == '+') {
		span, err := parseSpan(text[1:])
		switch {
		case err != nil:
			return time.Time{}, mistake
		case text[0] == '-':
			span = -span
		}
		return now.Add(span), nil
	}
	if t, ok := parseDate(text, now, midnight); ok {
		return t, nil
	}
	return time.Time{}, mistake
}

// parseDate reads a date, a time of day or both.
func parseDate(text string, now, midnight time.Time) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	if first, rest, ok := strings.Cut(text, " "); ok && len(first) >= 3 && first[0] > '9' {
		for day := time.Sunday; day <= time.Saturday; day++ { // "Mon 2006-01-02"
			if strings.EqualFold(first, day.String()) || strings.EqualFold(first, day.String()[:3]) {
				text = rest
			}
		}
	}
	zone := now.Location()
	if rest, ok := strings.CutSuffix(text, " UTC"); ok {
		text, zone = rest, time.UTC
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			day := midnight
			if zone == time.UTC {
				day = now.UTC()
			}
			return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone), true
		}
	}
	return time.Time{}, false
}

// spans are the units of systemd.time(7).
var spans = map[string]time.Duration{
	"": time.Second, "seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": 24 * time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
	"weeks": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"months": 2629800 * time.Second, "month": 2629800 * time.Second, "M": 2629800 * time.Second,
	"years": 31557600 * time.Second, "year": 31557600 * time.Second, "y": 31557600 * time.Second,
	"msec": time.Millisecond, "ms": time.Millisecond, "usec": time.Microsecond, "us": time.Microsecond, "µs": time.Microsecond,
}

// parseSpan reads such as "1h 30min".
func parseSpan(text string) (time.Duration, error) {
	const digits = "0123456789."
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, fmt.Errorf("no time span")
	}
	var total time.Duration
	for text != "" {
		number := text[:len(text)-len(strings.TrimLeft(text, digits))]
		text = strings.TrimLeft(text[len(number):], " ")
		end := strings.IndexAny(text, digits+" ")
		if end < 0 {
			end = len(text)
		}
		unit, known := spans[text[:end]]
		if !known {
			return 0, fmt.Errorf("no unit of time: %q", text[:end])
		}
		d, err := fraction(number, unit)
		if err != nil {
			return 0, err
		}
		if total += d; total < 0 {
			return 0, fmt.Errorf("too long")
		}
		text = strings.TrimLeft(text[end:], " ")
	}
	return total, nil
}

// fraction is a number, such as 1.5, of units.
func fraction(number string, unit time.Duration) (time.Duration, error) {
	whole, rest, _ := strings.Cut(number, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > int64((1<<63-1)/unit) {
		return 0, fmt.Errorf("no number: %q", number)
	}
	d := time.Duration(n) * unit
	if rest == "" {
		return d, nil
	}
	part, err := strconv.ParseUint(rest, 10, 64)
	if err != nil || len(rest) > 9 {
		return 0, fmt.Errorf("no number: %q", number)
	}
	scale := 1.0
	for range rest {
		scale *= 10
	}
	return d + time.Duration(float64(part)*(float64(unit)/scale)+0.5), nil
}

// FormatTime writes a time as ParseTime and journalctl read it, to the microsecond.
func FormatTime(t time.Time) string {
	return fmt.Sprintf("@%d.%06d", t.Unix(), t.Nanosecond()/1000)
}
