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

	"fleet/cluster"
	"fleet/functional/customer"
	"fleet/functional/testbed"
	"fleet/unit"
)

// whim is the file of a customer's unit.
func whim(version int) string {
	return fmt.Sprintf("[Unit]\nStartLimitIntervalSec=0\n%sEnvironment=VERSION=%d\n", stamped, version)
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

	var customers []*customer.Customer
	for i := range 12 {
		customers = append(customers, &customer.Customer{
			Name: unit.Name(fmt.Sprintf("whim%02d.service", i)), Text: whim,
			Random: rand.New(rand.NewPCG(seed, uint64(i))), Clients: w.clientsOf(w.Hosts()...),
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*during)
	defer cancel()
	end := time.Now().Add(during)
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range customers {
		group.Go(func() error {
			for time.Now().Before(end) {
				if err := c.Ask(ctx); err != nil {
					return err
				}
				time.Sleep(time.Duration(c.Random.IntN(3000)) * time.Millisecond)
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
		asked += len(c.History)
		ran += len(w.spans(c.Name))
	}
	t.Logf("%d requests, %d runs", asked, ran)
	if asked < 100 || ran < 30 {
		t.Error("too little happened to prove anything")
	}
	for _, h := range w.Hosts() {
		for _, file := range w.unitFiles(h) {
			i := slices.IndexFunc(customers, func(c *customer.Customer) bool { return string(c.Name) == file })
			if c := customers[i]; c.Desired == "" || c.Desired == cluster.Inactive {
				t.Errorf("%s has the file of %s, which was asked for: %v", h.Name, file, c.History)
			}
		}
	}
}

// settles waits until a customer has what was asked for last.
func (w *world) settles(c *customer.Customer) {
	w.t.Helper()
	u := w.await(2*soon, c.Name, fmt.Sprintf("it is as was asked for: %v", c.History), c.Settled)
	if len(u.Copies) > 0 {
		h := w.hostOf(u.Copies[0].MachineID)
		if got := w.show(h, c.Name, "Environment"); got != fmt.Sprintf("VERSION=%d", c.Version) {
			w.t.Errorf("%s is %s on %s after %v", c.Name, got, h.Name, c.History)
		}
	}
	w.neverTwo(c.Name, nil)
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
