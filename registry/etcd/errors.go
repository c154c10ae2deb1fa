package etcd

import (
	"context"
	"errors"
	"io"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fleet/registry"
)

var (
	errCompacted     = rpctypes.ErrCompacted
	errLeaseNotFound = rpctypes.ErrLeaseNotFound
	errNoSpace       = rpctypes.ErrNoSpace
	errBusy          = rpctypes.ErrTooManyRequests
)

// transient tells whether an error says that the cluster, or a member of it,
// cannot serve at present, rather than that it does not want to.
func transient(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	code := status.Code(err)
	var etcd rpctypes.EtcdError
	if errors.As(err, &etcd) {
		code = etcd.Code()
	}
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.Internal, codes.Unauthenticated:
		return true // a token that has expired is renewed by the next request
	}
	return errors.Is(err, errBusy) || errors.Is(err, rpctypes.ErrAuthOldRevision) || errors.Is(err, clientv3.ErrNoAvailableEndpoints)
}

func pair(kv *mvccpb.KeyValue) registry.Pair {
	return registry.Pair{
		Key:     string(kv.Key),
		Value:   kv.Value,
		Created: kv.CreateRevision,
		Mod:     kv.ModRevision,
		Lease:   kv.Lease,
	}
}
