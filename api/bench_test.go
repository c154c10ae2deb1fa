package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// large is a cluster of a hundred thousand units on a thousand machines, one in a thousand of them failed.
func large(b *testing.B) *world {
	const units, machines = 100_000, 1_000
	w := newWorld(b, 100)
	file := mustParse("[Service]\nExecStart=/usr/bin/server --port 8080\nMemoryMax=512M\nRestart=always\n")
	changes := []cluster.Change{cluster.FileChanged{ID: file.ID(), File: file, Revision: 1}}
	for m := range machines {
		id := cluster.MachineID(fmt.Sprintf("%032x", m))
		orders := cluster.Orders{Machine: id, Session: session(id), Units: make(map[unit.Name]cluster.Order)}
		report := cluster.Report{Machine: id, Session: session(id), Orders: 1, Units: make(map[unit.Name]cluster.UnitReport), At: noon}
		for i := m; i < units; i += machines {
			name := unit.Name(fmt.Sprintf("app-%03d@%05d.service", i%500, i))
			changes = append(changes, cluster.UnitChanged{Name: name, Unit: &cluster.Unit{
				Name: name, Content: file.ID(), Desired: cluster.Launched, Generation: 1,
			}})
			orders.Units[name] = cluster.Order{Content: file.ID(), Desired: cluster.Launched, Generation: 1, Reason: "the first that fits"}
			state := unit.State{Load: "loaded", Active: "active", Sub: "running"}
			if i%1000 == 7 {
				state = unit.State{Load: "loaded", Active: "failed", Sub: "failed"}
			}
			report.Units[name] = cluster.UnitReport{State: state, Content: file.ID(), Generation: 1, Tried: 1}
		}
		zone := fmt.Sprintf("zone-%d", m%10)
		changes = append(changes, cluster.OrdersChanged{ID: id, Orders: &orders}, cluster.ReportChanged{ID: id, Report: &report},
			cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: session(id), Metadata: map[string]string{"zone": zone}}})
	}
	w.tell(true, changes...)
	return w
}

// BenchmarkFirstPage is the first page of a list of a hundred thousand units, from the request to the last byte of the answer.
func BenchmarkFirstPage(b *testing.B) {
	w := large(b)
	id := fmt.Sprintf("%032x", 42)
	for _, query := range []string{
		"units", "units?fields=name,currentState", "units?unitName=app-042@00042.service", "units?glob=app-042@*", "units?glob=*99999.service",
		"units?machineID=" + id, "units?desiredState=launched", "units?activeState=active", "units?activeState=failed", "units?phase=failed",
		"units?selector=zone%3Dzone-3", "units?sort=-generation",
		"state", "state?machineID=" + id, "state?activeState=failed", "machines",
	} {
		b.Run(query, func(b *testing.B) { w.page(b, query) })
	}
}

// BenchmarkLaterPage is the page in the middle of that list.
func BenchmarkLaterPage(b *testing.B) {
	w := large(b)
	for _, query := range []string{"units", "units?sort=-name", "state?sort=systemdSubState"} {
		var p page
		w.get(b, w.server, query, &p)
		for range 500 {
			token := p.next()
			p = page{}
			w.get(b, w.server, withToken(query, token), &p)
		}
		b.Run(query, func(b *testing.B) { w.page(b, withToken(query, p.next())) })
	}
}

// BenchmarkUnchanged is a list that the client has already.
func BenchmarkUnchanged(b *testing.B) {
	w := large(b)
	r := httptest.NewRequest(http.MethodGet, "/fleet/v1/units?activeState=failed", http.NoBody)
	first := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(first, r)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	for b.Loop() {
		answer := httptest.NewRecorder()
		if w.server.Handler().ServeHTTP(answer, r); answer.Code != http.StatusNotModified {
			b.Fatal(answer.Code)
		}
	}
}

// BenchmarkUpdateWhileListsAreRead is what a report of a machine with a hundred units costs the
// server while sixteen lists are being read, each begun at another revision.
func BenchmarkUpdateWhileListsAreRead(b *testing.B) {
	for _, readers := range []int{0, 16} {
		b.Run(fmt.Sprintf("%d lists", readers), func(b *testing.B) {
			w := large(b)
			for range readers {
				var p page
				w.get(b, w.server, "units", &p)

				w.submit("one.service", texts[0], cluster.Inactive)
			}
			machine := 0
			for b.Loop() {
				b.StopTimer()
				machine = (machine + 1) % 1000
				id := cluster.MachineID(fmt.Sprintf("%032x", machine))
				var detail api.MachineDetail
				w.get(b, w.server, "machines/"+string(id), &detail)
				report := cluster.Report{Machine: id, Session: session(id), Orders: 1, Units: make(map[unit.Name]cluster.UnitReport)}
				for _, s := range detail.UnitStates {
					report.Units[s.Name] = cluster.UnitReport{State: unit.State{Load: "loaded", Active: "activating"}, Generation: 1}
				}
				b.StartTimer()
				w.tell(false, cluster.ReportChanged{ID: id, Report: &report})
			}
			revisions, kept := api.Pasts(w.server)
			b.ReportMetric(float64(len(revisions)), "revisions")
			b.ReportMetric(float64(kept), "kept")
		})
	}
}

func (w *world) page(b *testing.B, query string) {
	r := httptest.NewRequest(http.MethodGet, "/fleet/v1/"+query, http.NoBody)
	for b.Loop() {
		b.StopTimer()
		w.tell(false) // another revision: nothing is known of the list
		b.StartTimer()
		answer := httptest.NewRecorder()
		if w.server.Handler().ServeHTTP(answer, r); answer.Code != http.StatusOK || answer.Body.Len() < 3 {
			b.Fatal(answer.Code, answer.Body)
		}
	}
}

// BenchmarkListen is what it costs the server when somebody begins to wait for some of a hundred thousand units.
func BenchmarkListen(b *testing.B) {
	w := large(b)
	for _, query := range []string{"unitName=app-042@00042.service", "glob=app-042@*", "unitName=app-042@00042.service&machines=true"} {
		b.Run(query, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/fleet/v1/events?"+query, http.NoBody)
			ctx, cancel := context.WithCancel(b.Context())
			cancel() // the stream ends behind what there is at first
			for b.Loop() {
				w.server.Handler().ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
			}
		})
	}
}
