package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpCommand is cobra's, but an unknown topic is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Explain fleetctl, one of its commands, or a topic",
		Long:  `Explain fleetctl, one of its commands, or a topic. What is shown is what the manual pages say, too.`,
		Example: `  fleetctl help start
  fleetctl help exit-codes`,
		Annotations: map[string]string{offline: ""},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var topics []string
			for _, topic := range cmd.Root().Commands() {
				if !topic.Hidden && len(args) == 0 {
					topics = append(topics, topic.Name()+"\t"+topic.Short)
				}
			}
			return topics, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage(fmt.Errorf("unknown help topic %q", strings.Join(args, " ")))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// help writes what is known of a command, in the sections that fleet 1 had.
func (a *app) help(cmd *cobra.Command) {
	width, watched := terminalWidth(a.stdout)
	if !watched {
		width = 80
	}
	h := helper{w: a.stdout, width: min(width, 100)}
	switch {
	case !cmd.HasParent():
		h.root(cmd)
	case isTopic(cmd):
		h.section(strings.ToUpper(cmd.Name()))
		h.prose(cmd.Long)
		h.examples(cmd)
	default:
		h.command(cmd)
	}
}

// isTopic tells whether there is only something to read.
func isTopic(cmd *cobra.Command) bool { return !cmd.Runnable() && cmd.HasParent() }

// helper writes help.
type helper struct {
	w     io.Writer
	width int
	begun bool
}

func (h *helper) section(title string) {
	if h.begun {
		fmt.Fprintln(h.w)
	}
	h.begun = true
	fmt.Fprintln(h.w, title)
}

func (h *helper) root(cmd *cobra.Command) {
	h.section("NAME")
	h.line("  fleetctl - %s", lowerFirst(cmd.Short))
	h.section("USAGE")
	h.line("  fleetctl [OPTION...] COMMAND [ARGUMENT...]     (commands may be abbreviated)")
	h.section("VERSION")
	h.line("  %s", cmd.Version)
	h.section("COMMANDS")
	for _, g := range cmd.Groups() {
		h.line("  %s", g.Title)
		for _, c := range commandsOf(cmd, g.ID) {
			h.line("    %-16s %s", c.Name(), c.Short)
		}
	}
	h.section("TOPICS")
	var topics []string
	for _, c := range topicsOf(cmd) {
		topics = append(topics, c.Name())
	}
	h.prose(strings.Join(topics, ", "))
	h.section("EXIT CODES")
	h.prose(exitSummary())
	h.section("GLOBAL OPTIONS")
	h.prose(globalOptions(cmd))
	h.line("")
	h.line(`"fleetctl help COMMAND" explains a command, "fleetctl help TOPIC" a topic.`)
}

func (h *helper) command(cmd *cobra.Command) {
	h.section("NAME")
	h.line("  %s - %s", cmd.CommandPath(), lowerFirst(cmd.Short))
	for _, other := range otherNames(cmd) {
		h.line("  fleetctl %s - another name of it", other)
	}
	h.section("USAGE")
	h.line("  %s", synopsis(cmd))
	h.section("DESCRIPTION")
	h.prose(cmp.Or(cmd.Long, cmd.Short+"."))
	if flags := shownFlags(cmd.LocalNonPersistentFlags()); len(flags) > 0 {
		h.section("OPTIONS")
		h.list(flagTerms(flags))
	}
	h.examples(cmd)
	h.section("GLOBAL OPTIONS")
	h.prose(globalOptions(cmd.Root()))
}

func (h *helper) examples(cmd *cobra.Command) {
	if cmd.Example == "" {
		return
	}
	h.section("EXAMPLES")
	for _, line := range outdent(strings.Split(cmd.Example, "\n")) {
		h.line("  %s", line)
	}
}

func (h *helper) line(format string, args ...any) { fmt.Fprintf(h.w, format+"\n", args...) }

func (h *helper) prose(text string) {
	for i, b := range prose(text) {
		if i > 0 {
			h.line("")
		}
		switch {
		case b.paragraph != "":
			for _, line := range wrap(b.paragraph, h.width-2) {
				h.line("  %s", line)
			}
		case b.list != nil:
			h.list(b.list)
		}
		for _, line := range b.verbatim {
			h.line("    %s", line)
		}
	}
}

// list writes terms with what they mean beside them, or below them if they are long.
func (h *helper) list(terms []definition) {
	const widest = 28
	column := 0
	for _, t := range terms {
		if n := utf8.RuneCountInString(t.name); n <= widest {
			column = max(column, n)
		}
	}
	indent := strings.Repeat(" ", column+6)
	for _, t := range terms {
		head := fmt.Sprintf("    %-*s  ", column, t.name)
		if utf8.RuneCountInString(t.name) > column {
			h.line("    %s", t.name)
			head = indent
		}
		for _, line := range wrap(t.meaning, max(20, h.width-column-6)) {
			h.line("%s%s", head, line)
			head = indent
		}
	}
}

// commandsOf are the commands of a group, in its sequence.
func commandsOf(root *cobra.Command, group string) []*cobra.Command {
	var found []*cobra.Command
	for _, c := range root.Commands() {
		if c.GroupID == group && !c.Hidden {
			found = append(found, c)
		}
	}
	return found
}

func topicsOf(root *cobra.Command) []*cobra.Command {
	var found []*cobra.Command
	for _, c := range root.Commands() {
		if isTopic(c) {
			found = append(found, c)
		}
	}
	return found
}

// otherNames are what a command is called besides, abbreviations excepted.
func otherNames(cmd *cobra.Command) []string {
	return slices.DeleteFunc(slices.Clone(cmd.Aliases), func(alias string) bool {
		return strings.HasPrefix(cmd.Name(), alias)
	})
}

func synopsis(cmd *cobra.Command) string {
	name, arguments, _ := strings.Cut(cmd.Use, " ")
	words := []string{"fleetctl", name}
	if len(shownFlags(cmd.LocalNonPersistentFlags())) > 0 {
		words = append(words, "[OPTION...]")
	}
	if arguments != "" {
		words = append(words, arguments)
	}
	return strings.Join(words, " ")
}

// globalOptions names the options that all commands have.
func globalOptions(root *cobra.Command) string {
	var names []string
	for _, f := range shownFlags(root.PersistentFlags()) {
		names = append(names, "--"+f.Name)
	}
	return strings.Join(names, ", ") + ` (see "fleetctl help options")`
}

// shownFlags are those that are documented: all but hidden ones and --help.
func shownFlags(flags *pflag.FlagSet) []*pflag.Flag {
	var shown []*pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && f.Name != "version" {
			shown = append(shown, f)
		}
	})
	return shown
}

func flagTerms(flags []*pflag.Flag) []definition {
	terms := make([]definition, len(flags))
	for i, f := range flags {
		value, meaning := flagValue(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += "=" + value
		}
		if d := defaultWords(f); d != "" {
			meaning += " (default: " + d + ")"
		}
		terms[i] = definition{name, meaning}
	}
	return terms
}

// flagValue is a word for what a flag takes, empty for a switch, and what the flag does.
func flagValue(f *pflag.Flag) (value, meaning string) {
	value, meaning = pflag.UnquoteUsage(f)
	switch {
	case strings.Contains(f.Usage, "`"):
		return value, meaning
	case f.Annotations[oneOf] != nil && len(f.Annotations[oneOf]) < 4:
		return strings.Join(f.Annotations[oneOf], "|"), meaning
	}
	switch f.Value.Type() {
	case "bool":
		return "", meaning
	case "int":
		return "N", meaning
	case "duration":
		return "TIME", meaning
	}
	return strings.ToUpper(f.Name[strings.LastIndex(f.Name, "-")+1:]), meaning
}

func defaultWords(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "-1", "0s", "[]":
		return ""
	}
	return f.DefValue
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
