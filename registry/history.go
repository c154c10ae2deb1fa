package registry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"fleet/cluster"
)

// errRestored: the answer came from a store that was restored from an older state, or the question was about
// the one before. What was asked for may have been done; whoever asked begins anew.
var errRestored = fmt.Errorf("%w: it was restored from an older state", cluster.ErrUnavailable)

// History is what a process has seen of the store's, by which it notices that the store was restored. It is to be kept across restarts.
type History struct {
	Epoch    cluster.Epoch
	Revision int64 // the highest that was seen; 0: none
}

// history is a Store that notices when it goes back. Every answer tells the store's revision, so one that is
// lower than another that had come before the question was sent is proof. So is a record of the epoch with another number.
//
// No answer of a restored store gets through to whoever began to ask before: who holds a role, or follows the
// records, stands on what is no longer true. Those are ended, by the end of the line.
type history struct {
	Store
	keys     keyspace
	log      *slog.Logger
	settling chan struct{} // holds a token while somebody sees to a new epoch
	doubts   chan struct{} // rings when the store may have gone back

	mu struct {
		sync.Mutex
		known bool // the store's epoch is, because it was read
		kept  bool // seen began with what a former process had
		seen  History
		mod   int64 // revision of the last put of the epoch's record, 0 if there is none
		turn  int   // how often the store was found to have gone back
		line  context.Context
		end   context.CancelCauseFunc
	}
}

func newHistory(store Store, keys keyspace, seen History, log *slog.Logger) *history {
	h := &history{Store: store, keys: keys, log: log, settling: make(chan struct{}, 1), doubts: make(chan struct{}, 1)}
	h.mu.seen, h.mu.kept = seen, seen != History{}
	h.mu.line, h.mu.end = context.WithCancelCause(context.Background())
	return h
}

// moment is what was known when a question was sent.
type moment struct {
	turn int
	seen int64
}

func (h *history) now() moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return moment{h.mu.turn, h.mu.seen.Revision}
}

// line is a context that ends when the store is found to have gone back.
func (h *history) line() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.line
}

// within returns a context that ends with ctx, and when the store is found to have gone back.
func (h *history) within(ctx context.Context) (context.Context, context.CancelFunc) {
	line := h.line()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(line, func() { cancel(errRestored) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Range implements Store.
func (h *history) Range(ctx context.Context, q Query) (Page, error) {
	at := h.now()
	page, err := h.Store.Range(ctx, q)
	if err != nil {
		return Page{}, err
	}
	if err := h.saw(ctx, at, page.Revision); err != nil {
		return Page{}, err
	}
	return page, nil
}

// Txn implements Store.
func (h *history) Txn(ctx context.Context, t Txn) (Outcome, error) {
	at := h.now()
	out, err := h.Store.Txn(ctx, t)
	if err != nil {
		return Outcome{}, err
	}
	if out.Succeeded && puts(t.Then) {
		at.seen++ // it has a revision of its own
	}
	if err := h.saw(ctx, at, out.Revision); err != nil {
		return Outcome{}, err
	}
	return out, nil
}

func puts(ops []Op) bool {
	for _, op := range ops {
		if op.Kind == OpPut {
			return true
		}
	}
	return false
}

// Watch implements Store. What is watched proves nothing: it may come late.
func (h *history) Watch(ctx context.Context, keys Keys, from int64, fn func(Batch) error) error {
	at := h.now()
	if from > at.seen+1 {
		return errRestored // nobody can have been told of what comes before that
	}
	return h.Store.Watch(ctx, keys, from, func(b Batch) error {
		h.mu.Lock()
		if h.mu.turn == at.turn {
			h.mu.seen.Revision = max(h.mu.seen.Revision, b.Revision)
		}
		h.mu.Unlock()
		return fn(b)
	})
}

// KeepAlive implements Store. A revision that is too low may be that of a member which is behind, so it proves nothing. But
// that of a store that has gone back is never high enough, unless it has come as far again.
func (h *history) KeepAlive(ctx context.Context, lease int64) (int64, error) {
	at := h.now()
	revision, err := h.Store.KeepAlive(ctx, lease)
	if err == nil && revision < at.seen {
		select {
		case h.doubts <- struct{}{}:
		default:
		}
	}
	return revision, err
}

// saw takes in the revision of an answer to what was asked at a moment.
func (h *history) saw(ctx context.Context, at moment, revision int64) error {
	h.mu.Lock()
	turned := h.mu.turn != at.turn
	back := revision < at.seen
	if !turned && !back {
		h.mu.seen.Revision = max(h.mu.seen.Revision, revision)
	}
	h.mu.Unlock()
	switch {
	case turned:
		return errRestored
	case back:
		h.log.Error("the store has gone back: it was restored from an older state", "rev", revision, "seen", at.seen)
		return h.settle(ctx, at)
	}
	return nil
}

// lastPut is a put that the store has taken: it is there as long as nobody puts the key again, or removes it.
type lastPut struct {
	key      string
	revision int64 // 0: there was none yet
}

// lost tells whether the store has an older put instead. That is proof that it has gone back, even if its revision has
// come as far again since.
func (w lastPut) lost(now *Pair) bool { return now != nil && now.Mod < w.revision }

// check finds out whether the store has gone back since a moment, for who asks for nothing else, and whether it still has what
// was written by then.
func (h *history) check(ctx context.Context, at moment, puts ...lastPut) error {
	reads := Txn{Then: []Op{Get(h.keys.epoch())}}
	for _, w := range puts {
		reads.Then = append(reads.Then, Get(w.key))
	}
	out, err := h.Store.Txn(ctx, reads)
	if err != nil {
		return fmt.Errorf("read the epoch: %w", err)
	}
	if err := h.saw(ctx, at, out.Revision); err != nil {
		return err
	}
	for i, w := range puts {
		if now := out.Got[i+1]; w.lost(now) {
			return h.lacks(ctx, at, w, now)
		}
	}
	pair := out.Got[0]
	stored, err := h.decode(pair)
	if err != nil {
		return h.mend(ctx, pair, err)
	}
	h.mu.Lock()
	first := !h.mu.known && !h.mu.kept
	same := h.mu.turn == at.turn && (first || stored.Number == h.mu.seen.Epoch.Number)
	if same {
		h.mu.known, h.mu.seen.Epoch, h.mu.mod = true, stored, modOf(pair)
	}
	h.mu.Unlock()
	if same {
		return nil
	}
	h.log.Error("the store is of another epoch: it was restored from an older state", "epoch", stored.Number)
	return h.settle(ctx, at)
}

// lacks is to be called when a put was found to be lost, by who asked at that moment, when the put was there.
func (h *history) lacks(ctx context.Context, at moment, w lastPut, now *Pair) error {
	h.log.Error("the store has gone back: it was restored from an older state", "key", w.key, "rev", now.Mod, "seen", w.revision)
	return h.settle(ctx, at)
}

// read reads the epoch's record.
func (h *history) read(ctx context.Context) (*Pair, int64, error) {
	page, err := h.Store.Range(ctx, Query{Keys: Keys{Name: h.keys.epoch()}})
	if err != nil {
		return nil, 0, fmt.Errorf("read the epoch: %w", err)
	}
	if len(page.Pairs) == 0 {
		return nil, page.Revision, nil
	}
	return &page.Pairs[0], page.Revision, nil
}

func (h *history) decode(p *Pair) (cluster.Epoch, error) {
	if p == nil {
		return cluster.Epoch{}, nil
	}
	e, err := decodeEpoch(*p)
	if err != nil {
		return cluster.Epoch{}, fmt.Errorf("read the epoch: %w", err)
	}
	return *e, nil
}

// mend writes the epoch's record anew, which other hands have damaged, if this process knows what it was.
func (h *history) mend(ctx context.Context, p *Pair, damage error) error {
	h.mu.Lock()
	known, epoch := h.mu.known, h.mu.seen.Epoch
	h.mu.Unlock()
	if !known || epoch.Number == 0 || later(p.Value) {
		return damage
	}
	value, err := encodeEpoch(epoch)
	if err != nil {
		return err
	}
	_, err = h.Txn(ctx, Txn{If: []Compare{{Key: p.Key, Revision: p.Mod}}, Then: []Op{Put(p.Key, value, 0)}})
	if err != nil {
		return fmt.Errorf("mend the epoch: %w", err)
	}
	return damage // the next look finds it mended
}

// epoch is the present one, with the revision of the last put of its record: a write that compares
// that takes place in this epoch or not at all.
func (h *history) epoch(ctx context.Context) (cluster.Epoch, Compare, error) {
	h.mu.Lock()
	known := h.mu.known
	h.mu.Unlock()
	if !known {
		if err := h.check(ctx, h.now()); err != nil {
			return cluster.Epoch{}, Compare{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.seen.Epoch, Compare{Key: h.keys.epoch(), Revision: h.mu.mod}, nil
}

// History is what this process has seen of the store's.
func (r *Registry) History() History {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return r.store.mu.seen
}

func modOf(p *Pair) int64 {
	if p == nil {
		return 0
	}
	return p.Mod
}
