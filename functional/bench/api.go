package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

const (
	apiUnitsOf   = 100 // units of each machine
	apiAsking    = 3 * time.Second
	apiAskers    = 4   // clients that ask at once
	apiChanges   = 500 // each second, while others ask
	apiStreams   = 1000
	apiListUnits = 10_000 // of fleetctl list-units
	apiListReach = 300    // ms
	apiListRuns  = 10
)

// apiServer measures one server of the API that has its cluster from memory, over a unix socket. Client and server share the processors.
func apiServer(ctx context.Context, o options) ([]row, error) {
	only := regexp.MustCompile(o.only) // measure has tried it
	var runs []row
	for range o.count {
		for _, units := range []int{1_000, 100_000} {
			if o.short && units > 1_000 || !only.MatchString(fmt.Sprintf("%d units", units)) {
				continue
			}
			some, err := apiOnce(ctx, units, o)
			if err != nil {
				return nil, err
			}
			runs = append(runs, some...)
		}
		if only.MatchString("fleetctl") {
			some, err := apiFleetctl(ctx, o)
			if err != nil {
				return nil, err
			}
			runs = append(runs, some...)
		}
	}
	return medians(runs)
}

// medians makes one row of those that are about the same.
func medians(runs []row) ([]row, error) {
	values := make(map[key][]float64)
	var rows []row
	for _, r := range runs {
		if len(values[r.key()]) == 0 {
			rows = append(rows, r)
		}
		values[r.key()] = append(values[r.key()], r.Value)
	}
	for i := range rows {
		value, err := median(values[rows[i].key()])
		if err != nil {
			return nil, err
		}
		rows[i].Value = value
		if rows[i].Metric == "list-units" {
			rows[i].aim(below, apiListReach)
		}
	}
	return rows, nil
}

// told is the store of a cluster that is made up: it tells what it is given, and takes in nothing.
type told struct{ updates chan cluster.Update }

var errReadOnly = errors.New("this store is for looking at")

func (s told) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-s.updates:
			if err := fn(u); err != nil {
				return err
			}
		}
	}
}

func (told) UpdateUnit(context.Context, unit.Name, func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	return cluster.Unit{}, errReadOnly
}

func (told) UpdateSettings(context.Context, cluster.MachineID, func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	return 0, errReadOnly
}

func (told) Acknowledge(context.Context, cluster.AlarmName, time.Time) (int64, error) {
	return 0, errReadOnly
}

// apiWorld is a server with a cluster.
type apiWorld struct {
	store    told
	server   *api.Server
	socket   string
	http     *http.Client
	units    int
	revision int64
	file     unit.ContentID
	applied  chan struct{} // one element for each update that the cache shows
	close    func() error
}

func apiUnit(i int) unit.Name { return unit.Name(fmt.Sprintf("app-%03d@%06d.service", i%500, i)) }

func apiMachine(m int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", m+1)) }

func newAPIWorld(ctx context.Context, units int) (*apiWorld, error) {
	dir, err := os.MkdirTemp("", "fleet-api-")
	if err != nil {
		return nil, err
	}
	w := &apiWorld{
		store: told{make(chan cluster.Update)}, units: units, socket: filepath.Join(dir, "fleet.sock"), applied: make(chan struct{}, 1),
	}
	w.server = api.New(w.store, api.Options{
		Version: cluster.Version, Limits: api.Limits{Streams: 10 * apiStreams}, Applied: func(api.Applied) { w.applied <- struct{}{} },
	})
	listener, err := net.Listen("unix", w.socket)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: w.server.Handler(), ReadHeaderTimeout: time.Minute}
	life, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = w.server.Run(life) }) // it ends with life
	running.Go(func() { _ = server.Serve(listener) })
	w.http = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.socket)
		},
	}}
	w.close = func() error {
		w.http.CloseIdleConnections()
		err := server.Close()
		end()
		running.Wait()
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := w.fill(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// fill tells everything.
func (w *apiWorld) fill() error {
	file, err := unit.Parse([]byte("[Service]\nExecStart=/usr/bin/server --port 8080\nMemoryMax=512M\nRestart=always\n"))
	if err != nil {
		return err
	}
	w.file = file.ID()
	changes := []cluster.Change{cluster.FileChanged{ID: w.file, File: file, Revision: 1}}
	for i := range w.units {
		name := apiUnit(i)
		changes = append(changes, cluster.UnitChanged{Name: name, Unit: &cluster.Unit{
			Name: name, Content: w.file, Desired: cluster.Launched, Generation: 1, Revision: 1,
		}})
	}
	for m := range w.units / apiUnitsOf {
		id := apiMachine(m)
		session := cluster.Session{Lease: int64(m + 1), BootID: "boot"}
		orders := cluster.Orders{Machine: id, Session: session, Units: make(map[unit.Name]cluster.Order), Revision: 1}
		for _, name := range w.unitsOf(m) {
			orders.Units[name] = cluster.Order{Content: w.file, Desired: cluster.Launched, Generation: 1, Reason: "the first that fits"}
		}
		report := w.report(m, 0)
		machine := &cluster.Machine{ID: id, Session: session, Address: "10.0.0.1", Metadata: map[string]string{"zone": fmt.Sprint(m % 10)}}
		changes = append(changes,
			cluster.OrdersChanged{ID: id, Orders: &orders}, cluster.ReportChanged{ID: id, Report: &report}, cluster.MachineChanged{ID: id, Machine: machine})
	}
	w.tell(true, changes...)
	return nil
}

func (w *apiWorld) unitsOf(m int) []unit.Name {
	machines := w.units / apiUnitsOf
	names := make([]unit.Name, apiUnitsOf)
	for i := range names {
		names[i] = apiUnit(i*machines + m)
	}
	return names
}

// report is what a machine says when one of its units has changed so many times. One in a thousand has failed.
func (w *apiWorld) report(m, times int) cluster.Report {
	r := cluster.Report{
		Machine: apiMachine(m), Session: cluster.Session{Lease: int64(m + 1), BootID: "boot"}, Orders: 1,
		Units: make(map[unit.Name]cluster.UnitReport), At: time.Now(),
	}
	for i, name := range w.unitsOf(m) {
		state := unit.State{Load: "loaded", Active: "active", Sub: "running"}
		switch {
		case i == 0 && m%10 == 7:
			state = unit.State{Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code"}
		case i == times%apiUnitsOf && times%2 == 1:
			state.Sub = "exited"
		}
		r.Units[name] = cluster.UnitReport{State: state, Content: w.file, Generation: 1, Tried: 1}
	}
	return r
}

// tell returns when the server shows it.
func (w *apiWorld) tell(reset bool, changes ...cluster.Change) {
	w.revision++
	w.store.updates <- cluster.Update{Revision: w.revision, Reset: reset, Changes: changes}
	<-w.applied
}

func (w *apiWorld) get(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fleet/fleet/v1/"+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n < 3) {
		err = fmt.Errorf("GET %s: %s, %d bytes", path, resp.Status, n)
	}
	return err
}

// ask has some clients ask for a while, each as soon as it is answered, and returns how long the answers took.
func (w *apiWorld) ask(ctx context.Context, path func(i int) string) ([]float64, error) {
	var mu sync.Mutex
	var took []float64
	var problem error
	var asking sync.WaitGroup
	until := time.Now().Add(apiAsking)
	for asker := range apiAskers {
		asking.Go(func() {
			for i := asker; time.Now().Before(until); i += apiAskers {
				began := time.Now()
				err := w.get(ctx, path(i))
				mu.Lock()
				took, problem = append(took, milliseconds(time.Since(began))), errors.Join(problem, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	asking.Wait()
	return took, problem
}

// apiRequests are what is asked for; i counts the requests.
func apiRequests(units int) []struct {
	name string
	path func(i int) string
} {
	same := func(path string) func(int) string { return func(int) string { return path } }
	return []struct {
		name string
		path func(i int) string
	}{
		{"first page of units", same("units")},
		{"first page of states", same("state")},
		{"units of a machine", func(i int) string { return "units?machineID=" + string(apiMachine(i%(units/apiUnitsOf))) }},
		{"units by a pattern", same("units?glob=app-042@*")},
		{"units that failed", same("units?activeState=failed")},
		{"one unit", func(i int) string { return "units/" + string(apiUnit(i*7919%units)) }},
	}
}

func apiOnce(ctx context.Context, units int, o options) (rows []row, err error) {
	w, err := newAPIWorld(ctx, units)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	of := fmt.Sprintf("%d units", units)
	add := func(metric string, value float64, unit string) {
		rows = append(rows, row{Bench: "api", Case: of, Metric: metric, Value: value, Unit: unit})
		fmt.Fprintf(o.progress, "%s, %s: %s %s\n", of, metric, plain(value), unit)
	}
	asked := func(suffix string) error {
		for _, r := range apiRequests(units) {
			took, err := w.ask(ctx, r.path)
			if err != nil {
				return err
			}
			p99, err := quantile(took, 0.99)
			if err != nil {
				return err
			}
			add(r.name+suffix, float64(len(took))/apiAsking.Seconds(), "1/s")
			add(r.name+suffix+", p99", p99, "ms")
		}
		return nil
	}
	err = inProfile(o.profile, fmt.Sprintf("api-%d", units), func(ctx context.Context) error {
		if err := asked(""); err != nil {
			return err
		}
		if err := w.allPages(ctx, add); err != nil {
			return err
		}
		late, err := w.whileItChanges(func() error { return asked(fmt.Sprintf(", at %d changes/s", apiChanges)) })
		if err != nil {
			return err
		}
		add("changes that were late, share", late, "")
		return w.streams(ctx, add)
	})(ctx)
	return rows, err
}

type adder func(metric string, value float64, unit string)

// allPages reads a whole list as fleet's own client does.
func (w *apiWorld) allPages(ctx context.Context, add adder) error {
	client, err := api.Dial("unix://"+w.socket, api.ClientOptions{Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer client.Close()
	w.tell(false) // nothing is known of this revision
	began := time.Now()
	all, err := client.Units(ctx)
	if err != nil {
		return err
	}
	if len(all) != w.units {
		return fmt.Errorf("a list of %d units has %d", w.units, len(all))
	}
	add("all pages of units", time.Since(began).Seconds(), "s")
	return nil
}

// whileItChanges has units change while something is done, and returns the share of changes that were not made in their time.
func (w *apiWorld) whileItChanges(do func() error) (late float64, err error) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	made, behind := 0, 0
	go func() {
		defer close(stopped)
		for began := time.Now(); ; made++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Until(began.Add(time.Duration(made) * time.Second / apiChanges))):
			}
			m := made % (w.units / apiUnitsOf)
			report := w.report(m, made)
			w.tell(false, cluster.ReportChanged{ID: report.Machine, Report: &report})
			if time.Since(began) > time.Duration(made)*time.Second/apiChanges+100*time.Millisecond {
				behind++
			}
		}
	}()
	err = do()
	close(stop)
	<-stopped
	return float64(behind) / float64(max(made, 1)), err
}

// live is the memory that is in use.
func live() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// streams opens many event streams, of one unit each, as connections that nobody reads but when something is to come. What
// they cost has the client's end of the connection in it.
func (w *apiWorld) streams(ctx context.Context, add adder) (err error) {
	before, goroutines := live(), runtime.NumGoroutine()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
	}()
	began := time.Now()
	for i := range apiStreams {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", w.socket)
		if err != nil {
			return err
		}
		conns = append(conns, c)
		name := apiUnit(i * (w.units / apiStreams))
		if _, err := fmt.Fprintf(c, "GET /fleet/v1/events?unitName=%s HTTP/1.1\r\nHost: fleet\r\n\r\n", name); err != nil {
			return err
		}
	}
	for _, c := range conns {
		if err := awaitLine(c, `"sync"`); err != nil {
			return err
		}
	}
	add("streams begun", float64(apiStreams)/time.Since(began).Seconds(), "1/s")
	add("memory of a stream", (live()-before)/apiStreams, "B")
	add("goroutines of a stream", float64(runtime.NumGoroutine()-goroutines)/apiStreams, "")

	// Everything changes at once that the streams are about.
	changes := make([]cluster.Change, len(conns))
	for i := range conns {
		name := apiUnit(i * (w.units / apiStreams))
		changes[i] = cluster.UnitChanged{Name: name, Unit: &cluster.Unit{
			Name: name, Content: w.file, Desired: cluster.Launched, Generation: 2, Revision: w.revision + 1,
		}}
	}
	began = time.Now()
	w.tell(false, changes...)
	add("a change of all that is streamed, taken in", milliseconds(time.Since(began)), "ms")
	for _, c := range conns {
		if err := awaitLine(c, `"generation":2`); err != nil {
			return err
		}
	}
	add("a change of all that is streamed, told", milliseconds(time.Since(began)), "ms")
	return nil
}

// awaitLine reads until a line has some text. It keeps no buffer: what comes behind that line is to be there already, or to come later.
func awaitLine(c net.Conn, text string) error {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("wait for %s: %w", text, err)
		}
		if strings.Contains(line, text) {
			return nil
		}
	}
}

// apiFleetctl runs the command as people do.
func apiFleetctl(ctx context.Context, o options) (rows []row, err error) {
	w, err := newAPIWorld(ctx, apiListUnits)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var took []float64
	for range apiListRuns {
		w.tell(false)
		began := time.Now()
		out, err := exec.CommandContext(ctx, filepath.Join(o.source, "bin", "fleetctl"), "--endpoint", "unix://"+w.socket, "list-units").Output()
		if err != nil {
			return nil, fmt.Errorf("fleetctl list-units: %w", err)
		}
		if n := strings.Count(string(out), "\n"); n < apiListUnits {
			return nil, fmt.Errorf("fleetctl list-units has %d lines", n)
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	value, err := median(took)
	if err != nil {
		return nil, err
	}
	return []row{{Bench: "api", Case: fmt.Sprintf("fleetctl, %d units", apiListUnits), Metric: "list-units", Value: value, Unit: "ms"}}, nil
}
