package api_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
)

// TestDocsHaveEveryCall: the handbook's table has every call of the server, and no other, and
// every one of them has a line with curl, which TestDocs carries out.
func TestDocsHaveEveryCall(t *testing.T) {
	source, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, call := range api.Routes(newFixture(t, api.Options{}).api) {
		call = strings.NewReplacer(" /", " ", "{name}", "NAME", "{id}", "ID").Replace(call)
		want = append(want, call)
	}
	slices.Sort(want)

	var listed []string
	inTable := regexp.MustCompile("`([A-Z]+ [a-zA-Z./]+)`")
	for _, row := range rows(t, string(source), "| call | what it does |") {
		for _, m := range inTable.FindAllStringSubmatch(row[0], -1) {
			if !strings.Contains(m[1], " /") { // outside of the API's prefixes
				listed = append(listed, m[1])
			}
		}
	}
	slices.Sort(listed)
	if diff := gocmp.Diff(want, listed); diff != "" {
		t.Errorf("the table of calls in %s (-server +table):\n%s", handbook, diff)
	}

	shown := make(map[string]bool)
	for line := range strings.Lines(string(source)) {
		if command, ok := strings.CutPrefix(line, "$ curl "); ok {
			shown[called(command)] = true
		}
	}
	for _, call := range want {
		if !shown[call] {
			t.Errorf("%s shows no curl for %s", handbook, call)
		}
	}
}

// called is the call that a command with curl makes.
func called(command string) string {
	command, _, _ = strings.Cut(strings.TrimSpace(command), " | ")
	method, path := "", ""
	words := shellWords(command)
	for i, word := range words {
		switch {
		case word == "-X":
			method = words[i+1]
		case (word == "-d" || word == "--data-binary") && method == "":
			method = "POST"
		case strings.HasPrefix(word, "$API/"):
			path, _, _ = strings.Cut(strings.TrimPrefix(word, "$API/"), "?")
		}
	}
	if method == "" {
		method = "GET"
	}
	segments := strings.Split(path, "/")
	switch {
	case segments[0] == "store" && len(segments) > 2:
		segments[2] = "NAME"
	case segments[0] == "store":
	case len(segments) > 1:
		segments[1] = "NAME"
		if segments[0] == "machines" {
			segments[1] = "ID"
		}
	}
	return method + " " + strings.Join(segments, "/")
}

// rows are the cells of the table under a headline.
func rows(t *testing.T, document, headline string) [][]string {
	t.Helper()
	_, table, found := strings.Cut(document, headline+"\n")
	if !found {
		t.Fatalf("%s has no table %s", handbook, headline)
	}
	var all [][]string
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "|--"):
		case strings.HasPrefix(line, "| "):
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			all = append(all, cells)
		default:
			return all
		}
	}
	return all
}

// TestEveryDeviationIsTested: in the table of what differs from fleet 1, every row is a headline
// in testdata/v1_deviations, where it is shown, or the test is named that shows it.
func TestEveryDeviationIsTested(t *testing.T) {
	source, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/v1_deviations")
	if err != nil {
		t.Fatal(err)
	}
	var claimed, headlines []string
	for _, row := range rows(t, string(source), "| fleet 1 | here | why |") {
		claimed = append(claimed, row[0])
	}
	for line := range strings.Lines(string(script)) {
		if headline, ok := strings.CutPrefix(line, "## "); ok {
			headlines = append(headlines, strings.TrimSpace(headline))
		}
		if reference, ok := strings.CutPrefix(line, "# see "); ok {
			file, name, _ := strings.Cut(strings.TrimSpace(reference), " ")
			body, err := os.ReadFile("../" + file)
			if err != nil || !strings.Contains(string(body), name) {
				t.Errorf("%s has no %s (%v)", file, name, err)
			}
		}
	}
	if diff := gocmp.Diff(claimed, headlines); diff != "" {
		t.Errorf("the rows of %s and the headlines of testdata/v1_deviations (-rows +headlines):\n%s", handbook, diff)
	}
}
