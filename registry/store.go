package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Store is the part of etcd v3 that the registry stands on. Its
// implementations are registry/etcd and, for tests, registry/memory; what they
// must both do is written down as a suite in registry/storetest.
//
// A store has one revision, a number that grows by one with every transaction
// that changes anything. Every call reads the newest state and no call returns before
// its changes are durable. A call that the store does not answer in time
// fails with cluster.ErrUnavailable, and whether its changes took place is then unknown.
//
// A Store may be used from several goroutines at once.
type Store interface {
	// Range reads keys at one revision.
	Range(ctx context.Context, q Query) (Page, error)

	// Txn does all of t.Then if all of t.If hold, else all of t.Else, at one revision.
	Txn(ctx context.Context, t Txn) (Outcome, error)

	// Watch calls fn with every change to keys of revision from and later: one
	// call per revision, in order, none left out, and none divided. It outlives the loss of the
	// connection and of members of the store. It returns fn's error, ctx's
	// error, a *CompactedError when changes it would have to tell of are gone,
	// or what else the store refuses it for.
	Watch(ctx context.Context, keys Keys, from int64, fn func(Batch) error) error

	// Grant makes a lease that lives for ttl, in whole seconds, from its last renewal.
	Grant(ctx context.Context, ttl time.Duration) (lease int64, err error)

	// KeepAlive renews a lease once, and returns a revision that the store has had by then. Unlike what the other calls
	// return it need not be the newest.
	KeepAlive(ctx context.Context, lease int64) (revision int64, err error)

	// TimeToLive is how much longer a lease lives if nobody renews it, and how long it lives from each renewal.
	TimeToLive(ctx context.Context, lease int64) (left, granted time.Duration, err error)

	// Revoke ends a lease and removes the keys bound to it, all at one revision.
	Revoke(ctx context.Context, lease int64) error
}

// Keys says which keys are meant: one, or all that begin with a prefix.
type Keys struct {
	Name   string
	Prefix bool
}

// Query is what to read.
type Query struct {
	Keys

	// After leaves out keys up to and including this one; for the next page.
	After string
	// Limit is the most pairs of one page, 0 for all.
	Limit int
	// Revision reads the state of that revision, 0 the newest.
	Revision int64
	// CountOnly leaves out all pairs: only how many there are is told, for the price of nearly nothing.
	CountOnly bool
}

// Page is what was read, sorted by key.
type Page struct {
	Revision int64 // of the store when it answered, also if Query.Revision asked for an earlier state
	Pairs    []Pair
	More     bool // the limit left pairs out
	Count    int  // with Query.CountOnly: how many keys there are
}

// Pair is a key with its value.
type Pair struct {
	Key     string
	Value   []byte
	Created int64 // revision that created the key; a key that is deleted and put again is created again
	Mod     int64 // revision of the last put
	Lease   int64 // 0 if the key is bound to none
}

// Batch is everything that one revision changed among the keys watched.
type Batch struct {
	Revision int64
	Events   []Event
}

// Event is one change. Of a deleted key only Key and Mod are set.
type Event struct {
	Deleted bool
	Pair
}

// Txn is a transaction. No key may be put or deleted twice in it.
type Txn struct {
	If   []Compare
	Then []Op
	Else []Op
}

// Writes tells whether the transaction may change anything.
func (t Txn) Writes() bool {
	changes := func(op Op) bool { return op.Kind != OpGet }
	return slices.ContainsFunc(t.Then, changes) || slices.ContainsFunc(t.Else, changes)
}

// Compare holds if the key's last put (or, with Created, its creation) was at Revision; 0 stands for a key that does not exist.
// With First it holds if there are keys that begin with Key, and none of them was created before Revision.
type Compare struct {
	Key      string
	Created  bool
	First    bool
	Revision int64
}

// Absent holds if there is no such key.
func Absent(key string) Compare { return Compare{Key: key, Created: true} }

// Op is one operation of a transaction.
type Op struct {
	Kind  OpKind
	Key   string
	Value []byte
	Lease int64 // of a put; 0 binds the key to none
}

// OpKind is what an operation does.
type OpKind int

// The kinds of operations. A get sees the operations before it.
const (
	OpGet OpKind = iota
	OpPut
	OpDelete
)

// Get reads one key.
func Get(key string) Op { return Op{Kind: OpGet, Key: key} }

// Put writes one key, bound to a lease if that is not 0.
func Put(key string, value []byte, lease int64) Op {
	return Op{Kind: OpPut, Key: key, Value: value, Lease: lease}
}

// Delete removes one key, if it exists.
func Delete(key string) Op { return Op{Kind: OpDelete, Key: key} }

// Outcome is how a transaction ended.
type Outcome struct {
	Revision  int64   // of the store: the transaction's own if it changed anything
	Succeeded bool    // Then was done, not Else
	Got       []*Pair // one for each get that was done, nil for a key that does not exist
}

// ErrLeaseNotFound: the lease has ended, or never was.
var ErrLeaseNotFound = errors.New("lease not found")

// CompactedError is the answer to whoever asks for a revision that the store has forgotten.
type CompactedError struct {
	Revision int64 // the earliest that can be asked for, 0 if the store did not tell
}

func (e *CompactedError) Error() string {
	if e.Revision == 0 {
		return "the revision is compacted"
	}
	return fmt.Sprintf("revisions before %d are compacted", e.Revision)
}
