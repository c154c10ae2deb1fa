package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fleet/api"
	"fleet/unit"
)

// completionPatience is how long a person who has pressed TAB waits for the cluster.
const completionPatience = 2 * time.Second

// completeEverything makes shells complete arguments and flag values of all commands. What an
// argument is, its word in the command's Use line says: UNIT, MACHINE, FILE, DIR, or one of several,
// as UNIT|FILE; what a flag takes, its name or values do.
func (a *app) completeEverything(root *cobra.Command) {
	a.completeFlags(root, root.PersistentFlags())
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
			cmd.ValidArgsFunction = a.completeArguments
		}
		a.completeFlags(cmd, cmd.Flags())
	}
}

// argumentKinds are what the argument at a position may be.
func argumentKinds(use string, position int) []string {
	words := strings.Fields(use)[1:]
	if len(words) == 0 {
		return nil
	}
	last := words[len(words)-1]
	switch {
	case position < len(words):
		last = words[position]
	case !strings.Contains(last, "..."):
		return nil
	}
	return strings.Split(strings.Trim(strings.ReplaceAll(last, "...", ""), "[]"), "|")
}

func (a *app) completeArguments(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var all []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, kind := range argumentKinds(cmd.Use, len(args)) {
		switch kind {
		case "UNIT":
			all = append(all, a.completeFrom(cmd, begun, unitNames)...)
		case "MACHINE":
			all = append(all, a.completeFrom(cmd, begun, machineNames)...)
		case "DIR":
			directive = cobra.ShellCompDirectiveFilterDirs
		case "FILE", "SOCKET", "COMMAND":
			directive = cobra.ShellCompDirectiveDefault
		}
	}
	return slices.DeleteFunc(all, func(s string) bool {
		name, _, _ := strings.Cut(s, "\t")
		return slices.Contains(args, name)
	}), directive
}

// nameSource lists names that begin with what is there, each with a TAB and a description.
type nameSource func(ctx context.Context, c *api.Client, begun string) ([]string, error)

// completing tells whether cmd is what a shell runs that wants to complete a line.
func completing(cmd *cobra.Command) bool {
	return cmd.Name() == cobra.ShellCompRequestCmd || cmd.Name() == cobra.ShellCompNoDescRequestCmd
}

// completeFrom asks the cluster. Somebody who presses TAB wants no errors, and is not asked for passwords.
func (a *app) completeFrom(cmd *cobra.Command, begun string, names nameSource) []string {
	stderr := a.stderr
	a.stderr, a.openSSH.batch = io.Discard, true
	defer func() { a.stderr = stderr }()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	if a.prepare(cmd) != nil || a.chooseEndpoint(ctx, false) != nil {
		return nil
	}
	c, err := a.connect()
	if err != nil {
		return nil
	}
	defer c.Close()
	all, err := names(ctx, c, begun)
	if err != nil {
		return nil
	}
	return all
}

func unitNames(ctx context.Context, c *api.Client, begun string) ([]string, error) {
	if isGlob(begun) {
		return nil, nil // whoever writes a pattern wants no names in its place
	}
	units, err := c.UnitsWith(ctx, api.ListOptions{
		Globs:  []unit.Glob{unit.Glob(begun + "*")},
		Fields: []string{"name", "desiredState", "machineID", "global"},
	})
	var all []string
	for _, u := range units {
		if !strings.HasPrefix(string(u.Name), begun) {
			continue // a fleetd that knows no filters
		}
		where := ""
		switch {
		case u.Global:
			where = ", global"
		case u.MachineID != "":
			where = " on " + place(u.MachineID, "", false)
		}
		all = append(all, fmt.Sprintf("%s\t%s%s", u.Name, u.DesiredState, where))
	}
	return all, err
}

func machineNames(ctx context.Context, c *api.Client, begun string) ([]string, error) {
	machines, err := c.MachinesWith(ctx, api.ListOptions{Fields: []string{"id", "primaryIP", "metadata"}})
	var all []string
	for _, m := range machines {
		if strings.HasPrefix(string(m.ID), begun) {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s\t%s %s", m.ID, m.PrimaryIP, metadataWords(m))))
		}
	}
	return all, err
}

// values says which values a flag of a command can have, for completion.
func values(flags *pflag.FlagSet, flag string, all ...string) { annotate(flags, flag, oneOf, all) }

// listOf says of which values a flag takes a list with commas.
func listOf(flags *pflag.FlagSet, flag string, all ...string) { annotate(flags, flag, manyOf, all) }

// Annotations of flags.
const (
	oneOf  = "one of"
	manyOf = "many of"
)

func annotate(flags *pflag.FlagSet, flag, key string, all []string) {
	if err := flags.SetAnnotation(flag, key, all); err != nil {
		panic(err) // the flag does not exist: a mistake in the program
	}
}

func (a *app) completeFlags(cmd *cobra.Command, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		complete := a.flagValues(f)
		if complete == nil || f.Hidden {
			return
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // it is registered twice: a mistake in the program
		}
	})
}

func (a *app) flagValues(f *pflag.Flag) cobra.CompletionFunc {
	switch one, many := f.Annotations[oneOf], f.Annotations[manyOf]; {
	case one != nil:
		return cobra.FixedCompletions(one, cobra.ShellCompDirectiveNoFileComp)
	case many != nil:
		return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return withCommas(many, begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
	}
	switch f.Name {
	case "machine":
		return a.completeWith(machineNames)
	case "unit":
		return a.completeWith(unitNames)
	}
	if strings.HasSuffix(f.Name, "file") || f.Value.Type() == "bool" {
		return nil // the shell knows
	}
	return cobra.NoFileCompletions
}

func (a *app) completeWith(names nameSource) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return a.completeFrom(cmd, begun, names), cobra.ShellCompDirectiveNoFileComp
	}
}

// withCommas are the lists that continue what is there by one value that it does not have yet.
func withCommas(all []string, begun string) []string {
	done, last := "", begun
	if i := strings.LastIndex(begun, ","); i >= 0 {
		done, last = begun[:i+1], begun[i+1:]
	}
	var lists []string
	for _, v := range all {
		if strings.HasPrefix(v, last) && !slices.Contains(strings.Split(done, ","), v) {
			lists = append(lists, done+v)
		}
	}
	return lists
}
