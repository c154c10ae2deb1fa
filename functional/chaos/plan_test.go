package main

import (
	"testing"
	"time"
)

func TestThePlanFollowsFromTheSeed(t *testing.T) {
	draw := func(seed uint64) (rounds []string) {
		p := newPlanner(seed, 4, 10*time.Second, true)
		for range 50 {
			rounds = append(rounds, p.next().String())
		}
		return rounds
	}
	a, b, c := draw(1), draw(1), draw(2)
	different := false
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("one seed, two plans: %s and %s", a[i], b[i])
		}
		different = different || a[i] != c[i]
	}
	if !different {
		t.Error("two seeds, one plan")
	}
}

// In ten minutes there are at least twenty faults, and each kind is among them.
func TestTenMinutesAreEnoughForEveryFault(t *testing.T) {
	for seed := range uint64(200) {
		external := seed%2 == 1
		p := newPlanner(seed, 4, 10*time.Second, external)
		seen := make(map[string]bool)
		n := 0
		for took := time.Duration(0); took < 10*time.Minute; {
			r := p.next()
			longest := time.Duration(0)
			hosts := make(map[int]bool)
			for _, s := range r.strikes {
				if s.fault.undoes != nil {
					longest = max(longest, s.during)
				}
				if s.host < 1 || s.host > 4 || hosts[s.host] {
					t.Fatalf("seed %d: %s", seed, r)
				}
				hosts[s.host] = true
				seen[s.fault.name] = true
				n++
			}
			took += longest + r.rest + 3*time.Second // for doing and undoing
		}
		want := len(faults())
		if !external {
			want -= 2
		}
		if n < 20 || len(seen) != want {
			t.Errorf("seed %d: %d faults of %d kinds, want 20 of %d", seed, n, len(seen), want)
		}
	}
}

func TestTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{}, {"ten"}, {"0"}, {"10", "x"}, {"10", "1", "2"}, {"10", "--embedded", "--external"}, {"10", "--no-such"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	o, err := parse([]string{"0.5", "7", "--keep"})
	if err != nil || o.during != 30*time.Second || o.seed != 7 || !o.external || !o.keep {
		t.Errorf("%+v, %v", o, err)
	}
}
