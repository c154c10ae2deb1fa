package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"fleet/cluster"
)

// Commit writes a decision in one transaction, if the term still goes on; else
// nothing is written and the error is cluster.ErrDeposed. Neither is it if a machine is to be forgotten that is
// present: the error is cluster.ErrConflict. A file that was written after the decision was made is not collected; the rest of the decision is carried out.
//
// The values together must fit into one request of the store, which is 1.5 MiB for etcd unless configured otherwise.
func (t *Term) Commit(ctx context.Context, d cluster.Decision) (revision int64, err error) {
	if d.Size() > cluster.MaxDecision {
		return 0, fmt.Errorf("commit a decision of %d records: the most is %d", d.Size(), cluster.MaxDecision)
	}
	ops, err := t.ops(d)
	if err != nil {
		return 0, err
	}
	d.Collect = maps.Clone(d.Collect)
	for {
		revision, again, err := t.commit(ctx, ops, d)
		if err != nil {
			return 0, fmt.Errorf("commit a decision in term %d: %w", t.revision, err)
		}
		if !again {
			return revision, nil
		}
	}
}

// ops are the writes of a decision, in the order of their keys.
func (t *Term) ops(d cluster.Decision) ([]Op, error) {
	keys := t.member.registry.keys
	ops, err := recordOps(nil, d.Failures, keys.failures, encodeFailures)
	if err != nil {
		return nil, fmt.Errorf("encode failures of unit %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Orders)) {
		value, err := encodeOrders(d.Orders[id])
		if err != nil {
			return nil, fmt.Errorf("encode orders of machine %s: %w", id, err)
		}
		ops = append(ops, Put(keys.orders(id), value, 0))
	}
	ops, err = recordOps(ops, d.Pending, keys.pending, encodePending)
	if err != nil {
		return nil, fmt.Errorf("encode pending unit %w", err)
	}
	return t.machineOps(ops, d)
}

// machineOps adds the writes about absent machines and alarms.
func (t *Term) machineOps(ops []Op, d cluster.Decision) ([]Op, error) {
	keys := t.member.registry.keys
	ops, err := recordOps(ops, d.Absences, keys.absence, encodeAbsence)
	if err != nil {
		return nil, fmt.Errorf("encode the absence of machine %w", err)
	}
	ops, err = recordOps(ops, d.Alarms, keys.alarm, encodeAlarm)
	if err != nil {
		return nil, fmt.Errorf("encode alarm %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Alarms)) {
		if d.Alarms[name] == nil {
			ops = append(ops, Delete(keys.ack(name)))
		}
	}
	for _, id := range d.Forget {
		ops = append(ops, Delete(keys.orders(id)), Delete(keys.settings(id)), Delete(keys.absence(id)))
	}
	return ops, nil
}

// recordOps adds the writes of the records of one family; a nil record is removed.
func recordOps[K ~string, T any](ops []Op, records map[K]*T, key func(K) string, encode func(T) ([]byte, error)) ([]Op, error) {
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if records[name] == nil {
			ops = append(ops, Delete(key(name)))
			continue
		}
		value, err := encode(*records[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		ops = append(ops, Put(key(name), value, 0))
	}
	return ops, nil
}

// commit tries once. That the term's key is as it was put would not do: in a store that was restored from an older state
// there may be two such keys, of terms that came one after the other in the history that was lost. The term
// is over unless its candidate is the first of all that there are: that is one in every state of the store, and so is the last put of its key.
//
// When a file to collect is not as it was, it is dropped
// from d.Collect and the commit is to be tried again; each time there is less to collect.
func (t *Term) commit(ctx context.Context, ops []Op, d cluster.Decision) (revision int64, again bool, err error) {
	r := t.member.registry
	txn := Txn{
		If:   []Compare{{Key: t.key, Revision: t.revision}, {Key: r.keys.candidates().Name, First: true, Revision: t.created}},
		Then: slices.Clone(ops),
		Else: []Op{Get(t.key)},
	}
	for _, id := range d.Forget {
		txn.If = append(txn.If, Absent(r.keys.machine(id)))
		txn.Else = append(txn.Else, Get(r.keys.machine(id)))
	}
	files := slices.Sorted(maps.Keys(d.Collect))
	for _, id := range files {
		txn.If = append(txn.If, Compare{Key: r.keys.file(id), Revision: d.Collect[id]})
		txn.Then = append(txn.Then, Delete(r.keys.file(id)))
		txn.Else = append(txn.Else, Get(r.keys.file(id)))
	}
	out, err := r.store.Txn(ctx, txn)
	if err != nil || out.Succeeded {
		return out.Revision, false, err
	}
	if own := out.Got[0]; own == nil || own.Mod != t.revision {
		return 0, false, cluster.ErrDeposed
	}
	for i, id := range d.Forget {
		if out.Got[1+i] != nil {
			return 0, false, fmt.Errorf("forget machine %s, which is back: %w", id, cluster.ErrConflict)
		}
	}
	for i, id := range files {
		if now := out.Got[1+len(d.Forget)+i]; now == nil || now.Mod != d.Collect[id] {
			delete(d.Collect, id)
		}
	}
	if len(d.Collect) == len(files) {
		return 0, false, cluster.ErrDeposed // there is a candidate that came first
	}
	return 0, true, nil
}
