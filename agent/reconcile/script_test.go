package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// TestScripts plays testdata/scripts: each file is one rule. The commands:
//
//	session NAME          begin a session ("none": have none)
//	fence LIFE            a fence guards the session ("none": none does)
//	orders SESSION        one unit a line: NAME CONTENT loaded|launched GENERATION [restart=N] [fence=N]
//	host                  what is on the host, one unit a line: NAME [file=F] [ACTIVE] [inv=I] [job=J] [load=L];
//	                      what is not said stays as it was
//	remember              one unit a line: NAME [content=C] [gen=N] [restart=N]; "NAME" alone loses the memory
//	wait DURATION         time passes
//	plan                  prints what is decided; its steps begin
//	end NAME [job=J | error=(…) | interrupted]
//	                      the step ends; the state after it is what host says. Prints the memory
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := newScript()
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct{ in reconcile.Input }

func newScript() *script {
	return &script{in: reconcile.Input{
		Files:  map[unit.Name]unit.ContentID{},
		States: map[unit.Name]unit.State{},
		Memory: map[unit.Name]reconcile.Memory{},
		Busy:   map[unit.Name]reconcile.Step{},
		Now:    time.Unix(1_000_000, 0).UTC(),
	}}
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "session":
		s.in.Session = session(d.CmdArgs[0].Key)
	case "fence":
		s.in.Fence = strings.Replace(d.CmdArgs[0].Key, "none", "", 1)
	case "orders":
		s.in.Orders = cluster.Orders{Session: session(d.CmdArgs[0].Key), Units: map[unit.Name]cluster.Order{}}
		eachLine(d, s.order)
	case "host":
		eachLine(d, s.host)
	case "remember":
		eachLine(d, s.remember)
	case "wait":
		pause, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.in.Now = s.in.Now.Add(pause)
	case "plan":
		return s.plan()
	case "end":
		return s.end(t, d)
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return ""
}

func session(name string) cluster.Session {
	if name == "none" {
		return cluster.Session{}
	}
	return cluster.Session{Lease: 1, BootID: name}
}

func eachLine(d *datadriven.TestData, f func(name unit.Name, words []string)) {
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		f(unit.Name(words[0]), words[1:])
	}
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (s *script) order(name unit.Name, words []string) {
	o := cluster.Order{
		Content: unit.ContentID(words[0]), Desired: cluster.DesiredState(words[1]), Generation: number(words[2]),
	}
	for _, word := range words[3:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "restart":
			o.Restart = number(value)
		case "fence":
			o.Fence = number(value)
		}
	}
	s.in.Orders.Units[name] = o
}

func (s *script) host(name unit.Name, words []string) {
	state, seen := s.in.States[name]
	if !seen {
		state = unit.State{Load: "not-found", Active: "inactive"}
	}
	for _, word := range words {
		key, value, assigned := strings.Cut(word, "=")
		switch {
		case !assigned:
			state.Active = word
		case key == "file" && value == "":
			delete(s.in.Files, name)
			state.Load = "not-found"
		case key == "file":
			s.in.Files[name] = unit.ContentID(value)
			state.Load = "loaded"
		case key == "inv":
			state.InvocationID = value
		case key == "job":
			state.Job = value
		case key == "load":
			state.Load = value
		}
	}
	s.in.States[name] = state
}

func (s *script) remember(name unit.Name, words []string) {
	var m reconcile.Memory
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "content":
			m.Content = unit.ContentID(value)
		case "gen":
			m.Generation, m.Tried = number(value), number(value)
		case "restart":
			m.Restart = number(value)
		}
	}
	s.in.Memory[name] = m
}

func (s *script) plan() string {
	out := reconcile.Plan(s.in)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(out.Memory)) {
		fmt.Fprintf(&b, "%s: %s\n", name, s.memory(out.Memory[name]))
	}
	maps.Copy(s.in.Memory, out.Memory)
	for _, name := range out.Forget {
		fmt.Fprintf(&b, "forget %s\n", name)
		delete(s.in.Memory, name)
	}
	for _, name := range out.Interrupt {
		fmt.Fprintf(&b, "interrupt %s of %s\n", s.in.Busy[name].Kind, name)
	}
	for _, step := range out.Steps {
		fmt.Fprintf(&b, "%s %s", step.Kind, step.Unit)
		if step.Kind == reconcile.Load {
			fmt.Fprintf(&b, " %s", step.Content)
		}
		b.WriteByte('\n')
		s.in.Busy[step.Unit] = step
	}
	if !out.Again.IsZero() {
		fmt.Fprintf(&b, "again in %s\n", out.Again.Sub(s.in.Now))
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *script) end(t *testing.T, d *datadriven.TestData) string {
	name := unit.Name(d.CmdArgs[0].Key)
	step, busy := s.in.Busy[name]
	if !busy {
		d.Fatalf(t, "%s is not busy", name)
	}
	var r reconcile.Result
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "job":
			r.Job = unit.JobResult(arg.Vals[0])
		case "error":
			r.Err = errors.New(strings.Join(arg.Vals, " "))
		case "interrupted":
			r.Interrupted = true
		}
	}
	delete(s.in.Busy, name)
	m := reconcile.Finish(s.in.Memory[name], step, r, s.in.States[name], s.in.Now)
	s.in.Memory[name] = m
	return s.memory(m) + "\n"
}

func (s *script) memory(m reconcile.Memory) string {
	words := []string{fmt.Sprintf("acted %d of %d", m.Generation, m.Tried)}
	if m.Restart > 0 {
		words = append(words, fmt.Sprintf("restart %d", m.Restart))
	}
	if m.Content != "" {
		words = append(words, "content "+string(m.Content))
	}
	if m.Job != "" {
		words = append(words, "job "+string(m.Job))
	}
	if m.Permit != (reconcile.Permit{}) {
		words = append(words, fmt.Sprintf("permit %d of %s", m.Permit.Number, m.Permit.Life))
	}
	if m.Under != "" {
		words = append(words, "under "+m.Under)
	}
	if i := m.Intent; i != (reconcile.Intent{}) {
		words = append(words, fmt.Sprintf("intends %d/%d after %q", i.Generation, i.Restart, i.Before))
	}
	if f := m.Failure; f.Error != "" {
		words = append(words, fmt.Sprintf("attempt %d failed: %s", f.Attempts, f.Error))
	}
	return strings.Join(words, ", ")
}
