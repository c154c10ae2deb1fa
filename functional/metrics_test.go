//go:build functional

package functional

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"fleet/cluster"
	"fleet/functional/testbed"
)

// metrics are the samples that a host's fleetd shows, by series.
func (w *world) metrics(h *testbed.Host) map[string]float64 {
	w.t.Helper()
	answer, err := http.Get(h.URL() + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %v", answer.Status, err)
	}
	all := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[series] = n
		}
	}
	return all
}

func TestWhatAStartAsksOfSystemdIsCounted(t *testing.T) {
	w := shared(t)
	h := w.host(1)
	before := w.metrics(h)
	w.put("counted.service", sleeper+"[X-Fleet]\nMachineID="+h.MachineID+"\n", cluster.Launched)
	w.await(soon, "counted.service", "it runs", runs)
	after := w.metrics(h)
	for series, most := range map[string]float64{
		`fleet_systemd_call_duration_seconds_count{call="reload"}`:   2, // a unit of the test before may be going
		`fleet_systemd_call_duration_seconds_count{call="start"}`:    1,
		`fleet_systemd_job_duration_seconds_count{type="start"}`:     1,
		`fleet_systemd_call_duration_seconds_count{call="list"}`:     20,
		`fleet_systemd_call_duration_seconds_count{call="property"}`: 60,
		`fleet_agent_report_count_total`:                             3,
		`fleet_agent_reconcile_duration_seconds_count`:               20,
	} {
		if n := after[series] - before[series]; n < 1 || n > most {
			t.Errorf("%s grew by %v, expected 1 to %v", series, n, most)
		}
	}
	if n := after["fleet_session_start_time_seconds"]; n == 0 || n != before["fleet_session_start_time_seconds"] {
		t.Errorf("the session began at %v", n)
	}
	answer, err := http.Get(h.URL() + "/debug/pprof/")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("profiles over TCP: %s", answer.Status)
	}
}
