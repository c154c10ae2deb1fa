package reconcile

// noFence is why a unit is not started that is bound to the fence.
const noFence = "it is bound to this machine's fence, and none guards the present session: see systemctl status fleet-fence.service"

// permit is what the unit needs to be started under the fence that is there.
func (s *situation) permit() Permit {
	if s.order.Fence == 0 {
		return Permit{}
	}
	return Permit{Life: s.fence, Number: s.order.Fence}
}

// observe learns how a unit and its fence are related. The two were looked at in the same moment: a unit that
// is gone while the fence is there under which it ran has ended of itself.
func (s *situation) observe() {
	if s.fence == "" {
		return
	}
	if s.memory.Failure.Error == noFence {
		s.memory.Failure = Failure{}
	}
	switch {
	case s.state.Active == deactivating || s.state.Job != "":
	case s.state.Running():
		s.memory.Under = s.fence
	case s.memory.Under == s.fence:
		s.memory.Under = ""
	}
}

// fenced tells whether the unit was ended by its fence, and another one is there now.
func (s *situation) fenced() bool {
	return s.order.Fence != 0 && s.fence != "" && s.memory.Under != "" && s.memory.Under != s.fence && !s.state.Running()
}

// unguarded is a unit that has to wait for a fence.
func (s *situation) unguarded() verdict {
	s.memory.begin(s.order.Generation)
	s.memory.Failure = Failure{Generation: s.order.Generation, Error: noFence}
	return verdict{}
}
