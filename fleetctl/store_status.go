package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"fleet/api"
	"fleet/unit"
)

func memberColumns() []column[api.StoreMember] {
	return []column[api.StoreMember]{
		{name: "member", cell: text(func(m api.StoreMember) string {
			if m.Local {
				return m.Name + " (here)"
			}
			return m.Name
		})},
		{name: "id", cell: text(func(m api.StoreMember) string { return m.ID })},
		{name: "role", cell: text(memberRole)},
		{name: "database", cell: text(memberSize)},
		{name: "revision", cell: text(func(m api.StoreMember) string {
			if m.Revision == 0 {
				return ""
			}
			return fmt.Sprint(m.Revision)
		})},
		{name: "peers", cell: text(func(m api.StoreMember) string { return strings.Join(m.PeerURLs, ",") })},
		{name: "state", cell: text(memberState), style: func(m api.StoreMember) style {
			switch {
			case m.Problem != "":
				return red
			case m.Learner || len(m.Alarms) > 0:
				return yellow
			}
			return green
		}},
	}
}

func memberRole(m api.StoreMember) string {
	switch {
	case m.Learner:
		return "learns"
	case m.Leader:
		return "leads"
	}
	return "follows"
}

func memberState(m api.StoreMember) string {
	return cmp.Or(m.Problem, strings.Join(m.Alarms, "; "), "serves")
}

// memberSize is how large a database is, and what of that is in use.
func memberSize(m api.StoreMember) string {
	if m.Size == 0 {
		return ""
	}
	size := func(n int64) string { return unit.Roughly(unit.Memory, n) }
	words := size(m.InUse) + "/" + size(m.Size)
	if m.Quota > 0 {
		words += " of " + size(m.Quota)
	}
	return words
}

// lossWords say what a store can bear.
func lossWords(s api.StoreStatus) string {
	switch {
	case s.MayLose < 0:
		return "too many are lost"
	case s.MayLose == 0:
		return "none may be lost"
	}
	return fmt.Sprintf("%d more may be lost", s.MayLose)
}

func (a *app) storeStatus(ctx context.Context, c *api.Client, _ storing, _ []string) error {
	s, err := c.Store(ctx)
	if err != nil {
		return remote(fmt.Errorf("look at the store: %w", err))
	}
	if a.structured() {
		return entities(a, []api.StoreStatus{s})
	}
	if len(s.Members) > 0 {
		lines := grid(memberColumns(), s.Members, shape{now: time.Now()}, true)
		if err := a.writeGrid(a.stdout, lines, false); err != nil {
			return err
		}
	}
	switch {
	case s.Problem != "":
		a.complain("No majority of the members serves: nothing can be written, and units stay as they are.\n(%s)", s.Problem)
	case s.Embedded:
		a.say("%s, of which %s.", count(len(s.Members), "member"), lossWords(s))
	default:
		a.say("This etcd is not embedded in fleetd: its members are not fleet's.")
	}
	if s.Condition != "" {
		a.complain("The member of this fleetd does not serve: it %s.", s.Condition)
	}
	switch voters := votersOf(s); {
	case s.Problem != "" && s.Embedded:
		a.hint("bring the lost members back; if their data are lost for good, fleetctl store recover makes the member of the fleetd that it asks the only one")
	case s.Embedded && voters > 1 && voters%2 == 0:
		a.hint("%d members can bear the loss of no more than %d can", voters, voters-1)
	}
	return nil
}

func votersOf(s api.StoreStatus) int {
	n := 0
	for _, m := range s.Members {
		if !m.Learner {
			n++
		}
	}
	return n
}
