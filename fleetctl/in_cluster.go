package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// inCluster asks the cluster what arguments for unit files mean there.
type inCluster struct {
	client *api.Client
	idle   idle // nil: patterns mean inactive units too
}

// idle is the inactive units that patterns have passed over. Who starts '*.service', perhaps because the shell has found no
// such files, does not mean all that has ever been stopped or only submitted.
type idle map[unit.Name]bool

const patternArgs = `A pattern means units that are wanted loaded or launched, as systemctl's patterns mean loaded
units only. How many inactive ones fit it too is said at the end; --all takes them as well.`

// registerAll is for commands whose patterns pass over inactive units.
func registerAll(cmd *cobra.Command, all *bool) {
	cmd.Flags().BoolVar(all, "all", false, "patterns mean inactive units too")
}

// newIdle is where patterns put what they pass over, unless --all is given.
func newIdle(all bool) idle {
	if all {
		return nil
	}
	return make(idle)
}

func (in inCluster) knows(ctx context.Context, name unit.Name) (bool, error) {
	found, _, err := lookUp(ctx, in.client, []unit.Name{name})
	return len(found) > 0, err
}

// matches passes over templates: who means one names it.
func (in inCluster) matches(ctx context.Context, pattern string) ([]unit.Name, error) {
	globs, err := parseGlob(pattern)
	if err != nil {
		return nil, err
	}
	units, err := in.client.UnitsWith(ctx, api.ListOptions{Globs: globs, Fields: []string{"name", "desiredState"}})
	if err != nil {
		return nil, remote(fmt.Errorf("list units: %w", err))
	}
	var names []unit.Name
	passed := 0
	for _, u := range units {
		switch {
		case u.Name.IsTemplate() || !globMatches(pattern, u.Name): // a server that does not know the filter lists all
		case in.idle != nil && u.DesiredState == cluster.Inactive:
			in.idle[u.Name] = true
			passed++
		default:
			names = append(names, u.Name)
		}
	}
	switch {
	case len(names) == 0 && passed > 0:
		err := fmt.Errorf("no unit that is loaded or launched matches %s, but %s", pattern, inactiveUnits(passed, "does", "do"))
		return nil, &fault{exitNotFound, unknown{err, "name them, or add --all"}}
	case len(names) == 0:
		return nil, noUnit("no unit matches %s", pattern)
	}
	slices.Sort(names)
	return names, nil
}

// tellIdle says what patterns have passed over and nothing else has named.
func (a *app) tellIdle(passed idle, all []*candidate) {
	n := len(passed)
	for _, x := range all {
		if passed[x.name] {
			n--
		}
	}
	switch {
	case n == 1:
		a.complain("%s too; name it, or add --all", inactiveUnits(n, "matches", "match"))
	case n > 1:
		a.complain("%s too; name them, or add --all", inactiveUnits(n, "matches", "match"))
	}
}

func inactiveUnits(n int, singular, plural string) string {
	if n == 1 {
		return "1 inactive unit " + singular
	}
	return fmt.Sprintf("%d inactive units %s", n, plural)
}
