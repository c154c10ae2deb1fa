package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// roff is a manual page.
type roff struct{ strings.Builder }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

func newPage(name, section, short string) *roff {
	r := &roff{}
	r.line(`.\" Made from the commands' own texts; do not edit. Make it anew: go test ./fleetctl -run TestManual -update`)
	r.line(`.TH %s %s "" "fleet" "fleet"`, strings.ToUpper(name), section)
	r.line(`.nr HY 0`) // no hyphens that are not in the text
	r.line(`.nh`)
	r.line(`.ad l`)
	r.section("NAME")
	r.line(`%s \- %s`, escape(name), escape(lowerFirst(short)))
	return r
}

func rootPage(root *cobra.Command) string {
	r := newPage("fleetctl", "1", root.Short)
	r.section("SYNOPSIS")
	r.line(`.B fleetctl`)
	r.line(`[\fIOPTION\fR...] \fICOMMAND\fR [\fIARGUMENT\fR...]`)
	r.section("DESCRIPTION")
	r.prose(root.Long)
	r.section("COMMANDS")
	for _, g := range root.Groups() {
		r.line(`.SS %s`, g.Title)
		for _, cmd := range commandsOf(root, g.ID) {
			r.line(`.TP`)
			r.line(`\fBfleetctl\-%s\fR(1)`, escape(cmd.Name()))
			r.line(`%s`, escape(cmd.Short))
		}
	}
	r.section("OPTIONS")
	for _, cmd := range topicsOf(root) {
		if cmd.Name() == "options" {
			r.prose(cmd.Long)
		}
	}
	r.section("EXIT STATUS")
	r.prose(exitText())
	r.section("ENVIRONMENT")
	for _, f := range shownFlags(root.PersistentFlags()) {
		r.line(`.TP`)
		r.line(`\fB%s\fR`, escape(variables(f.Name)[0]))
		r.line(`the same as \fB\-\-%s\fR`, escape(f.Name))
	}
	r.line(`.TP`)
	r.line(`\fBNO_COLOR\fR`)
	r.line(`if it is set, nothing is coloured unless \fB\-\-color=always\fR says so`)
	r.section("FILES")
	r.line(`.TP`)
	r.line(`\fI/var/run/fleet.sock\fR`)
	r.line(`the socket of the fleetd on this host`)
	r.examples(root)
	r.section("SEE ALSO")
	var also []string
	for _, cmd := range topicsOf(root) {
		also = append(also, fmt.Sprintf(`\fBfleetctl\-%s\fR(7)`, escape(cmd.Name())))
	}
	r.line("%s", strings.Join(append(also, `\fBsystemctl\fR(1)`, `\fBsystemd.unit\fR(5)`, `\fBssh\fR(1)`), ", "))
	return r.String()
}

func commandPage(cmd *cobra.Command) string {
	r := newPage("fleetctl-"+cmd.Name(), "1", cmd.Short)
	r.section("SYNOPSIS")
	r.line(`.B fleetctl %s`, escape(cmd.Name()))
	_, rest, _ := strings.Cut(synopsis(cmd), " "+cmd.Name())
	r.line(`%s`, r.inline(strings.TrimSpace(rest)))
	for _, other := range otherNames(cmd) {
		r.line(`.br`)
		r.line(`.B fleetctl %s`, escape(other))
		r.line(`%s`, r.inline(strings.TrimSpace(rest)))
	}
	r.section("DESCRIPTION")
	r.prose(cmd.Long)
	r.section("OPTIONS")
	r.list(flagTerms(shownFlags(cmd.LocalNonPersistentFlags())))
	r.line(`.PP`)
	r.line(`The options of all commands are in \fBfleetctl\fR(1).`)
	r.section("EXIT STATUS")
	r.line(`0 on success, else a code that says what was in the way: see \fBfleetctl\-exit\-codes\fR(7).`)
	r.section("ENVIRONMENT")
	r.line(`The options of all commands have variables, such as \fBFLEETCTL_ENDPOINT\fR: see \fBfleetctl\fR(1).`)
	r.examples(cmd)
	r.section("SEE ALSO")
	r.line(`\fBfleetctl\fR(1), \fBfleetctl\-units\fR(7), \fBfleetctl\-waiting\fR(7), \fBfleetctl\-exit\-codes\fR(7), \fBfleetctl\-output\fR(7)`)
	return r.String()
}

func topicPage(cmd *cobra.Command) string {
	r := newPage("fleetctl-"+cmd.Name(), "7", cmd.Short)
	r.section("DESCRIPTION")
	r.prose(cmd.Long)
	r.examples(cmd)
	r.section("SEE ALSO")
	r.line(`\fBfleetctl\fR(1)`)
	return r.String()
}

func (r *roff) section(title string) { r.line(".SH %s", title) }

func (r *roff) examples(cmd *cobra.Command) {
	if cmd.Example == "" {
		return
	}
	r.section("EXAMPLES")
	r.verbatim(outdent(strings.Split(cmd.Example, "\n")))
}

func (r *roff) prose(text string) {
	for i, b := range prose(text) {
		switch {
		case b.paragraph != "":
			if i > 0 {
				r.line(".PP")
			}
			r.line("%s", r.inline(b.paragraph))
		case b.list != nil:
			r.list(b.list)
		default:
			r.verbatim(b.verbatim)
		}
	}
}

func (r *roff) list(all []definition) {
	for _, d := range all {
		r.line(".TP")
		r.line(`\fB%s\fR`, r.term(d.name))
		r.line("%s", r.inline(d.meaning))
	}
}

// term sets the value of an option apart from the option.
func (r *roff) term(name string) string {
	flag, value, has := strings.Cut(name, "=")
	if !has || !strings.HasPrefix(name, "-") {
		return escape(name)
	}
	return escape(flag) + `\fR=\fI` + escape(value)
}

func (r *roff) verbatim(lines []string) {
	r.line(".PP")
	r.line(".RS 4")
	r.line(".EX")
	for _, line := range lines {
		r.line("%s", escape(line))
	}
	r.line(".EE")
	r.line(".RE")
}

func (r *roff) inline(text string) string {
	var b strings.Builder
	for _, s := range pieces(text) {
		switch s.kind {
		case ordinaryText:
			b.WriteString(escape(s.text))
		case metaText:
			b.WriteString(`\fI` + escape(s.text) + `\fR`)
		default:
			b.WriteString(`\fB` + escape(s.text) + `\fR`)
		}
	}
	return guard(b.String())
}

// escape makes text of what is not roff: a dash is one that can be copied, and a dot or quote at the
// beginning of a line no request. Characters beyond ASCII are named, for not every roff reads UTF-8.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
	var b strings.Builder
	for i, c := range text {
		switch {
		case c > '~':
			fmt.Fprintf(&b, `\[u%04X]`, c)
		case c == ',' && i+1 < len(text) && text[i+1] != ' ':
			b.WriteString(`,\:`) // a line may end here
		default:
			b.WriteRune(c)
		}
	}
	return guard(b.String())
}

func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
