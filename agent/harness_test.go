package agent_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fleet/agent"
	"fleet/cluster"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sleeper = "[Service]\nExecStart=/bin/sleep infinity\n"
	oneshot = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
	failing = "[Service]\nType=oneshot\nExecStart=/bin/false\n[X-Test]\nLog=it hurts\n"
	slow    = "[Service]\nExecStart=/bin/sleep infinity\n[X-Test]\nStartSec=10s\n"
	lengthy = "[Service]\nType=oneshot\nExecStart=/bin/true\n[X-Test]\nStartSec=100h\n"
	sturdy  = "[Service]\nExecStart=/bin/sleep infinity\n[X-Test]\nStopSec=20s\n"
)

// machine is a host with an agent that can be killed and started again.
type machine struct {
	t         *testing.T
	host      *systemdtest.Host
	stateFile string
	wrap      func(agent.Systemd) agent.Systemd // nil: as it is
	events    agent.Events
	guard     func() agent.Guard  // nil: the host can have no fence
	guarded   func(cluster.Fence) // is told what is guarded

	agent *agent.Agent
	kill  func() // the agent; its units go on

	endSession func() error // that is being served, and wait for Serve to return
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, host: systemdtest.NewHost(), stateFile: filepath.Join(t.TempDir(), "agent.json")}
}

// boot starts the agent.
func (m *machine) boot() {
	m.t.Helper()
	manager := m.host.Manager()
	var sd agent.Systemd = manager
	if m.wrap != nil {
		sd = m.wrap(sd)
	}
	a, err := agent.New(sd, agent.Options{Machine: "m1", BootID: "b1", StateFile: m.stateFile, Events: m.events, Guard: m.guard, Guarded: m.guarded})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = manager.Run(ctx) })
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			m.t.Errorf("Run: %v", err)
		}
	})
	m.agent = a
	m.kill = sync.OnceFunc(func() { cancel(); wg.Wait() })
	m.t.Cleanup(m.kill)
}

// serve has the agent serve a session until the function returned is called.
func (m *machine) serve(s *session) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var (
		wg  sync.WaitGroup
		err error
	)
	a := m.agent
	wg.Go(func() { err = a.Serve(ctx, s) })
	end = sync.OnceValue(func() error { cancel(); wg.Wait(); return err })
	m.endSession = end
	m.t.Cleanup(func() { _ = end() })
	return end
}

// session is the cluster's side: it gives orders and keeps reports.
type session struct {
	id cluster.Session

	mu       sync.Mutex
	changed  chan struct{}
	orders   cluster.Orders
	files    map[unit.ContentID][]byte
	fetches  int
	reports  []cluster.Report
	reportFn func() error // nil: succeeds
	fileFn   func(ctx context.Context, id unit.ContentID) error
}

func newSession(lease int64) *session {
	return &session{
		id:      cluster.Session{Lease: lease, BootID: "b1"},
		changed: make(chan struct{}),
		files:   map[unit.ContentID][]byte{},
	}
}

func (s *session) Session() cluster.Session { return s.id }

func (s *session) FollowOrders(ctx context.Context, fn func(cluster.Orders) error) error {
	last := int64(-1)
	for {
		s.mu.Lock()
		o, changed := s.orders, s.changed
		s.mu.Unlock()
		if o.Revision != last {
			last = o.Revision
			if err := fn(o); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) File(ctx context.Context, id unit.ContentID) ([]byte, error) {
	s.mu.Lock()
	fn := s.fileFn
	s.fetches++
	s.mu.Unlock()
	if fn != nil {
		if err := fn(ctx, id); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.files[id]
	if !ok {
		return nil, fmt.Errorf("file %.8s: %w", id, cluster.ErrNotFound)
	}
	return raw, nil
}

func (s *session) Report(_ context.Context, r cluster.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reportFn != nil {
		if err := s.reportFn(); err != nil {
			return err
		}
	}
	s.reports = append(s.reports, r)
	return nil
}

// edit changes the orders, which get a new revision.
func (s *session) edit(change func(units map[unit.Name]cluster.Order)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := maps.Clone(s.orders.Units)
	if units == nil {
		units = map[unit.Name]cluster.Order{}
	}
	change(units)
	s.orders = cluster.Orders{Machine: "m1", Session: s.id, Units: units, Revision: s.orders.Revision + 1}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) order(name unit.Name, text string, desired cluster.DesiredState, generation int64) {
	s.restart(name, text, desired, generation, 0)
}

func (s *session) restart(name unit.Name, text string, desired cluster.DesiredState, generation, restart int64) {
	id := s.put(text)
	s.edit(func(units map[unit.Name]cluster.Order) {
		units[name] = cluster.Order{Content: id, Desired: desired, Generation: generation, Restart: restart}
	})
}

func (s *session) drop(name unit.Name) {
	s.edit(func(units map[unit.Name]cluster.Order) { delete(units, name) })
}

func (s *session) put(text string) unit.ContentID {
	id := unit.IDOf([]byte(text))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[id] = []byte(text)
	return id
}

// inherit gives this session the orders of the one before, as an engine does that keeps everything.
func (s *session) inherit(old *session) {
	old.mu.Lock()
	units, files, revision := old.orders.Units, old.files, old.orders.Revision
	old.mu.Unlock()
	s.mu.Lock()
	maps.Copy(s.files, files)
	s.orders.Revision = revision
	s.mu.Unlock()
	s.edit(func(mine map[unit.Name]cluster.Order) { maps.Copy(mine, units) })
}

func (s *session) last() cluster.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) == 0 {
		return cluster.Report{}
	}
	return s.reports[len(s.reports)-1]
}

func (s *session) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reports)
}

// history is every report so far.
func (s *session) history() []cluster.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

func (s *session) fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// onReport and onFile have reports and files fail, or take their time.
func (s *session) onReport(fn func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportFn = fn
}

func (s *session) onFile(fn func(ctx context.Context, id unit.ContentID) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fileFn = fn
}

// settle lets a moment pass: long enough for all that takes no time by itself.
func settle() {
	time.Sleep(300 * time.Millisecond)
	synctest.Wait()
}

// play runs a test in a bubble, on a machine whose agent serves a session.
func play(t *testing.T, test func(t *testing.T, m *machine, s *session)) {
	t.Helper()
	playWith(t, agent.Events{}, test)
}

// playWith is play with somebody who is told of events.
func playWith(t *testing.T, events agent.Events, test func(t *testing.T, m *machine, s *session)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{t: t, host: systemdtest.NewHost(), stateFile: filepath.Join(dir, "agent.json"), events: events}
		m.boot()
		s := newSession(1)
		m.serve(s)
		settle()
		test(t, m, s)
	})
}

func lives(h *systemdtest.Host, name unit.Name) int {
	n := 0
	for _, run := range h.Runs() {
		if run.Unit == name {
			n++
		}
	}
	return n
}
