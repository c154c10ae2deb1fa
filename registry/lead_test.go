package registry_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// candidacy is a Lead in progress.
type candidacy struct {
	terms chan *registry.Term
	ctx   context.Context // of the term, once there is one
	stop  context.CancelFunc
	ended chan error
}

func lead(p *presence) *candidacy {
	ctx, stop := context.WithCancel(p.ctx)
	c := &candidacy{terms: make(chan *registry.Term, 1), stop: stop, ended: make(chan error, 1)}
	go func() {
		c.ended <- p.Lead(ctx, func(ctx context.Context, term *registry.Term) error {
			c.ctx = ctx
			c.terms <- term
			<-ctx.Done()
			return nil
		})
	}()
	return c
}

func orders(p *presence, reason string) cluster.Decision {
	return cluster.Decision{Orders: map[cluster.MachineID]cluster.Orders{"m1": {
		Session: p.Session(),
		Units: map[unit.Name]cluster.Order{app: {
			Content: unit.IDOf([]byte(file)), Desired: cluster.Launched, Generation: 1, Reason: reason,
		}},
	}}}
}

func ordered(t *testing.T, r *registry.Registry) string {
	o, _ := snapshot(t, r).Orders("m1")
	return o.Units[app].Reason
}

func three(t *testing.T, w world) []*presence {
	var members []*presence
	for i := range 3 {
		id := cluster.MachineID(fmt.Sprintf("m%d", i+1))
		members = append(members, join(t, w.registry(t), machine(id, "boot", "10.0.0.1"), registry.JoinOptions{}))
	}
	return members
}

func succession(t *testing.T, w world) {
	r := w.registry(t)
	w.put(t, "engine/garbage", "nobody") // a candidate without a lease would never yield: it is none, and is removed
	members := three(t, w)
	candidacies := []*candidacy{lead(members[0])}
	first := receive(t, candidacies[0].terms)
	for i, p := range members[1:] {
		candidacies = append(candidacies, lead(p))
		w.awaitCandidates(t, i+2)
	}
	await(t, r, func(s *cluster.Snapshot) bool { return s.Leader == "m1" })
	_, err := first.Commit(t.Context(), orders(members[0], "first"))
	must(t, err)

	candidacies[0].stop() // resigns
	must(t, receive(t, candidacies[0].ended))
	second := receive(t, candidacies[1].terms)
	await(t, r, func(s *cluster.Snapshot) bool { return s.Leader == "m2" })
	_, err = first.Commit(t.Context(), orders(members[0], "late"))
	wantErr(t, err, cluster.ErrDeposed)
	_, err = second.Commit(t.Context(), orders(members[0], "second"))
	must(t, err)
	if got := ordered(t, r); got != "second" {
		t.Errorf("the orders are the %s engine's", got)
	}

	// The next one leads when the session of the one before it ends.
	must(t, w.connect(t).Revoke(t.Context(), members[1].Session().Lease))
	receive(t, candidacies[2].terms)
	await(t, r, func(s *cluster.Snapshot) bool { return s.Leader == "m3" })
	receive(t, members[1].ended)
	if err := receive(t, candidacies[1].ended); err == nil {
		t.Error("a lost term ended without an error")
	}
	members[2].stop(t)
	must(t, receive(t, candidacies[2].ended))
	members[0].stop(t)
	await(t, r, func(s *cluster.Snapshot) bool { return s.Leader == "" })
}

// awaitCandidates waits until there are so many keys of the election.
func (w world) awaitCandidates(t *testing.T, n int) {
	t.Helper()
	store := w.connect(t)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		page, err := store.Range(t.Context(), registry.Query{Keys: registry.Keys{Name: w.prefix + "engine/", Prefix: true}})
		must(t, err)
		if len(page.Pairs) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are %d candidates, want %d", len(page.Pairs), n)
		}
	}
}

func unbound(t *testing.T, w world) {
	store := w.connect(t)
	lease, err := store.Grant(t.Context(), time.Hour)
	must(t, err)
	_, err = store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(w.prefix+"engine/other", []byte("m9"), lease)}})
	must(t, err)
	p := join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	c := lead(p)
	w.awaitCandidates(t, 2)
	if len(c.terms) != 0 {
		t.Error("a candidate leads that came second")
	}
	w.put(t, "engine/other", "m9") // by other hands
	term := receive(t, c.terms)
	_, err = term.Commit(t.Context(), orders(p, "first now"))
	must(t, err)
	c.stop()
	must(t, receive(t, c.ended))
}

func deposed(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	c := lead(p)
	term := receive(t, c.terms)
	w.remove(t, "engine/"+fmt.Sprintf("%x", p.hold.Agent))
	_, err := term.Commit(t.Context(), orders(p, "deposed"))
	wantErr(t, err, cluster.ErrDeposed)
	wantErr(t, receive(t, c.ended), cluster.ErrDeposed)
	wantErr(t, context.Cause(c.ctx), cluster.ErrDeposed)
	if got := ordered(t, r); got != "" {
		t.Errorf("a deposed engine has ordered %q", got)
	}
	if p.ctx.Err() != nil {
		t.Error("with its term the session ended")
	}
}

func leadResumed(t *testing.T, w world) {
	r := w.registry(t)
	first := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	former := lead(first)
	term := receive(t, former.terms)
	other := join(t, w.registry(t), machine("m2", "boot", "10.0.0.2"), registry.JoinOptions{})
	waiting := lead(other)
	w.awaitCandidates(t, 2)

	// As if fleetd had been killed: nothing is given up, a new one resumes.
	again := join(t, w.registry(t), machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{Resume: first.hold})
	resumed := lead(again)
	now := receive(t, resumed.terms)
	_, err := term.Commit(t.Context(), orders(first, "former"))
	wantErr(t, err, cluster.ErrDeposed)
	_, err = now.Commit(t.Context(), orders(first, "resumed"))
	must(t, err)
	wantErr(t, receive(t, former.ended), cluster.ErrDeposed)
	if len(waiting.terms) != 0 {
		t.Error("another engine was elected although the first was never gone")
	}
	resumed.stop()
	must(t, receive(t, resumed.ended))
	receive(t, waiting.terms)
	for _, p := range []*presence{first, again, other} {
		p.stop(t)
	}
	must(t, receive(t, waiting.ended))
}

func decisions(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	c := lead(p)
	term := receive(t, c.terms)
	d := orders(p, "one")
	d.Orders["m2"] = cluster.Orders{Session: p.Session()}
	d.Pending = map[unit.Name]*cluster.Pending{"b.service": {Generation: 3, Machines: 2}}
	d.Failures = map[unit.Name]*cluster.Failures{"b.service": {Generation: 3, Tries: []cluster.Try{{Machine: "m1", Result: "exit-code"}}}}
	revision, err := term.Commit(t.Context(), d)
	must(t, err)
	s := snapshot(t, r)
	for _, id := range []cluster.MachineID{"m1", "m2"} {
		if o, ok := s.Orders(id); !ok || o.Revision != revision || o.Machine != id {
			t.Errorf("orders of %s: %+v", id, o)
		}
	}
	if pending, _ := s.Pending("b.service"); pending.Machines != 2 {
		t.Errorf("pending is %+v", pending)
	}
	if failures, _ := s.Failures("b.service"); !failures.Equal(*d.Failures["b.service"]) {
		t.Errorf("failures are %+v", failures)
	}
	_, err = term.Commit(t.Context(), cluster.Decision{
		Pending:  map[unit.Name]*cluster.Pending{"b.service": nil},
		Failures: map[unit.Name]*cluster.Failures{"b.service": nil},
	})
	must(t, err)
	s = snapshot(t, r)
	if _, ok := s.Pending("b.service"); ok {
		t.Error("a pending record was not removed")
	}
	if _, ok := s.Failures("b.service"); ok {
		t.Error("a record of failures was not removed")
	}

	large := cluster.Decision{Orders: make(map[cluster.MachineID]cluster.Orders)}
	for i := range cluster.MaxDecision {
		large.Orders[cluster.MachineID(fmt.Sprintf("x%d", i))] = cluster.Orders{Session: p.Session()}
	}
	_, err = term.Commit(t.Context(), large)
	must(t, err)
	large.Orders["one-more"] = cluster.Orders{Session: p.Session()}
	if _, err = term.Commit(t.Context(), large); err == nil {
		t.Error("a decision that is too large was taken")
	}
	c.stop()
	must(t, receive(t, c.ended))
}

func collects(t *testing.T, w world) {
	r := w.registry(t)
	p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
	defer p.stop(t)
	c := lead(p)
	term := receive(t, c.terms)
	var ids []unit.ContentID
	for _, raw := range []string{"[Unit]\n#a\n", "[Unit]\n#b\n", "[Unit]\n#c\n"} {
		u, err := r.UpdateUnit(t.Context(), unit.Name(fmt.Sprintf("u%d.service", len(ids))), launch("", raw))
		must(t, err)
		ids = append(ids, u.Content)
	}
	s := snapshot(t, r)
	d := orders(p, "with the rest")
	d.Collect = make(map[unit.ContentID]int64)
	for _, id := range ids {
		f, _ := s.File(id)
		d.Collect[id] = f.Revision
	}
	_, err := r.UpdateUnit(t.Context(), "again.service", launch("", "[Unit]\n#b\n"))
	must(t, err)
	_, err = term.Commit(t.Context(), d)
	must(t, err)
	if left := snapshot(t, r).Files(); len(left) != 1 || left[0] != ids[1] {
		t.Errorf("files left are %v of %v", left, ids)
	}
	if got := ordered(t, r); got != "with the rest" {
		t.Errorf("orders are %q", got)
	}
	if len(d.Collect) != 3 {
		t.Error("the caller's decision was changed")
	}
	c.stop()
	must(t, receive(t, c.ended))
}

func TestCutLeaderIsSucceededAndCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		o := registry.JoinOptions{TTL: 10 * time.Second}
		first := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a1"), o)
		former := lead(first)
		term := <-former.terms
		second := join(t, registry.New(server.Client(), registry.Options{}), machine("m2", "b", "a2"), o)
		next := lead(second)
		synctest.Wait()

		cut := time.Now()
		client.Cut()
		<-next.terms
		if took := time.Since(cut); took > 10*time.Second {
			t.Errorf("the succession took %s", took)
		}
		time.Sleep(time.Second) // the session's lease ends in the same instant as the agent's, but maybe after it
		client.Heal()
		_, err := term.Commit(t.Context(), orders(first, "stale"))
		wantErr(t, err, cluster.ErrDeposed)
		<-former.ended
		wantErr(t, <-first.ended, cluster.ErrSessionLost)
		second.stop(t)
		must(t, <-next.ended)
	})
}

// The store goes back to when the candidate lived that had led before, and nobody can tell: by then it has seen more
// revisions than all of them. Both their keys are there, put when they had put them.
func TestOfTwoTermsInARestoredStoreOneWrites(t *testing.T) {
	inPast(t, func(t *testing.T, p past) {
		o := registry.JoinOptions{TTL: 10 * time.Second}
		client := p.store.Client()
		first := join(t, registry.New(client, registry.Options{}), machine("m1", "b", "a1"), o)
		former := lead(first)
		term := <-former.terms
		second := join(t, registry.New(p.store.Client(), registry.Options{}), machine("m2", "b", "a2"), o)
		next := lead(second)
		synctest.Wait()
		backup := p.store.Backup()

		client.Pause()
		later := <-next.terms
		_, err := later.Commit(t.Context(), orders(second, "before"))
		must(t, err)
		p.store.Restore(backup)
		for range 100 {
			_, err := p.store.Console().Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/elsewhere", nil, 0)}})
			must(t, err)
		}
		client.Continue()
		for range 2 {
			_, err = term.Commit(t.Context(), orders(first, "first"))
			must(t, err)
			_, err = later.Commit(t.Context(), orders(second, "second"))
			wantErr(t, err, cluster.ErrDeposed)
		}
		if got := ordered(t, p.records); got != "first" {
			t.Errorf("the orders are the %s engine's", got)
		}
		former.stop()
		must(t, <-former.ended)
		next.stop()
		<-next.ended
		for _, m := range []*presence{first, second} {
			m.stop(t)
		}
	})
}

// That the machine is back may be news that has not reached the engine.
func TestAMachineThatIsBackIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry.New(memory.New().Client(), registry.Options{})
		p := join(t, r, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{})
		defer p.stop(t)
		c := lead(p)
		defer c.stop()
		term := receive(t, c.terms)
		_, err := term.Commit(t.Context(), orders(p, "first"))
		must(t, err)
		_, err = term.Commit(t.Context(), cluster.Decision{Forget: []cluster.MachineID{"m1", "m2"}})
		wantErr(t, err, cluster.ErrConflict)
		if got := ordered(t, r); got != "first" {
			t.Errorf("what is left of its orders is %q", got)
		}
		_, err = term.Commit(t.Context(), cluster.Decision{Forget: []cluster.MachineID{"m2"}})
		must(t, err)
	})
}
