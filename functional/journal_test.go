//go:build functional

package functional

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"fleet/functional/testbed"
	"fleet/unit"
)

// ticking writes a line with the next number every 50 ms, and one when it is stopped.
const ticking = `[Service]
ExecStart=/bin/bash -c 'trap "echo last words; exit" TERM; for ((i=0;;i++)); do echo tick $i; sleep 0.05; done'
`

// meshed is a cluster of three hosts whose fleetds know each other by certificates made as the handbook says. The
// testbed itself goes by plain HTTP, from a socket that systemd passes.
func meshed(t *testing.T, name string) *world {
	w := start(t, testbed.Spec{Name: name, Hosts: 3})
	dir := t.TempDir()
	commands := handbookCommands(t)
	shell := func(line string, env ...string) {
		cmd := exec.Command("/bin/sh", "-ec", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	shell(commands[0])
	for _, h := range w.Hosts() {
		shell(commands[1], "NAME="+h.Name, "ADDRESS="+h.Address.String())
	}
	shell(commands[2], "NAME=me")
	for _, h := range w.Hosts() {
		for from, to := range map[string]string{"ca.crt": "ca.crt", h.Name + ".crt": "api.crt", h.Name + ".key": "api.key"} {
			if err := h.CopyFile(filepath.Join(dir, from), "/etc/fleet/"+to, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.configure(h, "[Socket]\nListenStream=0.0.0.0:49153\n", `api_listen = https://0.0.0.0:7443
api_certfile = /etc/fleet/api.crt
api_keyfile = /etc/fleet/api.key
api_cafile = /etc/fleet/ca.crt
`)
	}
	w.awaitMachines(soon, w.Hosts()...)
	return w
}

// handbookCommands are the three blocks of docs/fleetd.md that make certificates.
func handbookCommands(t *testing.T) []string {
	raw, err := os.ReadFile(filepath.Join(source, "docs/fleetd.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(openssl .*?)```").FindAllStringSubmatch(string(raw), -1)
	var commands []string
	for _, b := range blocks {
		commands = append(commands, b[1])
	}
	if len(commands) != 3 {
		t.Fatalf("the handbook has %d commands of openssl", len(commands))
	}
	return commands
}

// configure gives a host another way to listen.
func (w *world) configure(h *testbed.Host, socket, settings string) {
	w.t.Helper()
	raw, err := h.ReadFile("/etc/fleet/fleet.conf")
	if err != nil {
		w.t.Fatal(err)
	}
	config := regexp.MustCompile(`(?m)^api_.*\n`).ReplaceAllString(string(raw), "") + settings
	for path, text := range map[string]string{"/etc/fleet/fleet.conf": config, "/etc/systemd/system/fleet.socket.d/tcp.conf": socket} {
		if err := h.WriteFile(path, []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.sh(h, "systemctl daemon-reload && systemctl stop fleetd.service && systemctl restart fleet.socket && systemctl start fleetd.service")
}

// reader is a fleetctl journal -f that runs.
type reader struct {
	mu     sync.Mutex
	lines  []string
	stderr lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func (w *world) follow(through *testbed.Host, args ...string) *reader {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx())
	cmd := w.FleetctlCommand(ctx, through, append([]string{"journal", "-f"}, args...)...)
	r := &reader{}
	cmd.Stderr = &r.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			r.mu.Lock()
			r.lines = append(r.lines, scanner.Text())
			r.mu.Unlock()
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
		_ = cmd.Wait() // it was killed
	})
	return r
}

func (r *reader) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines...)
}

// runsOfTicks are the numbers that were read, by life of the unit, in the order in which they came.
func (r *reader) runsOfTicks() (runs [][]int) {
	lives := make(map[string]int) // index in runs
	for _, line := range r.seen() {
		var entry struct {
			Host    string `json:"_HOSTNAME"`
			PID     string `json:"_PID"`
			Message string `json:"MESSAGE"`
		}
		var n int
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue // a value that is no text
		}
		if _, err := fmt.Sscanf(entry.Message, "tick %d", &n); err != nil {
			continue
		}
		i, known := lives[entry.Host+entry.PID]
		if !known {
			i = len(runs)
			runs = append(runs, nil)
			lives[entry.Host+entry.PID] = i
		}
		runs[i] = append(runs[i], n)
	}
	return runs
}

func (r *reader) count() int {
	total := 0
	for _, run := range r.runsOfTicks() {
		total += len(run)
	}
	return total
}

// more waits until so many further ticks were read.
func (w *world) more(r *reader, ticks int) {
	w.t.Helper()
	want := r.count() + ticks
	w.eventually(2*soon, fmt.Sprintf("%d further ticks are read", ticks), func() (bool, string) {
		seen := r.seen()
		return r.count() >= want, strings.Join(seen[max(0, len(seen)-5):], "\n") + "\n" + r.stderr.String()
	})
}

func TestAJournalIsFollowedThroughMovesRestartsAndTheLossOfAHost(t *testing.T) {
	t.Parallel()
	w := meshed(t, "journal")
	const name = unit.Name("tick.service")
	first, second, third := w.host(1), w.host(2), w.host(3)
	w.put(name, ticking+"[X-Fleet]\nMachineID="+second.MachineID+"\n", "launched")
	w.await(soon, name, "it runs on "+second.Name, runsOn(second))

	r := w.follow(first, "-n", "1", "-o", "json", string(name))
	w.more(r, 10)
	// Neither a fleetd that dies on the way nor one at either end costs a line.
	for _, h := range []*testbed.Host{second, first} {
		if err := h.KillFleetd(w.ctx()); err != nil {
			t.Fatal(err)
		}
		w.more(r, 60)
	}
	w.put(name, ticking+"[X-Fleet]\nHandOver=stop-first\n", "launched") // it may go anywhere now
	w.more(r, 10)
	w.mustFleetctl("move", string(name), third.MachineID)
	w.await(soon, name, "it runs on "+third.Name, runsOn(third))
	w.more(r, 20)
	runs := r.runsOfTicks()
	for i, run := range runs {
		for j := 1; j < len(run); j++ {
			if run[j] != run[j-1]+1 {
				t.Fatalf("in life %d, %d follows %d", i, run[j], run[j-1])
			}
		}
		if i > 0 && run[0] != 0 {
			t.Errorf("life %d begins with %d", i, run[0])
		}
	}
	text := strings.Join(r.seen(), "\n")
	if !strings.Contains(text, "last words") || strings.Count(text, "Stopped tick.service") < 1 {
		t.Errorf("the end of the unit on %s is missing:\n%s", second.Name, text)
	}
	if said := r.stderr.String(); !strings.Contains(said, "tick.service has left "+second.MachineID[:8]) || !strings.Contains(said, "tick.service is on "+third.MachineID[:8]) {
		t.Errorf("it said %s", said)
	}

	lives := len(runs)
	if err := third.Kill(w.ctx()); err != nil {
		t.Fatal(err)
	}
	w.await(4*soon, name, "it runs elsewhere", runsOff(third))
	w.more(r, 20)
	if runs := r.runsOfTicks(); len(runs) != lives+1 || runs[lives][0] != 0 {
		t.Errorf("after the loss of %s, life %d begins with %v", third.Name, len(runs), runs[len(runs)-1][:3])
	}
	if said := r.stderr.String(); !strings.Contains(said, "machine "+third.MachineID+" is lost") {
		t.Errorf("it said %s", said)
	}
}

func TestStatusAndJournalFromAnotherMachine(t *testing.T) {
	t.Parallel()
	w := meshed(t, "status")
	const name, every = unit.Name("tick.service"), unit.Name("every.service")
	first, second := w.host(1), w.host(2)
	w.put(name, ticking+"[X-Fleet]\nMachineID="+second.MachineID+"\n", "launched")
	w.put(every, "[Service]\nExecStart=/bin/sh -c 'echo hello from $(cat /etc/hostname); exec sleep infinity'\n[X-Fleet]\nGlobal=true\n", "launched")
	w.await(soon, name, "it runs on "+second.Name, runsOn(second))
	w.await(soon, every, "it runs everywhere", done)

	out := w.exec(first, "fleetctl", "status", "-n", "3", string(name))
	for _, want := range []string{`(?m)^    Machine: ` + second.MachineID[:8], `(?m)^● tick.service`, `(?m)^     Loaded: loaded \(/run/`, `(?m)^     Active: active \(running\)`, `(?m)^... .* h2 bash\[\d+\]: tick \d+$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("status does not show %s:\n%s", want, out)
		}
	}
	out = w.exec(first, "fleetctl", "journal", "-o", "cat", string(every))
	for _, h := range w.Hosts() {
		if !strings.Contains(out, h.MachineID[:8]+" hello from "+h.Name) {
			t.Errorf("the journal of all machines lacks %s:\n%s", h.Name, out)
		}
	}
	// What fleetctl prints is what journalctl prints there.
	w.ask(name, "loaded")
	w.await(soon, name, "it is stopped", done)
	for _, output := range []string{"short", "short-precise", "short-full", "with-unit", "cat", "short-iso-precise"} {
		want := w.exec(second, "journalctl", "--no-pager", "--quiet", "--unit="+string(name), "-o", output)
		got := w.exec(first, "fleetctl", "journal", "-n", "all", "-o", output, string(name))
		if got != want {
			t.Errorf("-o %s: fleetctl on %s shows\n%s\njournalctl on %s\n%s", output, first.Name, got, second.Name, want)
		}
	}
	// The unit is destroyed, and its journal is still there.
	w.destroy(name)
	w.await(soon, name, "it is gone", gone)
	if out := w.exec(first, "fleetctl", "journal", "--everywhere", "-o", "cat", string(name)); !strings.Contains(out, "last words") {
		t.Errorf("the journal of a destroyed unit: %s", out)
	}
	w.nobodyReads()

	// Without a listener the way out is named.
	w.put(name, ticking+"[X-Fleet]\nMachineID="+second.MachineID+"\n", "launched")
	w.await(soon, name, "it runs on "+second.Name, runsOn(second))
	w.configure(second, "", "")
	w.eventually(soon, "the machine is known to have no listener", func() (bool, string) {
		out, code := w.tryFleetctl(first, "journal", string(name))
		return code != 0 && strings.Contains(out, "machine "+second.MachineID+" serves no API over TCP: set api_listen"), out
	})
	if out := w.exec(second, "fleetctl", "journal", "-n", "1", "-o", "cat", string(name)); !strings.HasPrefix(out, "tick ") {
		t.Errorf("on the machine itself: %s", out)
	}
}

// tryFleetctl runs fleetctl on a host, where there is no ssh.
func (w *world) tryFleetctl(h *testbed.Host, args ...string) (output string, code int) {
	w.t.Helper()
	cmd, err := h.Command(w.ctx(), append([]string{"fleetctl"}, args...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	out, _ := cmd.CombinedOutput() // the exit code tells
	return string(out), cmd.ProcessState.ExitCode()
}

// nobodyReads waits until no journalctl is left of requests that have ended.
func (w *world) nobodyReads() {
	w.t.Helper()
	for _, h := range w.Hosts() {
		w.eventually(soon, "no journalctl runs on "+h.Name, func() (bool, string) {
			left := w.sh(h, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep '^journalctl ' ; done; true")
			return left == "", left
		})
	}
}
