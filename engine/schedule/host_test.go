package schedule

import (
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// host is a machine, present or not, and what runs on it.
type host struct {
	id      cluster.MachineID
	record  *cluster.Machine // nil while it is lost
	silent  bool             // its fleetd is gone
	report  *cluster.Report  // as it was last written
	acked   int64
	copies  map[unit.Name]cluster.UnitReport
	orphans map[unit.Name]bool // copies that the host had when it was lost
}

// join brings a machine under a new session, with whatever runs on it.
func (s *sim) join(id cluster.MachineID, metadata map[string]string, limit int) {
	s.joinWith(id, metadata, cluster.Capacity{MaxUnits: limit})
}

func (s *sim) joinWith(id cluster.MachineID, metadata map[string]string, has cluster.Capacity) {
	h := s.hosts[id]
	if h == nil {
		h = &host{id: id, copies: map[unit.Name]cluster.UnitReport{}}
		s.hosts[id] = h
	}
	s.leases++
	delete(s.corrupt, record{cluster.KindMachine, string(id)})
	h.acked = 0
	h.record = &cluster.Machine{
		ID: id, Session: cluster.Session{Lease: s.leases, BootID: "boot"}, Metadata: metadata, Capacity: has,
		Attends: true, Fence: soundFence,
	}
	if metadata["fence"] == "none" {
		h.record.Fence = cluster.Fence{}
	}
	h.silent = false
	s.feed(cluster.MachineChanged{ID: id, Machine: h.record}, cluster.AgentChanged{ID: id, Agent: h.agent()})
}

func (s *sim) change(id cluster.MachineID, edit func(*cluster.Machine)) {
	h := s.hosts[id]
	m := *h.record
	edit(&m)
	h.record = &m
	s.feed(cluster.MachineChanged{ID: id, Machine: &m})
}

func (s *sim) lose(ids ...cluster.MachineID) {
	var changes []cluster.Change
	for _, id := range ids {
		h := s.hosts[id]
		s.fenceOff(h)
		h.record, h.report = nil, nil
		delete(s.corrupt, record{cluster.KindMachine, string(id)})
		delete(s.overdue, id)
		h.orphans = map[unit.Name]bool{}
		for name := range h.copies {
			h.orphans[name] = true
		}
		changes = append(changes, cluster.MachineChanged{ID: id}, cluster.ReportChanged{ID: id}, cluster.AgentChanged{ID: id})
	}
	s.feed(changes...)
}

func (s *sim) reboot(id cluster.MachineID) {
	clear(s.hosts[id].copies)
	clear(s.hosts[id].orphans)
}

// write has the machine report what is there, if that is news.
func (s *sim) write(h *host) {
	if h.silent {
		return
	}
	r := cluster.Report{
		Machine: h.id, Session: h.record.Session, Orders: h.acked, Units: maps.Clone(h.copies), At: s.now, Revision: s.revision + 1,
	}
	if h.report != nil && h.report.Session == r.Session && h.report.Orders == r.Orders && maps.EqualFunc(h.report.Units, r.Units, cluster.UnitReport.Equal) {
		return
	}
	h.report = &r
	s.feed(cluster.ReportChanged{ID: h.id, Report: &r})
}

// takeOrders has the machine take in its orders without acting on them yet.
func (s *sim) takeOrders(h *host) (cluster.Orders, bool) {
	orders, ok := s.orders[h.id]
	if !ok || s.corrupt[record{cluster.KindOrders, string(h.id)}] || orders.Session != h.record.Session {
		return orders, false
	}
	h.acked = orders.Revision
	return orders, true
}

// obey has the machine carry out everything; done picks the units that it gets to, nil for all.
func (s *sim) obey(h *host, done func(unit.Name) bool) {
	if h.silent {
		return
	}
	orders, ok := s.takeOrders(h)
	if ok {
		for _, name := range slices.Sorted(maps.Keys(h.copies)) {
			if _, wanted := orders.Units[name]; !wanted && (done == nil || done(name)) {
				delete(h.copies, name)
				delete(h.orphans, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(orders.Units)) {
			o := orders.Units[name]
			if h.copies[name].Generation == o.Generation && h.copies[name].Content != "" {
				continue
			}
			before := h.copies[name]
			h.copies[name] = follow(before, o, done == nil || done(name))
			if s.started != nil && starts(before, h.copies[name]) {
				s.started(h, name)
			}
		}
	}
	s.write(h)
}

// follow is what becomes of a copy when the host acts on an order, or, if it is slow, has only begun to.
func follow(c cluster.UnitReport, o cluster.Order, done bool) cluster.UnitReport {
	c.Tried = o.Generation
	switch {
	case !done && c.Content == "":
		c.Content, c.Active = o.Content, "activating"
	case !done:
		// The old content is still what runs.
	default:
		c = cluster.UnitReport{Content: o.Content, Generation: o.Generation, Tried: o.Generation}
		c.Active = "inactive"
		if o.Desired == cluster.Launched {
			c.Active = "active"
		}
	}
	return c
}

// starts tells whether a copy came to run what did not run before.
func starts(before, after cluster.UnitReport) bool {
	runs := func(c cluster.UnitReport) bool { return c.Active == "active" || c.Active == "activating" }
	return runs(after) && (!runs(before) || before.Content != after.Content)
}

// fail has systemd give up a unit on every present machine that has it, and tells whether there was one.
func (s *sim) fail(name unit.Name) bool { return s.failOn(name, "") }

// failOn is fail on one machine, unless that is empty.
func (s *sim) failOn(name unit.Name, on cluster.MachineID) bool {
	failed := false
	for _, h := range s.present() {
		c, ok := h.copies[name]
		if !ok || on != "" && h.id != on || c.Active != "active" || h.silent {
			continue
		}
		c.Active, c.Sub, c.Result, c.ExitStatus = "failed", "failed", "exit-code", 1
		h.copies[name] = c
		s.write(h)
		failed = true
	}
	return failed
}
