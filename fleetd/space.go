package main

import (
	"context"
	"time"

	"fleet/cluster"
	"fleet/registry/etcd"
)

// How often the member that leads etcd is looked after. That is a read.
const (
	tidyPause      = time.Minute
	tidyPauseTight = 5 * time.Second // while more than tightFrom of what there may be is in use
	tightFrom      = 0.5
)

// Space tells how full the store is. It is asked for by the engine that leads.
func (k *keeper) Space(ctx context.Context) (cluster.Space, error) {
	s, err := k.Status(ctx)
	return s.Space(), err
}

// tidy makes room in an etcd that is embedded, as long as this machine's member is the one that leads there. It is that one's
// task, and not that of the machine whose engine leads, because a full etcd takes in no candidate for that.
func (k *keeper) tidy(ctx context.Context) error {
	if k.member == nil {
		return nil
	}
	tidier := etcd.NewTidier(k.client, k.log)
	for {
		pause := tidyPause
		if s, err := k.Status(ctx); err == nil && leadsHere(s) {
			if space := s.Space(); space.Refuses || float64(space.InUse) > tightFrom*float64(space.Quota) {
				pause = tidyPauseTight
			}
			if err := tidier.Tidy(ctx, s); err != nil && ctx.Err() == nil {
				k.log.Warn("cannot make room in etcd", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// leadsHere tells whether this machine's member leads, with all that a majority has.
func leadsHere(s cluster.Store) bool {
	if s.Problem != "" {
		return false
	}
	for _, m := range s.Members {
		if m.Local && m.Leader {
			return true
		}
	}
	return false
}
