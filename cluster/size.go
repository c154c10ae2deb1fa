package cluster

import (
	"unsafe"

	"fleet/unit"
)

// Size is how much there is of one kind of records.
type Size struct {
	Records int
	Bytes   int64 // of memory for the records and their texts, about; without the maps and indexes that they are in
}

// Sizes is how much a snapshot holds, by kind.
func (s *Snapshot) Sizes() map[Kind]Size {
	sizes := make(map[Kind]Size, len(s.bytes))
	for kind, n := range map[Kind]int{
		KindUnit: len(s.units), KindFile: len(s.files), KindMachine: len(s.machines), KindSettings: len(s.settings),
		KindOrders: len(s.orders), KindReport: len(s.reports), KindPending: len(s.pending), KindFailures: len(s.failures),
		KindAgent: len(s.agents), KindAbsence: len(s.absences), KindAlarm: len(s.alarms), KindAck: len(s.acks),
	} {
		sizes[kind] = Size{Records: n, Bytes: s.bytes[kind]}
	}
	return sizes
}

func (s *Snapshot) grow(kind Kind, by int64) {
	if s.bytes[kind] += by; s.bytes[kind] == 0 {
		delete(s.bytes, kind)
	}
}

// subject is the record that a change is about; no kind if it is about none that Sizes has.
func subject(c Change) (Kind, string) {
	switch c := c.(type) {
	case UnitChanged:
		return KindUnit, string(c.Name)
	case FileChanged:
		return KindFile, string(c.ID)
	case MachineChanged:
		return KindMachine, string(c.ID)
	case SettingsChanged:
		return KindSettings, string(c.ID)
	case OrdersChanged:
		return KindOrders, string(c.ID)
	case ReportChanged:
		return KindReport, string(c.ID)
	case PendingChanged:
		return KindPending, string(c.Name)
	case FailuresChanged:
		return KindFailures, string(c.Name)
	case AgentChanged:
		return KindAgent, string(c.ID)
	case AbsenceChanged:
		return KindAbsence, string(c.ID)
	case AlarmChanged:
		return KindAlarm, string(c.Name)
	case AckChanged:
		return KindAck, string(c.Name)
	case Corrupted:
		return c.Kind, c.ID
	}
	return "", ""
}

// weigh is how many bytes a record takes as s stands, 0 if there is none. It costs a look at each unit of orders and reports.
func (s *Snapshot) weigh(kind Kind, id string) int64 {
	switch kind {
	case KindUnit:
		return weight(s.units, unit.Name(id), Unit.weigh)
	case KindFile:
		return weight(s.files, unit.ContentID(id), func(f File) int { return f.Len() })
	case KindMachine:
		return weight(s.machines, MachineID(id), Machine.weigh)
	case KindSettings:
		return weight(s.settings, MachineID(id), Settings.weigh)
	case KindOrders:
		return weight(s.orders, MachineID(id), Orders.weigh)
	case KindReport:
		return weight(s.reports, MachineID(id), Report.weigh)
	case KindPending:
		return weight(s.pending, unit.Name(id), Pending.weigh)
	case KindFailures:
		return weight(s.failures, unit.Name(id), func(f Failures) int { return cap(f.Tries) * int(unsafe.Sizeof(Try{})) })
	case KindAgent:
		return weight(s.agents, MachineID(id), func(a Agent) int { return len(a.Session.BootID) })
	case KindAbsence:
		return weight(s.absences, MachineID(id), func(a Absence) int {
			return len(a.Session.BootID) + len(a.Address) + len(a.Version) + pairs(a.Metadata)
		})
	case KindAlarm:
		return weight(s.alarms, AlarmName(id), func(a Alarm) int { return len(a.Message) + texts(a.Machines) })
	case KindAck:
		return weight(s.acks, AlarmName(id), func(Ack) int { return 0 })
	}
	return 0
}

// weight is what a record takes with its key: by itself, and what it refers to.
func weight[K ~string, V any](records map[K]V, key K, refers func(V) int) int64 {
	record, ok := records[key]
	if !ok {
		return 0
	}
	return int64(int(unsafe.Sizeof(record)) + text + len(key) + refers(record))
}

// text is what a string takes beside its bytes.
const text = int(unsafe.Sizeof(""))

func texts[S ~string](all []S) int {
	n := 0
	for _, s := range all {
		n += text + len(s)
	}
	return n
}

func pairs(m map[string]string) int {
	n := 0
	for key, value := range m {
		n += 2*text + len(key) + len(value)
	}
	return n
}

func (u Unit) weigh() int { return len(u.Content) + len(u.Desired) + len(u.MoveTo) }

func (m Machine) weigh() int {
	return len(m.Session.BootID) + len(m.Address) + len(m.API) + len(m.Version) + pairs(m.Metadata) + len(m.Capacity.Named)*(text+8)
}

func (s Settings) weigh() int {
	n := len(s.Capacity) * (text + 8)
	for key, value := range s.Metadata {
		n += 2*text + len(key)
		if value != nil {
			n += text + len(*value)
		}
	}
	return n
}

func (o Orders) weigh() int {
	n := len(o.Session.BootID)
	for name, order := range o.Units {
		n += text + len(name) + int(unsafe.Sizeof(order)) + len(order.Content) + len(order.Reason) + len(order.Takes)
	}
	return n
}

func (r Report) weigh() int {
	n := len(r.Session.BootID)
	for name, u := range r.Units {
		n += text + len(name) + int(unsafe.Sizeof(u)) + len(u.Content) + len(u.InvocationID) + len(u.Error) + texts(u.Log)
	}
	return n
}

func (p Pending) weigh() int {
	n := texts(p.Peers) + len(p.Message) + len(p.Note)
	for _, e := range p.Excluded {
		n += int(unsafe.Sizeof(e)) + len(e.Detail) + texts(e.Examples)
	}
	if p.Remedy != nil {
		n += int(unsafe.Sizeof(*p.Remedy)) + len(p.Remedy.Text)
	}
	return n
}
