package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
)

// noteMachines tells on stderr what an operator has to know, whatever else was asked: which machines are lost or silent, and
// which alarms stand.
func (a *app) noteMachines(ctx context.Context, c *api.Client, all []api.Machine) {
	now := time.Now()
	for _, state := range []cluster.MachineState{cluster.StateSilent, cluster.StateLost} {
		var some []api.Machine
		for _, m := range all {
			if m.State == state {
				some = append(some, m)
			}
		}
		if len(some) > 0 {
			a.note("%s", conditionWords(state, some, now))
		}
	}
	alarms, err := c.Alarms(ctx)
	if err != nil {
		return // an older fleetd knows of none, and what else may be wrong shows elsewhere
	}
	for _, alarm := range alarms {
		if !alarm.Acknowledged {
			a.note("alarm %s%s: %s; see fleetctl alarms", alarm.Name, sinceWords(alarm.Since, now), alarm.Message)
		}
	}
}

// conditionWords tell which machines are silent, or lost, and what to do.
func conditionWords(state cluster.MachineState, some []api.Machine, now time.Time) string {
	const most = 3
	var names []string
	for i, m := range some {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(some)-most))
			break
		}
		names = append(names, place(m.ID, m.PrimaryIP, false)+sinceWords(m.StateSince, now))
	}
	text := fmt.Sprintf("%s %s: %s", count(len(some), "machine"), state, strings.Join(names, ", "))
	if state == cluster.StateLost {
		return text + "; list-machines --all has them, and forget is for those that will not come back"
	}
	return text + "; fleetd is not running there, or does not reach etcd"
}

// note tells of something that nobody has asked about.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, a.paint(a.stderr, yellow, "Note:")+" "+format+"\n", args...)
}
