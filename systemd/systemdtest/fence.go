package systemdtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/unit"
)

// FenceProgram is what the host's fleet-fence.service runs: in main, and in ExecStopPost= when main has ended.
// The contexts of both end when systemd kills them; then nothing that they do has any effect.
type FenceProgram struct {
	Run  func(ctx context.Context, p *FenceProcess) error
	Post func(ctx context.Context, p *FenceProcess, result string) error
}

// The pauses of fleet-fence.service. A program takes a moment to start.
const (
	fenceRestart = 200 * time.Millisecond
	fenceExec    = 30 * time.Millisecond
	fenceTimeout = time.Second // TimeoutStopSec=
)

// fence is fleet-fence.service. The host's lock guards it.
type fence struct {
	host     *Host
	program  FenceProgram
	state    unit.State
	watchdog time.Duration // 0: there is none
	process  *FenceProcess // main, or what runs after it
	mark     time.Time     // the file in which it says by when units have to be gone
	announce []byte        // the file in which it says what it guards
	permits  map[unit.Name]permit
	steps    int // timers of an earlier step are void
	waiting  []chan unit.JobResult
}

type permit struct {
	session string
	number  int64
}

// FenceProcess is one process of fleet-fence.service, and what it can do. It may be stopped (Host.PauseFence): then its
// calls take until it is continued.
type FenceProcess struct {
	host   *Host
	life   string
	cancel context.CancelFunc

	// The host's lock guards these.
	dead     bool
	paused   chan struct{} // closed when it is continued; nil if it is not stopped
	main     bool
	ready    bool
	watchdog time.Duration // as overridden
	fed      int           // counts words to the watchdog
	deadline int           // counts deadlines
}

var errKilled = errors.New("the process was killed")

// InstallFence gives the host a fleet-fence.service, which is not started. watchdog is its WatchdogSec=, 0 for none.
func (h *Host) InstallFence(p FenceProgram, watchdog time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.fence = &fence{host: h, program: p, watchdog: watchdog}
	h.mu.fence.reset()
}

func (f *fence) reset() {
	f.steps++
	f.state = unit.State{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success"}
	f.mark = time.Time{}
	f.announce, f.permits, f.process, f.waiting = nil, map[unit.Name]permit{}, nil, nil
}

// lostPower is the fence's end with its host.
func (f *fence) lostPower() {
	if f == nil {
		return
	}
	f.kill()
	f.reset()
}

// PauseFence stops the main process of the fence, as by SIGSTOP.
func (h *Host) PauseFence() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.mu.fence; f != nil && f.process != nil && f.process.main && f.process.paused == nil {
		f.process.paused = make(chan struct{})
	}
}

// ResumeFence ends a PauseFence.
func (h *Host) ResumeFence() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.mu.fence; f != nil && f.process != nil {
		f.process.resume()
	}
}

// KillFence kills the main process of the fence.
func (h *Host) KillFence() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.mu.fence; f != nil && f.process != nil && f.process.main {
		f.ended("signal")
	}
}

// StopFence stops the fence as systemctl does: what is bound to it first, and it is not started again.
func (h *Host) StopFence() {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.mu.fence
	if f == nil {
		return
	}
	f.set("deactivating", "stop-sigterm")
	f.stopBound()
	for _, p := range h.bound(false) {
		if p.run >= 0 {
			p.fenced()
		}
	}
	f.kill()
	f.announce = nil
	f.set("inactive", "dead")
}

// FenceActive tells whether the fence is active.
func (h *Host) FenceActive() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.fence != nil && h.mu.fence.state.Active == "active"
}

// FenceSays is what the fence has announced last.
func (h *Host) FenceSays() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.fence == nil {
		return nil
	}
	return slices.Clone(h.mu.fence.announce)
}

func (f *fence) start() {
	switch f.state.Active {
	case "active", "activating", "deactivating":
		return // one that ends is started again when it has ended
	}
	f.state.InvocationID = fmt.Sprintf("%032x", f.host.id())
	f.set("activating", "start")
	p := f.run(true, func(ctx context.Context, p *FenceProcess) {
		err := f.program.Run(ctx, p)
		f.host.mu.Lock()
		defer f.host.mu.Unlock()
		if p.dead || f.process != p {
			return
		}
		result := "success"
		if err != nil {
			result = "exit-code"
		}
		f.ended(result)
	})
	f.process = p
}

// run starts a process of the fence.
func (f *fence) run(main bool, do func(context.Context, *FenceProcess)) *FenceProcess {
	ctx, cancel := context.WithCancel(context.Background())
	p := &FenceProcess{host: f.host, life: f.state.InvocationID, main: main, watchdog: f.watchdog, cancel: cancel}
	time.AfterFunc(fenceExec, func() {
		defer cancel()
		if p.gate() == nil {
			do(ctx, p)
		}
	})
	return p
}

// kill ends the present process, so that nothing it does has an effect any more.
func (f *fence) kill() {
	if f.process == nil {
		return
	}
	f.process.dead = true
	f.process.resume()
	f.process.cancel()
	f.process = nil
}

// ended is what systemd does when the main process has ended, by itself or by force.
func (f *fence) ended(result string) {
	f.kill()
	f.state.Result = result
	f.set("deactivating", "stop-post")
	f.stopBound()
	f.process = f.run(false, func(ctx context.Context, p *FenceProcess) {
		_ = f.program.Post(ctx, p, result) // systemd goes on in any case
		f.host.mu.Lock()
		defer f.host.mu.Unlock()
		if p.dead || f.process != p {
			return
		}
		f.kill()
		f.set("activating", "auto-restart")
		f.then(fenceRestart, func() {
			f.state.Active = "inactive"
			f.start()
		})
	})
}

// then does something after a time, unless something else happens first.
func (f *fence) then(d time.Duration, do func()) {
	f.steps++
	step := f.steps
	time.AfterFunc(d, func() {
		f.host.mu.Lock()
		defer f.host.mu.Unlock()
		f.host.due(func() {
			if f.steps == step {
				do()
			}
		})
	})
}

func (f *fence) set(active, sub string) {
	f.steps++
	f.state.Active, f.state.Sub, f.state.Since = active, sub, time.Now()
	f.host.changed(unit.FenceService)
	if active == "active" {
		for _, ch := range f.waiting {
			ch <- unit.JobDone
		}
		f.waiting = nil
		for _, n := range slices.Sorted(maps.Keys(f.host.mu.units)) {
			if p := f.host.mu.units[n]; p.does.atMostOnce {
				p.proceed()
			}
		}
	}
}

// stopBound is BindsTo=: units go when their fence is not active any more.
func (f *fence) stopBound() {
	for _, n := range slices.Sorted(maps.Keys(f.host.mu.units)) {
		if p := f.host.mu.units[n]; p.does.atMostOnce && p.state.Running() {
			_, _ = f.host.queue(n, "stop")
		}
	}
}

// watch is systemd's watchdog.
func (f *fence) watch() {
	p := f.process
	if p.watchdog <= 0 {
		return
	}
	p.fed++
	fed := p.fed
	time.AfterFunc(p.watchdog, func() {
		f.host.mu.Lock()
		defer f.host.mu.Unlock()
		f.host.due(func() {
			if !p.dead && p.fed == fed && f.process == p && f.state.Active == "active" {
				f.ended("watchdog")
			}
		})
	})
}

// permitted tells whether a bound unit may be started now, and whether it has to wait for the fence to become active.
func (h *Host) permitted(n unit.Name) (may, wait bool) {
	f := h.mu.fence
	if f == nil {
		return false, false
	}
	if f.state.Active != "active" {
		f.start()
		return false, true
	}
	_, ok := f.permits[n]
	return ok, false
}

// Permit is systemd.Manager's.
func (m *Manager) Permit(ctx context.Context, n unit.Name, session string, number int64) error {
	if err := m.lock(ctx); err != nil {
		return fmt.Errorf("permit %s to start: %w", n, err)
	}
	defer m.host.mu.Unlock()
	if m.host.mu.fence == nil {
		return fmt.Errorf("permit %s to start: there is no fence", n)
	}
	m.host.mu.fence.permits[n] = permit{session, number}
	return nil
}

// gate is where a process that is stopped stands still, and one that is dead learns of it.
func (p *FenceProcess) gate() error {
	for {
		p.host.mu.Lock()
		paused, dead := p.paused, p.dead
		if paused == nil {
			paused = p.host.mu.awake
		}
		p.host.mu.Unlock()
		switch {
		case dead:
			return errKilled
		case paused == nil:
			return nil
		}
		<-paused
	}
}

func (p *FenceProcess) resume() {
	if p.paused != nil {
		close(p.paused)
		p.paused = nil
	}
}

// enter is gate with the host's lock held afterwards.
func (p *FenceProcess) enter() error {
	for {
		if err := p.gate(); err != nil {
			return err
		}
		p.host.mu.Lock()
		if !p.dead && p.paused == nil && p.host.mu.awake == nil {
			return nil
		}
		p.host.mu.Unlock()
	}
}

// Life is the invocation id of the service.
func (p *FenceProcess) Life() string { return p.life }

// Watched tells whether the service has WatchdogSec=.
func (p *FenceProcess) Watched() bool { return p.watchdog > 0 }

// Gate returns when the process is not stopped; an error if it was killed. It is for what a process
// does that does not go through here, such as waiting for an answer.
func (p *FenceProcess) Gate() error { return p.gate() }

// Deadline has the kernel kill the process at that time, unless another is given before.
func (p *FenceProcess) Deadline(at time.Time) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	p.deadline++
	deadline := p.deadline
	time.AfterFunc(time.Until(at), func() {
		p.host.mu.Lock()
		defer p.host.mu.Unlock()
		p.host.due(func() {
			if f := p.host.mu.fence; !p.dead && p.deadline == deadline && f.process == p {
				f.ended("signal")
			}
		})
	})
	return nil
}

// Notify is sd_notify(3).
func (p *FenceProcess) Notify(state string) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	f := p.host.mu.fence
	if f.process != p {
		return nil
	}
	words := map[string]string{}
	for line := range strings.Lines(state) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		words[key] = value
	}
	if us, err := strconv.ParseInt(words["WATCHDOG_USEC"], 10, 64); err == nil {
		p.watchdog = time.Duration(us) * time.Microsecond
	}
	switch {
	case !p.main:
	case words["READY"] == "1" && !p.ready:
		p.ready = true
		f.watch()
		f.set("active", "running")
	case words["WATCHDOG"] == "1" && p.ready:
		f.watch()
	case words["STOPPING"] == "1" && f.state.Active == "active":
		limit := fenceTimeout
		if us, err := strconv.ParseInt(words["EXTEND_TIMEOUT_USEC"], 10, 64); err == nil {
			limit = max(limit, time.Duration(us)*time.Microsecond)
		}
		f.set("deactivating", "stop-sigterm")
		f.stopBound()
		f.then(limit, func() {
			if f.process == p {
				f.ended("timeout")
			}
		})
	}
	return nil
}

// Announce writes the file that says what is guarded; nil removes it.
func (p *FenceProcess) Announce(text []byte) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	p.host.mu.fence.announce = slices.Clone(text)
	return nil
}

// Mark writes down a time, and Marked reads what was written last.
func (p *FenceProcess) Mark(at time.Time) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	p.host.mu.fence.mark = at
	return nil
}

// Marked is the time that was written down last, zero if none was.
func (p *FenceProcess) Marked() time.Time {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.host.mu.fence.mark
}

// Revoke removes the permits of all sessions but one.
func (p *FenceProcess) Revoke(keep string) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	maps.DeleteFunc(p.host.mu.fence.permits, func(_ unit.Name, has permit) bool { return has.session != keep })
	return nil
}

// Left are the bound units that have processes.
func (p *FenceProcess) Left() ([]unit.Name, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.host.mu.Unlock()
	var left []unit.Name
	for _, bound := range p.host.bound(false) {
		if bound.run >= 0 {
			left = append(left, bound.name)
		}
	}
	slices.Sort(left)
	return left, nil
}

// bound are the units that say AtMostOnce, or those of them that are to be frozen.
func (h *Host) bound(freeze bool) []*process {
	var all []*process
	for _, n := range slices.Sorted(maps.Keys(h.mu.units)) {
		if p := h.mu.units[n]; p.does.atMostOnce && (!freeze || p.does.freeze) {
			all = append(all, p)
		}
	}
	return all
}

// Kill ends the processes of bound units by force; with frozen, only of those that want to be frozen.
func (p *FenceProcess) Kill(frozen bool) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	for _, bound := range p.host.bound(frozen) {
		if bound.run >= 0 {
			bound.fenced()
		}
	}
	return nil
}

// Freeze stops the processes of those bound units that want it, or continues them.
func (p *FenceProcess) Freeze(frozen bool) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.host.mu.Unlock()
	for _, bound := range p.host.bound(true) {
		if bound.run >= 0 {
			bound.frozen = frozen
		}
	}
	return nil
}

// Frozen tells whether the processes of a unit are frozen.
func (h *Host) Frozen(n unit.Name) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.mu.units[n]
	return p != nil && p.frozen
}

// Announced is the file that says what is guarded.
func (p *FenceProcess) Announced() []byte { return p.host.FenceSays() }
