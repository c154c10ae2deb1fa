package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/journal"
	"fleet/unit"
)

// journaling is the flags of journal.
type journaling struct {
	lines        string
	follow       bool
	since, until string
	output       string
	machine      string
	everywhere   bool
	sudo         bool
	port         int
}

func (a *app) journalCommand() *cobra.Command {
	var j journaling
	cmd := &cobra.Command{
		Use:     "journal UNIT...",
		Aliases: []string{"logs"},
		Short:   "Show what units wrote, on whichever machines they are",
		Long: `Show what units wrote, from the journals of the machines that have them: what journalctl --unit shows
there, the lines of several machines in the order of time. As soon as there is more than one machine, every line begins
with the machine's id.

UNIT is a name or, in quotes, a shell pattern for names. The journal of a unit that is on no machine any more, or
that has been destroyed, is still there: --everywhere asks all machines for it, --machine one of them.

With --follow it goes on with what the units write from now on, wherever they go, until it is interrupted. Nothing is
left out and nothing is shown twice when a connection breaks or fleetd is restarted. It says on stderr when a unit
comes to a machine, when it leaves one, and when a machine cannot be seen.

TIME is as for journalctl, in your time zone: "2006-01-02 15:04:05" or parts of it, yesterday, today, now, -1h,
"10min ago", @SECONDS, or RFC 3339.

The journals are read by the machines' own fleetds. The one that fleetctl speaks to asks the others over TCP; what has to
be set for that is in docs/fleetd.md, "Other machines". A machine that cannot be asked so is named, and its journal
is read by your own ssh program, as "fleetctl ssh" does; --sudo and --ssh-port are for that alone. The exit code is then that
of journalctl there, and 255 if ssh itself failed. Several journals are read one after another, and with --follow all at once, beside those
that need no ssh, each line with its machine's id; the exit code is 8 if one of them could not be read.`,
		Example: `  fleetctl journal web@1
  fleetctl journal -f -n 50 'web@*'
  fleetctl logs db --since yesterday --until '2026-03-01 12:00' -o short-precise
  fleetctl journal --everywhere --lines all gone.service
  fleetctl journal web@1 -o json | jq -r .MESSAGE`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error { return a.journal(cmd.Context(), args, j) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&j.lines, "lines", "n", "10", "how many of the last lines, together; or all")
	flags.BoolVarP(&j.follow, "follow", "f", false, "go on with what is written from now on")
	flags.StringVarP(&j.since, "since", "S", "", "nothing older than this `TIME`")
	flags.StringVarP(&j.until, "until", "U", "", "nothing younger than this `TIME`")
	flags.StringVarP(&j.output, "output", "o", "short", "how entries are printed, as for journalctl")
	values(flags, "output", journal.Outputs()...)
	flags.StringVarP(&j.machine, "machine", "m", "", "only of this `MACHINE`, whether it has the unit now or not")
	flags.BoolVar(&j.everywhere, "everywhere", false, "of all machines, whether they have the unit now or not")
	flags.BoolVar(&j.sudo, "sudo", false, "if ssh is used, run journalctl with sudo there")
	registerSSHPort(cmd, &j.port)
	return cmd
}

func (a *app) journal(ctx context.Context, args []string, j journaling) error {
	o, err := j.options(time.Now())
	if err != nil {
		return usage(err)
	}
	printer, err := journal.NewPrinter(j.output, time.Local)
	if err != nil {
		return usage(err)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	machines, err := a.machines(ctx, c)
	if err != nil {
		return err
	}
	if j.machine != "" {
		m, err := findMachine(machines, j.machine)
		if err != nil {
			return err
		}
		o.Machine = m.ID
	}
	s, err := a.selectUnits(ctx, c, args)
	if err != nil {
		return err
	}
	r := &journalReader{
		app: a, client: c, flags: j, options: o, machines: machines, names: addressesOf(machines),
		show: newEntryWriter(a, printer), began: time.Now(),
	}
	r.choose(&s)
	if len(r.units) > 0 {
		if err := r.run(ctx); err != nil {
			return withCode(err, a.reportMissing(s))
		}
	}
	return ended(worse(r.code, a.reportMissing(s)))
}

// options are the flags as the API has them.
func (j journaling) options(now time.Time) (api.JournalOptions, error) {
	o := api.JournalOptions{Everywhere: j.everywhere}
	o.Follow = j.follow
	var err error
	if j.lines == "all" {
		o.Lines = journal.All
	} else if o.Lines, err = strconv.Atoi(j.lines); err != nil || o.Lines < 0 {
		return o, fmt.Errorf("--lines %q: expect a number, or all", j.lines)
	}
	if j.since != "" {
		if o.Since, err = journal.ParseTime(j.since, now); err != nil {
			return o, fmt.Errorf("--since: %w", err)
		}
	}
	if j.until != "" {
		if o.Until, err = journal.ParseTime(j.until, now); err != nil {
			return o, fmt.Errorf("--until: %w", err)
		}
	}
	switch {
	case j.follow && j.until != "":
		return o, errors.New("--follow and --until do not go together")
	case j.everywhere && j.machine != "":
		return o, errors.New("--everywhere and --machine do not go together")
	}
	return o, checkSSHPort(j.port)
}

// command is what is run on a machine whose fleetd cannot be asked.
func (j journaling) command(name unit.Name, o api.JournalOptions) []string {
	var argv []string
	if j.sudo {
		argv = append(argv, "sudo")
	}
	argv = append(argv, "journalctl", "--unit", string(name), "--no-pager", "-n", j.lines, "--output", j.output)
	if !o.Since.IsZero() {
		argv = append(argv, "--since", journal.FormatTime(o.Since))
	}
	if !o.Until.IsZero() {
		argv = append(argv, "--until", journal.FormatTime(o.Until))
	}
	if j.follow {
		argv = append(argv, "-f")
	}
	return argv
}
