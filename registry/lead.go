package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/cluster"
)

// resignTimeout bounds the removal of a leader's key, which happens after its context has ended.
const resignTimeout = 2 * time.Second

// Lead waits until this machine is elected to run the engine, and runs fn for
// one term. Candidates are elected in the order in which they came; each waits only
// for the one before it. A candidacy that the session already has is resumed.
//
// The context of fn ends with ctx, with the session, or when the term is found to be over; its cause
// in the last two cases is cluster.ErrSessionLost or cluster.ErrDeposed, and so is Lead's error.
// Otherwise Lead returns after fn has: nil when ctx has ended, else fn's error. Before, it gives up the lead.
// ctx is the session's context or derived from it.
//
// The candidacy is bound to the agent's lease, not to the session's: a machine whose fleetd is gone does not
// lead, although its fence may keep it present.
func (m *Member) Lead(ctx context.Context, fn func(context.Context, *Term) error) error {
	term, err := m.elect(ctx)
	switch {
	case ctx.Err() != nil:
		m.resign(ctx, m.registry.keys.candidate(m.agentLease()))
		return ended(ctx)
	case err != nil:
		return fmt.Errorf("campaign of machine %s: %w", m.machine.ID, err)
	}
	defer m.resign(ctx, term.key, Compare{Key: term.key, Revision: term.revision})
	return term.serve(ctx, fn)
}

// ended is the error of a role whose context has ended: none, unless the session was lost.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); errors.Is(err, cluster.ErrSessionLost) {
		return err
	}
	return nil
}

// elect stands for election until this machine leads.
func (m *Member) elect(ctx context.Context) (*Term, error) {
	retry := backoff{}
	for {
		term, err := m.campaign(ctx)
		if term != nil || ctx.Err() != nil || errors.Is(err, cluster.ErrSessionLost) {
			return term, err
		}
		if err == nil {
			retry.reset()
			continue
		}
		m.registry.log.Warn("cannot stand for election, trying again", "machine", m.machine.ID, "err", err)
		if err := retry.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// campaign enters the queue and waits for its turn. It returns nil without
// an error when it has to begin anew.
//
// The candidate's key is put anyway, even if it is there: the revision of its
// last put, not of its creation, is what a term is fenced with, so that a late write of an
// earlier term of the same session fails. Its place in the queue is that of its creation.
func (m *Member) campaign(ctx context.Context) (*Term, error) {
	lease := m.agentLease()
	key := m.registry.keys.candidate(lease)
	revision, err := m.registry.commit(ctx, Txn{
		If:   []Compare{m.present()},
		Then: []Op{Put(key, []byte(m.machine.ID), lease)},
	})
	if errors.Is(err, cluster.ErrConflict) {
		m.lost()
		return nil, cluster.ErrSessionLost
	}
	if err != nil {
		return nil, err
	}
	for {
		page, err := m.registry.store.Range(ctx, Query{Keys: m.registry.keys.candidates()})
		if err != nil {
			return nil, err
		}
		var e election
		for _, p := range page.Pairs {
			e.take(Event{Pair: p})
		}
		if err := m.strike(ctx, page.Pairs); err != nil {
			return nil, err
		}
		own, previous := e.place(key)
		switch {
		case own == nil:
			return nil, nil
		case previous == nil:
			return &Term{member: m, key: key, created: own.Created, revision: revision}, nil
		}
		if err := m.registry.await(ctx, previous.Key, page.Revision+1, yields); err != nil {
			return nil, err
		}
	}
}

// yields: a candidate is gone, or none any more.
func yields(e Event) bool { return e.Deleted || e.Lease == 0 }

// strike removes keys that are nobody's candidacy, because they are bound to no lease. They would be the first for ever.
func (m *Member) strike(ctx context.Context, candidates []Pair) error {
	for _, p := range candidates {
		if p.Lease != 0 {
			continue
		}
		if err := m.registry.remove(ctx, p); err != nil && !errors.Is(err, cluster.ErrConflict) {
			return fmt.Errorf("remove a candidate without a lease: %w", err)
		}
	}
	return nil
}

// resign gives up the lead or the place in the queue, provided that only holds. If the store cannot be
// reached the candidacy ends with the lease, unless the next process resumes it. When the session is over
// nothing is to be done: the candidacy ends with the agent's lease, which Join gives up then.
func (m *Member) resign(ctx context.Context, key string, only ...Compare) {
	select {
	case <-m.over:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	_, err := m.registry.store.Txn(ctx, Txn{
		If:   only,
		Then: []Op{Delete(key)},
	})
	if err != nil {
		m.registry.log.Warn("cannot resign", "machine", m.machine.ID, "err", err)
	}
}

// Term is one term of the engine: the token of the lead. It may be used from
// several goroutines at once, and is of no use after the term.
type Term struct {
	member   *Member
	key      string
	created  int64 // revision that created key: its place in the queue
	revision int64 // of the last put of key
}

// serve runs fn and watches over the term.
func (t *Term) serve(ctx context.Context, fn func(context.Context, *Term) error) error {
	term, end := context.WithCancelCause(ctx)
	defer end(nil)
	var watching sync.WaitGroup
	watching.Go(func() { t.watch(term, end) })
	t.member.registry.log.Info("elected", "machine", t.member.machine.ID, "term", t.revision)
	err := fn(term, t)
	over := context.Cause(term)
	end(nil)
	watching.Wait()

	switch {
	case errors.Is(over, cluster.ErrDeposed), errors.Is(over, cluster.ErrSessionLost):
		return fmt.Errorf("term %d of machine %s: %w", t.revision, t.member.machine.ID, over)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// watch ends the term when its key is gone or was put by anybody else. Not being able to
// watch ends nothing: whether the term is over is unknown, and its writes are fenced.
func (t *Term) watch(ctx context.Context, end context.CancelCauseFunc) {
	r := t.member.registry
	from := t.revision + 1
	retry := backoff{}
	for {
		err := r.awaitChange(ctx, t.key, from)
		if err == nil {
			var pair *Pair
			var revision int64
			if pair, revision, err = r.get(ctx, t.key); err == nil {
				from = revision + 1
				if pair == nil || pair.Mod != t.revision {
					end(cluster.ErrDeposed)
					return
				}
			}
		}
		if retry.wait(ctx) != nil {
			return
		}
	}
}

// Follow is Registry.Follow.
func (t *Term) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	return t.member.registry.Follow(ctx, fn)
}
