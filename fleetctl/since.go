package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spans are the words for lengths of time, as systemd has them.
var spans = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

const sinceForms = `expect a time such as "2026-03-01 12:00", "12:30", "today", "yesterday" or "10min ago", or a revision`

// parseSince reads the beginning of what is to be shown: a revision of the store, or a moment. Both are zero for an empty text.
func parseSince(text string, now time.Time) (revision int64, at time.Time, err error) {
	text = strings.TrimSpace(text)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch text {
	case "":
		return 0, time.Time{}, nil
	case "now":
		return 0, now, nil
	case "today":
		return 0, midnight, nil
	case "yesterday":
		return 0, midnight.AddDate(0, 0, -1), nil
	}
	if revision, err := strconv.ParseInt(text, 10, 64); err == nil && revision > 0 && text[0] != '+' {
		return revision, time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return 0, at, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return 0, time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, now.Location()), nil
		}
	}
	passed, ok := parseSpan(strings.TrimPrefix(strings.TrimSuffix(text, " ago"), "-"))
	if !ok {
		return 0, time.Time{}, fmt.Errorf("%q is no time: %s", text, sinceForms)
	}
	return 0, now.Add(-passed), nil
}

// parseSpan reads "1h 30min".
func parseSpan(text string) (time.Duration, bool) {
	const digits = "0123456789"
	var sum time.Duration
	for rest := strings.ReplaceAll(text, " ", ""); rest != ""; {
		word := strings.TrimLeft(rest, digits)
		n, err := strconv.ParseInt(rest[:len(rest)-len(word)], 10, 32)
		rest = ""
		if next := strings.IndexAny(word, digits); next >= 0 {
			word, rest = word[:next], word[next:]
		}
		length, known := spans[word]
		if err != nil || !known {
			return 0, false
		}
		sum += time.Duration(n) * length
	}
	return sum, text != ""
}
