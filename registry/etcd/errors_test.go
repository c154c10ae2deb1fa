package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"fleet/cluster"
	"fleet/registry"
)

// Whoever writes has to know whether nothing was written, or whether nobody knows.
func TestWhatErrorsOfEtcdMean(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	c := &Client{}
	for _, e := range []struct {
		what           string
		asked, limited context.Context
		err            error
		is             []error
		not            []error
	}{
		{"full", t.Context(), t.Context(), rpctypes.ErrNoSpace, []error{cluster.ErrNoSpace}, []error{cluster.ErrUnavailable}},
		{"busy", t.Context(), t.Context(), rpctypes.ErrTooManyRequests, []error{cluster.ErrBusy, cluster.ErrUnavailable}, nil},
		{"no lease", t.Context(), t.Context(), rpctypes.ErrLeaseNotFound, []error{registry.ErrLeaseNotFound}, []error{cluster.ErrUnavailable}},
		{"no leader", t.Context(), t.Context(), rpctypes.ErrNoLeader, []error{cluster.ErrUnavailable}, []error{cluster.ErrBusy}},
		{"too late", t.Context(), late, context.DeadlineExceeded, []error{cluster.ErrUnavailable}, []error{cluster.ErrBusy}},
		{"nobody waits", ended, ended, context.Canceled, []error{cluster.ErrUnavailable, context.Canceled}, nil},
		{"refused", t.Context(), t.Context(), rpctypes.ErrPermissionDenied, []error{rpctypes.ErrPermissionDenied}, []error{cluster.ErrUnavailable}},
	} {
		err := c.explain(e.asked, e.limited, "write", e.err)
		for _, is := range e.is {
			if !errors.Is(err, is) {
				t.Errorf("%s: %v is no %v", e.what, err, is)
			}
		}
		for _, not := range e.not {
			if errors.Is(err, not) {
				t.Errorf("%s: %v is %v", e.what, err, not)
			}
		}
	}
}
