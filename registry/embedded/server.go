package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// Server is a running member.
type Server struct {
	etcd      *embed.Etcd
	endpoints []string
	failed    chan error
	closing   atomic.Bool
}

// Start runs a member and returns when it serves clients. For a member of several it waits for the
// others as long as ctx lives. Close the server when it is not needed any more.
func Start(ctx context.Context, c Config) (*Server, error) {
	config, err := c.etcd()
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	return start(ctx, config)
}

func start(ctx context.Context, config *embed.Config) (*Server, error) {
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start embedded etcd in %s: %w", config.Dir, err)
	}
	s := &Server{etcd: etcd, failed: make(chan error, 1)}
	go s.report()
	for _, listener := range config.ListenClientUrls {
		s.endpoints = append(s.endpoints, listener.String())
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return s, nil
	case err = <-s.failed:
		if s.stopped() {
			err = errStopped
		}
	case <-etcd.Server.StopNotify():
		err = errStopped
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	etcd.Server.Stop() // Close alone waits for listeners that wait for the server to be ready or stopped
	s.Close()
	return nil, fmt.Errorf("start embedded etcd in %s: %w", config.Dir, err)
}

// errStopped: etcd stopped by itself, as it does when the others have removed it.
var errStopped = errors.New("it stopped by itself")

// stopped tells whether a server that has failed did so because it stops by itself.
func (s *Server) stopped() bool {
	select {
	case <-s.etcd.Server.StoppingNotify():
		return true
	default:
		return false
	}
}

// Endpoints are the URLs at which the member listens for clients.
func (s *Server) Endpoints() []string { return s.endpoints }

// Err tells why the member has stopped by itself. The channel is closed by Close.
func (s *Server) Err() <-chan error { return s.failed }

// report hands on what fails before the server is closed: its listeners end with errors then.
func (s *Server) report() {
	defer close(s.failed)
	for err := range s.etcd.Err() {
		if s.closing.Load() {
			continue
		}
		select {
		case s.failed <- err:
		default: // the first says why
		}
	}
}

// Close stops the member and waits until it has stopped. A leader hands over first.
//
// Once the member has stopped, its data are closed and safe, and its addresses are free; what is left is
// connections. etcd gives those of its clients up to six seconds to end, as long as this machine's own lease may
// live, so they are waited for no longer than a moment.
func (s *Server) Close() {
	select {
	case <-s.halt():
	case <-time.After(closeGrace):
	}
}

// halt stops the member, and leaves the connections to themselves; the channel is closed when they have ended.
func (s *Server) halt() (closed chan struct{}) {
	s.closing.Store(true)
	s.etcd.Server.Stop()
	for _, listener := range s.etcd.Clients {
		listener.Close()
	}
	for _, peer := range s.etcd.Peers {
		peer.Listener.Close()
	}
	closed = make(chan struct{})
	go func() {
		s.etcd.Close()
		close(closed)
	}()
	return closed
}

// closeGrace is how long connections may take to close behind a member that has stopped.
const closeGrace = time.Second

// LeaseSlack is how much later than by its TTL a lease may end when the leader of etcd dies at the same
// time as the lease's holder. The others notice the leader's death within two election timeouts; the
// new one gives every lease its whole TTL once more and one election timeout more, and looks for
// leases that have ended on every tick of its lessor.
//
// Whoever must notice a death within a time grants leases of that time less the slack.
const LeaseSlack = 2*election + election + lessorTick

// members are this member's id, and all members.
func (s *Server) members() (types.ID, []*membership.Member) {
	return s.etcd.Server.MemberID(), s.etcd.Server.Cluster().Members()
}

// removed tells whether the member has taken in that it is none any more.
func (s *Server) removed() bool {
	return s.etcd.Server.Cluster().Member(s.etcd.Server.MemberID()) == nil
}

// others are the client URLs of the other members that count.
func (s *Server) others() []string {
	self, all := s.members()
	return census{members: all}.clientURLs(self)
}
