package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fleet/cluster"
)

// ReadSession reads the file in which fleetd keeps its session. A file of another boot, or none, is no session.
func ReadSession(path, boot string) (Session, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Session{}, nil
	}
	var s struct {
		Lease     int64    `json:"lease"`
		Boot      string   `json:"boot"`
		Endpoints []string `json:"endpoints"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		return Session{}, fmt.Errorf("read the session of this machine: %w", err)
	}
	if s.Boot != boot || s.Lease == 0 {
		return Session{}, nil
	}
	return Session{Session: cluster.Session{Lease: s.Lease, BootID: s.Boot}, Endpoints: s.Endpoints}, nil
}
