package simulation

import (
	"context"
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// deed is something that may happen in a history.
type deed struct {
	name   string
	weight int // how often, compared with the others
	do     func(s *stage, a act)
}

// deeds are all of them. Histories are made up from this list: what changes its order or weights gives seeds other histories.
var deeds = []deed{
	{"wait", 1, func(*stage, act) {}},

	// Users.
	{"submit", 5, (*stage).submit},
	{"want", 5, (*stage).want},
	{"restart", 4, (*stage).restart},
	{"destroy", 3, (*stage).destroy},
	{"move", 2, (*stage).move},

	// Operators.
	{"cordon", 1, settings(func(a act, s *cluster.Settings) { s.Cordoned = a.pick%2 == 0 })},
	{"drain", 3, settings(func(a act, s *cluster.Settings) {
		s.Drain = nil
		if a.pick%4 != 0 {
			s.Drain = &cluster.Drain{Since: time.Now()}
		}
	})},
	{"label", 1, settings(func(a act, s *cluster.Settings) {
		disk := []string{"ssd", "hdd"}[a.pick%2]
		s.Metadata = map[string]*string{"disk": &disk}
	})},
	{"forget", 1, (*stage).forget},

	// The network.
	{"cut", 7, func(s *stage, a act) { s.cut(s.w.machines[a.on], a.last, (*memory.Client).Cut) }},
	{"cut all", 3, func(s *stage, a act) {
		for _, m := range s.w.machines {
			s.cut(m, a.last, (*memory.Client).Cut)
		}
	}},
	{"cut all others", 6, func(s *stage, a act) {
		for i, m := range s.w.machines {
			if i != a.on {
				s.cut(m, a.last+time.Duration(a.pick%2)*2*ttl, (*memory.Client).Cut)
			}
		}
	}},
	{"cut replies", 5, func(s *stage, a act) { s.cut(s.w.machines[a.on], a.last, (*memory.Client).CutReplies) }},
	{"slow", 4, func(s *stage, a act) {
		s.cut(s.w.machines[a.on], a.last, slow(time.Duration(a.pick%30+1)*100*time.Millisecond))
	}},

	// Processes and hosts.
	{"stop fleetd", 3, (*stage).stopDaemon},
	{"kill fleetd", 4, func(s *stage, a act) { s.killDaemon(a, nil) }},
	{"kill fleetd and lose its memory", 1, func(s *stage, a act) { s.killDaemon(a, []string{"agent.json"}) }},
	{"kill fleetd at a write", 6, (*stage).trapDaemon},
	{"pause fleetd", 5, (*stage).pauseDaemon},
	{"pause the fence", 5, func(s *stage, a act) {
		m := s.w.machines[a.on]
		s.fault(m, "fence", a.last, m.host.PauseFence, m.host.ResumeFence)
	}},
	{"kill the fence", 3, func(s *stage, a act) { s.w.machines[a.on].host.KillFence() }},
	{"pause fleetd and the fence", 4, func(s *stage, a act) {
		m := s.w.machines[a.on]
		s.fault(m, "fence", a.last, m.host.PauseFence, m.host.ResumeFence)
		s.pauseDaemon(a)
	}},
	{"suspend the host", 5, (*stage).suspend},
	{"pull the plug", 5, (*stage).pullThePlug},
	{"cut the bus", 2, func(s *stage, a act) {
		m := s.w.machines[a.on]
		s.fault(m, "bus", a.last, m.host.CutBus, m.host.HealBus)
	}},
	{"fill the disk", 1, func(s *stage, a act) {
		m := s.w.machines[a.on]
		s.fault(m, "disk", a.last, func() { m.host.FillDisk(true) }, func() { m.host.FillDisk(false) })
	}},
	{"set the clock", 4, (*stage).setClock},
	{"kill a unit", 2, (*stage).killUnit},
	{"start behind fleet's back", 4, (*stage).trigger},

	// The store.
	{"halt the store", 3, func(s *stage, a act) { s.fault(nil, "store", a.last, s.w.store.Halt, s.w.store.Resume) }},
	{"elect in the store", 1, func(s *stage, _ act) { s.w.store.Elect() }},
	{"back up the store", 2, (*stage).backUp},
	{"restore the store", 3, (*stage).restore},
	{"compact", 2, func(s *stage, a act) { _ = s.w.store.Compact(s.w.store.Revision() - int64(a.pick%4)) }},
}

// settings is an operator's change of what is laid over a machine's record.
func settings(change func(a act, s *cluster.Settings)) func(s *stage, a act) {
	return func(s *stage, a act) {
		s.meddled[s.w.machines[a.on].id] = true
		s.set(s.w.machines[a.on].id, func(have *cluster.Settings) { change(a, have) })
	}
}

func (s *stage) set(id cluster.MachineID, change func(*cluster.Settings)) {
	if s.broken("store") {
		return
	}
	s.w.persist(func() error {
		_, err := s.w.user.UpdateSettings(context.Background(), id, func(have cluster.Settings) (cluster.Settings, error) {
			change(&have)
			return have, nil
		})
		return err
	})
}

// forget is meant for machines that are gone for good; one that is present is not forgotten.
func (s *stage) forget(a act) {
	m := s.w.machines[a.on]
	if _, present := s.w.snapshot().Machine(m.id); present {
		return
	}
	s.meddled[m.id] = true
	s.set(m.id, func(have *cluster.Settings) { have.Forget = true })
}

func (s *stage) cut(m *machine, d time.Duration, fault func(*memory.Client)) {
	s.fault(m, "line", d, func() { m.line.fail(fault) }, m.line.mend)
}

func (s *stage) stopDaemon(a act) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, m.stop, m.start)
}

func (s *stage) killDaemon(a act, lost []string) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, func() {
		m.kill()
		m.forget(lost...)
	}, m.start)
}

// trapDaemon has fleetd killed at one of its next writes, if it comes to that.
func (s *stage) trapDaemon(a act) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, func() {
		m.client.Trap(a.pick/2%8, a.pick%2 == 0, func() {})
	}, func() {
		m.client.Trap(1<<30, false, func() {})
		if m.client.Dead() {
			m.kill()
			m.start()
		}
	})
}

func (s *stage) pauseDaemon(a act) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, m.pause, m.resume)
}

func (s *stage) suspend(a act) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, func() {
		m.host.Suspend()
		m.pause()
	}, func() {
		m.resume()
		m.host.Resume()
	})
}

func (s *stage) pullThePlug(a act) {
	m := s.w.machines[a.on]
	s.fault(m, "daemon", a.last, m.crash, m.start)
}

// setClock sets a machine's clock aright, or back or ahead by seconds to days. No clock is mended when the faults are over: what
// has to wait for a time by a clock that was wrong must not wait for that.
func (s *stage) setClock(a act) {
	m := s.w.machines[a.on]
	by := []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[a.pick/2%4] * time.Duration(1+a.pick/8%20)
	if a.pick%2 == 0 {
		by = -by
	}
	if a.pick%5 == 0 {
		by = 0
	}
	m.clock.set(by)
}

func (s *stage) killUnit(a act) {
	if s.w.machines[a.on].host.Kill(s.name(a)) == nil {
		s.killed(s.name(a))
	}
}

// trigger starts units as a timer would, or somebody who types systemctl start: one, or all that must not run twice.
func (s *stage) trigger(a act) {
	for name, wanted := range s.wanted {
		chosen := name == s.name(a)
		if a.pick%2 == 0 {
			chosen = wanted.atMostOnce()
		}
		// One that is not to run fleet would not stop.
		if chosen && wanted.desired == cluster.Launched && s.w.machines[a.on].host.Trigger(name) == nil {
			s.killed(name)
		}
	}
}

// backup is the store at one moment, and what was wanted then.
type backup struct {
	at     time.Time
	store  *memory.Backup
	wanted map[unit.Name]wish
}

func (s *stage) backUp(act) {
	if !s.broken("store") {
		s.backup = &backup{time.Now(), s.w.store.Backup(), maps.Clone(s.wanted)}
	}
}

// restore stops the store for a while and goes on with the backup: by hand, or as fleetctl does. By hand, leases
// that had ended are there again, and with them units of machines that had been replaced: nothing can be said of AtMostOnce then.
func (s *stage) restore(a act) {
	from := s.backup
	byHand := a.pick%2 == 0
	if from == nil || s.broken("store") {
		return
	}
	down := a.last
	if byHand {
		down += ttl + 2*time.Second
	}
	if byHand {
		s.goneBack = true
		s.otherWrites()
	}
	begun := time.Now()
	s.fault(nil, "store", down, s.w.store.Halt, func() {
		if byHand {
			time.Sleep(time.Until(begun.Add(down)))
		}
		s.w.store.Restore(from.store)
		if !byHand {
			s.w.store.Raise()
			err := registry.New(s.w.store.Console(), registry.Options{}).Restored(context.Background())
			if err != nil {
				s.wrong("begin an epoch: %v", err)
			}
		}
		s.w.store.Resume()
		s.follow()
	})
	s.forgetSince(from)
}

// otherWrites are those of others who use the store, which everybody hears of who renews a lease. A store that goes back by no
// more than what is written right afterwards is not noticed.
func (s *stage) otherWrites() {
	client := s.w.store.Console()
	for range 100 {
		put := registry.Txn{Then: []registry.Op{registry.Put("/elsewhere", nil, 0)}}
		if _, err := client.Txn(context.Background(), put); err != nil {
			s.wrong("write elsewhere: %v", err)
		}
	}
	time.Sleep(ttl / 2)
}

// forgetSince: what was asked for since a backup is not wanted any more.
func (s *stage) forgetSince(from *backup) {
	for name, asked := range s.asked {
		s.lost[name] = s.lost[name] || slices.ContainsFunc(asked, func(at time.Time) bool { return !at.Before(from.at) })
	}
	before := s.wanted
	s.wanted = maps.Clone(from.wanted)
	for name := range before {
		s.touched(name)
		if _, known := s.wanted[name]; !known {
			s.orphans[name] = true // nobody has told it to stop
		}
	}
	// What was destroyed before the backup, while its machine was away, looks as if it had been submitted after it, unless the
	// backup has a unit that was asked for later.
	for name := range s.asked {
		if _, known := s.wanted[name]; !known {
			s.orphans[name] = true
		}
	}
	for name, wanted := range s.wanted {
		wanted.doubted = wanted.doubted || before[name].doubted
		s.wanted[name] = wanted
		s.touched(name)
	}
}
