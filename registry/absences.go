package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

type agentRecord struct {
	Format  int             `json:"v"`
	Session cluster.Session `json:"session"`
	Since   time.Time       `json:"since,omitzero"`
}

type absenceRecord struct {
	Format   int                  `json:"v"`
	State    cluster.MachineState `json:"state"`
	Since    time.Time            `json:"since"`
	Session  cluster.Session      `json:"session"`
	Address  string               `json:"address,omitempty"`
	Metadata map[string]string    `json:"metadata,omitempty"`
	Version  string               `json:"version,omitempty"`
}

type alarmRecord struct {
	Format   int                 `json:"v"`
	Since    time.Time           `json:"since"`
	Machines []cluster.MachineID `json:"machines,omitempty"`
	Message  string              `json:"message"`
}

type ackRecord struct {
	Format int       `json:"v"`
	Since  time.Time `json:"since"`
}

func encodeAgent(a cluster.Agent) ([]byte, error) {
	return json.Marshal(agentRecord{Format: format, Session: a.Session, Since: a.Since})
}

func decodeAgent(id cluster.MachineID, p Pair) (*cluster.Agent, error) {
	var r agentRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	if r.Session.IsZero() {
		return nil, errors.New("it is of no session")
	}
	return &cluster.Agent{Machine: id, Session: r.Session, Since: r.Since}, nil
}

func encodeAbsence(a cluster.Absence) ([]byte, error) {
	return json.Marshal(absenceRecord{
		Format: format, State: a.State, Since: a.Since, Session: a.Session,
		Address: a.Address, Metadata: a.Metadata, Version: a.Version,
	})
}

func decodeAbsence(id cluster.MachineID, p Pair) (*cluster.Absence, error) {
	var r absenceRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	switch r.State {
	case cluster.StateSilent, cluster.StateLost, cluster.StateLeft:
	default:
		return nil, fmt.Errorf("no machine is absent by being %q", r.State)
	}
	return &cluster.Absence{
		Machine: id, State: r.State, Since: r.Since, Session: r.Session,
		Address: r.Address, Metadata: r.Metadata, Version: r.Version,
	}, nil
}

func encodeAlarm(a cluster.Alarm) ([]byte, error) {
	return json.Marshal(alarmRecord{Format: format, Since: a.Since, Machines: a.Machines, Message: a.Message})
}

func decodeAlarm(name cluster.AlarmName, p Pair) (*cluster.Alarm, error) {
	var r alarmRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	return &cluster.Alarm{Name: name, Since: r.Since, Machines: r.Machines, Message: r.Message}, nil
}

func encodeAck(a cluster.Ack) ([]byte, error) {
	return json.Marshal(ackRecord{Format: format, Since: a.Since})
}

func decodeAck(name cluster.AlarmName, p Pair) (*cluster.Ack, error) {
	var r ackRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	return &cluster.Ack{Name: name, Since: r.Since}, nil
}
