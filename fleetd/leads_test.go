package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fleet/fleetd/metrics"
)

// Terms that end soon leave the API alone, and one that lasts has it follow the cluster until it ends.
func TestWhoLeadsFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []bool
		l := &leads{keep: func(on bool) { kept = append(kept, on) }}
		e := l.events(metrics.New("2.0.0").Engine())
		term := func(lasts time.Duration) {
			e.Began(time.Now())
			time.Sleep(lasts)
			synctest.Wait()
		}
		for range 3 {
			term(time.Second)
			e.Ended()
		}
		time.Sleep(time.Hour)
		if len(kept) > 0 {
			t.Errorf("terms of a second: %v", kept)
		}
		term(2 * leadsFirst)
		if !slices.Equal(kept, []bool{true}) {
			t.Errorf("while it leads: %v", kept)
		}
		e.Ended()
		time.Sleep(time.Hour)
		if !slices.Equal(kept, []bool{true, false}) {
			t.Errorf("when it does not lead any more: %v", kept)
		}
	})
}
