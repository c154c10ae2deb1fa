package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-semver/semver"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// sieve leaves out of a list what a fleetd of fleet 1 should have left out: it ignores filters, and says nothing.
// A nil sieve leaves in everything.
type sieve struct {
	wanted  []cluster.DesiredState // none: any
	on      []cluster.MachineID    // for filters by machine or metadata
	machine bool                   // there are such

	desired map[unit.Name]cluster.DesiredState
	reports map[unit.Name][]cluster.MachineID // where units are; of a global one, the only place that says it
}

// sieve is nil if the server has filtered by itself.
func (f *filters) sieve(ctx context.Context, c *api.Client, present []api.Machine, o api.ListOptions) (*sieve, error) {
	if len(o.Desired)+len(o.Machines)+len(o.Selector) == 0 {
		return nil, nil
	}
	version, err := c.Version(ctx)
	if err != nil {
		return nil, remote(fmt.Errorf("find out whether fleetd can filter: %w", err))
	}
	if !isFleet1(version) {
		return nil, nil
	}
	s := &sieve{
		wanted: o.Desired, machine: len(o.Machines)+len(o.Selector) > 0,
		desired: make(map[unit.Name]cluster.DesiredState), reports: make(map[unit.Name][]cluster.MachineID),
	}
	meets, err := demands(f.selectors)
	if err != nil {
		return nil, err
	}
	for _, m := range present {
		if meets(m) && (len(o.Machines) == 0 || slices.Contains(o.Machines, m.ID)) {
			s.on = append(s.on, m.ID)
		}
	}
	if len(s.wanted) > 0 {
		units, err := c.Units(ctx)
		if err != nil {
			return nil, remote(fmt.Errorf("list units: %w", err))
		}
		for _, u := range units {
			s.desired[u.Name] = u.DesiredState
		}
	}
	if s.machine {
		states, err := c.States(ctx)
		if err != nil {
			return nil, remote(fmt.Errorf("list unit states: %w", err))
		}
		for _, r := range states {
			s.reports[r.Name] = append(s.reports[r.Name], r.MachineID)
		}
	}
	return s, nil
}

// isFleet1 tells whether a version is of the original fleet. What is no version is not.
func isFleet1(version string) bool {
	v, err := semver.NewVersion(strings.TrimPrefix(version, "v"))
	return err == nil && v.Major < 2
}

func (s *sieve) hasState(r api.UnitState) bool {
	return s == nil || s.want(s.desired[r.Name]) && (!s.machine || slices.Contains(s.on, r.MachineID))
}

func (s *sieve) hasUnit(u api.Unit) bool {
	if s == nil {
		return true
	}
	isThere := func(id cluster.MachineID) bool { return slices.Contains(s.on, id) }
	return s.want(u.DesiredState) && (!s.machine || isThere(u.MachineID) || slices.ContainsFunc(s.reports[u.Name], isThere))
}

func (s *sieve) want(desired cluster.DesiredState) bool {
	return len(s.wanted) == 0 || slices.Contains(s.wanted, desired)
}
