package schedule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestPlanIsWhatHappens compares a plan with what the engine then does: unit by unit the same places.
func TestPlanIsWhatHappens(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := atRest(t)
		w.elect() // a leader remembers of the past what is in no record: who has had a place, for instance
		w.comeToRest()
		var edits []cluster.UnitEdit
		type request struct {
			name    unit.Name
			text    string
			desired cluster.DesiredState
		}
		var requests []request
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(someUnits), 1, 3, rapid.ID).Draw(t, "asked for") {
			r := request{name, advisedText().Draw(t, "text"), rapid.SampledFrom([]cluster.DesiredState{
				cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive,
			}).Draw(t, "desired")}
			if !validFor(r.name, r.text) {
				continue
			}
			requests = append(requests, r)
			edits = append(edits, w.proposed(name, strings.TrimPrefix(r.text, advisedHead), r.desired))
		}
		if len(requests) == 0 {
			t.Skip("nothing that the API takes")
		}
		before, shown := w.places(), w.show()
		p, err := w.advisor().Plan(w.stored(), edits)
		if now := w.show(); now != shown {
			t.Fatalf("asking has changed\n%sinto\n%s", shown, now)
		}
		if err != nil && !errors.Is(err, errRestless) {
			t.Fatalf("%v", err)
		}
		for i, r := range requests {
			if edits[i].File != nil || w.units[r.name].Desired != r.desired || !w.somewhere(r.name) {
				if err := w.submit(r.name, r.desired, r.text); err != nil {
					t.Fatalf("%v", err)
				}
			}
		}
		w.comeToRest()
		if err != nil {
			t.Fatalf("it does come to rest")
		}
		after := w.places()
		if expected := carried(before, p); !maps.EqualFunc(expected, after, slices.Equal) {
			t.Fatalf("planned:\n%swhich leads to %v\nfound: %v\n%s", showPlan(p), expected, after, w.show())
		}
		for _, step := range p.Steps {
			if step.Pending == nil {
				continue
			}
			// The numbers in a reason are of when the engine last looked, and it remembers more of what was before than it writes.
			if found, pending := w.pending[step.Unit]; !pending || found.Machines != step.Pending.Machines || found.Generation == 0 {
				t.Fatalf("%s was to be pending: %s\nfound: %s", step.Unit, step.Pending, found)
			}
		}
		if name := requests[0].name; w.somewhere(name) {
			again, err := w.advisor().Plan(w.stored(), []cluster.UnitEdit{w.proposed(name, "", "")})
			if err != nil || len(again.Steps) > 0 {
				t.Fatalf("a plan for nothing new: %s%v", showPlan(again), err)
			}
		}
	})
}

// TestRebalanceIsCarriedOut has every move of a rebalancing made, one after another, in a cluster that
// checks itself. All of them succeed, lead to what was said, and leave nothing to do.
func TestRebalanceIsCarriedOut(t *testing.T) {
	var moves, groups int
	eachSeed(t, func(t *rapid.T) {
		w := atRest(t)
		for crowded := w.wanting(); len(crowded) > 0; crowded = w.wanting() {
			for _, name := range crowded {
				w.destroy(name) // so that nobody takes the room that moves make
			}
			w.comeToRest()
		}
		goal := rapid.SampledFrom([]cluster.Goal{cluster.GoalFree, cluster.GoalEven}).Draw(t, "goal")
		limit := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "limit")
		shown := w.show()
		p, err := w.advisor().Rebalance(w.stored(), goal, limit)
		if now := w.show(); err != nil || now != shown {
			t.Fatalf("asking has changed\n%sinto\n%s%v", shown, now, err)
		}
		if limit > 0 && len(p.Steps) > limit {
			t.Fatalf("%d moves, where %d were allowed", len(p.Steps), limit)
		}
		for _, step := range p.Steps {
			switch r := w.rules(step.Unit); {
			case r.Fixed, r.Global, w.settings[step.To].Cordoned:
				t.Fatalf("must not be: %s", showPlan(p))
			}
		}
		expected := carried(w.places(), p)
		w.carryOut(p)
		w.decideAndCheck()
		if found := w.places(); !maps.EqualFunc(expected, found, slices.Equal) {
			t.Fatalf("planned:\n%swhich leads to %v\nfound: %v\n%s", showPlan(p), expected, found, w.show())
		}
		again, err := w.advisor().Rebalance(w.stored(), goal, 0)
		if err != nil || again.Before != p.After {
			t.Fatalf("%s was to lead to %+v, not %+v (%v)", showPlan(p), p.After, again.Before, err)
		}
		if limit == 0 && len(again.Steps) > 0 {
			t.Fatalf("after\n%sthere is still\n%s%s", showPlan(p), showPlan(again), w.show())
		}
		switch goal {
		case cluster.GoalFree:
			if p.After.Empty < p.Before.Empty || len(p.Steps) > 0 && p.After.Empty == p.Before.Empty {
				t.Fatalf("nothing is free by\n%s", showPlan(p))
			}
		case cluster.GoalEven:
			if p.After.Fullest > p.Before.Fullest {
				t.Fatalf("the fullest is fuller by\n%s", showPlan(p))
			}
		}
		moves += len(p.Steps)
		for i := range p.Steps {
			if strings.Contains(p.Steps[i].Reason, "(MachineOf)") {
				groups++
			}
		}
	})
	t.Logf("%d moves, %d of them in groups", moves, groups)
	if moves == 0 || groups == 0 {
		t.Error("there was nothing to see")
	}
}

// TestExplanationsAgreeWithTheEngine: what is on a machine fits there, and what is pending fits nowhere.
func TestExplanationsAgreeWithTheEngine(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := atRest(t)
		snapshot := w.stored()
		for name, u := range w.units {
			e, err := w.advisor().Explain(snapshot, name)
			if err != nil {
				t.Fatalf("%v", err)
			}
			p, pending := w.pending[name]
			if pending != (e.Pending != nil) || pending && p.Waiting != e.Pending.Waiting {
				t.Fatalf("pending %t: %+v", pending, e)
			}
			fit := 0
			for i, v := range e.Verdicts {
				if v.Machine != w.present()[i].id || v.Fits != (v.Score != "") || v.Fits == (v.Rule != "") {
					t.Fatalf("%s: %+v", name, v)
				}
				if v.Here != slices.Contains(e.Machines, v.Machine) {
					t.Fatalf("%s is on %v: %+v", name, e.Machines, v)
				}
				if v.Fits {
					fit++
				}
				// Where it is it could be, unless an operator has changed something since.
				if v.Here && !v.Fits && v.Rule != "Cordon" && v.Rule != resourcesRule && v.Rule != "Spread" && !u.Global {
					t.Fatalf("%s is on %s: %s\n%s", name, v.Machine, showExplanation(e), w.show())
				}
			}
			if pending && fit > 0 && !p.Waiting {
				t.Fatalf("%s is pending, and fits: %s\n%s", name, showExplanation(e), w.show())
			}
		}
	})
}

// wanting lists the units that would like to be on more machines than they are.
func (w *world) wanting() []unit.Name {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.units)), func(name unit.Name) bool {
		places := len(w.places()[name])
		return w.units[name].Desired == cluster.Inactive || places == len(w.hosts) || places == 1 && !w.units[name].Global
	})
}

// atRest is a cluster of a few machines and units, after some changes, at rest.
func atRest(t *rapid.T) *world {
	w := newWorld(t)
	for _, id := range someMachines {
		zone := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "zone")
		w.joinWith(id, map[string]string{"zone": zone}, someCapacity().Draw(t, "has"))
		w.write(w.hosts[id])
	}
	for range rapid.IntRange(1, 12).Draw(t, "events") {
		switch rapid.IntRange(0, 8).Draw(t, "event") {
		case 0:
			w.configure(rapid.SampledFrom(someMachines).Draw(t, "machine"), func(s *cluster.Settings) { s.Cordoned = !s.Cordoned })
		case 1:
			w.destroy(rapid.SampledFrom(someUnits).Draw(t, "unit"))
		default:
			name := rapid.SampledFrom(someUnits).Draw(t, "unit")
			if text := advisedText().Draw(t, "text"); validFor(name, text) {
				if err := w.submit(name, cluster.Launched, text); err != nil {
					t.Fatalf("%v", err)
				}
			}
		}
		if rapid.Bool().Draw(t, "settles") {
			w.settle()
		}
	}
	w.comeToRest()
	return w
}

func (w *world) comeToRest() {
	if strings.Contains(w.settle(), "does not settle") {
		w.t.Skip("it does not come to rest")
	}
	for name, on := range w.places() {
		for _, id := range on {
			if why := w.breach(name, w.hosts[id]); why != "" {
				w.t.Skip(name, "is", why, "on", id)
			}
		}
	}
}

// validFor tells whether the API takes the file for that unit.
func validFor(name unit.Name, text string) bool {
	f, err := unit.Parse([]byte(text))
	if err != nil {
		return false
	}
	_, err = f.Rules(name)
	return err == nil
}

const advisedHead = "[Service]\nExecStart=/bin/true\n"

// advisedText is a unit file with a rule at most, needs and wishes.
func advisedText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		lines := []string{
			pick("rule", "", "", "", "MachineMetadata=zone=x", "MachineOf="+string(rapid.SampledFrom(someUnits).Draw(t, "peer")),
				"MachineOf="+string(rapid.SampledFrom(someUnits).Draw(t, "peer")),
				"Conflicts="+rapid.SampledFrom(someGlobs).Draw(t, "conflict"), "Replaces="+rapid.SampledFrom(someGlobs).Draw(t, "replaced"),
				"Global=true"),
			pick("needs", someNeeds...),
			pick("priority", somePriorities...),
			pick("wish", someWishes...),
		}
		if strings.HasPrefix(lines[1], "[") {
			lines[0], lines[1] = lines[1], lines[0]
			return advisedHead + strings.Join(lines, "\n") + "\n"
		}
		return advisedHead + "[X-Fleet]\n" + strings.Join(lines, "\n") + "\n"
	})
}

// places is where units are ordered to be.
func (s *sim) places() map[unit.Name][]cluster.MachineID {
	places := make(map[unit.Name][]cluster.MachineID)
	for _, h := range s.present() {
		for name := range s.live(h) {
			places[name] = append(places[name], h.id)
		}
	}
	return places
}

func (s *sim) somewhere(name unit.Name) bool { return len(s.places()[name]) > 0 }

// carried is where units are when a plan has come true.
func carried(before map[unit.Name][]cluster.MachineID, p cluster.Plan) map[unit.Name][]cluster.MachineID {
	after := make(map[unit.Name][]cluster.MachineID)
	for name, at := range before {
		after[name] = slices.Clone(at)
	}
	for _, step := range p.Steps {
		at := slices.DeleteFunc(after[step.Unit], func(id cluster.MachineID) bool { return id == step.From })
		if step.To != "" {
			at = append(at, step.To)
		}
		slices.Sort(at)
		after[step.Unit] = at
		if len(at) == 0 {
			delete(after, step.Unit)
		}
	}
	return after
}

// TestFreesWithFewMoves compares how many moves it takes until one machine more is free with the fewest that
// could do it, found by trying everything.
func TestFreesWithFewMoves(t *testing.T) {
	var cases, perfect, extra, missed int
	eachSeed(t, func(t *rapid.T) {
		s := newSim(t)
		s.strategy = unit.SpreadEvenly
		s.elect()
		size := rapid.IntRange(3, 9).Draw(t, "size")
		machines := rapid.IntRange(2, 4).Draw(t, "machines")
		for i := range machines {
			id := cluster.MachineID(fmt.Sprintf("m%d", i))
			s.joinWith(id, nil, cluster.Capacity{Resources: unit.Resources{Memory: int64(size) << 30}})
			s.write(s.hosts[id])
		}
		needs := make(map[unit.Name]int)
		for i, need := range rapid.SliceOfN(rapid.IntRange(1, max(size/2, 1)), 1, 7).Draw(t, "needs") {
			name := unit.Name(fmt.Sprintf("u%d.service", i))
			needs[name] = need
			if err := s.submit(name, cluster.Launched, fmt.Sprintf("[X-Fleet]\nMemoryReserve=%dG\n", need)); err != nil {
				t.Fatalf("%v", err)
			}
		}
		s.settle()
		p, err := s.advisor().Rebalance(s.stored(), cluster.GoalFree, 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		var at, of []int
		var names []unit.Name
		for name, on := range s.places() {
			names = append(names, name)
			of = append(of, needs[name])
			at = append(at, int(on[0][1]-'0'))
		}
		fewest, possible := fewestToFree(machines, size, of, at)
		if got := untilFree(machines, names, at, p); got > 0 != possible || got > fewest {
			if !possible {
				t.Fatalf("%d moves free a machine, which is impossible", got)
			}
			if got == 0 {
				missed++
			} else {
				extra += got - fewest
			}
		} else {
			perfect++
		}
		cases++
	})
	t.Logf("of %d cases %d are perfect; %d moves too many; %d times a machine was not freed that could be", cases, perfect, extra, missed)
	if perfect*100 < cases*95 {
		t.Errorf("only %d of %d are perfect", perfect, cases)
	}
}

func emptyOf(machines int, at []int) int {
	n := 0
	for m := range machines {
		if !slices.Contains(at, m) {
			n++
		}
	}
	return n
}

// untilFree is how many moves of the plan it takes until one machine more is empty; 0 if none is in the end.
func untilFree(machines int, names []unit.Name, at []int, p cluster.Plan) int {
	before := emptyOf(machines, at)
	at = slices.Clone(at)
	for i, step := range p.Steps {
		at[slices.Index(names, step.Unit)] = int(step.To[1] - '0')
		if emptyOf(machines, at) > before {
			return i + 1
		}
	}
	return 0
}

// fewestToFree tries everything: breadth first, one move at a time.
func fewestToFree(machines, size int, of, at []int) (int, bool) {
	before := emptyOf(machines, at)
	seen := map[string]bool{fmt.Sprint(at): true}
	level := [][]int{at}
	for moves := 1; len(level) > 0; moves++ {
		var next [][]int
		for _, at := range level {
			used := make([]int, machines)
			for u, m := range at {
				used[m] += of[u]
			}
			for u := range at {
				for m := range machines {
					if m == at[u] || used[m]+of[u] > size {
						continue
					}
					moved := slices.Clone(at)
					moved[u] = m
					if emptyOf(machines, moved) > before {
						return moves, true
					}
					if key := fmt.Sprint(moved); !seen[key] {
						seen[key] = true
						next = append(next, moved)
					}
				}
			}
		}
		level = next
	}
	return 0, false
}
