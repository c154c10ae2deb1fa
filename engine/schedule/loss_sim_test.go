package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fleet/cluster"
	"fleet/unit"
)

var soundFence = cluster.Fence{TTL: 10 * time.Second, Renewal: 2 * time.Second, Watchdog: 5 * time.Second, Kill: 2 * time.Second}

func (h *host) agent() *cluster.Agent {
	return &cluster.Agent{Machine: h.id, Session: h.record.Session}
}

// attend has a fleetd go away, or come back.
func (s *sim) attend(h *host, there bool) {
	h.silent = !there
	if there {
		s.feed(cluster.AgentChanged{ID: h.id, Agent: h.agent()})
		return
	}
	s.feed(cluster.AgentChanged{ID: h.id})
}

// fenceOff ends what must not run on after the lease of its host.
func (s *sim) fenceOff(h *host) {
	for name, c := range h.copies {
		if s.rulesOf(name, c.Content).AtMostOnce {
			delete(h.copies, name)
		}
	}
}

func (s *sim) acknowledge() bool {
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		ack := cluster.Ack{Name: name, Since: s.alarms[name].Since}
		s.acks[name] = ack
		s.feed(cluster.AckChanged{Name: name, Ack: &ack})
	}
	return len(s.alarms) > 0
}

func (s *sim) brakeUntil(until time.Time) {
	s.patience = until
	s.state.Wait(until)
	s.shadow.Wait(until)
}

// commitLosses takes in what a step says of absent machines.
func (s *sim) commitLosses(step Step) []cluster.Change {
	var echo []cluster.Change
	for id, absence := range step.Absences {
		if absence == nil {
			delete(s.absences, id)
		} else {
			s.absences[id] = *absence
		}
		echo = append(echo, cluster.AbsenceChanged{ID: id, Absence: absence})
	}
	for name, alarm := range step.Alarms {
		if alarm == nil {
			delete(s.alarms, name)
			delete(s.acks, name)
			echo = append(echo, cluster.AckChanged{Name: name})
		} else {
			s.alarms[name] = *alarm
		}
		echo = append(echo, cluster.AlarmChanged{Name: name, Alarm: alarm})
	}
	for _, id := range step.Forget {
		delete(s.orders, id)
		delete(s.settings, id)
		delete(s.absences, id)
		delete(s.corrupt, record{cluster.KindOrders, string(id)})
		echo = append(echo, cluster.OrdersChanged{ID: id}, cluster.SettingsChanged{ID: id}, cluster.AbsenceChanged{ID: id})
	}
	return echo
}

// space is how full a store with a quota of 2G is.
func (a args) space(t fataler) cluster.Space {
	const quota = 2 << 30
	percent := func(text string) int64 {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%v", err)
		}
		return int64(n) * quota / 100
	}
	is := cluster.Space{
		Quota: quota, InUse: percent(a.names[0]), Size: percent(a.names[0]),
		Embedded: a.metadata["own"] != "no", Refuses: a.metadata["refuses"] == "yes",
	}
	if a.metadata["size"] != "" {
		is.Size = percent(a.metadata["size"])
	}
	return is
}

// options are those of an engine that is told other settings than before.
func (a args) options(t *testing.T, o Options) Options {
	span := func(key string, old time.Duration) time.Duration {
		if a.metadata[key] == "" {
			return old
		}
		d, err := time.ParseDuration(a.metadata[key])
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	o.ReplaceAfter, o.LossWindow = span("replace_after", o.ReplaceAfter), span("loss_window", o.LossWindow)
	if word := a.metadata["on_lost"]; word != "" {
		o.OnLost = unit.OnLost(word)
	}
	if limit := a.metadata["loss_limit"]; limit != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(limit, "%"))
		if err != nil {
			t.Fatal(err)
		}
		o.LossLimit = n
	}
	return o
}

// runLosses runs the commands about machines that go away; not ok if it is none of them.
func (s *sim) runLosses(d *datadriven.TestData, a args) (answer string, ok bool) {
	switch d.Cmd {
	case "silence", "attend":
		for _, id := range a.machines() {
			s.attend(s.hosts[id], d.Cmd == "attend")
		}
	case "fence":
		for _, id := range a.machines() {
			s.change(id, func(m *cluster.Machine) {
				m.Fence = soundFence
				if a.metadata["sound"] == "no" {
					m.Fence = cluster.Fence{}
				}
			})
		}
	case "overdue":
		clear(s.overdue)
		for _, id := range a.machines() {
			s.overdue[id] = true
		}
	case "space":
		is := a.space(s.t)
		s.state.Space(is)
		s.shadow.Space(is)
	case "acknowledge":
		if !s.acknowledge() {
			return "there is no alarm", true
		}
	case "forget":
		for _, id := range a.machines() {
			s.forget(id)
		}
	case "absences":
		return s.showAbsences(), true
	default:
		return "", false
	}
	return "", true
}

// forget asks for a machine that is gone to be forgotten, as the API does.
func (s *sim) forget(id cluster.MachineID) {
	session := s.orders[id].Session
	if absence, ok := s.absences[id]; ok {
		session = absence.Session
	}
	s.configure(id, func(settings *cluster.Settings) { settings.Forget, settings.Forgets = true, &session })
}

func (s *sim) showAbsences() string {
	var b strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "nobody knows when"
		}
		return t.Sub(time.Unix(1e9, 0)).String()
	}
	for _, id := range slices.Sorted(maps.Keys(s.absences)) {
		fmt.Fprintf(&b, "%s: %s since %s\n", id, s.absences[id].State, at(s.absences[id].Since))
	}
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		alarm := s.alarms[name]
		acknowledged := ""
		if s.acks[name].Since.Equal(alarm.Since) {
			acknowledged = ", acknowledged"
		}
		fmt.Fprintf(&b, "alarm %s since %s%s: %s\n", name, at(alarm.Since), acknowledged, alarm.Machines)
	}
	return b.String()
}

func traceLosses(step Step) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(step.Alarms)) {
		says := "is over"
		if alarm := step.Alarms[name]; alarm != nil {
			says = alarm.Message
		}
		fmt.Fprintf(&b, "alarm %s: %s\n", name, says)
	}
	for _, id := range step.Forget {
		fmt.Fprintf(&b, "forget %s\n", id)
	}
	return b.String()
}
