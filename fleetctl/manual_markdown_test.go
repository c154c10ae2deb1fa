package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// markdownManual is docs/fleetctl.md.
func markdownManual(root *cobra.Command) string {
	m := &markdown{}
	m.line("<!-- Made from the commands' own texts; do not edit. Make it anew: go test ./fleetctl -run TestManual -update -->")
	m.line("# fleetctl")
	m.line("")
	m.prose(root.Long)
	m.code("", outdent(strings.Split(root.Example, "\n")))
	m.line("Everything here is also in `fleetctl help`, and in manual pages: `man fleetctl`, `man fleetctl-start`.")
	m.line("")
	m.line("What goes into unit files is in [unit-files.md](unit-files.md), the API that fleetctl uses in [api.md](api.md).")
	m.line("")
	m.line("## Commands")
	m.line("")
	for _, g := range root.Groups() {
		m.line("| %s | |", g.Title)
		m.line("|---|---|")
		for _, cmd := range commandsOf(root, g.ID) {
			m.line("| [`%s`](#%s) | %s |", cmd.Name(), anchor(commandTitle(cmd)), m.inline(cmd.Short))
		}
		m.line("")
	}
	for _, cmd := range topicsOf(root) {
		m.line("* [%s](#%s)", cmd.Short, anchor(cmd.Short))
	}
	m.line("")
	for _, cmd := range topicsOf(root) {
		m.line("## %s", cmd.Short)
		m.line("")
		m.prose(cmd.Long)
		m.examples(cmd)
	}
	for _, g := range root.Groups() {
		for _, cmd := range commandsOf(root, g.ID) {
			m.command(cmd)
		}
	}
	return strings.TrimRight(m.String(), "\n") + "\n"
}

func commandTitle(cmd *cobra.Command) string { return "fleetctl " + cmd.Name() }

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

type markdown struct{ strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *markdown) command(cmd *cobra.Command) {
	m.line("## %s", commandTitle(cmd))
	m.line("")
	m.code("", []string{synopsis(cmd)})
	m.prose(cmd.Long)
	for _, other := range otherNames(cmd) {
		m.line("`fleetctl %s` is another name of it.", other)
		m.line("")
	}
	if flags := shownFlags(cmd.LocalNonPersistentFlags()); len(flags) > 0 {
		m.list("option", flagTerms(flags))
	}
	m.examples(cmd)
}

func (m *markdown) examples(cmd *cobra.Command) {
	if cmd.Example != "" {
		m.code("", outdent(strings.Split(cmd.Example, "\n")))
	}
}

func (m *markdown) prose(text string) {
	for _, b := range prose(text) {
		switch {
		case b.paragraph != "":
			m.line("%s", strings.Join(wrap(m.inline(b.paragraph), 140), "\n"))
			m.line("")
		case b.list != nil:
			m.list("", b.list)
		default:
			m.code("", b.verbatim)
		}
	}
}

func (m *markdown) list(title string, all []definition) {
	m.line("|%s | |", strings.TrimRight(" "+title, " "))
	m.line("|---|---|")
	for _, d := range all {
		m.line("| `%s` | %s |", strings.ReplaceAll(d.name, "|", `\|`), strings.ReplaceAll(m.inline(d.meaning), "|", `\|`))
	}
	m.line("")
}

func (m *markdown) code(language string, lines []string) {
	m.line("```%s\n%s\n```", language, strings.Join(lines, "\n"))
	m.line("")
}

// inline sets code as such, and nothing else as anything.
func (m *markdown) inline(text string) string {
	var b strings.Builder
	for _, s := range pieces(text) {
		switch {
		case s.kind == ordinaryText:
			b.WriteString(regexp.MustCompile("[\\\\*_<>\\[\\]`]").ReplaceAllString(s.text, `\$0`))
		case s.kind == metaText:
			b.WriteString(s.text)
		default:
			b.WriteString("`" + s.text + "`")
		}
	}
	return b.String()
}

// pieceKind tells what a part of a line is.
type pieceKind int

const (
	ordinaryText pieceKind = iota
	commandText            // "fleetctl …" in quotes
	optionText             // --name, -x
	metaText               // UNIT, MACHINE
)

type piece struct {
	kind pieceKind
	text string
}

// marked finds what is not plain. A word in capitals is a metaText unless it is one of the few that are names.
var (
	marked = regexp.MustCompile(`"(fleetctl [^"]*)"|(--[A-Za-z](?:[a-z-]*[a-z])?(?:=[^\s,;.:)"']+)?|\B-[A-Za-z]\b|\b[A-Z]+_[A-Z_]*)|\b([A-Z]{3,})\b`)
	proper = regexp.MustCompile(`^(API|CPU|CPUs|DNS|GPU|HTTP|HTTPS|JSON|TLS|SSH|TCP|URL|RFC|YAML|TAB|TABs|FLEETCTL|NDJSON)$`)
)

func pieces(text string) []piece {
	var all []piece
	for text != "" {
		at := marked.FindStringSubmatchIndex(text)
		if at == nil {
			return append(all, piece{ordinaryText, text})
		}
		if at[0] > 0 {
			all = append(all, piece{ordinaryText, text[:at[0]]})
		}
		switch {
		case at[2] >= 0:
			all = append(all, piece{commandText, text[at[2]:at[3]]})
		case at[4] >= 0:
			all = append(all, piece{optionText, text[at[4]:at[5]]})
		case proper.MatchString(text[at[6]:at[7]]):
			all = append(all, piece{ordinaryText, text[at[6]:at[7]]})
		default:
			all = append(all, piece{metaText, text[at[6]:at[7]]})
		}
		text = text[at[1]:]
	}
	return all
}
