package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fleet/cluster"
)

// app is one run of fleetctl: where it writes, and the settings that all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string

	endpoint                  string
	caFile, certFile, keyFile string
	requestTimeout            seconds
	output                    output
	color                     string // auto, always or never
}

// run carries out one command line.
func (a *app) run(ctx context.Context, args []string) exitCode {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{exitUsage, err} // commands return faults only; the rest is cobra's, about the command line
	}
	if f.err == nil {
		return f.code
	}
	if f.code == exitUnreachable && ctx.Err() != nil {
		f = &fault{exitTimeout, errors.New("interrupted")}
	}
	fmt.Fprintln(a.stderr, "Error:", f.err)
	if h := hint(f); h != "" {
		fmt.Fprintln(a.stderr, "Hint:", h)
	}
	if f.code == exitUsage {
		fmt.Fprintln(a.stderr, "Hint: see fleetctl help")
	}
	return f.code
}

func (a *app) root() *cobra.Command {
	// Fleet 1 accepted abbreviated commands; cobra has only this switch for it.
	cobra.EnablePrefixMatching = true
	root := &cobra.Command{
		Use:           "fleetctl",
		Short:         "fleetctl controls the units of a cluster of systemd hosts",
		Long:          "fleetctl controls the units of a cluster of systemd hosts. Commands may be abbreviated.\n\n" + exitHelp,
		Version:       cluster.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.readEnvironment(cmd.Root().PersistentFlags())
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetHelpCommand(helpCommand())
	root.SetVersionTemplate("fleetctl version {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.endpoint, "endpoint", "unix:///var/run/fleet.sock", "address of fleetd's API: unix:///path, http://host:port or https://host:port")
	flags.StringVar(&a.caFile, "ca-file", "", "certificate authority that signed the server's certificate, instead of the system's")
	flags.StringVar(&a.certFile, "cert-file", "", "client certificate")
	flags.StringVar(&a.keyFile, "key-file", "", "private key of the client certificate")
	a.requestTimeout = seconds(defaultRequestTimeout)
	flags.Var(&a.requestTimeout, "request-timeout", "how long one request may take, in seconds or as a duration such as 1m30s")
	a.output = output{form: formTable, text: string(formTable)}
	flags.VarP(&a.output, "output", "o", outputUsage)
	flags.StringVar(&a.color, "color", "auto", "auto, always or never; auto is colour on a terminal, unless NO_COLOR is set")
	root.AddCommand(
		a.submitCommand(), a.loadCommand(), a.startCommand(),
		a.stopCommand(), a.unloadCommand(), a.destroyCommand(), a.restartCommand(),
		a.moveCommand(), a.rebalanceCommand(),
		a.catCommand(), a.statusCommand(), a.explainCommand(), a.planCommand(),
		a.listUnitsCommand(), a.listUnitFilesCommand(), a.listMachinesCommand(),
		a.cordonCommand(), a.uncordonCommand(),
		a.versionCommand(), outputTopic(),
	)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if !cmd.Runnable() && cmd.HasSubCommands() {
			cmd.RunE = showHelp // only then does cobra refuse arguments that are no subcommand
		}
	}
	return root
}

// readEnvironment gives each global flag that is not on the command line the value of its variable.
func (a *app) readEnvironment(flags *pflag.FlagSet) error {
	// These would have sent fleet 1's requests to another cluster than the one this would reach.
	if a.getenv("FLEETCTL_TUNNEL") != "" {
		return usage(errors.New("FLEETCTL_TUNNEL is set, but tunnels are not supported; name the endpoint with FLEETCTL_ENDPOINT"))
	}
	if driver := a.getenv("FLEETCTL_DRIVER"); driver != "" && !strings.EqualFold(driver, "API") {
		return usage(fmt.Errorf("FLEETCTL_DRIVER is %s, but only the API driver exists; name the endpoint with FLEETCTL_ENDPOINT", driver))
	}
	var mistakes []error
	flags.VisitAll(func(f *pflag.Flag) {
		variable := "FLEETCTL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := a.getenv(variable)
		if f.Changed || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			mistakes = append(mistakes, fmt.Errorf("environment variable %s: %w", variable, err))
		}
	})
	if len(mistakes) > 0 {
		return usage(errors.Join(mistakes...))
	}
	if a.requestTimeout == 0 {
		return usage(errors.New("--request-timeout must be more than zero"))
	}
	if a.color != "auto" && a.color != "always" && a.color != "never" {
		return usage(fmt.Errorf("color %q: expect auto, always or never", a.color))
	}
	return nil
}

// say tells of something that happened. With structured output it goes to stderr, as stdout is the entities' alone.
func (a *app) say(format string, args ...any) {
	w := a.stdout
	if a.structured() {
		w = a.stderr
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// complain tells of something that went wrong or is doubtful.
func (a *app) complain(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
