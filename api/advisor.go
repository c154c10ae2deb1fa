package api

import (
	"net/http"

	"fleet/cluster"
	"fleet/unit"
)

// Advisor answers what the engine thinks and what it would do. It is asked about a
// snapshot that it must neither change nor keep.
type Advisor interface {
	// Explain tells why a unit is where it is, or nowhere. The error is cluster.ErrNotFound if there is no such unit.
	Explain(s *cluster.Snapshot, name unit.Name) (cluster.Explanation, error)
	// Plan tells what would follow from edits. Their generations are not set, and their records
	// are those of the snapshot with the changes made; a unit that is to be destroyed is one wanted inactive.
	Plan(s *cluster.Snapshot, edits []cluster.UnitEdit) (cluster.Plan, error)
	// Rebalance tells which moves would reach a goal: the fewest, and no more than limit of them; 0 is no limit.
	Rebalance(s *cluster.Snapshot, goal cluster.Goal, limit int) (cluster.Plan, error)
}

// advise puts a question about the cluster as the cache has it. An answer about a large cluster
// takes a while: it is found over a copy, so that the cache goes on, and one at a time, so that
// questions do not take the machine from those who work.
func (s *Server) advise(r *http.Request, ask func(view) error) error {
	if s.o.Advisor == nil {
		return &Error{http.StatusNotImplemented, "this fleetd does not explain or plan: it was started without its planner"}
	}
	select {
	case s.advising <- struct{}{}:
	case <-r.Context().Done():
		return r.Context().Err()
	}
	defer func() { <-s.advising }()
	var now cluster.Update
	s.cache().read(func(v view) { now = v.All() })
	var snapshot cluster.Snapshot
	snapshot.Apply(now)
	return ask(view{Snapshot: &snapshot, files: &s.cache().files, needs: &s.cache().needs})
}
