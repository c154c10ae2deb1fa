package api

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Pending is why a unit that should be on a machine is on none.
type Pending struct {
	Message  string            `json:"message"`         // all of it in one line
	Machines int               `json:"machines"`        // how many were considered
	Peers    []unit.Name       `json:"peers,omitempty"` // units that have to be placed first (MachineOf)
	Excluded []Exclusion       `json:"excluded,omitempty"`
	Waiting  bool              `json:"waiting,omitempty"` // it will be placed without anybody's help
	Place    cluster.MachineID `json:"place,omitempty"`   // the machine that is being cleared for it
	Remedy   *Remedy           `json:"remedy,omitempty"`
	Since    time.Time         `json:"since,omitzero"` // when it began to wait
}

// Exclusion is one rule with the machines that it ruled out.
type Exclusion struct {
	Rule     string              `json:"rule"`             // the option of [X-Fleet], or Resources
	Detail   string              `json:"detail,omitempty"` // completes "2 machines …"
	Machines int                 `json:"machines"`         // how many
	Examples []cluster.MachineID `json:"examples,omitempty"`
	Resource string              `json:"resource,omitempty"` // of rule Resources: what is lacking,
	Needed   int64               `json:"needed,omitempty"`   // how much of it the unit needs,
	Missing  int64               `json:"missing,omitempty"`  // and how much the best of these machines lacks
}

// Remedy is the smallest single change after which a unit would be placed.
type Remedy struct {
	Rule      string            `json:"rule,omitempty"` // the one that would be met then
	MachineID cluster.MachineID `json:"machineID,omitempty"`
	Resource  string            `json:"resource,omitempty"` // of rule Resources: what has to be freed or added,
	Amount    int64             `json:"amount,omitempty"`   // and how much
	Text      string            `json:"text,omitempty"`     // for people
}

func pendingOf(p *cluster.Pending) *Pending {
	if p == nil {
		return nil
	}
	out := &Pending{
		Message: p.String(), Machines: p.Machines, Peers: p.Peers, Waiting: p.Waiting,
		Place: p.Place, Remedy: remedyOf(p.Remedy), Since: p.Since,
	}
	for _, e := range p.Excluded {
		out.Excluded = append(out.Excluded, Exclusion(e))
	}
	return out
}

func remedyOf(r *cluster.Remedy) *Remedy {
	if r == nil {
		return nil
	}
	return &Remedy{Rule: r.Rule, MachineID: r.Machine, Resource: r.Resource, Amount: r.Amount, Text: r.Text}
}
