package api_test

import (
	"testing"
	"testing/synctest"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// What a server holds is what one holds that was told of it all at once.
func TestLoadIsThatOfTheClusterAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 0)
		w.populate(t)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			w.change(t)
		}
		now := w.server.Load()
		anew := api.Anew(w.server).Load()
		for phase, units := range now.Units {
			if units == 0 {
				delete(now.Units, phase)
			}
		}
		// What was told at once is no change.
		anew.Changes, anew.Happenings = now.Changes, now.Happenings
		if diff := gocmp.Diff(anew, now); diff != "" {
			t.Fatalf("-told at once +told one by one:\n%s", diff)
		}
		machines := 0
		for _, n := range now.Machines {
			machines += n
		}
		var page struct {
			Machines []struct{} `json:"machines"`
		}
		w.get(t, w.server, "machines?absent=true", &page)
		if machines != len(page.Machines) {
			t.Fatalf("%v are counted, and %d machines are listed", now.Machines, len(page.Machines))
		}
	})
}

func TestLoadHasWhatStreamsHaveNotTold(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		if got := f.api.Load(); got.Streams != 0 || got.Untold != 0 {
			t.Errorf("nobody listens: %+v", got)
		}
		all, some := open(t, f.api, "machines=true"), open(t, f.api, "unitName=a.service")
		all.expect("sync")
		some.expect("unit a.service absent", "sync")
		for _, name := range []unit.Name{"b.service", "a.service"} {
			f.store.submit(t, name, sleepUnit, cluster.Inactive)
			synctest.Wait()
		}
		// Of each stream the first change is on its way to the reader, who does not read.
		if got := f.api.Load(); got.Streams != 2 || got.Untold != 1 || got.Changes != 2 || got.Happenings == 0 {
			t.Errorf("two streams, neither read: %+v", got)
		}
		all.expect("unit b.service inactive 2", "unit a.service inactive 3")
		some.expect("unit a.service inactive 3")
		synctest.Wait()
		if got := f.api.Load(); got.Streams != 2 || got.Untold != 0 {
			t.Errorf("all is read: %+v", got)
		}
	})
}

func TestEveryUpdateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		var told []api.Applied
		server := api.New(store, api.Options{Applied: func(a api.Applied) {
			a.Took = 0
			told = append(told, a)
		}})
		done := make(chan struct{})
		store.write()
		go func() {
			defer close(done)
			_ = server.Run(t.Context())
		}()
		synctest.Wait()
		store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		synctest.Wait()
		if diff := gocmp.Diff([]api.Applied{{Revision: 1, Reset: true}, {Revision: 2}}, told); diff != "" {
			t.Errorf("-expected +told:\n%s", diff)
		}
	})
}
