package registry

import (
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// change turns what happened to a key into the vocabulary's words; false for
// a key that holds no record.
func (k keyspace) change(e Event) (cluster.Change, bool) {
	kind, id, ok := k.split(e.Key)
	if !ok {
		return nil, false
	}
	change, err := decodeChange(kind, id, e)
	if err != nil {
		return cluster.Corrupted{Kind: kind, ID: id, Err: err.Error()}, true
	}
	return change, change != nil
}

// decodeChange returns nil for a kind that it does not know. The removal of a
// record is told of as what it is whatever the key, so that the removal of a bad key heals.
func decodeChange(kind cluster.Kind, id string, e Event) (cluster.Change, error) {
	switch kind {
	case cluster.KindUnit:
		u, err := unitRecordOf(id, e, func(p Pair) (*cluster.Unit, error) { return decodeUnit(unit.Name(id), p) })
		return cluster.UnitChanged{Name: unit.Name(id), Unit: u}, err
	case cluster.KindPending:
		p, err := unitRecordOf(id, e, decodePending)
		return cluster.PendingChanged{Name: unit.Name(id), Pending: p}, err
	case cluster.KindFailures:
		f, err := unitRecordOf(id, e, decodeFailures)
		return cluster.FailuresChanged{Name: unit.Name(id), Failures: f}, err
	case cluster.KindFile:
		f, err := record(e, func() (*unit.File, error) { return decodeFile(unit.ContentID(id), e.Pair) })
		return cluster.FileChanged{ID: unit.ContentID(id), File: f, Revision: e.Mod}, err
	case cluster.KindAlarm:
		a, err := record(e, func() (*cluster.Alarm, error) { return decodeAlarm(cluster.AlarmName(id), e.Pair) })
		return cluster.AlarmChanged{Name: cluster.AlarmName(id), Alarm: a}, err
	case cluster.KindAck:
		a, err := record(e, func() (*cluster.Ack, error) { return decodeAck(cluster.AlarmName(id), e.Pair) })
		return cluster.AckChanged{Name: cluster.AlarmName(id), Ack: a}, err
	case cluster.KindEpoch:
		if id != cluster.EpochID {
			return nil, nil
		}
		epoch, err := record(e, func() (*cluster.Epoch, error) { return decodeEpoch(e.Pair) })
		return cluster.EpochChanged{Epoch: epoch}, err
	}
	return decodeMachineChange(kind, cluster.MachineID(id), e)
}

func decodeMachineChange(kind cluster.Kind, id cluster.MachineID, e Event) (cluster.Change, error) {
	if err := checkMachineID(id); err != nil && !e.Deleted && isMachineKind(kind) {
		return nil, err
	}
	switch kind {
	case cluster.KindMachine:
		m, err := record(e, func() (*cluster.Machine, error) { return decodeMachine(id, e.Pair) })
		return cluster.MachineChanged{ID: id, Machine: m}, err
	case cluster.KindSettings:
		s, err := record(e, func() (*cluster.Settings, error) { return decodeSettings(e.Pair) })
		return cluster.SettingsChanged{ID: id, Settings: s}, err
	case cluster.KindOrders:
		o, err := record(e, func() (*cluster.Orders, error) { return decodeOrders(id, e.Pair) })
		return cluster.OrdersChanged{ID: id, Orders: o}, err
	case cluster.KindReport:
		r, err := record(e, func() (*cluster.Report, error) { return decodeReport(id, e.Pair) })
		return cluster.ReportChanged{ID: id, Report: r}, err
	case cluster.KindAgent:
		a, err := record(e, func() (*cluster.Agent, error) { return decodeAgent(id, e.Pair) })
		return cluster.AgentChanged{ID: id, Agent: a}, err
	case cluster.KindAbsence:
		a, err := record(e, func() (*cluster.Absence, error) { return decodeAbsence(id, e.Pair) })
		return cluster.AbsenceChanged{ID: id, Absence: a}, err
	}
	return nil, nil
}

func isMachineKind(kind cluster.Kind) bool {
	switch kind {
	case cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindReport, cluster.KindAgent, cluster.KindAbsence:
		return true
	}
	return false
}

// unitRecordOf decodes a record whose key ends with a unit's name.
func unitRecordOf[T any](name string, e Event, decode func(Pair) (*T, error)) (*T, error) {
	return record(e, func() (*T, error) {
		if _, err := unit.ParseName(name); err != nil {
			return nil, err
		}
		return decode(e.Pair)
	})
}

// record decodes what was put, and is nil for what was deleted.
func record[T any](e Event, decode func() (*T, error)) (*T, error) {
	if e.Deleted {
		return nil, nil
	}
	r, err := decode()
	if err != nil {
		return nil, fmt.Errorf("revision %d: %w", e.Mod, err)
	}
	return r, nil
}
