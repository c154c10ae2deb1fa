package api

import (
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// view turns the vocabulary into JSON types. It is valid while the cache's lock is held.
type view struct {
	*cluster.Snapshot
	files        *fileViews
	needs        *fileNeeds
	reservations *reservations         // nil: not of the present cluster
	located      map[unit.Name]located // as in the cache: not of the past
	past         *past                 // nil: the cluster as it is now
}

// detail is how much of a unit is shown.
type detail struct {
	options, log bool
	bare         bool // without copies
}

// file returns what v1 says of a file, nil if the file is not there.
func (v view) file(id unit.ContentID) *fileView {
	file, ok := v.File(id)
	if !ok {
		return nil
	}
	if v.past.replaced(id) {
		return newFileView(file.File) // nobody would forget it
	}
	return v.files.get(id, file)
}

// hash is fleet 1's hash of the first of these files that is known.
func (v view) hash(ids ...unit.ContentID) string {
	for _, id := range ids {
		if f := v.file(id); f != nil {
			return f.hash
		}
	}
	return ""
}

func (v view) unit(name unit.Name, d detail) Unit { return v.unitOf(v.Status(name), d) }

func (v view) unitOf(st cluster.Status, d detail) Unit {
	phase, message := st.Outcome()
	u := Unit{
		Name:         st.Name,
		DesiredState: st.Unit.Desired,
		CurrentState: st.Current(),
		MachineID:    st.Machine(),
		Absent:       !st.Exists,
		Global:       st.Unit.Global,
		Generation:   st.Unit.Generation,
		Content:      st.Unit.Content,
		Move:         st.Unit.Move,
		MoveTo:       st.Unit.MoveTo,
		Outcome:      &Outcome{Phase: phase, Message: message},
		Pending:      pendingOf(st.Pending),
		Error:        st.Corrupt,
	}
	if len(st.Copies) > 0 && !d.bare {
		from, to, handed := st.HandOver()
		u.Copies = make([]Copy, len(st.Copies))
		for i, c := range st.Copies {
			u.Copies[i] = v.copied(c, d)
			if handed && c.Machine == to {
				u.Copies[i].Takes = from
			}
		}
	}
	if !st.Exists || st.Corrupt != "" {
		return u
	}
	file := v.file(st.Unit.Content)
	if file == nil {
		u.Error = v.missing(st.Unit.Content)
		return u
	}
	u.Hash = file.hash
	if d.options {
		u.Options = file.options
	}
	return u
}

// missing says why there is no file of that id.
func (v view) missing(id unit.ContentID) string {
	if err, corrupt := v.Corrupt(cluster.KindFile, string(id)); corrupt {
		return "its unit file cannot be read: " + err
	}
	return "its unit file is not in the store"
}

func (v view) copied(c cluster.Copy, d detail) Copy {
	out := Copy{
		MachineID: c.Machine,
		Address:   c.Address,
		Presence:  c.Presence,
		Silent:    c.Silent,
		AwaySince: c.Away,
		Ordered:   c.Order != nil,
	}
	if c.Order != nil {
		out.Reason, out.Since, out.Move = c.Order.Reason, c.Order.Since, c.Order.Move
	}
	if c.Report == nil {
		return out
	}
	r := c.Report
	out.ObservedAt = c.At
	out.Hash, out.Content = v.hash(r.Content), r.Content
	out.Generation = r.Generation
	out.Load, out.Active, out.Sub = r.Load, r.Active, r.Sub
	out.Result, out.ExitStatus = r.Result, r.ExitStatus
	out.Signaled, out.Skipped = r.Signaled, r.Skipped
	out.MainPID, out.Restarts, out.InvocationID = r.MainPID, r.Restarts, r.InvocationID
	out.StateSince = r.Since
	out.Job, out.JobResult = r.State.Job, r.Job
	out.Error = r.Error
	if d.log {
		out.Log = r.Log
	}
	return out
}

// state is what a machine reports of its copy of a unit.
func (v view) state(st cluster.Status, c cluster.Copy) UnitState {
	r := c.Report
	s := UnitState{
		Name:               st.Name,
		MachineID:          c.Machine,
		SystemdLoadState:   r.Load,
		SystemdActiveState: r.Active,
		SystemdSubState:    r.Sub,
		ObservedAt:         c.At,
		Silent:             c.Silent,
		AwaySince:          c.Away,
		WantedGeneration:   st.Unit.Generation,
		Generation:         r.Generation,
		InvocationID:       r.InvocationID,
		Result:             r.Result,
		ExitStatus:         r.ExitStatus,
		Signaled:           r.Signaled,
		Restarts:           r.Restarts,
		StateSince:         r.Since,
		Error:              r.Error,
	}
	contents := []unit.ContentID{r.Content}
	if c.Order != nil {
		contents = append(contents, c.Order.Content)
		s.Reason = c.Order.Reason
	}
	s.Hash = v.hash(contents...)
	return s
}

// machine returns a machine that is present, or nil.
func (v view) machine(id cluster.MachineID) *Machine {
	m := v.bareMachine(id)
	if m != nil {
		m.Reserved = v.reserved(id)
	}
	return m
}

// bareMachine leaves out what has to be added up over the machine's units.
func (v view) bareMachine(id cluster.MachineID) *Machine {
	record, present := v.Machine(id)
	corrupt, broken := v.Corrupt(cluster.KindMachine, string(id))
	if !present && !broken {
		return nil
	}
	m := &Machine{
		ID:        id,
		PrimaryIP: record.Address,
		Endpoint:  record.API,
		Version:   record.Version,
		Since:     record.Since,
		BootID:    record.Session.BootID,
		Cordoned:  v.Settings(id).Cordoned,
		Capacity:  capacityOf(v.Settings(id).Limit(record.Capacity)),
		Leader:    v.leads(id),
		Leaving:   record.Leaving,
		Drain:     v.drain(id),
		Fence:     fenceOf(record.Fence),
		Error:     corrupt,
	}
	m.State, m.StateSince = v.State(id)
	if present { // else only what was laid over them is known, and a selector does not go by that
		m.Metadata = v.Metadata(id)
	}
	if orders, ok := v.Orders(id); ok {
		m.Units = len(orders.Units)
	}
	return m
}

func capacityOf(c cluster.Capacity) *Capacity {
	if c.MaxUnits == 0 && c.Memory == 0 && c.CPU == 0 && c.Disk == 0 && len(c.Named) == 0 {
		return nil
	}
	return &Capacity{MaxUnits: c.MaxUnits, Resources: Resources(c.Resources)}
}

// machineIDs lists the machines that are present, those with an unreadable record included, sorted.
func (v view) machineIDs() []cluster.MachineID {
	ids := v.Machines()
	for _, id := range v.CorruptIDs(cluster.KindMachine) {
		ids = append(ids, cluster.MachineID(id))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
