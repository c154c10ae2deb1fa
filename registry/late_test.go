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

// lateStore loses the answer to the first report, and with it the request itself:
// both are still on their way.
type lateStore struct {
	registry.Store
	late *registry.Txn
}

func (s *lateStore) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	if s.late == nil && len(t.Then) == 1 && strings.Contains(t.Then[0].Key, "/reports/") {
		s.late = &t
		return registry.Outcome{}, cluster.ErrUnavailable
	}
	return s.Store.Txn(ctx, t)
}

// A report that was sent over a cut may arrive when the cut heals, after a later
// one that took another way.
func TestAReportThatArrivesLateDoesNotUndoALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lateStore{Store: memory.New().Client()}
		r := registry.New(store, registry.Options{})
		p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		wantErr(t, p.Report(t.Context(), report(1)), cluster.ErrUnavailable)
		must(t, p.Report(t.Context(), report(2)))
		if _, err := store.Store.Txn(t.Context(), *store.late); err != nil {
			t.Fatal(err)
		}
		if rep, _ := snapshot(t, r).Report("m1"); rep.Orders != 2 {
			t.Errorf("the report that stands is number %d", rep.Orders)
		}
		p.stop(t)
	})
}
