package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// shownMachines is how many machines of one kind an explanation names without --full.
const shownMachines = 10

// ruling is one rule that machines fail in the same way.
type ruling struct {
	rule, detail, resource string
	verdicts               []api.Verdict
}

// sortVerdicts divides what fits from what does not; the latter by rule, the one
// that rules out the most machines first.
func sortVerdicts(all []api.Verdict) (fits []api.Verdict, failed []ruling) {
	for _, v := range all {
		if v.Fits {
			fits = append(fits, v)
			continue
		}
		i := slices.IndexFunc(failed, func(r ruling) bool { return r.covers(v) })
		if i < 0 {
			i = len(failed)
			failed = append(failed, ruling{rule: v.Rule, detail: v.Detail, resource: v.Resource})
		}
		failed[i].verdicts = append(failed[i].verdicts, v)
	}
	slices.SortStableFunc(failed, func(a, b ruling) int { return cmp.Compare(len(b.verdicts), len(a.verdicts)) })
	for _, r := range failed {
		// The machine that lacks the least is the most interesting one.
		slices.SortStableFunc(r.verdicts, func(a, b api.Verdict) int { return cmp.Compare(a.Missing, b.Missing) })
	}
	slices.SortStableFunc(fits, func(a, b api.Verdict) int { return cmp.Compare(rank(a), rank(b)) })
	return fits, failed
}

// rank puts the machine that has the unit first.
func rank(v api.Verdict) int {
	if v.Here {
		return 0
	}
	return 1
}

// covers tells whether a verdict is one of r. What differs from machine to machine, as the share of a
// machine's memory that a unit needs does, is told with each machine.
func (r ruling) covers(v api.Verdict) bool {
	if r.rule != v.Rule || r.resource != v.Resource {
		return false
	}
	return r.resource != "" || r.detail == v.Detail
}

func fitting(fits, all int) string {
	switch {
	case all == 1:
		return "The only machine fits"
	case fits == all:
		return fmt.Sprintf("All %d machines fit", all)
	case fits == 1:
		return fmt.Sprintf("1 of %d machines fits", all)
	}
	return fmt.Sprintf("%d of %d machines fit", fits, all)
}

func ruledOut(failed, all int) string {
	switch {
	case all == 1:
		return "The only machine does not fit"
	case failed == all:
		return fmt.Sprintf("None of %d machines fits", all)
	case failed == 1:
		return fmt.Sprintf("1 of %d machines does not fit", all)
	}
	return fmt.Sprintf("%d of %d machines do not fit", failed, all)
}

func (x explainer) fitting(fits []api.Verdict) {
	for i, v := range fits {
		if x.more(i, len(fits)) {
			return
		}
		mark := " "
		if v.Here {
			mark = "*"
		}
		fmt.Fprintf(x.w, "%s\n", strings.TrimRight(fmt.Sprintf("  %s %s  %s", mark, x.place(v.MachineID), v.Score), " "))
	}
}

func (x explainer) group(r ruling) {
	detail := r.detail
	if slices.ContainsFunc(r.verdicts, func(v api.Verdict) bool { return v.Detail != detail }) {
		detail = lacking(r.resource)
	}
	all := len(r.verdicts)
	text := cluster.Exclusion{Machines: all, Detail: detail}.String() // "2 lack disk=ssd"
	text = strings.TrimPrefix(text, fmt.Sprint(all))
	text = strings.TrimSuffix(text, " ("+r.rule+")")
	fmt.Fprintf(x.w, "  %s: %s%s\n", r.rule, count(all, "machine"), text)
	for i, v := range r.verdicts {
		if x.more(i, len(r.verdicts)) {
			return
		}
		fmt.Fprintf(x.w, "    %s%s%s\n", x.place(v.MachineID), shortage(v), here(v))
	}
}

// more ends a list that is too long to be read.
func (x explainer) more(i, all int) bool {
	if x.full || i < shownMachines {
		return false
	}
	fmt.Fprintf(x.w, "    … and %d more (--full names them)\n", all-i)
	return true
}

func here(v api.Verdict) string {
	if !v.Here {
		return ""
	}
	return "  (it is there)"
}

// shortage is how much of what the unit needs a machine lacks.
func shortage(v api.Verdict) string {
	needed, missing := unit.Roughly(v.Resource, v.Needed), unit.Roughly(v.Resource, v.Missing)
	switch {
	case v.Resource == "", v.Resource == unit.Slots && v.Needed == 1:
		return ""
	case v.Missing == v.Needed:
		return fmt.Sprintf("  none of the %s it needs is free", needed)
	case v.Missing > v.Needed: // what the machine offers has become less
		return fmt.Sprintf("  none of the %s it needs is free, and %s too much is reserved already",
			needed, unit.Roughly(v.Resource, v.Missing-v.Needed))
	}
	return fmt.Sprintf("  %s short of the %s it needs", missing, needed)
}

// lacking says of machines what all of them lack, though not how much.
func lacking(resource string) string {
	switch resource {
	case unit.CPU:
		resource = "CPU"
	case unit.Slots:
		return "take no more units"
	}
	return "have not enough " + resource + " free"
}
