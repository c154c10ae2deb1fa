package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

const (
	machineA cluster.MachineID = "aaaa0000000000000000000000000001"
	machineB cluster.MachineID = "bbbb0000000000000000000000000002"
)

// pair is a cluster of two machines, each with a server and a journal of its own, over one store.
type pair struct {
	t        *testing.T
	store    *fakeStore
	a, b     *fixture
	atA, atB *fakeSystemd
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, store: newFakeStore(), atA: newFakeSystemd("a"), atB: newFakeSystemd("b")}
	p.store.write()
	p.a, p.b = p.member(machineA, p.atA), p.member(machineB, p.atB)
	p.announce(machineA, p.a.server.URL)
	p.announce(machineB, p.b.server.URL)
	return p
}

func (p *pair) member(id cluster.MachineID, local api.Local) *fixture {
	server := api.New(p.store, api.Options{Machine: id, Local: local})
	f := serve(p.t, server)
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("Run: %v", err)
		}
	})
	p.t.Cleanup(f.stop)
	return f
}

// settle writes changes, and waits until both servers have seen them.
func (p *pair) settle(changes ...cluster.Change) {
	p.t.Helper()
	revision := p.store.write(changes...)
	p.a.settle(p.t, revision)
	p.b.settle(p.t, revision)
}

func aSession(id cluster.MachineID) cluster.Session {
	return cluster.Session{Lease: int64(id[0]), BootID: "boot"}
}

func (p *pair) announce(id cluster.MachineID, endpoint string) {
	p.t.Helper()
	p.settle(cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: aSession(id), Address: "192.0.2.1", API: endpoint, Since: noon}})
}

// place has a unit on these machines and no others.
func (p *pair) place(name unit.Name, on ...cluster.MachineID) {
	p.t.Helper()
	var changes []cluster.Change
	for _, id := range []cluster.MachineID{machineA, machineB} {
		orders := &cluster.Orders{Machine: id, Session: aSession(id), Units: map[unit.Name]cluster.Order{}}
		report := &cluster.Report{Machine: id, Session: aSession(id), Units: map[unit.Name]cluster.UnitReport{}, At: noon, Orders: 1 << 40}
		for _, have := range on {
			if have == id {
				orders.Units[name] = cluster.Order{Desired: cluster.Launched, Generation: 2}
				report.Units[name] = cluster.UnitReport{State: unit.State{Load: "loaded", Active: "active", Sub: "running"}}
			}
		}
		changes = append(changes, cluster.OrdersChanged{ID: id, Orders: orders}, cluster.ReportChanged{ID: id, Report: report})
	}
	p.settle(changes...)
}

func (p *pair) submit(name unit.Name) {
	p.t.Helper()
	p.store.submit(p.t, name, "[Service]\nExecStart=/bin/true\n", cluster.Launched)
	p.settle()
}

// get returns the answer to a request, as curl shows it.
// get asks, for a journal by POST too, which makes no difference.
func (p *pair) get(f *fixture, path string, header ...string) (int, string) {
	p.t.Helper()
	code, body := p.ask(http.MethodGet, f, path, header...)
	resource, query, _ := strings.Cut(path, "?")
	if strings.HasSuffix(resource, "/journal") && !strings.Contains(query, "sync=") {
		if again, same := p.ask(http.MethodPost, f, path, header...); again != code || same != body {
			p.t.Errorf("POST %s: %d %s, GET: %d %s", path, again, same, code, body)
		}
	}
	return code, body
}

func (p *pair) ask(method string, f *fixture, path string, header ...string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, f.server.URL+"/fleet/v1/"+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if len(header) > 0 {
		req.Header.Set(header[0], header[1])
	}
	resp, err := f.server.Client().Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (p *pair) expect(f *fixture, path string, code int, want string) {
	p.t.Helper()
	if gotCode, got := p.get(f, path); gotCode != code || got != want {
		p.t.Errorf("GET %s: %d\n%s\nwant %d\n%s", path, gotCode, got, code, want)
	}
}

func TestAJournalIsReadFromAnyMachine(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "one", "two")
	p.atA.write("other.service", 2, "not of this unit")
	for _, f := range []*fixture{p.a, p.b} {
		p.expect(f, "units/app.service/journal?output=cat", 200, "one\ntwo\n")
		p.expect(f, "units/app.service/journal?output=cat&lines=1", 200, "two\n")
		p.expect(f, "units/app.service/journal?output=cat&lines=0", 200, "")
		p.expect(f, "units/app.service/journal?output=cat&since=@1772366401&until=@1772366401", 200, "one\ntwo\n")
		p.expect(f, "units/app.service/journal?output=cat&since=@1772366402", 200, "")
		p.expect(f, "units/app.service/journal?output=json&lines=1", 200,
			`{"MESSAGE":"two","_HOSTNAME":"a","SYSLOG_IDENTIFIER":"app","__REALTIME_TIMESTAMP":"1772366401000000","__CURSOR":"s=a;i=1","__FLEET_MACHINE":"`+string(machineA)+"\"}\n")
		p.expect(f, "units/app.service/status?lines=1", 200, "● app.service on a\nnot of this unit\n")
	}
}

func TestJournalsOfSeveralMachinesAreMergedByTime(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA, machineB)
	p.atA.write("app.service", 1, "a1")
	p.atB.write("app.service", 2, "b2")
	p.atA.write("app.service", 3, "a3", "a3 again")
	p.atB.write("app.service", 4, "b4")
	p.expect(p.a, "units/app.service/journal?output=cat&lines=all", 200, "aaaa0000 a1\nbbbb0000 b2\naaaa0000 a3\naaaa0000 a3 again\nbbbb0000 b4\n")
	p.expect(p.b, "units/app.service/journal?output=cat&lines=3", 200, "aaaa0000 a3\naaaa0000 a3 again\nbbbb0000 b4\n")
	p.expect(p.b, "units/app.service/journal?output=cat&machineID="+string(machineA)+"&lines=1", 200, "a3 again\n")
	p.expect(p.b, "units/app.service/journal?output=cat&everywhere=true&lines=1", 200, "bbbb0000 b4\n")
	code, text := p.get(p.b, "units/app.service/status?lines=0")
	if want := "==> " + string(machineA) + "/192.0.2.1 <==\n● app.service on a\n\n==> " + string(machineB) + "/192.0.2.1 <==\n● app.service on b\n"; code != 200 || text != want {
		t.Errorf("status: %d %q", code, text)
	}
}

func TestAMachineThatCannotBeAskedIsNamedWithWhatToDo(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1")
	p.announce(machineA, "")
	for _, call := range []string{"journal", "status", "journal?follow=true"} {
		code, body := p.get(p.b, "units/app.service/"+call)
		if code != http.StatusBadGateway || !strings.Contains(body, "machine "+string(machineA)+" serves no API over TCP: set api_listen") {
			t.Errorf("%s: %d %s", call, code, body)
		}
	}
	// It needs nobody to speak with itself.
	p.expect(p.a, "units/app.service/journal?output=cat", 200, "a1\n")

	p.place("app.service", machineA, machineB)
	p.atB.write("app.service", 2, "b2")
	code, body := p.get(p.b, "units/app.service/journal?output=cat")
	if code != 200 || !strings.HasPrefix(body, "bbbb0000 b2\n-- machine "+string(machineA)+" serves no API over TCP") {
		t.Errorf("%d %s", code, body)
	}
	_, body = p.get(p.b, "units/app.service/journal?output=json")
	if !strings.Contains(body, `{"fleet":{"type":"error","machineID":"`+string(machineA)+`","error":"machine `) {
		t.Error(body)
	}

	p.announce(machineA, "https://127.0.0.1:1")
	if code, body := p.get(p.b, "units/app.service/status?machineID="+string(machineA)); code != http.StatusBadGateway || !strings.Contains(body, "no certificate to show it") {
		t.Errorf("%d %s", code, body)
	}
	p.announce(machineA, "http://127.0.0.1:1")
	if code, body := p.get(p.b, "units/app.service/status?machineID="+string(machineA)); code != http.StatusBadGateway || !strings.Contains(body, "connection refused") {
		t.Errorf("%d %s", code, body)
	}
	// Another machine answers there.
	p.announce(machineA, p.b.server.URL)
	if code, body := p.get(p.b, "units/app.service/journal?machineID="+string(machineA)); code != http.StatusBadGateway || !strings.Contains(body, "this is machine "+string(machineB)) {
		t.Errorf("%d %s", code, body)
	}
}

func TestARequestGoesThroughTwoFleetdsAtMost(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	for _, call := range []string{"journal", "status"} {
		code, body := p.get(p.b, "units/app.service/"+call+"?machineID="+string(machineA), "Fleet-Forwarded", "somebody")
		if code != http.StatusMisdirectedRequest || len(p.atA.queries) != 0 {
			t.Errorf("%s: %d %s", call, code, body)
		}
	}
}

// A record of a machine can name an address that is no fleetd's: nothing of what is there is asked or shown.
func TestARecordLeadsToFleetdsAlone(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineB)
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a fleetd was sent elsewhere, and went")
	}))
	defer inner.Close()
	redirect := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Error("a fleetd spoke with a socket on its machine")
		}
	}()
	for _, endpoint := range []string{redirect.URL, "unix://" + socket} {
		p.announce(machineB, endpoint)
		for _, about := range []string{"journal", "status"} {
			if code, body := p.get(p.a, "units/app.service/"+about); code != http.StatusBadGateway || !strings.Contains(body, string(machineB)) {
				t.Errorf("%s with machine B at %s: %d %s", about, endpoint, code, body)
			}
		}
	}
}

func TestWhatAUnitWroteOutlivesIt(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service")
	p.atA.write("app.service", 1, "a1")
	for _, call := range []string{"journal", "status"} {
		if code, body := p.get(p.b, "units/app.service/"+call); code != http.StatusConflict || !strings.Contains(body, "is on no machine now") {
			t.Errorf("%s of a unit that is nowhere: %d %s", call, code, body)
		}
	}
	if _, err := p.a.client.Destroy(t.Context(), "app.service"); err != nil {
		t.Fatal(err)
	}
	p.settle()
	p.expect(p.b, "units/app.service/journal", 404, `{"error":{"code":404,"message":"unit does not exist"}}`)
	p.expect(p.b, "units/app.service/status", 404, `{"error":{"code":404,"message":"unit does not exist"}}`)
	p.expect(p.b, "units/app.service/journal?everywhere=true&output=cat", 200, "aaaa0000 a1\n")
	p.expect(p.b, "units/app.service/journal?output=cat&machineID="+string(machineA), 200, "a1\n")
}

func TestWhatIsNoJournalRequestIsRefused(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	for query, says := range map[string]string{
		"lines=-1": "expect a number, or all", "lines=1000000": "limit of 100000", "output=pretty": "expect one of short",
		"since=soon": "is no time", "until=soon": "is no time", "follow=perhaps": "follow", "follow=true&until=now": "do not go together",
		"everywhere=true&machineID=x": "do not go together", "cursor=x": "MACHINEID:CURSOR", "sync=true": `unknown parameter \"sync\"`, "line=3": "known are cursor",
	} {
		code, body := p.get(p.a, "units/app.service/journal?"+query)
		if code != http.StatusBadRequest || !strings.Contains(body, says) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	for query, says := range map[string]string{"lines=all": "expect a number", "output=json": "unknown parameter"} {
		code, body := p.get(p.a, "units/app.service/status?"+query)
		if code != http.StatusBadRequest || !strings.Contains(body, says) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if code, _ := p.get(p.a, "units/"+url.PathEscape("a b")+"/journal"); code != http.StatusBadRequest {
		t.Errorf("a bad name: %d", code)
	}
	f := newFixture(t, api.Options{})
	if _, err := f.client.StatusText(t.Context(), "app.service", api.StatusOptions{}); !isCode(err, http.StatusNotImplemented) {
		t.Errorf("without a systemd: %v", err)
	}
}

func TestAJournalIsAskedForInABodyToo(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1", "a2", "a3")
	for _, c := range []struct {
		kind, query, body string
		code              int
		says              string
	}{
		{"application/x-www-form-urlencoded", "?output=cat", "lines=1", 200, "a3\n"},
		{"application/x-www-form-urlencoded; charset=utf-8", "", "output=cat&cursor=" + string(machineA) + "%3As%3Da%3Bi%3D0", 200, "a2\na3\n"},
		{"application/x-www-form-urlencoded", "?output=cat&lines=2", "", 200, "a2\na3\n"},
		{"application/x-www-form-urlencoded", "?output=cat&cursor=" + string(machineA) + "%3As%3Da%3Bi%3D1", "", 200, "a3\n"},
		{"application/x-www-form-urlencoded", "", "line=1", 400, "unknown parameter"},
		{"application/x-www-form-urlencoded", "", "lines=%zz", 400, "parameter lines: "},
		{"application/json", "", "{}", 415, "only acceptable Content-Type is application/x-www-form-urlencoded"},
		{"application/x-www-form-urlencoded", "", strings.Repeat("cursor=x%3A&", 1<<18), 413, "api_max_body"},
	} {
		resp, err := http.Post(p.a.server.URL+"/fleet/v1/units/app.service/journal"+c.query, c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := string(raw); err != nil || resp.StatusCode != c.code || c.code == 200 && got != c.says || !strings.Contains(got, c.says) {
			t.Errorf("%s %.40q: %d %q %v, want %d %q", c.query, c.body, resp.StatusCode, got, err, c.code, c.says)
		}
	}
}

func isCode(err error, code int) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Code == code
}
