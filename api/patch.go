package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fleet/cluster"
	"fleet/unit"
)

// patchOperation changes one thing of an operator's settings for one machine.
type patchOperation struct {
	Op    string     `json:"op"`   // add, replace or remove
	Path  string     `json:"path"` // /ID/metadata/KEY, /ID/cordoned, /ID/drain or /ID/capacity/RESOURCE
	Value patchValue `json:"value,omitzero"`
}

// patchValue is what is to be set: plain, as in RFC 6902 and in the documentation of fleet 1, or a string nested
// in an object once more, as fleet 1 really wanted it.
type patchValue struct {
	text   string
	number bool // the text was a JSON number
}

func (v *patchValue) UnmarshalJSON(raw []byte) error {
	switch first := raw[0]; {
	case first == '{':
		var nested struct {
			Value string `json:"value"`
		}
		if err := json.Unmarshal(raw, &nested); err != nil {
			return err
		}
		v.text = nested.Value
		return nil
	case first == '-', first >= '0' && first <= '9':
		*v = patchValue{text: string(raw), number: true}
		return nil
	case first == 't', first == 'f':
		v.text = string(raw)
		return nil
	}
	return json.Unmarshal(raw, &v.text)
}

var (
	metadataPath = regexp.MustCompile(`^/(` + machineIDPattern + `)/metadata/([A-Za-z0-9_.\-]+)$`)
	cordonedPath = regexp.MustCompile(`^/(` + machineIDPattern + `)/cordoned$`)
	drainPath    = regexp.MustCompile(`^/(` + machineIDPattern + `)/drain$`)
	capacityPath = regexp.MustCompile(`^/(` + machineIDPattern + `)/capacity/(.+)$`)
)

// patchMachines lays settings over what machines say of themselves. All
// operations on one machine are one write.
func (s *Server) patchMachines(w http.ResponseWriter, r *http.Request) error {
	var operations []patchOperation
	if err := s.decodeV1(r, &operations); err != nil {
		return err
	}
	edits, err := s.settingsEdits(operations)
	if err != nil {
		return err
	}
	return s.editSettings(w, r, edits)
}

// settingsEdits checks all operations before any is carried out, and gathers
// them by machine in the order in which the machines are first named.
func (s *Server) settingsEdits(operations []patchOperation) ([]settingsEdit, error) {
	var edits []settingsEdit
	position := make(map[cluster.MachineID]int)
	for _, o := range operations {
		id, change, err := s.settingsOperation(o)
		if err != nil {
			return nil, err
		}
		i, known := position[id]
		if !known {
			i = len(edits)
			position[id] = i
			edits = append(edits, settingsEdit{id: id})
		}
		edits[i].changes = append(edits[i].changes, change)
	}
	return edits, nil
}

func (s *Server) settingsOperation(o patchOperation) (cluster.MachineID, settingsChange, error) {
	if o.Op != "add" && o.Op != "remove" && o.Op != "replace" {
		return "", nil, badRequest("invalid op: expect add, remove, or replace")
	}
	if parts := metadataPath.FindStringSubmatch(o.Path); parts != nil {
		change, err := o.metadata(parts[2])
		return cluster.MachineID(parts[1]), change, err
	}
	if parts := cordonedPath.FindStringSubmatch(o.Path); parts != nil {
		change, err := o.cordoned(s.cache().clock())
		return cluster.MachineID(parts[1]), change, err
	}
	if parts := drainPath.FindStringSubmatch(o.Path); parts != nil {
		change, err := s.drain(o, cluster.MachineID(parts[1]))
		return cluster.MachineID(parts[1]), change, err
	}
	if parts := capacityPath.FindStringSubmatch(o.Path); parts != nil {
		change, err := o.capacity(parts[2])
		return cluster.MachineID(parts[1]), change, err
	}
	return "", nil, badRequest("machine metadata path invalid") // v1's words; what else there is came later
}

var errNoValue = badRequest("invalid value: add and replace require a value")

func (o patchOperation) metadata(key string) (settingsChange, error) {
	if o.Op == "remove" {
		return hideMetadata(key), nil
	}
	text := o.Value.text
	if text == "" {
		return nil, errNoValue
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return nil, badRequest("invalid value: no unit file can name a control character")
	}
	return setMetadata(key, text), nil
}

func (o patchOperation) cordoned(now time.Time) (settingsChange, error) {
	if o.Op == "remove" {
		return setCordoned(false, now), nil
	}
	if o.Value.text == "" {
		return nil, errNoValue
	}
	cordoned, err := strconv.ParseBool(o.Value.text)
	if err != nil {
		return nil, badRequest("invalid value of cordoned: expect true or false")
	}
	return setCordoned(cordoned, now), nil
}

// drain takes "reboot" besides truth values: then the drain is for the boot in which the machine is now.
func (s *Server) drain(o patchOperation, id cluster.MachineID) (settingsChange, error) {
	if o.Op == "remove" {
		return endDrain, nil
	}
	switch o.Value.text {
	case "":
		return nil, errNoValue
	case "false":
		return endDrain, nil
	case "true":
		return setDrain("", s.cache().clock()), nil
	case "reboot":
		boot, err := s.bootOf(id)
		return setDrain(boot, s.cache().clock()), err
	}
	return nil, badRequest("invalid value of drain: expect true, false or reboot")
}

// bootOf is the boot of a machine whose fleetd can be told to reboot it.
func (s *Server) bootOf(id cluster.MachineID) (boot string, err error) {
	s.cache().read(func(v view) {
		m, present := v.Machine(id)
		state, _ := v.State(id)
		switch {
		case !present:
			err = conflict("machine %s is not present: nobody can reboot it", id)
		case state == cluster.StateSilent:
			err = conflict("machine %s is silent: its fleetd, which would reboot it, is not there", id)
		case !m.Attends:
			err = conflict("machine %s has a fleetd, version %s, that is too old to reboot it: drain it, and reboot it yourself", id, m.Version)
		case m.Session.BootID == "":
			err = conflict("machine %s does not say which boot it is in: it would not be known when it was rebooted", id)
		}
		boot = m.Session.BootID
	})
	return boot, err
}

// capacity takes amounts as they are written in unit files.
func (o patchOperation) capacity(resource string) (settingsChange, error) {
	resource = strings.NewReplacer("~1", "/", "~0", "~").Replace(resource) // RFC 6901
	if !isOwn(resource) {
		if err := unit.CheckResource(resource); err != nil {
			return nil, badRequest("invalid capacity: %v", err)
		}
	}
	if o.Op == "remove" {
		return resetCapacity(resource), nil
	}
	if o.Value.text == "" {
		return nil, errNoValue
	}
	if o.Value.number && resource == unit.CPU {
		return nil, badRequest(`invalid capacity of cpu: a number may mean CPUs or thousandths; send a string, such as "8" or "500m"`)
	}
	amount, err := unit.ParseAmount(resource, o.Value.text)
	if err != nil {
		return nil, badRequest("invalid capacity of %s: %v", resource, err)
	}
	return setCapacity(resource, amount), nil
}

// isOwn tells whether a resource is one of those that every fleet knows.
func isOwn(resource string) bool {
	return resource == unit.Memory || resource == unit.CPU || resource == unit.Disk || resource == unit.Slots
}
