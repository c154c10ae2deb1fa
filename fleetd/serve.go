package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// shutdownGrace is how long requests under way may take once fleetd is told to stop.
	shutdownGrace = time.Second

	// readHeader is how long a client may take for the header of a request. Who is cut off in the middle of it gets no answer.
	readHeader = 10 * time.Second

	// readSlack is how much longer a body is waited for than the request may take, so that it is the
	// handler that ends it; writeTime is how long an answer may take behind that. Streams lift both.
	readSlack = 5 * time.Second
	writeTime = time.Minute

	// maxHeader is what is taken in of a header so that the handler can refuse it in JSON. What is
	// larger than that net/http itself refuses, in plain text.
	maxHeader = 1 << 20
)

// serve answers the API on all listeners until ctx ends. The connection of a client that stops in the
// middle of a request or of the answer is closed a while after the time that a request may take.
func serve(ctx context.Context, listeners []net.Listener, h http.Handler, request time.Duration, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		server := newServer(ctx, handlerOn(l, h), request, log)
		log.Info("serving the API", "address", l.Addr().String())
		g.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
			defer cancel()
			if err := server.Shutdown(grace); err != nil {
				return server.Close()
			}
			return nil
		})
	}
	return g.Wait()
}

func newServer(ctx context.Context, h http.Handler, request time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(readHeader, request),
		ReadTimeout:       request + readSlack,
		WriteTimeout:      request + writeTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       withPeer,
		// OPTIONS * gets the answer that every path gets that is not there.
		DisableGeneralOptionsHandler: true,

		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
}

// aliveProbe asks the API's handler itself: an answer, whatever it is, shows that the
// cache is not locked and the process is scheduled. It asks what does not have the cluster followed.
func aliveProbe(h http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/fleet/v1/discovery", nil); err == nil {
				h.ServeHTTP(discard{}, r)
			}
		}()
		select {
		case <-answered:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the API did not answer this process: %w", ctx.Err())
		}
	}
}

// discard is the answer that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
