package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"fleet/cluster"
	"fleet/registry"
)

// A connection is found dead after at most keepAliveTime plus
// keepAliveTimeout. gRPC does not let a client ask more often than every 10 s; unacknowledged
// data breaks a connection after keepAliveTimeout (TCP_USER_TIMEOUT) already.
const (
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 2 * time.Second
)

// connecting is how connections are made again. After an outage every lease has
// its TTL to live, 2 s at least, so gRPC's own pauses, which grow to two minutes, would end
// sessions that the store had kept. The packets of a try that began in an outage are sent again ever less
// often; a new try gets through at once.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 400 * time.Millisecond},
	MinConnectTimeout: time.Second,
}

// Windows of a fixed size, in bytes: how much may be on its way to a client that does not read. To find out a size by itself gRPC
// sends a ping, and waits for its answer, whenever something comes: of small messages that is more than half of the work.
const (
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
)

// dialRetry is how long to wait before trying again to authenticate.
const dialRetry = 500 * time.Millisecond

// Client is a connection to an etcd cluster. It implements registry.Store.
type Client struct {
	etcd    *clientv3.Client
	timeout time.Duration
	renewer *renewer
	streams *streams
}

var _ registry.Store = (*Client)(nil)

// Dial makes a client. Without a user it does not wait for the cluster; with
// one it authenticates first, and waits as long as ctx lives for a cluster that does not answer.
func Dial(ctx context.Context, c Config) (*Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = DefaultRequestTimeout
	}
	transport, err := c.tls()
	if err != nil {
		return nil, err
	}
	config := clientv3.Config{
		Context:              context.WithoutCancel(ctx),
		Endpoints:            c.Endpoints,
		TLS:                  transport,
		Username:             c.Username,
		Password:             c.Password,
		DialTimeout:          c.DialTimeout,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(connecting), grpc.WithContextDialer(connect),
			grpc.WithStaticStreamWindowSize(streamWindow), grpc.WithStaticConnWindowSize(connectionWindow),
		},
		Logger: zap.NewNop(),
	}
	for {
		etcd, err := clientv3.New(config)
		if err == nil {
			return &Client{etcd: etcd, timeout: c.RequestTimeout, renewer: newRenewer(etcd), streams: newStreams(etcd, hearingFor(c.TTL))}, nil
		}
		if !transient(err) {
			return nil, fmt.Errorf("connect to etcd: %w", err)
		}
		select {
		case <-time.After(dialRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to etcd: %w: %w", cluster.ErrUnavailable, err)
		}
	}
}

// Close ends the watches and the connections.
func (c *Client) Close() error {
	return c.etcd.Close()
}

// Range implements registry.Store.
func (c *Client) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.etcd.Do(limited, rangeOp(q))
	if err != nil {
		return registry.Page{}, c.explain(ctx, limited, "read from etcd", err)
	}
	got := resp.Get()
	page := registry.Page{Revision: got.Header.Revision, More: got.More}
	if q.CountOnly {
		page.Count = int(got.Count)
	}
	for _, kv := range got.Kvs {
		page.Pairs = append(page.Pairs, pair(kv))
	}
	return page, nil
}

func rangeOp(q registry.Query) clientv3.Op {
	opts := []clientv3.OpOption{clientv3.WithLimit(int64(q.Limit)), clientv3.WithRev(q.Revision)}
	if q.CountOnly {
		opts = append(opts, clientv3.WithCountOnly())
	}
	if !q.Prefix {
		return clientv3.OpGet(q.Name, opts...)
	}
	from := q.Name
	if q.After >= from {
		from = q.After + "\x00"
	}
	return clientv3.OpGet(from, append(opts, clientv3.WithRange(clientv3.GetPrefixRangeEnd(q.Name)))...)
}

// Txn implements registry.Store.
func (c *Client) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var compares []clientv3.Cmp
	for _, compare := range t.If {
		compares = append(compares, comparison(compare))
	}
	resp, err := c.etcd.Txn(limited).If(compares...).Then(ops(t.Then)...).Else(ops(t.Else)...).Commit()
	if err != nil {
		doing := "write to etcd"
		if !t.Writes() {
			doing = "read from etcd"
		}
		return registry.Outcome{}, c.explain(ctx, limited, doing, err)
	}
	out := registry.Outcome{Revision: resp.Header.Revision, Succeeded: resp.Succeeded}
	for _, r := range resp.Responses {
		got := r.GetResponseRange()
		if got == nil {
			continue
		}
		if len(got.Kvs) == 0 {
			out.Got = append(out.Got, nil)
			continue
		}
		p := pair(got.Kvs[0])
		out.Got = append(out.Got, &p)
	}
	return out, nil
}

func comparison(c registry.Compare) clientv3.Cmp {
	switch {
	case c.First: // etcd compares with every key of the range, or with the revision 0 if there is none
		return clientv3.Compare(clientv3.CreateRevision(c.Key), ">", c.Revision-1).WithPrefix()
	case c.Created:
		return clientv3.Compare(clientv3.CreateRevision(c.Key), "=", c.Revision)
	}
	return clientv3.Compare(clientv3.ModRevision(c.Key), "=", c.Revision)
}

func ops(from []registry.Op) []clientv3.Op {
	var out []clientv3.Op
	for _, op := range from {
		switch op.Kind {
		case registry.OpGet:
			out = append(out, clientv3.OpGet(op.Key))
		case registry.OpPut:
			out = append(out, clientv3.OpPut(op.Key, string(op.Value), clientv3.WithLease(clientv3.LeaseID(op.Lease))))
		case registry.OpDelete:
			out = append(out, clientv3.OpDelete(op.Key))
		}
	}
	return out
}

// explain turns an error of the client into one of the store's. asked is the
// caller's context, limited the one that bounds the request.
func (c *Client) explain(asked, limited context.Context, doing string, err error) error {
	switch {
	case asked.Err() != nil:
		return fmt.Errorf("%s: %w: %w", doing, cluster.ErrUnavailable, asked.Err())
	case limited.Err() != nil:
		return fmt.Errorf("%s: %w within %s", doing, cluster.ErrUnavailable, c.timeout)
	case errors.Is(err, errCompacted):
		return &registry.CompactedError{}
	case errors.Is(err, errNoSpace):
		return fmt.Errorf("%s: %w", doing, cluster.ErrNoSpace)
	case errors.Is(err, errLeaseNotFound):
		return fmt.Errorf("%s: %w", doing, registry.ErrLeaseNotFound)
	case errors.Is(err, errBusy):
		return fmt.Errorf("%s: %w: %w", doing, cluster.ErrUnavailable, cluster.ErrBusy)
	case transient(err):
		return fmt.Errorf("%s: %w: %w", doing, cluster.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
