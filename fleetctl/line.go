package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"fleet/api"
)

// line is a connection to the cluster for a command that lasts: when the fleetd that it speaks to goes, it is
// made anew, to whichever of the endpoints answers then.
type line struct {
	app *app

	mu     sync.Mutex
	client *api.Client
}

func (a *app) line() (*line, error) {
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	return &line{app: a, client: c}, nil
}

func (l *line) close() { l.now().Close() }

func (l *line) now() *api.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// redial leaves the connection as it is if no endpoint answers.
func (l *line) redial(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.app.chooseEndpoint(ctx, false); err != nil {
		return err
	}
	c, err := l.app.connect()
	if err != nil {
		return err
	}
	l.client.Close()
	l.client = c
	return nil
}

// events is an event stream, of another server when the one before broke.
func (l *line) events() follower {
	opened := false
	return func(ctx context.Context, o api.EventsOptions, fn func(api.Event) error) error {
		if opened {
			if err := l.redial(ctx); err != nil {
				return err
			}
		}
		opened = true
		return l.now().Events(ctx, o, fn)
	}
}

// insist makes a request until the cluster has answered it, or ctx ends. The request must be one that may be made twice.
func (l *line) insist(ctx context.Context, request func(*api.Client) error) error {
	backoff := firstBackoff
	for {
		err := request(l.now())
		var answer *api.Error
		if err == nil || ctx.Err() != nil || errors.As(err, &answer) && remoteCode(err) != exitUnreachable {
			return err
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return err
		}
		backoff = min(2*backoff, lastBackoff)
		_ = l.redial(ctx) // else the next try tells
	}
}
