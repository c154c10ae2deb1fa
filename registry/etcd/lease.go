package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/registry"
)

// Grant implements registry.Store. etcd may make a very short lease longer.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (int64, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if ttl < time.Second {
		return 0, fmt.Errorf("lease of %s: the shortest is a second", ttl)
	}
	resp, err := c.etcd.Grant(limited, int64(ttl/time.Second))
	if err != nil {
		return 0, c.explain(ctx, limited, "grant a lease", err)
	}
	return int64(resp.ID), nil
}

// TimeToLive implements registry.Store; etcd answers in whole seconds, rounded
// down, which are rounded up here.
func (c *Client) TimeToLive(ctx context.Context, lease int64) (left, granted time.Duration, err error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.etcd.TimeToLive(limited, clientv3.LeaseID(lease))
	if err != nil {
		return 0, 0, c.explain(ctx, limited, "ask for a lease", err)
	}
	if resp.TTL < 0 {
		return 0, 0, fmt.Errorf("ask for lease %x: %w", lease, registry.ErrLeaseNotFound)
	}
	return time.Duration(min(resp.TTL+1, resp.GrantedTTL)) * time.Second, time.Duration(resp.GrantedTTL) * time.Second, nil
}

// Revoke implements registry.Store.
func (c *Client) Revoke(ctx context.Context, lease int64) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if _, err := c.etcd.Revoke(limited, clientv3.LeaseID(lease)); err != nil {
		return c.explain(ctx, limited, "revoke a lease", err)
	}
	return nil
}

// KeepAlive implements registry.Store.
//
// The revision is that of the member that was asked, which may be behind.
func (c *Client) KeepAlive(ctx context.Context, lease int64) (revision int64, err error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.renewer.renew(limited, lease)
	if err != nil {
		return 0, c.explain(ctx, limited, "renew a lease", err)
	}
	if resp.TTL <= 0 {
		return 0, fmt.Errorf("renew lease %x: %w", lease, registry.ErrLeaseNotFound)
	}
	return resp.Header.GetRevision(), nil
}

// renewer sends renewals over one stream, one at a time. A stream that does
// not answer in time is given up, and the next one is at another endpoint.
type renewer struct {
	client pb.LeaseClient
	base   context.Context
	turn   chan struct{} // holds one token; whoever has it owns what follows
	stream pb.Lease_LeaseKeepAliveClient
	drop   context.CancelFunc // ends stream
}

func newRenewer(etcd *clientv3.Client) *renewer {
	r := &renewer{client: pb.NewLeaseClient(etcd.ActiveConnection()), base: etcd.Ctx(), turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// renew returns what etcd says of the lease: its TTL is not positive if it has ended.
func (r *renewer) renew(ctx context.Context, lease int64) (*pb.LeaseKeepAliveResponse, error) {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { r.turn <- struct{}{} }()
	if r.stream == nil {
		return r.try(ctx, lease)
	}
	// A stream that has been idle may have broken meanwhile.
	resp, err := r.try(ctx, lease)
	if err != nil && ctx.Err() == nil {
		return r.try(ctx, lease)
	}
	return resp, err
}

func (r *renewer) try(ctx context.Context, lease int64) (resp *pb.LeaseKeepAliveResponse, err error) {
	if r.stream == nil {
		streamCtx, drop := context.WithCancel(r.base)
		stop := context.AfterFunc(ctx, drop)
		r.stream, err = r.client.LeaseKeepAlive(clientv3.WithRequireLeader(streamCtx))
		stop()
		if err != nil {
			drop()
			r.stream = nil
			return nil, rpctypes.Error(err)
		}
		r.drop = drop
	}
	stop := context.AfterFunc(ctx, r.drop)
	resp, err = r.exchange(lease)
	if !stop() || err != nil {
		r.drop()
		r.stream = nil
	}
	return resp, rpctypes.Error(err)
}

func (r *renewer) exchange(lease int64) (*pb.LeaseKeepAliveResponse, error) {
	if err := r.stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
		return nil, err
	}
	resp, err := r.stream.Recv()
	if err != nil {
		return nil, err
	}
	if resp.ID != lease {
		return nil, errors.New("etcd renewed another lease than was asked for")
	}
	return resp, nil
}
