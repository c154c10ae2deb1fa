package leaving_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fleet/cluster"
	"fleet/fleetd/leaving"
	"fleet/unit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const id cluster.MachineID = "m1"

const boot = "boot"

// world is a machine with its systemd and what the records say of it.
type world struct {
	t       *testing.T
	updates chan cluster.Update
	machine cluster.Machine

	mu      sync.Mutex
	stops   bool // the host is being shut down
	left    bool // systemd was told to wait for nothing
	mute    bool // nobody is told that the machine leaves
	silent  bool // systemd does not answer
	started int  // how often the service was that the shutdown stops
	reboots int
	unready error
	said    []string
}

func (w *world) Stopping(context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent {
		return false, errors.New("no answer")
	}
	return w.stops, nil
}

func (w *world) Leave(leaves bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = leaves
}

func (w *world) Start(_ context.Context, n unit.Name) (unit.JobResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n == leaving.Service {
		w.started++
	}
	return unit.JobDone, nil
}

// set changes what systemd says.
func (w *world) set(stops, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stops, w.silent = stops, silent
}

func (w *world) Reboot(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reboots++
	return nil
}

func (w *world) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-w.updates:
			if err := fn(u); err != nil {
				return err
			}
		}
	}
}

func (w *world) tell(words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, words)
}

func (w *world) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

func (w *world) ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unready
}

func in(t *testing.T, test func(t *testing.T, w *world, l *leaving.Leaving)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, updates: make(chan cluster.Update, 10), stops: true,
			machine: cluster.Machine{ID: id, Session: cluster.Session{Lease: 1, BootID: boot}},
		}
		test(t, w, leaving.New(leaving.Options{
			Machine: id, BootID: boot, Records: w, Host: w, Ready: w.ready, Logger: slog.New(slog.DiscardHandler),
			Leave: func(leaves bool) {
				w.machine.Leaving = leaves
				if w.mute {
					return
				}
				now := w.machine
				w.change(cluster.MachineChanged{ID: id, Machine: &now})
			},
		}))
	})
}

func (w *world) change(changes ...cluster.Change) { w.updates <- cluster.Update{Changes: changes} }

// has has the machine run these units, of which those that begin with "stuck" cannot leave.
func (w *world) has(names ...unit.Name) []cluster.Change {
	orders := cluster.Orders{Machine: id, Session: w.machine.Session, Units: make(map[unit.Name]cluster.Order)}
	report := cluster.Report{Machine: id, Session: w.machine.Session, Units: make(map[unit.Name]cluster.UnitReport)}
	changes := []cluster.Change{cluster.OrdersChanged{ID: id, Orders: &orders}, cluster.ReportChanged{ID: id, Report: &report}}
	for _, n := range names {
		changes = append(changes, cluster.UnitChanged{Name: n, Unit: &cluster.Unit{Name: n, Desired: cluster.Launched, Generation: 1}})
		orders.Units[n] = cluster.Order{Desired: cluster.Launched, Generation: 1}
		report.Units[n] = cluster.UnitReport{State: unit.State{Active: "active"}, Generation: 1}
		if strings.HasPrefix(string(n), "stuck") {
			changes = append(changes, cluster.PendingChanged{Name: n, Pending: &cluster.Pending{Generation: 1, Message: "it is bolted to the floor"}})
		}
	}
	return changes
}

func TestAHostIsHeldUpUntilItsUnitsRunElsewhere(t *testing.T) {
	in(t, func(t *testing.T, w *world, l *leaving.Leaving) {
		w.updates <- cluster.Update{Reset: true, Changes: append(w.has("a.service", "b.service", "stuck.service"), cluster.MachineChanged{ID: id, Machine: &w.machine})}
		done := make(chan error, 1)
		go func() { done <- l.HandOver(t.Context(), w.tell) }()
		time.Sleep(30 * time.Second)
		w.change(w.has("b.service", "stuck.service")...)
		time.Sleep(30 * time.Second)
		if len(done) > 0 {
			t.Fatalf("it is done (%v) while a unit is on its way", <-done)
		}
		w.change(w.has("stuck.service")...)
		time.Sleep(2 * time.Second)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("it waits for a unit that cannot leave")
		}
		for _, want := range []string{"2 units", "a.service has been handed over", "b.service has been handed over", "stuck.service cannot leave: it is bolted to the floor"} {
			if !strings.Contains(w.heard(), want) {
				t.Errorf("nothing is said of %q: %s", want, w.heard())
			}
		}
		if !w.left {
			t.Error("systemd was not told")
		}
	})
}

func TestAHostThatIsNotShutDownKeepsItsUnits(t *testing.T) {
	in(t, func(t *testing.T, w *world, l *leaving.Leaving) {
		w.stops = false
		if err := l.HandOver(t.Context(), w.tell); err != nil || w.machine.Leaving || w.left {
			t.Errorf("%v, leaving %v", err, w.machine.Leaving)
		}
	})
}

// A shutdown is called off while units are on their way, and after all that could have left. Twice: the next one is as the first.
func TestAHostWhoseShutdownIsCalledOffStays(t *testing.T) {
	for name, moving := range map[string]bool{"in the middle": true, "when all has left": false} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world, l *leaving.Leaving) {
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- l.Run(ctx) }()
				for nth := range 2 {
					w.set(true, false)
					units := []unit.Name{"stuck.service"}
					if moving {
						units = append(units, "a.service")
					}
					w.updates <- cluster.Update{Reset: true, Changes: append(w.has(units...), cluster.MachineChanged{ID: id, Machine: &w.machine})}
					done := make(chan error, 1)
					go func() { done <- l.HandOver(t.Context(), w.tell) }()
					time.Sleep(30 * time.Second)
					w.set(true, true)
					time.Sleep(30 * time.Second)
					synctest.Wait()
					if over := len(done) > 0; !w.left || !w.machine.Leaving || over == moving {
						t.Fatalf("while it is shut down: leaving %t, %t; handed over: %t", w.left, w.machine.Leaving, over)
					}
					w.set(false, false)
					time.Sleep(2 * time.Second)
					synctest.Wait()
					if w.left || w.machine.Leaving || w.started != nth+1 {
						t.Errorf("called off: leaving %t, %t; the service was started %d times", w.left, w.machine.Leaving, w.started)
					}
					select {
					case err := <-done:
						if said := strings.Contains(w.heard(), "not shut down after all"); err != nil || said != moving {
							t.Errorf("%v, %s", err, w.heard())
						}
					default:
						t.Fatal("it goes on handing over")
					}
					for len(w.updates) > 0 {
						<-w.updates
					}
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAShutdownIsNotHeldUpForEver(t *testing.T) {
	for name, how := range map[string]func(w *world){
		"nobody takes notice":       func(w *world) { w.mute = true },
		"the store does not answer": func(w *world) { w.unready = errors.New("no answer") },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world, l *leaving.Leaving) {
				as := w.machine
				w.updates <- cluster.Update{Reset: true, Changes: append(w.has("a.service"), cluster.MachineChanged{ID: id, Machine: &as})}
				how(w)
				began := time.Now()
				err := l.HandOver(t.Context(), w.tell)
				if took := time.Since(began); err == nil || took > 15*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

func TestAMachineIsRebootedWhenItIsEmpty(t *testing.T) {
	in(t, func(t *testing.T, w *world, l *leaving.Leaving) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		rebooted := func() int {
			time.Sleep(30 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.reboots
		}
		drain := func(boot string) {
			s := cluster.Settings{Drain: &cluster.Drain{Boot: boot}}
			if err := l.Follow(s); err != nil {
				t.Fatal(err)
			}
			w.updates <- cluster.Update{Reset: true, Changes: append(w.has("a.service", "stuck.service"),
				cluster.MachineChanged{ID: id, Machine: &w.machine}, cluster.SettingsChanged{ID: id, Settings: &s})}
		}
		if err := l.Follow(cluster.Settings{Cordoned: true}); err != nil {
			t.Fatal(err)
		}
		if n := rebooted(); n != 0 {
			t.Errorf("a cordoned machine was rebooted %d times", n)
		}
		drain(boot)
		if n := rebooted(); n != 0 {
			t.Errorf("a machine with units was rebooted %d times", n)
		}
		if err := l.Follow(cluster.Settings{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.change(w.has("stuck.service")...)
		if n := rebooted(); n != 0 {
			t.Errorf("a machine that is drained no more was rebooted %d times", n)
		}
		<-w.updates
		drain(boot)
		w.change(w.has("stuck.service")...)
		if n := rebooted(); n == 0 {
			t.Error("an empty machine was not rebooted")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestTheShutdownAsksFleetd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "handover.sock")
	if err := leaving.Ask(t.Context(), path, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "not there") {
		t.Errorf("without a fleetd: %v", err)
	}
	w := &world{t: t}
	l := leaving.New(leaving.Options{Machine: id, BootID: boot, Records: w, Host: w, Ready: w.ready, Logger: slog.New(slog.DiscardHandler)})
	for range 2 { // the second finds the socket of the first
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Serve(ctx, path) }()
		var out bytes.Buffer
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			err := leaving.Ask(t.Context(), path, &out)
			if err == nil || time.Now().After(deadline) {
				break
			}
		}
		if got := out.String(); got != "this host is not being shut down: nothing is handed over\n" {
			t.Errorf("it says %q", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
