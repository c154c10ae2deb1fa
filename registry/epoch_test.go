package registry_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/memory"
	"fleet/registry/storetest"
	"fleet/unit"
)

// past is a store that can be brought back to what it was.
type past struct {
	t       *testing.T
	store   *memory.Server
	records *registry.Registry
}

func inPast(t *testing.T, test func(t *testing.T, p past)) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		test(t, past{t: t, store: server, records: registry.New(server.Client(), registry.Options{})})
	})
}

func (p past) put(r *registry.Registry, name unit.Name) cluster.Unit {
	p.t.Helper()
	u, err := r.UpdateUnit(p.t.Context(), name, launch("", file))
	must(p.t, err)
	return u
}

func TestGenerationsDoNotGoBackWithTheStore(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		p.put(p.records, "kept.service")
		backup := p.store.Backup()
		highest := int64(0)
		for range 20 {
			highest = max(highest, p.put(p.records, "kept.service").Generation, p.put(p.records, "lost.service").Generation)
		}
		for range 3 { // restorations of the same backup, one after the other
			p.store.Restore(backup)
			for range 2 {
				u := p.put(p.records, "lost.service")
				if u.Generation <= highest {
					t.Fatalf("generation %d after %d", u.Generation, highest)
				}
				gone, err := p.records.UpdateUnit(t.Context(), "lost.service", destroy)
				must(t, err)
				if gone.Generation < u.Generation {
					t.Fatalf("destroyed at generation %d after %d", gone.Generation, u.Generation)
				}
				highest = gone.Generation
			}
		}
		s := snapshot(t, p.records)
		if s.Epoch.Number != 3 || s.Stamp() < highest {
			t.Errorf("epoch %+v, stamp %d after %d", s.Epoch, s.Stamp(), highest)
		}
	})
}

func TestWhatWasLostIsToldFromWhatWasKept(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		kept := p.put(p.records, "a.service")
		backup := p.store.Backup()
		lost := p.put(p.records, "b.service")
		p.store.Restore(backup)
		now := p.put(p.records, "c.service")
		e := snapshot(t, p.records).Epoch
		if e.Lost(kept.Generation) || !e.Lost(lost.Generation) || e.Lost(now.Generation) {
			t.Errorf("lost are %d: %v, %d: %v, %d: %v", kept.Generation, e.Lost(kept.Generation),
				lost.Generation, e.Lost(lost.Generation), now.Generation, e.Lost(now.Generation))
		}
	})
}

// However the next revisions come to be, a reader is told everything anew.
func TestAReaderOfARestoredStoreIsNotDeaf(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		backup := p.store.Backup()
		for range 10 {
			p.put(p.records, "lost.service")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var s cluster.Snapshot
		resets := 0
		ended := make(chan error)
		go func() {
			ended <- p.records.Follow(ctx, func(u cluster.Update) error {
				if u.Reset {
					resets++
				}
				s.Apply(u)
				return nil
			})
		}()
		synctest.Wait()
		p.store.Restore(backup)
		p.put(p.records, "new.service")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, lost := s.Unit("lost.service")
		if _, there := s.Unit("new.service"); !there || lost || resets != 2 || s.Epoch.Number != 1 {
			t.Errorf("the reader has %v after %d snapshots in epoch %d", s.Units(), resets, s.Epoch.Number)
		}
		cancel()
		<-ended
	})
}

// In a quiet cluster every machine finds out by itself, and together they begin one epoch.
func TestSessionsEndWithTheHistoryTheyAreOf(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		const long = 9 * time.Second
		r := registry.New(p.store.Client(), registry.Options{})
		first := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: long})
		other := join(t, registry.New(p.store.Client(), registry.Options{}), machine("m2", "boot", "10.0.0.2"), registry.JoinOptions{TTL: long})
		session := first.Session()
		_, err := p.store.Client().Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/fleet/orders/m1", ordersFor(session, "old"), 0)}})
		must(t, err)
		backup := p.store.Backup()
		_, err = p.store.Client().Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/fleet/orders/m1", ordersFor(session, "new"), 0)}})
		must(t, err)

		obeyed := make(chan cluster.Orders, 10)
		following := make(chan error, 1)
		go func() {
			following <- first.FollowOrders(first.ctx, func(o cluster.Orders) error { obeyed <- o; return nil })
		}()
		if o := receive(t, obeyed); o.Units[app].Reason != "new" {
			t.Fatalf("the orders are %+v", o)
		}
		p.store.Restore(backup)
		time.Sleep(long/3 + time.Second)
		wantErr(t, receive(t, first.ended), cluster.ErrSessionLost)
		wantErr(t, receive(t, other.ended), cluster.ErrSessionLost)
		if err := receive(t, following); err == nil {
			t.Error("orders are followed without an end")
		}
		if len(obeyed) != 0 {
			t.Errorf("the session was given restored orders: %+v", <-obeyed)
		}

		again := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: long, Resume: first.hold})
		defer again.stop(t)
		s := snapshot(t, r)
		if again.Session().Lease == session.Lease || s.Epoch.Number != 1 {
			t.Errorf("in epoch %d the session is %v after %v", s.Epoch.Number, again.Session(), session)
		}
		if _, there := s.Machine("m2"); there {
			t.Error("a session of the former history lives on")
		}
	})
}

func ordersFor(s cluster.Session, reason string) []byte {
	return []byte(`{"v":1,"session":{"lease":` + strconv.FormatInt(s.Lease, 10) + `,"bootID":"` + s.BootID + `"},"units":{"` + string(app) + `":{"content":"` +
		string(unit.IDOf([]byte(file))) + `","desired":"launched","generation":1,"reason":"` + reason + `"}}}`)
}

// A fleetd that was down meanwhile knows from what it has kept.
func TestARestorationIsFoundOutAfterARestart(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		first := join(t, p.records, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: time.Minute})
		backup := p.store.Backup()
		highest := p.put(p.records, "lost.service").Generation
		kept := p.records.History()
		first.stop(t)
		p.store.Restore(backup)
		r := registry.New(p.store.Client(), registry.Options{History: kept})
		again := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: time.Minute, Resume: first.hold})
		defer again.stop(t)
		if again.Session() == first.Session() {
			t.Error("a session of the former history was resumed")
		}
		if u := p.put(r, "lost.service"); u.Generation <= highest {
			t.Errorf("generation %d after %d", u.Generation, highest)
		}
		// And who comes after it, with what was kept before that, takes part in the same epoch.
		late := registry.New(p.store.Client(), registry.Options{History: kept})
		p.put(late, "other.service")
		if n := late.History().Epoch.Number; n != 1 {
			t.Errorf("the latecomer is in epoch %d", n)
		}
		if again.ctx.Err() != nil {
			t.Error("the latecomer ended a session of the new epoch")
		}
	})
}

func TestAStoreThatWasRestoredOnceIsRestoredAgain(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		p.put(p.records, "a.service")
		before := p.store.Backup()
		p.put(p.records, "b.service")
		p.store.Restore(before)
		p.put(p.records, "c.service")
		within := p.store.Backup()
		highest := p.put(p.records, "d.service").Generation
		for i, backup := range []*memory.Backup{within, before, within} {
			p.store.Restore(backup)
			u := p.put(p.records, "e.service")
			if u.Generation <= highest {
				t.Errorf("generation %d after %d", u.Generation, highest)
			}
			highest = u.Generation
			for range 5 {
				highest = max(highest, p.put(p.records, "f.service").Generation)
			}
			if n := p.records.History().Epoch.Number; n != int64(2+i) {
				t.Errorf("epoch %d after %d restorations", n, 2+i)
			}
		}
	})
}

// The store went back by one report, and others have written as much since: no revision tells.
func TestAReportThatWasLostIsFoundOut(t *testing.T) {
	const ttl = 9 * time.Second
	for _, c := range []struct {
		name string
		does func(t *testing.T, m *presence)
	}{
		{"by the next look", func(*testing.T, *presence) { time.Sleep(ttl + time.Second) }},
		{"by the next report", func(t *testing.T, m *presence) {
			wantErr(t, m.Report(t.Context(), cluster.Report{}), cluster.ErrUnavailable)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inPast(t, func(t *testing.T, p past) {
				client := p.store.Client()
				m := join(t, registry.New(client, registry.Options{}), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: ttl})
				report := func(name unit.Name) {
					must(t, m.Report(t.Context(), cluster.Report{Units: map[unit.Name]cluster.UnitReport{name: {}}}))
				}
				report("a.service")
				backup := p.store.Backup()
				report("b.service")
				seen := p.store.Revision()
				client.Cut()
				p.store.Restore(backup)
				_, err := p.store.Client().Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/other", nil, 0)}})
				must(t, err)
				if now := p.store.Revision(); now != seen {
					t.Fatalf("the revision is %d after %d: it tells", now, seen)
				}
				client.Heal()
				c.does(t, m)
				wantErr(t, receive(t, m.ended), cluster.ErrSessionLost)
				if e := snapshot(t, p.records).Epoch; e.Number != 1 {
					t.Errorf("the epoch is %+v", e)
				}
			})
		})
	}
}

// The revision is raised above all there were, and the leases live: only what the machine itself has been given tells.
func TestASessionObeysNoOlderOrdersThanItHad(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		p.put(p.records, "early.service")
		m := join(t, p.records, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: time.Hour})
		session := m.Session()
		store := p.store.Client()
		write := func(reason string) {
			_, err := store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/fleet/orders/m1", ordersFor(session, reason), 0)}})
			must(t, err)
		}
		write("old")
		backup := p.store.Backup()
		write("new")
		lost := p.put(p.records, "late.service")
		obeyed := make(chan cluster.Orders, 10)
		following := make(chan error, 1)
		go func() {
			following <- m.FollowOrders(m.ctx, func(o cluster.Orders) error { obeyed <- o; return nil })
		}()
		receive(t, obeyed)
		p.store.Restore(backup)
		for range 100 {
			_, err := store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/other", nil, 0)}})
			must(t, err)
		}
		must(t, p.store.Compact(p.store.Revision()))
		wantErr(t, receive(t, following), cluster.ErrSessionLost)
		wantErr(t, receive(t, m.ended), cluster.ErrSessionLost)
		if len(obeyed) > 0 {
			t.Errorf("the session was given restored orders: %+v", <-obeyed)
		}
		must(t, p.records.Restored(t.Context()))
		if e := snapshot(t, p.records).Epoch; e.Number != 1 || !e.Lost(lost.Generation) {
			t.Errorf("generation %d is not known to be lost in epoch %+v", lost.Generation, e)
		}
	})
}

func TestADamagedEpochIsMended(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		backup := p.store.Backup()
		p.put(p.records, "a.service")
		p.store.Restore(backup)
		m := join(t, p.records, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		defer m.stop(t)
		want := p.records.History().Epoch
		_, err := p.store.Client().Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/fleet/epoch/current", []byte("garbage"), 0)}})
		must(t, err)
		time.Sleep(2 * ttl)
		s := snapshot(t, registry.New(p.store.Client(), registry.Options{}))
		if s.Epoch != want || want.Number != 1 || m.ctx.Err() != nil {
			t.Errorf("the epoch is %+v and was %+v, the session %v", s.Epoch, want, m.ctx.Err())
		}
	})
}

// An etcd is stopped, its data is what it was before, and it is started: as an operator does it who has no better tool.
func TestARealStoreGoesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	dir := t.TempDir()
	now, old := filepath.Join(dir, "now"), filepath.Join(dir, "old")
	config := embedded.Config{DataDir: now, ListenPeerURLs: []string{storetest.FreeURL(t)}, ListenClientURLs: []string{storetest.FreeURL(t)}}
	start := func() *embedded.Server {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		server, err := embedded.Start(ctx, config)
		must(t, err)
		return server
	}
	server := start()
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: config.ListenClientURLs})
	must(t, err)
	defer func() { must(t, client.Close()) }()
	r := registry.New(client, registry.Options{})
	const long = 30 * time.Second
	m := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: long})
	p := past{t: t, records: r}
	p.put(r, "kept.service")

	server.Close()
	must(t, os.CopyFS(old, os.DirFS(now)))
	server = start()
	highest := int64(0)
	for range 5 {
		highest = max(highest, p.put(r, "lost.service").Generation)
	}
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan cluster.Update, 100)
	ended := make(chan error)
	go func() { ended <- r.Follow(ctx, func(u cluster.Update) error { updates <- u; return nil }) }()
	receive(t, updates)

	server.Close()
	config.DataDir = old
	server = start()
	defer server.Close()
	var u cluster.Unit
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		u, err = r.UpdateUnit(t.Context(), "lost.service", launch("", file))
		if err == nil || !errors.Is(err, cluster.ErrUnavailable) || time.Now().After(deadline) {
			break
		}
	}
	must(t, err)
	if u.Generation <= highest {
		t.Errorf("generation %d after %d", u.Generation, highest)
	}
	wantErr(t, receive(t, m.ended), cluster.ErrSessionLost)
	for told := receive(t, updates); !told.Reset; {
		told = receive(t, updates)
	}
	cancel()
	<-ended
	again := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{TTL: long, Resume: m.hold})
	defer again.stop(t)
	if s := snapshot(t, r); again.Session() == m.Session() || s.Epoch.Number != 1 || s.Stamp() <= u.Generation-1 {
		t.Errorf("session %v after %v, epoch %+v", again.Session(), m.Session(), s.Epoch)
	}
}
