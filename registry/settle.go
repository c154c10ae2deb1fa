package registry

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
)

// epochMargin is by how much a new epoch's stamps begin above the highest that the process knows of that finds out:
// others may have seen more. Who has seen more even than that raises the epoch.
const epochMargin = 1_000_000

// settle begins a new epoch, or takes part in one that somebody else has begun, and ends all that
// stood on the former history. It returns errRestored when that is done; if not, the next answer leads here again.
func (h *history) settle(ctx context.Context, at moment) error {
	select {
	case h.settling <- struct{}{}:
		defer func() { <-h.settling }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errRestored, ctx.Err())
	}
	if h.now().turn != at.turn {
		return errRestored
	}
	for {
		err := h.begin(ctx)
		switch {
		case errors.Is(err, cluster.ErrConflict):
			continue
		case err != nil:
			return fmt.Errorf("%w: begin a new epoch: %w", errRestored, err)
		}
		return errRestored
	}
}

// Restored is to be called when the store was restored in a way that no revision tells of, because it was raised
// above all that there were. The epoch that begins tells which units the store has lost, and ends the sessions that
// it still has. It waits for a store that does not answer yet.
func (r *Registry) Restored(ctx context.Context) error {
	at := r.store.now()
	retry := backoff{}
	for {
		err := r.store.settle(ctx, at)
		if r.store.now().turn != at.turn {
			return nil
		}
		r.log.Warn("cannot begin the epoch of the restored store, trying again", "err", err)
		if retry.wait(ctx) != nil {
			return err
		}
	}
}

// begin fails with cluster.ErrConflict when somebody else has written the epoch meanwhile.
func (h *history) begin(ctx context.Context) error {
	pair, revision, err := h.read(ctx)
	if err != nil {
		return err
	}
	stored, err := h.decode(pair)
	if err != nil {
		h.log.Error("the record of the epoch is damaged, it is replaced", "err", err)
	}
	base, err := h.base(ctx, stored)
	if err != nil {
		return err
	}
	epoch, mod := h.next(stored, revision, base), modOf(pair)
	if epoch != stored {
		value, err := encodeEpoch(epoch)
		if err != nil {
			return err
		}
		out, err := h.Store.Txn(ctx, Txn{
			If:   []Compare{{Key: h.keys.epoch(), Revision: mod}},
			Then: []Op{Put(h.keys.epoch(), value, 0)},
		})
		if err != nil {
			return err
		}
		if !out.Succeeded {
			return cluster.ErrConflict
		}
		mod, revision = out.Revision, out.Revision
	}
	if err := h.expel(ctx, epoch); err != nil {
		return err
	}
	h.log.Warn("a new epoch: every machine joins anew", "epoch", epoch.Number, "rev", revision, "offset", epoch.Offset)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.known, h.mu.mod = true, mod
	h.mu.seen = History{Epoch: epoch, Revision: revision}
	h.mu.turn++
	h.mu.end(errRestored)
	h.mu.line, h.mu.end = context.WithCancelCause(context.Background())
	return nil
}

// base is the highest stamp that the restored store knows of a unit. The revision does not tell: whoever restores may have raised it.
func (h *history) base(ctx context.Context, stored cluster.Epoch) (int64, error) {
	base := int64(0)
	if _, err := walk(ctx, h.Store, Query{Keys: h.keys.kind(cluster.KindUnit)}, func(p Pair) { base = max(base, stored.Stamp(p.Mod)) }); err != nil {
		return 0, fmt.Errorf("read the units of the restored store: %w", err)
	}
	return base, nil
}

// next is the epoch that has to be, given the one that the store has at a revision. Its stamps are above all that this process knows of.
func (h *history) next(stored cluster.Epoch, revision, base int64) cluster.Epoch {
	h.mu.Lock()
	seen := h.mu.seen
	h.mu.Unlock()
	next := stored
	if stored.Number <= seen.Epoch.Number {
		next = cluster.Epoch{Number: seen.Epoch.Number + 1, Began: revision, Base: base, Offset: stored.Offset}
	}
	if short := seen.Epoch.Stamp(seen.Revision) - next.Floor(); short > 0 {
		next.Offset += short + epochMargin
	}
	return next
}

// expel ends the sessions and candidacies of the history that was restored. Their orders are from before the
// backup was made, and nothing may be stopped because of them; and who is fenced by such a
// session has to learn that it counts for nothing any more, also where there is no fleetd to say so.
func (h *history) expel(ctx context.Context, epoch cluster.Epoch) error {
	leases := make(map[int64]struct{})
	for _, kind := range []cluster.Kind{cluster.KindMachine, cluster.KindAgent, KindElection} {
		page, err := h.Store.Range(ctx, Query{Keys: h.keys.kind(kind)})
		if err != nil {
			return fmt.Errorf("read the sessions of the former history: %w", err)
		}
		for _, p := range page.Pairs {
			if p.Lease != 0 && p.Created <= epoch.Began {
				leases[p.Lease] = struct{}{}
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for lease := range leases {
		g.Go(func() error {
			if err := h.Store.Revoke(ctx, lease); err != nil && !errors.Is(err, ErrLeaseNotFound) {
				return fmt.Errorf("end a session of the former history: %w", err)
			}
			return nil
		})
	}
	return g.Wait()
}
