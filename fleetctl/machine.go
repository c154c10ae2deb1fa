package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fleet/api"
	"fleet/cluster"
)

// wholeMachineID is what needs no machine that is present to be understood.
var wholeMachineID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// findMachine is the machine that an argument means: an id, the beginning of one
// that only one machine has, or a machine as the list commands show it. One that is
// not present can be meant by its whole id.
func findMachine(all []api.Machine, arg string) (api.Machine, error) {
	return findAmong(all, "that is present", arg)
}

// findAmong calls the machines what they are: those that are present, or known.
func findAmong(all []api.Machine, which, arg string) (api.Machine, error) {
	prefix, _, _ := strings.Cut(strings.ToLower(arg), "/")
	prefix = strings.TrimSuffix(strings.TrimSuffix(prefix, "..."), "…")
	if prefix == "" {
		return api.Machine{}, usage(fmt.Errorf("machine %q: expect an id, or its beginning", arg))
	}
	var matching []api.Machine
	for _, m := range all {
		if strings.HasPrefix(string(m.ID), prefix) {
			matching = append(matching, m)
		}
	}
	switch {
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) > 1:
		return api.Machine{}, usage(fmt.Errorf("machine %q may be any of %d: %s; give more of its id", arg, len(matching), idList(matching)))
	case wholeMachineID.MatchString(prefix):
		return api.Machine{ID: cluster.MachineID(prefix)}, nil
	}
	return api.Machine{}, noMachine("no machine %s has an id that begins with %q", which, prefix)
}

// findMachines finds several, each once.
func findMachines(all []api.Machine, args []string) ([]api.Machine, error) {
	return findAllAmong(all, "that is present", args)
}

// findKnown finds several among all that are known, present or not.
func findKnown(all []api.Machine, args []string) ([]api.Machine, error) {
	return findAllAmong(all, "that is known", args)
}

func findAllAmong(all []api.Machine, which string, args []string) ([]api.Machine, error) {
	var found []api.Machine
	for _, arg := range args {
		m, err := findAmong(all, which, arg)
		if err != nil {
			return nil, err
		}
		same := func(o api.Machine) bool { return o.ID == m.ID }
		if !slices.ContainsFunc(found, same) {
			found = append(found, m)
		}
	}
	return found, nil
}

func idList(machines []api.Machine) string {
	const most = 5
	var ids []string
	for i, m := range machines {
		if i == most {
			ids = append(ids, "…")
			break
		}
		ids = append(ids, string(m.ID))
	}
	return strings.Join(ids, ", ")
}

// isPresent tells whether the machine was found, is not away, and was not only meant by its whole id.
func isPresent(all []api.Machine, id cluster.MachineID) bool {
	return slices.ContainsFunc(all, func(m api.Machine) bool { return m.ID == id && !isAway(m) })
}

// isKnown tells whether the machine was found, be it away.
func isKnown(all []api.Machine, id cluster.MachineID) bool {
	return slices.ContainsFunc(all, func(m api.Machine) bool { return m.ID == id })
}
