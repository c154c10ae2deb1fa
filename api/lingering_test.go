package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// TestRestartOfFleet1FindsTheUnitRunning: its fleetctl asks for loaded and then waits for launched.
func TestRestartOfFleet1FindsTheUnitRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id cluster.MachineID = "11111111111111111111111111111111"
		store := newFakeStore()
		server := api.New(store, api.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = server.Run(ctx) }()
		u := store.submit(t, "a.service", "[Service]\nExecStart=/bin/a\n", cluster.Launched)
		store.write(cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: sessionOf(id)}})
		obey := func(active string) {
			u = store.unit(u.Name)
			order := cluster.Order{Content: u.Content, Desired: u.Desired, Generation: u.Generation}
			report := cluster.UnitReport{State: unit.State{Load: "loaded", Active: active}, Content: u.Content, Generation: u.Generation}
			store.write(
				cluster.OrdersChanged{ID: id, Orders: &cluster.Orders{
					Machine: id, Session: sessionOf(id), Units: map[unit.Name]cluster.Order{u.Name: order},
				}},
				cluster.ReportChanged{ID: id, Report: &cluster.Report{
					Machine: id, Session: sessionOf(id), Orders: 1 << 40, Units: map[unit.Name]cluster.UnitReport{u.Name: report},
				}})
			synctest.Wait()
		}
		ask := func(agent, method, body string) string {
			r := httptest.NewRequest(method, "/fleet/v1/units/a.service", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User-Agent", agent)
			w := httptest.NewRecorder()
			server.Handler().ServeHTTP(w, r)
			var answer api.Unit
			if method == http.MethodGet {
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Fatal(err)
				}
			}
			return string(answer.CurrentState)
		}
		is := func(when, fleet1, others string) {
			t.Helper()
			if got := ask("google-api-go-client/0.5", http.MethodGet, ""); got != fleet1 {
				t.Errorf("%s fleet 1's fleetctl sees %s, expect %s", when, got, fleet1)
			}
			if got := ask("curl/8", http.MethodGet, ""); got != others {
				t.Errorf("%s others see %s, expect %s", when, got, others)
			}
		}

		obey("active")
		is("before,", "launched", "launched")
		ask("google-api-go-client/0.5", http.MethodPut, `{"desiredState":"loaded"}`)
		obey("inactive")
		is("stopped,", "launched", "loaded")
		time.Sleep(time.Second)
		is("a second later", "loaded", "loaded")
		ask("google-api-go-client/0.5", http.MethodPut, `{"desiredState":"launched"}`)
		obey("active")
		ask("curl/8", http.MethodPut, `{"desiredState":"loaded"}`)
		obey("inactive")
		is("stopped by others,", "loaded", "loaded")
	})
}
