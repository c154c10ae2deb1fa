package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// alarmed is the store of a cluster of one machine, in which an alarm stands until it is acknowledged.
type alarmed struct{ acks chan cluster.Ack }

func (alarmed) first() cluster.Update {
	return cluster.Update{Revision: 1, Reset: true, Changes: []cluster.Change{
		cluster.MachineChanged{ID: firstMachine, Machine: &cluster.Machine{ID: firstMachine, Address: "10.0.0.1"}},
		cluster.AbsenceChanged{ID: secondMachine, Absence: &cluster.Absence{
			Machine: secondMachine, State: cluster.StateLost, Since: time.Now().Add(-3 * time.Minute), Address: "10.0.0.2",
		}},
		cluster.AlarmChanged{Name: cluster.MassLoss, Alarm: &cluster.Alarm{
			Name: cluster.MassLoss, Since: time.Now().Add(-2 * time.Minute), Machines: []cluster.MachineID{secondMachine}, Message: "too many at once",
		}},
	}}
}

func (s alarmed) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	if err := fn(s.first()); err != nil {
		return err
	}
	for revision := int64(2); ; revision++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ack := <-s.acks:
			if err := fn(cluster.Update{Revision: revision, Changes: []cluster.Change{cluster.AckChanged{Name: ack.Name, Ack: &ack}}}); err != nil {
				return err
			}
		}
	}
}

func (alarmed) UpdateUnit(context.Context, unit.Name, func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	return cluster.Unit{}, cluster.ErrUnavailable
}

func (alarmed) UpdateSettings(context.Context, cluster.MachineID, func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	return 0, cluster.ErrUnavailable
}

func (s alarmed) Acknowledge(_ context.Context, name cluster.AlarmName, since time.Time) (int64, error) {
	s.acks <- cluster.Ack{Name: name, Since: since}
	return 2, nil
}

func TestAlarms(t *testing.T) {
	server := api.New(alarmed{make(chan cluster.Ack)}, api.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Run(ctx) }) // ends with ctx
	defer running.Wait()
	defer cancel()
	listener := httptest.NewServer(server.Handler())
	defer listener.Close()
	for deadline := time.Now().Add(patience); ; {
		c, err := api.Dial(listener.URL, api.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Alarms(ctx); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		args   string
		code   exitCode
		stdout string
		stderr string
	}{
		{"alarms", exitOK, `^ALARM\t+SINCE\t+ACKNOWLEDGED\tMESSAGE\nmass-loss\t2min [0-9]+s ago\tno\t+too many at once\n$`, `^$`},
		{"list-machines -o name", exitOK, `^1111aaaa0+1\n$`, `^Note: 1 machine lost: 2222bbbb\.\.\./10\.0\.0\.2 since 3min [0-9]+s ago; .*forget.*\n` +
			`Note: alarm mass-loss since 2min [0-9]+s ago: too many at once; see fleetctl alarms\n$`},
		{"alarms acknowledge", exitUsage, `^$`, `no alarms given`},
		{"alarms ignore mass-loss", exitUsage, `^$`, `"ignore": expect nothing, or acknowledge`},
		{"alarms acknowledge mass-lost", exitNotFound, `^$`, `there is no alarm mass-lost now; there is mass-loss`},
		{"alarms acknowledge mass-loss", exitOK, `^Alarm mass-loss acknowledged: the engine goes on in spite of it\n$`, `^$`},
		{"alarms acknowledge -o jsonpath=$[0].acknowledged mass-loss", exitOK, `^true\n$`, `^Alarm mass-loss was acknowledged already\n$`},
		{"alarms -o wide --no-legend", exitOK, `^mass-loss\t.*\tyes\t2222bbbb\.\.\.\ttoo many at once\n$`, `^$`},
		{"list-machines --no-legend --fields machine", exitOK, `^1111aaaa\.\.\.\n$`, `^Note: 1 machine lost: [^\n]*\n$`},
	} {
		var out, log bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
		code := a.run(ctx, append([]string{"--endpoint", listener.URL}, strings.Fields(step.args)...))
		if code != step.code || !regexp.MustCompile(step.stdout).MatchString(out.String()) || !regexp.MustCompile(step.stderr).MatchString(log.String()) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", step.args, code, &out, &log)
		}
	}
}
