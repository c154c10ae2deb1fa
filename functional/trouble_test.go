//go:build functional

package functional

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// customer is somebody who asks for one thing after the other of one unit, and
// remembers what was asked for last.
type customer struct {
	name    unit.Name
	random  *rand.Rand
	clients []*api.Client

	version int
	desired cluster.DesiredState // empty: destroyed
	history []string
}

func (c *customer) text() string {
	return fmt.Sprintf("[Unit]\nStartLimitIntervalSec=0\n%sEnvironment=VERSION=%d\n", stamped, c.version)
}

// ask asks for something until it is granted.
func (c *customer) ask(ctx context.Context) error {
	var what string
	var request func(*api.Client) error
	switch dice := c.random.IntN(10); {
	case c.desired == "" || dice < 2:
		c.version++
		c.desired = cluster.Launched
		what = fmt.Sprintf("put version %d", c.version)
		request = func(a *api.Client) error {
			_, err := a.PutFile(ctx, c.name, []byte(c.text()), api.PutFileOptions{Desired: cluster.Launched})
			return err
		}
	case dice < 4:
		c.desired = ""
		what = "destroy"
		request = func(a *api.Client) error {
			_, err := a.Destroy(ctx, c.name)
			if errors.Is(err, api.ErrNotFound) {
				return nil // an earlier try was carried out without an answer
			}
			return err
		}
	case dice < 5 && c.desired == cluster.Launched:
		what = "restart"
		request = func(a *api.Client) error { _, err := a.Restart(ctx, c.name); return err }
	default:
		states := []cluster.DesiredState{cluster.Inactive, cluster.Loaded, cluster.Launched, cluster.Launched}
		c.desired = states[c.random.IntN(len(states))]
		what = string(c.desired)
		request = func(a *api.Client) error { _, err := a.SetDesired(ctx, c.name, c.desired); return err }
	}
	for {
		err := request(c.clients[c.random.IntN(len(c.clients))])
		var answer *api.Error
		if errors.As(err, &answer) && answer.Code/100 == 4 {
			return fmt.Errorf("%s %s: %w", what, c.name, err)
		}
		if err == nil {
			c.history = append(c.history, time.Now().Format("05.000 ")+what)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause()
	}
}

// While customers change their minds, daemons are killed, paused and restarted
// under them, never for as long as a lease. In the end everything is as was asked for
// last, and at no time two copies of anything ran.
func TestInAMinuteOfTroubleNothingIsLostAndNothingRunsTwice(t *testing.T) {
	t.Parallel()
	const during = 40 * time.Second
	w := start(t, testbed.Spec{Name: "chaos", Hosts: 4, TTL: ttl})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)

	var customers []*customer
	for i := range 12 {
		customers = append(customers, &customer{
			name: unit.Name(fmt.Sprintf("whim%02d.service", i)), random: rand.New(rand.NewPCG(seed, uint64(i))), clients: w.clientsOf(w.Hosts()...),
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*during)
	defer cancel()
	end := time.Now().Add(during)
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range customers {
		group.Go(func() error {
			for time.Now().Before(end) {
				if err := c.ask(ctx); err != nil {
					return err
				}
				time.Sleep(time.Duration(c.random.IntN(3000)) * time.Millisecond)
			}
			return nil
		})
	}
	group.Go(func() error { return trouble(ctx, t, w.Hosts(), rand.New(rand.NewPCG(seed, 99)), end) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	asked, ran := 0, 0
	for _, c := range customers {
		w.settles(c)
		asked += len(c.history)
		ran += len(w.spans(c.name))
	}
	t.Logf("%d requests, %d runs", asked, ran)
	if asked < 100 || ran < 30 {
		t.Error("too little happened to prove anything")
	}
	for _, h := range w.Hosts() {
		for _, file := range w.unitFiles(h) {
			i := slices.IndexFunc(customers, func(c *customer) bool { return string(c.name) == file })
			if c := customers[i]; c.desired == "" || c.desired == cluster.Inactive {
				t.Errorf("%s has the file of %s, which was asked for: %v", h.Name, file, c.history)
			}
		}
	}
}

// settles waits until a customer has what was asked for last.
func (w *world) settles(c *customer) {
	w.t.Helper()
	var u api.Unit
	switch c.desired {
	case "":
		w.await(2*soon, c.name, fmt.Sprintf("it is gone after %v", c.history), gone)
	case cluster.Inactive:
		w.await(2*soon, c.name, fmt.Sprintf("it is nowhere after %v", c.history), func(u api.Unit) bool { return done(u) && len(u.Copies) == 0 })
	case cluster.Loaded:
		u = w.await(2*soon, c.name, fmt.Sprintf("it is loaded after %v", c.history), func(u api.Unit) bool {
			return done(u) && len(u.Copies) == 1 && (u.Copies[0].Active == "inactive" || u.Copies[0].Active == "failed")
		})
	case cluster.Launched:
		u = w.await(2*soon, c.name, fmt.Sprintf("it runs after %v", c.history), func(u api.Unit) bool { return runs(u) && len(u.Copies) == 1 })
	}
	if len(u.Copies) > 0 {
		h := w.hostOf(u.Copies[0].MachineID)
		if got := w.show(h, c.name, "Environment"); got != fmt.Sprintf("VERSION=%d", c.version) {
			w.t.Errorf("%s is %s on %s after %v", c.name, got, h.Name, c.history)
		}
	}
	w.neverTwo(c.name, nil)
}

// trouble makes trouble until then, on one host at a time.
func trouble(ctx context.Context, t *testing.T, hosts []*testbed.Host, random *rand.Rand, until time.Time) error {
	for time.Now().Before(until) {
		h := hosts[random.IntN(len(hosts))]
		var err error
		kind := random.IntN(6)
		switch kind {
		case 0:
			err = h.KillFleetd(ctx)
		case 1:
			err = h.RestartFleetd(ctx)
		case 2:
			err = errors.Join(h.PauseFleetd(ctx), wait(ctx, 2*time.Second), h.ResumeFleetd(ctx))
		case 3:
			_, err = h.Exec(ctx, "systemctl", "restart", "dbus.service")
		case 4:
			_, err = h.Exec(ctx, "systemctl", "daemon-reexec")
		case 5:
			err = errors.Join(h.Cut(ctx, testbed.Drop), wait(ctx, 2*time.Second), h.Heal(ctx))
		}
		t.Logf("%s trouble %d on %s: %v", time.Now().Format("05.000"), kind, h.Name, err)
		if err := wait(ctx, time.Duration(random.IntN(2000))*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
