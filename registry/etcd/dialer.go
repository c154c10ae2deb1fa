package etcd

import (
	"context"
	"net"
	"strings"
	"time"
)

// probing lets the kernel find out within 2.5 s that a member is gone, also while
// nothing is sent: gRPC asks only every 10 s, so requests a lease's life after a
// member's death still went to it, and each waited for keepAliveTimeout first.
var probing = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: 500 * time.Millisecond, Count: 4}

// connect dials an address in the form that gRPC gives to dialers.
func connect(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", strings.TrimPrefix(path, "//")
	}
	d := net.Dialer{KeepAliveConfig: probing}
	return d.DialContext(ctx, network, address)
}
