package hollow

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"fleet/registry"
	"fleet/registry/etcd"
)

// Line is a machine's connection to the store.
type Line interface {
	registry.Store
	// Cut loses everything that is sent from now on, in both directions and without a word, for ever.
	Cut()
	Close() error
}

// Dial makes lines. mortal tells whether the line is ever going to be cut.
type Dial func(ctx context.Context, mortal bool) (Line, error)

// DialEtcd returns lines to an etcd at an address ("host:port"), of machines whose sessions have that TTL. Those of mortal
// machines go through a relay in this process, because the connection of an etcd client that is closed tells its other
// end; the others go straight.
func DialEtcd(address string, ttl time.Duration) Dial {
	return func(ctx context.Context, mortal bool) (Line, error) {
		l := &etcdLine{}
		at := address
		if mortal {
			var err error
			if l.relay, err = newRelay(address); err != nil {
				return nil, err
			}
			at = l.relay.address()
		}
		client, err := etcd.Dial(ctx, etcd.Config{Endpoints: []string{"http://" + at}, TTL: ttl})
		if err != nil {
			l.relay.close()
			return nil, err
		}
		l.Client = client
		return l, nil
	}
}

type etcdLine struct {
	*etcd.Client
	relay *relay // nil unless it may be cut
}

func (l *etcdLine) Cut() { l.relay.cut() }

func (l *etcdLine) Close() error {
	err := l.Client.Close()
	l.relay.close()
	return err
}

// relay passes on what comes, until it is cut. Then it holds the connections and is silent. Who connects after that, again
// and again as a lost machine does, waits in the kernel's queue.
type relay struct {
	listener net.Listener
	to       string

	mu struct {
		sync.Mutex
		silent bool
		conns  []*net.TCPConn
	}
}

func newRelay(to string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a hollow machine: %w", err)
	}
	r := &relay{listener: listener, to: strings.TrimPrefix(to, "http://")}
	go r.accept()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		if !r.hold(from) {
			return
		}
		to, err := net.Dial("tcp", r.to)
		if err != nil {
			from.Close()
			continue
		}
		if r.hold(to) {
			go r.pass(from, to)
			go r.pass(to, from)
		}
	}
}

// hold keeps a connection, and tells whether what comes on it is to be passed on.
func (r *relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.conns = append(r.mu.conns, c.(*net.TCPConn))
	return !r.mu.silent
}

// pass copies from one connection to the other. The end of one is the end of the other, unless the relay is silent.
func (r *relay) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if r.isSilent() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if !r.isSilent() {
		from.Close()
		to.Close()
	}
}

func (r *relay) isSilent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.silent
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.silent = true
}

func (r *relay) close() {
	if r == nil {
		return
	}
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.mu.conns {
		c.Close()
	}
	r.mu.conns = nil
}
