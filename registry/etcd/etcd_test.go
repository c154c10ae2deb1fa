package etcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/storetest"
)

func startServer(t *testing.T) *embedded.Server {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Config{
		DataDir:          t.TempDir(),
		ListenPeerURLs:   []string{storetest.FreeURL(t)},
		ListenClientURLs: []string{storetest.FreeURL(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func dial(t *testing.T, endpoints ...string) *etcd.Client {
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestConformance(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	admin, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for i, check := range storetest.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			check.Run(t, storetest.Backend{
				Store:  client,
				Prefix: fmt.Sprintf("test%03d", i),
				Compact: func(t *testing.T, revision int64) {
					if _, err := admin.Compact(t.Context(), revision); err != nil {
						t.Fatal(err)
					}
				},
			})
		})
	}
}
