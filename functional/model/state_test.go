package model

// Params are the times of a fence, in ticks, and what of the protocol is in force.
type Params struct {
	TTL, Renewal, Watchdog, Kill uint8

	// Gap: the fence may be paused between the check of a renewal's age and the feeding of the watchdog.
	Gap bool
	// Deadline: the kernel kills the fence when Renewal and Watchdog have passed since the last renewal was sent that came back in time.
	Deadline bool
	// Switches: a fence process goes on with the next session instead of ending.
	Switches bool
	Permits  Permits
	// SlowAgent: a step that the agent began under one session may still be on its way when the next one has begun.
	SlowAgent bool
}

// Permits is what systemd asks before it starts the unit.
type Permits uint8

const (
	// NoPermits: nothing.
	NoPermits Permits = iota
	// Purged: there is a permit, and the fence has removed those of other sessions before it was ready.
	Purged
	// BySession: there is a permit of the session of the fence that is ready.
	BySession
	// ByProcess: there is a permit for the very process that is the fence, which takes none before it has fed a
	// watchdog that was already running, that is, after it was ready.
	ByProcess
)

// The sessions of A, and with orderOfB whose order counts.
const (
	first    = 1
	second   = 2
	orderOfB = 3
)

// state is all there is at one moment. It is comparable: two ways to it are one.
type state struct {
	// The store. Of a lease: 0 it is not there, else one more than the ticks for which it is certain to stay.
	leases [3]uint8
	hold   uint8 // ticks for which the engine decides nothing, after the store was restored
	order  uint8
	once   bool // the store was restored, which is tried once

	// A's processes.
	file   uint8 // the session that fleetd has written down
	agent  uint8 // a start that the agent is about to make, by session
	permit uint8 // by session
	fence  fence
	unit   unit

	running bool // on B
}

// fence is A's fence process together with PID 1's watchdog for it.
type fence struct {
	alive    bool
	session  uint8
	ready    bool
	vouches  bool  // it has fed the watchdog since it was ready
	watchdog uint8 // ticks until PID 1 kills it, if it is ready
	doom     uint8 // one more than the ticks until the kernel kills it; 0 if it does not
	checked  bool  // it has found a renewal to be in time and is about to feed the watchdog
	renewal  renewal
}

// renewal is the one that is under way.
type renewal struct {
	leg     leg
	session uint8
	age     uint8 // ticks since it was sent; older than Renewal is all the same
	refused bool  // the store had no such lease
}

type leg uint8

const (
	nowhere leg = iota
	there
	back
)

// unit is A's copy.
type unit struct {
	life life
	kill uint8 // ticks until PID 1 kills it, while it is dying
	due  bool  // systemd is to start it: asked to, or because of Restart=
}

type life uint8

const (
	dead life = iota
	alive
	dying
)

// begin is a cluster in which all is well: a renewal was sent and answered just now.
func begin(p Params) state {
	var s state
	s.leases[first] = p.TTL + 1
	s.order, s.file, s.permit = first, first, first
	s.fence = fence{alive: true, session: first, ready: true, vouches: true, watchdog: p.Watchdog}
	if p.Deadline {
		s.fence.doom = p.Renewal + p.Watchdog + 1
	}
	s.unit.life = alive
	return s
}

// overlaps: the unit runs twice.
func (s state) overlaps() bool { return s.running && s.unit.life != dead }
