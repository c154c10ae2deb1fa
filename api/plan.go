package api

import (
	"fmt"
	"net/http"

	"fleet/cluster"
	"fleet/unit"
)

// PlanUnit is one unit of a question what would happen: what would be submitted, asked for or destroyed.
type PlanUnit struct {
	Name         unit.Name            `json:"name"`
	File         string               `json:"file,omitempty"`    // the unit file as it is,
	Options      []Option             `json:"options,omitempty"` // or its options; neither: the file that the unit has
	DesiredState cluster.DesiredState `json:"desiredState,omitempty"`
	Destroy      bool                 `json:"destroy,omitempty"` // it would be destroyed
}

// Plan is what the engine would do. Nothing of it is stored, and when the cluster changes it no longer holds.
type Plan struct {
	Revision int64      `json:"revision,omitempty"` // of the cluster that it is about
	Steps    []PlanStep `json:"steps"`
	Before   *Balance   `json:"before,omitempty"` // of a rebalancing
	After    *Balance   `json:"after,omitempty"`
}

// PlanStep is one thing that the engine would do about one unit.
type PlanStep struct {
	Action  cluster.PlanAction `json:"action"`
	Unit    unit.Name          `json:"unit"`
	From    cluster.MachineID  `json:"from,omitempty"`   // unless it leaves none
	To      cluster.MachineID  `json:"to,omitempty"`     // unless it is given none
	Reason  string             `json:"reason,omitempty"` // why there
	Pending *Pending           `json:"pending,omitempty"`
}

// Balance measures how units lie on machines.
type Balance struct {
	Empty   int     `json:"empty"`   // machines without units
	Fullest float64 `json:"fullest"` // the largest share of any resource that is reserved on any machine, 0-1
	Spread  float64 `json:"spread"`  // standard deviation over the machines of the largest share reserved on each
}

// planRequest is the question what would happen if all of this were asked for.
type planRequest struct {
	Units []PlanUnit `json:"units"`
}

func (s *Server) postPlan(w http.ResponseWriter, r *http.Request) error {
	var body planRequest
	if err := s.decodeLimited(r, s.o.Limits.many(), &body); err != nil {
		return err
	}
	proposals, err := readProposals(body.Units)
	if err != nil {
		return err
	}
	var out Plan
	err = s.advise(r, func(v view) error {
		edits := make([]cluster.UnitEdit, len(proposals))
		for i, p := range proposals {
			if edits[i], err = p.edit(v); err != nil {
				return err
			}
		}
		plan, err := s.o.Advisor.Plan(v.Snapshot, edits)
		if err != nil {
			return fmt.Errorf("plan %d units: %w", len(edits), err)
		}
		out = v.plan(plan)
		out.sayDestroyed(proposals)
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, out)
}

// proposal is one unit of a plan whose file was found good.
type proposal struct {
	*submission
	destroy bool
}

// readProposals reads everything that can be judged without the cluster.
func readProposals(units []PlanUnit) ([]proposal, error) {
	if len(units) == 0 {
		return nil, badRequest("there are no units to plan for")
	}
	proposals := make([]proposal, len(units))
	seen := make(map[unit.Name]bool, len(units))
	for i, u := range units {
		if seen[u.Name] {
			return nil, badRequest("unit %s is given twice", u.Name)
		}
		seen[u.Name] = true
		sub, err := u.submission()
		if err != nil {
			return nil, about(u.Name, err)
		}
		proposals[i] = proposal{sub, u.Destroy}
	}
	return proposals, nil
}

// about says which of several units an error is about.
func about(name unit.Name, err error) error {
	answer := answerFor(err)
	return &Error{answer.Code, fmt.Sprintf("unit %q: %s", name, answer.Message)}
}

func (u PlanUnit) submission() (*submission, error) {
	sub, err := newSubmission(string(u.Name), string(u.DesiredState))
	switch {
	case err != nil:
		return nil, err
	case u.File != "" && len(u.Options) > 0:
		return nil, badRequest("send its file or its options, not both")
	case u.Destroy && (u.File != "" || len(u.Options) > 0 || u.DesiredState != ""):
		return nil, badRequest("a unit that is destroyed has no file and no desired state")
	case u.File != "":
		return sub, sub.addBytes([]byte(u.File))
	case len(u.Options) > 0:
		return sub, sub.addOptions(u.Options)
	}
	return sub, nil
}

// edit is what the store would be asked to write.
func (p proposal) edit(v view) (cluster.UnitEdit, error) {
	st := v.Status(p.name)
	switch {
	case !st.Exists && (p.destroy || p.file == nil):
		return cluster.UnitEdit{}, &Error{http.StatusNotFound, fmt.Sprintf("unit %s does not exist", p.name)}
	case st.Corrupt != "" && !p.destroy && p.file == nil:
		return cluster.UnitEdit{}, errUnreadable(p.name)
	}
	u := st.Unit
	u.Name = p.name
	if !st.Exists {
		u.Desired = cluster.Inactive
	}
	if st.Corrupt != "" {
		u.Desired = v.orderedState(p.name)
	}
	if p.desired != "" {
		u.Desired = p.desired
	}
	if p.destroy {
		u.Desired = cluster.Inactive
	}
	if u.Desired != cluster.Inactive && p.name.IsTemplate() {
		return cluster.UnitEdit{}, badRequest("cannot activate template %q", p.name)
	}
	edit := cluster.UnitEdit{Unit: u}
	if p.file != nil && p.file.ID() != u.Content {
		edit.Unit.Content, edit.Unit.Global, edit.File = p.file.ID(), p.global, p.file.Bytes()
	}
	return edit, nil
}

// sayDestroyed gives the reason for which units leave that are to be destroyed. To the
// planner they are wanted inactive.
func (p Plan) sayDestroyed(proposals []proposal) {
	destroyed := make(map[unit.Name]bool)
	for _, d := range proposals {
		destroyed[d.name] = d.destroy
	}
	for i, step := range p.Steps {
		if step.Action == cluster.PlanStop && destroyed[step.Unit] {
			p.Steps[i].Reason = "destroyed"
		}
	}
}

func (v view) plan(p cluster.Plan) Plan {
	out := Plan{Revision: v.Revision, Steps: make([]PlanStep, len(p.Steps))}
	for i, step := range p.Steps {
		out.Steps[i] = PlanStep{
			Action: step.Action, Unit: step.Unit, From: step.From, To: step.To,
			Reason: step.Reason, Pending: pendingOf(step.Pending),
		}
	}
	return out
}
