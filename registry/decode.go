package registry

import (
	"encoding/json"
	"errors"
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// The decoders are given bytes that anybody may have written. They fail
// rather than guess: what a damaged record was about is unknown, not absent.

func decodeUnit(name unit.Name, p Pair) (*cluster.Unit, error) {
	var r unitRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	if _, err := unit.ParseContentID(string(r.Content)); err != nil {
		return nil, err
	}
	if _, err := cluster.ParseDesiredState(string(r.Desired)); err != nil {
		return nil, err
	}
	if r.Generation <= 0 || r.Restart < 0 || r.Restart > r.Generation {
		return nil, fmt.Errorf("impossible generation %d or restart %d", r.Generation, r.Restart)
	}
	if r.Move < 0 || r.Move > r.Generation {
		return nil, fmt.Errorf("impossible move %d at generation %d", r.Move, r.Generation)
	}
	if err := checkMoveTo(r.MoveTo); err != nil {
		return nil, err
	}
	return &cluster.Unit{
		Name:       name,
		Content:    r.Content,
		Desired:    r.Desired,
		Global:     r.Global,
		Generation: r.Generation,
		Restart:    r.Restart,
		Move:       r.Move,
		MoveTo:     r.MoveTo,
		Revision:   p.Mod,
	}, nil
}

// checkMoveTo takes every machine, present or not, and none.
func checkMoveTo(id cluster.MachineID) error {
	if id == "" {
		return nil
	}
	if err := checkMachineID(id); err != nil {
		return fmt.Errorf("where to move it: %w", err)
	}
	return nil
}

func decodeFile(id unit.ContentID, p Pair) (*unit.File, error) {
	if got := unit.IDOf(p.Value); got != id {
		return nil, fmt.Errorf("it has the hash %s", got)
	}
	return unit.Parse(p.Value)
}

func decodeMachine(id cluster.MachineID, p Pair) (*cluster.Machine, error) {
	var r machineRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	if r.Session.IsZero() {
		return nil, errors.New("it has no session")
	}
	capacity := r.Resources.capacity(r.MaxUnits)
	if err := checkCapacity(capacity); err != nil {
		return nil, err
	}
	return &cluster.Machine{
		ID:       id,
		Session:  r.Session,
		Address:  r.Address,
		API:      r.API,
		Metadata: r.Metadata,
		Capacity: capacity,
		Version:  r.Version,
		Since:    r.Since,
		Attends:  r.Attends,
		Fence:    cluster.Fence(r.Fence),
		Leaving:  r.Leaving,
	}, nil
}

func decodeSettings(p Pair) (*cluster.Settings, error) {
	var r settingsRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	if err := checkAmounts(r.Capacity); err != nil {
		return nil, err
	}
	return &cluster.Settings{
		Metadata:      r.Metadata,
		Cordoned:      r.Cordoned,
		CordonedSince: r.CordonedSince,
		Drain:         (*cluster.Drain)(r.Drain),
		Forget:        r.Forget,
		Forgets:       r.Forgets,
		Capacity:      r.Capacity,
	}, nil
}

func decodeOrders(id cluster.MachineID, p Pair) (*cluster.Orders, error) {
	r := scanOrders(p)
	if r == nil {
		r = new(ordersRecord)
		if err := decode(p.Value, r, &r.Format); err != nil {
			return nil, err
		}
	}
	if r.Session.IsZero() {
		return nil, errors.New("they are addressed to no session")
	}
	orders := &cluster.Orders{
		Machine:  id,
		Session:  r.Session,
		Lease:    r.Lease,
		Units:    make(map[unit.Name]cluster.Order, len(r.Units)),
		Revision: p.Mod,
	}
	for name, order := range r.Units {
		if err := checkOrder(name, order); err != nil {
			return nil, err
		}
		orders.Units[name] = cluster.Order(order)
	}
	if len(r.Left) > 0 {
		orders.Left = make(map[unit.Name]cluster.Left, len(r.Left))
	}
	for name, left := range r.Left {
		if _, err := unit.ParseName(string(name)); err != nil {
			return nil, err
		}
		orders.Left[name] = cluster.Left(left)
	}
	return orders, nil
}

func checkOrder(name unit.Name, o orderRecord) error {
	if _, err := unit.ParseName(string(name)); err != nil {
		return err
	}
	if _, err := unit.ParseContentID(string(o.Content)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if o.Desired != cluster.Loaded && o.Desired != cluster.Launched {
		return fmt.Errorf("%s: nothing can be ordered to be %q", name, o.Desired)
	}
	return nil
}

func decodeReport(id cluster.MachineID, p Pair) (*cluster.Report, error) {
	r := scanReport(p)
	if r == nil {
		r = new(reportRecord)
		if err := decode(p.Value, r, &r.Format); err != nil {
			return nil, err
		}
	}
	if r.Session.IsZero() {
		return nil, errors.New("it is of no session")
	}
	report := &cluster.Report{
		Machine:  id,
		Session:  r.Session,
		Orders:   r.Orders,
		Units:    make(map[unit.Name]cluster.UnitReport, len(r.Units)),
		At:       r.At,
		Revision: p.Mod,
	}
	for name, u := range r.Units {
		if _, err := unit.ParseName(string(name)); err != nil {
			return nil, err
		}
		report.Units[name] = cluster.UnitReport{
			State:      u.State,
			Content:    u.Content,
			Generation: u.Generation,
			Tried:      u.Tried,
			Job:        u.JobResult,
			Error:      u.Error,
			Log:        u.Log,
		}
	}
	return report, nil
}

// later tells whether a record is one of a later fleet's.
func later(value []byte) bool {
	var head struct {
		Format int `json:"v"`
	}
	return json.Unmarshal(value, &head) == nil && head.Format > format
}

// decode reads a record of which got is the format. What is wrong with the other fields of a later format does not
// count: they may mean anything.
func decode(value []byte, record any, got *int) error {
	err := json.Unmarshal(value, record)
	if err != nil {
		var head struct {
			Format int `json:"v"`
		}
		if json.Unmarshal(value, &head) != nil {
			return err
		}
		*got = head.Format
	}
	switch {
	case *got == 0:
		return errors.New("it has no format version")
	case *got < 0 || *got > format:
		return fmt.Errorf("it has format %d, this fleet knows %d", *got, format)
	}
	return err
}
