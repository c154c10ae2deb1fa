package api_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fleet/api"
)

// fixture is a server that is served over TCP, with a client.
type fixture struct {
	api    *api.Server
	server *httptest.Server
	client *api.Client

	// Only of newFixture.
	store    *fakeStore
	stop     func() // ends Run
	notReady atomic.Bool
}

func newFixture(t testing.TB, o api.Options) *fixture {
	t.Helper()
	f := &fixture{store: newFakeStore()}
	f.store.write()
	o.Ready = f.ready
	f.api = api.New(f.store, o)
	f.serve(t)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.api.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(f.stop)
	f.settle(t, 1)
	return f
}

func (f *fixture) ready() error {
	if f.notReady.Load() {
		return errors.New("the store does not answer")
	}
	return nil
}

// serve serves a server that somebody else runs.
func serve(t testing.TB, server *api.Server) *fixture {
	t.Helper()
	f := &fixture{api: server}
	f.serve(t)
	return f
}

func (f *fixture) serve(t testing.TB) {
	t.Helper()
	f.server = httptest.NewServer(theContract(t).holding(t, f.api.Handler()))
	t.Cleanup(f.server.Close)
	client, err := api.Dial(f.server.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	f.client = client
}

// close ends the server before the test ends.
func (f *fixture) close() {
	f.client.Close()
	f.server.Close()
	f.stop()
}

// settle waits until the server has read the store up to a revision.
func (f *fixture) settle(t testing.TB, revision int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !api.Await(ctx, f.api, revision) {
		t.Fatalf("the server has not read revision %d", revision)
	}
}
