package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// bad are records that must not be believed, by key.
var bad = map[string]string{
	"units/app.service":               `{"v":2,"content":"x"}`,
	"units/none.service":              ``,
	"units/list.service":              `[]`,
	"units/noversion.service":         `{"desired":"launched"}`,
	"units/not a name":                `{"v":1}`,
	"units/a/b.service":               `{"v":1}`,
	"machines/m1":                     `{"v":1}`,
	"machines/":                       `{"v":1,"session":{"lease":1,"bootID":"b"}}`,
	"settings/m1":                     `{"v":1,"metadata":[]}`,
	"orders/m1":                       `{"v":1,"session":{"lease":1,"bootID":"b"},"units":{"x":{}}}`,
	"orders/m2":                       `{"v":1,"units":{}}`,
	"reports/m1":                      `{"v":1,"session":{"lease":1},"units":{"app.service":{"exitStatus":1e99}}}`,
	"machines/m2":                     `{"v":1,"session":{"lease":1,"bootID":"b"},"maxUnits":-1}`,
	"machines/m3":                     `{"v":1,"session":{"lease":1,"bootID":"b"},"resources":{"named":{"gpu":-1}}}`,
	"settings/m2":                     `{"v":1,"capacity":{"cpu":-1}}`,
	"settings/m3":                     `{"v":1,"cordoned":"yes"}`,
	"units/moved.service":             `{"v":1,"content":"` + string(unit.IDOf(nil)) + `","desired":"launched","generation":7,"move":8}`,
	"units/nowhere.service":           `{"v":1,"content":"` + string(unit.IDOf(nil)) + `","desired":"launched","generation":7,"move":7,"moveTo":"a/b"}`,
	"pending/app.service":             `{"v":-1}`,
	"failures/app.service":            `{"v":1,"tries":{}}`,
	"failures/not a name":             `{"v":1}`,
	"files/abc":                       file,
	"files/" + string(unit.IDOf(nil)): "x",
	"files/" + string(unit.IDOf([]byte("[Unit]\nx\n"))): "[Unit]\nx\n",
}

func quarantine(t *testing.T, w world) {
	r := w.registry(t)
	_, err := r.UpdateUnit(t.Context(), "good.service", launch("good.service", file))
	must(t, err)
	w.put(t, "future/thing", "not ours to judge")
	for key, value := range bad {
		w.put(t, key, value)
	}
	s := snapshot(t, r)
	count := 0
	for _, kind := range []cluster.Kind{
		cluster.KindUnit, cluster.KindFile, cluster.KindMachine, cluster.KindSettings,
		cluster.KindOrders, cluster.KindReport, cluster.KindPending, cluster.KindFailures, "future",
	} {
		for _, id := range s.CorruptIDs(kind) {
			if _, ok := bad[string(kind)+"/"+id]; !ok {
				err, _ := s.Corrupt(kind, id)
				t.Errorf("%s/%s is called corrupt: %s", kind, id, err)
			}
			count++
		}
	}
	if count != len(bad) {
		t.Errorf("%d records are called corrupt, %d are", count, len(bad))
	}
	if _, ok := s.Unit("good.service"); !ok {
		t.Error("the corrupt records took a good one with them")
	}
	for key := range bad {
		w.remove(t, key)
	}
	s = snapshot(t, r)
	if got := s.CorruptIDs(cluster.KindUnit); len(got) != 0 {
		t.Errorf("still corrupt: %v", got)
	}
}

// history writes anything under any key, so that every kind of change happens.
func history(t *rapid.T, prefix string) []registry.Op {
	keys := []string{
		"units/a.service", "units/b.service", "pending/a.service", "failures/a.service", "machines/m1", "machines/m2",
		"settings/m1", "orders/m1", "orders/m2", "reports/m1", "files/" + string(unit.IDOf([]byte(file))),
	}
	values := []string{
		"", "{}", `{"v":1}`, file,
		`{"v":1,"content":"` + string(unit.IDOf([]byte(file))) + `","desired":"launched","generation":7}`,
		`{"v":1,"session":{"lease":1,"bootID":"b"}}`,
		`{"v":1,"session":{"lease":2,"bootID":"b"},"units":{}}`,
		`{"v":1,"metadata":{"a":null}}`,
		`{"v":1,"cordoned":true,"capacity":{"gpu":1}}`,
		`{"v":1,"generation":7,"tries":[{"machine":"m1","result":"exit-code"}],"parked":true}`,
	}
	var ops []registry.Op
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 4, rapid.ID).Draw(t, "keys") {
		if rapid.Bool().Draw(t, "delete") {
			ops = append(ops, registry.Delete(prefix+key))
			continue
		}
		ops = append(ops, registry.Put(prefix+key, []byte(rapid.SampledFrom(values).Draw(t, "value")), 0))
	}
	return ops
}

func followEqualsFresh(t *testing.T, w world) {
	store, r := w.connect(t), w.registry(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var followed cluster.Snapshot
	revisions := make(chan int64)
	following := make(chan error, 1)
	go func() {
		following <- r.Follow(ctx, func(u cluster.Update) error {
			followed.Apply(u)
			select {
			case revisions <- u.Revision:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	seen := receive(t, revisions)
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 5).Draw(rt, "transactions") {
			out, err := store.Txn(t.Context(), registry.Txn{Then: history(rt, w.prefix)})
			must(t, err)
			for seen < out.Revision {
				next := receive(t, revisions)
				if next <= seen {
					rt.Fatalf("revision %d was told after %d", next, seen)
				}
				seen = next
			}
		}
		fresh := snapshot(t, r)
		followed.Revision = fresh.Revision // it may have moved by keys that are nobody's
		if diff := cmp.Diff(fresh, &followed, cmp.Exporter(exportAll), emptyIsNil); diff != "" {
			rt.Fatalf("a follower differs from a fresh snapshot (-fresh +followed):\n%s", diff)
		}
	})
	cancel()
	<-following
}

func TestFollowStartsAnewAfterCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		r, other := registry.New(client, registry.Options{}), registry.New(server.Client(), registry.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var s cluster.Snapshot
		resets := 0
		following := make(chan error, 1)
		go func() {
			following <- r.Follow(ctx, func(u cluster.Update) error {
				if u.Reset {
					resets++
				}
				s.Apply(u)
				return nil
			})
		}()
		synctest.Wait()
		write := func(from, to int) {
			for i := from; i < to; i++ {
				name := unit.Name(fmt.Sprintf("u%d.service", i))
				_, err := other.UpdateUnit(t.Context(), name, launch(name, file))
				must(t, err)
			}
			_, err := other.UpdateUnit(t.Context(), unit.Name(fmt.Sprintf("u%d.service", from)), destroy)
			must(t, err)
			synctest.Wait()
		}
		write(0, 3)

		client.Cut()
		write(3, 6)
		if len(s.Units()) != 2 {
			t.Fatalf("a cut follower knows %v", s.Units())
		}
		client.Heal()
		synctest.Wait()
		if len(s.Units()) != 4 || resets != 1 {
			t.Errorf("after a cut without a compaction: %v, %d resets", s.Units(), resets)
		}

		client.Cut()
		write(6, 9)
		must(t, server.Compact(server.Revision()))
		client.Heal()
		synctest.Wait()
		if len(s.Units()) != 6 || resets != 2 {
			t.Errorf("after a cut with a compaction: %v, %d resets", s.Units(), resets)
		}
		cancel()
		wantErr(t, <-following, context.Canceled)
	})
}

// paged is a store that is written to while it is read.
type paged struct {
	registry.Store
	pages []registry.Page
}

func (p *paged) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	page, err := p.Store.Range(ctx, q)
	p.pages = append(p.pages, page)
	key := fmt.Sprintf("/fleet/settings/later%d", len(p.pages))
	_, writing := p.Store.Txn(ctx, registry.Txn{Then: []registry.Op{registry.Put(key, []byte(`{"v":1}`), 0), registry.Delete("/fleet/units/u1999.service")}})
	return page, errors.Join(err, writing)
}

// A snapshot is read in pages of a bounded length, however long or many the records of a kind are, and of few of them.
func TestSnapshotOfManyPagesIsOfOneRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		store := &paged{Store: server.Client()}
		var ops []registry.Op
		for kind, of := range map[cluster.Kind]struct{ records, bytes int }{
			cluster.KindAgent: {100, 30}, cluster.KindReport: {600, 60_000}, cluster.KindSettings: {1, 10}, cluster.KindUnit: {100_000, 100},
			"agents-of-tomorrow": {250, 10}, "newer": {3, 10}, // the first page ends among what is no kind of ours
		} {
			for i := range of.records {
				ops = append(ops, registry.Put(fmt.Sprintf("/fleet/%s/u%d.service", kind, i), make([]byte, of.bytes), 0))
			}
		}
		_, err := store.Txn(t.Context(), registry.Txn{Then: ops})
		must(t, err)
		r := registry.New(store, registry.Options{Logger: slog.New(slog.DiscardHandler)})
		err = r.Follow(t.Context(), func(u cluster.Update) error {
			seen := make(map[string]int)
			for _, change := range u.Changes {
				if c, ok := change.(cluster.Corrupted); ok {
					seen[string(c.Kind)+"/"+c.ID]++
				}
			}
			if want := len(ops) - 253; len(seen) != want || len(u.Changes) != want+1 || u.Revision != 2 { // and who leads
				t.Errorf("the snapshot at revision %d has %d changes, and %d records of %d", u.Revision, len(u.Changes), len(seen), want)
			}
			return errEnough
		})
		wantErr(t, err, errEnough)
		for i, page := range store.pages {
			size := 0
			for _, p := range page.Pairs {
				size += len(p.Key) + len(p.Value)
			}
			if size > 16<<20 {
				t.Errorf("page %d has %d records of %d bytes", i, len(page.Pairs), size)
			}
		}
		if n := len(store.pages); n > 30 {
			t.Errorf("it is read in %d pages", n)
		}
	})
}

// exportAll lets cmp look into the snapshot and what it holds.
func exportAll(reflect.Type) bool { return true }

// emptyIsNil: the maps of a snapshot are made when first needed, and stay.
var emptyIsNil = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreMapEntries(func(_ cluster.Kind, ids map[string]string) bool { return len(ids) == 0 }),
}
