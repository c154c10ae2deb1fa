package api

import (
	"fmt"
	"net/http"

	"fleet/cluster"
)

// rebalanceRequest is the question which moves would reach a goal.
type rebalanceRequest struct {
	Goal cluster.Goal `json:"goal,omitempty"`
	Max  int          `json:"max,omitempty"` // most moves; 0: as many as it takes
}

// postRebalance tells which moves would reach a goal. Who wants them asks for them one by one.
func (s *Server) postRebalance(w http.ResponseWriter, r *http.Request) error {
	var body rebalanceRequest
	if err := s.decodeOptional(r, &body); err != nil {
		return err
	}
	switch body.Goal {
	case cluster.GoalFree, cluster.GoalEven:
	case "":
		body.Goal = cluster.GoalFree
	default:
		return badRequest("invalid goal %q: expect %s or %s", body.Goal, cluster.GoalFree, cluster.GoalEven)
	}
	if body.Max < 0 {
		return badRequest("invalid max %d: expect a number of moves, or 0 for as many as it takes", body.Max)
	}
	var out Plan
	err := s.advise(r, func(v view) error {
		plan, err := s.o.Advisor.Rebalance(v.Snapshot, body.Goal, body.Max)
		if err != nil {
			return fmt.Errorf("plan how to rebalance: %w", err)
		}
		before, after := Balance(plan.Before), Balance(plan.After)
		out = v.plan(plan)
		out.Before, out.After = &before, &after
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, out)
}
