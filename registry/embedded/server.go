package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Server is a running member.
type Server struct {
	etcd      *embed.Etcd
	endpoints []string
}

// Start runs a member and returns when it serves clients. For a member of several it waits for the
// others as long as ctx lives. Close the server when it is not needed any more.
func Start(ctx context.Context, c Config) (*Server, error) {
	config, err := c.etcd()
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start embedded etcd in %s: %w", c.DataDir, err)
	}
	s := &Server{etcd: etcd}
	for _, listener := range config.ListenClientUrls {
		s.endpoints = append(s.endpoints, listener.String())
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return s, nil
	case err = <-etcd.Err():
	case <-etcd.Server.StopNotify():
		err = errors.New("it stopped")
	case <-ctx.Done():
		err = ctx.Err()
	}
	etcd.Server.Stop() // Close alone waits for listeners that wait for the server to be ready or stopped
	s.Close()
	return nil, fmt.Errorf("start embedded etcd in %s: %w", c.DataDir, err)
}

// Endpoints are the URLs at which the member listens for clients.
func (s *Server) Endpoints() []string { return s.endpoints }

// Err tells why the member has stopped by itself. The channel is closed by Close.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the member and waits until it has stopped. A leader hands over first.
//
// Once the member has stopped, its data are closed and safe; what is left is sockets. etcd gives
// the connections of its clients up to six seconds to end, as long as this machine's own lease may
// live, so they are waited for no longer than a moment.
func (s *Server) Close() {
	s.etcd.Server.Stop()
	closed := make(chan struct{})
	go func() {
		s.etcd.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeGrace):
	}
}

// closeGrace is how long sockets may take to close behind a member that has stopped.
const closeGrace = time.Second

// LeaseSlack is how much later than by its TTL a lease may end when the leader of etcd dies at the same
// time as the lease's holder. The others notice the leader's death within two election timeouts; the
// new one gives every lease its whole TTL once more and one election timeout more, and looks for
// leases that have ended on every tick of its lessor.
//
// Whoever must notice a death within a time grants leases of that time less the slack.
const LeaseSlack = 2*election + election + lessorTick
