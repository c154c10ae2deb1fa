package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"fleet/cluster"
)

// Alarm is something that the engine needs people for.
type Alarm struct {
	Name         cluster.AlarmName   `json:"name"`
	Since        time.Time           `json:"since,omitzero"`         // when it was raised
	Message      string              `json:"message"`                // what happened, what is held back, what to do
	Machines     []cluster.MachineID `json:"machines,omitempty"`     // which it is about
	Acknowledged bool                `json:"acknowledged,omitempty"` // an operator has had the engine go on in spite of it
	Error        string              `json:"error,omitempty"`        // why its record cannot be read
}

// AlarmList is the answer of GET alarms.
type AlarmList struct {
	Alarms []Alarm `json:"alarms,omitempty"`
}

// ackRequest says which alarm is meant.
type ackRequest struct {
	Since time.Time `json:"since,omitzero"` // of the alarm that was looked at; missing: the one that stands
}

func (s *Server) getAlarms(w http.ResponseWriter, r *http.Request) error {
	var out AlarmList
	s.cache().read(func(v view) { out.Alarms = v.alarms() })
	return show(w, r, 0, out)
}

// postAck has the engine go on in spite of an alarm. It is about the alarm that was looked at, and not about one that has been raised since.
func (s *Server) postAck(w http.ResponseWriter, r *http.Request, raw string) error {
	var body ackRequest
	if err := s.decodeOptional(r, &body); err != nil {
		return err
	}
	var standing []Alarm
	s.cache().read(func(v view) { standing = v.alarms() })
	i := slices.IndexFunc(standing, func(a Alarm) bool { return string(a.Name) == raw })
	switch {
	case i < 0:
		return &Error{http.StatusNotFound, fmt.Sprintf("there is no alarm %q", raw)}
	case standing[i].Error != "":
		return conflict("the record of alarm %s cannot be read: %s", raw, standing[i].Error)
	case !body.Since.IsZero() && !body.Since.Equal(standing[i].Since):
		return conflict("alarm %s is not the one of %s: it was raised anew at %s", raw, body.Since.Format(time.RFC3339), standing[i].Since.Format(time.RFC3339))
	}
	revision, err := s.store.Acknowledge(r.Context(), standing[i].Name, standing[i].Since)
	if err != nil {
		return fmt.Errorf("acknowledge alarm %s: %w", raw, err)
	}
	s.o.Logger.Info("alarm acknowledged", "alarm", raw, "rev", revision)
	s.awaitRevision(r.Context(), revision)
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// alarms are those that stand, by name.
func (v view) alarms() []Alarm {
	var all []Alarm
	for _, a := range v.Alarms() {
		all = append(all, Alarm{Name: a.Name, Since: a.Since, Message: a.Message, Machines: a.Machines, Acknowledged: v.Acknowledged(a)})
	}
	for _, name := range v.CorruptIDs(cluster.KindAlarm) {
		damage, _ := v.Corrupt(cluster.KindAlarm, name)
		all = append(all, Alarm{Name: cluster.AlarmName(name), Message: "an alarm stands, and its record cannot be read", Error: damage})
	}
	slices.SortFunc(all, func(a, b Alarm) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (c *cache) alarms() []Alarm { return c.view().alarms() }

// alarmsHappened tells which alarms were raised, acknowledged, and are over.
func alarmsHappened(was, is []Alarm) []Happening {
	var told []Happening
	named := func(all []Alarm, name cluster.AlarmName) Alarm {
		for _, a := range all {
			if a.Name == name {
				return a
			}
		}
		return Alarm{}
	}
	for _, now := range is {
		before := named(was, now.Name)
		raised := before.Name == "" || !before.Since.Equal(now.Since)
		if raised {
			told = append(told, Happening{Type: HappenedAlarm, Severity: SeverityWarning, Message: fmt.Sprintf("alarm %s: %s", now.Name, now.Message)})
		}
		if now.Acknowledged && (raised || !before.Acknowledged) {
			told = append(told, Happening{Type: HappenedAcknowledged, Severity: SeverityInfo, Message: fmt.Sprintf("alarm %s was acknowledged: the engine goes on in spite of it", now.Name)})
		}
	}
	for _, before := range was {
		if named(is, before.Name).Name == "" {
			told = append(told, Happening{Type: HappenedAlarmOver, Severity: SeverityInfo, Message: fmt.Sprintf("alarm %s is over", before.Name)})
		}
	}
	return told
}
