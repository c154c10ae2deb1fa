package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/spf13/cobra"

	"fleet/cluster"
)

// app is one run of fleetctl: where it writes, and the settings that all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	editing        atomic.Bool // an interrupt is the editor's, which shares the terminal

	endpoint                  string // the one in use
	endpoints                 string // all that were given, once one of them was chosen
	caFile, certFile, keyFile string
	requestTimeout            seconds
	debug                     bool
	driver                    string
	openSSH                   openSSH
	output                    output
	color                     string // auto, always or never
}

// run carries out one command line.
func (a *app) run(ctx context.Context, args []string) exitCode {
	out := &outlet{to: a.stdout}
	a.stdout = out
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var f *fault
	switch {
	case errors.As(err, &f):
	case out.failed != nil:
		f = faultOf(written(out.failed))
	case err == nil:
		return exitOK
	default:
		f = &fault{exitUsage, err} // commands return faults only; the rest is cobra's, about the command line
	}
	if f.err == nil {
		return f.code
	}
	if f.code == exitUnreachable && ctx.Err() != nil {
		f = &fault{exitTimeout, errors.New("interrupted")}
	}
	fmt.Fprintln(a.stderr, a.paint(a.stderr, red, "Error:"), plainly(f.err))
	if h := cmp.Or(hint(f), usageHint(cmd, f)); h != "" {
		a.hint("%s", h)
	}
	return f.code
}

func (a *app) root() *cobra.Command {
	// Fleet 1 accepted abbreviated commands; cobra has only this switch for it.
	cobra.EnablePrefixMatching = true
	cobra.EnableCommandSorting = false // the groups have a sequence
	root := &cobra.Command{
		Use:           "fleetctl",
		Short:         "Control the units of a cluster of systemd hosts",
		Long:          rootText,
		Example:       rootExample,
		Version:       cluster.Version,
		SilenceErrors: true,
		SilenceUsage:  true,

		DisableSuggestions: true, // usageHint makes them
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if completing(cmd) {
				return nil // only when it turns out that the cluster has to be asked
			}
			if err := a.prepare(cmd); err != nil {
				return err
			}
			if _, none := cmd.Annotations[offline]; none {
				return nil
			}
			_, store := cmd.Annotations[aboutStore]
			if store && a.severalEndpoints(args) {
				return usage(errors.New("several endpoints: name the one fleetd whose member is to go on"))
			}
			return a.chooseEndpoint(cmd.Context(), store)
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("fleetctl version {{.Version}}\n")
	a.registerSettings(root.PersistentFlags())
	for _, g := range a.groups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, cmd := range g.commands {
			cmd.GroupID = g.id
			root.AddCommand(cmd)
			if cmd.Name() == "help" {
				root.SetHelpCommand(cmd)
			}
		}
	}
	root.AddCommand(topics(root)...)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.help(cmd) })
	keepAbbreviations(root)
	root.SetGlobalNormalizationFunc(flagName)
	a.completeEverything(root)
	for _, cmd := range append(root.Commands(), root) {
		if !cmd.Runnable() && cmd.HasSubCommands() {
			cmd.RunE = showHelp // only then does cobra refuse arguments that are no subcommand
		}
	}
	return root
}

// say tells of something that happened. With structured output it goes to stderr, as stdout is the entities' alone.
func (a *app) say(format string, args ...any) {
	w := a.stdout
	if a.structured() {
		w = a.stderr
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// hint tells what a person may do about what went wrong.
func (a *app) hint(format string, args ...any) {
	fmt.Fprintf(a.stderr, a.paint(a.stderr, yellow, "Hint:")+" "+format+"\n", args...)
}

// complain tells of something that went wrong or is doubtful.
func (a *app) complain(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
