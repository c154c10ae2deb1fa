package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const ttl = 10 * time.Second

// world is a store, some machines and a user.
type world struct {
	t        testing.TB
	log      *slog.Logger // of all daemons
	dir      string       // where machines have their files
	store    *memory.Server
	user     *registry.Registry
	machines []*machine
	fencing  fencing
	brain    schedule.Options                              // of every engine
	mischief bool                                          // fleetd stops what it has started, for no reason
	audit    func(m *machine, step string, name unit.Name) // is told what fleetd is about to stop; nil: nobody is

	through func(registry.Store) registry.Store // what connections to the store go through; nil: nothing
}

func newWorld(t testing.TB, log *slog.Logger, dir string, machines int) *world {
	return newMeteredWorld(t, log, dir, machines, nil)
}

// newMeteredWorld is one whose connections to the store go through something.
func newMeteredWorld(t testing.TB, log *slog.Logger, dir string, machines int, through func(registry.Store) registry.Store) *world {
	w := &world{t: t, log: log, dir: dir, store: memory.New(), fencing: fencing{none: true}, through: through}
	w.user = registry.New(w.connection(w.store.Client()), registry.Options{})
	for range machines {
		w.add()
	}
	return w
}

func (w *world) connection(c *memory.Client) registry.Store {
	if w.through == nil {
		return c
	}
	return w.through(c)
}

// add has one more machine join.
func (w *world) add() *machine {
	m := &machine{
		w:    w,
		id:   cluster.MachineID(fmt.Sprintf("%032d", len(w.machines)+1)),
		host: systemdtest.NewHost(),
		dir:  filepath.Join(w.dir, strconv.Itoa(len(w.machines))),
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.machines = append(w.machines, m)
	m.installFence(w.fencing)
	m.start()
	return m
}

// close ends every daemon, so that the bubble can end.
func (w *world) close() {
	for _, m := range w.machines {
		m.stop()
		m.host.Crash()
	}
	w.store.Close()
	time.Sleep(time.Minute) // what dead processes still try comes to its end
}

// settle lets virtual time pass until sessions have ended, retries were made and everything has come to rest.
func (w *world) settle() { time.Sleep(5 * time.Minute) }

func (w *world) put(name unit.Name, text string, desired cluster.DesiredState) {
	w.t.Helper()
	f, err := unit.Parse([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	rules, err := f.Rules(name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.edit(name, func(*cluster.Unit) *cluster.UnitEdit {
		return &cluster.UnitEdit{
			Unit: cluster.Unit{Name: name, Content: f.ID(), Desired: desired, Global: rules.Global},
			File: []byte(text),
		}
	})
}

func (w *world) want(name unit.Name, desired cluster.DesiredState) {
	w.t.Helper()
	w.edit(name, func(u *cluster.Unit) *cluster.UnitEdit {
		u.Desired = desired
		return &cluster.UnitEdit{Unit: *u}
	})
}

func (w *world) restart(name unit.Name) {
	w.t.Helper()
	w.edit(name, func(u *cluster.Unit) *cluster.UnitEdit { return &cluster.UnitEdit{Unit: *u, Restart: true} })
}

func (w *world) destroy(name unit.Name) {
	w.t.Helper()
	w.edit(name, func(*cluster.Unit) *cluster.UnitEdit { return nil })
}

func (w *world) edit(name unit.Name, change func(*cluster.Unit) *cluster.UnitEdit) {
	w.t.Helper()
	w.persist(func() error {
		_, err := w.user.UpdateUnit(context.Background(), name, func(u *cluster.Unit) (*cluster.UnitEdit, error) {
			return change(u), nil
		})
		return err
	})
}

// persist has a user ask for something until the store has answered.
func (w *world) persist(ask func() error) {
	w.t.Helper()
	for range 5 {
		err := ask()
		if err == nil {
			return
		}
		if !errors.Is(err, cluster.ErrUnavailable) {
			w.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatal("the store does not answer a user")
}

// set lays metadata over a machine's own.
func (w *world) set(id cluster.MachineID, key, value string) {
	_, err := w.user.UpdateSettings(context.Background(), id, func(s cluster.Settings) (cluster.Settings, error) {
		s.Metadata = map[string]*string{key: &value}
		return s, nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// damage makes a record unreadable, and tells whether there was one.
func (w *world) damage(key string) bool {
	client := w.store.Client()
	page, err := client.Range(context.Background(), registry.Query{Keys: registry.Keys{Name: key}})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(page.Pairs) == 0 {
		return false
	}
	put := registry.Put(key, []byte(`{"v":1,"cut of`), page.Pairs[0].Lease)
	if _, err := client.Txn(context.Background(), registry.Txn{Then: []registry.Op{put}}); err != nil {
		w.t.Fatal(err)
	}
	return true
}

// snapshot reads all records.
func (w *world) snapshot() *cluster.Snapshot {
	w.t.Helper()
	var s cluster.Snapshot
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := w.user.Follow(ctx, func(u cluster.Update) error {
		s.Apply(u)
		cancel()
		return ctx.Err()
	})
	if ctx.Err() == nil {
		w.t.Fatal(err)
	}
	return &s
}

// where lists the machines on which the unit has a process or whatever a unit of its type has.
func (w *world) where(name unit.Name) []*machine {
	var on []*machine
	for _, m := range w.machines {
		if m.up && slices.Contains(m.host.Running(), name) {
			on = append(on, m)
		}
	}
	return on
}

// leader is the machine whose engine leads.
func (w *world) leader() *machine {
	m := w.named(w.snapshot().Leader)
	if m == nil {
		w.t.Fatal("nobody leads")
	}
	return m
}

// named is the machine with that id, nil if there is none.
func (w *world) named(id cluster.MachineID) *machine {
	i := slices.IndexFunc(w.machines, func(m *machine) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return w.machines[i]
}

// machine is a host with its fleetd. What is on it survives the daemon, and
// its power only as a disk would.
type machine struct {
	w       *world
	id      cluster.MachineID
	host    *systemdtest.Host
	dir     string // /run: lost with the power
	boots   int
	history registry.History // what fleetd has kept of it in /run
	up      bool             // has power
	client  *memory.Client
	bus     *systemdtest.Manager
	stop    func() // ends the daemon in an orderly way; does nothing if there is none
	line    line

	session presence.Volatile // a loss of power takes it; the fence reads it many times, so it is no file
	clock   clock
}

func (m *machine) bootID() string { return fmt.Sprintf("%s-%d", m.id, m.boots) }

// start starts fleetd.
func (m *machine) start() {
	m.up = true
	ctx, cancel := context.WithCancel(context.Background())
	m.client = m.w.store.Client()
	m.line.take(m.client)
	records := registry.New(m.w.connection(m.client), registry.Options{History: m.history, Now: m.clock.now})
	connection := m.host.Manager()
	m.bus = connection
	var member *presence.Presence
	options := agent.Options{
		Machine:   m.id,
		BootID:    m.bootID(),
		StateFile: filepath.Join(m.dir, "agent.json"),
		Logger:    m.w.log.With("on", m.id[31:]),
		Now:       m.clock.now,
	}
	if !m.w.fencing.none {
		options.Guard = m.guards
		options.Guarded = func(times cluster.Fence) { member.Amend(func(m *cluster.Machine) { m.Fence = times }) }
	}
	worker, err := agent.New(&audited{connection, m}, options)
	if err != nil {
		m.w.t.Fatal(err)
	}
	member = presence.New(records, worker, presence.Options{
		Machine: cluster.Machine{
			ID:       m.id,
			Session:  cluster.Session{BootID: m.bootID()},
			Address:  "10.0.0." + string(m.id[31]),
			Capacity: cluster.Capacity{MaxUnits: 1000},
		},
		LeaseTTL: ttl,
		Brain:    m.w.brain,
		Memory:   &m.session,
		Logger:   m.w.log.With("on", m.id[31:]),
		Now:      m.clock.now,
	})
	done := make(chan struct{}, 3)
	for _, run := range []func(context.Context) error{connection.Run, worker.Run, member.Run} {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := run(ctx); err != nil && ctx.Err() == nil {
				m.w.t.Errorf("machine %s: %v", m.id, err)
			}
		}()
	}
	m.stop = func() {
		cancel()
		for range 3 {
			<-done
		}
		m.history = records.History()
		m.stop = func() {}
	}
}

// kill ends fleetd as SIGKILL would: it says nothing to anybody any more.
func (m *machine) kill() {
	m.client.Kill()
	m.stop()
}

// pause stops fleetd as SIGSTOP would.
func (m *machine) pause() {
	m.client.Pause()
	m.bus.Pause()
}

func (m *machine) resume() {
	m.client.Continue()
	m.bus.Continue()
}

// crash is a loss of power.
func (m *machine) crash() {
	m.kill()
	m.host.Crash()
	m.up = false
	m.boots++
	m.history = registry.History{}
	m.forget("agent.json")
	_ = m.session.Save(registry.Hold{})
}

// forget removes files from /run.
func (m *machine) forget(names ...string) {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(m.dir, name)); err != nil {
			m.w.t.Error(err)
		}
	}
}

// seen is what the host itself says of the units of fleet on it.
func (m *machine) seen() map[unit.Name]unit.State {
	m.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	connection := m.host.Manager()
	ended := make(chan error)
	go func() { ended <- connection.Run(ctx) }()
	files, err := connection.Files(ctx)
	if err != nil {
		m.w.t.Fatal(err)
	}
	states, err := connection.States(ctx, slices.Collect(maps.Keys(files)))
	if err != nil {
		m.w.t.Fatal(err)
	}
	cancel()
	<-ended
	return states
}
