package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"fleet/cluster"
)

// Follow says when a server follows the cluster. The zero value: always.
//
// Whoever follows is sent every record that is written. If all of n machines do, and all of them write, that is n² records
// for the store to send, so in a large cluster only those servers follow that are asked for what they would learn.
type Follow struct {
	// Count tells how many machines the cluster has, at the price of one small request to the store. nil: the cluster is always followed.
	Count func(context.Context) (int, error)
	// Machines is up to how many machines the cluster is followed all the time; 0: it never is.
	Machines int
	// Rest is for how long nobody must have needed the cluster before a server ceases to follow it. 0: ten minutes
	Rest time.Duration
}

const (
	followRest = 10 * time.Minute

	// countEvery is how often a server that does not follow counts the machines, about: each at a time of its own.
	countEvery = 10 * time.Minute
	// countRetry is when one that has never been told asks again. It answers nobody until then.
	countRetry = time.Second

	// readyAgain is how often a request that waits for the cluster looks whether the store answers at all.
	readyAgain = time.Second
)

// errRests ends a Follow that nobody needs.
var errRests = errors.New("nobody needs the cluster to be followed")

// demand knows who needs the cluster to be followed, and whether it is.
type demand struct {
	o Follow

	mu struct {
		sync.Mutex
		counted bool // how many machines there are was told,
		large   bool // and they are too many to follow them for nobody
		was     bool // it has been large: who asks too early waits, and is not refused

		requests int       // that need the cluster, under way
		kept     bool      // it is followed without any
		used     time.Time // when the last of them ended, or the cluster became large

		on     bool          // it is followed
		shown  bool          // and the cache shows it
		filled chan struct{} // closed when the cache does
	}
	bell chan struct{} // holds one element when there is something to look at for who decides whether to follow
}

func newDemand(o Follow) *demand {
	if o.Rest <= 0 {
		o.Rest = followRest
	}
	d := &demand{o: o, bell: make(chan struct{}, 1)}
	d.mu.filled = make(chan struct{})
	if o.Machines <= 0 { // whatever their number
		d.saw(0)
	}
	return d
}

// always tells whether the cluster is followed whatever happens. Then nothing else here counts.
func (d *demand) always() bool { return d.o.Count == nil }

func (d *demand) ring() {
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

// saw takes in how many machines there are. It takes a tenth less to be small again than it took to be large.
func (d *demand) saw(machines int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := d.o.Machines
	if d.mu.large {
		limit -= limit / 10
	}
	large := limit <= 0 || machines > limit
	if large != d.mu.large {
		d.mu.used = time.Now()
		d.ring()
	}
	d.mu.was = d.mu.was || large
	d.mu.counted, d.mu.large = true, large
}

// begin tells whether the cluster is to be followed; if so, it counts as followed from here on.
func (d *demand) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.on = d.mu.counted && (!d.mu.large || d.mu.kept || d.mu.requests > 0)
	return d.mu.on
}

// await blocks until the cluster is to be followed, or ctx ends. idle is called if there is a while to wait.
func (d *demand) await(ctx context.Context, idle func()) error {
	var next time.Time // when the machines are counted
	if d.known() {
		next = time.Now().Add(countPause())
	}
	told := false
	for !d.begin() {
		if d.known() && !told {
			told = true
			idle()
		}
		var count <-chan time.Time
		if d.o.Machines > 0 {
			count = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.bell:
		case <-count:
			n, err := d.o.Count(ctx)
			switch {
			case err == nil:
				d.saw(n)
				next = time.Now().Add(countPause())
			case d.known(): // as it was: who needs the cluster will hear of the store
				next = time.Now().Add(countPause())
			default:
				next = time.Now().Add(countRetry)
			}
		}
	}
	return nil
}

// countPause spreads the servers of a cluster, which may all have been started at once.
func countPause() time.Duration { return countEvery/2 + rand.N(countEvery) }

func (d *demand) known() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.counted
}

// fill notes that the cache shows the cluster.
func (d *demand) fill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.on && !d.mu.shown {
		d.mu.shown = true
		close(d.mu.filled)
	}
}

// over tells whether nobody needs the cluster any more, and otherwise when to look again; 0: when the bell rings. When it is
// over, drop is called before anybody can need it anew.
func (d *demand) over(drop func()) (over bool, again time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.mu.large || d.mu.kept:
		return false, 0
	case d.mu.requests > 0:
		return false, max(d.o.Rest/10, 1)
	}
	if left := time.Until(d.mu.used.Add(d.o.Rest)); left > 0 {
		return false, left
	}
	d.mu.on, d.mu.shown, d.mu.filled = false, false, make(chan struct{})
	drop()
	return true, 0
}

// rest returns true when nobody needs the cluster any more, and false when ctx ends.
func (d *demand) rest(ctx context.Context, drop func()) bool {
	for {
		over, again := d.over(drop)
		if over {
			return true
		}
		var look <-chan time.Time
		if again > 0 {
			look = time.After(again)
		}
		select {
		case <-ctx.Done():
			return false
		case <-d.bell:
		case <-look:
		}
	}
}

// enter counts a request that needs the cluster, until leave. The cache shows it when the channel is closed.
func (d *demand) enter() (filled <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.requests++
	if !d.mu.on {
		d.ring()
	}
	return d.mu.filled
}

func (d *demand) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.requests--
	d.mu.used = time.Now()
}

// patient tells whether who comes before the cache shows the cluster waits for that.
func (d *demand) patient() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.was
}

// shows tells whether the cache shows the cluster; one that is always followed counts as shown from the start.
func (d *demand) shows() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.always() || d.mu.shown
}

// Keep has the server follow the cluster although nobody asks it anything, or no more.
func (s *Server) Keep(following bool) {
	d := s.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.kept, d.mu.used = following, time.Now()
	d.ring()
}

// need waits until the cache shows the cluster, and has it do so until release is called.
func (s *Server) need(ctx context.Context) (release func(), err error) {
	if s.demand.always() {
		return func() {}, nil
	}
	filled := s.demand.enter()
	for {
		select {
		case <-filled:
			return s.demand.leave, nil
		default:
		}
		select {
		case <-filled:
		case <-ctx.Done():
			s.demand.leave()
			return nil, s.errNotBegun()
		case <-s.ended:
			s.demand.leave()
			return nil, errNotReady()
		case <-time.After(readyAgain):
			if s.ready() != nil {
				s.demand.leave()
				return nil, errNotReady()
			}
		}
	}
}

// needsCluster tells whether a request to a path of the API is answered from the cache. What another fleetd asks of this
// machine's systemd is not: a unit may be on all machines, and who reads its journal would have all of them follow the cluster.
func needsCluster(r *http.Request, path string) bool {
	switch first, _, _ := strings.Cut(path, "/"); first {
	case "discovery", "openapi.json", pathStore:
		return false
	}
	ofSystemd := path == pathJournal || path == pathStatus
	return !ofSystemd || r.Header.Get(forwardedHeader) == ""
}

// follow keeps a cache up to date until ctx ends. Its error is errRests when nobody needs it any more; then the server has another.
func (s *Server) follow(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	c := s.cache()
	if !s.demand.always() {
		var watching sync.WaitGroup
		defer watching.Wait()
		watching.Go(func() {
			if s.demand.rest(ctx, func() { s.shown.Store(newCache()) }) {
				end(errRests)
			}
		})
	}
	defer end(nil)
	err := s.store.Follow(ctx, func(u cluster.Update) error {
		began := time.Now()
		c.apply(u)
		s.o.Applied(Applied{Revision: u.Revision, Reset: u.Reset, Took: time.Since(began)})
		if !s.demand.always() {
			if countsMachines(u) {
				s.demand.saw(c.machines())
			}
			s.demand.fill()
		}
		return nil
	})
	if errors.Is(context.Cause(ctx), errRests) {
		return errRests
	}
	return err
}

// countsMachines tells whether there may be more machines, or fewer, with an update.
func countsMachines(u cluster.Update) bool {
	if u.Reset {
		return true
	}
	for _, change := range u.Changes {
		if _, ok := change.(cluster.MachineChanged); ok {
			return true
		}
	}
	return false
}

// machines is how many are present.
func (c *cache) machines() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.presentMachines())
}
