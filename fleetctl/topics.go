package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootText = `fleetctl controls the units of a cluster of systemd hosts through the API of any one of its fleetds.

A command that changes something waits for what comes of it, and its exit code tells that. Commands may be
abbreviated as long as they stay unambiguous ("fleetctl list-m"); abbreviations that fleet 1 knew mean what they meant there.`

const rootExample = `  fleetctl start web@1.service      # submit the file if need be, place it, start it, wait for systemd
  fleetctl status web@1             # where it is and why, and what systemd says
  fleetctl stop 'web@*'             # a pattern for units in the cluster, in quotes
  fleetctl explain web@1            # why there, or why nowhere and what would help
  fleetctl destroy web@1            # stop it and forget it`

// topics are what there is to read besides the commands: commands that cannot be run.
func topics(root *cobra.Command) []*cobra.Command {
	return []*cobra.Command{
		{Use: "units", Short: "Which unit is meant, and where its file comes from", Long: unitsText},
		{Use: "waiting", Short: "What commands wait for, and what they then say", Long: waitingText},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitText()},
		outputTopic(),
		{Use: "options", Short: "The options of all commands, and their variables", Long: optionsText(root)},
		{Use: "fleet-1", Short: "What differs from fleet 1", Long: fleet1Text},
	}
}

const unitsText = `A unit is named as in systemd; without a type it is a service. "fleetctl submit", "fleetctl load", "fleetctl start" and
others that say FILE also take paths of unit files and directories of them. A unit that the cluster does not have yet is made
from the first of these that exists: the file at that path; for an instance (web@1.service) the template in
the cluster; the template in the same directory. Nothing is sent until all arguments have been checked, and every mistake in
a file is reported with its line.

A unit that the cluster already has keeps its file; a local file that differs causes a warning. --replace sends
the local file: "fleetctl submit" for inactive units, "fleetctl load" for those that are not launched, "fleetctl start" for all.

Commands for several units take names and, in quotes, shell patterns (*, ?, […]) for names of units that the cluster has. Commands that
take no files process units that exist even if others on the command line do not. A pattern given to "fleetctl restart"
matches launched units only; one given to "fleetctl destroy" or "fleetctl status" matches templates too. A dash (-) stands for
names on standard input, one a line; empty lines and those that begin with # do not count.

A unit that is on several machines, because it is global, is waited for and shown on all of them.

A machine is its id, or the beginning of one that no other machine has; what the list commands show
(1234abcd.../10.0.0.1) is understood too.`

const waitingText = `A command that changes something waits for the result, on one stream of events. It prints a line for each unit:

    Unit web@1.service launched on 1234abcd.../10.0.0.1
    Unit agent.service launched on 3 machines
    Unit db.service failed on 1234abcd.../10.0.0.1: failed (result exit-code)
        db[812]: cannot open /var/lib/db: permission denied
    Unit gpu.service has no machine: 0 of 3 machines fit: 3 lack gpu=yes; it will be launched as soon as one fits

Successes go to stdout, everything else to stderr. A service that fails within a quarter of a second of its start, or that
systemd has to start again within that time, is reported as failed.

What is true when a command returns 0:

  submit           the cluster has the unit; it is on no machine
  load             a machine has the unit; it is not running
  start            systemd has started the unit
  stop             the unit has stopped; its machine keeps it loaded
  unload           the unit has stopped and no machine has it
  destroy          the same, and the cluster has forgotten it
  restart          systemd has restarted the unit where it was; one that was stopped has been started
  move             the unit runs on that machine, or on whichever is best but its former one

--timeout TIME gives up after a time: seconds, or a duration such as 1m30s. The default of 5 minutes is longer than
systemd's default limits for a stop and a start together; 0 is never. --block-attempts N gives up after N times 2 seconds, as
in fleet 1. With --no-block nothing is waited for: "Triggered unit web@1.service start".

On a terminal, fleetctl shows after a second what it is waiting for. If the stream breaks because fleetd is restarted
or its host dies, it is reopened until the timeout. Ctrl-C stops the waiting. The request stays in force in all of these cases.`

func exitText() string {
	var b strings.Builder
	b.WriteString("The numbers do not change between versions.\n\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %d  %s\n", c.code, c.meaning)
	}
	b.WriteString(`
If the units of one command end differently, the exit code is the first of 8, 1, 4, 5, 6, 7, 3 that occurred.

"fleetctl status" uses the same codes for the state that it finds: 4 if a unit has failed, 5 if no machine fits it, 0 if it is
in the state it is wanted in, or on its way there, 8 if a machine does not tell its systemd's status. "fleetctl ssh" ends with the code of the command that it has run, or 255 if ssh itself failed.`)
	return b.String()
}

func optionsText(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`These options belong to every command, before or after its name. Each can be given as a variable too: FLEETCTL_ and the
option's name in capitals with underscores, as in FLEETCTL_ENDPOINT or FLEETCTL_SSH_USERNAME. The command line comes first; an empty variable says nothing.

`)
	flags := flagTerms(shownFlags(root.PersistentFlags()))
	widest := 0
	for _, t := range flags {
		widest = max(widest, len(t.name))
	}
	for _, t := range flags {
		fmt.Fprintf(&b, "  %-*s  %s\n", widest, t.name, t.meaning)
	}
	b.WriteString(`
Of several endpoints, the first that answers is used, from the beginning of the command to its end; each is given 3 seconds to answer. A server's certificate is always verified, and TLS files with
a plain http:// endpoint are refused. Proxies that the environment names (HTTPS_PROXY and so on) are used for http:// and https:// endpoints, but not with --tunnel.

With --tunnel every connection to fleetd is an ssh of its own: to a unix:// endpoint it runs "fleetctl fd-forward SOCKET" on that host, which needs
fleetctl there; to an http:// or https:// endpoint ssh itself forwards (ssh -W). "fleetctl ssh" and whatever else logs in to machines go through
the same host. What ssh may take to connect (--ssh-timeout) comes on top of --request-timeout. It is your own ssh program that does all of this, with its configuration, its agent and its known hosts; a ControlMaster in its
configuration spares a login for each connection.`)
	return b.String()
}

const fleet1Text = `Whoever knows fleet 1 is at home: all of its commands, options, variables and list columns are here. These things differ.

  exit codes         say what was in the way: see "fleetctl help exit-codes". In fleet 1 it was 1, or even 0.
  errors             An unknown command or option, a unit that does not exist, a refused --replace end with an exit code
                     other than 0.
  start              of a unit that has failed starts it again, and waits for systemd's result.
  stop               works for a unit that is on no machine, and "fleetctl unload" for one that no machine fits.
  restart            restarts, and starts what was stopped. A unit that does not exist is not created: "fleetctl start" does that.
  destroy            waits until the process is gone.
  status, journal    ask the machines' fleetds and need no ssh, which is there for machines that cannot be asked. Both know
                     global units, and "fleetctl journal" units that have moved or are gone.
  verify             checks unit files. In fleet 1 it was left over from signed units.
  --no-block         works for every command that asks something of units but "fleetctl rebalance"; requests about global units are waited for on all of their machines.
  unit files         arrive byte for byte, and two are the same only if every byte is. A mistake in [X-Fleet] is an error, not a
                     warning, and the unit is not submitted.
  -l -f -A -m -u     exist. Fleet 1's help named them, but it understood only --l, --f and --A, which still work.
  --debug            works on the command line.
  --endpoint         with a list of endpoints: the first that answers is used, not the first.
  --driver           may be API. The etcd driver is gone, and refused rather than ignored: ignoring it would send requests
                     to a different cluster. --etcd-key-prefix went with it.
  --request-timeout  is for requests to the API; in fleet 1 it was for the etcd driver only.
  TLS                Certificates of servers are always verified.
  --sign             and --experimental-api do nothing; a warning says so. --etcd-cafile, --etcd-certfile and --etcd-keyfile are
                     old names of --ca-file, --cert-file and --key-file.
  ssh, --tunnel      are the ssh program's business. The user is the one that its configuration says, not core (--ssh-username
                     core brings it back), as are the file of known hosts and the question about unknown ones. An agent is
                     not required, options after the command of "fleetctl ssh" are the command's, and the exit code of a
                     login is the shell's.`
