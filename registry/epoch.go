package registry

import (
	"encoding/json"
	"errors"

	"fleet/cluster"
)

type epochRecord struct {
	Format int   `json:"v"`
	Number int64 `json:"number"`
	Began  int64 `json:"began"`
	Base   int64 `json:"base"`
	Offset int64 `json:"offset"`
}

func encodeEpoch(e cluster.Epoch) ([]byte, error) {
	return json.Marshal(epochRecord{Format: format, Number: e.Number, Began: e.Began, Base: e.Base, Offset: e.Offset})
}

func decodeEpoch(p Pair) (*cluster.Epoch, error) {
	var r epochRecord
	if err := decode(p.Value, &r, &r.Format); err != nil {
		return nil, err
	}
	if r.Number <= 0 || r.Began < 0 || r.Offset < 0 {
		return nil, errors.New("it is no epoch")
	}
	return &cluster.Epoch{Number: r.Number, Began: r.Began, Base: r.Base, Offset: r.Offset}, nil
}
