//go:build functional

package functional

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// soon is how long anything may take that waits for nobody but this busy machine.
const soon = 45 * time.Second

// pause is between two looks at something that cannot be waited for otherwise.
func pause() { time.Sleep(20 * time.Millisecond) }

// eventually waits until the condition holds. The condition tells what it saw, for
// the failure.
func (w *world) eventually(within time.Duration, what string, holds func() (bool, string)) {
	w.t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, seen := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %s: %s; last seen: %s", within, what, seen)
		}
		pause()
	}
}

// errEnough ends an event stream that has told what was waited for.
var errEnough = errors.New("enough")

// await waits until the condition holds for a unit, and returns the unit then.
func (w *world) await(within time.Duration, name unit.Name, what string, holds func(api.Unit) bool) api.Unit {
	w.t.Helper()
	return w.awaitAll(within, []unit.Name{name}, what, holds)[name]
}

// awaitAll waits until the condition holds for all of the units at the same time.
// It listens to the events of one live host after the other: one that is killed or
// cut off falls silent.
func (w *world) awaitAll(within time.Duration, names []unit.Name, what string, holds func(api.Unit) bool) map[unit.Name]api.Unit {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), within)
	defer cancel()
	seen := make(map[unit.Name]api.Unit, len(names))
	missing := names
	hear := func(e api.Event) error {
		if e.Type != api.EventUnit {
			return nil
		}
		seen[e.Unit.Name] = *e.Unit
		missing = slices.DeleteFunc(slices.Clone(names), func(n unit.Name) bool {
			u, known := seen[n]
			return known && holds(u)
		})
		if len(missing) == 0 {
			return errEnough
		}
		return nil
	}
	for {
		err := w.listen(ctx, names, hear)
		if errors.Is(err, errEnough) {
			return seen
		}
		if ctx.Err() != nil {
			w.t.Fatalf("not within %s: %s: %v\nlast seen: %s\n(%v)", within, what, missing, shown(seen, missing), err)
		}
		pause()
	}
}

// listen follows the events of a host that answers, for a few seconds at most.
func (w *world) listen(ctx context.Context, names []unit.Name, hear func(api.Event) error) error {
	h, err := w.live(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return w.via(h).Events(ctx, api.EventsOptions{Units: names}, hear)
}

func shown(seen map[unit.Name]api.Unit, names []unit.Name) string {
	var text strings.Builder
	for _, name := range names[:min(3, len(names))] {
		u, known := seen[name]
		if !known {
			fmt.Fprintf(&text, "%s: nothing\n", name)
			continue
		}
		data, err := json.MarshalIndent(u, "", "  ")
		if err != nil {
			data = []byte(err.Error())
		}
		fmt.Fprintf(&text, "%s\n", data)
	}
	return text.String()
}

// unchanged watches units for a while, in which nothing about them may change but
// when and by whom they were looked at.
func (w *world) unchanged(during time.Duration, names ...unit.Name) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), during)
	defer cancel()
	before := make(map[unit.Name]string)
	hear := func(e api.Event) error {
		if e.Type != api.EventUnit {
			return nil
		}
		now := essence(*e.Unit)
		old, known := before[e.Unit.Name]
		if known && old != now {
			return fmt.Errorf("%s changed from %s\nto %s", e.Unit.Name, old, now)
		}
		before[e.Unit.Name] = now
		return nil
	}
	for ctx.Err() == nil {
		h, err := w.live(ctx)
		if err != nil {
			continue
		}
		if err := w.via(h).Events(ctx, api.EventsOptions{Units: names}, hear); ctx.Err() == nil && !errors.Is(err, api.ErrStreamEnded) {
			w.t.Fatalf("while nothing should change: %v", err)
		}
	}
}

// essence is what is not allowed to change of a unit that is left alone.
func essence(u api.Unit) string {
	text := fmt.Sprintf("%s %s %d", u.DesiredState, u.Outcome.Phase, u.Generation)
	for _, c := range u.Copies {
		text += fmt.Sprintf(" [%s ordered=%t %s %s %s pid=%d]", c.MachineID.Short(), c.Ordered, c.Presence, c.Active, c.InvocationID, c.MainPID)
	}
	return text
}

// live are the copies that present machines are ordered to have.
func live(u api.Unit) []api.Copy {
	return slices.DeleteFunc(slices.Clone(u.Copies), func(c api.Copy) bool {
		return !c.Ordered || c.Presence != cluster.Present
	})
}

func isRunning(c api.Copy) bool { return c.Active == "active" && c.Job == "" }

// runs: the last request has been carried out, and the one copy there is runs.
func runs(u api.Unit) bool {
	copies := live(u)
	return done(u) && len(copies) == 1 && isRunning(copies[0])
}

// runsOn: it runs on this host.
func runsOn(h *testbed.Host) func(api.Unit) bool {
	return func(u api.Unit) bool { return runs(u) && live(u)[0].MachineID == idOf(h) }
}

// runsOff: it runs, and not on this host.
func runsOff(h *testbed.Host) func(api.Unit) bool {
	return func(u api.Unit) bool { return runs(u) && live(u)[0].MachineID != idOf(h) }
}

func done(u api.Unit) bool   { return !u.Absent && u.Outcome.Phase == cluster.Done }
func failed(u api.Unit) bool { return !u.Absent && u.Outcome.Phase == cluster.Failed }

func nowhere(u api.Unit) bool { return !u.Absent && u.Outcome.Phase == cluster.Nowhere }

// gone: there is no record of it, and no machine says anything of it.
func gone(u api.Unit) bool { return u.Absent && len(u.Copies) == 0 }

// put submits a unit and asks for a state.
func (w *world) put(name unit.Name, text string, desired cluster.DesiredState) {
	w.t.Helper()
	if _, err := w.any().PutFile(w.ctx(), name, []byte(text), api.PutFileOptions{Desired: desired}); err != nil {
		w.t.Fatalf("submit %s: %v", name, err)
	}
}

// launch submits a unit and waits until it runs; it returns the host.
func (w *world) launch(name unit.Name, text string) *testbed.Host {
	w.t.Helper()
	w.put(name, text, cluster.Launched)
	return w.hostOf(live(w.await(soon, name, "it runs", runs))[0].MachineID)
}

// launchAll submits units and waits until all run; it returns their hosts.
func (w *world) launchAll(files map[unit.Name]string) map[unit.Name]*testbed.Host {
	w.t.Helper()
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		w.put(name, files[name], cluster.Launched)
	}
	hosts := make(map[unit.Name]*testbed.Host)
	for name, u := range w.awaitAll(2*soon, names, "they run", runs) {
		hosts[name] = w.hostOf(live(u)[0].MachineID)
	}
	return hosts
}

// ask asks for a state of a unit that exists.
func (w *world) ask(name unit.Name, desired cluster.DesiredState) {
	w.t.Helper()
	if _, err := w.any().SetDesired(w.ctx(), name, desired); err != nil {
		w.t.Fatalf("ask for %s to be %s: %v", name, desired, err)
	}
}

func (w *world) destroy(name unit.Name) {
	w.t.Helper()
	if _, err := w.any().Destroy(w.ctx(), name); err != nil {
		w.t.Fatalf("destroy %s: %v", name, err)
	}
}

// unit reads a unit.
func (w *world) unit(name unit.Name) api.Unit {
	w.t.Helper()
	u, err := w.any().Unit(w.ctx(), name)
	if err != nil {
		w.t.Fatalf("read %s: %v", name, err)
	}
	return u
}

// awaitMachines waits until exactly these hosts are listed by a host of theirs, and the fleetd of each is there.
func (w *world) awaitMachines(within time.Duration, want ...*testbed.Host) {
	w.t.Helper()
	var ids []string
	for _, h := range want {
		ids = append(ids, h.MachineID)
	}
	slices.Sort(ids)
	w.eventually(within, fmt.Sprintf("the machines are %v", ids), func() (bool, string) {
		ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
		defer cancel()
		machines, err := w.via(want[0]).Machines(ctx)
		var listed []string
		silent := false
		for _, m := range machines {
			listed = append(listed, string(m.ID))
			silent = silent || m.State == cluster.StateSilent
		}
		return err == nil && slices.Equal(listed, ids) && !silent, fmt.Sprintf("%v, one is silent: %t, %v", listed, silent, err)
	})
}

// do sends a request and reads its answer.
func do(r *http.Request) (code int, answer string, err error) {
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}
