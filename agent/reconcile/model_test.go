package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// fencedContent is of units that are bound to the fence.
const fencedContent unit.ContentID = "C"

// process is one unit in a model of systemd.
type process struct {
	file, read, runs unit.ContentID // on disk; as systemd read it; that the last invocation was started from
	active, job      string
	invocation       int
	bound            bool // to the fence, as read
	since            int  // tick at which the last invocation began
}

func (p process) running() bool { return p.active != "inactive" && p.active != "failed" }

// world is a machine in which everything that may happen happens: its systemd,
// its agent reduced to Plan and Finish, and a user who changes his mind.
type world struct {
	reconcile.Input
	tick      int
	units     map[unit.Name]*process
	persisted map[unit.Name]reconcile.Memory
	called    map[unit.Name]bool             // systemd has got the busy unit's job
	done      map[unit.Name]reconcile.Result // the busy unit's job has ended

	wanted     map[unit.Name]cluster.Order // the engine's newest orders
	generation int64
	asked      map[unit.Name]int           // tick of the last request for a restart
	restarts   map[unit.Name]map[int64]int // restart jobs that systemd carried out, by request
	losesAll   bool                        // memory may be lost as a whole; otherwise files may be removed
	lost       bool                        // it was
	lostAt     int                         // when it was lost last

	fences  int                  // so far
	permits map[unit.Name]string // the fence that each is of
	crashed bool                 // the agent did
}

func newWorld(losesAll bool) *world {
	w := &world{
		units:     map[unit.Name]*process{},
		persisted: map[unit.Name]reconcile.Memory{},
		called:    map[unit.Name]bool{}, done: map[unit.Name]reconcile.Result{},
		wanted: map[unit.Name]cluster.Order{}, generation: 10,
		asked: map[unit.Name]int{}, restarts: map[unit.Name]map[int64]int{},
		losesAll: losesAll,
		permits:  map[unit.Name]string{},
	}
	w.Memory = map[unit.Name]reconcile.Memory{}
	w.Busy = map[unit.Name]reconcile.Step{}
	w.Now = time.Unix(0, 0)
	for _, name := range []unit.Name{"a.service", "b.service"} {
		w.units[name] = &process{active: "inactive"}
		w.restarts[name] = map[int64]int{}
	}
	w.beginSession(1)
	w.beginFence()
	return w
}

func (w *world) beginSession(lease int64) {
	w.Session = cluster.Session{Lease: lease, BootID: "b"}
}

// beginFence starts a fence, when nothing runs that is bound to one.
func (w *world) beginFence() {
	for _, p := range w.units {
		if p.bound && p.running() {
			return
		}
	}
	if w.Fence == "" {
		w.fences++
		w.Fence = fmt.Sprint("f", w.fences)
	}
}

// endFence ends the fence, and has systemd stop what is bound to it.
func (w *world) endFence() {
	w.Fence = ""
	clear(w.permits)
	for name, p := range w.units {
		if p.bound && p.running() {
			w.jobDone(name, "canceled")
			p.job = "stop"
		}
	}
}

// order is a new request of the user for one unit.
func (w *world) order(name unit.Name, content unit.ContentID, desired cluster.DesiredState, restart bool) {
	w.generation++
	o := w.wanted[name]
	o.Content, o.Desired, o.Generation = content, desired, w.generation
	o.Fence = 0
	if content == fencedContent {
		o.Fence = 1
	}
	if restart {
		o.Restart = w.generation
		w.asked[name] = w.tick
	}
	w.wanted[name] = o
}

func (w *world) deliver() {
	w.Orders = cluster.Orders{Session: w.Session, Units: maps.Clone(w.wanted)}
}

// observe is what the agent reads from its host.
func (w *world) observe() {
	w.Files = map[unit.Name]unit.ContentID{}
	w.States = map[unit.Name]unit.State{}
	for name, p := range w.units {
		if p.file != "" {
			w.Files[name] = p.file
		}
		w.States[name] = w.state(name)
	}
}

func (w *world) state(name unit.Name) unit.State {
	p := w.units[name]
	s := unit.State{Load: "loaded", Active: p.active, Job: p.job}
	if p.read == "" {
		s.Load = "not-found"
	}
	if p.invocation > 0 {
		s.InvocationID = fmt.Sprint(p.invocation)
	}
	return s
}

// turn is the agent's: it plans, remembers and begins steps.
func (w *world) turn(t *rapid.T) (idle bool) {
	w.observe()
	obeys := w.Orders.Session == w.Session
	out := reconcile.Plan(w.Input)
	if !obeys && (len(out.Steps) > 0 || len(out.Forget) > 0 || len(out.Memory) > 0) {
		t.Fatalf("acts without orders of its session: %+v", out)
	}
	for name, m := range out.Memory {
		before := w.Memory[name]
		adopted := m.Generation > before.Generation && before.Intent == (reconcile.Intent{})
		if adopted && w.Orders.Units[name].Desired == cluster.Launched && w.units[name].active == "deactivating" {
			t.Fatalf("%s: adopted while it stops", name)
		}
	}
	maps.Copy(w.Memory, out.Memory)
	for _, name := range out.Forget {
		delete(w.Memory, name)
	}
	for _, name := range out.Interrupt {
		if _, ended := w.done[name]; !ended {
			w.done[name] = reconcile.Result{Interrupted: true}
		}
	}
	for _, step := range out.Steps {
		w.check(t, step)
		w.Busy[step.Unit] = step
		if step.Kind == reconcile.Start || step.Kind == reconcile.Restart {
			w.persisted = maps.Clone(w.Memory)
		}
	}
	return len(out.Steps) == 0 && len(out.Memory) == 0 && out.Again.IsZero()
}

// check is what must hold of every step when it begins.
func (w *world) check(t *rapid.T, step reconcile.Step) {
	p := w.units[step.Unit]
	order, ordered := w.Orders.Units[step.Unit]
	if _, busy := w.Busy[step.Unit]; busy {
		t.Fatalf("%s: %s while another step is under way", step.Unit, step.Kind)
	}
	switch step.Kind {
	case reconcile.Stop:
		if ordered && order.Desired == cluster.Launched && p.runs == order.Content && p.running() {
			t.Fatalf("%s: stopped although it runs as ordered", step.Unit)
		}
	case reconcile.Unload:
		if ordered || p.running() {
			t.Fatalf("%s: unloaded while %s, ordered %v", step.Unit, p.active, ordered)
		}
	case reconcile.Load:
		if p.running() && p.runs != step.Content {
			t.Fatalf("%s: file replaced while it is %s", step.Unit, p.active)
		}
	case reconcile.Restart:
		if w.lost && w.lostAt >= w.asked[step.Unit] {
			t.Fatalf("%s: restarted because of a request from before memory was lost", step.Unit)
		}
		if order.Restart == 0 || w.Memory[step.Unit].Restart >= order.Restart {
			t.Fatalf("%s: restarted without being asked", step.Unit)
		}
	case reconcile.Grant:
		if order.Fence == 0 || w.Fence == "" {
			t.Fatalf("%s: granted a permit of no fence", step.Unit)
		}
	case reconcile.Start:
		if order.Fence != 0 && w.permits[step.Unit] != w.Fence && !w.crashed {
			t.Fatalf("%s: started without a permit of fence %q", step.Unit, w.Fence)
		}
		if p.running() || p.read != order.Content {
			t.Fatalf("%s: started while %s with %q in place", step.Unit, p.active, p.read)
		}
	}
}

// call has systemd get the busy unit's request.
func (w *world) call(name unit.Name) {
	step, busy := w.Busy[name]
	if _, ended := w.done[name]; !busy || ended || w.called[name] {
		return
	}
	w.called[name] = true
	p := w.units[name]
	switch step.Kind {
	case reconcile.Load:
		p.file, p.read = step.Content, step.Content
		p.bound = p.read == fencedContent
		w.done[name] = reconcile.Result{}
	case reconcile.Unload:
		if p.running() || p.job != "" {
			w.done[name] = reconcile.Result{Err: errors.New("still running")}
			return
		}
		*p = process{active: "inactive"}
		w.done[name] = reconcile.Result{}
	case reconcile.Grant:
		w.permits[name] = w.Fence
		w.done[name] = reconcile.Result{}
	case reconcile.Restart:
		w.restarts[name][step.Restart]++
		p.job = "restart"
	default:
		p.job = string(step.Kind)
	}
}

// advance lets systemd do the next thing about a unit.
func (w *world) advance(name unit.Name, fails bool) {
	p := w.units[name]
	switch {
	case p.job == "" && p.active == "deactivating":
		p.active = "inactive"
	case p.job == "" && p.active == "activating" && p.bound && w.permits[name] != w.Fence:
		p.active = "inactive"
	case p.job == "" && p.active == "activating": // auto-restart
		p.begin(w.tick)
		p.active = "active"
	case p.job == "stop" && p.running() && p.active != "deactivating", p.job == "restart" && p.running() && p.active != "deactivating":
		p.active = "deactivating"
	case p.job != "" && p.active == "deactivating":
		p.active = "inactive"
	case p.job == "stop":
		w.jobDone(name, unit.JobDone)
	case p.bound && w.Fence == "" && (p.job == "restart" || p.job == "start"):
		// It waits for the fence.
	case p.bound && w.permits[name] != w.Fence && (p.job == "restart" || p.job == "start"):
		p.active = "inactive"
		w.jobDone(name, "assert")
	case p.job == "restart", p.job == "start" && !p.running():
		p.begin(w.tick)
		p.job, p.active = "start", "activating"
	case p.job == "start" && p.active == "activating" && fails:
		p.active = "failed"
		w.jobDone(name, "failed")
	case p.job == "start":
		p.active = "active"
		w.jobDone(name, unit.JobDone)
	}
}

func (p *process) begin(tick int) {
	p.invocation++
	p.runs, p.since = p.read, tick
}

func (w *world) jobDone(name unit.Name, result unit.JobResult) {
	w.units[name].job = ""
	if _, ended := w.done[name]; w.called[name] && !ended {
		w.done[name] = reconcile.Result{Job: result}
	}
}

// end has the agent learn how the busy unit's step ended.
func (w *world) end(name unit.Name) {
	result, ended := w.done[name]
	if !ended {
		return
	}
	step := w.Busy[name]
	delete(w.Busy, name)
	delete(w.done, name)
	delete(w.called, name)
	w.Memory[name] = reconcile.Finish(w.Memory[name], step, result, w.state(name), w.Now)
}

// crash kills the agent. It comes back with what it had kept safe.
func (w *world) crash(loseAll bool) {
	clear(w.Busy)
	clear(w.done)
	clear(w.called)
	w.crashed = true
	w.Memory = maps.Clone(w.persisted)
	if loseAll {
		w.lost, w.lostAt = true, w.tick
		w.Memory = map[unit.Name]reconcile.Memory{}
		w.persisted = map[unit.Name]reconcile.Memory{}
	}
}
