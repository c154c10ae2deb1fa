package schedule

import (
	"fmt"
	"slices"

	"fleet/unit"
)

// readRules reads what the unit's file demands, and ties the unit to those it names.
func (s *State) readRules(t *task) {
	content := t.record.Content
	if t.corrupt != "" {
		content = t.orderedContent()
	}
	if content == t.content && t.problem == "" {
		return
	}
	t.content, t.problem = content, ""
	s.troubled.drop(t)
	read, problem := s.reading(t.name, content)
	if problem != "" && t.exists {
		t.problem = problem
		s.troubled.add(t)
		read, _ = s.reading(t.name, t.orderedContent())
	}
	if read == nil {
		read = unread
	}
	s.setRules(t, read)
}

// orderedContent is the content that some machine was ordered to have; empty if none was.
func (t *task) orderedContent() unit.ContentID {
	for _, m := range t.homes() {
		return m.orderFor(t).Content
	}
	return ""
}

// digest is what a file demands, in the form that the brain works with.
type digest struct {
	rules unit.Rules
	need  *quantity
	share int64
	taste *taste
	lacks []string // for each requirement of metadata: what to say of a machine that does not meet it
}

// reading reads a file for a unit, or what was read of it for another to which it says the same.
func (s *State) reading(name unit.Name, content unit.ContentID) (*digest, string) {
	f, ok := s.files[content]
	switch {
	case name.IsTemplate():
		return nil, "a template does not run; start an instance of it"
	case !ok || f.file == nil && f.err == "":
		return nil, "its unit file is not in the store"
	case f.err != "":
		return nil, "its unit file cannot be read: " + f.err
	}
	shared := f.file.SharedRules()
	if shared {
		if read, ok := f.shared[name.Type()]; ok {
			return read, ""
		}
	}
	rules, err := f.file.Rules(name)
	if err != nil {
		return nil, fmt.Sprintf("its [X-Fleet] section cannot be read: %v", err)
	}
	read := s.interpret(rules)
	if shared {
		if f.shared == nil {
			f.shared = make(map[unit.Type]*digest)
		}
		f.shared[name.Type()] = read
	}
	return read, ""
}

func (s *State) interpret(rules unit.Rules) *digest {
	read := &digest{rules: rules, need: s.resources.need(rules.Needs), taste: s.tasteOf(&rules)}
	if rules.Needs.Memory == 0 {
		read.share = rules.Needs.MemoryShare
	}
	for _, requirement := range rules.Metadata {
		read.lacks = append(read.lacks, "lack "+requirement.String())
	}
	return read
}

// unread is what a unit demands of which nothing can be read.
var unread = &digest{need: bareNeed}

func (s *State) setRules(t *task, read *digest) {
	homes := len(t.homes())
	s.countPriority(t, -homes)
	defer func() { s.countPriority(t, homes) }()
	rules := &read.rules
	t.rules, t.need, t.share, t.lacks = rules, read.need, read.share, read.lacks
	s.setTaste(t, read.taste)
	for _, peer := range t.peers {
		delete(peer.followers, t)
		s.review.add(peer)
	}
	t.peers, t.without = nil, nil
	for _, name := range rules.MachineOf {
		if name == t.name {
			continue
		}
		peer := s.task(name)
		if peer.followers == nil {
			peer.followers = make(map[*task]struct{})
		}
		peer.followers[t] = struct{}{}
		t.peers = append(t.peers, peer)
		t.without = append(t.without, "do not have "+string(name)+" (MachineOf)")
	}
	s.wakeRelated(t) // those that it was about before
	s.demand(t, conflicts, rules.Conflicts)
	s.demand(t, replaces, rules.Replaces)
	s.wakeRelated(t)
	s.rulesChanged(t)
	if homes > 0 {
		s.provoke(t.rules.Priority) // it may have to make way now
	}
}

// rulesChanged wakes those whom the unit may have kept away, and has counted what it holds.
func (s *State) rulesChanged(t *task) {
	for _, m := range slices.Clone(t.where) {
		s.stand(m, t)
		if len(s.globals) > 0 && m.eligible() {
			s.recheck.add(m)
		}
		for _, o := range t.rivalsOn(m) {
			s.wake(o)
		}
	}
}
