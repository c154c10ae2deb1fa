package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fleet1 answers as a fleetd of fleet 1 does, which looks at no parameter but the page's token. Of web there is one on each machine.
func fleet1(t *testing.T, version string) (endpoint string) {
	t.Helper()
	answers := map[string]string{
		"/fleet/v1/discovery": `{}`,
		"/fleet/v1/machines": `{"machines":[
			{"id":"1111aaaa000000000000000000000001","primaryIP":"10.0.0.1","metadata":{"disk":"ssd"}},
			{"id":"2222bbbb000000000000000000000002","primaryIP":"10.0.0.2"}]}`,
		"/fleet/v1/units": `{"units":[
			{"name":"db.service","desiredState":"loaded","currentState":"loaded","machineID":"1111aaaa000000000000000000000001"},
			{"name":"idle.service","desiredState":"inactive","currentState":"inactive"},
			{"name":"job.service","desiredState":"launched","currentState":"launched","machineID":"2222bbbb000000000000000000000002"},
			{"name":"web.service","desiredState":"launched","currentState":"inactive"}]}`,
		"/fleet/v1/state": `{"states":[
			{"name":"db.service","machineID":"1111aaaa000000000000000000000001","systemdActiveState":"inactive"},
			{"name":"job.service","machineID":"2222bbbb000000000000000000000002","systemdActiveState":"active"},
			{"name":"web.service","machineID":"1111aaaa000000000000000000000001","systemdActiveState":"active"},
			{"name":"web.service","machineID":"2222bbbb000000000000000000000002","systemdActiveState":"active"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "fleetd/"+version)
		w.Header().Set("Content-Type", "application/json")
		body, known := answers[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestFiltersHoldForFleet1: that server sends everything, whatever it is asked for.
func TestFiltersHoldForFleet1(t *testing.T) {
	for _, version := range []string{"1.0.0", "0.11.5", "1.0.0+git"} {
		endpoint := fleet1(t, version)
		for line, want := range map[string]string{
			"list-unit-files":                                      "db.service idle.service job.service web.service",
			"list-unit-files --desired launched":                   "job.service web.service",
			"list-unit-files --machine 1111":                       "db.service web.service",
			"list-unit-files --selector disk=ssd":                  "db.service web.service",
			"list-unit-files --desired loaded,inactive":            "db.service idle.service",
			"list-unit-files --selector disk=hdd":                  "",
			"list-unit-files --machine 1111 --desired launched w*": "web.service",
			"list-units --machine 2222":                            "job.service web.service",
			"list-units --machine 2222 --selector disk=ssd":        "",
			"list-units --desired loaded":                          "db.service",
			"list-units --desired launched --selector disk=ssd":    "web.service",
			"list-units --state active --machine 1111":             "web.service",
		} {
			var out, log bytes.Buffer
			a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
			args := append([]string{"--endpoint", endpoint}, strings.Fields(line)...)
			if code := a.run(t.Context(), append(args, "--fields", "unit", "--no-legend")); code != exitOK {
				t.Errorf("%s of fleet %s: exit code %d\n%s", line, version, code, &log)
			}
			if got := strings.Join(strings.Fields(out.String()), " "); got != want {
				t.Errorf("%s of fleet %s: %q, want %q", line, version, got, want)
			}
		}
	}
}
