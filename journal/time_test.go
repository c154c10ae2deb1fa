package journal_test

import (
	"testing"
	"time"

	"fleet/journal"
)

func TestTimesAreReadAsJournalctlReadsThem(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 1, 12, 30, 15, 0, zone)
	for text, want := range map[string]string{
		"now":                       "2026-03-01T12:30:15+01:00",
		"today":                     "2026-03-01T00:00:00+01:00",
		"yesterday":                 "2026-02-28T00:00:00+01:00",
		"tomorrow":                  "2026-03-02T00:00:00+01:00",
		"2026-02-03":                "2026-02-03T00:00:00+01:00",
		"2026-02-03 04:05":          "2026-02-03T04:05:00+01:00",
		"2026-02-03 04:05:06":       "2026-02-03T04:05:06+01:00",
		"2026-02-03 04:05:06.25":    "2026-02-03T04:05:06.25+01:00",
		"Tue 2026-02-03 04:05":      "2026-02-03T04:05:00+01:00",
		"2026-02-03 04:05:06 UTC":   "2026-02-03T04:05:06Z",
		"2026-02-03T04:05:06Z":      "2026-02-03T04:05:06Z",
		"2026-02-03T04:05:06+02:00": "2026-02-03T04:05:06+02:00",
		"04:05":                     "2026-03-01T04:05:00+01:00",
		"04:05:06":                  "2026-03-01T04:05:06+01:00",
		"-1h":                       "2026-03-01T11:30:15+01:00",
		"-1h 30min":                 "2026-03-01T11:00:15+01:00",
		"-1h30m15s":                 "2026-03-01T11:00:00+01:00",
		"10 minutes ago":            "2026-03-01T12:20:15+01:00",
		"2d ago":                    "2026-02-27T12:30:15+01:00",
		"+1.5h":                     "2026-03-01T14:00:15+01:00",
		"-5":                        "2026-03-01T12:30:10+01:00",
		"@0":                        "1970-01-01T01:00:00+01:00",
		"@1136214245.25":            "2006-01-02T16:04:05.25+01:00",
	} {
		got, err := journal.ParseTime(text, now)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %s, want %s", text, got.Format(time.RFC3339Nano), want)
		}
		again, err := journal.ParseTime(journal.FormatTime(got), now)
		if err != nil || !again.Equal(got) {
			t.Errorf("%q, written as %s, is read as %s (%v)", text, journal.FormatTime(got), again, err)
		}
	}
	for _, text := range []string{"", "soon", "-", "1h", "-1 fortnight", "2026-13-01", "25:00", "@", "@x", "-1h ago", "@99999999999999999999", "-9999999999999y", "1..5 ago"} {
		if got, err := journal.ParseTime(text, now); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}
