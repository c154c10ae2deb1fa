package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

const ttl = 2 * time.Second

func machine(id cluster.MachineID, boot, address string) cluster.Machine {
	return cluster.Machine{ID: id, Session: cluster.Session{BootID: boot}, Address: address}
}

// presence is a Join in progress.
type presence struct {
	*registry.Member
	ctx   context.Context // the session's
	leave context.CancelFunc
	ended chan error
	hold  registry.Hold // to be resumed
}

// join returns when the session has begun.
func join(t *testing.T, r *registry.Registry, m cluster.Machine, o registry.JoinOptions) *presence {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	p := &presence{leave: leave, ended: make(chan error, 1), hold: o.Resume}
	if o.TTL == 0 {
		o.TTL = ttl
	}
	remember := o.Remember
	o.Remember = func(h registry.Hold) error {
		p.hold = h
		if remember == nil {
			return nil
		}
		return remember(h)
	}
	began := make(chan struct{})
	go func() {
		p.ended <- r.Join(ctx, m, o, func(ctx context.Context, member *registry.Member) error {
			p.Member, p.ctx = member, ctx
			close(began)
			<-ctx.Done()
			return nil
		})
	}()
	select {
	case <-began:
	case err := <-p.ended:
		t.Fatalf("join ended with %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("join did not happen within 30 s")
	}
	return p
}

// stop ends the role as a fleetd that is stopped does.
func (p *presence) stop(t *testing.T) {
	t.Helper()
	p.leave()
	must(t, receive(t, p.ended))
}

func report(n int64) cluster.Report {
	return cluster.Report{Orders: n, Units: map[unit.Name]cluster.UnitReport{app: {State: unit.State{Active: "active"}}}}
}

func machineLife(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{Remember: func(registry.Hold) error {
		return errors.New("the disk is full")
	}})
	if p.hold.Session != p.Session() || p.Session().BootID != "boot" || p.Session().Lease == 0 || p.hold.Agent == 0 || p.hold.TTL != ttl {
		t.Errorf("remembered %+v of %v", p.hold, p.Session())
	}
	must(t, p.Report(t.Context(), report(1)))
	leading := make(chan struct{})
	led := make(chan error, 1)
	go func() {
		led <- p.Lead(p.ctx, func(ctx context.Context, _ *registry.Term) error {
			close(leading)
			<-ctx.Done()
			return nil
		})
	}()
	receive(t, leading)
	s := await(t, r, func(s *cluster.Snapshot) bool { return s.Leader == "m1" })
	got, _ := s.Machine("m1")
	if got.Session != p.Session() || got.Address != "10.0.0.1" {
		t.Errorf("machine is %+v", got)
	}
	rep, _ := s.Report("m1")
	if rep.Session != p.Session() || rep.Orders != 1 || rep.Revision == 0 || rep.Units[app].Active != "active" {
		t.Errorf("report is %+v", rep)
	}

	// While it is there it stays, however long that is.
	time.Sleep(2 * ttl)
	if p.ctx.Err() != nil || time.Since(p.Renewed()) > ttl {
		t.Fatalf("the session ended with %v, renewed %s ago", context.Cause(p.ctx), time.Since(p.Renewed()))
	}

	// Its end is one revision.
	updates := make(chan cluster.Update, 10)
	ctx, cancel := context.WithCancel(t.Context())
	following := make(chan error, 1)
	go func() {
		following <- r.Follow(ctx, func(u cluster.Update) error {
			updates <- u
			return nil
		})
	}()
	receive(t, updates)
	w.letDie(t, p)
	u := receive(t, updates)
	if s.Apply(u); !s.Silent("m1") || s.Leader != "" { // fleetd has stopped
		t.Errorf("of a machine whose fleetd has stopped: silent %v, leader %q", s.Silent("m1"), s.Leader)
	}
	u = receive(t, updates)
	gone := make(map[string]bool)
	for _, c := range u.Changes {
		gone[fmt.Sprintf("%T", c)] = true
	}
	if !gone["cluster.MachineChanged"] || !gone["cluster.ReportChanged"] {
		t.Errorf("with the lease went %v", gone)
	}
	<-led
	cancel()
	<-following
}

// letDie stops the participant without a renewal any more, and waits for nothing.
func (w world) letDie(t *testing.T, p *presence) {
	t.Helper()
	p.stop(t)
}

func resume(t *testing.T, w world) {
	r := w.registry(t)
	first := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	must(t, first.Report(t.Context(), report(1)))
	before, _ := snapshot(t, r).Machine("m1")
	first.stop(t)
	if _, ok := snapshot(t, r).Machine("m1"); !ok {
		t.Fatal("a fleetd that is stopped takes its machine away")
	}

	started := time.Now()
	m := machine("m1", "boot", "10.0.0.2")
	m.Version = "3.0.0"
	second := join(t, r, m, registry.JoinOptions{Resume: first.hold})
	defer second.stop(t)
	if second.hold.Agent == first.hold.Agent {
		t.Error("the lease of a fleetd that has stopped was resumed")
	}
	if second.Session() != first.Session() || second.hold.Session != first.Session() {
		t.Errorf("session %v was not resumed but is %v", first.Session(), second.Session())
	}
	if waited := time.Since(started); waited > ttl {
		t.Errorf("resuming took %s", waited)
	}
	s := snapshot(t, r)
	now, _ := s.Machine("m1")
	if now.Address != "10.0.0.2" || now.Version != "3.0.0" || !now.Since.Equal(before.Since) {
		t.Errorf("the machine's record is %+v", now)
	}
	if _, ok := s.Report("m1"); !ok {
		t.Error("the report is gone")
	}
	must(t, second.Report(t.Context(), report(2)))
}

func otherBoot(t *testing.T, w world) {
	r := w.registry(t)
	first := join(t, r, machine("m1", "boot1", "10.0.0.1"), registry.JoinOptions{})
	must(t, first.Report(t.Context(), report(1)))
	first.stop(t)
	second := join(t, r, machine("m1", "boot2", "10.0.0.1"), registry.JoinOptions{Resume: first.hold})
	defer second.stop(t)
	if second.Session().Lease == first.Session().Lease || second.Session().BootID != "boot2" {
		t.Errorf("after %v the session is %v", first.Session(), second.Session())
	}
	if _, ok := snapshot(t, r).Report("m1"); ok {
		t.Error("the report of another boot is still there")
	}
}

func secondMachine(t *testing.T, w world) {
	first := join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer first.stop(t)
	err := w.registry(t).Join(t.Context(), machine("m1", "boot", "10.0.0.2"), registry.JoinOptions{TTL: ttl},
		func(context.Context, *registry.Member) error { t.Error("a second machine has joined"); return nil })
	var inUse *registry.InUseError
	if !errors.As(err, &inUse) || *inUse != (registry.InUseError{ID: "m1", Mine: "10.0.0.2", Theirs: "10.0.0.1"}) {
		t.Errorf("a second machine got %v", err)
	}
	if first.ctx.Err() != nil {
		t.Error("a second machine ended the session of the first")
	}
}

func leaseless(t *testing.T, w world) {
	w.put(t, "machines/m1", `{"v":1,"session":{"lease":7,"bootID":"x"},"address":"10.9.9.9"}`)
	join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{}).stop(t)
	w.remove(t, "machines/m1")
	w.put(t, "machines/m1", "garbage")
	join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{}).stop(t)
}

func sessionLost(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	must(t, w.connect(t).Revoke(t.Context(), p.Session().Lease))
	wantErr(t, receive(t, p.ended), cluster.ErrSessionLost)
	wantErr(t, context.Cause(p.ctx), cluster.ErrSessionLost)
	wantErr(t, p.Report(t.Context(), report(1)), cluster.ErrSessionLost)

	// Nobody writes under a record that is not one's own any more.
	old := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	w.remove(t, "machines/m1")
	now := join(t, r, machine("m1", "boot", "10.0.0.2"), registry.JoinOptions{})
	defer now.stop(t)
	wantErr(t, old.Report(t.Context(), report(1)), cluster.ErrSessionLost)
	wantErr(t, receive(t, old.ended), cluster.ErrSessionLost)
	if _, ok := snapshot(t, r).Report("m1"); ok {
		t.Error("a lost session has reported")
	}
}

func damagedRecords(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	must(t, p.Report(t.Context(), report(1)))
	whole := func(s *cluster.Snapshot) bool {
		m, ok := s.Machine("m1")
		return ok && m.Session == p.Session() && m.Address == "10.0.0.1"
	}
	for _, damage := range []string{"garbage", `{"v":1,"session":{"lease":7,"bootID":"x"}}`} {
		w.put(t, "machines/m1", damage)
		await(t, r, whole)
	}
	must(t, p.Report(t.Context(), report(2)))
	reported := func(s *cluster.Snapshot) bool {
		said, ok := s.Report("m1")
		return ok && said.Session == p.Session() && said.Orders == 2
	}
	w.put(t, "reports/m1", "garbage")
	await(t, r, reported)
	w.remove(t, "reports/m1")
	await(t, r, reported)
	must(t, p.Report(t.Context(), report(3)))

	// It is mended by the next fleetd, too, which resumes the session.
	lease := p.Session().Lease
	p.stop(t)
	_, err := w.connect(t).Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(w.prefix+"machines/m1", []byte("garbage"), lease)}})
	must(t, err)
	p = join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{Resume: p.hold})
	if p.Session().Lease != lease || !whole(snapshot(t, r)) {
		t.Errorf("the session is %s, and was of lease %x", p.Session(), lease)
	}

	// Without a record the cluster takes it for lost. It must not go on as if nothing were.
	w.remove(t, "machines/m1")
	wantErr(t, receive(t, p.ended), cluster.ErrSessionLost)
}

func followOrders(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan cluster.Orders, 10)
	following := make(chan error, 1)
	go func() {
		following <- p.FollowOrders(ctx, func(o cluster.Orders) error { got <- o; return nil })
	}()
	if o := receive(t, got); o.Revision != 0 || len(o.Units) != 0 {
		t.Errorf("orders that do not exist are %+v", o)
	}
	const one = `{"v":1,"session":{"lease":1,"bootID":"b"},"units":{}}`
	w.put(t, "orders/m10", one) // somebody else's
	revision := w.put(t, "orders/m1", one)
	if o := receive(t, got); o.Revision != revision || o.Machine != "m1" || o.Session.BootID != "b" {
		t.Errorf("orders are %+v", o)
	}
	w.put(t, "orders/m1", "garbage")
	revision = w.put(t, "orders/m1", one)
	if o := receive(t, got); o.Revision != revision {
		t.Errorf("after unreadable orders came %+v", o)
	}
	w.remove(t, "orders/m1")
	if o := receive(t, got); o.Revision != 0 {
		t.Errorf("removed orders are %+v", o)
	}
	cancel()
	wantErr(t, receive(t, following), context.Canceled)

	w.put(t, "orders/m1", one)
	wantErr(t, p.FollowOrders(t.Context(), func(cluster.Orders) error { return errEnough }), errEnough)
}

func TestUnreachableStoreEndsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		p := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a"), registry.JoinOptions{TTL: 10 * time.Second})
		defer p.stop(t)
		start := time.Now()

		client.Cut()
		time.Sleep(9 * time.Second)
		client.Heal()
		time.Sleep(5 * time.Second)
		if p.ctx.Err() != nil {
			t.Fatalf("a session was lost to a cut of 9 s: %v", context.Cause(p.ctx))
		}

		client.CutReplies() // the renewals go through
		time.Sleep(time.Minute)
		if p.ctx.Err() != nil || time.Since(p.Renewed()) < time.Minute-5*time.Second {
			t.Fatalf("renewed %s after the start, session %v", p.Renewed().Sub(start), context.Cause(p.ctx))
		}
		client.Heal()
		time.Sleep(4 * time.Second)
		if since := time.Since(p.Renewed()); since > 4*time.Second {
			t.Errorf("renewed %s ago", since)
		}
	})
}

func TestSessionThatWasSleptThroughIsFoundLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		p := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a"), registry.JoinOptions{TTL: 10 * time.Second})
		client.Cut()
		time.Sleep(30 * time.Second)
		if p.ctx.Err() != nil {
			t.Error("the session ended although nobody could know")
		}
		client.Heal()
		time.Sleep(time.Second)
		wantErr(t, <-p.ended, cluster.ErrSessionLost)
		wantErr(t, context.Cause(p.ctx), cluster.ErrSessionLost)
	})
}

func TestJoinWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		client.Cut()
		time.AfterFunc(20*time.Second, client.Heal)
		p := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a"), registry.JoinOptions{})
		p.stop(t)
	})
}

func TestJoinWhoseReplyWasLostKnowsItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		start := time.Now()
		// The lease has been granted when Remember is called; the record's reply is lost.
		p := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a"), registry.JoinOptions{
			TTL: 20 * time.Second,
			Remember: func(registry.Hold) error {
				client.CutReplies()
				time.AfterFunc(time.Second, client.Heal)
				return nil
			},
		})
		defer p.stop(t)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("join waited %s for its own session to end", took)
		}
	})
}

func TestCancelledJoinReturnsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		client.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		must(t, registry.New(client, registry.Options{}).Join(ctx, machine("m1", "b", "a"), registry.JoinOptions{}, nil))
	})
}

// The session's record has a time of day, which may be by a clock that was set back since.
func TestASessionDidNotBeginInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		for id, wrong := range map[cluster.MachineID]time.Duration{"ahead": 5 * time.Hour, "right": 0} {
			was := registry.Options{Now: func() time.Time { return time.Now().Add(wrong) }}
			first := join(t, registry.New(server.Client(), was), machine(id, "boot", "10.0.0.1"), registry.JoinOptions{})
			begun := time.Now()
			if since := first.Since(); !since.Equal(begun.Add(wrong)) {
				t.Errorf("%s: at %s the session is said to have begun at %s", id, begun, since)
			}
			first.stop(t)
			time.Sleep(time.Second)
			again := join(t, registry.New(server.Client(), registry.Options{}), machine(id, "boot", "10.0.0.1"), registry.JoinOptions{Resume: first.hold})
			if again.Session() != first.Session() {
				t.Fatal("the session was not resumed")
			}
			expected := begun
			if wrong > 0 {
				expected = begun.Add(time.Second)
			}
			if since := again.Since(); !since.Equal(expected) {
				t.Errorf("%s: the session that was resumed is said to have begun at %s, expected %s", id, since, expected)
			}
			again.stop(t)
		}
	})
}
