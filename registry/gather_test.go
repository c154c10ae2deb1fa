package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// counted is a store that takes some time, and counts what it is asked.
type counted struct {
	registry.Store
	asked atomic.Int64
}

const roundTrip = time.Millisecond

func (c *counted) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	c.asked.Add(1)
	time.Sleep(roundTrip)
	return c.Store.Range(ctx, q)
}

func (c *counted) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	c.asked.Add(1)
	if len(t.If) > 128 || len(t.Then) > 128 || len(t.Else) > 128 {
		return registry.Outcome{}, errors.New("too many operations")
	}
	time.Sleep(roundTrip)
	return c.Store.Txn(ctx, t)
}

// eachAtOnce does something n times at once.
func eachAtOnce(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func nth(i int) unit.Name { return unit.Name(fmt.Sprintf("app@%d.service", i)) }

// Of many units that are written at once many go together; each is written as if it were alone.
func TestUnitsThatAreWrittenAtOnceGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const units = 1000
		server := memory.New()
		defer server.Close()
		store := &counted{Store: server.Client()}
		r := registry.New(store, registry.Options{})
		_, err := r.UpdateUnit(t.Context(), nth(0), launch(nth(0), file))
		must(t, err)
		if n := store.asked.Swap(0); n != 3 { // the epoch, once and for all; the unit; the write
			t.Errorf("a unit alone took %d requests", n)
		}
		written := make([]cluster.Unit, units)
		eachAtOnce(units, func(i int) {
			text := file
			if i%3 == 0 {
				text = fmt.Sprintf("%s# %d\n", file, i) // some have a file of their own
			}
			u, err := r.UpdateUnit(t.Context(), nth(i), launch(nth(i), text))
			must(t, err)
			written[i] = u
		})
		if n := store.asked.Load(); n > 2*units/20 {
			t.Errorf("%d units took %d requests", units, n)
		}
		all := snapshot(t, r)
		for i, want := range written {
			got, _ := all.Unit(nth(i))
			if _, there := all.File(want.Content); got != want || !there || want.Generation > want.Revision {
				t.Errorf("%s is %+v, its writer was told %+v; its file is there: %v", nth(i), got, want, there)
			}
		}
	})
}

// One that cannot be written harms no other, and two writers of the same unit are both heard.
func TestUnitsThatAreWrittenAtOnceStandAndFallByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const units, writers = 50, 3
		server := memory.New()
		defer server.Close()
		mine, others := registry.New(&counted{Store: server.Client()}, registry.Options{}), registry.New(&counted{Store: server.Client()}, registry.Options{})
		eachAtOnce(units, func(i int) {
			_, err := mine.UpdateUnit(t.Context(), nth(i), launch(nth(i), file))
			must(t, err)
		})
		var mu sync.Mutex
		generations := make(map[int64]bool)
		eachAtOnce(units*writers, func(i int) {
			r := mine
			if i%writers == 0 {
				r = others
			}
			name := nth(i / writers)
			u, err := r.UpdateUnit(t.Context(), name, launch(name, file))
			must(t, err)
			if i/writers == 0 {
				mu.Lock()
				generations[u.Generation] = true
				mu.Unlock()
			}
		})
		if len(generations) != writers {
			t.Errorf("%d writers of the same unit were given the generations %v", writers, generations)
		}
		refused := errors.New("no")
		var failed atomic.Int64
		eachAtOnce(units, func(i int) {
			_, err := mine.UpdateUnit(t.Context(), nth(i), func(u *cluster.Unit) (*cluster.UnitEdit, error) {
				if i%10 == 0 {
					return nil, refused
				}
				return nil, nil
			})
			if errors.Is(err, refused) {
				failed.Add(1)
			} else {
				must(t, err)
			}
		})
		if left := len(snapshot(t, mine).Units()); left != units/10 || failed.Load() != units/10 {
			t.Errorf("%d units are left, %d were kept", left, failed.Load())
		}
	})
}

// Who gives up while others are being asked is not written later.
func TestWhoGivesUpInTheQueueIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		r := registry.New(client, registry.Options{})
		_, err := r.UpdateUnit(t.Context(), nth(0), launch(nth(0), file)) // the epoch is known from here on
		must(t, err)
		client.Slow(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		eachAtOnce(20, func(i int) {
			if _, err := r.UpdateUnit(ctx, nth(1+i), launch(nth(1+i), file)); !errors.Is(err, cluster.ErrUnavailable) {
				t.Errorf("a unit whose writer has given up: %v", err)
			}
		})
		time.Sleep(time.Minute)
		client.Slow(0)
		if n := len(snapshot(t, r).Units()); n > 1 {
			t.Errorf("%d units are there", n)
		}
	})
}

// Files that many ask for at once are read together, and one that is missing is so for who asks for it.
func TestFilesThatAreReadAtOnceGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const files = 21
		server := memory.New()
		defer server.Close()
		store := &counted{Store: server.Client()}
		r := registry.New(store, registry.Options{})
		content := func(i int) string { return fmt.Sprintf("[Service]\nExecStart=/bin/true %d\n", i) }
		for i := range files - 1 {
			_, err := r.UpdateUnit(t.Context(), nth(i), launch("", content(i)))
			must(t, err)
		}
		store.asked.Store(0)
		eachAtOnce(files, func(i int) {
			raw, err := r.File(t.Context(), unit.IDOf([]byte(content(i))))
			switch {
			case i == files-1:
				wantErr(t, err, cluster.ErrNotFound)
			case err != nil || string(raw) != content(i):
				t.Errorf("file %d is %q: %v", i, raw, err)
			}
		})
		if n := store.asked.Load(); n > 4 {
			t.Errorf("%d files were read with %d requests", files, n)
		}
	})
}
