package registry_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
)

// fence renews a session's lease until the test or the function returned ends it.
func (w world) fence(t *testing.T, s cluster.Session) (stop func()) {
	store := w.connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_, _ = store.KeepAlive(ctx, s.Lease) // the lease is looked at by who needs it
			select {
			case <-ctx.Done():
			case <-time.After(ttl / 10):
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func silence(t *testing.T, w world) {
	r := w.registry(t)
	first := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	must(t, first.Report(t.Context(), report(1)))
	s := snapshot(t, r)
	if m, _ := s.Machine("m1"); !m.Attends || s.Silent("m1") {
		t.Errorf("a machine that is served: %+v, silent %v", m, s.Silent("m1"))
	}
	defer w.fence(t, first.Session())()
	first.stop(t)
	time.Sleep(3 * ttl) // the fence alone renews
	s = snapshot(t, r)
	if m, _ := s.Machine("m1"); m.Session != first.Session() || !s.Silent("m1") {
		t.Errorf("without a fleetd it is %+v, silent %v", m, s.Silent("m1"))
	}
	if _, ok := s.Report("m1"); !ok {
		t.Error("with its fleetd went the report")
	}

	second := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{Resume: first.hold})
	defer second.stop(t)
	if s := snapshot(t, r); second.Session() != first.Session() || s.Silent("m1") {
		t.Errorf("back, its session is %v after %v, silent %v", second.Session(), first.Session(), s.Silent("m1"))
	}
}

// forgotten: what was remembered is lost while the fence renews on.
func forgotten(t *testing.T, w world) {
	r := w.registry(t)
	m := machine("m1", "boot", "10.0.0.1")
	first := join(t, r, m, registry.JoinOptions{})
	defer w.fence(t, first.Session())()
	first.stop(t)
	second := join(t, r, m, registry.JoinOptions{})
	if second.Session() != first.Session() || second.hold.Session != first.Session() {
		t.Errorf("it is in session %v, remembers %v, and the fence guards %v", second.Session(), second.hold.Session, first.Session())
	}
	if s := snapshot(t, r); s.Silent("m1") {
		t.Error("back, it is silent")
	}

	// One that was killed leaves its own lease, which has to end first.
	second.stop(t)
	store := w.connect(t)
	lease, err := store.Grant(t.Context(), ttl)
	must(t, err)
	_, err = store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(w.prefix+"agents/m1", []byte("{}"), lease)}})
	must(t, err)
	third := join(t, r, m, registry.JoinOptions{})
	defer third.stop(t)
	if third.Session() != first.Session() {
		t.Errorf("after a kill it is in session %v, and the fence guards %v", third.Session(), first.Session())
	}
}

func shutDown(t *testing.T, w world) {
	const long = time.Minute
	r := w.registry(t)
	m := machine("m1", "boot1", "10.0.0.1")
	first := join(t, r, m, registry.JoinOptions{TTL: long})
	leaves := m
	leaves.Leaving = true
	must(t, first.Amend(t.Context(), leaves))
	first.stop(t)
	if now, there := snapshot(t, r).Machine("m1"); !there || now.Session != first.Session() {
		t.Errorf("what may still be stopping there is given up when fleetd has stopped: %+v", now)
	}
	again := join(t, r, m, registry.JoinOptions{TTL: long}) // the kernel lives: the shutdown was of processes alone, or called off
	if again.Session() != first.Session() {
		t.Errorf("in the same boot it is in session %v after %v", again.Session(), first.Session())
	}
	must(t, again.Amend(t.Context(), leaves))
	again.stop(t)
	began := time.Now()
	second := join(t, r, machine("m1", "boot2", "10.0.0.1"), registry.JoinOptions{TTL: long})
	defer second.stop(t)
	if took := time.Since(began); took > long/4 {
		t.Errorf("after a shutdown in order it had to wait %s", took)
	}
	if s := snapshot(t, r); s.Silent("m1") {
		t.Error("booted again, it is silent")
	} else if now, _ := s.Machine("m1"); now.Leaving || now.Session.BootID != "boot2" {
		t.Errorf("booted again, it is %+v", now)
	}
}

func killed(t *testing.T, w world) {
	r := w.registry(t)
	first := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	before := snapshot(t, r).Revision
	again := join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{Resume: first.hold})
	if again.hold != first.hold || again.Session() != first.Session() {
		t.Errorf("it holds %+v, and did %+v", again.hold, first.hold)
	}
	if s := snapshot(t, r); s.Silent("m1") || s.Revision > before+1 {
		t.Errorf("silent %v, and %d revisions were written", s.Silent("m1"), s.Revision-before)
	}
	first.stop(t)
	again.stop(t)
}

func attendsAgain(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	c := lead(p)
	receive(t, c.terms)
	w.put(t, "agents/m1", "garbage")
	await(t, r, func(s *cluster.Snapshot) bool {
		_, damaged := s.Corrupt(cluster.KindAgent, "m1")
		return !damaged && !s.Silent("m1")
	})
	was := p.hold
	must(t, w.connect(t).Revoke(t.Context(), was.Agent))
	wantErr(t, receive(t, c.ended), cluster.ErrDeposed)
	await(t, r, func(s *cluster.Snapshot) bool { return !s.Silent("m1") })
	if p.ctx.Err() != nil {
		t.Fatalf("with its agent's lease the session ended: %v", context.Cause(p.ctx))
	}
	next := lead(p)
	receive(t, next.terms)
	p.stop(t)
	must(t, receive(t, next.ended))
	if p.hold.Agent == was.Agent || p.hold.Session != was.Session {
		t.Errorf("what is remembered is %+v, and was %+v", p.hold, was)
	}
	if s := snapshot(t, r); s.Leader != "" || !s.Silent("m1") {
		t.Errorf("stopped, it is silent: %v, leader %q", s.Silent("m1"), s.Leader)
	}
}

func overdue(t *testing.T, w world) {
	const long = 6 * time.Second
	r := w.registry(t)
	o := registry.JoinOptions{TTL: long}
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), o)
	c := lead(p)
	term := receive(t, c.terms)
	store := w.connect(t)
	late := join(t, registry.New(deaf{store}, registry.Options{Prefix: w.prefix}), machine("m2", "boot", "10.0.0.2"), o)
	ids := []cluster.MachineID{"m1", "m2"}
	told, err := term.Overdue(t.Context(), ids)
	must(t, err)
	if len(told) != 0 {
		t.Errorf("at once %v are overdue", told)
	}
	time.Sleep(long/3 + 2*time.Second)
	told, err = term.Overdue(t.Context(), ids)
	must(t, err)
	if !slices.Equal(told, []cluster.MachineID{"m2"}) {
		t.Errorf("of m2, which does not renew, is told: %v", told)
	}
	told, err = term.Overdue(t.Context(), []cluster.MachineID{"m1", "m3"})
	must(t, err)
	if !slices.Equal(told, []cluster.MachineID{"m3"}) {
		t.Errorf("of m3, which is gone, is told: %v", told)
	}
	p.stop(t)
	must(t, receive(t, c.ended))
	wantErr(t, receive(t, late.ended), cluster.ErrSessionLost)
}

// deaf renews no lease.
type deaf struct{ registry.Store }

func (d deaf) KeepAlive(ctx context.Context, lease int64) (int64, error) {
	if _, _, err := d.TimeToLive(ctx, lease); err != nil {
		return 0, err
	}
	return 0, cluster.ErrUnavailable
}

func followSettings(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan cluster.Settings, 10)
	following := make(chan error, 1)
	go func() {
		following <- p.FollowSettings(ctx, func(s cluster.Settings) error { got <- s; return nil })
	}()
	if s := receive(t, got); s.Cordoned || s.Drain != nil {
		t.Errorf("settings that do not exist are %+v", s)
	}
	_, err := r.UpdateSettings(t.Context(), "m1", func(s cluster.Settings) (cluster.Settings, error) {
		s.Drain = &cluster.Drain{Boot: "boot"}
		return s, nil
	})
	must(t, err)
	if s := receive(t, got); s.Drain == nil || s.Drain.Boot != "boot" {
		t.Errorf("settings are %+v", s)
	}
	cancel()
	wantErr(t, receive(t, following), context.Canceled)
}

func acknowledges(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	c := lead(p)
	term := receive(t, c.terms)
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	_, err := r.Acknowledge(t.Context(), cluster.MassLoss, at)
	wantErr(t, err, cluster.ErrNotFound)
	raise := func(since time.Time) cluster.Alarm {
		alarm := cluster.Alarm{Name: cluster.MassLoss, Since: since, Message: "half of them are gone"}
		_, err := term.Commit(t.Context(), cluster.Decision{Alarms: map[cluster.AlarmName]*cluster.Alarm{cluster.MassLoss: &alarm}})
		must(t, err)
		return alarm
	}
	alarm := raise(at)
	_, err = r.Acknowledge(t.Context(), cluster.MassLoss, at.Add(time.Second))
	wantErr(t, err, cluster.ErrNotFound)
	revision, err := r.Acknowledge(t.Context(), cluster.MassLoss, at)
	must(t, err)
	if s := snapshot(t, r); !s.Acknowledged(alarm) || s.Revision != revision {
		t.Errorf("it is acknowledged: %v, at %d, and %d was returned", s.Acknowledged(alarm), s.Revision, revision)
	}
	if s := snapshot(t, r); s.Acknowledged(raise(at.Add(time.Minute))) {
		t.Error("a later alarm is acknowledged with the former")
	}
	_, err = term.Commit(t.Context(), cluster.Decision{Alarms: map[cluster.AlarmName]*cluster.Alarm{cluster.MassLoss: nil}})
	must(t, err)
	if w.get(t, "acks/mass-loss") != "" {
		t.Error("without the alarm there is an acknowledgement")
	}
	p.stop(t)
	must(t, receive(t, c.ended))
}

func TestWhoWasCutOffKnowsWhenItRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		p := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a"), registry.JoinOptions{TTL: 10 * time.Second})
		defer p.stop(t)
		time.Sleep(time.Minute)
		if !p.Recovered().IsZero() {
			t.Errorf("never cut off, it recovered at %s", p.Recovered())
		}
		client.Cut()
		time.Sleep(8 * time.Second)
		client.Heal()
		healed := time.Now()
		time.Sleep(time.Minute)
		if since := p.Recovered().Sub(healed); since < 0 || since > time.Second {
			t.Errorf("it recovered %s after the cut", since)
		}
	})
}
