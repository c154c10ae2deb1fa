package registry

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"fleet/cluster"
)

const (
	// unitsAtOnce and filesAtOnce are how many requests about units, or for files, are under way at a time: one that hangs,
	// with a member of the store that does, leaves others.
	unitsAtOnce = 4
	filesAtOnce = 2
	// unitsMost and filesMost are how many one request is about. etcd takes 128 operations by default, and
	// a unit may bring a file.
	unitsMost = 60
	filesMost = 16
	// gatherBytes is how much they write together; etcd takes 1.5 MiB. More goes alone.
	gatherBytes = 512 << 10
)

// gather makes one request of those that come while others are under way. Whoever comes when few are goes at once,
// alone, and as if there were no gather.
type gather[Q, A any] struct {
	atOnce int                                      // requests that are under way at a time
	most   int                                      // that one request is about
	fits   func(batch []Q, next Q) bool             // whether it can go with them
	ask    func(ctx context.Context, batch []Q) []A // the answers, in the same order

	mu struct {
		sync.Mutex
		underWay int
		waiting  []*question[Q, A]
	}
}

type question[Q, A any] struct {
	q      Q
	answer chan A
}

// do returns false when ctx has ended before there was an answer.
func (g *gather[Q, A]) do(ctx context.Context, q Q) (a A, answered bool) {
	g.mu.Lock()
	if g.mu.underWay < g.atOnce {
		g.mu.underWay++
		g.mu.Unlock()
		defer g.next(context.WithoutCancel(ctx))
		return g.ask(ctx, []Q{q})[0], true
	}
	own := &question[Q, A]{q, make(chan A, 1)}
	g.mu.waiting = append(g.mu.waiting, own)
	g.mu.Unlock()
	select {
	case a = <-own.answer:
		return a, true
	case <-ctx.Done():
		g.drop(own)
		return a, false
	}
}

// drop has a question not be asked any more, unless it is being asked already.
func (g *gather[Q, A]) drop(q *question[Q, A]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.waiting = slices.DeleteFunc(g.mu.waiting, func(w *question[Q, A]) bool { return w == q })
}

// next asks for those who are waiting, if there are any, in the place of a request that has ended.
func (g *gather[Q, A]) next(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch, questions := g.take()
	if len(batch) == 0 {
		g.mu.underWay--
		return
	}
	go func() {
		defer g.next(ctx)
		for i, a := range g.ask(ctx, batch) {
			questions[i].answer <- a
		}
	}()
}

// take takes those out of the queue that can go together. The caller holds the lock.
func (g *gather[Q, A]) take() (batch []Q, questions []*question[Q, A]) {
	var left []*question[Q, A]
	for _, w := range g.mu.waiting {
		if len(batch) < g.most && (len(batch) == 0 || g.fits(batch, w.q)) {
			batch, questions = append(batch, w.q), append(questions, w)
		} else {
			left = append(left, w)
		}
	}
	g.mu.waiting = left
	return batch, questions
}

// got is the answer to who reads a key.
type got struct {
	pair     *Pair // nil if it does not exist
	revision int64 // of the store
	err      error
}

// getMany reads keys at one revision.
func (r *Registry) getMany(ctx context.Context, keys []string) []got {
	answers := make([]got, len(keys))
	if len(keys) == 1 {
		answers[0].pair, answers[0].revision, answers[0].err = r.get(ctx, keys[0])
		return answers
	}
	var t Txn
	for _, key := range keys {
		t.Then = append(t.Then, Get(key))
	}
	out, err := r.store.Txn(ctx, t)
	for i := range answers {
		answers[i] = got{revision: out.Revision, err: err}
		if err == nil {
			answers[i].pair = out.Got[i]
		}
	}
	return answers
}

// written is the answer to who writes.
type written struct {
	revision int64
	err      error // cluster.ErrConflict if what the transaction compares does not hold
}

// commitMany writes what all of the transactions write. They stand and fall by themselves: when
// they cannot be carried out together each is tried alone.
func (r *Registry) commitMany(ctx context.Context, txns []Txn) []written {
	answers := make([]written, len(txns))
	if len(txns) > 1 {
		out, err := r.store.Txn(ctx, joined(txns))
		if err != nil || out.Succeeded {
			for i := range answers {
				answers[i] = written{out.Revision, err}
			}
			return answers
		}
	}
	for i, t := range txns {
		answers[i].revision, answers[i].err = r.commit(ctx, t)
	}
	return answers
}

// joined is a transaction that does what all of them do, if all of them can.
func joined(txns []Txn) (all Txn) {
	compared := make(map[Compare]bool)
	puts := make(map[string]bool)
	for _, t := range txns {
		for _, c := range t.If {
			if !compared[c] {
				compared[c] = true
				all.If = append(all.If, c)
			}
		}
		for _, op := range t.Then {
			if !puts[op.Key] {
				puts[op.Key] = true
				all.Then = append(all.Then, op)
			}
		}
	}
	return all
}

// joinable tells whether a transaction that only writes can be carried out with others: it is about other keys, or writes the
// same there whatever was there before, as the file that several units have.
func joinable(batch []Txn, next Txn) bool {
	size := 0
	before := make(map[string]Op)
	for _, t := range batch {
		for _, op := range t.Then {
			if _, twice := before[op.Key]; !twice {
				size += len(op.Value)
			}
			before[op.Key] = op
		}
	}
	for _, op := range next.Then {
		was, there := before[op.Key]
		compared := slices.ContainsFunc(next.If, func(c Compare) bool { return c.Key == op.Key })
		if there && (compared || was.Kind != op.Kind || was.Lease != op.Lease || !bytes.Equal(was.Value, op.Value)) {
			return false
		}
		size += len(op.Value)
	}
	return size <= gatherBytes
}

// getUnit reads the record of a unit, together with others whose are being read.
func (r *Registry) getUnit(ctx context.Context, key string) (*Pair, int64, error) {
	return getTogether(ctx, &r.reads, key)
}

// getTogether reads a key, together with others that are asked for there.
func getTogether(ctx context.Context, g *gather[string, got], key string) (*Pair, int64, error) {
	a, answered := g.do(ctx, key)
	if !answered {
		return nil, 0, fmt.Errorf("%w: %w", cluster.ErrUnavailable, context.Cause(ctx))
	}
	return a.pair, a.revision, a.err
}

// commitUnit is commit, together with that of other units.
func (r *Registry) commitUnit(ctx context.Context, t Txn) (int64, error) {
	a, answered := r.writes.do(ctx, t)
	if !answered {
		return 0, fmt.Errorf("%w: %w", cluster.ErrUnavailable, context.Cause(ctx))
	}
	return a.revision, a.err
}
