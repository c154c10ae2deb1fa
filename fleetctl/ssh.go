package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

// sshing is the flags of ssh.
type sshing struct {
	machine, unit string
	forwardAgent  bool
	port          int
}

func (a *app) sshCommand() *cobra.Command {
	var s sshing
	cmd := &cobra.Command{
		Use:   "ssh [MACHINE|UNIT] [COMMAND...]",
		Short: "Log in to a machine, or to the machine of a unit",
		Long: `Log in to a machine, or to the machine that a unit is on, or run a command there. It is your
own ssh program that does it, with its configuration, agent and known hosts; the address is the one that
the machine tells of itself (public_ip). With --tunnel it goes through that host.

MACHINE is an id, or the beginning of one that no other machine has; UNIT is a name. What could
be both is refused: say which with --machine or --unit, and every argument belongs to the command.

As with ssh, options after the command are the command's, its words are joined with spaces for the
shell there, and there is a terminal if stdin is one. The exit code is the command's or the shell's,
and 255 if ssh itself failed. What fails before ssh is run has the codes of fleetctl.`,
		Example: `  fleetctl ssh 1234abcd
  fleetctl ssh web@1.service journalctl -u web@1 -b
  fleetctl ssh --machine 1234abcd -A uptime`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.ssh(cmd, args, &s) },
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the command is the command's
	flags.StringVarP(&s.machine, "machine", "m", "", "log in to this machine")
	flags.StringVarP(&s.unit, "unit", "u", "", "log in to the machine that this unit is on")
	flags.BoolVarP(&s.forwardAgent, "forward-agent", "A", false, "let the machine use your ssh agent")
	registerSSHPort(cmd, &s.port)
	return cmd
}

// registerSSHPort adds the flag of all commands that may log in to a machine.
func registerSSHPort(cmd *cobra.Command, port *int) {
	cmd.Flags().IntVar(port, "ssh-port", 0, "port of the machine's ssh server; 0: as OpenSSH is configured")
}

func checkSSHPort(port int) error {
	if port < 0 || port > 65535 {
		return usage(fmt.Errorf("--ssh-port %d is not a port", port))
	}
	return nil
}

func (a *app) ssh(cmd *cobra.Command, args []string, s *sshing) error {
	flags := cmd.Flags()
	var target string
	if s.machine == "" && s.unit == "" && len(args) > 0 {
		// Options may follow the machine too, as ssh has it.
		target = args[0]
		if err := flags.Parse(args[1:]); err != nil {
			return usage(err)
		}
		args = flags.Args()
		if help, err := flags.GetBool("help"); err == nil && help {
			return cmd.Help()
		}
	}
	switch {
	case s.machine != "" && s.unit != "":
		return usage(errors.New("both machine and unit flags provided, please specify only one"))
	case target != "" && (s.machine != "" || s.unit != ""):
		return usage(fmt.Errorf("%s is given beside --machine or --unit; those come first, so that it can be told from a command", target))
	case target == "" && s.machine == "" && s.unit == "":
		return usage(errors.New("unable to proceed: one machine or unit must be provided"))
	}
	if err := checkSSHPort(s.port); err != nil {
		return err
	}
	m, err := a.sshMachine(cmd.Context(), target, s)
	if err != nil {
		return err
	}
	return a.sshShell(cmd.Context(), m, sshCall{port: s.port, forwardAgent: s.forwardAgent, command: strings.Join(args, " ")})
}

// sshMachine is the machine that is meant.
func (a *app) sshMachine(ctx context.Context, target string, s *sshing) (api.Machine, error) {
	c, err := a.connect()
	if err != nil {
		return api.Machine{}, err
	}
	defer c.Close()
	all, err := a.machines(ctx, c)
	if err != nil {
		return api.Machine{}, err
	}
	switch {
	case s.machine != "":
		return presentMachine(all, s.machine)
	case s.unit != "":
		name, err := parseName(s.unit)
		if err != nil {
			return api.Machine{}, err
		}
		u, err := c.Unit(ctx, name)
		if err != nil {
			return api.Machine{}, getError(name, err)
		}
		return machineOf(all, u)
	}
	m, machineErr := presentMachine(all, target)
	name, err := parseName(target)
	if err != nil {
		return m, machineErr // no unit can have that name
	}
	u, err := c.Unit(ctx, name)
	switch {
	case errors.Is(err, api.ErrNotFound) && isNotFound(machineErr):
		return api.Machine{}, noMachine("unable to proceed: could not find matching unit or machine for %q", target)
	case errors.Is(err, api.ErrNotFound):
		return m, machineErr
	case err != nil:
		return api.Machine{}, getError(name, err)
	case isNotFound(machineErr):
		return machineOf(all, u)
	}
	return api.Machine{}, usage(fmt.Errorf("unable to proceed: ambiguous argument, both machine and unit found for %q; say --machine %[1]s or --unit %[1]s", target))
}

func presentMachine(all []api.Machine, arg string) (api.Machine, error) {
	m, err := findMachine(all, arg)
	if err == nil && !isPresent(all, m.ID) {
		err = noMachine("machine %s is not present", m.ID)
	}
	return m, err
}

func isNotFound(err error) bool {
	var f *fault
	return errors.As(err, &f) && f.code == exitNotFound
}

// machineOf is the machine that a unit is on.
func machineOf(all []api.Machine, u api.Unit) (api.Machine, error) {
	copies := live(u)
	switch {
	case u.Global:
		var where []string
		for _, c := range copies {
			where = append(where, place(c.MachineID, c.Address, false))
		}
		return api.Machine{}, usage(fmt.Errorf("unable to proceed: global units unsupported: %s is on %d machines (%s); name one of them with --machine", u.Name, len(where), strings.Join(where, ", ")))
	case len(copies) == 0:
		return api.Machine{}, onNoMachine(u.Name)
	}
	m := api.Machine{ID: copies[0].MachineID, PrimaryIP: copies[0].Address}
	for _, present := range all {
		if present.ID == m.ID {
			m = present
		}
	}
	return m, nil
}

func onNoMachine(name unit.Name) error {
	return &fault{exitRefused, fmt.Errorf("unit %s is on no machine that is present; fleetctl explain %[1]s says why", name)}
}
