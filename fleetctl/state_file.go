package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// stateFile is what a directory of exported unit files has besides.
const stateFile = "fleet.json"

// stateFormat is raised when an older fleetctl would misunderstand the file.
const stateFormat = 1

// savedState is what an exported cluster has besides the unit files, as it is written to stateFile. The file
// is for people and version control too: it is sorted, and says nothing that changes by itself.
type savedState struct {
	Format   int                                `json:"format"`
	Units    map[unit.Name]savedUnit            `json:"units"`
	Machines map[cluster.MachineID]savedMachine `json:"machines,omitempty"`
}

type savedUnit struct {
	DesiredState cluster.DesiredState `json:"desiredState"`
}

// savedMachine is what operators have laid over one machine.
type savedMachine struct {
	Metadata map[string]string `json:"metadata,omitempty"`
	Hidden   []string          `json:"hidden,omitempty"` // keys of the machine's own metadata
	Cordoned bool              `json:"cordoned,omitempty"`
	Capacity map[string]string `json:"capacity,omitempty"` // as in unit files: 8G, 1.5, 500m
}

func saveMachine(s api.MachineSettings) savedMachine {
	m := savedMachine{Metadata: s.Metadata, Hidden: s.Hidden, Cordoned: s.Cordoned}
	if len(s.Capacity) > 0 {
		m.Capacity = make(map[string]string, len(s.Capacity))
	}
	for resource, amount := range s.Capacity {
		m.Capacity[resource] = unit.FormatAmount(resource, amount)
	}
	return m
}

func (m savedMachine) settings(id cluster.MachineID) (api.MachineSettings, error) {
	s := api.MachineSettings{
		MachineID: id, Metadata: maps.Clone(m.Metadata), Hidden: slices.Sorted(slices.Values(m.Hidden)), Cordoned: m.Cordoned,
		Capacity: make(map[string]int64, len(m.Capacity)),
	}
	for _, key := range m.Hidden {
		if _, set := m.Metadata[key]; set {
			return s, fmt.Errorf("machine %s: metadata %s is both set and hidden", id, key)
		}
	}
	for resource, text := range m.Capacity {
		amount, err := unit.ParseAmount(resource, text)
		if err != nil {
			return s, fmt.Errorf("machine %s: capacity %s: %w", id, resource, err)
		}
		s.Capacity[resource] = amount
	}
	return s, nil
}

// readState reads the state file of a directory. The error is fs.ErrNotExist if there is none.
func readState(dir string) (savedState, error) {
	path := filepath.Join(dir, stateFile)
	var s savedState
	raw, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(raw, &format); err != nil {
		return s, damaged(path, raw, err)
	}
	if format.Format != stateFormat {
		return s, fmt.Errorf("%s: format %d is not known to this fleetctl, which knows %d", path, format.Format, stateFormat)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // a misspelt word would be a setting that is lost
	if err := decoder.Decode(&s); err != nil {
		return s, damaged(path, raw, err)
	}
	return s, nil
}

// damagedState is a state file that cannot be read.
type damagedState struct{ error }

// damaged says where a state file is not what it should be, in the words of who writes it.
func damaged(path string, raw []byte, err error) error {
	at := 0
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	field, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset)
	case errors.As(err, &kind):
		at = int(kind.Offset)
		err = fmt.Errorf("%s cannot be of type %s", kind.Field, kind.Value)
	case unknown:
		at = bytes.Index(raw, []byte(field)) + 1 // the decoder does not say it
		err = fmt.Errorf("unknown field %s", field)
	}
	before := raw[:max(0, min(at, len(raw)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := max(1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]))
	return damagedState{fmt.Errorf("%s is damaged: line %d, column %d: %w", path, line, column, err)}
}
