package main

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 3, 5, 14, 30, 0, 0, time.UTC)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC) }
	for text, want := range map[string]time.Time{
		"":                     {},
		"now":                  now,
		"today":                at(5, 0, 0),
		"yesterday":            at(4, 0, 0),
		"12:15":                at(5, 12, 15),
		"2026-03-01":           at(1, 0, 0),
		"2026-03-01 12:00":     at(1, 12, 0),
		"2026-03-01T12:00:00Z": at(1, 12, 0),
		"10min ago":            at(5, 14, 20),
		"10min":                at(5, 14, 20),
		"-2h":                  at(5, 12, 30),
		"1h 30min":             at(5, 13, 0),
		"1h30m":                at(5, 13, 0),
		"2 days ago":           at(3, 14, 30),
		"@1772712000":          at(5, 12, 0),
		"Thu 2026-03-05 12:00": at(5, 12, 0),
	} {
		revision, got, err := parseSince(text, now)
		if err != nil || revision != 0 || !got.Equal(want) {
			t.Errorf("%q: %v, revision %d, %v; want %v", text, got, revision, err, want)
		}
	}
	if revision, at, err := parseSince("4711", now); revision != 4711 || !at.IsZero() || err != nil {
		t.Errorf("4711: revision %d, %v, %v", revision, at, err)
	}
	for _, text := range []string{"soon", "h", "10parsecs", "min 10", "2026-13-01", "ago", "-"} {
		revision, at, err := parseSince(text, now)
		if err == nil {
			t.Errorf("%q is taken for %v, revision %d", text, at, revision)
		}
	}
}
