package embedded

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// database is a member's database while the member is stopped.
type database struct{ backend.Backend }

func openDatabase(log *zap.Logger, path string) database {
	return database{backend.NewDefaultBackend(log, path)}
}

// applied tells how far the database has come in the log.
func (d database) applied() applied {
	index, term := schema.ReadConsistentIndex(d.ReadTx())
	return applied{index, term}
}

// alone makes a member the only one, and the others such as were removed, which they are told when they reach it.
func (d database) alone(log *zap.Logger, self types.ID) error {
	tx := d.BatchTx()
	tx.LockOutsideApply()
	defer tx.Unlock()
	var own *membership.Member
	var others [][]byte
	err := tx.UnsafeForEach(schema.Members, func(key, value []byte) error {
		m := new(membership.Member)
		if err := json.Unmarshal(value, m); err != nil {
			return fmt.Errorf("read a member in the database: %w", err)
		}
		if m.ID == self {
			own = m
		} else {
			others = append(others, slices.Clone(key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if own == nil {
		return fmt.Errorf("this member (%s) is none of those in its own database", self)
	}
	own.IsLearner = false
	value, err := json.Marshal(own)
	if err != nil {
		return fmt.Errorf("encode the member: %w", err)
	}
	tx.UnsafePut(schema.Members, schema.BackendMemberKey(self), value)
	for _, key := range others {
		tx.UnsafeDelete(schema.Members, key)
		tx.UnsafePut(schema.MembersRemoved, key, []byte("removed"))
	}
	schema.MustUnsafeSaveConfStateToBackend(log, tx, &raftpb.ConfState{Voters: []uint64{uint64(self)}})
	return nil
}

// revision is the newest in the database, written or compacted.
func (d database) revision() (int64, error) {
	tx := d.ReadTx()
	tx.RLock()
	defer tx.RUnlock()
	finished, _ := mvcc.UnsafeReadFinishedCompact(tx)
	scheduled, _ := mvcc.UnsafeReadScheduledCompact(tx)
	newest := max(finished, scheduled)
	err := tx.UnsafeForEach(schema.Key, func(key, _ []byte) error {
		newest = max(newest, mvcc.BytesToRev(key).Main)
		return nil
	})
	return newest, err
}

// raise makes a revision the present one, and all before it compacted: etcd begins at the greater of
// what is written and what was to be compacted. So no revision comes twice, and whoever
// watches from an earlier one is told to read everything anew.
func (d database) raise(revision int64) {
	tx := d.BatchTx()
	tx.LockOutsideApply()
	defer tx.Unlock()
	if scheduled, _ := mvcc.UnsafeReadScheduledCompact(tx); scheduled < revision {
		mvcc.UnsafeSetScheduledCompact(tx, revision)
	}
}

// place is what of a database belongs to the member and its cluster, and not to what clients have stored.
var place = []backend.Bucket{schema.Cluster, schema.Members, schema.MembersRemoved}

// placeKeys are those of the bucket Meta that do.
var placeKeys = [][]byte{schema.MetaConsistentIndexKeyName, schema.MetaTermKeyName, schema.MetaConfStateName}

// dropped is what of a snapshot does not come back: who had which rights in another cluster, and its alarms.
var dropped = []backend.Bucket{schema.Alarm, schema.Auth, schema.AuthUsers, schema.AuthRoles}

// takePlace gives d, made from a snapshot, the place in the cluster that another database has.
func (d database) takePlace(of database) error {
	from := of.ReadTx()
	from.RLock()
	defer from.RUnlock()
	to := d.BatchTx()
	to.LockOutsideApply()
	defer to.Unlock()
	for _, bucket := range slices.Concat(place, dropped) {
		to.UnsafeCreateBucket(bucket)
		if err := empty(to, bucket); err != nil {
			return err
		}
	}
	for _, bucket := range place {
		err := from.UnsafeForEach(bucket, func(key, value []byte) error {
			to.UnsafePut(bucket, key, value)
			return nil
		})
		if err != nil {
			return fmt.Errorf("copy the members to the database: %w", err)
		}
	}
	for _, key := range placeKeys {
		to.UnsafeDelete(schema.Meta, key)
		if _, values := from.UnsafeRange(schema.Meta, key, nil, 0); len(values) > 0 {
			to.UnsafePut(schema.Meta, key, values[0])
		}
	}
	return nil
}

func empty(tx backend.BatchTx, bucket backend.Bucket) error {
	var keys [][]byte
	err := tx.UnsafeForEach(bucket, func(key, _ []byte) error {
		keys = append(keys, slices.Clone(key))
		return nil
	})
	if err != nil {
		return fmt.Errorf("empty a part of the database: %w", err)
	}
	for _, key := range keys {
		tx.UnsafeDelete(bucket, key)
	}
	return nil
}

// endLeases removes all leases and, at a revision, the keys bound to them: sessions of another
// time would come to life again, and hold the places of those that came after them.
func (d database) endLeases(revision int64) error {
	tx := d.BatchTx()
	tx.LockOutsideApply()
	defer tx.Unlock()
	bound, err := boundKeys(tx)
	if err != nil {
		return err
	}
	for i, key := range bound {
		tombstone, err := proto.Marshal(&mvccpb.KeyValue{Key: []byte(key)})
		if err != nil {
			return fmt.Errorf("remove key %s: %w", key, err)
		}
		at := mvcc.RevToBytes(mvcc.Revision{Main: revision, Sub: int64(i)}, mvcc.NewRevBytes())
		tx.UnsafePut(schema.Key, append(at, 't'), tombstone) // 't' marks a deletion
	}
	return empty(tx, schema.Lease)
}

// boundKeys are the keys whose newest value is bound to a lease.
func boundKeys(tx backend.BatchTx) ([]string, error) {
	bound := make(map[string]bool)
	err := tx.UnsafeForEach(schema.Key, func(at, value []byte) error {
		var kv mvccpb.KeyValue
		if err := proto.Unmarshal(value, &kv); err != nil {
			return fmt.Errorf("read a key of the snapshot: %w", err)
		}
		bound[string(kv.Key)] = !mvcc.IsTombstone(at) && kv.Lease != 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []string
	for key, yes := range bound {
		if yes {
			all = append(all, key)
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all, nil
}
