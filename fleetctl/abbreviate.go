package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// fleet1Commands are the commands of fleet 1.0.
var fleet1Commands = []string{
	"cat", "destroy", "fd-forward", "help", "journal", "list-machines", "list-unit-files", "list-units",
	"load", "restart", "ssh", "start", "status", "stop", "submit", "unload", "verify", "version",
}

// keepAbbreviations makes what was short for one command of fleet 1 stay short for it, whatever other
// commands there are now. Everything else may be abbreviated as long as it stays unambiguous.
func keepAbbreviations(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if !slices.Contains(fleet1Commands, cmd.Name()) {
			continue
		}
		for n := 1; n < len(cmd.Name()); n++ {
			if short := cmd.Name()[:n]; meantInFleet1(short) == 1 && !isCommand(root, short) {
				cmd.Aliases = append(cmd.Aliases, short)
			}
		}
	}
}

func meantInFleet1(short string) int {
	n := 0
	for _, name := range fleet1Commands {
		if strings.HasPrefix(name, short) {
			n++
		}
	}
	return n
}

func isCommand(root *cobra.Command, name string) bool {
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
}
