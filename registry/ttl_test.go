package registry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
)

// TestChangedTTLHoldsFromTheNextStart: a fleetd that is started again with
// another TTL is never absent, and is lost after the new time, not the old one.
func TestChangedTTLHoldsFromTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		r := registry.New(server.Client(), registry.Options{})
		m := machine("m1", "boot", "10.0.0.1")
		present := func() bool {
			_, ok := snapshot(t, r).Machine("m1")
			return ok
		}
		first := join(t, r, m, registry.JoinOptions{TTL: 4 * time.Second})
		must(t, first.Report(t.Context(), report(1)))
		first.stop(t)

		longer := join(t, r, m, registry.JoinOptions{TTL: time.Minute, Resume: first.hold})
		for range 60 {
			if longer.ctx.Err() != nil || !present() {
				t.Fatal("lost, although it was never silent")
			}
			time.Sleep(time.Second)
		}
		must(t, longer.Report(t.Context(), report(2)))
		longer.stop(t)
		time.Sleep(30 * time.Second)
		if !present() {
			t.Error("lost before the new TTL is over")
		}

		shorter := join(t, r, m, registry.JoinOptions{TTL: 4 * time.Second, Resume: longer.hold})
		shorter.stop(t)
		time.Sleep(10 * time.Second)
		if present() {
			t.Error("present long after the new TTL is over")
		}
	})
}

// TestShorterTTLWaitsForTheFence: the fence ends what is bound to the former session in times of the former
// TTL. The machine is not in a session that ends sooner before that.
func TestShorterTTLWaitsForTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long, short = time.Minute, 4 * time.Second
		server := memory.New()
		defer server.Close()
		r := registry.New(server.Client(), registry.Options{})
		m := machine("m1", "boot", "10.0.0.1")
		m.Fence = cluster.Fence{TTL: long, Renewal: long / 5, Watchdog: long / 2, Kill: long / 5}
		first := join(t, r, m, registry.JoinOptions{TTL: long})
		first.stop(t)

		var told time.Time
		second := join(t, r, m, registry.JoinOptions{TTL: short, Resume: first.hold, Remember: func(registry.Hold) error {
			told = time.Now()
			if now, _ := snapshot(t, r).Machine("m1"); now.Session != first.Session() {
				t.Errorf("it is in session %v before the fence knows", now.Session)
			}
			return nil
		}})
		defer second.stop(t)
		now, _ := snapshot(t, r).Machine("m1")
		if now.Session == first.Session() || now.Session != second.Session() || second.ctx.Err() != nil {
			t.Errorf("its session is %v, was %v", now.Session, first.Session())
		}
		if waited := time.Since(told); waited < m.Fence.Kill+long/10 || waited > long/2 {
			t.Errorf("it is in its new session %s after the fence was told", waited)
		}
	})
}
