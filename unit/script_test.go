package unit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the scripts of testdata/scripts; "go test -rewrite" makes
// what they expect what the code does.
//
//	parse [escaped]     a file; prints every assignment: its line, what systemd reads, and what fleet 1 reads if that differs
//	values key=K...     the values of [Unit] K in the file parsed last
//	rules unit=N        the rules of a file for unit N
//	machine k=v...      which requirements of the last rules a machine lacks
//	glob pattern=G      which of the names, one a line, the pattern matches
//	options [escaped]   a file out of options, one "Section Name=Value" a line
//
// In an escaped text "\n", "\xff" and the like are what they are in Go, and
// lines end only where "\n" says so.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := script{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := s.run(d)
			if out != "" && !strings.HasSuffix(out, "\n") {
				out += "\n"
			}
			return out
		})
	})
}

type script struct {
	t     *testing.T
	file  *File
	rules Rules
}

func (s *script) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "parse":
		return s.parse(d)
	case "values":
		var key string
		d.ScanArgs(s.t, "key", &key)
		return fmt.Sprintf("%q\n", s.file.Values("Unit", key))
	case "rules":
		return s.readRules(d)
	case "machine":
		return s.machine(d)
	case "glob":
		var g Glob
		d.ScanArgs(s.t, "pattern", (*string)(&g))
		var matched []string
		for name := range strings.Lines(d.Input) {
			if name = strings.TrimSpace(name); g.Match(Name(name)) {
				matched = append(matched, name)
			}
		}
		return strings.Join(matched, "\n")
	case "options":
		return s.fromOptions(d)
	}
	d.Fatalf(s.t, "unknown command %q", d.Cmd)
	return ""
}

func (s *script) text(d *datadriven.TestData) string {
	if !d.HasArg("escaped") {
		return d.Input + "\n"
	}
	return s.unescape(strings.ReplaceAll(d.Input, "\n", ""))
}

func (s *script) unescape(text string) string {
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		s.t.Fatalf("escaped text: %v", err)
	}
	return text
}

func (s *script) parse(d *datadriven.TestData) string {
	f, err := Parse([]byte(s.text(d)))
	if err != nil {
		return err.Error()
	}
	s.file = f
	var b strings.Builder
	for i, o := range f.Options() {
		a := f.assignments[i]
		fmt.Fprintf(&b, "%d [%s] %s: ", a.line, o.Section, o.Name)
		if a.ignored {
			b.WriteString("ignored by systemd")
		} else {
			fmt.Fprintf(&b, "%q", a.value)
		}
		if o.Value != a.value {
			fmt.Fprintf(&b, " v1 %q", o.Value)
		}
		b.WriteByte('\n')
	}
	if f.HasInstall() {
		b.WriteString("can be installed\n")
	}
	return b.String()
}

func (s *script) readRules(d *datadriven.TestData) string {
	var name string
	d.ScanArgs(s.t, "unit", &name)
	n, err := ParseName(name)
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	f, err := Parse([]byte(s.text(d)))
	if err != nil {
		return err.Error()
	}
	if s.rules, err = f.Rules(n); err != nil {
		return err.Error()
	}
	return show(s.rules)
}

func show(r Rules) string {
	var b strings.Builder
	if r.MachineID != "" {
		fmt.Fprintf(&b, "machine %s\n", r.MachineID)
	}
	for _, n := range r.MachineOf {
		fmt.Fprintf(&b, "with %s\n", n)
	}
	for _, m := range r.Metadata {
		fmt.Fprintf(&b, "needs %s\n", m)
	}
	for _, g := range r.Conflicts {
		fmt.Fprintf(&b, "not with %s\n", g)
	}
	for _, g := range r.Replaces {
		fmt.Fprintf(&b, "instead of %s\n", g)
	}
	if r.Global {
		b.WriteString("everywhere\n")
	}
	showNeeds(&b, r.Needs)
	showPreferences(&b, r)
	if b.Len() == 0 {
		return "no rules\n"
	}
	return b.String()
}

func showNeeds(b *strings.Builder, n Needs) {
	amounts := maps.Clone(n.Named)
	if amounts == nil {
		amounts = map[string]int64{}
	}
	amounts[Memory], amounts[CPU], amounts[Disk] = n.Memory, n.CPU, n.Disk
	for _, resource := range slices.Sorted(maps.Keys(amounts)) {
		if amount := amounts[resource]; amount != 0 {
			fmt.Fprintf(b, "reserves %s of %s\n", FormatAmount(resource, amount), resource)
		}
	}
	if n.MemoryShare != 0 {
		fmt.Fprintf(b, "reserves %d/10000 of all memory\n", n.MemoryShare)
	}
}

func showPreferences(b *strings.Builder, r Rules) {
	for _, p := range r.Prefer {
		fmt.Fprintf(b, "prefers %s by %d\n", p, p.Weight)
	}
	for _, s := range r.Spread {
		fmt.Fprintf(b, "spread over %s, skew %d", s.Key, s.MaxSkew)
		if s.Required {
			b.WriteString(", required")
		}
		b.WriteByte('\n')
	}
	if r.Strategy != "" {
		fmt.Fprintf(b, "strategy %s\n", r.Strategy)
	}
	if r.Priority != 0 {
		fmt.Fprintf(b, "priority %d\n", r.Priority)
	}
	for _, flag := range []struct {
		set  bool
		says string
	}{{r.Kept, "never displaced"}, {r.Fixed, "never moved"}, {r.Reschedule, "tried elsewhere when it fails"}, {r.AtMostOnce, "never on two machines at a time"}, {r.Freeze, "frozen by its fence"}} {
		if flag.set {
			b.WriteString(flag.says + "\n")
		}
	}
	if r.OnLost != "" {
		fmt.Fprintf(b, "on lost %s\n", r.OnLost)
	}
	if r.ReplaceAfter != nil {
		fmt.Fprintf(b, "replaced after %s\n", *r.ReplaceAfter)
	}
	if r.HandOver != "" {
		fmt.Fprintf(b, "hand over %s\n", r.HandOver)
	}
	if r.MaxUnavailable != (Share{}) {
		fmt.Fprintf(b, "unavailable of ten at most %d\n", r.MaxUnavailable.Of(10))
	}
}

func (s *script) machine(d *datadriven.TestData) string {
	metadata := map[string]string{}
	for _, arg := range d.CmdArgs {
		metadata[arg.Key] = strings.Join(arg.Vals, ",")
	}
	var lacks []string
	for _, r := range s.rules.Metadata {
		if !r.Match(metadata) {
			lacks = append(lacks, "lacks "+r.String())
		}
	}
	if lacks == nil {
		return "fits"
	}
	return strings.Join(lacks, "\n")
}

func (s *script) fromOptions(d *datadriven.TestData) string {
	var options []Option
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		if d.HasArg("escaped") {
			line = s.unescape(line)
		}
		section, assignment, _ := strings.Cut(line, " ")
		name, value, _ := strings.Cut(assignment, "=")
		options = append(options, Option{section, name, value})
	}
	f, err := FromOptions(options)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for line := range strings.Lines(string(f.Bytes())) {
		fmt.Fprintf(&b, "| %s\n", strings.TrimSuffix(line, "\n"))
	}
	return b.String()
}
