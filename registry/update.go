package registry

import (
	"context"
	"errors"
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// maxAttempts bounds how often a read-modify-write is tried that keeps losing to other writers.
const maxAttempts = 16

// UpdateUnit reads the record of a unit, asks change what to write in its
// place and writes that, if nobody else has written meanwhile. It returns the record as written.
//
// change is given nil if there is no such unit, and a Unit with only Name and
// Revision if its record cannot be read, so that it can be replaced or
// destroyed. It answers nil to have the record removed; the Unit returned then
// is the former one, with the revision of its removal and a generation that is below that of every
// later unit of its name, and not below any former. An error of change is returned as it is.
//
// When another writer was faster, change is called again with that writer's
// record. If that has another content, or the unit came or went,
// cluster.ErrConflict is returned instead: what the caller decided was about something else.
//
// Of many that are called at once, most are read and written together with others (gather); what is said here
// holds for each of them.
//
// The file is stored in the transaction of the record, even if it is there
// already, so that it cannot be collected in between.
func (r *Registry) UpdateUnit(ctx context.Context, name unit.Name, change func(current *cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	if _, err := unit.ParseName(string(name)); err != nil {
		return cluster.Unit{}, err
	}
	var first *storedUnit
	for range maxAttempts {
		was, err := r.readUnit(ctx, name)
		if errors.Is(err, errRestored) {
			continue // nothing was written yet: it is written in the new epoch
		}
		if err != nil {
			return cluster.Unit{}, fmt.Errorf("read unit %s: %w", name, err)
		}
		if first == nil {
			first = &was
		} else if !sameContent(first.unit, was.unit) {
			break
		}
		edit, err := change(was.given())
		if err != nil {
			return cluster.Unit{}, err
		}
		written, err := r.writeUnit(ctx, was, edit)
		if errors.Is(err, cluster.ErrConflict) {
			if err := r.store.check(ctx, r.store.now()); err == nil || errors.Is(err, errRestored) { // it may be the epoch that has changed
				continue
			}
		}
		if err != nil {
			return cluster.Unit{}, fmt.Errorf("write unit %s: %w", name, err)
		}
		return written, nil
	}
	return cluster.Unit{}, fmt.Errorf("write unit %s: %w", name, cluster.ErrConflict)
}

// storedUnit is a unit's record together with what a write of it must compare.
type storedUnit struct {
	name     unit.Name
	unit     *cluster.Unit // nil if there is no record
	value    []byte
	mod      int64 // of the key, 0 if there is no record
	revision int64 // of the store when it was read
	epoch    cluster.Epoch
	still    Compare // holds in that epoch
}

// given is what a change is called with: a copy, the caller may keep or alter it.
func (s storedUnit) given() *cluster.Unit {
	if s.unit == nil {
		return nil
	}
	u := *s.unit
	return &u
}

func (r *Registry) readUnit(ctx context.Context, name unit.Name) (storedUnit, error) {
	epoch, still, err := r.store.epoch(ctx)
	if err != nil {
		return storedUnit{}, err
	}
	pair, revision, err := r.getUnit(ctx, r.keys.unit(name))
	if err != nil {
		return storedUnit{}, err
	}
	s := storedUnit{name: name, revision: revision, epoch: epoch, still: still}
	if pair == nil {
		return s, nil
	}
	s.value, s.mod = pair.Value, pair.Mod
	if s.unit, err = decodeUnit(name, *pair); err != nil {
		s.unit = &cluster.Unit{Name: name, Revision: pair.Mod}
	}
	return s, nil
}

func sameContent(a, b *cluster.Unit) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Content == b.Content
}

// writeUnit fails with cluster.ErrConflict if the record is no longer the one that was read.
func (r *Registry) writeUnit(ctx context.Context, was storedUnit, edit *cluster.UnitEdit) (cluster.Unit, error) {
	if edit == nil {
		return r.removeUnit(ctx, was)
	}
	u, err := was.next(edit)
	if err != nil {
		return cluster.Unit{}, err
	}
	value, err := encodeUnit(u, was.value)
	if err != nil {
		return cluster.Unit{}, err
	}
	key := r.keys.unit(was.name)
	txn := Txn{If: []Compare{{Key: key, Revision: was.mod}, was.still}, Then: []Op{Put(key, value, 0)}}
	if edit.File != nil {
		txn.Then = append(txn.Then, Put(r.keys.file(u.Content), edit.File, 0))
	}
	u.Revision, err = r.commitUnit(ctx, txn)
	return u, err
}

func (r *Registry) removeUnit(ctx context.Context, was storedUnit) (cluster.Unit, error) {
	if was.unit == nil {
		return cluster.Unit{}, cluster.ErrNotFound
	}
	key := r.keys.unit(was.name)
	u := *was.unit
	var err error
	u.Revision, err = r.commitUnit(ctx, Txn{If: []Compare{{Key: key, Revision: was.mod}, was.still}, Then: []Op{Delete(key)}})
	u.Generation = was.epoch.Stamp(u.Revision)
	return u, err
}

// next is the record that follows from an edit.
//
// A generation is never greater than the stamp of the revision that writes it, because the
// revision of the read is less than that of the write. So a record that is
// made after another of its name was removed begins above all of that one's generations, and
// one that is made after the store was restored above all that there were in the history that was lost.
func (s storedUnit) next(edit *cluster.UnitEdit) (cluster.Unit, error) {
	var was cluster.Unit
	if s.unit != nil {
		was = *s.unit
	}
	switch {
	case edit.File != nil && unit.IDOf(edit.File) != edit.Unit.Content:
		return cluster.Unit{}, fmt.Errorf("the file given has not the content id %s", edit.Unit.Content)
	case edit.File == nil && (edit.Unit.Content != was.Content || was.Content == ""):
		return cluster.Unit{}, fmt.Errorf("content %s is new to the unit, but no file is given", edit.Unit.Content)
	}
	if _, err := cluster.ParseDesiredState(string(edit.Unit.Desired)); err != nil {
		return cluster.Unit{}, err
	}
	if err := checkMoveTo(edit.Unit.MoveTo); err != nil && edit.Move {
		return cluster.Unit{}, err
	}
	u := cluster.Unit{
		Name:       s.name,
		Content:    edit.Unit.Content,
		Desired:    edit.Unit.Desired,
		Global:     edit.Unit.Global,
		Generation: max(was.Generation, s.epoch.Stamp(s.revision)) + 1,
		Restart:    was.Restart,
		Move:       was.Move,
		MoveTo:     was.MoveTo,
	}
	if edit.Restart {
		u.Restart = u.Generation
	}
	if edit.Move {
		u.Move, u.MoveTo = u.Generation, edit.Unit.MoveTo
	}
	return u, nil
}

// remove deletes a key that is still as it was read; else it fails with cluster.ErrConflict.
func (r *Registry) remove(ctx context.Context, p Pair) error {
	_, err := r.commit(ctx, Txn{If: []Compare{{Key: p.Key, Revision: p.Mod}}, Then: []Op{Delete(p.Key)}})
	return err
}

// commit fails with cluster.ErrConflict if t.If does not hold.
func (r *Registry) commit(ctx context.Context, t Txn) (revision int64, err error) {
	out, err := r.store.Txn(ctx, t)
	if err != nil {
		return 0, err
	}
	if !out.Succeeded {
		return 0, cluster.ErrConflict
	}
	return out.Revision, nil
}

// UpdateSettings reads an operator's settings for a machine, asks change what
// they should become and writes that; when another writer was faster, again
// with that one's. Settings that cannot be read are taken as empty and so can
// be repaired. It returns the revision at which they are as change wants them.
func (r *Registry) UpdateSettings(ctx context.Context, id cluster.MachineID, change func(cluster.Settings) (cluster.Settings, error)) (revision int64, err error) {
	if err := checkMachineID(id); err != nil {
		return 0, err
	}
	for range maxAttempts {
		revision, err = r.updateSettings(ctx, id, change)
		if !errors.Is(err, cluster.ErrConflict) {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("change settings of machine %s: %w", id, err)
	}
	return revision, nil
}

func (r *Registry) updateSettings(ctx context.Context, id cluster.MachineID, change func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	key := r.keys.settings(id)
	pair, revision, err := r.get(ctx, key)
	if err != nil {
		return 0, err
	}
	var was Pair
	var settings cluster.Settings
	if pair != nil {
		was = *pair
		if s, err := decodeSettings(was); err == nil {
			settings = *s
		}
	}
	if settings, err = change(settings); err != nil {
		return 0, err
	}
	value, err := encodeSettings(settings, was.Value)
	if err != nil {
		return 0, err
	}
	if string(value) == string(was.Value) {
		return revision, nil
	}
	return r.commit(ctx, Txn{If: []Compare{{Key: key, Revision: was.Mod}}, Then: []Op{Put(key, value, 0)}})
}
