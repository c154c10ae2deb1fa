package simulation

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// stage is where a history is played.
type stage struct {
	w        *world
	wanted   map[unit.Name]wish
	contents map[unit.ContentID]kind    // all that were ever submitted
	asked    map[unit.Name][]time.Time  // when somebody did something to a unit
	meddled  map[cluster.MachineID]bool // machines that operators have changed something of
	ledger   *ledger
	unfollow func()
	backup   *backup
	orphans  map[unit.Name]bool // units of which a restored store knows nothing
	lost     map[unit.Name]bool // units of which something was asked in a history that was lost
	goneBack bool               // the store was restored by hand
	edition  int
	guards   bool // whether there are units that say AtMostOnce

	under sync.WaitGroup
	mu    struct {
		sync.Mutex
		open   map[string]*fault // faults that last, by what they concern
		log    []string
		faults []string // what must not be
		stops  []stop
	}
}

// fault is one that lasts.
type fault struct {
	end   func()
	ended bool
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.log = append(s.mu.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// wrong notes what must not be.
func (s *stage) wrong(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.faults = append(s.mu.faults, fmt.Sprintf(format, args...))
}

// fault begins one, unless there is one of that sort already, and ends it after a time.
func (s *stage) fault(m *machine, sort string, d time.Duration, begin, end func()) {
	key := sort
	if m != nil {
		key = string(m.id) + " " + sort
	}
	if s.broken(key) {
		return
	}
	f := &fault{end: end}
	s.mu.Lock()
	s.mu.open[key] = f
	s.mu.Unlock()
	begin()
	s.under.Go(func() {
		time.Sleep(d)
		s.mend(key, f)
	})
}

func (s *stage) broken(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.open[key] != nil
}

// mend ends a fault, if it lasts still.
func (s *stage) mend(key string, f *fault) {
	s.mu.Lock()
	ended := f.ended
	f.ended = true
	s.mu.Unlock()
	if ended {
		return
	}
	f.end()
	s.mu.Lock()
	delete(s.mu.open, key)
	s.mu.Unlock()
	s.note("over: %s", key)
}

func (s *stage) name(a act) unit.Name { return unit.Name(fmt.Sprintf("u%d.service", a.unit)) }

func (s *stage) touched(name unit.Name) { s.asked[name] = append(s.asked[name], time.Now()) }

// killed: how a unit is now depends on what comes after, unless it is restarted by systemd.
func (s *stage) killed(name unit.Name) {
	s.touched(name)
	if wanted, ok := s.wanted[name]; ok {
		wanted.doubted = true
		s.wanted[name] = wanted
	}
}

func (s *stage) submit(a act) {
	if s.broken("store") {
		return
	}
	all := lot
	if s.guards {
		all = slices.Concat(lot, guarded, guarded)
	}
	k := all[a.pick%len(all)]
	if a.unit == 0 && strings.Contains(k.text, "MachineOf=") {
		k = lot[0]
	}
	s.edition++
	k.text += fmt.Sprintf("# %d\n", s.edition%3) // sometimes another file, sometimes one as before
	desired := cluster.Launched
	if a.pick/64%8 == 0 {
		desired = cluster.Loaded
	}
	name, content := s.name(a), unit.IDOf([]byte(k.text))
	s.touched(name)
	s.contents[content] = k
	s.w.put(name, k.text, desired)
	s.wanted[name] = wish{kind: k, desired: desired, content: content}
	delete(s.orphans, name)
}

func (s *stage) want(a act) {
	wanted, ok := s.wanted[s.name(a)]
	if !ok || s.broken("store") {
		return
	}
	wanted.desired = []cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive}[a.pick%4]
	s.touched(s.name(a))
	s.w.want(s.name(a), wanted.desired)
	s.wanted[s.name(a)] = wanted
}

func (s *stage) restart(a act) {
	wanted, ok := s.wanted[s.name(a)]
	if !ok || wanted.desired != cluster.Launched || s.broken("store") {
		return
	}
	s.touched(s.name(a))
	s.w.restart(s.name(a))
}

func (s *stage) destroy(a act) {
	if _, ok := s.wanted[s.name(a)]; !ok || s.broken("store") {
		return
	}
	s.touched(s.name(a))
	s.w.destroy(s.name(a))
	delete(s.wanted, s.name(a))
	if s.lost[s.name(a)] { // a machine that is away may have it from then, and comes back with what looks as if the store had lost it
		s.orphans[s.name(a)] = true
	}
}

func (s *stage) move(a act) {
	wanted, ok := s.wanted[s.name(a)]
	if !ok || wanted.global() || s.broken("store") {
		return
	}
	s.touched(s.name(a))
	s.w.edit(s.name(a), func(u *cluster.Unit) *cluster.UnitEdit {
		u.MoveTo = s.w.machines[a.on].id
		return &cluster.UnitEdit{Unit: *u, Move: true}
	})
}

// endless is much longer than a history takes, in real time. Where two undo what the other does without any pause, virtual time
// stands still, and a bubble cannot be ended.
const endless = 5 * time.Minute

// play plays a history and tells what was wrong, and what happened.
func play(t *testing.T, h history, log slog.Handler, dir string, change func(*world)) (wrong, told []string) {
	s := &stage{
		wanted: make(map[unit.Name]wish), contents: make(map[unit.ContentID]kind),
		asked: make(map[unit.Name][]time.Time), meddled: make(map[cluster.MachineID]bool), orphans: make(map[unit.Name]bool), lost: make(map[unit.Name]bool), ledger: newLedger(), unfollow: func() {},
	}
	s.mu.open = make(map[string]*fault)
	defer time.AfterFunc(endless, func() { panic("this history does not come to an end:\n" + h.String()) }).Stop()
	synctest.Test(t, func(t *testing.T) {
		s.w = newWorld(complainer{t, s}, slog.New(log), dir, 0)
		s.w.fencing = fencing{watchdog: 5 * time.Second}
		s.w.audit = s.stopped
		s.guards = true
		change(s.w)
		s.follow()
		for range h.machines {
			s.w.add()
		}
		s.perform(h)
		s.heal()
		s.judge()
		s.unfollow()
		s.under.Wait()
		s.w.close()
	})
	return s.mu.faults, s.mu.log
}

// perform does one act after the other.
func (s *stage) perform(h history) {
	time.Sleep(5 * time.Second)
	for _, a := range h.acts {
		time.Sleep(a.after)
		i := slices.IndexFunc(deeds, func(d deed) bool { return d.name == a.do })
		s.note("%s (machine %d, unit %d, for %s, %d)", a.do, a.on%h.machines+1, a.unit, a.last, a.pick)
		a.on %= h.machines
		deeds[i].do(s, a)
	}
}

// heal ends all faults.
func (s *stage) heal() {
	s.mu.Lock()
	open := maps.Clone(s.mu.open)
	s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(open)) {
		s.mend(key, open[key])
	}
	time.Sleep(time.Minute) // some were just being ended
	s.note("all faults are over")
}

// complainer makes what a world cannot do something that is wrong with a history.
type complainer struct {
	testing.TB
	s *stage
}

func (c complainer) Errorf(format string, args ...any) { c.s.wrong(format, args...) }
func (c complainer) Error(args ...any)                 { c.s.wrong("%s", fmt.Sprint(args...)) }
func (c complainer) Fatalf(format string, args ...any) {
	c.s.wrong(format, args...)
	panic(fmt.Sprintf(format, args...))
}

func (c complainer) Fatal(args ...any) { c.Fatalf("%s", fmt.Sprint(args...)) }
func (c complainer) Helper()           {}
