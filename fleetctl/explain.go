package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) explainCommand() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "explain UNIT",
		Short: "Explain why a unit is where it is, or why it is nowhere",
		Long: `Explain why a unit is where it is, or why it is nowhere: one sentence first, then what
its rules say of every machine, and for a unit that no machine fits the smallest
single change that would place it:

    db.service has no machine since Sun 2026-03-01 03:12:45 UTC (4min 10s ago): 0 of 3 machines fit: 2 lack 2G of memory (at most 1.75G free), 1 lacks disk=ssd

    None of 3 machines fits:
      Resources: 2 machines lack 2G of memory
        2222bbbb.../10.0.0.2  256M short of the 2G it needs
        1111aaaa.../10.0.0.1  1.5G short of the 2G it needs
      MachineMetadata: 1 machine lacks disk=ssd
        3333cccc.../10.0.0.3

    What would help: free 256M of memory on 2222bbbb, or reserve that much less

The unit is judged as if it were on no machine, so that one that runs shows where else it could be; * is where
it is. Units that have to be together (MachineOf=) are judged together. Machines that fit are compared in the order
in which the engine prefers them, by what the unit prefers and by what would be left of what it needs:

    web@2.service is on 1111aaaa.../10.0.0.1 since Sun 2026-03-01 03:12:45 UTC (4min 10s ago): spread over zone, the fullest of 3 machines that fit

    2 of 3 machines fit:
      * 1111aaaa.../10.0.0.1  best of 2; 0 other instances in zone=a; 1G of memory and 1.5 CPUs would be left
        2222bbbb.../10.0.0.2  2nd of 2; 1 other instance in zone=b; 512M of memory and 3 CPUs would be left

At most 10 machines are named for each rule; --full names all. "fleetctl status" shows what would help, too.

The exit code is 0 if there is an explanation, whatever it says.`,
		Example: `  fleetctl explain web@1.service
  fleetctl explain --full web@1.service
  fleetctl explain -o jsonpath='$[0].pending.message' web@1.service`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("expect one unit")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.explain(cmd, args[0], full) },
	}
	cmd.Flags().BoolVarP(&full, "full", "l", false, "name all machines, with their whole ids")
	return cmd
}

func (a *app) explain(cmd *cobra.Command, arg string, full bool) error {
	name, err := parseName(arg)
	if err != nil {
		return err
	}
	if name.IsTemplate() {
		return &fault{exitRefused, fmt.Errorf("unit %s is a template, which is never on a machine; name an instance", name)}
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	e, err := c.Explain(cmd.Context(), name)
	if errors.Is(err, api.ErrNotFound) {
		return noUnit("unit %s does not exist", name)
	}
	if err != nil {
		return remote(fmt.Errorf("explain unit %s: %w", name, err))
	}
	if a.structured() {
		return entities(a, []api.Explanation{e})
	}
	x := explainer{w: a.stdout, now: time.Now(), full: full, addresses: addressesIn(e)}
	x.write(e)
	return nil
}

func addressesIn(e api.Explanation) map[cluster.MachineID]string {
	addresses := make(map[cluster.MachineID]string, len(e.Verdicts))
	for _, v := range e.Verdicts {
		addresses[v.MachineID] = v.Address
	}
	return addresses
}

// explainer writes an explanation for people.
type explainer struct {
	w         io.Writer
	now       time.Time
	full      bool
	addresses map[cluster.MachineID]string
}

func (x explainer) write(e api.Explanation) {
	fmt.Fprintln(x.w, x.headline(e))
	if e.Failures != nil {
		x.failures(*e.Failures, e)
	}
	fits, groups := sortVerdicts(e.Verdicts)
	if len(fits) > 0 {
		fmt.Fprintf(x.w, "\n%s:\n", fitting(len(fits), len(e.Verdicts)))
		x.fitting(fits)
	}
	if len(groups) > 0 {
		fmt.Fprintf(x.w, "\n%s:\n", ruledOut(len(e.Verdicts)-len(fits), len(e.Verdicts)))
	}
	for _, g := range groups {
		x.group(g)
	}
	if help := whatHelps(e); help != "" {
		fmt.Fprintf(x.w, "\nWhat would help: %s\n", help)
	}
}

// whatHelps is what to do about a unit that has no machine.
func whatHelps(e api.Explanation) string {
	switch {
	case e.Remedy != nil:
		return e.Remedy.Text
	case e.Pending == nil || e.Pending.Waiting || len(e.Pending.Peers) == 0:
		return ""
	}
	var needs []string
	for _, peer := range e.Pending.Peers {
		needs = append(needs, fmt.Sprintf("a machine for %s (fleetctl explain %[1]s)", peer))
	}
	return strings.Join(needs, " and ")
}

// headline is the whole story in one sentence.
func (x explainer) headline(e api.Explanation) string {
	name := string(e.Unit)
	switch {
	case e.Global && e.DesiredState != cluster.Inactive:
		line := fmt.Sprintf("%s is global: it is on %d of %s", name, len(e.Machines), count(len(e.Verdicts), "machine"))
		if e.Pending != nil {
			line += "; " + e.Pending.Message
		}
		return line
	case len(e.Machines) > 0:
		line := fmt.Sprintf("%s is on %s%s", name, x.place(e.Machines[0]), x.since(e.Since))
		if e.Reason != "" {
			line += ": " + e.Reason
		}
		return line
	case e.DesiredState == cluster.Inactive:
		fits, _ := sortVerdicts(e.Verdicts)
		return fmt.Sprintf("%s is wanted on no machine (inactive); %d of %s would fit", name, len(fits), count(len(e.Verdicts), "machine"))
	case e.Pending == nil:
		return name + " has no machine yet: the engine has not looked at it"
	case e.Pending.Waiting:
		return fmt.Sprintf("%s has no machine yet%s: %s", name, x.since(e.Since), e.Pending.Message)
	}
	return fmt.Sprintf("%s has no machine%s: %s", name, x.since(e.Since), e.Pending.Message)
}

func (x explainer) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(" since %s (%s ago)", t.Local().Format("Mon 2006-01-02 15:04:05 MST"), ago(x.now.Sub(t)))
}

func (x explainer) place(id cluster.MachineID) string { return place(id, x.addresses[id], x.full) }

// failures tells where the unit was tried, and what is next.
func (x explainer) failures(f api.Failures, e api.Explanation) {
	fmt.Fprintf(x.w, "\nIt has failed %s:\n", times(len(f.Tries)))
	for _, t := range f.Tries {
		result := t.Result
		if t.ExitStatus != 0 {
			result += fmt.Sprintf(", exit status %d", t.ExitStatus)
		}
		fmt.Fprintf(x.w, "  %s  %s ago: %s\n", x.place(t.MachineID), ago(x.now.Sub(t.At)), result)
	}
	switch {
	case f.Parked:
		fmt.Fprintf(x.w, "  It is not tried again until somebody asks for it: fleetctl start %s\n", e.Unit)
	case f.Next.After(x.now):
		fmt.Fprintf(x.w, "  It is tried again in %s.\n", ago(f.Next.Sub(x.now)))
	}
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
