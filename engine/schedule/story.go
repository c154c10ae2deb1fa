package schedule

import (
	"fmt"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// failuresChanged: an own write that comes back says nothing new. What cannot be read is replaced by what is known.
func (a *absorbing) failuresChanged(name unit.Name, f *cluster.Failures, unreadable bool) {
	t := a.task(name)
	if t.failing == nil {
		t.failing = &failing{}
	}
	if t.failing.writtenAt >= a.revision {
		return
	}
	t.failing.written, t.failing.unreadable = f, unreadable
	if !unreadable {
		t.failing.story = f
	}
	a.failures.told.add(t)
	a.tasks[t] = struct{}{}
}

// failuresWritten takes in an own record that the store has accepted.
func (s *State) failuresWritten(t *task, f *cluster.Failures, revision int64) {
	if t.failing == nil {
		t.failing = &failing{}
	}
	t.failing.written, t.failing.writtenAt, t.failing.unreadable = f, revision, false
	t.failing.story = f
	s.failures.resting.add(t)
	s.failures.told.drop(t)
	s.forget(t)
}

// untold lists the units whose record has to be written.
func (s *State) untold() []*task {
	var all []*task
	for _, t := range sortedTasks(s.failures.told.of) {
		if f := t.failing; !f.unreadable && sameStory(f.story, f.written) {
			s.failures.told.drop(t)
			continue
		}
		all = append(all, t)
	}
	return all
}

func sameStory(a, b *cluster.Failures) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

func storyPart(t *task) Step {
	return Step{Decision: cluster.Decision{Failures: map[unit.Name]*cluster.Failures{t.name: t.story()}}}
}

// withStories adds the stories of the units that part takes off its machine because they failed there.
func (s *State) withStories(part Step) Step {
	for _, note := range part.Notes {
		if t := s.tasks[note.Unit]; note.Action == Withdraw && t != nil && s.failures.told.has(t) && t.failedLastOn(note.Machine) {
			part.Failures = gather(part.Failures, storyPart(t).Failures)
		}
	}
	return part
}

func (t *task) failedLastOn(id cluster.MachineID) bool {
	f := t.story()
	return f != nil && len(f.Tries) > 0 && f.Tries[len(f.Tries)-1].Machine == id
}

// reasonOn adds to the reason why the unit is to be on m where it has failed.
func (t *task) reasonOn(m *machine, reason string) string {
	f := t.story()
	if f == nil {
		return reason
	}
	here, others := 0, 0
	for _, try := range f.Tries {
		if try.Machine == m.id {
			here++
		} else {
			others++
		}
	}
	if here > 0 && others > 0 {
		reason = "it is the longest ago that it failed here"
	}
	return reason + "; has failed " + placesOf(f)
}

// placesOf lists the machines of a story in the order in which the unit came to them.
func placesOf(f *cluster.Failures) string {
	var ids []cluster.MachineID
	tries := make(map[cluster.MachineID][]cluster.Try)
	for _, try := range f.Tries {
		if tries[try.Machine] == nil {
			ids = append(ids, try.Machine)
		}
		tries[try.Machine] = append(tries[try.Machine], try)
	}
	parts := make([]string, len(ids))
	for i, id := range ids {
		on := tries[id]
		parts[i] = "on " + id.Short() + wordsOf(on[len(on)-1])
		if len(on) > 1 {
			parts[i] = fmt.Sprintf("%d times %s", len(on), parts[i])
		}
	}
	return strings.Join(parts, ", ")
}

// wordsOf is how it failed, in brackets.
func wordsOf(try cluster.Try) string {
	if try.ExitStatus == 0 {
		return fmt.Sprintf(" (%s)", try.Result)
	}
	return fmt.Sprintf(" (%s, status %d)", try.Result, try.ExitStatus)
}
