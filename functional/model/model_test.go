package model

import (
	"slices"
	"strings"
	"testing"
)

// explore visits every state that can come to be, the nearest first. It returns the shortest way to an overlap,
// nil if there is none, and how many states there are.
func explore(p Params) (trace []string, states int) {
	type origin struct {
		from state
		name string
	}
	start := begin(p)
	seen := map[state]origin{start: {}}
	for queue := []state{start}; len(queue) > 0; queue = queue[1:] {
		for _, next := range p.next(queue[0]) {
			if _, known := seen[next.to]; known {
				continue
			}
			seen[next.to] = origin{queue[0], next.name}
			if next.to.overlaps() {
				for s := next.to; s != start; s = seen[s].from {
					trace = append(trace, seen[s].name)
				}
				slices.Reverse(trace)
				return trace, len(seen)
			}
			queue = append(queue, next.to)
		}
	}
	return nil, len(seen)
}

// safe is the protocol as it is meant to be, with times for which the inequality just holds.
func safe() Params {
	return Params{TTL: 5, Renewal: 1, Watchdog: 2, Kill: 1, Gap: true, Deadline: true, Permits: BySession, SlowAgent: true}
}

func holds(t *testing.T, p Params) {
	t.Helper()
	trace, states := explore(p)
	if trace != nil {
		t.Errorf("%+v: an overlap:\n  %s", p, strings.Join(trace, "\n  "))
	}
	t.Logf("%+v: %d states", p, states)
}

func fails(t *testing.T, p Params, because string) {
	t.Helper()
	trace, states := explore(p)
	if trace == nil {
		t.Errorf("%+v: no overlap in %d states, although %s", p, states, because)
	}
	t.Logf("%+v: %s:\n  %s", p, because, strings.Join(trace, "\n  "))
}

// There is an overlap if and only if the sum is not less than the TTL: equality does not do.
func TestAnOverlapNeedsTheInequalityToBeViolated(t *testing.T) {
	const most = 7
	for _, deadline := range []bool{false, true} {
		for ttl := uint8(2); ttl <= most; ttl++ {
			for renewal := uint8(1); renewal <= 2; renewal++ {
				for watchdog := uint8(1); watchdog <= 3; watchdog++ {
					for kill := range uint8(3) {
						p := safe()
						p.TTL, p.Renewal, p.Watchdog, p.Kill = ttl, renewal, watchdog, kill
						sum := renewal + watchdog + kill
						if !deadline {
							p.Deadline, p.Permits = false, ByProcess
							sum += watchdog
						}
						if sum < ttl-1 || sum > ttl {
							continue // nothing is seen there that is not seen at the limit
						}
						trace, _ := explore(p)
						if overlaps := trace != nil; overlaps != (sum >= ttl) {
							t.Errorf("%+v: sum %d: overlap %v\n  %s", p, sum, overlaps, strings.Join(trace, "\n  "))
						}
					}
				}
			}
		}
	}
}

func TestTheProtocolHolds(t *testing.T) {
	holds(t, safe())
}

func TestEqualityDoesNotDo(t *testing.T) {
	p := safe()
	p.TTL = p.Renewal + p.Watchdog + p.Kill
	fails(t, p, "the lease may end at the moment of the kill")
}

// Without the kernel's deadline a pause between check and feed makes a feed late by up to the watchdog's time.
func TestWithoutADeadlineTheWatchdogCountsTwice(t *testing.T) {
	p := safe()
	p.Deadline, p.Permits = false, ByProcess
	fails(t, p, "a feed may come when the watchdog is about to")
	p.TTL = p.Renewal + 2*p.Watchdog + p.Kill + 1
	holds(t, p)
	p.Permits = BySession
	fails(t, p, "nobody watches a fence before it is ready: it may be so long after its session has ended")
}

func TestWithoutPausesThereNeedsToBeNoDeadline(t *testing.T) {
	p := safe()
	p.Deadline, p.Gap = false, false
	holds(t, p)
}

func TestPermitsAreNeeded(t *testing.T) {
	p := safe()
	p.Permits = NoPermits
	fails(t, p, "systemd restarts a unit under a session that did not order it")
}

// Removing the permits of others before being ready is enough only if no step of a former session is under way.
func TestPermitsHaveToNameTheirSession(t *testing.T) {
	p := safe()
	p.Permits = Purged
	fails(t, p, "a permit written late outlives the purge")
	p.SlowAgent = false
	holds(t, p)
}

func TestAFenceProcessIsOfOneSession(t *testing.T) {
	p := safe()
	p.Switches = true
	fails(t, p, "the next session vouches for what the former one started")
}
