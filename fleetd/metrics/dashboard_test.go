package metrics_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// series are what a fleetd exposes: the type of each metric, and each label's values, by name of the series.
type series struct {
	kinds  map[string]string              // of a metric
	values map[string]map[string][]string // of the labels of a series: fleet_x_bucket, le
}

var sampleLabels = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// exposedSeries is a scrape of a fleetd that has answered all kinds of requests.
func exposedSeries(t *testing.T) series {
	t.Helper()
	m := watched()
	h := m.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := http.StatusOK
		switch r.URL.Path {
		case "/busy":
			code = http.StatusTooManyRequests
		case "/away":
			code = http.StatusServiceUnavailable
		}
		w.WriteHeader(code)
	}))
	answer := httptest.NewRecorder()
	for _, path := range []string{"/busy", "/away", "/fleet/v1/events", "/metrics", "/metrics"} {
		answer = httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	}
	s := series{kinds: make(map[string]string), values: make(map[string]map[string][]string)}
	for line := range strings.Lines(answer.Body.String()) {
		if declared, ok := strings.CutPrefix(strings.TrimSpace(line), "# TYPE "); ok {
			name, kind, _ := strings.Cut(declared, " ")
			s.kinds[name] = kind
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(strings.Fields(line)[0], "{")
		if s.values[name] == nil {
			s.values[name] = map[string][]string{"job": {"fleet"}, "instance": {"a machine"}}
		}
		for _, pair := range sampleLabels.FindAllStringSubmatch(line, -1) {
			s.values[name][pair[1]] = append(s.values[name][pair[1]], pair[2])
		}
	}
	return s
}

// kind is what a series counts as: a histogram's parts are counters.
func (s series) kind(name string) string {
	if kind, ok := s.kinds[name]; ok {
		return kind
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && s.kinds[base] != "" {
			return "counter"
		}
	}
	return ""
}

// check says what is wrong with a query and with the labels that a text takes of its result; nil: nothing is.
func (s series) check(text string, shown ...string) error {
	for variable, value := range map[string]string{"$__rate_interval": "5m", "$job": "fleet"} {
		text = strings.ReplaceAll(text, variable, value)
	}
	q, err := parseQuery(text)
	if err != nil {
		return err
	}
	if len(q.selectors) == 0 {
		return fmt.Errorf("it asks for no metric")
	}
	labels := make(map[string]bool)
	for _, sel := range q.selectors {
		if err := s.checkSelector(sel); err != nil {
			return err
		}
		for label := range s.values[sel.metric] {
			labels[label] = true
		}
	}
	for _, label := range slices.Concat(q.labels, shown) {
		if !labels[label] {
			return fmt.Errorf("none of its metrics has a label %s", label)
		}
	}
	if strings.Contains(text, "histogram_quantile") && !slices.Contains(q.labels, "le") {
		return fmt.Errorf("a quantile needs the label le")
	}
	return nil
}

func (s series) checkSelector(sel selector) error {
	values, there := s.values[sel.metric]
	if !there {
		return fmt.Errorf("%s is not exposed", sel.metric)
	}
	counts := s.kind(sel.metric) == "counter"
	rated := slices.Contains([]string{"rate", "increase", "irate"}, sel.function)
	switch {
	case sel.ranged != slices.Contains(promRanged, sel.function):
		return fmt.Errorf("%s: %q takes samples of another sort", sel.metric, sel.function)
	case counts && !rated:
		return fmt.Errorf("%s only grows: take its rate or increase", sel.metric)
	case !counts && rated:
		return fmt.Errorf("%s is no counter", sel.metric)
	}
	for _, m := range sel.matchers {
		matches := func(value string) bool { return value == m.value }
		if strings.HasSuffix(m.op, "~") {
			pattern, err := regexp.Compile("^(?:" + m.value + ")$")
			if err != nil {
				return err
			}
			matches = pattern.MatchString
		}
		if !slices.ContainsFunc(values[m.label], matches) {
			return fmt.Errorf("%s never has %s=%q", sel.metric, m.label, m.value)
		}
	}
	return nil
}

// dashboard is what a test wants of Grafana's JSON model.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID         int        `json:"id"`
		Type       string     `json:"type"`
		Title      string     `json:"title"`
		Datasource datasource `json:"datasource"`
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct {
			RefID        string     `json:"refId"`
			Datasource   datasource `json:"datasource"`
			Expr         string     `json:"expr"`
			LegendFormat string     `json:"legendFormat"`
		} `json:"targets"`
	} `json:"panels"`
}

type datasource struct{ Type, UID string }

var legendLabels = regexp.MustCompile(`{{\s*([a-z_]+)\s*}}`)

func TestTheDashboardAsksForWhatIsExposed(t *testing.T) {
	raw, err := os.ReadFile("../../docs/grafana/fleet.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("no dashboard of a Grafana of today: %q, %q, schema %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := make(map[string]string)
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if want := map[string]string{"datasource": "datasource", "job": "query"}; !maps.Equal(variables, want) {
		t.Errorf("variables %v, expected %v", variables, want)
	}
	have, ours := exposedSeries(t), datasource{Type: "prometheus", UID: "${datasource}"}
	ids, queries := make(map[int]bool), 0
	for i, p := range d.Panels {
		if ids[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: id %d, at %+v", p.Title, p.ID, p.GridPos)
		}
		ids[p.ID] = true
		for _, other := range d.Panels[:i] {
			if a, b := p.GridPos, other.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource != ours {
			t.Errorf("panel %q: %d queries of %+v", p.Title, len(p.Targets), p.Datasource)
		}
		for _, target := range p.Targets {
			queries++
			var shown []string
			for _, label := range legendLabels.FindAllStringSubmatch(target.LegendFormat, -1) {
				shown = append(shown, label[1])
			}
			if err := have.check(target.Expr, shown...); err != nil || target.Datasource != ours {
				t.Errorf("panel %q: %s: %v", p.Title, target.Expr, err)
			}
		}
	}
	if queries < 40 {
		t.Errorf("only %d queries were found", queries)
	}
}

// alerts is a file of rules of Prometheus.
type alerts struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

var annotationLabels = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func TestTheAlertsAskForWhatIsExposed(t *testing.T) {
	raw, err := os.ReadFile("../../docs/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file alerts
	if err := yaml.UnmarshalStrict(raw, &file); err != nil {
		t.Fatal(err)
	}
	have, names := exposedSeries(t), make(map[string]bool)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if names[rule.Alert] || rule.Alert == "" || rule.Annotations["summary"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("%s: there are two, or something is missing", rule.Alert)
			}
			names[rule.Alert] = true
			if rule.For != "" && !regexp.MustCompile(`^[0-9]+[smh]$`).MatchString(rule.For) {
				t.Errorf("%s: for %q", rule.Alert, rule.For)
			}
			var shown []string
			for _, text := range rule.Annotations {
				for _, label := range annotationLabels.FindAllStringSubmatch(text, -1) {
					shown = append(shown, label[1])
				}
			}
			if err := have.check(rule.Expr, shown...); err != nil {
				t.Errorf("%s: %s: %v", rule.Alert, rule.Expr, err)
			}
			// What is not grouped by a label has none.
			q, _ := parseQuery(rule.Expr)
			for _, label := range shown {
				if strings.Contains(rule.Expr, " by ") && !slices.Contains(q.labels, label) {
					t.Errorf("%s shows %s, which its query leaves out", rule.Alert, label)
				}
			}
		}
	}
	if len(names) < 10 {
		t.Errorf("only %d alerts were found", len(names))
	}
}

func TestQueriesThatAreWrongAreFound(t *testing.T) {
	have := exposedSeries(t)
	for text, wrong := range map[string]string{
		`sum(fleet_redy)`:                              "not exposed",
		`fleet_cluster_units{phase="faild"}`:           "never has",
		`fleet_cluster_units{fase="failed"}`:           "never has",
		`fleet_cluster_machines{state=~"gone|away"}`:   "never has",
		`sum by (kind) (fleet_ready)`:                  "has a label kind",
		`fleet_engine_elections_total`:                 "only grows",
		`rate(fleet_ready[5m])`:                        "no counter",
		`rate(fleet_engine_elections_total)`:           "another sort",
		`max(fleet_ready[5m])`:                         "another sort",
		`rate(fleet_engine_elections_total[five])`:     "no time",
		`sum(fleet_ready`:                              "not closed",
		`sum(fleet_ready))`:                            "not opened",
		`sun(fleet_ready)`:                             "not exposed",
		`fleet_ready{job}`:                             "no matcher",
		`fleet_ready & 1`:                              "unexpected",
		`time() - 1`:                                   "no metric",
		`fleet_ready == 1 {job="a"}`:                   "belongs to no metric",
		`fleet_registry_watch_lag_seconds`:             "not exposed",
		`sum by ("job") (fleet_ready)`:                 "no label",
		`http_requests_total`:                          "only grows",
		`rate(fleet_agent_report_duration_second[5m])`: "not exposed",
		`histogram_quantile(0.9, sum(rate(fleet_registry_watch_lag_seconds_bucket[5m])))`: "needs the label le",
	} {
		if err := have.check(text); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, expected %q", text, err, wrong)
		}
	}
	if err := have.check(`fleet_ready`, "kind"); err == nil {
		t.Error("a label is shown that there is not")
	}
}
