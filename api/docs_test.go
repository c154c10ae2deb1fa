package api_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// The version in the document is an example, and need not follow ours.
const handbook = "../docs/api.md"

// TestDocs carries out every command in docs/api.md, in order, against a
// server, and holds the document to what comes out. With -rewrite it writes that down.
func TestDocs(t *testing.T) {
	source, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	s := newDocSession(t)
	var out strings.Builder
	commands := 0
	inConsole := false
	for line := range strings.Lines(string(source)) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inConsole = line == "```console\n"
		case inConsole && isCommand:
			out.WriteString(line)
			out.WriteString(s.run(t, strings.TrimSpace(command)))
			commands++
			continue
		case inConsole:
			continue // output of the last run
		}
		out.WriteString(line)
	}
	if commands < 15 {
		t.Errorf("only %d commands found in %s", commands, handbook)
	}
	if rewrite := flag.Lookup("rewrite"); rewrite != nil && rewrite.Value.String() == "true" {
		if err := os.WriteFile(handbook, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(string(source), out.String()); diff != "" {
		t.Errorf("%s is not what happens; run this test with -rewrite (-document +truth):\n%s", handbook, diff)
	}
}

// docSession is the cluster of the document, and the little of a shell that its commands need.
type docSession struct {
	*fixture
	files map[string]string
}

func newDocSession(t *testing.T) *docSession {
	id := cluster.MachineID("2d1f8c1e5b0a4c0e9a55c0ffee000001")
	host := newFakeSystemd("a")
	host.write("web@1.service", 0, "Started web@1.service.", "listening on port 80")
	s := &docSession{
		fixture: newFixture(t, api.Options{Version: "2.0.0", Advisor: advisor{}, Machine: id, Local: host, Keeper: newFakeKeeper()}),
		files: map[string]string{
			"large.json":    strings.Repeat(" ", 3<<20),
			"hello.service": "# Says hello.\n[Service]\nExecStart=/usr/bin/python3 -m http.server 8080\n",
		},
	}
	api.SetClock(s.api, func() time.Time { return noon })
	gone := cluster.MachineID("9b5d0000000000000000000000000007")
	session := cluster.Session{Lease: 1, BootID: "boot"}
	otherSession := cluster.Session{Lease: 2, BootID: "boot"}
	web := s.store.submit(t, "web@1.service", "[Service]\nExecStart=/usr/bin/web %i\nMemoryMax=2G\n", cluster.Launched)
	db := s.store.submit(t, "db.service", "[Service]\nExecStart=/usr/bin/db\nMemoryMax=20G\n", cluster.Launched)
	cache := s.store.submit(t, "cache.service", "[Service]\nExecStart=/usr/bin/cache\nMemoryMax=1G\n", cluster.Launched)
	other := cluster.MachineID("7c3e9a0f4d1b4b6f8e22c0ffee000002")
	s.settle(t, s.store.write(
		cluster.MachineChanged{ID: id, Machine: &cluster.Machine{
			ID: id, Session: session, Address: "192.0.2.1", Metadata: map[string]string{"disk": "ssd"},
			Capacity: cluster.Capacity{
				MaxUnits: 1000, Resources: unit.Resources{Memory: 16 << 30, CPU: 8000, Named: map[string]int64{"gpu": 2}},
			},
			Version: "2.0.0", Since: noon,
		}},
		cluster.MachineChanged{ID: other, Machine: &cluster.Machine{
			ID: other, Session: otherSession, Address: "192.0.2.2", Version: "2.0.0", Since: noon,
			Capacity: cluster.Capacity{Resources: unit.Resources{Memory: 4 << 30, CPU: 2000}},
		}},
		cluster.OrdersChanged{ID: other, Orders: &cluster.Orders{
			Machine: other, Session: otherSession,
			Units: map[unit.Name]cluster.Order{cache.Name: {
				Content: cache.Content, Desired: cache.Desired, Generation: cache.Generation, Reason: "the only machine that fits", Since: noon,
			}},
		}},
		cluster.PendingChanged{Name: db.Name, Pending: &cluster.Pending{
			Generation: db.Generation, Machines: 2, Since: noon,
			Excluded: []cluster.Exclusion{{
				Rule: "Resources", Detail: "have too little memory", Machines: 2, Examples: []cluster.MachineID{id, other},
				Resource: unit.Memory, Needed: 20 << 30, Missing: 6 << 30,
			}},
			Remedy: &cluster.Remedy{
				Rule: "Resources", Machine: id, Resource: unit.Memory, Amount: 6 << 30,
				Text: "add 6G of memory to 2d1f8c1e, or reserve that much less",
			},
		}},
		cluster.LeaderChanged{Machine: id},
		cluster.AbsenceChanged{ID: gone, Absence: &cluster.Absence{
			Machine: gone, State: cluster.StateLost, Since: noon, Session: cluster.Session{Lease: 3, BootID: "boot"},
			Address: "192.0.2.9", Version: "2.0.0",
		}},
		cluster.AlarmChanged{Name: cluster.MassLoss, Alarm: &cluster.Alarm{
			Name: cluster.MassLoss, Since: noon, Machines: []cluster.MachineID{gone},
			Message: "2 of 3 machines were lost within 60s: their units wait for them",
		}},
		cluster.OrdersChanged{ID: id, Orders: &cluster.Orders{
			Machine: id, Session: session,
			Units: map[unit.Name]cluster.Order{web.Name: {
				Content: web.Content, Desired: web.Desired, Generation: web.Generation, Reason: "the only machine that fits", Since: noon,
			}},
		}},
		cluster.ReportChanged{ID: id, Report: &cluster.Report{
			Machine: id, Session: session, Orders: 1 << 40, At: noon,
			Units: map[unit.Name]cluster.UnitReport{web.Name: {
				State: unit.State{
					Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: 4711,
					InvocationID: "5d3c0f6e1f4b4f0d8a3f0a4be2b0c6d1", Since: noon,
				},
				Content: web.Content, Generation: web.Generation, Tried: web.Generation, Job: unit.JobDone,
			}},
		}},
	))
	return s
}

func (s *docSession) run(t *testing.T, command string) string {
	t.Helper()
	command, filter, _ := strings.Cut(command, " | ")
	words := shellWords(command)
	var output string
	switch words[0] {
	case "cat":
		output = s.files[words[1]]
	case "curl":
		output = s.curl(t, words[1:])
	default:
		t.Fatalf("unknown command %q", command)
	}
	filter, field, _ := strings.Cut(filter, " .")
	switch filter {
	case "":
	case "jq":
		output = pick(t, output, field)
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(output), "", "  "); err != nil {
			t.Fatalf("%s: %v in %q", command, err, output)
		}
		output = indented.String()
	default:
		t.Fatalf("unknown filter %q", filter)
	}
	if output != "" && !strings.HasSuffix(output, "\n") {
		output += "\n"
	}
	return output
}

// pick is what jq's .a.b does.
func pick(t *testing.T, document, path string) string {
	t.Helper()
	for key := range strings.SplitSeq(path, ".") {
		if key == "" {
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		document = string(object[key])
	}
	return document
}

var word = regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`)

// shellWords splits a command at spaces that are not between quotes.
func shellWords(command string) []string {
	var words []string
	for _, m := range word.FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}

// curl knows the options that the document uses, and gives them curl's meaning.
func (s *docSession) curl(t *testing.T, args []string) string {
	t.Helper()
	method, target, body, file := "", "", "", ""
	header := make(http.Header)
	showHeader := false
	for i := 0; i < len(args); i++ {
		value := ""
		if slices.Contains([]string{"-X", "-H", "-d", "--data-binary", "-o"}, args[i]) {
			value = args[i+1]
			i++
		}
		switch option := args[max(0, i-1)]; {
		case value == "" && args[i] == "-i":
			showHeader = true
		case value == "" && args[i] == "-N", value == "" && args[i] == "-s":
		case value == "":
			target = args[i]
		case option == "-X":
			method = value
		case option == "-o":
			file = value
		case option == "-H":
			key, v, _ := strings.Cut(value, ": ")
			header.Add(key, v)
		default:
			method = cmp.Or(method, http.MethodPost)
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			body = value
			if name, isFile := strings.CutPrefix(value, "@"); isFile {
				body = s.files[name]
			}
		}
	}
	target = strings.Replace(target, "$API", s.server.URL+"/fleet/v1", 1)
	req, err := http.NewRequestWithContext(t.Context(), cmp.Or(method, http.MethodGet), target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := s.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if file != "" {
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		s.files[file] = string(content)
		return ""
	}
	var out strings.Builder
	if showHeader {
		fmt.Fprintf(&out, "HTTP/1.1 %s\n", resp.Status)
		for _, key := range []string{"Content-Type", "Etag", "Fleet-Generation", "Server"} {
			if v := resp.Header.Get(key); v != "" {
				fmt.Fprintf(&out, "%s: %s\n", key, v)
			}
		}
		out.WriteString("\n")
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		out.WriteString(line)
		if err != nil || strings.Contains(line, `{"type":"sync"`) || strings.Contains(line, `{"type":"live"`) {
			return strings.TrimSuffix(out.String(), "\n\n")
		}
	}
}
