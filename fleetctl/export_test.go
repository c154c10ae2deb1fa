package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// caller runs fleetctl in this process, against one cluster.
type caller func(stdin string, args ...string) (stdout, stderr string, code exitCode)

func newCaller(t *testing.T) (run caller, operator *api.Client, endpoint string) {
	t.Helper()
	w := newWorld()
	handler, stop := w.serve("2.0.0")
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		stop()
		w.close()
	})
	operator, err := api.Dial(server.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run = func(stdin string, args ...string) (string, string, exitCode) {
		var out, log bytes.Buffer
		a := &app{stdin: strings.NewReader(stdin), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
		code := a.run(t.Context(), append([]string{"--endpoint", server.URL}, args...))
		return out.String(), log.String(), code
	}
	return run, operator, server.URL
}

// must runs a command that has to succeed.
func (run caller) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, log, code := run(stdin, args...)
	if code != exitOK {
		t.Fatalf("fleetctl %s: exit code %d\n%s", strings.Join(args, " "), code, log)
	}
	return out
}

// TestExportAndImportMakeTheSameCluster: whatever is in it. An export of the copy is the same byte for
// byte, and a second import has nothing to do.
func TestExportAndImportMakeTheSameCluster(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			original, operator, _ := newCaller(t)
			copied, _, _ := newCaller(t)
			furnish(t, original, operator, random)
			first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
			original.must(t, "", "export", first)

			// Some of it may be there already, in another state, and more.
			names := exportedNames(t, first)
			for _, name := range names {
				if random.IntN(4) == 0 {
					copied.must(t, "[Service]\nExecStart=/bin/before\n", "submit", "--name", string(name), "-")
				}
			}
			copied.must(t, "[Service]\nExecStart=/bin/more\n", "start", "--name", "more.service", "-")

			copied.must(t, "", "import", "--prune", "--yes", first)
			copied.must(t, "", "export", second)
			compareDirs(t, first, second)
			if out := copied.must(t, "", "import", "--prune", first); !strings.HasPrefix(out, "Nothing to change") {
				t.Errorf("the second import: %s", out)
			}
		})
	}
}

// furnish submits units of all kinds, and lays settings over machines.
func furnish(t *testing.T, run caller, operator *api.Client, random *rand.Rand) {
	t.Helper()
	names := []unit.Name{`dev-foo\x2dbar.service`, unit.Name(strings.Repeat("n", unit.MaxNameLen-len(".service")) + ".service"), ".hidden.service"}
	for i := range 10 {
		names = append(names, unit.Name(fmt.Sprintf("%c%d.service", 'a'+random.IntN(26), i)))
	}
	for i := range 3 {
		names = append(names, unit.Name(fmt.Sprintf("job@%d.timer", i)), unit.Name(fmt.Sprintf("t%d@.service", i)))
	}
	for _, name := range names {
		file := "[Service]\nExecStart=/bin/serve\n"
		if name.Type() == unit.Timer {
			file = "[Timer]\nOnCalendar=daily\n"
		}
		file = strings.Repeat("# comment \xc3\xa9\r\n", random.IntN(3)) + file
		if random.IntN(3) == 0 {
			file += "[X-Fleet]\nGlobal=true"
		}
		verb := []string{"submit", "load", "start"}[random.IntN(3)]
		if name.IsTemplate() {
			verb = "submit"
		}
		run.must(t, file, verb, "--name", string(name), "-")
	}
	if random.IntN(2) == 0 {
		run.must(t, "", "cordon", string(secondMachine))
	}
	err := operator.Lay(t.Context(), api.MachineSettings{
		MachineID: "3333cccc000000000000000000000003", Cordoned: true,
		Metadata: map[string]string{"disk": "ssd", "zone": "a b"}, Hidden: []string{"role"},
		Capacity: map[string]int64{unit.Memory: 3 << 29, unit.CPU: 500, unit.Slots: 7, unit.Disk: 1000, "gpu": 2},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exportedNames(t *testing.T, dir string) []unit.Name {
	t.Helper()
	state, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []unit.Name
	for name := range state.Units {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func compareDirs(t *testing.T, first, second string) {
	t.Helper()
	read := func(dir string) map[string]string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := make(map[string]string)
		for _, e := range entries {
			raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = string(raw)
		}
		return files
	}
	a, b := read(first), read(second)
	for name := range b {
		if _, both := a[name]; !both {
			t.Errorf("%s is in the copy only", name)
		}
	}
	for name, text := range a {
		if b[name] != text {
			t.Errorf("%s: the copy has\n%s\nwant\n%s", name, b[name], text)
		}
	}
}

// TestSettingsAreKept: what is laid over machines goes to the state file and back as it is.
func TestSettingsAreKept(t *testing.T) {
	m := savedMachine{
		Metadata: map[string]string{"disk": "ssd", "zone": "a b"}, Hidden: []string{"role"}, Cordoned: true,
		Capacity: map[string]string{"memory": "1.5G", "cpu": "500m", "units": "7", "disk": "1000B", "example.com/gpu": "2"},
	}
	const id cluster.MachineID = "3333cccc000000000000000000000003"
	s, err := m.settings(id)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(saveMachine(s)); got != fmt.Sprint(m) {
		t.Errorf("%s, want %v", got, m)
	}
	if o, differs := newOverlay(s, s); differs {
		t.Errorf("what is laid already would be laid again: %s", o.words())
	}
}
