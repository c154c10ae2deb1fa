package systemdtest

import (
	"bytes"
	"fmt"
	"time"

	"fleet/unit"
)

// process is one unit in systemd's memory: a state, at most one job, and a
// timer for what happens next by itself. The host's lock guards it.
type process struct {
	host    *Host
	name    unit.Name
	does    behaviour
	state   unit.State
	run     int // index in the host's runs; -1 if nothing of the unit is alive
	job     *job
	step    int    // counts changes of what is to happen next: an older timer is void
	held    func() // what happens next, but only when somebody says so
	logs    []string
	content unit.ContentID // what was read last
	raw     []byte         // likewise
	known   int            // how many programs had been installed then
	frozen  bool           // its processes are
}

// job is what a caller asked of a unit. waiting channels have capacity 1.
type job struct {
	kind    string
	waiting []chan unit.JobResult
}

func newProcess(h *Host, n unit.Name) *process {
	return &process{host: h, name: n, run: -1, state: unit.State{Active: "inactive", Sub: "dead", Result: "success"}}
}

// read takes in the unit's file, as a reload of systemd does. What runs goes on.
func (p *process) read(raw []byte) {
	if p.content != "" && bytes.Equal(p.raw, raw) && p.known == p.host.mu.installs && p.does.loadErr == "" {
		return // it would find what it has found
	}
	p.raw, p.known = raw, p.host.mu.installs
	p.does = p.host.mu.programs.behaviourOf(p.name, raw)
	p.content = unit.IDOf(raw)
	p.state.Load = "loaded"
	if p.does.loadErr != "" {
		p.state.Load = "bad-setting"
		p.logs = p.does.logs
	}
	if p.name.Type() == unit.Target || p.name.Type() == unit.Slice {
		p.state.Result = ""
	}
}

// queue adds a job as systemd does in mode "replace": a job of the same kind
// is joined, another one is cancelled. The caller holds the host's lock.
func (h *Host) queue(n unit.Name, kind string) (<-chan unit.JobResult, error) {
	p := h.mu.units[n]
	if p == nil {
		return nil, fmt.Errorf("unit %s not found", n)
	}
	if p.does.loadErr != "" && kind != "stop" {
		return nil, fmt.Errorf("unit %s has a bad unit file setting", n)
	}
	result := make(chan unit.JobResult, 1)
	if p.job != nil && p.job.kind == kind {
		p.job.waiting = append(p.job.waiting, result)
		return result, nil
	}
	p.finish("canceled")
	p.job = &job{kind: kind, waiting: []chan unit.JobResult{result}}
	p.state.Job = kind
	p.proceed()
	return result, nil
}

// finish ends the job, if there is one.
func (p *process) finish(r unit.JobResult) {
	if p.job == nil {
		return
	}
	for _, ch := range p.job.waiting {
		ch <- r
	}
	p.job = nil
	p.state.Job = ""
	p.host.changed(p.name)
}

// proceed does for the job what can be done now; the rest follows when the
// unit has come to rest.
func (p *process) proceed() {
	switch active := p.state.Active; {
	case p.job == nil:
	case p.job.kind == "start" && active == "active":
		p.finish(unit.JobDone)
	case p.job.kind == "stop" && !p.state.Running():
		p.finish(unit.JobDone)
	case p.job.kind != "stop" && (!p.state.Running() || p.state.Sub == "auto-restart"):
		if p.does.atMostOnce && p.awaitsFence() {
			return
		}
		p.start()
	case p.job.kind == "start" && active == "activating", active == "deactivating":
		// It is on its way.
	default:
		p.stop()
	}
}

func (p *process) set(active, sub string) {
	if p.state.Active != active {
		p.state.Since = time.Now()
	}
	p.state.Active, p.state.Sub = active, sub
	p.host.changed(p.name)
}

// void makes nothing of what was to happen next.
func (p *process) void() {
	p.step++
	p.held = nil
}

// then does something after a time, unless something else happens first.
func (p *process) then(d time.Duration, do func()) {
	p.void()
	if d == forever {
		return
	}
	if d == 0 {
		do()
		return
	}
	step := p.step
	time.AfterFunc(d, func() {
		p.host.mu.Lock()
		defer p.host.mu.Unlock()
		p.host.due(func() {
			if p.step == step {
				do()
			}
		})
	})
}

// hold does something after a time which, unlike that of then, Host.Release may end if it is for ever.
func (p *process) hold(d time.Duration, do func()) {
	p.then(d, do)
	if d == forever {
		p.held = do
	}
}

// awaitsFence tells whether a start has to wait for the fence.
func (p *process) awaitsFence() bool {
	_, wait := p.host.permitted(p.name)
	return wait
}

func (p *process) start() {
	if p.does.atMostOnce {
		if may, _ := p.host.permitted(p.name); !may {
			p.rest("inactive", "dead") // the assertion of its drop-in failed
			p.finish("assert")
			return
		}
	}
	p.state.Skipped = p.does.unmet
	if p.does.unmet {
		p.rest("inactive", "dead")
		p.finish(unit.JobDone)
		return
	}
	if p.state.Sub != "auto-restart" {
		p.state.Restarts = 0
	}
	id := p.host.id()
	p.state.InvocationID = fmt.Sprintf("%032x", id)
	p.state.ExitStatus = 0
	if p.state.Result != "" {
		p.state.Result = "success"
	}
	p.logs = append([]string{"Starting " + string(p.name) + "."}, p.does.logs...)
	p.run = len(p.host.mu.runs)
	p.host.mu.runs = append(p.host.mu.runs, Run{
		Unit: p.name, Content: p.content, Invocation: p.state.InvocationID, Start: time.Now(),
	})
	p.set("activating", "start")
	p.hold(p.does.startTime, p.started)
}

func (p *process) started() {
	if p.does.startFail {
		p.exited("exit-code", p.does.exit)
		return
	}
	if p.does.oneshot {
		p.exited("success", 0)
		return
	}
	if p.does.process {
		p.state.MainPID = 1000 + p.host.id()
	}
	p.set("active", p.does.active)
	p.finish(unit.JobDone)
	p.then(p.does.runTime, func() {
		if p.does.runFail {
			p.exited("exit-code", p.does.exit)
			return
		}
		p.exited("success", 0)
	})
}

// exited is the end of the main process, by itself or by force.
func (p *process) exited(result string, status int32) {
	p.state.MainPID = 0
	p.state.ExitStatus = status
	p.state.Result = result
	if result != "success" {
		p.logs = append(p.logs, fmt.Sprintf("%s: Failed with result '%s'.", p.name, result))
	}
	switch {
	case p.state.Active == "deactivating":
		p.rest("inactive", "dead")
		p.stopped()
	case result == "success" && p.does.remain:
		p.void()
		p.set("active", "exited")
		p.finish(unit.JobDone)
	case p.does.restart == "always" && !p.does.oneshot, p.does.restart == "on-failure" && result != "success":
		p.endRun()
		p.set("activating", "auto-restart")
		p.then(p.does.pause, func() {
			p.state.Restarts++
			p.start()
		})
	case result == "success":
		p.rest("inactive", "dead")
		p.finish(unit.JobDone)
	default:
		p.rest("failed", "failed")
		p.finish("failed")
	}
}

func (p *process) stop() {
	if p.run < 0 {
		p.rest("inactive", "dead")
		p.stopped()
		return
	}
	p.set("deactivating", "stop")
	if p.does.stopTime != forever && p.does.stopTime > p.does.patience {
		p.then(p.does.patience, func() { p.exited("timeout", 9) })
		return
	}
	p.hold(p.does.stopTime, func() { p.exited("success", 0) })
}

// stopped goes on with the job of a unit that was stopped.
func (p *process) stopped() {
	if p.job != nil && p.job.kind != "stop" {
		p.start()
		return
	}
	p.finish(unit.JobDone)
}

// rest is where a unit has come to when nothing of it is alive.
func (p *process) rest(active, sub string) {
	p.void()
	p.endRun()
	p.set(active, sub)
}

// fenced is the end of a unit that is killed because its fence has gone. Nothing follows it.
func (p *process) fenced() {
	p.state.MainPID, p.state.ExitStatus, p.state.Result = 0, 9, "signal"
	p.rest("failed", "failed")
	p.finish(unit.JobDone)
}

func (p *process) endRun() {
	p.frozen = false
	if p.run < 0 {
		return
	}
	r := &p.host.mu.runs[p.run]
	r.End, r.Result = time.Now(), p.state.Result
	p.run = -1
}

func (p *process) lostPower() {
	p.void()
	p.state.Result = "power-loss"
	p.endRun()
}
