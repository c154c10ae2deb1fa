package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/api"
)

// maxUnseen bounds how many writes are waited for; further ones are not timed.
const maxUnseen = 256

// lag is how long after etcd's answer to a write of this fleetd its own cache shows what was written. Etcd does not
// say when a change was made, so no other writes can be timed.
type lag struct {
	seconds prometheus.Histogram

	mu struct {
		sync.Mutex
		blind  bool  // there is no cache that would show anything
		shown  int64 // revision that the cache has reached
		unseen []unseen
	}
}

type unseen struct {
	revision int64
	answered time.Time
}

func newLag(r *prometheus.Registry) *lag {
	l := &lag{seconds: histogram(r, "registry", "watch_lag_seconds",
		"How long after etcd's answer to a write of this fleetd its cache showed what was written.", 0.0001, 9)}
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "fleet", Subsystem: "registry", Name: "watch_stalled_seconds",
		Help: "For how long the oldest write of this fleetd that its cache does not show has been answered; 0 if it shows all.",
	}, l.stalled))
	return l
}

func (l *lag) wrote(revision int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.mu.blind:
	case revision <= l.mu.shown: // the watch was quicker than the answer
		l.seconds.Observe(0)
	case len(l.mu.unseen) < maxUnseen:
		l.mu.unseen = append(l.mu.unseen, unseen{revision, time.Now()})
	}
}

// applied: after a reset, what was waited for may be gone with a store that was restored. Nothing is waited for while the cluster is not followed.
func (l *lag) applied(a api.Applied) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.Reset || a.Dropped {
		l.mu.blind, l.mu.shown, l.mu.unseen = a.Dropped, a.Revision, nil
		return
	}
	l.mu.shown = a.Revision
	l.mu.unseen = slices.DeleteFunc(l.mu.unseen, func(u unseen) bool {
		if u.revision > a.Revision {
			return false
		}
		l.seconds.Observe(time.Since(u.answered).Seconds())
		return true
	})
}

func (l *lag) stalled() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := time.Duration(0)
	for _, u := range l.mu.unseen {
		longest = max(longest, time.Since(u.answered))
	}
	return longest.Seconds()
}
