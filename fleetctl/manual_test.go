package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/fleetctl.md and docs/man anew, from the commands")

// manualOf are docs/fleetctl.md and the manual pages, by their paths in docs. They are made from the
// commands' own texts, and say nothing that changes from day to day.
func manualOf(root *cobra.Command) map[string]string {
	files := map[string]string{
		"fleetctl.md":    markdownManual(root),
		"man/fleetctl.1": rootPage(root),
	}
	for _, cmd := range root.Commands() {
		switch {
		case isTopic(cmd):
			files["man/fleetctl-"+cmd.Name()+".7"] = topicPage(cmd)
		case !cmd.Hidden:
			files["man/fleetctl-"+cmd.Name()+".1"] = commandPage(cmd)
		}
	}
	return files
}

func quietRoot() *cobra.Command {
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	return a.root()
}

// TestManual holds docs/fleetctl.md and docs/man to what the commands say of themselves.
func TestManual(t *testing.T) {
	docs := filepath.Join("..", "docs")
	want := manualOf(quietRoot())
	pages, err := filepath.Glob(filepath.Join(docs, "man", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		name := "man/" + filepath.Base(path)
		if _, known := want[name]; known {
			continue
		}
		if !*update {
			t.Errorf("docs/%s is of no command; remove it with: go test ./fleetctl -run TestManual -update", name)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range want {
		path := filepath.Join(docs, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("docs/%s is not what the commands say (%v); make it anew with: go test ./fleetctl -run TestManual -update", name, err)
		}
	}
}

// TestEveryCommandIsDocumented: a command or flag that has no text is not finished.
func TestEveryCommandIsDocumented(t *testing.T) {
	root := quietRoot()
	for _, cmd := range append(root.Commands(), root) {
		sentence := func(what, text string) {
			if text == "" {
				t.Errorf("%s has no %s", cmd.CommandPath(), what)
			}
		}
		sentence("Short text", cmd.Short)
		sentence("Long text", cmd.Long)
		if strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 72 || cmd.Short != "" && !unicode.IsUpper(rune(cmd.Short[0])) {
			t.Errorf("%s: the Short text is to be a line of at most 72 characters that begins with a capital and has no full stop: %q", cmd.CommandPath(), cmd.Short)
		}
		if !strings.HasSuffix(cmd.Long, ".") && !isTopic(cmd) {
			t.Errorf("%s: the Long text does not end with a full stop", cmd.CommandPath())
		}
		if isTopic(cmd) {
			continue
		}
		sentence("Example", cmd.Example)
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(cmd.Example, "fleetctl") {
				t.Errorf("%s: the Example is to be command lines indented by two spaces: %q", cmd.CommandPath(), line)
			}
		}
		if cmd != root && cmd.GroupID == "" {
			t.Errorf("%s is in no group", cmd.CommandPath())
		}
		flags := shownFlags(cmd.LocalFlags())
		for _, f := range flags {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") || unicode.IsUpper(rune(f.Usage[0])) && !unicode.IsUpper(rune(f.Usage[1])) {
				t.Errorf("%s --%s: its text is to begin with a small letter and to have no full stop: %q", cmd.CommandPath(), f.Name, f.Usage)
			}
		}
	}
}

// TestHelpFitsTheScreen: who asks fleetctl for help sees all commands at a glance.
func TestHelpFitsTheScreen(t *testing.T) {
	var b strings.Builder
	a := &app{stdin: strings.NewReader(""), stdout: &b, stderr: io.Discard, getenv: func(string) string { return "" }}
	if code := a.run(t.Context(), []string{"--help"}); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	lines := strings.Split(b.String(), "\n")
	if len(lines) > 70 {
		t.Errorf("it has %d lines", len(lines))
	}
	for _, line := range lines {
		if len([]rune(line)) > 100 {
			t.Errorf("wider than 100 columns: %q", line)
		}
	}
	for _, section := range []string{"NAME", "USAGE", "VERSION", "COMMANDS", "EXIT CODES", "GLOBAL OPTIONS", "  Units", "  Machines"} {
		if !slices.Contains(lines, section) {
			t.Errorf("no line %q", section)
		}
	}
}

func TestProse(t *testing.T) {
	blocks := prose(`A paragraph
of two lines.

Goals:
  free  free the emptiest machines: as few machines as
        possible have units
  even  even them out
After it.

    $ command  with output

    more of it`)
	want := []block{
		{paragraph: "A paragraph of two lines."},
		{paragraph: "Goals:"},
		{list: []definition{
			{"free", "free the emptiest machines: as few machines as possible have units"},
			{"even", "even them out"},
		}},
		{paragraph: "After it."},
		{verbatim: []string{"$ command  with output", "", "more of it"}},
	}
	if len(blocks) != len(want) {
		t.Fatalf("%d blocks: %+v", len(blocks), blocks)
	}
	for i, b := range blocks {
		if b.paragraph != want[i].paragraph || !slices.Equal(b.list, want[i].list) || !slices.Equal(b.verbatim, want[i].verbatim) {
			t.Errorf("block %d: %+v, want %+v", i, b, want[i])
		}
	}
}
