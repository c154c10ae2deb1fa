package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// world is a whole cluster in this process: an etcd in memory, and two machines with a systemd in memory.
// Everything else is what fleetd is made of: registry, presence, engine, agents, API. The API is that of the
// second machine, whose engine leads.
//
//	1111aaaa  10.0.0.1  zone=z1 disk=hdd  1G of memory, 4 CPUs
//	2222bbbb  10.0.0.2  zone=z2 disk=hdd  2G of memory, 4 CPUs
type world struct {
	store  *memory.Server
	user   *registry.Registry // other people, and the test itself
	first  *machine
	second *machine
	api    *reader // what the API has heard of; nil while there is none
	boots  int     // of the first machine, besides the one at the beginning

	members *members
}

const (
	firstMachine  cluster.MachineID = "1111aaaa000000000000000000000001"
	secondMachine cluster.MachineID = "2222bbbb000000000000000000000002"
)

// newWorld returns a cluster that has come to rest. It ends with close.
func newWorld() *world {
	w := &world{store: memory.New(), members: newMembers()}
	w.user = registry.New(w.store.Client(), registry.Options{})
	w.second = startMachine(w.store, secondMachine, 2, "boot")
	w.must(func(s *cluster.Snapshot) bool { return s.Leader == secondMachine })
	w.first = startMachine(w.store, firstMachine, 1, "boot")
	w.must(func(s *cluster.Snapshot) bool { return settled(s, firstMachine) && settled(s, secondMachine) })
	return w
}

// settled tells whether a machine is there and has said what runs on it: then it is given units.
func settled(s *cluster.Snapshot, id cluster.MachineID) bool {
	m, present := s.Machine(id)
	r, reports := s.Report(id)
	return present && reports && r.Session == m.Session
}

func (w *world) close() {
	w.first.stop()
	w.second.stop()
	w.store.Close()
}

// serve runs the API of the second machine, and returns when it answers.
func (w *world) serve(version string) (h http.Handler, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	records := &reader{Registry: registry.New(w.store.Client(), registry.Options{}), advanced: make(chan struct{})}
	server := api.New(records, api.Options{
		Version: version, Ready: w.second.member.Ready, Advisor: schedule.Advisor{}, Machine: secondMachine, Local: w.second.journal, Keeper: w.members,
	})
	go func() {
		defer close(done)
		_ = server.Run(ctx) // ends with ctx
	}()
	w.api = records
	w.must(func(*cluster.Snapshot) bool { return true })
	return server.Handler(), func() {
		w.api = nil
		cancel()
		<-done
	}
}

// reader is a registry that tells how far its only reader has come.
type reader struct {
	*registry.Registry

	mu       sync.Mutex
	revision int64
	advanced chan struct{} // closed by the next revision
}

// Follow implements api.Store.
func (r *reader) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	return r.Registry.Follow(ctx, func(u cluster.Update) error {
		err := fn(u)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.revision = u.Revision
		close(r.advanced)
		r.advanced = make(chan struct{})
		return err
	})
}

// await blocks until the reader has taken in a revision.
func (r *reader) await(ctx context.Context, revision int64) error {
	for {
		r.mu.Lock()
		reached, advanced := r.revision >= revision, r.advanced
		r.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("wait for the API to hear of revision %d: %w", revision, ctx.Err())
		}
	}
}

// lose takes the first machine away: its power fails, and then its lease ends.
func (w *world) lose(ctx context.Context) error {
	w.first.crash()
	if err := w.store.Client().Revoke(ctx, w.first.session().Lease); err != nil {
		return fmt.Errorf("end the lease of %s: %w", firstMachine, err)
	}
	return w.await(ctx, func(s *cluster.Snapshot) bool {
		_, present := s.Machine(firstMachine)
		return !present
	})
}

// silence stops the first machine's fleetd. Its lease lives on for a while, as if a fence renewed it.
func (w *world) silence(ctx context.Context) error {
	w.first.stop()
	return w.await(ctx, func(s *cluster.Snapshot) bool { return s.Silent(firstMachine) })
}

// reboot is what a fleetd does with a machine that is drained for that: it waits until nothing is left there that
// can leave, and has the host go down and come up again. It returns when that has been noticed, but not yet that the machine is back.
func (w *world) reboot(ctx context.Context) error {
	err := w.await(ctx, func(s *cluster.Snapshot) bool {
		m, _ := s.Machine(firstMachine)
		drain := s.Settings(firstMachine).Drain
		return drain != nil && drain.Boot == m.Session.BootID && len(s.Draining(firstMachine).Moving) == 0
	})
	if err != nil {
		return err
	}
	time.Sleep(5 * pictureDelay) // a host takes longer to go down than fleetctl to look
	return w.lose(ctx)
}

// draining blocks until a drain has a unit be on its way.
func (w *world) draining(ctx context.Context, name unit.Name) error {
	return w.await(ctx, func(s *cluster.Snapshot) bool { return leaves(s, name) })
}

// leaves tells whether a unit is on its way off a machine that is drained.
func leaves(s *cluster.Snapshot, name unit.Name) bool {
	return slices.ContainsFunc(s.Machines(), func(id cluster.MachineID) bool {
		_, moving := s.Draining(id).Moving[name]
		return moving
	})
}

// boot has the first machine, which was lost, come up again.
func (w *world) boot(ctx context.Context) error {
	time.Sleep(5 * pictureDelay) // nor does it come up sooner
	w.boots++
	w.first = startMachine(w.store, firstMachine, 1, fmt.Sprintf("boot %d", w.boots))
	return w.await(ctx, func(s *cluster.Snapshot) bool { return settled(s, firstMachine) })
}

// want is somebody else who wants the unit in a state.
func (w *world) want(ctx context.Context, name unit.Name, state cluster.DesiredState) error {
	return w.update(ctx, name, func(u *cluster.Unit) *cluster.UnitEdit {
		u.Desired = state
		return &cluster.UnitEdit{Unit: *u}
	})
}

// destroy is somebody else who removes the unit.
func (w *world) destroy(ctx context.Context, name unit.Name) error {
	return w.update(ctx, name, func(*cluster.Unit) *cluster.UnitEdit { return nil })
}

func (w *world) update(ctx context.Context, name unit.Name, change func(*cluster.Unit) *cluster.UnitEdit) error {
	u, err := w.user.UpdateUnit(ctx, name, func(u *cluster.Unit) (*cluster.UnitEdit, error) { return change(u), nil })
	if err != nil {
		return err
	}
	return w.shown(ctx, u.Revision)
}

// shown blocks until the API shows what was recorded, unless it is down.
func (w *world) shown(ctx context.Context, revision int64) error {
	if w.api == nil {
		return nil
	}
	return w.api.await(ctx, revision)
}

// finish lets go on what is slow about a unit until all that was asked of it is done.
func (w *world) finish(ctx context.Context, name unit.Name) error {
	return w.await(ctx, func(s *cluster.Snapshot) bool {
		w.first.host.Release(name)
		w.second.host.Release(name)
		phase, _ := s.Status(name).Outcome()
		return phase != cluster.Working && !leaves(s, name)
	})
}

// wanted blocks until somebody wants the unit in that state; "absent" is a state too.
func (w *world) wanted(ctx context.Context, name unit.Name, state string) error {
	return w.await(ctx, func(s *cluster.Snapshot) bool {
		u, exists := s.Unit(name)
		return string(u.Desired) == state || !exists && state == "absent"
	})
}

var errSeen = errors.New("seen")

// await blocks until the cluster's records are as is demands, and the API shows it. It looks at every state of them
// that there is.
func (w *world) await(ctx context.Context, is func(*cluster.Snapshot) bool) error {
	var s cluster.Snapshot
	err := w.user.Follow(ctx, func(u cluster.Update) error {
		s.Apply(u)
		if is(&s) {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		return fmt.Errorf("wait for the cluster: %w", err)
	}
	return w.shown(ctx, s.Revision)
}

func (w *world) must(is func(*cluster.Snapshot) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.await(ctx, is); err != nil {
		panic(err)
	}
}
