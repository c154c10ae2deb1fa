package api

import (
	"fmt"
	"net/http"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Explanation is why a unit is where it is, or nowhere, rule by rule and machine by machine.
type Explanation struct {
	Unit         unit.Name            `json:"unit"`
	DesiredState cluster.DesiredState `json:"desiredState,omitempty"`
	Global       bool                 `json:"global,omitempty"`   // one copy runs on every machine that fits
	Machines     []cluster.MachineID  `json:"machines,omitempty"` // where it is ordered to be
	Reason       string               `json:"reason,omitempty"`   // why there
	Since        time.Time            `json:"since,omitzero"`     // since when it is there, or pending
	Pending      *Pending             `json:"pending,omitempty"`  // why it is nowhere
	Failures     *Failures            `json:"failures,omitempty"` // where it failed before
	Verdicts     []Verdict            `json:"verdicts,omitempty"` // one for each machine that is present, by id
	Remedy       *Remedy              `json:"remedy,omitempty"`   // what would place it
}

// Verdict is what the rules say of one unit on one machine, as if the unit were not there.
type Verdict struct {
	MachineID cluster.MachineID `json:"machineID"`
	Address   string            `json:"address,omitempty"`  // of the machine
	Here      bool              `json:"here,omitempty"`     // it is there
	Fits      bool              `json:"fits"`               // it could be
	Rule      string            `json:"rule,omitempty"`     // the first that the machine fails
	Detail    string            `json:"detail,omitempty"`   // how: "lack disk=ssd"
	Resource  string            `json:"resource,omitempty"` // of rule Resources: what is lacking,
	Needed    int64             `json:"needed,omitempty"`   // how much of it the unit needs
	Missing   int64             `json:"missing,omitempty"`  // and how much of that is not free
	Score     string            `json:"score,omitempty"`    // of a machine that fits: how it compares
}

// Failures is where a unit has failed since a user last asked anything of it, and what is next.
type Failures struct {
	Tries  []Try     `json:"tries,omitempty"`  // oldest first
	Next   time.Time `json:"next,omitzero"`    // it is not tried again before
	Parked bool      `json:"parked,omitempty"` // it is not tried again until somebody asks for it
}

// Try is one attempt to run a unit that systemd has given up.
type Try struct {
	MachineID  cluster.MachineID `json:"machineID"`
	At         time.Time         `json:"at,omitzero"`          // when systemd gave it up
	Result     string            `json:"result,omitempty"`     // systemd's word
	ExitStatus int               `json:"exitStatus,omitempty"` // of its main process
}

func (s *Server) getExplanation(w http.ResponseWriter, r *http.Request, raw string) error {
	name := unit.Name(raw)
	var out Explanation
	err := s.advise(r, func(v view) error {
		if !v.Status(name).Exists {
			return errNoUnit()
		}
		e, err := s.o.Advisor.Explain(v.Snapshot, name)
		if err != nil {
			return fmt.Errorf("explain unit %s: %w", name, err)
		}
		out = v.explanation(name, e)
		return nil
	})
	if err != nil {
		return err
	}
	return show(w, r, 0, out)
}

func (v view) explanation(name unit.Name, e cluster.Explanation) Explanation {
	record, _ := v.Unit(name)
	out := Explanation{
		Unit:         name,
		DesiredState: record.Desired,
		Global:       record.Global,
		Machines:     e.Machines,
		Reason:       e.Reason,
		Since:        e.Since,
		Pending:      pendingOf(e.Pending),
		Failures:     failuresOf(e.Failures),
		Remedy:       remedyOf(e.Remedy),
	}
	for _, verdict := range e.Verdicts {
		machine, _ := v.Machine(verdict.Machine)
		out.Verdicts = append(out.Verdicts, Verdict{
			MachineID: verdict.Machine,
			Address:   machine.Address,
			Here:      verdict.Here,
			Fits:      verdict.Fits,
			Rule:      verdict.Rule,
			Detail:    verdict.Detail,
			Resource:  verdict.Resource,
			Needed:    verdict.Needed,
			Missing:   verdict.Missing,
			Score:     verdict.Score,
		})
	}
	return out
}

func failuresOf(f *cluster.Failures) *Failures {
	if f == nil {
		return nil
	}
	out := &Failures{Next: f.Next, Parked: f.Parked}
	for _, try := range f.Tries {
		out.Tries = append(out.Tries, Try{MachineID: try.Machine, At: try.At, Result: try.Result, ExitStatus: try.ExitStatus})
	}
	return out
}
