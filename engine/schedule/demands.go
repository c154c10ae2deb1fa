package schedule

import (
	"fmt"

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
	rules, problem := s.rulesOf(t.name, content)
	if problem != "" && t.exists {
		t.problem = problem
		s.troubled.add(t)
		rules, _ = s.rulesOf(t.name, t.orderedContent())
	}
	s.setRules(t, rules)
}

// orderedContent is the content that some machine was ordered to have; empty if none was.
func (t *task) orderedContent() unit.ContentID {
	for _, m := range t.homes() {
		return m.units()[t.name].Content
	}
	return ""
}

func (s *State) rulesOf(name unit.Name, content unit.ContentID) (unit.Rules, string) {
	f, ok := s.files[content]
	switch {
	case name.IsTemplate():
		return unit.Rules{}, "a template does not run; start an instance of it"
	case !ok || f.file == nil && f.err == "":
		return unit.Rules{}, "its unit file is not in the store"
	case f.err != "":
		return unit.Rules{}, "its unit file cannot be read: " + f.err
	}
	rules, err := f.file.Rules(name)
	if err != nil {
		return unit.Rules{}, fmt.Sprintf("its [X-Fleet] section cannot be read: %v", err)
	}
	return rules, ""
}

func (s *State) setRules(t *task, rules unit.Rules) {
	t.rules = rules
	for _, peer := range t.peers {
		delete(peer.followers, t)
		s.review.add(peer)
	}
	t.peers, t.lacks, t.without = nil, nil, nil
	for _, requirement := range rules.Metadata {
		t.lacks = append(t.lacks, "lack "+requirement.String())
	}
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
	s.demand(t, conflicts, rules.Conflicts)
	s.demand(t, replaces, rules.Replaces)
	s.rulesChanged(t)
}

// rulesChanged wakes those whom the unit may have kept away.
func (s *State) rulesChanged(t *task) {
	for _, m := range t.where {
		if len(s.globals) > 0 && m.eligible() {
			s.recheck.add(m)
		}
		for _, o := range t.rivalsOn(m) {
			s.wake(o)
		}
	}
	if len(t.where) > 0 {
		for u := range s.unplaced.of {
			s.wake(u)
		}
	}
}
