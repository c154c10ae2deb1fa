package api_test

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// TestScripts plays conversations with the API. A script states what the
// store says of the cluster, and requests as they go over the wire; what
// comes back is written down whole, but for headers that are the same everywhere and hashes in ETags.
//
//	machine M1 [ip=A] [metadata=(k=v,…)] [max=N] [memory=N] [physical=N] [version=V] [attends] [leaving] [fence=KILL]
//	                                a machine that is present; "gone" removes it; a fence that kills after so many seconds
//	agent M1 [gone]                 its fleetd is there, or is not
//	absence M1 [silent|lost|left] [ip=A]  what the engine found; without a word it is as it should be
//	forgotten M1                    the engine has removed what was known of it
//	alarm NAME [MINUTE] [M1]        is raised so long after noon; without a minute it is over
//	                                for machine, orders and report: [session=S] a session other than the first one, [boot=B] of
//	                                another boot
//	orders M1                       what the machine has to run: lines "NAME STATE"
//	report M1                       what it says: lines "NAME LOAD ACTIVE SUB [KEY=VALUE]… [error=TEXT]", with
//	                                the keys invocation, result, status, signal, restarts, job and skipped
//	pending NAME [remedy] [waiting] lines "RULE N DETAIL"; "none" removes it
//	amend NAME [STATE] [restart] [move] [move-to=M2] [destroy]  a change past the API
//	reset                           the store tells everything anew, and nothing is left
//	history                         what has happened since this was asked before
//	corrupt KIND/ID                 a record that cannot be read
//	leader M1                       M0: nobody
//	submit NAME [STATE]             a unit, past the API; the input is its file
//	ready / not-ready
//	v1 [alpha]                      requests of fleet 1's client: see script_v1_test.go
//	fleet1                          requests, and fleet 1's answers: see script_fleet1_test.go
//	request                         a request line, headers, an empty line, the body
//
// The server's advisor is the one in advisor_test.go; in a file whose name begins with "no-advisor" there is none.
//
// A machine called M1 has the id 1111…, one called M2 has 2222….
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newScript(t, strings.HasPrefix(filepath.Base(path), "no-advisor"))
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	*fixture
	token string           // of the last page that fleet 1's client got
	bare  *httptest.Server // fixture's, with nobody who listens
	rows  []string         // of the handbook's table of what differs from fleet 1
	told  int64            // the revision of the newest history that was asked for
}

func newScript(t *testing.T, alone bool) *script {
	o := api.Options{Version: "1.2.3", PageSize: 3, Advisor: advisor{}}
	if alone {
		o.Advisor = nil
	}
	s := &script{fixture: newFixture(t, o), told: 1}
	api.SetClock(s.api, func() time.Time { return noon })
	return s
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	var changes []cluster.Change
	switch d.Cmd {
	case "machine":
		changes = append(changes, s.machine(t, d))
	case "orders":
		changes = append(changes, s.orders(t, d))
	case "report":
		changes = append(changes, s.report(t, d))
	case "pending":
		changes = append(changes, s.pending(t, d))
	case "forgotten":
		id := machineID(d)
		changes = append(changes, cluster.OrdersChanged{ID: id}, cluster.SettingsChanged{ID: id}, cluster.AbsenceChanged{ID: id})
	case "agent":
		changes = append(changes, agentChange(d))
	case "absence":
		changes = append(changes, absenceChange(t, d))
	case "alarm":
		changes = append(changes, alarmChange(t, d))
	case "corrupt":
		kind, id, _ := strings.Cut(d.CmdArgs[0].Key, "/")
		changes = append(changes, cluster.Corrupted{Kind: cluster.Kind(kind), ID: id, Err: "unexpected end of JSON input"})
	case "leader":
		changes = append(changes, cluster.LeaderChanged{Machine: machineID(d)})
	case "amend":
		s.amend(t, d)
		return ""
	case "reset":
		s.store.reset()
		s.settle(t, s.store.revision)
		return ""
	case "history":
		return s.history(t)
	case "submit":
		s.submit(t, d)
		return ""
	case "ready":
		s.notReady.Store(false)
		return ""
	case "not-ready":
		s.notReady.Store(true)
		return ""
	case "v1":
		return s.v1(t, d)
	case "fleet1":
		return s.fleet1(t, d)
	case "request":
		return s.request(t, d.Input)
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	s.settle(t, s.store.write(changes...))
	return ""
}

func machineID(d *datadriven.TestData) cluster.MachineID {
	if d.CmdArgs[0].Key == "M0" {
		return ""
	}
	return cluster.MachineID(strings.Repeat(strings.TrimPrefix(d.CmdArgs[0].Key, "M"), 32))
}

func sessionOf(id cluster.MachineID) cluster.Session {
	return cluster.Session{Lease: int64(id[0]), BootID: "boot-of-" + string(id[:1])}
}

func sessionArg(d *datadriven.TestData, id cluster.MachineID) cluster.Session {
	session := sessionOf(id)
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "session":
			session.Lease += int64(crc32.ChecksumIEEE([]byte(arg.Vals[0])))
		case "boot":
			session.BootID = arg.Vals[0]
		}
	}
	return session
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (s *script) machine(t *testing.T, d *datadriven.TestData) cluster.Change {
	id := machineID(d)
	m := cluster.Machine{ID: id, Session: sessionArg(d, id), Since: noon}
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "gone":
			return cluster.MachineChanged{ID: id}
		case "ip":
			m.Address = arg.Vals[0]
		case "max":
			m.Capacity.MaxUnits, _ = strconv.Atoi(arg.Vals[0])
		case "memory":
			m.Capacity.Memory, _ = strconv.ParseInt(arg.Vals[0], 10, 64)
		case "physical":
			m.Capacity.PhysicalMemory, _ = strconv.ParseInt(arg.Vals[0], 10, 64)
		case "version":
			m.Version = arg.Vals[0]
		case "attends":
			m.Attends = true
		case "leaving":
			m.Leaving = true
		case "fence":
			kill, _ := strconv.Atoi(arg.Vals[0])
			m.Fence = cluster.Fence{
				TTL: 30 * time.Second, Renewal: 6 * time.Second, Watchdog: 15 * time.Second, Kill: time.Duration(kill) * time.Second,
			}
		case "session", "boot":
		case "metadata":
			m.Metadata = make(map[string]string)
			for _, pair := range arg.Vals {
				key, value, _ := strings.Cut(pair, "=")
				m.Metadata[key] = value
			}
		default:
			d.Fatalf(t, "unknown argument %s", arg.Key)
		}
	}
	return cluster.MachineChanged{ID: id, Machine: &m}
}

func (s *script) orders(t *testing.T, d *datadriven.TestData) cluster.Change {
	id := machineID(d)
	o := cluster.Orders{Machine: id, Session: sessionArg(d, id), Units: make(map[unit.Name]cluster.Order)}
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		u := s.store.unit(unit.Name(words[0]))
		o.Units[unit.Name(words[0])] = cluster.Order{
			Content: u.Content, Desired: cluster.DesiredState(words[1]), Generation: u.Generation,
			Restart: u.Restart, Move: u.Move, Global: u.Global, Reason: "fewest units", Since: noon,
		}
	}
	return cluster.OrdersChanged{ID: id, Orders: &o}
}

func (s *script) report(t *testing.T, d *datadriven.TestData) cluster.Change {
	id := machineID(d)
	r := cluster.Report{
		Machine: id, Session: sessionArg(d, id), Orders: 1 << 40, At: noon.Add(time.Second),
		Units: make(map[unit.Name]cluster.UnitReport),
	}
	for line := range strings.Lines(d.Input) {
		line, problem, _ := strings.Cut(strings.TrimSpace(line), " error=")
		words := strings.Fields(line)
		u := s.store.unit(unit.Name(words[0]))
		ur := cluster.UnitReport{
			State:   unit.State{Load: words[1], Active: words[2], Sub: words[3]},
			Content: u.Content, Generation: u.Generation, Tried: u.Generation, Error: problem,
		}
		if ur.Active == "active" {
			ur.InvocationID, ur.Result, ur.MainPID = "abcd", "success", 42
		}
		if ur.Active == "failed" {
			ur.Result, ur.ExitStatus, ur.Log = "exit-code", 1, []string{"cannot bind: address in use"}
		}
		for _, word := range words[4:] {
			detail(t, d, &ur, word)
		}
		r.Units[unit.Name(words[0])] = ur
	}
	return cluster.ReportChanged{ID: id, Report: &r}
}

func agentChange(d *datadriven.TestData) cluster.Change {
	id := machineID(d)
	if d.HasArg("gone") {
		return cluster.AgentChanged{ID: id}
	}
	return cluster.AgentChanged{ID: id, Agent: &cluster.Agent{Machine: id, Session: sessionOf(id), Since: noon}}
}

func absenceChange(t *testing.T, d *datadriven.TestData) cluster.Change {
	id := machineID(d)
	a := cluster.Absence{Machine: id, Since: noon.Add(time.Minute), Session: sessionOf(id), Version: "1.2.3", Metadata: map[string]string{"disk": "ssd"}}
	for _, arg := range d.CmdArgs[1:] {
		switch state := cluster.MachineState(arg.Key); {
		case arg.Key == "ip":
			a.Address = arg.Vals[0]
		case slices.Contains([]cluster.MachineState{cluster.StateSilent, cluster.StateLost, cluster.StateLeft}, state):
			a.State = state
		default:
			d.Fatalf(t, "unknown argument %s", arg.Key)
		}
	}
	if a.State == "" {
		return cluster.AbsenceChanged{ID: id}
	}
	return cluster.AbsenceChanged{ID: id, Absence: &a}
}

func alarmChange(t *testing.T, d *datadriven.TestData) cluster.Change {
	name := cluster.AlarmName(d.CmdArgs[0].Key)
	if len(d.CmdArgs) == 1 {
		return cluster.AlarmChanged{Name: name}
	}
	minute, err := strconv.Atoi(d.CmdArgs[1].Key)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	a := cluster.Alarm{Name: name, Since: noon.Add(time.Duration(minute) * time.Minute), Message: "too many machines were lost"}
	for _, arg := range d.CmdArgs[2:] {
		a.Machines = append(a.Machines, cluster.MachineID(strings.Repeat(strings.TrimPrefix(arg.Key, "M"), 32)))
	}
	return cluster.AlarmChanged{Name: name, Alarm: &a}
}

// detail sets one more field of what a machine says of a unit.
func detail(t *testing.T, d *datadriven.TestData, ur *cluster.UnitReport, word string) {
	key, value, _ := strings.Cut(word, "=")
	n, _ := strconv.Atoi(value)
	switch key {
	case "invocation":
		ur.InvocationID = value
	case "result":
		ur.Result = value
	case "status":
		ur.ExitStatus = int32(n)
	case "signal":
		ur.ExitStatus, ur.Signaled = int32(n), true
	case "restarts":
		ur.Restarts = uint32(n)
	case "job":
		ur.Job = unit.JobResult(value)
	case "skipped":
		ur.Skipped = true
	default:
		d.Fatalf(t, "unknown word %q", word)
	}
}

// amend changes a unit as another fleetd's API would.
func (s *script) amend(t *testing.T, d *datadriven.TestData) {
	u, err := s.store.UpdateUnit(t.Context(), unit.Name(d.CmdArgs[0].Key), func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		edit := cluster.UnitEdit{Unit: *current}
		for _, arg := range d.CmdArgs[1:] {
			switch arg.Key {
			case "destroy":
				return nil, nil
			case "restart":
				edit.Restart = true
			case "move":
				edit.Move, edit.Unit.MoveTo = true, ""
			case "move-to":
				edit.Move, edit.Unit.MoveTo = true, cluster.MachineID(strings.Repeat(strings.TrimPrefix(arg.Vals[0], "M"), 32))
			default:
				edit.Unit.Desired = cluster.DesiredState(arg.Key)
			}
		}
		return &edit, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.settle(t, u.Revision)
}

// history shows what has happened, without the times.
func (s *script) history(t *testing.T) string {
	var out strings.Builder
	err := s.client.History(t.Context(), api.HistoryOptions{Since: s.told}, func(h api.Happening) error {
		mark := " "
		if h.Severity == api.SeverityWarning {
			mark = "!"
		}
		fmt.Fprintf(&out, "%s %-16s %s\n", mark, h.Type, h.Message)
		s.told = max(s.told, h.Revision)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func (s *script) pending(t *testing.T, d *datadriven.TestData) cluster.Change {
	name := unit.Name(d.CmdArgs[0].Key)
	p := cluster.Pending{Generation: s.store.unit(name).Generation, Since: noon, Waiting: d.HasArg("waiting")}
	if d.HasArg("none") {
		return cluster.PendingChanged{Name: name}
	}
	for line := range strings.Lines(d.Input) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		n, err := strconv.Atoi(words[1])
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		p.Excluded = append(p.Excluded, cluster.Exclusion{Rule: words[0], Machines: n, Detail: words[2]})
		p.Machines += n
	}
	if d.HasArg("remedy") {
		p.Remedy = &cluster.Remedy{Rule: p.Excluded[0].Rule, Machine: cluster.MachineID(strings.Repeat("1", 32)), Text: "do something about it"}
	}
	return cluster.PendingChanged{Name: name, Pending: &p}
}

func (s *script) submit(t *testing.T, d *datadriven.TestData) {
	desired := cluster.Inactive
	if len(d.CmdArgs) > 1 {
		desired = cluster.DesiredState(d.CmdArgs[1].Key)
	}
	u := s.store.submit(t, unit.Name(d.CmdArgs[0].Key), d.Input+"\n", desired)
	s.settle(t, u.Revision)
}

// hashes are those in the tags of what is shown: they are for machines.
var hashes = regexp.MustCompile(`[0-9a-f]+-[0-9a-f]+-[0-9a-f]{1,16}|[0-9a-f]{16}`)

// request sends a request exactly as it is written and shows the answer.
func (s *script) request(t *testing.T, input string) string {
	head, body, _ := strings.Cut(input, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	lines[0] += " HTTP/1.1"
	lines = append(lines, "Host: domain-sock", "Connection: close")
	if body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(lines[0], " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintln(&out, resp.Status)
	var headers []string
	for key, values := range resp.Header {
		if slices.Contains([]string{"Date", "Content-Length", "Connection", "Vary"}, key) {
			continue
		}
		for _, v := range values {
			if key == "Etag" {
				v = hashes.ReplaceAllString(v, "…")
			}
			headers = append(headers, key+": "+v)
		}
	}
	slices.Sort(headers)
	for _, h := range headers {
		fmt.Fprintln(&out, h)
	}
	out.Write(answer)
	return out.String()
}
