package registry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// DefaultPrefix is where the records are kept unless Options say otherwise.
const DefaultPrefix = "/fleet/"

// Registry is the cluster's records in a store. It may be used from several goroutines at once.
type Registry struct {
	store *history
	keys  keyspace
	log   *slog.Logger
	now   func() time.Time

	reads  gather[string, got] // of units that are about to be written
	files  gather[string, got]
	writes gather[Txn, written]
}

// Options are the settings of a Registry; the zero value works.
type Options struct {
	Prefix string       // of all keys, DefaultPrefix if empty; a missing last "/" is added
	Logger *slog.Logger // nil discards

	Now func() time.Time // the time of day, of what is written down; default: time.Now

	// History is what Registry.History has told a former process, zero if there was none.
	History History
}

// New returns the records in store. It does not reach for the store.
func New(store Store, o Options) *Registry {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(o.Prefix, "/") {
		o.Prefix += "/"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	keys := keyspace{prefix: o.Prefix}
	r := &Registry{store: newHistory(store, keys, o.History, o.Logger), keys: keys, log: o.Logger, now: o.Now}
	all := func([]string, string) bool { return true }
	r.reads = gather[string, got]{atOnce: unitsAtOnce, most: unitsMost, fits: all, ask: r.getMany}
	r.files = gather[string, got]{atOnce: filesAtOnce, most: filesMost, fits: all, ask: r.getMany}
	r.writes = gather[Txn, written]{atOnce: unitsAtOnce, most: unitsMost, fits: joinable, ask: r.commitMany}
	return r
}

// File returns the bytes of a unit file, cluster.ErrNotFound if the store has
// none with that id, or an error if what it has is something else.
func (r *Registry) File(ctx context.Context, id unit.ContentID) ([]byte, error) {
	pair, _, err := getTogether(ctx, &r.files, r.keys.file(id))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read file %s: %w", id, err)
	case pair == nil:
		return nil, fmt.Errorf("read file %s: %w", id, cluster.ErrNotFound)
	}
	if got := unit.IDOf(pair.Value); got != id {
		return nil, fmt.Errorf("read file %s: the store has a file with the hash %s in its place", id, got)
	}
	return pair.Value, nil
}

// CountMachines tells how many machines are in the cluster. None of their records is read for that.
func (r *Registry) CountMachines(ctx context.Context) (int, error) {
	keys := r.keys.kind(cluster.KindMachine)
	page, err := r.store.Range(ctx, Query{Keys: keys, CountOnly: true})
	if err != nil {
		return 0, fmt.Errorf("count the machines: %w", err)
	}
	return page.Count, nil
}

// get reads one key, nil if it does not exist, and the store's revision.
func (r *Registry) get(ctx context.Context, key string) (*Pair, int64, error) {
	page, err := r.store.Range(ctx, Query{Keys: Keys{Name: key}})
	if err != nil {
		return nil, 0, err
	}
	if len(page.Pairs) == 0 {
		return nil, page.Revision, nil
	}
	return &page.Pairs[0], page.Revision, nil
}
