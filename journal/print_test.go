package journal_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/journal"
)

// captured are entries of a real journal, and in testdata/OUTPUT.txt is what the journalctl of
// systemd 252 there printed of them.
func captured(t testing.TB) []journal.Entry {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "entries.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []journal.Entry
	for line := range strings.Lines(string(raw)) {
		e, err := journal.Parse(journal.Tag([]byte(line), "1111aaaa"))
		if err != nil {
			t.Fatal(err)
		}
		if e.Machine != "1111aaaa" {
			t.Fatalf("the machine of an entry is %q", e.Machine)
		}
		all = append(all, e)
	}
	return all
}

func printed(t testing.TB, output, prefix string) string {
	t.Helper()
	p, err := journal.NewPrinter(output, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, e := range captured(t) {
		out.Write(p.Print(e, prefix))
	}
	return out.String()
}

func TestEntriesAreShownAsJournalctlShowsThem(t *testing.T) {
	for _, output := range journal.Outputs() {
		recorded, err := os.ReadFile(filepath.Join("testdata", output+".txt"))
		if err != nil {
			continue // of the others the line itself is shown, below
		}
		want, got := string(recorded), printed(t, output, "")
		switch output {
		case "json-pretty":
			continue
		case "verbose", "export":
			want, got = sortedFields(want), sortedFields(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-journalctl +ours):\n%s", output, diff)
		}
	}
}

// sortedFields is text with the lines of each entry sorted: their order is not in the JSON.
func sortedFields(text string) string {
	var out []string
	var entry []string
	for line := range strings.Lines(text) {
		if line == "\n" || strings.Contains(line, " UTC [") {
			slices.Sort(entry)
			out = append(append(out, entry...), line)
			entry = nil
			continue
		}
		entry = append(entry, line)
	}
	slices.Sort(entry)
	return strings.Join(append(out, entry...), "")
}

func TestJSONIsHandedOnAsItIs(t *testing.T) {
	want, err := os.ReadFile("testdata/entries.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), printed(t, "json", "prefix")); diff != "" {
		t.Error(diff)
	}
}

func TestPrettyJSONSaysTheSameInTheLayoutOfJournalctl(t *testing.T) {
	recorded, err := os.ReadFile("testdata/json-pretty.txt")
	if err != nil {
		t.Fatal(err)
	}
	want, got := decodeAll(t, string(recorded)), decodeAll(t, printed(t, "json-pretty", ""))
	for i := range want {
		for name, value := range want[i] {
			if value == nil {
				delete(got[i], name) // it was too long for journalctl
				delete(want[i], name)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The lines are the same too, but for their order and the commas that depend on it.
	lines := func(text string) []string {
		var all []string
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "\t\"MESSAGE\"") {
				all = append(all, strings.TrimRight(line, ",\n"))
			}
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(lines(string(recorded)), lines(printed(t, "json-pretty", ""))); diff != "" {
		t.Error(diff)
	}
}

func decodeAll(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	decoder := json.NewDecoder(bufio.NewReader(strings.NewReader(text)))
	for decoder.More() {
		var one map[string]any
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func TestAPrefixStandsBeforeTheFirstLineOnly(t *testing.T) {
	got := printed(t, "short-iso", "1111aaaa ")
	if !strings.Contains(got, "\n1111aaaa 2026-") || strings.Contains(got, "\n1111aaaa  ") {
		t.Error(got)
	}
	if !strings.Contains(got, "two\n"+strings.Repeat(" ", len("1111aaaa 2026-11-21T16:41:47+0000 h1 logger[100]: "))+"messages\n") &&
		!strings.Contains(got, "two\n"+strings.Repeat(" ", len("1111aaaa 2026-11-21T16:41:47+0000 h1 logger[99]: "))+"messages\n") {
		t.Errorf("the second line does not stand below the first:\n%s", got)
	}
}

func TestAnUnknownOutputNamesTheKnownOnes(t *testing.T) {
	_, err := journal.NewPrinter("pretty", time.UTC)
	if err == nil || !strings.Contains(err.Error(), "short-iso") {
		t.Error(err)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(`{"MESSAGE":[27,91,51],"__REALTIME_TIMESTAMP":"1"}`)
	f.Add(`{"MESSAGE":["a",[1,2],null],"_PID":"1"}`)
	f.Add("{\"MESSAGE\":\"\x1b]8;;x\\u0007a\tb\\nc\"}")
	f.Fuzz(func(t *testing.T, line string) {
		e, err := journal.Parse([]byte(line))
		if err != nil {
			return
		}
		for _, output := range journal.Outputs() {
			p, err := journal.NewPrinter(output, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			text := p.Print(e, "")
			if p.ForPeople() && output != "cat" && strings.ContainsAny(string(text), "\x1b\a") {
				t.Errorf("%s lets through what controls a terminal: %q", output, text)
			}
		}
	})
}
