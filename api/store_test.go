package api_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// fakeStore is a small store in memory with the semantics that the server
// relies on: revisions that grow by one with every write, a whole snapshot
// and then every change in order for each follower, and writes that compare.
type fakeStore struct {
	mu       sync.Mutex
	changed  *sync.Cond
	revision int64
	log      []cluster.Update // every write since the beginning
	units    map[unit.Name]cluster.Unit
	corrupt  map[unit.Name]int64
	settings map[cluster.MachineID]cluster.Settings

	// fail is returned by every write.
	fail error
	// race is called between reading a unit and writing it.
	race func()
	// delay is how long a write of a unit takes; others go on meanwhile.
	delay time.Duration
}

func newFakeStore() *fakeStore {
	s := &fakeStore{
		units:    make(map[unit.Name]cluster.Unit),
		corrupt:  make(map[unit.Name]int64),
		settings: make(map[cluster.MachineID]cluster.Settings),
	}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// write stores changes at one new revision.
func (s *fakeStore) write(changes ...cluster.Change) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(changes...)
}

// reset tells followers the whole cluster anew: what is not among changes is gone.
func (s *fakeStore) reset(changes ...cluster.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.log = append(s.log, cluster.Update{Revision: s.revision, Reset: true, Changes: changes})
	s.changed.Broadcast()
}

func (s *fakeStore) writeLocked(changes ...cluster.Change) int64 {
	s.revision++
	for _, c := range changes {
		switch c := c.(type) {
		case cluster.OrdersChanged:
			if c.Orders != nil {
				c.Orders.Revision = s.revision
			}
		case cluster.Corrupted:
			if c.Kind == cluster.KindUnit {
				s.corrupt[unit.Name(c.ID)] = s.revision
				delete(s.units, unit.Name(c.ID))
			}
		}
	}
	s.log = append(s.log, cluster.Update{Revision: s.revision, Changes: slices.Clone(changes)})
	s.changed.Broadcast()
	return s.revision
}

// unit returns a unit's record, zero if there is none.
func (s *fakeStore) unit(name unit.Name) cluster.Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[name]
}

// submit stores a unit as another fleetd's API would.
func (s *fakeStore) submit(t testing.TB, name unit.Name, text string, desired cluster.DesiredState) cluster.Unit {
	t.Helper()
	file, err := unit.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := file.Rules(name)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.UpdateUnit(t.Context(), name, func(*cluster.Unit) (*cluster.UnitEdit, error) {
		return &cluster.UnitEdit{
			Unit: cluster.Unit{Name: name, Content: file.ID(), Desired: desired, Global: rules.Global},
			File: file.Bytes(),
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s *fakeStore) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock() // else it may come between the look at ctx and the wait
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	told := 0
	for {
		s.mu.Lock()
		for told > 0 && told == len(s.log) && ctx.Err() == nil {
			s.changed.Wait()
		}
		updates := slices.Clone(s.log[told:])
		first := cluster.Update{Revision: s.revision, Reset: true}
		s.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if told == 0 {
			for _, u := range updates {
				first.Changes = append(first.Changes, u.Changes...)
			}
			told, updates = len(updates), []cluster.Update{first}
		} else {
			told += len(updates)
		}
		for _, u := range updates {
			if err := fn(u); err != nil {
				return err
			}
		}
	}
}

func (s *fakeStore) UpdateUnit(
	ctx context.Context, name unit.Name, change func(*cluster.Unit) (*cluster.UnitEdit, error),
) (cluster.Unit, error) {
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return cluster.Unit{}, ctx.Err()
	}
	s.mu.Lock()
	current, read := s.read(name), s.revision
	race := s.race
	s.mu.Unlock()

	edit, err := change(current)
	if err != nil {
		return cluster.Unit{}, err
	}
	if race != nil {
		race()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return cluster.Unit{}, s.fail
	}
	if now := s.read(name); (now == nil) != (current == nil) || now != nil && now.Revision != current.Revision {
		return cluster.Unit{}, fmt.Errorf("update %s: %w", name, cluster.ErrConflict)
	}
	delete(s.corrupt, name)
	if edit == nil {
		delete(s.units, name)
		revision := s.writeLocked(cluster.UnitChanged{Name: name})
		return cluster.Unit{Name: name, Revision: revision, Generation: revision}, nil
	}
	u := edit.Unit
	u.Name, u.Revision, u.Generation = name, s.revision+1, read+1
	if current != nil {
		u.Generation, u.Restart = max(current.Generation, read)+1, current.Restart
	}
	if edit.Restart {
		u.Restart = u.Generation
	}
	if edit.Move {
		u.Move = u.Generation
	}
	changes := []cluster.Change{cluster.UnitChanged{Name: name, Unit: &u}}
	if edit.File != nil {
		file, err := unit.Parse(edit.File)
		if err != nil {
			return cluster.Unit{}, err
		}
		changes = append(changes, cluster.FileChanged{ID: file.ID(), File: file, Revision: u.Revision})
	}
	s.units[name] = u
	s.writeLocked(changes...)
	return u, nil
}

func (s *fakeStore) read(name unit.Name) *cluster.Unit {
	if revision, corrupt := s.corrupt[name]; corrupt {
		return &cluster.Unit{Revision: revision}
	}
	if u, ok := s.units[name]; ok {
		return &u
	}
	return nil
}

func (s *fakeStore) UpdateSettings(
	_ context.Context, id cluster.MachineID, change func(cluster.Settings) (cluster.Settings, error),
) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	settings, err := change(s.settings[id])
	if err != nil {
		return 0, err
	}
	s.settings[id] = settings
	return s.writeLocked(cluster.SettingsChanged{ID: id, Settings: &settings}), nil
}

func (s *fakeStore) Acknowledge(_ context.Context, name cluster.AlarmName, since time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	return s.writeLocked(cluster.AckChanged{Name: name, Ack: &cluster.Ack{Name: name, Since: since}}), nil
}
