package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleet/journal"
)

// parseSince reads the beginning of what is to be shown: a revision of the store, or a moment as "fleetctl journal" reads it; a
// length of time alone has passed. Both are zero for an empty text.
func parseSince(text string, now time.Time) (revision int64, at time.Time, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, time.Time{}, nil
	}
	if revision, err := strconv.ParseUint(text, 10, 63); err == nil && revision > 0 {
		return int64(revision), time.Time{}, nil
	}
	at, err = journal.ParseTime(text, now)
	if err == nil {
		return 0, at, nil
	}
	if at, bare := journal.ParseTime("-"+text, now); bare == nil {
		return 0, at, nil
	}
	return 0, time.Time{}, fmt.Errorf("%w, or the revision of an event", err)
}
