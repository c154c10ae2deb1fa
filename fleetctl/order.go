package main

import (
	"context"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// order is what a command asks of one unit: one request, whatever it consists of, so
// that no machine meets one half of it without the other.
type order struct {
	unit   unit.Name
	goal   goal // what is waited for
	global bool
	stops  bool // what is asked is that it does not run, wherever it is

	file      []byte               // to be submitted; nil: the unit keeps the one it has
	noReplace bool                 // refuse to replace another file
	desired   cluster.DesiredState // empty: as it is, or inactive for a new unit
	restart   bool
	destroy   bool
	move      *moving // of goalMoved
	ifMatch   int64   // refuse unless this is the unit's generation; 0: any
}

// change is an order as it is sent together with others.
func (o order) change() api.Change {
	return api.Change{
		Name: o.unit, File: o.file, Desired: o.desired, NoReplace: o.noReplace,
		Restart: o.restart, Destroy: o.destroy, IfMatch: o.ifMatch,
	}
}

// whole tells whether deliver says all that change does: what becomes of a unit whose file stays has no condition there.
func (o order) whole() bool { return o.ifMatch == 0 || o.file != nil || o.move != nil }

// deliver sends an order by itself.
func (o order) deliver(ctx context.Context, c *api.Client) (api.Result, error) {
	switch {
	case o.move != nil:
		return c.Move(ctx, o.unit, o.move.to, o.ifMatch)
	case o.destroy:
		return c.Destroy(ctx, o.unit)
	case o.restart:
		return c.Restart(ctx, o.unit)
	case o.file != nil:
		return c.PutFile(ctx, o.unit, o.file, api.PutFileOptions{Desired: o.desired, NoReplace: o.noReplace, IfMatch: o.ifMatch})
	}
	return c.SetDesired(ctx, o.unit, o.desired)
}
