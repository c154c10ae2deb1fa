package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"fleet/cluster"
)

// patchOperation changes one key of one machine's metadata.
type patchOperation struct {
	Op    string     `json:"op"`
	Path  string     `json:"path"`
	Value patchValue `json:"value"`
}

// patchValue is a string: plain, as in RFC 6902 and in the documentation of fleet 1, or nested
// in an object once more, as fleet 1 really wanted it.
type patchValue string

func (v *patchValue) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(v))
	}
	var nested struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(raw, &nested); err != nil {
		return err
	}
	*v = patchValue(nested.Value)
	return nil
}

var metadataPath = regexp.MustCompile(`^/([A-Za-z0-9_.\-]{1,64})/metadata/([A-Za-z0-9_.\-]+)$`)

// metadataEdit is what is done to one machine; a nil value hides the key.
type metadataEdit struct {
	id     cluster.MachineID
	values map[string]*string
}

// patchMachines lays metadata over what machines say of themselves. All
// operations on one machine are one write.
func (s *Server) patchMachines(w http.ResponseWriter, r *http.Request) error {
	var operations []patchOperation
	if err := decodeBody(r, &operations); err != nil {
		return err
	}
	edits, err := metadataEdits(operations)
	if err != nil {
		return err
	}
	for _, e := range edits {
		revision, err := s.store.UpdateSettings(r.Context(), e.id, e.apply)
		if err != nil {
			return fmt.Errorf("change metadata of machine %s: %w", e.id, err)
		}
		s.o.Logger.Info("machine metadata changed", "machine", e.id, "keys", len(e.values), "rev", revision)
		s.awaitRevision(r.Context(), revision)
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// metadataEdits checks all operations before any is carried out, and gathers
// them by machine in the order in which the machines are first named.
func metadataEdits(operations []patchOperation) ([]metadataEdit, error) {
	var edits []metadataEdit
	position := make(map[cluster.MachineID]int)
	for _, o := range operations {
		id, key, value, err := o.read()
		if err != nil {
			return nil, err
		}
		i, known := position[id]
		if !known {
			i = len(edits)
			position[id] = i
			edits = append(edits, metadataEdit{id: id, values: make(map[string]*string)})
		}
		edits[i].values[key] = value
	}
	return edits, nil
}

func (o patchOperation) read() (id cluster.MachineID, key string, value *string, err error) {
	if o.Op != "add" && o.Op != "remove" && o.Op != "replace" {
		return "", "", nil, badRequest("invalid op: expect add, remove, or replace")
	}
	parts := metadataPath.FindStringSubmatch(o.Path)
	if parts == nil {
		return "", "", nil, badRequest("machine metadata path invalid")
	}
	if o.Op == "remove" {
		return cluster.MachineID(parts[1]), parts[2], nil, nil
	}
	text := string(o.Value)
	if text == "" {
		return "", "", nil, badRequest("invalid value: add and replace require a value")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "", "", nil, badRequest("invalid value: no unit file can name a control character")
	}
	return cluster.MachineID(parts[1]), parts[2], &text, nil
}

func (e metadataEdit) apply(current cluster.Settings) (cluster.Settings, error) {
	metadata := maps.Clone(current.Metadata)
	if metadata == nil {
		metadata = make(map[string]*string, len(e.values))
	}
	maps.Copy(metadata, e.values)
	if size(metadata) > maxMetadata {
		return cluster.Settings{}, tooLarge("metadata of machine "+string(e.id), maxMetadata)
	}
	current.Metadata = metadata
	return current, nil
}

// size counts the bytes of keys and values.
func size(metadata map[string]*string) int {
	n := 0
	for key, value := range metadata {
		n += len(key)
		if value != nil {
			n += len(*value)
		}
	}
	return n
}
