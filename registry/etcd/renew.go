package etcd

import (
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"fleet/registry"
)

// Renew renews a lease once, over a stream of its own, and returns for how long it was granted. Unlike those of KeepAlive several
// renewals may be under way at a time: one that hangs, with a member of etcd that does, holds up no other.
func (c *Client) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ttl, err := c.renewOnce(limited, lease)
	if err != nil {
		return 0, c.explain(ctx, limited, "renew a lease", rpctypes.Error(err))
	}
	if ttl <= 0 {
		return 0, fmt.Errorf("renew lease %x: %w", lease, registry.ErrLeaseNotFound)
	}
	return time.Duration(ttl) * time.Second, nil
}

func (c *Client) renewOnce(ctx context.Context, lease int64) (ttl int64, err error) {
	// A connection that is being made is waited for: it may be there in time.
	stream, err := c.renewer.client.LeaseKeepAlive(clientv3.WithRequireLeader(ctx), grpc.WaitForReady(true))
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
		return 0, err
	}
	resp, err := stream.Recv()
	if err != nil {
		return 0, err
	}
	return resp.TTL, nil
}
