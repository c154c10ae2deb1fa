package simulation

import (
	"time"

	"fleet/cluster"
)

// strike is what befalls one machine, for a while.
type strike struct {
	name    string
	losing  bool // the longer ones end sessions
	amnesia bool // what was carried out is forgotten
	do      func(m *machine, d time.Duration)
}

var strikes = []strike{
	{name: "stop fleetd", losing: true, do: func(m *machine, d time.Duration) {
		m.stop()
		time.Sleep(d)
		m.start()
	}},
	{name: "kill fleetd", losing: true, do: func(m *machine, d time.Duration) {
		m.kill()
		time.Sleep(d)
		m.start()
	}},
	{name: "kill fleetd and lose its memory", amnesia: true, losing: true, do: func(m *machine, d time.Duration) {
		m.kill()
		m.forget("agent.json")
		time.Sleep(d)
		m.start()
	}},
	{name: "cut", losing: true, do: func(m *machine, d time.Duration) {
		m.client.Cut()
		time.Sleep(d)
		m.client.Heal()
	}},
	{name: "cut the replies to", losing: true, do: func(m *machine, d time.Duration) {
		m.client.CutReplies()
		time.Sleep(d)
		m.client.Heal()
	}},
	{name: "cut the bus of", do: func(m *machine, d time.Duration) {
		m.host.CutBus()
		time.Sleep(d)
		m.host.HealBus()
	}},
	{name: "kill fleetd while the bus is away", losing: true, do: func(m *machine, d time.Duration) {
		m.host.CutBus()
		time.Sleep(d / 4)
		m.kill()
		time.Sleep(d / 4)
		m.start()
		time.Sleep(d / 2)
		m.host.HealBus()
	}},
	{name: "fill the disk of", do: func(m *machine, d time.Duration) {
		m.host.FillDisk(true)
		time.Sleep(d)
		m.host.FillDisk(false)
	}},
}

// powerLoss needs a session to end.
var powerLoss = strike{name: "pull the plug of", losing: true, amnesia: true, do: func(m *machine, d time.Duration) {
	m.crash()
	time.Sleep(d)
	m.start()
}}

// brief is how long a machine may be silent without losing its session.
const brief = 4 * time.Second

// strike lets something befall some machines at the same time. It does not wait.
func (f *fate) strike(amnesia bool) {
	victims := []*machine{f.w.machines[f.IntN(len(f.w.machines))]}
	switch f.IntN(6) {
	case 0:
		victims = f.w.machines
	case 1:
		if leader := f.w.named(f.w.snapshot().Leader); leader != nil {
			victims = []*machine{leader}
		}
	case 2:
		victims = append(victims, f.w.machines[f.IntN(len(f.w.machines))])
	}
	same := f.IntN(2) == 0
	chosen := f.choose(amnesia)
	for _, m := range victims {
		if !same {
			chosen = f.choose(amnesia)
		}
		longest := 40 * time.Second
		if chosen.losing && !f.losable {
			longest = brief
		}
		f.befall(m, chosen, f.between(0, longest))
	}
}

func (f *fate) choose(amnesia bool) strike {
	all := strikes
	if f.losable && amnesia {
		all = append(all[:len(all):len(all)], powerLoss)
	}
	for {
		if s := all[f.IntN(len(all))]; amnesia || !s.amnesia {
			return s
		}
	}
}

// befall has a machine struck, unless it is being struck already.
func (f *fate) befall(m *machine, s strike, d time.Duration) {
	if f.struck(m.id) {
		return
	}
	f.note("%s %s for %s", s.name, m.id, d)
	f.later(0, func() {
		s.do(m, d)
		time.Sleep(ttl / 3) // to renew its lease
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.mu.struck, m.id)
	})
}

// struck tells whether the machine is being struck, and if not, that it is from now on.
func (f *fate) struck(id cluster.MachineID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.struck[id] {
		return true
	}
	f.mu.struck[id] = true
	return false
}
