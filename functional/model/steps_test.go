package model

// step is something that may happen next.
type step struct {
	name string
	to   state
}

// next lists all that may happen in a state.
func (p Params) next(s state) []step {
	var steps []step
	may := func(name string, change func(*state)) {
		to := s
		change(&to)
		steps = append(steps, step{name, to})
	}
	p.clock(s, may)
	p.store(s, may)
	p.renew(s, may)
	p.process(s, may)
	p.systemd(s, may)
	p.agent(s, may)
	p.engine(s, may)
	return steps
}

type may = func(name string, change func(*state))

// clock lets a tick pass, unless PID 1 or the kernel has to do something now.
func (p Params) clock(s state, may may) {
	if s.fence.ready && s.fence.watchdog == 0 || s.fence.doom == 1 || s.unit.life == dying && s.unit.kill == 0 {
		return
	}
	may("a tick passes", func(s *state) {
		for i, left := range s.leases {
			if left > 1 {
				s.leases[i]--
			}
		}
		s.hold = less(s.hold)
		s.fence.watchdog = less(s.fence.watchdog)
		s.fence.doom = less(s.fence.doom)
		s.unit.kill = less(s.unit.kill)
		if s.fence.renewal.leg != nowhere {
			s.fence.renewal.age = min(s.fence.renewal.age+1, p.Renewal+1)
		}
	})
}

func less(n uint8) uint8 { return max(n, 1) - 1 }

// store ends leases that are over, has them prolonged by a change of its leader or by fleetd's own renewal, and is
// restored from a backup that knows nothing of A's session and says that B has the unit.
func (p Params) store(s state, may may) {
	for lease := first; lease <= second; lease++ {
		if s.leases[lease] == 1 {
			may("lease "+digits[lease]+" ends", func(s *state) { s.leases[lease] = 0 })
		}
		if s.leases[lease] > 0 && s.leases[lease] <= p.TTL {
			may("lease "+digits[lease]+" is prolonged by others", func(s *state) { s.leases[lease] = p.TTL + 1 })
		}
	}
	if s.leases[first] > 0 && !s.once {
		may("the store is restored", func(s *state) {
			s.leases[first] = 0
			s.once = true
			s.hold = p.TTL
		})
	}
}

var digits = []string{"0", "1", "2"}

// renew is one renewal on its way. It may be lost at any moment.
func (p Params) renew(s state, may may) {
	switch r := s.fence.renewal; r.leg {
	case nowhere:
		if s.fence.alive {
			may("the fence sends a renewal", func(s *state) {
				s.fence.renewal = renewal{leg: there, session: s.fence.session}
			})
		}
	case there:
		may("the renewal is lost", func(s *state) { s.fence.renewal = renewal{} })
		may("the renewal arrives", func(s *state) {
			s.fence.renewal.leg = back
			s.fence.renewal.refused = s.leases[r.session] == 0
			if s.leases[r.session] > 0 {
				s.leases[r.session] = p.TTL + 1
			}
		})
	case back:
		may("the answer is lost, or too late", func(s *state) { s.fence.renewal = renewal{} })
		if r.refused {
			may("the fence learns that its lease is gone", func(s *state) {
				s.fence.renewal = renewal{}
				if !p.Switches {
					p.end(s)
				}
			})
		} else if r.age <= p.Renewal {
			may("the fence has an answer in time", func(s *state) {
				s.fence.renewal = renewal{}
				s.fence.checked = true
				if p.Deadline {
					s.fence.doom = p.Renewal + p.Watchdog - r.age + 1
				}
				if !p.Gap {
					p.feed(s)
				}
			})
		}
	}
}

// feed is WATCHDOG=1; the first one is READY=1 as well.
func (p Params) feed(s *state) {
	s.fence.checked = false
	s.fence.vouches = s.fence.ready
	s.fence.watchdog = p.Watchdog
	if !s.fence.ready && p.Permits == Purged && s.permit != s.fence.session {
		s.permit = 0
	}
	s.fence.ready = true
}

// end is the end of the fence process, whatever ended it: PID 1 stops what is bound to it.
func (p Params) end(s *state) {
	s.fence = fence{}
	if p.Permits == ByProcess {
		s.permit, s.agent = 0, 0 // what is on its way is for a process that is no more
	}
	if s.unit.life == alive {
		s.unit.life, s.unit.kill = dying, p.Kill
	}
}

// process is what else the fence may do.
func (p Params) process(s state, may may) {
	f := s.fence
	if f.checked {
		may("the fence feeds the watchdog", func(s *state) { p.feed(s) })
	}
	if f.alive {
		may("the fence ends", func(s *state) { p.end(s) })
	}
	if !f.alive && s.file != 0 {
		may("a fence is started for session "+digits[s.file], func(s *state) {
			s.fence = fence{alive: true, session: s.file}
		})
	}
	if f.alive && p.Switches && f.session != s.file {
		may("the fence goes on with session "+digits[s.file], func(s *state) { s.fence.session = s.file })
	}
}

// systemd is PID 1 of A. That a fence without a feed ends is among what a fence may do at any time.
func (p Params) systemd(s state, may may) {
	switch s.unit.life {
	case dying:
		may("the unit is gone", func(s *state) { s.unit = unit{due: s.unit.due} })
	case alive:
		may("the unit ends by itself and has Restart=", func(s *state) { s.unit = unit{due: true} })
	case dead:
		if s.unit.due && s.fence.ready && p.permitted(s) {
			may("systemd starts the unit", func(s *state) { s.unit = unit{life: alive} })
		}
	}
}

func (p Params) permitted(s state) bool {
	switch p.Permits {
	case NoPermits:
		return true
	case Purged, ByProcess:
		return s.permit != 0
	}
	return s.permit == s.fence.session
}

// agent is fleetd on A: it makes the next session when one has ended, and carries out orders of the present one.
func (p Params) agent(s state, may may) {
	if s.file == first && s.leases[first] == 0 && (s.agent == 0 || p.SlowAgent) {
		may("fleetd begins session 2", func(s *state) {
			s.file = second
			s.leases[second] = p.TTL + 1
		})
	}
	asks := p.Permits != ByProcess || s.fence.vouches && s.fence.session == s.file
	if s.agent == 0 && s.order == s.file && s.unit.life == dead && asks {
		may("the agent is about to start the unit", func(s *state) { s.agent = s.file })
	}
	if s.agent != 0 {
		may("the agent writes the permit of session "+digits[s.agent]+" and asks for the start", func(s *state) {
			s.permit = s.agent
			s.agent = 0
			s.unit.due = s.unit.life == dead
		})
	}
}

// engine gives the unit away when the session that had it is gone.
func (p Params) engine(s state, may may) {
	if s.hold > 0 || s.order == orderOfB || s.leases[s.order] > 0 {
		return
	}
	may("the engine gives the unit to B, which starts it", func(s *state) {
		s.order = orderOfB
		s.running = true
	})
	if s.order == first && s.leases[second] > 0 {
		may("the engine gives the unit to A's session 2", func(s *state) { s.order = second })
	}
}
