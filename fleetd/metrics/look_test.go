package metrics_test

import (
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/fleetd/metrics"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

func TestWhatIsDecidedWrittenAndKnownIsShown(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		leader, other := w.machines[0], w.machines[1]
		for _, name := range []unit.Name{"a.service", "b.service", "c.service", "d.service"} {
			w.put(name, service)
		}
		w.put("picky.service", service+"[X-Fleet]\nMachineMetadata=disk=ssd\n")
		w.edit("a.service", nil)
		leader.expect(t, "who leads", samples{
			`fleet_engine_elections_total`:                             1,
			`fleet_engine_decisions_total{action="place"}`:             4,
			`fleet_engine_decisions_total{action="withdraw"}`:          1,
			`fleet_engine_decisions_total{action="pend"}`:              1,
			`fleet_engine_units_pending{reason="MachineMetadata"}`:     1,
			`fleet_engine_units_pending{reason="Resources"}`:           0,
			`fleet_registry_records_written_total{kind="orders"}`:      5,
			`fleet_registry_record_size_bytes_count{kind="orders"}`:    5,
			`fleet_registry_records_written_total{kind="pending"}`:     1,
			`fleet_registry_records_written_total{kind="units"}`:       0,
			`fleet_queue_length{queue="engine_updates"}`:               0,
			`fleet_queue_length{queue="systemd_jobs"}`:                 3,
			`fleet_queue_limit{queue="systemd_jobs"}`:                  4,
			`fleet_api_streams`:                                        0,
			`fleet_registry_watch_stalled_seconds`:                     0,
			`fleet_cluster_machines{state="ready"}`:                    2,
			`fleet_cluster_units{phase="done"}`:                        3,
			`fleet_cluster_units{phase="nowhere"}`:                     1,
			`fleet_api_cache_records{kind="units"}`:                    4,
			`fleet_api_cache_records{kind="reports"}`:                  2,
			`fleet_registry_records_written_total{kind="engine"}`:      1,
			`fleet_engine_decision_duration_seconds_count`:             scrape(t, leader.counts)[rounds],
			`fleet_registry_record_size_bytes_count{kind="reports"}`:   scrape(t, leader.counts)[reports],
			`fleet_registry_watch_lag_seconds_bucket{le="+Inf"}`:       scrape(t, leader.counts)[`fleet_registry_watch_lag_seconds_count`],
			`fleet_api_update_duration_seconds_bucket{le="+Inf"}`:      scrape(t, leader.counts)[`fleet_api_update_duration_seconds_count`],
			`fleet_agent_reconcile_duration_seconds_bucket{le="+Inf"}`: scrape(t, leader.counts)[`fleet_agent_reconcile_duration_seconds_count`],
		})
		got := scrape(t, leader.counts)
		for _, series := range []string{
			"fleet_registry_watch_lag_seconds_count", "fleet_api_update_duration_seconds_count", "fleet_agent_reconcile_duration_seconds_count",
			`fleet_api_cache_bytes{kind="units"}`, `fleet_registry_record_size_bytes_sum{kind="orders"}`, "fleet_engine_transactions_total",
		} {
			if got[series] == 0 {
				t.Errorf("%s is 0", series)
			}
		}
		other.expect(t, "who does not lead", samples{
			`fleet_engine_elections_total`:                         0,
			`fleet_engine_units_pending{reason="MachineMetadata"}`: 0,
			`fleet_registry_records_written_total{kind="orders"}`:  0,
			`fleet_cluster_units{phase="nowhere"}`:                 1,
		})

		if age := float64(time.Now().Unix()) - got["fleet_session_start_time_seconds"]; age < 60 || age > 7200 {
			t.Errorf("the session is said to be %f s old", age)
		}
		if age := float64(time.Now().Unix()) - got["fleet_session_renewed_time_seconds"]; age < 0 || age > 5 {
			t.Errorf("the session is said to have been renewed %f s ago", age)
		}
		leader.end()
		leader.expect(t, "it has ended", samples{
			`fleet_engine_units_pending{reason="MachineMetadata"}`: 0,
			`fleet_session_start_time_seconds`:                     0,
		})
		w.settle()
		other.expect(t, "its successor", samples{
			`fleet_engine_elections_total`:                         1,
			`fleet_engine_units_pending{reason="MachineMetadata"}`: 1,
		})
	})
}

// A fleetd whose watch stands still shows that, from the first write that it does not see.
func TestAWatchThatStandsStillIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stalled, seen = "fleet_registry_watch_stalled_seconds", "fleet_registry_watch_lag_seconds_count"
		m, server := metrics.New("2.0.0"), memory.New()
		defer server.Close()
		store, applied := m.Store(server.Client()), m.Applied()
		expect := func(about string, want samples) {
			t.Helper()
			(&machine{counts: m}).expect(t, about, want)
		}
		put := func(key string) int64 {
			t.Helper()
			out, err := store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(key, []byte("x"), 0)}})
			if err != nil {
				t.Fatal(err)
			}
			return out.Revision
		}
		put("/elsewhere/x")
		put("/fleet/engine/1")
		time.Sleep(time.Second)
		expect("nobody is told of these", samples{stalled: 0, seen: 0})

		first := put("/fleet/reports/m")
		time.Sleep(3 * time.Second)
		second := put("/fleet/reports/m")
		time.Sleep(2 * time.Second)
		expect("two are waited for", samples{stalled: 5, seen: 0})
		applied(api.Applied{Revision: first})
		expect("one is waited for", samples{stalled: 2, seen: 1})
		applied(api.Applied{Revision: second + 1})
		expect("none is waited for", samples{stalled: 0, seen: 2, "fleet_registry_watch_lag_seconds_sum": 7})

		put("/fleet/reports/m") // the watch was quicker
		expect("the watch was quicker than the answer", samples{stalled: 0, seen: 3, "fleet_registry_watch_lag_seconds_sum": 7})
		for range 1000 {
			put("/fleet/reports/m")
		}
		time.Sleep(time.Second)
		applied(api.Applied{Revision: 1, Reset: true})
		expect("everything is read anew", samples{stalled: 0, seen: 3})
	})
}
