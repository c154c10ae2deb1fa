package engine

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
)

func TestTheStoreIsLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var asked, rounds, inUse atomic.Int64
		inUse.Store(10)
		var filling, full atomic.Bool
		logs := s.run(t, Options{
			Space: func(context.Context) (cluster.Space, error) {
				asked.Add(1)
				return cluster.Space{Embedded: true, Quota: 100, InUse: inUse.Load(), Size: 10}, nil
			},
			Events: Events{
				Alarm: func(name cluster.AlarmName, is bool) {
					map[cluster.AlarmName]*atomic.Bool{cluster.StoreFilling: &filling, cluster.StoreFull: &full}[name].Store(is)
				},
				Decided: func(Round) { rounds.Add(1) },
			},
		}, "m1")
		before, commits := rounds.Load(), s.commits
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := asked.Load(); n < 60 || n > 61 || rounds.Load() != before || s.commits != commits {
			t.Errorf("in an idle hour the store was asked %d times, there were %d rounds and %d writes", n, rounds.Load()-before, s.commits-commits)
		}

		inUse.Store(81)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !filling.Load() || !strings.Contains(logs.String(), `level=WARN msg=alarm alarm=store-filling reason="etcd has`) {
			t.Errorf("filling: %v, full: %v\n%s", filling.Load(), full.Load(), logs)
		}
		inUse.Store(96)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if filling.Load() || !full.Load() {
			t.Errorf("filling: %v, full: %v\n%s", filling.Load(), full.Load(), logs)
		}
		inUse.Store(10)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if full.Load() || !strings.Contains(logs.String(), `msg="alarm is over" alarm=store-full`) {
			t.Errorf("filling: %v, full: %v\n%s", filling.Load(), full.Load(), logs)
		}
	})
}

// A term outlives a store without room, and goes on when it has some.
func TestAFullStoreDoesNotEndTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		logs := s.run(t, Options{}, "m1", "m2")
		s.set(func() { s.fail = cluster.ErrNoSpace })
		s.unit(t, "new.service")
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.placed("m1", "m2") != 2 || strings.Count(logs.String(), `msg="the store is full`) != 1 {
			t.Errorf("%d units are placed\n%s", s.placed("m1", "m2"), logs)
		}
		s.set(func() { s.fail = nil })
		time.Sleep(commitAgain + time.Second)
		synctest.Wait()
		if s.placed("m1", "m2") != 3 || strings.Count(logs.String(), "the store takes decisions again") != 1 {
			t.Errorf("%d units are placed\n%s", s.placed("m1", "m2"), logs)
		}
	})
}

// It outlives one that has too much to do as well.
func TestABusyStoreDoesNotEndTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		logs := s.run(t, Options{}, "m1", "m2")
		s.set(func() { s.fail = fmt.Errorf("write to etcd: %w: %w", cluster.ErrUnavailable, cluster.ErrBusy) })
		s.unit(t, "new.service")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.set(func() { s.fail = nil })
		time.Sleep(commitAgainBusy)
		synctest.Wait()
		if s.placed("m1", "m2") != 3 || strings.Count(logs.String(), "the store has too much to do") != 1 {
			t.Errorf("%d units are placed\n%s", s.placed("m1", "m2"), logs)
		}
	})
}

// While a decision is being written, no more than so many updates wait; the others stay in the store.
func TestTheMailboxHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := 0
		news := newMailbox(func(n int) { most = max(most, n) })
		const all = 3*MailboxLimit + 1
		go func() {
			for i := range int64(all) {
				if err := news.put(t.Context(), cluster.Update{Revision: i}); err != nil {
					t.Error(err)
				}
			}
		}()
		got := int64(0)
		for got < all {
			synctest.Wait()
			updates, _ := news.take()
			if len(updates) == 0 || len(updates) > MailboxLimit {
				t.Fatalf("%d updates waited", len(updates))
			}
			for _, u := range updates {
				if u.Revision != got {
					t.Fatalf("update %d came in place of %d", u.Revision, got)
				}
				got++
			}
		}
		if most != MailboxLimit {
			t.Errorf("%d waited at most", most)
		}

		for range MailboxLimit {
			_ = news.put(t.Context(), cluster.Update{})
		}
		if err := news.put(t.Context(), cluster.Update{Reset: true}); err != nil { // it is all that is needed
			t.Error(err)
		}
		for range MailboxLimit - 1 {
			_ = news.put(t.Context(), cluster.Update{})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := news.put(ctx, cluster.Update{}); err == nil {
			t.Error("an update was taken in beyond the bound")
		}
	})
}
