//go:build functional

package functional

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func TestNothingOddInARequestDisturbsFleetd(t *testing.T) {
	w := shared(t)
	h := w.host(1)
	before := w.life(h, "fleetd.service")
	option := `{"options":[{"section":"Service","name":"ExecStart","value":"/bin/sleep 1"}],"desiredState":"inactive"}`
	for _, c := range []struct {
		what, method, path, contentType, body string
		want                                  int
	}{
		{"broken JSON", "PUT", "units/a.service", "application/json", `{"desiredState":`, 400},
		{"a list for an object", "PUT", "units/a.service", "application/json", `[1,2]`, 400},
		{"no body", "PUT", "units/a.service", "application/json", ``, 400},
		{"another content type", "PUT", "units/a.service", "text/html", option, 415},
		{"no content type", "PUT", "units/a.service", "", option, 415},
		{"10 MiB of JSON", "PUT", "units/a.service", "application/json", `{"name":"` + strings.Repeat("x", 10<<20) + `"}`, 413},
		{"10 MiB of file", "PUT", "units/a.service/file", "text/plain", "[Unit]\n#" + strings.Repeat("x", 10<<20), 413},
		{"deep JSON", "PUT", "units/a.service", "application/json", strings.Repeat(`{"a":`, 100_000), 400},
		{"a slash in the name", "PUT", "units/..%2F..%2Fetc%2Fpasswd.service", "application/json", option, 400},
		{"a newline in the name", "PUT", "units/a%0Ab.service", "application/json", option, 400},
		{"a NUL in the name", "PUT", "units/a%00.service", "application/json", option, 400},
		{"no type in the name", "PUT", "units/a", "application/json", option, 400},
		{"a long name", "PUT", "units/" + strings.Repeat("n", 300) + ".service", "application/json", option, 400},
		{"a bad state", "PUT", "units/a.service", "application/json", strings.Replace(option, "inactive", "flying", 1), 400},
		{"a started template", "PUT", "units/a@.service", "application/json", strings.Replace(option, "inactive", "launched", 1), 400},
		{"names that differ", "PUT", "units/a.service", "application/json", strings.Replace(option, "{", `{"name":"b.service",`, 1), 400},
		{"a file that is none", "PUT", "units/a.service/file", "text/plain", "\x00\x01\x02", 400},
		{"an unknown unit", "GET", "units/none.service", "", "", 404},
		{"an unknown unit's file", "GET", "units/none.service/file", "", "", 404},
		{"destroying an unknown unit", "DELETE", "units/none.service", "", "", 404},
		{"restarting an unknown unit", "POST", "units/none.service/restart", "", "", 404},
		{"an unknown path", "GET", "nothing", "", "", 404},
		{"a bad page token", "GET", "units?nextPageToken=!!!", "", "", 400},
		{"a bad method", "POST", "units", "", "", 405},
		{"a bad patch", "PATCH", "machines", "application/json", `[{"op":"explode","path":"/x"}]`, 400},
	} {
		header := http.Header{}
		if c.contentType != "" {
			header.Set("Content-Type", c.contentType)
		}
		code, answer, err := w.request(w.ctx(), h, c.method, "/fleet/v1/"+c.path, header, c.body)
		if err != nil || code != c.want {
			t.Errorf("%s: %d (want %d) %.200s %v", c.what, code, c.want, answer, err)
		}
	}
	// What is merely unknown is left out of account.
	code, answer, err := w.request(w.ctx(), h, "PUT", "/fleet/v1/units/a.service", jsonHeader(), strings.Replace(option, "{", `{"colour":"green",`, 1))
	if err != nil || code != 201 {
		t.Errorf("an unknown field: %d %s %v", code, answer, err)
	}
	units, err := w.any().Units(w.ctx())
	if err != nil || len(units) != 1 {
		t.Errorf("stored: %v %v", units, err)
	}
	if after := w.life(h, "fleetd.service"); after != before {
		t.Errorf("fleetd was %q and is %q", before, after)
	}
}

func TestOfConcurrentWritersOfAUnitOneWinsAndTheOthersAreTold(t *testing.T) {
	w := shared(t)
	const writers = 9
	hosts := w.Hosts()
	var (
		group   sync.WaitGroup
		results [writers]error
	)
	clients := []*api.Client{w.via(hosts[0]), w.via(hosts[1]), w.via(hosts[2])}
	file := func(i int) string { return fmt.Sprintf("%sEnvironment=WRITER=%d\n", sleeper, i) }
	for i := range writers {
		group.Go(func() {
			_, results[i] = clients[i%3].PutFile(w.ctx(), "race.service", []byte(file(i)),
				api.PutFileOptions{Desired: cluster.Launched, NoReplace: true})
		})
	}
	group.Wait()
	winner := -1
	for i, err := range results {
		if err != nil {
			continue
		}
		if winner >= 0 {
			t.Errorf("writers %d and %d were both told that they have won", winner, i)
		}
		winner = i
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", results)
	}
	w.await(soon, "race.service", "it runs", runs)
	raw, err := w.any().File(w.ctx(), "race.service")
	if err != nil || string(raw) != file(winner) {
		t.Errorf("writer %d won, and stored is %q, %v", winner, raw, err)
	}

	// Two who both saw the same generation: one is told that it has changed.
	generation := w.unit("race.service").Generation
	_, err1 := clients[0].PutFile(w.ctx(), "race.service", []byte(file(100)), api.PutFileOptions{IfMatch: generation})
	_, err2 := clients[1].PutFile(w.ctx(), "race.service", []byte(file(101)), api.PutFileOptions{IfMatch: generation})
	if err1 != nil || err2 == nil {
		t.Errorf("first %v, second %v", err1, err2)
	}
}
