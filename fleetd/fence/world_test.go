package fence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/fleetd/fence"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const (
	ttl     = 10 * time.Second
	bound   = unit.Name("bound.service")
	frozen  = unit.Name("frozen.service")
	free    = unit.Name("free.service")
	polite  = unit.Name("polite.service")
	endless = "[Service]\nExecStart=/bin/app\n[X-Test]\nStopSec=infinity\n" // it ignores SIGTERM
)

// world is a host with a fence, and a store.
type world struct {
	t    *testing.T
	host *systemdtest.Host
	sd   *systemdtest.Manager

	unchecked bool                                                  // fence.Options.Unchecked
	notify    func(p *systemdtest.FenceProcess, state string) error // nil: as it is

	mu struct {
		sync.Mutex
		session fence.Session
		leases  map[int64]time.Time // when each ends
		sent    []time.Time         // renewals
		fate    func(n int) fate    // of the n-th renewal, and those before the next fate
		ends    []error             // of the fence's processes
	}
}

// fate is what becomes of a renewal.
type fate struct {
	to, from         time.Duration // how long the request and the answer are under way
	lost, unanswered bool          // the request, or the answer, goes nowhere
}

func inWorld(t *testing.T, watchdog time.Duration, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, host: systemdtest.NewHost()}
		w.mu.leases = map[int64]time.Time{}
		w.mu.fate = func(int) fate { return fate{to: time.Millisecond, from: time.Millisecond} }
		w.host.InstallFence(systemdtest.FenceProgram{Run: w.run, Post: post}, watchdog)
		w.sd = w.host.Manager()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.sd.Run(ctx) }()
		test(w)
		cancel()
		<-ended
		w.host.Crash()
		time.Sleep(time.Minute) // what a dead process still tries comes to its end
	})
}

// guarded is a world in which the fence is active and units run.
func guarded(t *testing.T, test func(*world)) {
	inWorld(t, 5*time.Second, func(w *world) {
		w.begin(1)
		w.start(bound, endless+"[X-Fleet]\nAtMostOnce=yes\n")
		w.start(frozen, endless+"[X-Fleet]\nAtMostOnce=yes\nOnFence=freeze\n")
		w.start(polite, "[Service]\nExecStart=/bin/app\nRestart=always\n[X-Test]\nStopSec=500ms\n[X-Fleet]\nAtMostOnce=yes\n")
		w.start(free, endless)
		time.Sleep(ttl)
		w.mu.Lock()
		w.mu.sent = nil
		w.mu.Unlock()
		test(w)
		if r := w.last(free); !r.End.IsZero() {
			w.t.Errorf("a unit that is not bound has ended: %+v", r)
		}
	})
}

// begin gives the machine a session, and waits for the fence to guard it.
func (w *world) begin(lease int64) {
	w.mu.Lock()
	w.mu.leases[lease] = time.Now().Add(ttl)
	w.mu.session = fence.Session{Session: cluster.Session{Lease: lease, BootID: "boot"}, Endpoints: []string{"here"}}
	w.mu.Unlock()
	if _, err := w.sd.Start(w.t.Context(), unit.FenceService); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) session() (fence.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.session, nil
}

// start permits and starts a unit, as an agent does.
func (w *world) start(n unit.Name, text string) {
	w.t.Helper()
	ctx := w.t.Context()
	if failed, err := w.sd.Load(ctx, map[unit.Name][]byte{n: []byte(text)}); err != nil || len(failed) > 0 {
		w.t.Fatal(failed, err)
	}
	if err := w.sd.Permit(ctx, n, w.mu.session.Session.String(), 1); err != nil {
		w.t.Fatal(err)
	}
	if r, err := w.sd.Start(ctx, n); r != unit.JobDone || err != nil {
		w.t.Fatal(n, r, err)
	}
}

// last is the last run of a unit.
func (w *world) last(n unit.Name) (last systemdtest.Run) {
	for _, r := range w.host.Runs() {
		if r.Unit == n {
			last = r
		}
	}
	return last
}

// fates decides what becomes of renewals from now on.
func (w *world) fates(fate func(n int) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.fate, w.mu.sent = fate, nil
}

// leaseEnds is when the lease does if nothing more reaches the store.
func (w *world) leaseEnds(lease int64) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.leases[lease]
}

// run is fleet-fence.service.
func (w *world) run(ctx context.Context, p *systemdtest.FenceProcess) error {
	notify := p.Notify
	if w.notify != nil {
		notify = func(state string) error { return w.notify(p, state) }
	}
	err := fence.Run(ctx, fence.Options{
		Life: p.Life(), Session: w.session, Host: host{p}, Notify: notify, Deadline: p.Deadline, Watched: p.Watched(), Unchecked: w.unchecked,
		Dial: func(context.Context, []string) (fence.Renewer, error) { return renewer{w, p}, p.Gate() },
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.ends = append(w.mu.ends, err)
	return err
}

func post(_ context.Context, p *systemdtest.FenceProcess, result string) error {
	var last fence.Guard
	_ = json.Unmarshal(p.Announced(), &last)
	return fence.Kill(host{p}, last, result == "timeout", func(d time.Duration) {
		_ = p.Notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
	})
}

// host adapts a process of the host's fence.
type host struct{ *systemdtest.FenceProcess }

func (h host) Announce(g fence.Guard) error {
	if g == (fence.Guard{}) {
		return h.FenceProcess.Announce(nil)
	}
	text, err := json.Marshal(g)
	return errors.Join(err, h.FenceProcess.Announce(text))
}

func (h host) Revoke(keep cluster.Session) error {
	if keep.IsZero() {
		return h.FenceProcess.Revoke("")
	}
	return h.FenceProcess.Revoke(keep.String())
}

func (h host) Kill() error       { return h.FenceProcess.Kill(false) }
func (h host) KillFrozen() error { return h.FenceProcess.Kill(true) }
func (h host) Freeze() error     { return h.FenceProcess.Freeze(true) }
func (h host) Thaw() error       { return h.FenceProcess.Freeze(false) }

// renewer is a client of the store in a process of the fence.
type renewer struct {
	w *world
	p *systemdtest.FenceProcess
}

func (r renewer) Close() error { return nil }

func (r renewer) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	if err := r.p.Gate(); err != nil {
		return 0, err
	}
	w := r.w
	w.mu.Lock()
	w.mu.sent = append(w.mu.sent, time.Now())
	f := w.mu.fate(len(w.mu.sent) - 1)
	w.mu.Unlock()
	if f.lost {
		return 0, r.until(ctx, time.Hour)
	}
	// Once sent, the request arrives whatever becomes of who sent it.
	arrived := make(chan bool, 1)
	time.AfterFunc(f.to, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		alive := time.Now().Before(w.mu.leases[lease])
		if alive {
			w.mu.leases[lease] = time.Now().Add(ttl)
		}
		arrived <- alive
	})
	if err := r.until(ctx, f.to+f.from); err != nil {
		return 0, err
	}
	if f.unanswered {
		return 0, r.until(ctx, time.Hour)
	}
	if !<-arrived {
		return 0, fence.ErrGone
	}
	return ttl, nil
}

// until waits, and longer if the process is stopped.
func (r renewer) until(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return r.p.Gate()
	case <-ctx.Done():
		return errors.Join(ctx.Err(), r.p.Gate())
	}
}
