package engine

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/engine/schedule"
)

// decide asks the brain. When machines were lost it finds out first whether others are about to be, so that a
// cut of many machines moves nothing although their leases end one after another: one round of questions, all at once.
// If that cannot be found out all of them are under suspicion, until it can.
func decide(ctx context.Context, t Term, brain *schedule.State, o Options) []schedule.Step {
	now := o.Now()
	if o.Patience != nil {
		brain.Wait(o.Patience())
	}
	if doubtful := brain.Doubts(now); len(doubtful) > 0 {
		overdue, err := t.Overdue(ctx, doubtful)
		if err != nil {
			o.Logger.Warn("cannot find out which machines have not renewed their leases", "machines", len(doubtful), "err", err)
			overdue = doubtful
		}
		if len(overdue) > 0 {
			o.Logger.Warn("machines have not renewed their leases while others were lost", "machines", shorts(overdue))
		}
		brain.Suspect(overdue)
	}
	return brain.Decide(now)
}

// logLosses tells what a step says of absent machines.
func logLosses(ctx context.Context, logger *slog.Logger, step schedule.Step, revision int64) {
	for _, name := range slices.Sorted(maps.Keys(step.Alarms)) {
		alarm := step.Alarms[name]
		if alarm == nil {
			logger.LogAttrs(ctx, slog.LevelInfo, "alarm is over", slog.String("alarm", string(name)), slog.Int64("rev", revision))
			continue
		}
		logger.LogAttrs(ctx, slog.LevelWarn, "alarm", slog.String("alarm", string(name)),
			slog.String("reason", alarm.Message), slog.Any("machines", shorts(alarm.Machines)), slog.Int64("rev", revision))
	}
	for _, id := range slices.Sorted(maps.Keys(step.Absences)) {
		message := "machine is back"
		session := slog.Attr{}
		if absence := step.Absences[id]; absence != nil {
			message = "machine is " + string(absence.State)
			session = slog.String("session", absence.Session.String())
		}
		logger.LogAttrs(ctx, slog.LevelInfo, message, slog.String("machine", string(id)), session, slog.Int64("rev", revision))
	}
	for _, id := range step.Forget {
		logger.LogAttrs(ctx, slog.LevelInfo, "machine is forgotten", slog.String("machine", string(id)), slog.Int64("rev", revision))
	}
}

func shorts(ids []cluster.MachineID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.Short()
	}
	return all
}

// alarms tell whoever counts which alarms stand.
type alarms struct {
	events   Events
	standing map[cluster.AlarmName]bool
}

func (a *alarms) tell(now []cluster.Alarm) {
	before := a.standing
	a.standing = make(map[cluster.AlarmName]bool, len(now))
	for _, alarm := range now {
		a.standing[alarm.Name] = true
		if !before[alarm.Name] {
			a.events.alarm(alarm.Name, true)
		}
	}
	for name := range before {
		if !a.standing[name] {
			a.events.alarm(name, false)
		}
	}
}
