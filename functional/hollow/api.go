package hollow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/registry"
	"fleet/unit"
)

// front is a server of the API, and a user of it over a connection of its own.
type front struct {
	client *api.Client
	end    context.CancelFunc
	http   *http.Server
	ended  *errgroup.Group

	refused atomic.Int64 // changes that had to be asked for again
}

const (
	// submitAtOnce is how many requests with up to requestSize units each the user has under way.
	submitAtOnce = 4
	requestSize  = 1000
)

func newFront(ctx context.Context, store registry.Store) (*front, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	server := api.New(registry.New(store, registry.Options{}), api.Options{Version: cluster.Version, PageSize: requestSize})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		end()
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	f := &front{end: end, http: &http.Server{Handler: server.Handler(), ReadHeaderTimeout: time.Minute}, ended: &errgroup.Group{}}
	f.ended.Go(func() error { return server.Run(life) })
	f.ended.Go(func() error {
		if err := f.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API: %w", err)
		}
		return nil
	})
	if f.client, err = api.Dial("http://"+listener.Addr().String(), api.ClientOptions{Timeout: time.Minute}); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, f.awaitReady(ctx)
}

// awaitReady returns when the server has filled its cache.
func (f *front) awaitReady(ctx context.Context) error {
	for {
		_, err := f.client.Machines(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server of the API: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *front) close() error {
	err := f.http.Close()
	f.end()
	return errors.Join(err, f.ended.Wait())
}

// submit has units launched.
func (f *front) submit(ctx context.Context, names []unit.Name) error {
	return f.change(ctx, names, func(n unit.Name) api.Change {
		return api.Change{Name: n, File: unitFile(n), Desired: cluster.Launched}
	})
}

func (f *front) restart(ctx context.Context, names []unit.Name) error {
	return f.change(ctx, names, func(n unit.Name) api.Change { return api.Change{Name: n, Restart: true} })
}

func (f *front) change(ctx context.Context, names []unit.Name, change func(unit.Name) api.Change) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(submitAtOnce)
	for len(names) > 0 {
		some := names[:min(requestSize, len(names))]
		names = names[len(some):]
		g.Go(func() error {
			changes := make([]api.Change, len(some))
			for i, n := range some {
				changes[i] = change(n)
			}
			return f.insist(ctx, changes)
		})
	}
	return g.Wait()
}

// insistPause is how long the user waits before asking again what could not be done for want of the store.
const insistPause = 200 * time.Millisecond

// insist asks for changes until all are carried out.
func (f *front) insist(ctx context.Context, changes []api.Change) error {
	for {
		results, err := f.client.Change(ctx, changes)
		var e *api.Error
		if errors.As(err, &e) && e.Code >= http.StatusInternalServerError {
			results, err = nil, nil
		}
		if err != nil {
			return fmt.Errorf("change %d units: %w", len(changes), err)
		}
		var again []api.Change
		for i, change := range changes {
			switch {
			case i >= len(results), results[i].Code >= http.StatusInternalServerError:
				again = append(again, change)
			case results[i].Error != "":
				return fmt.Errorf("change %s: %s", change.Name, results[i].Error)
			}
		}
		if len(again) == 0 {
			return nil
		}
		f.refused.Add(int64(len(again)))
		changes = again
		select {
		case <-ctx.Done():
			return fmt.Errorf("change %d units: %w", len(changes), context.Cause(ctx))
		case <-time.After(insistPause):
		}
	}
}

// active is how many units the API shows to be active.
func (f *front) active(ctx context.Context) (int, error) {
	states, err := f.client.States(ctx)
	if err != nil {
		return 0, fmt.Errorf("list the states of all units: %w", err)
	}
	n := 0
	for _, s := range states {
		if s.SystemdActiveState == "active" {
			n++
		}
	}
	return n, nil
}

// kinds is how many different files the units have.
const kinds = 100

// UnitName is the name of the i-th unit.
func UnitName(i int) unit.Name {
	return unit.Name(fmt.Sprintf("app-%02d@%06d.service", i%kinds, i))
}

// What a unit's file says that it needs.
const (
	unitMemory = 64 << 20 // bytes
	unitCPU    = 50       // thousandths of a processor
)

// unitFile is the file of a unit: the same for all of a template, and of a size that such files have.
func unitFile(n unit.Name) []byte {
	return fmt.Appendf(nil, `[Unit]
Description=A hollow service, %[1]s
After=network-online.target

[Service]
Environment=CONFIG=/etc/%[1]s/config.yaml
Environment=LOG_LEVEL=info
ExecStart=/usr/bin/%[1]s --instance %%i --listen 0.0.0.0:8080
Restart=always
RestartSec=5s
MemoryMax=64M
CPUQuota=5%%
`, n.Template())
}
