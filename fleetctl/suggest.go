package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// alsoCalled are words for commands that people bring along from systemctl and other tools.
var alsoCalled = map[string][]string{
	"cat":             {"get", "download"},
	"cordon":          {"drain"},
	"destroy":         {"rm", "remove", "delete", "disable", "unmask"},
	"events":          {"watch", "history"},
	"explain":         {"why", "describe"},
	"journal":         {"journalctl", "tail"},
	"list-machines":   {"machines", "nodes", "hosts"},
	"list-unit-files": {"unit-files"},
	"list-units":      {"ls", "ps", "units", "list"},
	"plan":            {"dry-run"},
	"restart":         {"try-restart", "reload", "reload-or-restart", "bounce"},
	"start":           {"run", "launch", "enable", "apply", "up"},
	"status":          {"show", "is-active", "is-failed", "info"},
	"stop":            {"kill", "down"},
	"submit":          {"create", "add", "link", "upload"},
}

// usageHint is where to look after a mistake in the command line: the command that was
// probably meant, or the help of the one that was given.
func usageHint(cmd *cobra.Command, f *fault) string {
	if f.code != exitUsage {
		return ""
	}
	if cmd.HasParent() {
		return fmt.Sprintf("see %s --help", cmd.CommandPath())
	}
	word := unknownCommand(f)
	if word == "" {
		return "see fleetctl help"
	}
	var meant, same []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), word) {
			meant = append(meant, c.Name())
		}
		if slices.Contains(alsoCalled[c.Name()], word) {
			same = append(same, c.Name())
		}
	}
	slices.Sort(meant)
	if len(meant) > 1 {
		return fmt.Sprintf("%q may be %s; give more of it", word, alternatives(meant))
	}
	if meant = same; len(meant) == 0 {
		cmd.SuggestionsMinimumDistance = 2
		meant = cmd.SuggestionsFor(word)
		slices.Sort(meant)
	}
	if len(meant) == 0 {
		return "see fleetctl help, which lists all commands"
	}
	return fmt.Sprintf("did you mean %s? fleetctl help lists all commands", alternatives(meant))
}

// unknownCommand is the word that cobra took for one.
func unknownCommand(f *fault) string {
	rest, found := strings.CutPrefix(f.Error(), `unknown command "`)
	if !found {
		return ""
	}
	word, _, _ := strings.Cut(rest, `"`)
	return word
}

// alternatives are words with "or" before the last.
func alternatives(words []string) string {
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
