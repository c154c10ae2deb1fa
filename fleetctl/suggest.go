package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// alsoCalled are words for commands that people bring along from systemctl and other tools.
var alsoCalled = map[string][]string{
	"cat":             {"get", "download"},
	"alarms":          {"alerts"},
	"label":           {"annotate", "set-metadata"},
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
	if h := flagHint(cmd, f); h != "" {
		return h
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
		cmd.SuggestionsMinimumDistance = min(2, len(word)/2) // of a short word nearly everything would be near
		meant = cmd.SuggestionsFor(word)
		slices.Sort(meant)
	}
	if len(meant) == 0 {
		return "see fleetctl help, which lists all commands"
	}
	return fmt.Sprintf("did you mean %s? fleetctl help lists all commands", alternatives(meant))
}

// otherwise is what there is for options that people bring along from systemctl and journalctl.
var otherwise = map[string]string{
	"a": "nothing is left out that is not asked to be; leave -a out", "all": "nothing is left out that is not asked to be; leave --all out",
	"failed": "write --state failed", "H": "write --endpoint or --tunnel", "host": "write --endpoint or --tunnel",
	"no-pager": "there is no pager; leave --no-pager out", "now": "start and stop act at once; leave --now out",
	"q": "send the output to /dev/null: the exit code tells the result", "quiet": "send the output to /dev/null: the exit code tells the result",
	"t": "write a pattern, such as '*.timer'", "type": "write a pattern, such as '*.timer'",
	"u": "name the unit without -u", "unit": "name the unit without --unit",
}

// flagHint is what to write in the place of an option that there is not, or not there.
func flagHint(cmd *cobra.Command, f *fault) string {
	var none *pflag.NotExistError
	if !errors.As(f, &none) {
		return ""
	}
	name := none.GetSpecifiedName()
	takes := func(c *cobra.Command) bool { return c.Flags().Lookup(name) != nil }
	if !cmd.HasParent() && slices.ContainsFunc(cmd.Commands(), takes) {
		return fmt.Sprintf("--%s is an option of commands; write it after the command", name)
	}
	if instead, known := otherwise[name]; known {
		return instead
	}
	if meant := nearestFlags(cmd, name); len(meant) > 0 {
		return fmt.Sprintf("did you mean %s? See %s --help", alternatives(meant), cmd.CommandPath())
	}
	return ""
}

// nearestFlags are the options of a command that are misspelt as name, if any may be.
func nearestFlags(cmd *cobra.Command, name string) []string {
	nearest := min(2, len(name)/3) + 1 // of a short word nearly everything would be near
	var meant []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		distance := editDistance(name, f.Name)
		if f.Hidden || distance > nearest || distance == nearest && meant == nil {
			return
		}
		if distance < nearest {
			nearest, meant = distance, nil
		}
		meant = append(meant, "--"+f.Name)
	})
	return meant
}

// editDistance is how many letters have to be inserted, left out, changed, or swapped with the next one to make one word of
// another (the optimal string alignment distance).
func editDistance(from, to string) int {
	distance := make([][]int, len(from)+1)
	for i := range distance {
		distance[i] = make([]int, len(to)+1)
		for j := range distance[i] {
			switch {
			case i == 0 || j == 0:
				distance[i][j] = i + j
				continue
			case from[i-1] == to[j-1]:
				distance[i][j] = distance[i-1][j-1]
			default:
				distance[i][j] = 1 + min(distance[i-1][j-1], distance[i-1][j], distance[i][j-1])
			}
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				distance[i][j] = min(distance[i][j], distance[i-2][j-2]+1)
			}
		}
	}
	return distance[len(from)][len(to)]
}

// plainly says what is expected in the place of what Go's parsers say.
func plainly(err error) error {
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err
	}
	expected := "expect a whole number"
	if number.Func == "ParseBool" {
		expected = "expect true or false"
	}
	return errors.New(strings.Replace(err.Error(), number.Error(), expected, 1))
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
