package registry

import (
	"encoding/json"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

type pendingRecord struct {
	Format     int               `json:"v"`
	Generation int64             `json:"generation"`
	Waiting    bool              `json:"waiting,omitempty"`
	Machines   int               `json:"machines"`
	Peers      []unit.Name       `json:"peers,omitempty"`
	Excluded   []exclusionRecord `json:"excluded,omitempty"`
	Message    string            `json:"message,omitempty"`
	Remedy     *remedyRecord     `json:"remedy,omitempty"`
	Place      cluster.MachineID `json:"place,omitempty"`
	Note       string            `json:"note,omitempty"`
	Since      time.Time         `json:"since,omitzero"`
}

// exclusionRecord has been written with names that began with capitals, which are still read.
type exclusionRecord struct {
	Rule     string              `json:"rule"`
	Detail   string              `json:"detail"`
	Machines int                 `json:"machines"`
	Examples []cluster.MachineID `json:"examples,omitempty"`
	Resource string              `json:"resource,omitempty"`
	Needed   int64               `json:"needed,omitempty"`
	Missing  int64               `json:"missing,omitempty"`
}

type remedyRecord struct {
	Rule     string            `json:"rule"`
	Machine  cluster.MachineID `json:"machine,omitempty"`
	Resource string            `json:"resource,omitempty"`
	Amount   int64             `json:"amount,omitempty"`
	Text     string            `json:"text"`
}

type failuresRecord struct {
	Format     int         `json:"v"`
	Generation int64       `json:"generation"`
	Tries      []tryRecord `json:"tries,omitempty"`
	Next       time.Time   `json:"next,omitzero"`
	Parked     bool        `json:"parked,omitempty"`
}

type tryRecord struct {
	Machine    cluster.MachineID `json:"machine"`
	At         time.Time         `json:"at,omitzero"`
	Result     string            `json:"result,omitempty"`
	ExitStatus int               `json:"exitStatus,omitempty"`
}

func encodePending(p cluster.Pending) ([]byte, error) {
	return json.Marshal(pendingRecord{
		Format:     format,
		Generation: p.Generation,
		Waiting:    p.Waiting,
		Machines:   p.Machines,
		Peers:      p.Peers,
		Excluded:   convert(p.Excluded, func(e cluster.Exclusion) exclusionRecord { return exclusionRecord(e) }),
		Message:    p.Message,
		Remedy:     (*remedyRecord)(p.Remedy),
		Place:      p.Place,
		Note:       p.Note,
		Since:      p.Since,
	})
}

func decodePending(p Pair) (*cluster.Pending, error) {
	var r pendingRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	return &cluster.Pending{
		Generation: r.Generation,
		Waiting:    r.Waiting,
		Machines:   r.Machines,
		Peers:      r.Peers,
		Excluded:   convert(r.Excluded, func(e exclusionRecord) cluster.Exclusion { return cluster.Exclusion(e) }),
		Message:    r.Message,
		Remedy:     (*cluster.Remedy)(r.Remedy),
		Place:      r.Place,
		Note:       r.Note,
		Since:      r.Since,
	}, nil
}

func encodeFailures(f cluster.Failures) ([]byte, error) {
	return json.Marshal(failuresRecord{
		Format:     format,
		Generation: f.Generation,
		Tries:      convert(f.Tries, func(t cluster.Try) tryRecord { return tryRecord(t) }),
		Next:       f.Next,
		Parked:     f.Parked,
	})
}

func decodeFailures(p Pair) (*cluster.Failures, error) {
	var r failuresRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	return &cluster.Failures{
		Generation: r.Generation,
		Tries:      convert(r.Tries, func(t tryRecord) cluster.Try { return cluster.Try(t) }),
		Next:       r.Next,
		Parked:     r.Parked,
	}, nil
}

// convert keeps nil what is nil.
func convert[A, B any](from []A, one func(A) B) []B {
	if from == nil {
		return nil
	}
	to := make([]B, len(from))
	for i, a := range from {
		to[i] = one(a)
	}
	return to
}
