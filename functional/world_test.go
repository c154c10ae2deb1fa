//go:build functional

package functional

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// world is a cluster as one test sees it. What goes wrong in its methods ends the
// test.
type world struct {
	observed
	t       testing.TB
	began   time.Time
	start   record.Moment // when the test began, too
	permits *permits
	clients map[*testbed.Host]*api.Client
	nearest **testbed.Host // whom live asked last; a server may lag behind another
}

func newWorld(t testing.TB, c observed) *world {
	return &world{
		observed: c, t: t, began: time.Now(), start: record.Now(),
		permits: &permits{twice: make(map[unit.Name]bool), broken: make(map[unit.Name]bool)},
		clients: make(map[*testbed.Host]*api.Client), nearest: new(*testbed.Host),
	}
}

// in is the same cluster in a subtest.
func (w *world) in(t testing.TB) *world {
	o := *w
	o.t = t
	return &o
}

func (w *world) ctx() context.Context { return w.t.Context() }

// logFailure shows what all fleetds said since the test began, if it failed.
func (w *world) logFailure() {
	if !w.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, h := range w.Hosts() {
		logs, err := h.Logs(ctx, fmt.Sprintf("--since=@%d", w.began.Unix()), "--lines=200", "--output=short-precise")
		if err != nil {
			logs = err.Error()
		}
		w.t.Logf("fleetd on %s (%s):\n%s", h.Name, h.MachineID[:8], logs)
	}
}

// clear destroys all units and waits until the hosts have nothing of them.
func (w *world) clear() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := w.any()
	units, err := c.Units(ctx)
	if err != nil {
		w.t.Fatalf("list units: %v", err)
	}
	for _, u := range units {
		if _, err := c.Destroy(ctx, u.Name); err != nil && !errors.Is(err, api.ErrNotFound) {
			w.t.Fatalf("destroy %s: %v", u.Name, err)
		}
	}
	w.eventually(time.Minute, "all units are gone from all hosts", func() (bool, string) {
		states, err := c.States(ctx)
		if err != nil || len(states) > 0 {
			return false, fmt.Sprintf("%d states, first %+v, %v", len(states), first(states), err)
		}
		for _, h := range w.Hosts() {
			if files := w.unitFiles(h); len(files) > 0 {
				return false, h.Name + " has " + strings.Join(files, " ")
			}
		}
		return true, ""
	})
	for _, h := range w.Hosts() {
		w.exec(h, "rm", "-rf", "/var/stamps")
	}
}

func first[T any](all []T) (one T) {
	if len(all) > 0 {
		one = all[0]
	}
	return one
}

// unitFiles lists what is in the host's directory of fleet's units.
func (w *world) unitFiles(h *testbed.Host) []string {
	leader, err := h.Leader()
	if err != nil {
		return nil
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/run/fleet/units/*.*", leader))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

func (w *world) host(index int) *testbed.Host {
	w.t.Helper()
	h, err := w.Host(index)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// hostOf returns the host with that machine id.
func (w *world) hostOf(id cluster.MachineID) *testbed.Host {
	w.t.Helper()
	for _, h := range w.Hosts() {
		if h.MachineID == string(id) {
			return h
		}
	}
	w.t.Fatalf("no host has machine id %q", id)
	return nil
}

// others are all hosts but these.
func (w *world) others(but ...*testbed.Host) []*testbed.Host {
	var rest []*testbed.Host
next:
	for _, h := range w.Hosts() {
		for _, b := range but {
			if b == h {
				continue next
			}
		}
		rest = append(rest, h)
	}
	return rest
}

func idOf(h *testbed.Host) cluster.MachineID { return cluster.MachineID(h.MachineID) }

// via returns a client of the host's API.
func (w *world) via(h *testbed.Host) *api.Client {
	w.t.Helper()
	if c := w.clients[h]; c != nil {
		return c
	}
	c, err := api.Dial(h.URL(), api.ClientOptions{Timeout: 10 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clients[h] = c
	w.t.Cleanup(c.Close)
	return c
}

// live returns a host whose API answers now: the same one for as long as it does,
// as people talk to one. What one server has told the next may not know yet.
func (w *world) live(ctx context.Context) (*testbed.Host, error) {
	if *w.nearest != nil {
		try, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := (*w.nearest).Machines(try); err == nil {
			return *w.nearest, nil
		}
	}
	h, err := w.LiveHost(ctx)
	if err == nil {
		*w.nearest = h
	}
	return h, err
}

// any returns a client of a host that answers now, waiting for one if need be.
func (w *world) any() *api.Client {
	w.t.Helper()
	deadline := time.Now().Add(soon)
	for {
		h, err := w.live(context.Background())
		if err == nil {
			return w.via(h)
		}
		if time.Now().After(deadline) {
			w.t.Fatal(err)
		}
		pause()
	}
}

// exec runs a command on a host.
func (w *world) exec(h *testbed.Host, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := h.Exec(ctx, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// sh runs a shell line on a host.
func (w *world) sh(h *testbed.Host, line string) string {
	w.t.Helper()
	return w.exec(h, "/bin/sh", "-c", line)
}

// show asks the host's systemd for a property of a unit.
func (w *world) show(h *testbed.Host, name unit.Name, property string) string {
	w.t.Helper()
	return w.exec(h, "systemctl", "show", "--value", "--property="+property, string(name))
}

// life names one run of a unit: its main process and systemd's invocation id.
func (w *world) life(h *testbed.Host, name unit.Name) string {
	w.t.Helper()
	life := w.show(h, name, "MainPID") + " " + w.show(h, name, "InvocationID")
	if strings.HasPrefix(life, "0 ") {
		w.t.Fatalf("%s has no process on %s", name, h.Name)
	}
	return life
}

// fleetctl runs fleetctl against a live host and returns what it printed, both
// streams, with its exit code.
func (w *world) fleetctl(args ...string) (output string, code int) {
	w.t.Helper()
	h, err := w.live(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx(), 90*time.Second)
	defer cancel()
	out, err := w.FleetctlCommand(ctx, h, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		w.t.Fatalf("fleetctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(out), code
}

// mustFleetctl runs a fleetctl that has to succeed.
func (w *world) mustFleetctl(args ...string) string {
	w.t.Helper()
	out, code := w.fleetctl(args...)
	if code != 0 {
		w.t.Fatalf("fleetctl %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// file puts a unit file where fleetctl can read it.
func (w *world) file(name unit.Name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), string(name))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// request sends a request as it is to a host's API, and returns its answer.
func (w *world) request(ctx context.Context, h *testbed.Host, method, path string, header http.Header, body string) (code int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, h.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header = header
	return do(r)
}
