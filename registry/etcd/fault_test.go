package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/etcd"
	"fleet/registry/storetest"
)

// wire is a TCP proxy whose connections can be broken, or frozen as those to
// a host that was cut off.
type wire struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	frozen chan struct{} // closed when not frozen
	passed int           // bytes
	closed bool          // new connections end at once
}

func newWire(t *testing.T, endpoint string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: strings.TrimPrefix(endpoint, "http://"), frozen: make(chan struct{})}
	close(w.frozen)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.thaw()
		w.breakAll()
		w.wg.Wait()
	})
	return w
}

func (w *wire) url() string { return "http://" + w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		if w.isClosed() {
			near.Close()
			continue
		}
		far, err := net.Dial("tcp", w.target)
		if err != nil {
			near.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		w.mu.Unlock()
		w.wg.Go(func() { w.copy(near, far) })
		w.wg.Go(func() { w.copy(far, near) })
	}
}

func (w *wire) copy(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		frozen := w.frozen
		w.passed += n
		w.mu.Unlock()
		<-frozen
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = make(chan struct{})
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.frozen:
	default:
		close(w.frozen)
	}
}

func (w *wire) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func (w *wire) setClosed(closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = closed
}

func (w *wire) breakAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) used() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

// counter writes a growing number to a key and watches it through another connection.
type counter struct {
	store registry.Store
	n     int
	got   chan string
}

func newCounter(t *testing.T, write, watch registry.Store) *counter {
	c := &counter{store: write, got: make(chan string, 1000)}
	first := c.write(t)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		err := watch.Watch(ctx, registry.Keys{Name: "n"}, first, func(b registry.Batch) error {
			for _, e := range b.Events {
				c.got <- string(e.Value)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
	c.read(t, 1)
	return c
}

func (c *counter) write(t *testing.T) int64 {
	t.Helper()
	c.n++
	out, err := c.store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("n", fmt.Append(nil, c.n), 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Revision
}

// read expects the numbers from one on up to the newest.
func (c *counter) read(t *testing.T, from int) {
	t.Helper()
	for i := from; i <= c.n; i++ {
		select {
		case got := <-c.got:
			if got != fmt.Sprint(i) {
				t.Fatalf("watched %s, want %d", got, i)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d was not watched within 20 s", i)
		}
	}
}

func TestWatchSurvivesBrokenConnections(t *testing.T) {
	server := startServer(t)
	w := newWire(t, server.Endpoints()[0])
	c := newCounter(t, dial(t, server.Endpoints()...), dial(t, w.url()))
	for range 5 {
		from := c.n + 1
		c.write(t)
		w.breakAll()
		for range 20 {
			c.write(t)
		}
		c.read(t, from)
	}
}

func TestWatchLeavesAFrozenMember(t *testing.T) {
	server := startServer(t)
	wires := []*wire{newWire(t, server.Endpoints()[0]), newWire(t, server.Endpoints()[0])}
	c := newCounter(t, dial(t, server.Endpoints()...), dial(t, wires[0].url(), wires[1].url()))

	before := []int{wires[0].used(), wires[1].used()}
	c.write(t)
	c.read(t, 2)
	for i, w := range wires {
		if w.used() > before[i] {
			w.freeze()
		}
	}
	began := time.Now()
	c.write(t)
	c.read(t, 3)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("leaving a frozen member took %s", took)
	}
}

func TestRenewalLeavesAFrozenMember(t *testing.T) {
	server := startServer(t)
	wires := []*wire{newWire(t, server.Endpoints()[0]), newWire(t, server.Endpoints()[0])}
	client := dial(t, wires[0].url(), wires[1].url())
	lease, err := client.Grant(t.Context(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	renew := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := client.KeepAlive(ctx, lease)
		return err
	}
	if err := renew(); err != nil {
		t.Fatal(err)
	}
	before := []int{wires[0].used(), wires[1].used()}
	if err := renew(); err != nil {
		t.Fatal(err)
	}
	for i, w := range wires {
		if w.used() > before[i] {
			w.freeze()
		}
	}
	tries := 0
	for err := renew(); err != nil; err = renew() {
		if !errors.Is(err, cluster.ErrUnavailable) {
			t.Fatalf("renewal at a frozen member: %v", err)
		}
		if tries++; tries > 3 {
			t.Fatal("no renewal left the frozen member")
		}
	}
}

// A lease lives on for its TTL after an outage, and no longer: the pauses between
// tries to connect must not have grown beyond that.
func TestAfterAnOutageRenewalSucceedsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("the outage takes seconds")
	}
	server := startServer(t)
	w := newWire(t, server.Endpoints()[0])
	client := dial(t, w.url())
	lease, err := client.Grant(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	renewed := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		for {
			_, err := client.KeepAlive(ctx, lease)
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	}
	w.setClosed(true)
	w.breakAll()
	if err := renewed(4 * time.Second); err == nil {
		t.Fatal("renewed without a connection")
	}
	w.setClosed(false)
	if err := renewed(800 * time.Millisecond); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestUnreachableClusterIsUnavailable(t *testing.T) {
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: []string{storetest.FreeURL(t)}, RequestTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	began := time.Now()
	if _, err := client.Range(t.Context(), registry.Query{}); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("range: %v", err)
	}
	if _, err := client.Txn(t.Context(), registry.Txn{}); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("transaction: %v", err)
	}
	if _, err := client.KeepAlive(t.Context(), 1); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("renewal: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("three requests took %s", took)
	}
}

func TestBadConfigs(t *testing.T) {
	for _, c := range []etcd.Config{
		{},
		{Endpoints: []string{"10.0.0.1:2379"}},
		{Endpoints: []string{"ftp://10.0.0.1:2379"}},
		{Endpoints: []string{"http://"}},
		{Endpoints: []string{"https://a:1", "http://b:1"}},
		{Endpoints: []string{"http://a:1"}, CAFile: "ca.pem"},
		{Endpoints: []string{"https://a:1"}, CertFile: "cert.pem"},
		{Endpoints: []string{"https://a:1"}, CAFile: "/does/not/exist"},
		{Endpoints: []string{"http://a:1"}, Username: "root"},
	} {
		if client, err := etcd.Dial(t.Context(), c); err == nil {
			client.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
}
