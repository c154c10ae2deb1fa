package registry

import (
	"encoding/json"
	"maps"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// format is the version of the encoding, in the field "v" of every record.
// It grows when an older fleet must not try to read a record; a new field
// that may be ignored does not make it grow.
const format = 1

type unitRecord struct {
	Format     int                  `json:"v"`
	Content    unit.ContentID       `json:"content"`
	Desired    cluster.DesiredState `json:"desired"`
	Global     bool                 `json:"global"`
	Generation int64                `json:"generation"`
	Restart    int64                `json:"restart"`
	Move       int64                `json:"move"`
	MoveTo     cluster.MachineID    `json:"moveTo"`
}

type machineRecord struct {
	Format    int               `json:"v"`
	Session   cluster.Session   `json:"session"`
	Address   string            `json:"address"`
	API       string            `json:"api,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	MaxUnits  int               `json:"maxUnits,omitempty"`
	Resources *resourcesRecord  `json:"resources,omitempty"`
	Version   string            `json:"version,omitempty"`
	Since     time.Time         `json:"since,omitzero"`
	Attends   bool              `json:"attends,omitempty"`
	Fence     fenceRecord       `json:"fence,omitzero"`
	Leaving   bool              `json:"leaving,omitempty"`
}

// fenceRecord has its times in nanoseconds.
type fenceRecord struct {
	TTL      time.Duration `json:"ttl"`
	Renewal  time.Duration `json:"renewal"`
	Watchdog time.Duration `json:"watchdog"`
	Kill     time.Duration `json:"kill"`
}

type settingsRecord struct {
	Format        int                `json:"v"`
	Metadata      map[string]*string `json:"metadata"`
	Cordoned      bool               `json:"cordoned"`
	CordonedSince time.Time          `json:"cordonedSince"`
	Drain         *drainRecord       `json:"drain"`
	Forget        bool               `json:"forget"`
	Forgets       *cluster.Session   `json:"forgets"`
	Capacity      map[string]int64   `json:"capacity"`
}

type drainRecord struct {
	Since time.Time `json:"since"`
	Boot  string    `json:"boot,omitempty"`
}

type ordersRecord struct {
	Format  int                       `json:"v"`
	Session cluster.Session           `json:"session"`
	Lease   time.Duration             `json:"lease,omitempty"` // in nanoseconds
	Units   map[unit.Name]orderRecord `json:"units"`
	Left    map[unit.Name]leftRecord  `json:"left,omitempty"`
}

type leftRecord struct {
	Unbound bool `json:"unbound,omitempty"`
}

type orderRecord struct {
	Content    unit.ContentID       `json:"content"`
	Desired    cluster.DesiredState `json:"desired"`
	Generation int64                `json:"generation"`
	Restart    int64                `json:"restart,omitempty"`
	Move       int64                `json:"move,omitempty"`
	Global     bool                 `json:"global,omitempty"`
	Reason     string               `json:"reason,omitempty"`
	Since      time.Time            `json:"since,omitzero"`
	Fence      int64                `json:"fence,omitempty"`
	Freeze     bool                 `json:"freeze,omitempty"`
	Unbound    bool                 `json:"unbound,omitempty"`
	Takes      cluster.MachineID    `json:"takes,omitempty"`
}

type reportRecord struct {
	Format  int                            `json:"v"`
	Session cluster.Session                `json:"session"`
	Orders  int64                          `json:"orders"`
	Units   map[unit.Name]unitReportRecord `json:"units"`
	At      time.Time                      `json:"at,omitzero"`
}

type unitReportRecord struct {
	unit.State
	Content    unit.ContentID `json:"content,omitempty"`
	Generation int64          `json:"generation,omitempty"`
	Tried      int64          `json:"tried,omitempty"`
	JobResult  unit.JobResult `json:"jobResult,omitempty"`
	Error      string         `json:"error,omitempty"`
	Log        []string       `json:"log,omitempty"`
}

// encodeUnit writes u over the stored record, of which the fields this version does not know are kept.
func encodeUnit(u cluster.Unit, stored []byte) ([]byte, error) {
	return overlay(stored, unitRecord{
		Format:     format,
		Content:    u.Content,
		Desired:    u.Desired,
		Global:     u.Global,
		Generation: u.Generation,
		Restart:    u.Restart,
		Move:       u.Move,
		MoveTo:     u.MoveTo,
	})
}

func encodeSettings(s cluster.Settings, stored []byte) ([]byte, error) {
	if err := checkAmounts(s.Capacity); err != nil {
		return nil, err
	}
	return overlay(stored, settingsRecord{
		Format:        format,
		Metadata:      s.Metadata,
		Cordoned:      s.Cordoned,
		CordonedSince: s.CordonedSince,
		Drain:         (*drainRecord)(s.Drain),
		Forget:        s.Forget,
		Forgets:       s.Forgets,
		Capacity:      s.Capacity,
	})
}

// overlay encodes a record, none of whose fields may be omitted, over what is
// stored. What is stored counts for nothing if it is no JSON object.
func overlay(stored []byte, record any) ([]byte, error) {
	fields := make(map[string]json.RawMessage)
	if json.Unmarshal(stored, &fields) != nil || fields == nil {
		fields = make(map[string]json.RawMessage)
	}
	encoded, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	known := make(map[string]json.RawMessage)
	if err := json.Unmarshal(encoded, &known); err != nil {
		return nil, err
	}
	maps.Copy(fields, known)
	return json.Marshal(fields)
}

func encodeMachine(m cluster.Machine) ([]byte, error) {
	if err := checkCapacity(m.Capacity); err != nil {
		return nil, err
	}
	return json.Marshal(machineRecord{
		Format:    format,
		Session:   m.Session,
		Address:   m.Address,
		API:       m.API,
		Metadata:  m.Metadata,
		MaxUnits:  m.Capacity.MaxUnits,
		Resources: resourcesOf(m.Capacity),
		Version:   m.Version,
		Since:     m.Since,
		Attends:   m.Attends,
		Fence:     fenceRecord(m.Fence),
		Leaving:   m.Leaving,
	})
}
