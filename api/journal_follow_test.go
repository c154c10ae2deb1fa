package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

// followed is a client that follows, and what it has been told.
type followed struct {
	t      *testing.T
	told   chan string
	cancel context.CancelFunc
	done   chan error
}

func follow(t *testing.T, c *api.Client, o api.JournalOptions) *followed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &followed{t: t, told: make(chan string, 1000), cancel: cancel, done: make(chan error, 1)}
	o.Follow = true
	go func() {
		f.done <- c.Journal(ctx, "app.service", o, func(item api.JournalItem) error {
			if n := item.Note; n != nil {
				f.told <- fmt.Sprintf("%s %s", n.Type, n.MachineID.Short())
				return nil
			}
			e, err := journal.Parse(item.Entry)
			if err != nil {
				return err
			}
			f.told <- e.Fields["MESSAGE"][0]
			return nil
		})
	}()
	t.Cleanup(f.end)
	return f
}

func (f *followed) end() {
	f.cancel()
	select {
	case <-f.done:
	case <-time.After(10 * time.Second):
		f.t.Error("the stream does not end")
	}
	f.done <- nil
}

// expect demands the next things that are told, in order.
func (f *followed) expect(want ...string) {
	f.t.Helper()
	for _, w := range want {
		select {
		case got := <-f.told:
			if got != w {
				f.t.Fatalf("was told %q, want %q", got, w)
			}
		case err := <-f.done:
			f.done <- err
			f.t.Fatalf("ended with %v, want %q", err, w)
		case <-time.After(20 * time.Second):
			f.t.Fatalf("was not told %q", w)
		}
	}
}

func TestAJournalIsFollowedAcrossAMove(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1", "a2")
	p.atB.write("app.service", 2, "long ago")
	p.atB.set(func(f *fakeSystemd) { f.placed = noon.Add(time.Hour) })
	f := follow(t, p.b.client, api.JournalOptions{Query: journal.Query{Lines: 1}})
	f.expect("a2", "begin aaaa0000", "live ")
	p.atA.write("app.service", 3, "a3")
	f.expect("a3")

	p.place("app.service", machineA, machineB)
	f.expect("joined bbbb0000")
	p.atB.write("app.service", 7200, "b1")
	f.expect("b1")
	p.atA.write("app.service", 4, "a4")
	p.place("app.service", machineB)
	f.expect("a4", "left aaaa0000")
	p.atB.write("app.service", 7300, "b2")
	f.expect("b2")

	// And back.
	p.place("app.service", machineA)
	p.atA.write("app.service", 7400, "a5")
	seen := []string{<-f.told, <-f.told, <-f.told}
	if all := strings.Join(seen, ","); !strings.Contains(all, "left bbbb0000") || !strings.Contains(all, "joined aaaa0000") || !strings.Contains(all, "a5") {
		t.Errorf("was told %s", all)
	}
	f.end()
	if err := p.b.client.Journal(t.Context(), "app.service", api.JournalOptions{}, nil); err != nil {
		t.Errorf("of no lines: %v", err)
	}
	for _, at := range []*fakeSystemd{p.atA, p.atB} {
		waitFor(t, "nobody reads "+at.host, func() bool { return at.reading() == 0 })
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

func TestAFollowedJournalHasNoGapsAndNoDoublesWhenConnectionsBreak(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	f := follow(t, p.b.client, api.JournalOptions{Query: journal.Query{Lines: 10}})
	f.expect("begin aaaa0000", "live ")
	for round := range 4 {
		p.atA.write("app.service", round, fmt.Sprintf("%d first", round))
		f.expect(fmt.Sprintf("%d first", round))
		p.a.server.CloseClientConnections()
		p.atA.write("app.service", round, fmt.Sprintf("%d second", round))
		for {
			got := <-f.told
			if got == fmt.Sprintf("%d second", round) {
				break
			}
			if got != "error aaaa0000" {
				t.Fatalf("was told %q", got)
			}
		}
	}
}

func TestWhoContinuesAFollowedJournalMissesNothing(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1", "a2", "a3")
	p.atB.write("app.service", 1, "old")
	p.atB.set(func(f *fakeSystemd) { f.placed = noon.Add(time.Minute) })
	p.atB.write("app.service", 100, "b1")
	p.place("app.service", machineA, machineB)
	f := follow(t, p.b.client, api.JournalOptions{
		Query: journal.Query{Lines: journal.All}, Cursors: map[cluster.MachineID]string{machineA: "s=a;i=0"},
	})
	f.expect("a2", "a3", "b1", "begin aaaa0000", "begin bbbb0000", "live ")
}

// A global unit is on every machine, and each has a cursor: more than fits into a header.
func TestWhoContinuesOnHundredsOfMachinesIsUnderstood(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1", "a2", "a3")
	cursors := map[cluster.MachineID]string{machineA: "s=a;i=1"}
	for i := range 450 {
		cursors[cluster.MachineID(fmt.Sprintf("%032x", i))] = strings.Repeat("s=0123456789abcdef;", 7)
	}
	f := follow(t, p.a.client, api.JournalOptions{Query: journal.Query{Lines: journal.All}, Cursors: cursors})
	f.expect("a3")
}

func TestWhoContinuesAfterAMoveGetsTheLastLinesFromWhereTheUnitWas(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineB)
	p.atA.write("app.service", 1, "a1", "a2")
	p.atB.write("app.service", 2, "b1")
	f := follow(t, p.b.client, api.JournalOptions{
		Query: journal.Query{Lines: journal.All}, Cursors: map[cluster.MachineID]string{machineA: "s=a;i=0"},
	})
	f.expect("a2", "b1")
	for _, want := range []string{"begin bbbb0000", "begin aaaa0000", "live ", "left aaaa0000"} {
		f.expect(want)
	}
	p.atB.write("app.service", 3, "b2")
	f.expect("b2")
}

func TestALostMachineIsNamedAndTheUnitFollowedElsewhere(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	p.atA.write("app.service", 1, "a1")
	f := follow(t, p.b.client, api.JournalOptions{Query: journal.Query{Lines: 10}})
	f.expect("a1", "begin aaaa0000", "live ")
	p.store.write(cluster.MachineChanged{ID: machineA}, cluster.ReportChanged{ID: machineA})
	f.expect("error aaaa0000")
	// The engine leaves the lost machine's orders as they are.
	p.settle(
		cluster.OrdersChanged{ID: machineB, Orders: &cluster.Orders{
			Machine: machineB, Session: aSession(machineB), Units: map[unit.Name]cluster.Order{"app.service": {Desired: cluster.Launched}},
		}})
	p.atB.write("app.service", 10, "b1")
	f.expect("joined bbbb0000", "b1")
	p.announce(machineA, p.a.server.URL)
	f.expect("joined aaaa0000")
	p.atA.write("app.service", 11, "a2")
	f.expect("a2")
}

// A journal that takes its time to end, when the machine is lost and soon back, is not read by two at once.
func TestAMachineThatIsBackIsReadOnce(t *testing.T) {
	p := newPair(t)
	p.atA.linger = make(chan struct{})
	p.submit("app.service")
	p.place("app.service", machineA)
	f := follow(t, p.a.client, api.JournalOptions{Query: journal.Query{Lines: 10}})
	f.expect("begin aaaa0000", "live ")
	waitFor(t, "the journal to be followed", func() bool { return p.atA.reading() == 1 })
	p.settle(cluster.MachineChanged{ID: machineA}, cluster.ReportChanged{ID: machineA})
	f.expect("error aaaa0000")
	p.announce(machineA, p.a.server.URL)
	f.expect("joined aaaa0000")
	time.Sleep(50 * time.Millisecond) // for whoever would read already
	close(p.atA.linger)
	p.atA.write("app.service", 1, "a1")
	f.expect("a1")
	p.atA.set(func(a *fakeSystemd) {
		if a.most != 1 {
			t.Errorf("%d read it at once", a.most)
		}
	})
}

func TestAFollowedJournalEndsWithTheServer(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	f := follow(t, p.b.client, api.JournalOptions{})
	f.expect("live ") // it is on no machine yet
	p.place("app.service", machineA)
	f.expect("joined aaaa0000")
	p.b.stop()
	select {
	case err := <-f.done:
		if !errors.Is(err, api.ErrStreamEnded) {
			t.Errorf("it ended with %v", err)
		}
		f.done <- err
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// A journal that says nothing for a while is followed over HTTP/2 too, where a time limit ends the stream even if nothing is written.
func TestASilentJournalIsFollowed(t *testing.T) {
	p := newPair(t)
	p.submit("app.service")
	p.place("app.service", machineA)
	const patience = 200 * time.Millisecond
	server := httptest.NewUnstartedServer(p.a.api.Handler())
	server.EnableHTTP2, server.Config.WriteTimeout = true, patience
	server.StartTLS()
	defer server.Close()
	for _, output := range []string{"cat", "json"} {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/fleet/v1/units/app.service/journal?lines=0&follow=true&output="+output, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(2 * patience)
		p.atA.write("app.service", 1, "after the silence")
		lines := bufio.NewScanner(resp.Body)
		for !strings.Contains(lines.Text(), "after the silence") {
			if !lines.Scan() {
				t.Fatalf("output=%s over HTTP/%d: ended with %v", output, resp.ProtoMajor, lines.Err())
			}
		}
		leave()
	}
}
