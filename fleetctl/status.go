package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func (a *app) statusCommand() *cobra.Command {
	var t systemdTexts
	var full bool
	cmd := &cobra.Command{
		Use:   "status UNIT...",
		Short: "Show what is wanted of units, where they are, what systemd says",
		Long: `Show units: what is wanted of them, what has become of it, and what the cluster knows of each
machine that has them; then what systemctl status says there, with the last lines of the journal.

UNIT is a name or, in quotes, a shell pattern for names. The exit code is 4 if a
unit has failed, 5 if no machine fits it, 0 if it is in the state it is wanted in, or on
its way there, or has ended or was stopped on its machine since it was started, which the outcome says; and 8 if none of these is amiss, but a machine does not tell its systemd's status.

That is asked of the machines' own fleetds. The one that fleetctl speaks to asks the others over TCP; what has to be
set for that is in docs/fleetd.md, "Other machines". A machine that cannot be asked so is named, and asked by your own
ssh program, as "fleetctl ssh" does.`,
		Example: `  fleetctl status web@1
  fleetctl status -n 50 'web@*'`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), args, t, full) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&t.lines, "lines", "n", 10, "how many of the last lines of the journal")
	flags.BoolVarP(&full, "full", "l", false, "do not shorten ids; times as in RFC 3339")
	registerSSHPort(cmd, &t.port)
	return cmd
}

func (a *app) status(ctx context.Context, args []string, t systemdTexts, full bool) error {
	if t.lines < 0 {
		return usage(fmt.Errorf("--lines %d: expect 0 or more", t.lines))
	}
	if err := checkSSHPort(t.port); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := a.selectUnits(ctx, c, args)
	if err != nil {
		return err
	}
	if len(s.globbed) > 0 {
		// A list leaves out the log lines.
		found, err := s.again(ctx, c)
		if err != nil {
			return err
		}
		s.units = found
	}
	code := exitOK
	for _, u := range s.units {
		code = worse(code, condition(u))
	}
	if a.structured() {
		if err := entities(a, s.units); err != nil {
			return err
		}
		return ended(worse(code, a.reportMissing(s)))
	}
	t.app, t.client = a, c
	t.ask(ctx, s.units)
	for i, u := range s.units {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		writeStatus(a.stdout, u, shape{full, time.Now()}, a.painter(a.stdout))
		if !t.write(ctx, u) && code == exitOK {
			code = exitUnreachable
		}
	}
	return ended(worse(code, a.reportMissing(s)))
}

// condition is the exit code for the state that a unit is in.
func condition(u api.Unit) exitCode {
	switch phase, _ := outcome(u); phase {
	case cluster.Failed:
		return exitFailed
	case cluster.Nowhere:
		return exitNowhere
	}
	return exitOK
}

// writeStatus writes what systemctl status would, and what the cluster has to say besides.
func writeStatus(w io.Writer, u api.Unit, s shape, paint painter) {
	phase, message := outcome(u)
	mark := paint(green, "●")
	switch {
	case condition(u) == exitNowhere:
		mark = paint(yellow, "×")
	case condition(u) != exitOK || hasFailed(u): // it may have failed as it was stopped
		mark = paint(red, "×")
	case phase == cluster.Working:
		mark = paint(yellow, "●")
	case !runs(u):
		mark = "○"
	}
	title := string(u.Name)
	if d := description(u); d != "" {
		title += " - " + d
	}
	fmt.Fprintf(w, "%s %s\n", mark, oneLine(title))
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%11s: %s\n", key, fmt.Sprintf(format, args...))
	}
	if u.Error != "" {
		line("Record", "cannot be read: %s", u.Error)
	}
	if u.DesiredState != "" {
		line("Wanted", "%s", wanted(u))
	}
	if phase == cluster.Done {
		line("Outcome", "%s", doneWords(u))
	} else {
		line("Outcome", "%s", strings.TrimSuffix(fmt.Sprintf("%s: %s", outcomeWords(phase), inFull(message, u.Copies)), ": "))
	}
	if u.Pending != nil && u.Pending.Message != message {
		line("Pending", "%s", u.Pending.Message)
	}
	if u.Pending != nil && u.Pending.Remedy != nil && u.Pending.Remedy.Text != "" {
		line("Remedy", "%s", u.Pending.Remedy.Text)
	}
	for i, c := range u.Copies {
		if i > 0 && len(u.Copies) > 1 {
			fmt.Fprintln(w)
		}
		writeCopy(line, c, s, paint)
	}
}

func exitWords(c api.Copy) string {
	switch {
	case c.Signaled:
		return fmt.Sprintf(", ended by signal %d", c.ExitStatus)
	case c.ExitStatus != 0:
		return fmt.Sprintf(", exit status %d", c.ExitStatus)
	}
	return ""
}

func wanted(u api.Unit) string {
	text := string(u.DesiredState)
	if u.Global {
		text += " on every machine that its rules allow"
	}
	return text
}

// doneWords tells what a request that was carried out has led to. What fleet
// started may have ended since; to start it again is systemd's or the user's business.
func doneWords(u api.Unit) string {
	if u.DesiredState != cluster.Launched {
		return "as wanted"
	}
	for _, c := range live(u) {
		switch {
		case c.Skipped:
			return "started, but a condition in its file is not met on " + place(c.MachineID, c.Address, false)
		case c.Active == "inactive":
			return "started, and " + endedWords(u.Name.Type(), c) + " " + place(c.MachineID, c.Address, false)
		}
	}
	return "as wanted"
}

// endedWords tell how a unit that fleet has started came not to run, without having failed. systemd keeps
// no trace of who stopped what; but most services die of the signal by which it stops them, and what is no
// process does not end by itself.
func endedWords(t unit.Type, c api.Copy) string {
	switch {
	case c.Signaled:
		return fmt.Sprintf("was stopped (by signal %d), not by fleet, on", c.ExitStatus)
	case t == unit.Service || t == unit.Timer:
		return "has ended, by itself or by systemctl stop, on"
	}
	return "was stopped, not by fleet, on"
}

func outcomeWords(p cluster.Phase) string {
	switch p {
	case cluster.Working:
		return "under way"
	case cluster.Nowhere:
		return "no machine"
	}
	return string(p)
}

func writeCopy(line func(key, format string, args ...any), c api.Copy, s shape, paint painter) {
	line("Machine", "%s", place(c.MachineID, c.Address, s.full)+aside(cmp.Or(c.Reason, notOrdered(c))))
	if c.Presence == cluster.Lost {
		line("Active", "unknown: the machine is lost%s", sinceWords(c.AwaySince, s.now))
		return
	}
	if c.ObservedAt.IsZero() {
		line("Active", "unknown: the machine has not reported yet")
		return
	}
	line("Loaded", "%s", cmp.Or(c.Load, "-")+aside(shortHash(c.Hash, s.full)))
	shade := stateStyle(c.Active)
	if c.Silent {
		shade = yellow // not as fresh as it looks
	}
	active := paint(shade, cmp.Or(c.Active, "-")+aside(c.Sub))
	if !c.StateSince.IsZero() {
		since := c.StateSince.Local().Format("Mon 2006-01-02 15:04:05 MST")
		if s.full {
			since = moment(c.StateSince, s.now, true)
		}
		active += fmt.Sprintf(" since %s; %s ago", since, ago(s.now.Sub(c.StateSince)))
	}
	line("Active", "%s", active)
	if c.Result != "" && (c.Result != "success" || c.ExitStatus != 0) {
		line("Result", "%s%s", c.Result, exitWords(c))
	}
	if c.Skipped {
		line("Condition", "not met; systemd did not start it")
	}
	if c.JobResult != "" && c.JobResult != "done" {
		line("Job", "ended with %s", c.JobResult)
	}
	if c.Job != "" {
		line("Job", "%s is under way", c.Job)
	}
	if c.Error != "" {
		line("Error", "%s", c.Error)
	}
	if c.MainPID != 0 {
		line("Main PID", "%d", c.MainPID)
	}
	if c.Restarts != 0 {
		line("Restarts", "%d by systemd since the start", c.Restarts)
	}
	if c.InvocationID != "" {
		line("Invocation", "%s", c.InvocationID)
	}
	observed := ago(s.now.Sub(c.ObservedAt)) + " ago"
	if s.full {
		observed = moment(c.ObservedAt, s.now, true) + "; " + observed
	}
	if c.Silent {
		observed = paint(yellow, observed+"; the machine is silent"+sinceWords(c.AwaySince, s.now)+", and this may have changed")
	}
	line("Observed", "%s", observed)
}

func notOrdered(c api.Copy) string {
	if c.Ordered {
		return ""
	}
	return "being removed"
}

func aside(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
