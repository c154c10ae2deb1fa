package metrics_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"fleet/fleetd/metrics"
	"fleet/registry"
	"fleet/unit"
)

const service = "[Service]\nExecStart=/bin/server\n"

const (
	since     = "fleet_engine_leader_start_time"
	placed    = `fleet_engine_task_count_total{type="attemptscheduleunit"}`
	withdrawn = `fleet_engine_task_count_total{type="unscheduleunit"}`
	rounds    = "fleet_engine_reconcile_count_total"
	took      = "fleet_engine_reconcile_duration_second_count"
	away      = `fleet_engine_reconcile_failure_count_total{type="machine_away"}`
	barred    = `fleet_engine_reconcile_failure_count_total{type="run"}`
	homeless  = `fleet_engine_reconcile_failure_count_total{type="schedule"}`
	active    = `fleet_agent_units{state="active"}`
	failed    = `fleet_agent_units{state="failed"}`
	starts    = `fleet_agent_task_count_total{type="start"}`
	badStarts = `fleet_agent_task_failure_count_total{type="start"}`
	reports   = "fleet_agent_report_count_total"
	noReports = "fleet_agent_report_failure_count_total"
	ready     = "fleet_ready"
)

// op is a counter or a histogram of calls to the store.
func op(what, kind string) string {
	return "fleet_registry_operation_" + what + `_total{type="` + kind + `"}`
}

func TestWhatTheEngineDoesIsCountedOnce(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		leader, other := w.machines[0], w.machines[1]
		elected, now := scrape(t, leader.counts)[since], float64(time.Now().Unix())
		if elected >= now-500 || elected < now-700 {
			t.Errorf("elected at %f, now it is %f", elected, now)
		}
		other.expect(t, "a candidate", samples{since: 0, rounds: 0, placed: 0, withdrawn: 0, away: 0})

		for _, name := range []unit.Name{"a.service", "b.service", "c.service", "d.service"} {
			w.put(name, service)
		}
		w.put("picky.service", service+"[X-Fleet]\nMachineMetadata=disk=ssd\n")
		leader.expect(t, "four of five have a machine", samples{placed: 4, withdrawn: 0, homeless: 1, barred: 0})
		other.expect(t, "who does not lead", samples{placed: 0, homeless: 0, active: 2})
		w.edit("a.service", nil)
		leader.expect(t, "one is destroyed", samples{placed: 4, withdrawn: 1, barred: 0})
		w.put("b.service", service+"[X-Fleet]\nMachineMetadata=disk=ssd\n")
		leader.expect(t, "one may not be there any more", samples{placed: 4, withdrawn: 2, barred: 1, homeless: 2})

		before := scrape(t, leader.counts)
		time.Sleep(24 * time.Hour)
		for series, n := range scrape(t, leader.counts) {
			switch series {
			case rounds, placed, withdrawn, homeless, barred, away, reports, since, took, op("count", "set"):
				if n != before[series] {
					t.Errorf("a day in which nothing happened: %s went from %v to %v", series, before[series], n)
				}
			}
		}

		units := scrape(t, other.counts)[active]
		if units == 0 {
			t.Fatal("the other machine has no unit")
		}
		other.client.Cut()
		w.settle()
		leader.expect(t, "a machine is lost", samples{away: units, placed: 4 + units, withdrawn: 2, active: 2})
		if got := scrape(t, leader.counts); got[rounds] != got[took] || got[rounds] == 0 {
			t.Errorf("%v rounds, %v of them timed", got[rounds], got[took])
		}
		other.client.Heal()
		w.settle()
	})
}

func TestWhoLeadsIsShown(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		first, second := w.machines[0], w.machines[1]
		w.put("a.service", service)
		first.client.Cut()
		w.settle()
		if scrape(t, second.counts)[since] == 0 {
			t.Error("the successor is not shown as leader")
		}
		first.client.Heal()
		w.settle()
		first.expect(t, "it was deposed", samples{since: 0})
		before := scrape(t, second.counts)[since]
		second.end()
		second.expect(t, "it has ended", samples{since: 0})
		w.settle()
		if again := scrape(t, first.counts)[since]; again <= before || again > float64(time.Now().Unix()) {
			t.Errorf("elected again: %f; the one before was elected at %f", again, before)
		}
	})
}

func TestWhatTheAgentDoesIsCounted(t *testing.T) {
	in(t, 1, func(t *testing.T, w *world) {
		m := w.machines[0]
		w.put("good.service", service)
		w.put("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
		m.expect(t, "one of two has failed", samples{active: 1, failed: 1, starts: 2, badStarts: 1, noReports: 0})
		if scrape(t, m.counts)[reports] < 3 {
			t.Error("reports were not counted")
		}
		before := scrape(t, m.counts)
		m.client.CutReplies()
		m.expect(t, "etcd does not answer", samples{ready: 1})
		time.Sleep(time.Minute)
		m.expect(t, "etcd has not answered for longer than the lease lives", samples{ready: 0, active: 1})
		m.client.Heal()
		w.settle()
		m.expect(t, "etcd answers again", samples{ready: 1, active: 1, starts: before[starts]})
	})
}

func TestCallsToEtcdAreCounted(t *testing.T) {
	in(t, 1, func(t *testing.T, w *world) {
		m := w.machines[0]
		before := scrape(t, m.counts)
		if before[op("failed_count", "get")] != 0 || before[op("count", "get_all")] == 0 {
			t.Errorf("what is not there is no failure: %v", before)
		}
		w.put("a.service", service)
		w.settle()
		after := scrape(t, m.counts)
		if after[op("count", "set")] <= before[op("count", "set")] || after[op("count", "get")] <= before[op("count", "get")] {
			t.Errorf("before %v, after %v", before, after)
		}
		for _, kind := range []string{"get", "set", "get_all"} {
			if n := after[`fleet_registry_operation_duration_second_count{ops="`+kind+`"}`]; n != after[op("count", kind)] {
				t.Errorf("%s: %v timed, %v counted", kind, n, after[op("count", kind)])
			}
		}

		store := m.counts.Store(m.client)
		m.client.Cut()
		if _, err := store.Range(t.Context(), registry.Query{Keys: registry.Keys{Name: "x"}}); err == nil {
			t.Error("etcd cannot be reached, and it answered")
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := store.Txn(gone, registry.Txn{}); err == nil {
			t.Error("nobody waited, and etcd answered")
		}
		m.client.Heal()
		m.expect(t, "one call failed", samples{op("failed_count", "get"): 1, op("failed_count", "set"): 0, op("count", "set"): after[op("count", "set")]})
		w.settle()
	})
}

func TestRequestsAreCounted(t *testing.T) {
	m := metrics.New("2.0.0")
	var open samples
	h := m.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open = scrape(t, m)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	}))
	ask := func(method, target string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(method, target, nil))
		return answer
	}
	ask(http.MethodGet, "/fleet/v1/units")
	ask("BREW", "/fleet/v1/units")
	ask(http.MethodGet, "/fleet/v1/events?unitName=a.service")
	if open[`fleet_api_requests_in_flight{handler="stream"}`] != 1 || open[`fleet_api_requests_in_flight{handler="api"}`] != 0 {
		t.Errorf("while a stream is open: %v", open)
	}
	ask(http.MethodGet, "/fleet/v1/units/a.service/journal?follow=1&lines=3")
	ask(http.MethodGet, "/fleet/v1/units/a.service/journal?follow=false")
	ask(http.MethodPost, "/fleet/v1/units/a.service/journal?follow=true")
	if answer := ask(http.MethodPost, "/metrics"); answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", answer.Code)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if answer := ask(method, "/metrics"); answer.Code != http.StatusOK {
			t.Errorf("%s while the API is not ready: %d", method, answer.Code)
		}
	}
	got := scrape(t, m)
	want := samples{
		`http_requests_total{code="200",handler="prometheus",method="get"}`:  1,
		`http_requests_total{code="200",handler="prometheus",method="head"}`: 1,
		`http_requests_total{code="405",handler="prometheus",method="post"}`: 1,
		`http_request_duration_microseconds_count{handler="stream"}`:         3,
		`http_request_duration_microseconds_count{handler="api"}`:            3,
		`http_request_size_bytes_sum{handler="stream"}`:                      130,
		`http_response_size_bytes_sum{handler="stream"}`:                     30,
		`fleet_api_requests_in_flight{handler="stream"}`:                     0,
		`fleet_build_info{version="2.0.0"}`:                                  1,
	}
	for series, n := range want {
		if got[series] != n {
			t.Errorf("%s is %v, expected %v", series, got[series], n)
		}
	}
	if got["go_goroutines"] == 0 || got["process_resident_memory_bytes"] == 0 {
		t.Error("the process is not shown")
	}
}

// A stream whose client is gone is ended by a panic.
func TestABrokenRequestIsCounted(t *testing.T) {
	m := metrics.New("2.0.0")
	h := m.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/fleet/v1/units", nil))
	}()
	if got := scrape(t, m)[`fleet_api_requests_in_flight{handler="api"}`]; got != 0 {
		t.Errorf("%v requests are in flight, and all have ended", got)
	}
}

func TestAlarmsAreShown(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		const alarm = `fleet_alarm{name="mass-loss"}`
		leader := w.machines[0]
		for _, name := range []unit.Name{"a.service", "b.service", "c.service"} {
			w.put(name, service)
		}
		leader.expect(t, "all is well", samples{alarm: 0, placed: 3})
		for _, m := range w.machines[1:] {
			m.client.Cut()
			time.Sleep(time.Second) // their leases end one after another
		}
		w.settle()
		leader.expect(t, "two of three are cut off", samples{alarm: 1, placed: 3, withdrawn: 0})
		w.machines[1].expect(t, "one of them", samples{alarm: 0})
		for _, m := range w.machines[1:] {
			m.client.Heal()
			time.Sleep(time.Second)
		}
		w.settle()
		leader.expect(t, "they are back", samples{alarm: 0, placed: 3, withdrawn: 0})
	})
}

// Who follows nothing says nothing of the cluster, and of no write that its cache ought to show.
func TestWhatIsNotFollowedIsNotShown(t *testing.T) {
	const (
		following = "fleet_api_following"
		ready     = `fleet_cluster_machines{state="ready"}`
		records   = `fleet_api_cache_records{kind="machines"}`
		stalled   = "fleet_registry_watch_stalled_seconds"
	)
	world{demand: true}.run(t, 2, func(t *testing.T, w *world) {
		m := w.machines[1]
		for range 5 {
			w.put("a.service", service) // which is reported
		}
		unknown := func(about string) {
			t.Helper()
			got := scrape(t, m.counts)
			_, machines := got[ready]
			_, kept := got[records]
			if machines || kept || got[following] != 0 || got[stalled] != 0 {
				t.Errorf("%s: %v machines, %v records, following %v, stalled for %v s", about, got[ready], got[records], got[following], got[stalled])
			}
		}
		unknown("nobody has asked")
		m.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/fleet/v1/units", nil))
		m.expect(t, "somebody has asked", samples{following: 1, ready: 2, records: 2, stalled: 0})
		for range 4 {
			time.Sleep(3 * time.Minute)
			scrape(t, m.counts)
		}
		w.put("b.service", service)
		unknown("nobody but who looks at the metrics has asked since")
	})
}
