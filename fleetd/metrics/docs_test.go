package metrics_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/agent"
	"fleet/api"
	"fleet/fleetd/metrics"
	"fleet/systemd"
)

// documented is a row of the table: name, type and labels in code quotes.
var documented = regexp.MustCompile("^\\| `([a-z_]+)` \\| (gauge|counter|histogram|summary) \\|\\s*([^|]*?)\\s*\\| (.+) \\|$")

// TestDocsListWhatIsExposed compares docs/metrics.md with a scrape, in both directions.
func TestDocsListWhatIsExposed(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if row := documented.FindStringSubmatch(strings.TrimSpace(line)); row != nil {
			labels := strings.Split(strings.ReplaceAll(strings.ReplaceAll(row[3], "`", ""), " ", ""), ",")
			slices.Sort(labels)
			want[row[1]] = row[2] + " " + strings.Join(labels, ",")
		}
	}
	if len(want) < 20 {
		t.Fatalf("found only %d rows: the table is written in another way", len(want))
	}
	got := exposed(t)
	for name, is := range got {
		if want[name] != is {
			t.Errorf("%s is exposed as %q; docs/metrics.md says %q", name, is, want[name])
		}
	}
	for name := range want {
		if _, there := got[name]; !there {
			t.Errorf("docs/metrics.md has %s, which is not exposed", name)
		}
	}
}

// exposed has the type and the labels of every metric that is ours, when each handler was asked once.
func exposed(t *testing.T) map[string]string {
	t.Helper()
	m := watched()
	h := m.Serve(http.NotFoundHandler())
	for _, path := range []string{"/fleet/v1/units", "/fleet/v1/events", "/metrics"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))

	all, kinds := make(map[string]string), make(map[string]string)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		if declared, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(declared, " ")
			kinds[name] = kind
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, labels := parts(line)
		for _, suffix := range []string{"_sum", "_count", "_bucket"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && kinds[base] != "" {
				name = base
			}
		}
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			all[name] = kinds[name] + " " + strings.Join(labels, ",")
		}
	}
	return all
}

// parts are the name and the labels of a sample; those that a histogram or a summary has by itself are left out.
func parts(line string) (name string, labels []string) {
	series, _, _ := strings.Cut(line, " ")
	name, list, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	for pair := range strings.SplitSeq(list, ",") {
		if label, _, _ := strings.Cut(pair, "="); label != "le" && label != "quantile" && label != "" {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return name, labels
}

// watched are metrics with sources of which nothing is to be seen.
func watched() *metrics.Metrics {
	m := metrics.New("2.0.0")
	m.Watch(metrics.Sources{
		Ready:   func() error { return nil },
		Session: func() (since, renewed time.Time) { return since, renewed },
		Units:   func() map[string]int { return nil },
		Backlog: func() agent.Backlog { return agent.Backlog{} },
		Asked:   func() systemd.Asked { return systemd.Asked{MaxCalls: 1, MaxJobs: 1} },
		API:     api.New(nil, api.Options{}).Load,
	})
	return m
}
