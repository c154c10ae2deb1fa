package api

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"fleet/cluster"
)

// MachineSettings are what operators have laid over one machine, which need not be present.
type MachineSettings struct {
	MachineID cluster.MachineID `json:"machineID"`
	Metadata  map[string]string `json:"metadata,omitempty"` // keys that were set,
	Hidden    []string          `json:"hidden,omitempty"`   // and keys of the machine's own that were removed, sorted
	Cordoned  bool              `json:"cordoned,omitempty"` // it is given no further units

	CordonedSince time.Time `json:"cordonedSince,omitzero"` // if that is known
	Drain         *Drain    `json:"drain,omitempty"`        // it was asked to be drained, if only until a reboot that may have been

	Capacity map[string]int64 `json:"capacity,omitempty"` // by resource: memory, cpu, disk, units, or a named one
	Error    string           `json:"error,omitempty"`    // why the record cannot be read
}

// SettingsList is the answer of GET settings.
type SettingsList struct {
	Settings []MachineSettings `json:"settings,omitempty"`
}

func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	var out SettingsList
	s.cache().read(func(v view) {
		ids := v.Laid()
		for _, id := range v.CorruptIDs(cluster.KindSettings) {
			ids = append(ids, cluster.MachineID(id))
		}
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if laid := v.settings(id); laid != nil {
				out.Settings = append(out.Settings, *laid)
			}
		}
	})
	return show(w, r, 0, out)
}

// settings returns nil if nothing is laid over the machine.
func (v view) settings(id cluster.MachineID) *MachineSettings {
	record := v.Settings(id)
	damage, damaged := v.Corrupt(cluster.KindSettings, string(id))
	if len(record.Metadata)+len(record.Capacity) == 0 && !record.Cordoned && record.Drain == nil && !damaged {
		return nil
	}
	// The maps of a record do not change: they may be shared.
	out := &MachineSettings{
		MachineID: id, Cordoned: record.Cordoned, CordonedSince: record.CordonedSince, Capacity: record.Capacity, Error: damage,
	}
	if record.Drain != nil {
		out.Drain = &Drain{Since: record.Drain.Since, Reboot: record.Drain.Boot != ""}
	}
	for _, key := range slices.Sorted(maps.Keys(record.Metadata)) {
		value := record.Metadata[key]
		if value == nil {
			out.Hidden = append(out.Hidden, key)
			continue
		}
		if out.Metadata == nil {
			out.Metadata = make(map[string]string)
		}
		out.Metadata[key] = *value
	}
	return out
}
