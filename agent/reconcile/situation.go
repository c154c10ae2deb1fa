package reconcile

import (
	"cmp"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

const (
	loaded       = "loaded"       // LoadState of a unit whose file systemd has read and accepted
	deactivating = "deactivating" // ActiveState of a unit that is on its way to inactive, failed or a restart
)

// situation is everything known of one unit. Its methods move its memory on,
// and end in a verdict.
type situation struct {
	name    unit.Name
	order   cluster.Order
	ordered bool
	file    unit.ContentID // empty if there is none
	state   unit.State
	memory  Memory
	fence   string // that guards this machine's units; empty if none does
	now     time.Time
}

// verdict is at most one thing to do. The zero verdict: nothing, until something changes.
type verdict struct {
	step   Step
	again  time.Time
	forget bool
}

func (s *situation) decide() verdict {
	if !s.ordered {
		return s.leave()
	}
	s.memory.rewind(s.order.Generation)
	s.memory.recall(s.state)
	if s.alive() {
		switch runs := s.runs(); runs {
		case s.order.Content:
			s.memory.Content = runs
		case "": // not started by us: loading will tell whether the name is the host's
		default:
			return s.try(Step{Kind: Stop})
		}
	}
	if !s.inPlace() {
		return s.try(Step{Kind: Load})
	}
	if s.order.Fence != 0 {
		s.observe()
		if s.fence != "" && s.memory.Permit != s.permit() {
			return s.try(Step{Kind: Grant})
		}
	}
	switch s.order.Desired {
	case cluster.Loaded:
		return s.rest()
	case cluster.Launched:
		return s.launch()
	}
	return verdict{}
}

// leave takes the unit off this host: first its processes, then its file. A
// name under which fleet has no file and never loaded one is the host's own.
func (s *situation) leave() verdict {
	switch {
	case s.file == "" && s.memory.Content == "":
		return verdict{forget: true}
	case s.alive():
		s.memory.undo()
		return s.try(Step{Kind: Stop})
	case s.file != "":
		s.memory.undo()
		return s.try(Step{Kind: Unload})
	}
	return verdict{forget: true}
}

// alive tells whether the unit runs or is about to: a queued start job begins
// whenever it likes, with the file that it finds then.
func (s *situation) alive() bool { return s.state.Running() || s.state.Job != "" }

// runs is the content that the unit was or will be started from, as far as can be known.
// The file alone does not tell: somebody may have removed or edited it.
func (s *situation) runs() unit.ContentID {
	if s.file == s.order.Content {
		return s.file
	}
	return cmp.Or(s.memory.Content, s.file)
}

// inPlace tells whether systemd has read the ordered content from the file.
func (s *situation) inPlace() bool {
	return s.file == s.order.Content && s.memory.Content == s.order.Content && s.state.Load == loaded
}

// rest carries out an order to be loaded and not running.
func (s *situation) rest() verdict {
	if s.order.Generation <= s.memory.Generation {
		return s.settled()
	}
	if s.alive() {
		return s.try(Step{Kind: Stop, Settles: true})
	}
	return s.settled()
}

// launch carries out an order to be running.
func (s *situation) launch() verdict {
	restart := s.order.Restart > s.memory.Restart && s.memory.known()
	if s.order.Generation <= s.memory.Generation && !restart && !s.fenced() {
		return s.settled()
	}
	asked := s.memory.Intent.Restart >= s.order.Restart
	switch {
	case s.state.Active == deactivating:
		return verdict{}
	case s.state.Job != "" && (!restart || asked):
		return verdict{} // its end will tell
	case !s.state.Running():
		return s.try(Step{Kind: Start, Settles: true})
	case restart:
		return s.try(Step{Kind: Restart, Settles: true})
	case s.order.Fence != 0 && s.memory.Under == "" && s.fence == "":
		return verdict{} // whatever fence it runs under may be about to end it
	}
	return s.settled()
}

// settled notes that nothing is left to do for the order.
func (s *situation) settled() verdict {
	s.memory.acted(s.order.Generation, s.order.Restart)
	return verdict{}
}

// try takes a step, unless it failed before and it is not yet time to try again.
// Another order is another matter: it does not wait.
func (s *situation) try(step Step) verdict {
	step.Unit = s.name
	if s.ordered {
		step.Content, step.Generation, step.Restart = s.order.Content, s.order.Generation, s.order.Restart
		step.Permit = s.permit()
	}
	if s.memory.Failure.Generation != step.Generation {
		s.memory.Failure = Failure{}
	}
	retry := s.memory.Failure.Retry
	latest := s.now.Add(backoff(s.memory.Failure.Attempts)) // it is later if the clock was set back since it was noted
	if s.now.Before(retry) && !retry.After(latest) {
		return verdict{again: retry}
	}
	s.memory.begin(step.Generation)
	if step.Kind == Start || step.Kind == Restart {
		if s.order.Fence != 0 && s.fence == "" {
			return s.unguarded()
		}
		s.memory.Under = s.fence
		s.memory.Intent = Intent{Generation: step.Generation, Restart: step.Restart, Before: s.state.InvocationID}
	}
	return verdict{step: step}
}
