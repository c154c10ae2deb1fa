package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/memory"
	"fleet/registry/storetest"
	"fleet/unit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store with participants.
type world struct {
	prefix  string
	connect func(t *testing.T) registry.Store // as a participant of its own
	compact func(t *testing.T, revision int64)
}

// scenario is what a registry does on any store.
type scenario struct {
	name string
	run  func(t *testing.T, w world)
}

func scenarios() []scenario {
	return []scenario{
		{"a unit is created, changed and destroyed", unitLife},
		{"a move is asked for once and kept", moves},
		{"generations grow over a unit's grave", generationsGrow},
		{"a slower writer of the same content is asked again", slowerWriter},
		{"a slower writer of another content is told", slowerWriterOtherContent},
		{"every one of many writers gets its own generation", manyWriters},
		{"an edit that makes no sense is refused", badEdits},
		{"fields of a later fleet survive", unknownFields},
		{"a corrupt unit can be replaced and destroyed", corruptUnit},
		{"settings are laid over each other", settings},
		{"a file is what its id says", files},
		{"corrupt records are quarantined and heal", quarantine},
		{"a machine joins, reports and is gone at once", machineLife},
		{"a session is resumed", resume},
		{"a session is resumed although it was not remembered", forgotten},
		{"another boot's session is not resumed", otherBoot},
		{"a second machine is refused", secondMachine},
		{"a presence without a lease is nobody's", leaseless},
		{"a lost session ends its role", sessionLost},
		{"a machine mends its records", damagedRecords},
		{"a machine follows its orders", followOrders},
		{"a machine follows its settings", followSettings},
		{"a fleetd that has stopped leaves a silent machine", silence},
		{"a fleetd that was killed goes on as the same", killed},
		{"a host that was shut down in order is back at once", shutDown},
		{"an agent whose lease has ended gets another", attendsAgain},
		{"machines that do not renew are overdue", overdue},
		{"an alarm is acknowledged while it stands", acknowledges},
		{"engines lead one after another", succession},
		{"a candidate that loses its lease does not hold up the others", unbound},
		{"a deposed engine writes nothing", deposed},
		{"a candidacy is resumed with a new token", leadResumed},
		{"a decision is one transaction", decisions},
		{"only files that nobody wrote since are collected", collects},
	}
}

func TestOnMemory(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := memory.New()
				defer server.Close()
				s.run(t, world{
					prefix:  "/fleet/",
					connect: func(*testing.T) registry.Store { return server.Client() },
					compact: func(t *testing.T, revision int64) { must(t, server.Compact(revision)) },
				})
			})
		})
	}
}

func TestOnEtcd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	server := startEtcd(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	must(t, err)
	defer admin.Close()
	for i, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			s.run(t, world{
				prefix:  fmt.Sprintf("/test-%d/", i),
				connect: func(t *testing.T) registry.Store { return dial(t, server) },
				compact: func(t *testing.T, revision int64) {
					_, err := admin.Compact(t.Context(), revision)
					must(t, err)
				},
			})
		})
	}
}

// The property tests stand beside the scenarios because rapid asks for the time of day, outside of any bubble.

func TestFollowerEqualsFreshOneOnMemory(t *testing.T) {
	server := memory.New()
	defer server.Close()
	followEqualsFresh(t, world{prefix: "/fleet/", connect: func(*testing.T) registry.Store { return server.Client() }})
}

func TestFollowerEqualsFreshOneOnEtcd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	server := startEtcd(t)
	followEqualsFresh(t, world{prefix: "/fleet/", connect: func(t *testing.T) registry.Store { return dial(t, server) }})
}

func startEtcd(t testing.TB) *embedded.Server {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Config{
		DataDir:          t.TempDir(),
		ListenPeerURLs:   []string{storetest.FreeURL(t)},
		ListenClientURLs: []string{storetest.FreeURL(t)},
	})
	must(t, err)
	t.Cleanup(server.Close)
	return server
}

func dial(t testing.TB, server *embedded.Server) *etcd.Client {
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: server.Endpoints()})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return client
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// registry is a participant's view of the records.
func (w world) registry(t *testing.T) *registry.Registry {
	return registry.New(w.connect(t), registry.Options{Prefix: w.prefix, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

// put writes a key behind the registry's back.
func (w world) put(t *testing.T, key, value string) int64 {
	t.Helper()
	out, err := w.connect(t).Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(w.prefix+key, []byte(value), 0)}})
	must(t, err)
	return out.Revision
}

func (w world) remove(t *testing.T, key string) {
	t.Helper()
	_, err := w.connect(t).Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Delete(w.prefix + key)}})
	must(t, err)
}

// get reads a key behind the registry's back, "" if there is none.
func (w world) get(t *testing.T, key string) string {
	t.Helper()
	page, err := w.connect(t).Range(t.Context(), registry.Query{Keys: registry.Keys{Name: w.prefix + key}})
	must(t, err)
	if len(page.Pairs) == 0 {
		return ""
	}
	return string(page.Pairs[0].Value)
}

// snapshot is a fresh reader's.
func snapshot(t *testing.T, r *registry.Registry) *cluster.Snapshot {
	t.Helper()
	var s cluster.Snapshot
	err := r.Follow(t.Context(), func(u cluster.Update) error {
		s.Apply(u)
		return errEnough
	})
	wantErr(t, err, errEnough)
	return &s
}

var errEnough = errors.New("enough")

// await follows the records until they are as wanted.
func await(t *testing.T, r *registry.Registry, wanted func(*cluster.Snapshot) bool) *cluster.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var s cluster.Snapshot
	err := r.Follow(ctx, func(u cluster.Update) error {
		if s.Apply(u); wanted(&s) {
			return errEnough
		}
		return nil
	})
	wantErr(t, err, errEnough)
	return &s
}

// receive waits for something to happen elsewhere.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came within 30 s")
	}
	panic("unreachable")
}

const file = "[Service]\nExecStart=/bin/true\n"

func launch(name unit.Name, raw string) func(*cluster.Unit) (*cluster.UnitEdit, error) {
	return func(*cluster.Unit) (*cluster.UnitEdit, error) {
		return &cluster.UnitEdit{
			Unit: cluster.Unit{Name: name, Content: unit.IDOf([]byte(raw)), Desired: cluster.Launched},
			File: []byte(raw),
		}, nil
	}
}

func destroy(*cluster.Unit) (*cluster.UnitEdit, error) { return nil, nil }
