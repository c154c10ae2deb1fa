package registry_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
)

func TestAMachineThatChangesStaysInItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry.New(memory.New().Client(), registry.Options{})
		p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		before, _ := snapshot(t, r).Machine("m1")
		changed := machine("someone else", "another boot", "10.0.0.1")
		changed.Metadata = map[string]string{"disk": "ssd"}
		changed.Capacity.MaxUnits = 7
		must(t, p.Amend(t.Context(), changed))
		synctest.Wait() // its guard has looked at it
		s := snapshot(t, r)
		got, _ := s.Machine("m1")
		if got.Session != before.Session || !got.Since.Equal(before.Since) || got.Metadata["disk"] != "ssd" || got.Capacity.MaxUnits != 7 {
			t.Errorf("the machine was %+v and is %+v", before, got)
		}
		must(t, p.Amend(t.Context(), changed))
		if again := snapshot(t, r); again.Revision != s.Revision {
			t.Errorf("what has not changed was written at revision %d", again.Revision)
		}
		must(t, p.Report(t.Context(), report(1)))
		if p.ctx.Err() != nil {
			t.Errorf("the session ended: %v", context.Cause(p.ctx))
		}
		p.stop(t)
	})
}

func TestAMachineThatIsLostAmendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Client()
		r := registry.New(store, registry.Options{})
		p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		must(t, store.Revoke(t.Context(), p.Session().Lease))
		wantErr(t, p.Amend(t.Context(), machine("m1", "boot", "10.0.0.2")), cluster.ErrSessionLost)
		wantErr(t, receive(t, p.ended), cluster.ErrSessionLost)
		if got, ok := snapshot(t, r).Machine("m1"); ok {
			t.Errorf("it is there again: %+v", got)
		}
	})
}

// lateAmendment loses the answer to the second thing written to a machine's record, and with it the request.
type lateAmendment struct {
	registry.Store
	puts int
	late *registry.Txn
}

func (s *lateAmendment) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	if len(t.Then) > 0 && strings.Contains(t.Then[0].Key, "/machines/") {
		if s.puts++; s.puts == 2 {
			s.late = &t
			return registry.Outcome{}, cluster.ErrUnavailable
		}
	}
	return s.Store.Txn(ctx, t)
}

func TestAnAmendmentThatArrivesLateDoesNotUndoALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lateAmendment{Store: memory.New().Client()}
		r := registry.New(store, registry.Options{})
		p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		wantErr(t, p.Amend(t.Context(), machine("m1", "boot", "10.0.0.2")), cluster.ErrUnavailable)
		must(t, p.Amend(t.Context(), machine("m1", "boot", "10.0.0.3")))
		if _, err := store.Store.Txn(t.Context(), *store.late); err != nil {
			t.Fatal(err)
		}
		if got, _ := snapshot(t, r).Machine("m1"); got.Address != "10.0.0.3" {
			t.Errorf("the address that stands is %s", got.Address)
		}
		p.stop(t)
	})
}
