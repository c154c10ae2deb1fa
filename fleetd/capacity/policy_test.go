package capacity_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/fleetd/capacity"
	"fleet/unit"
)

var eight = capacity.Host{Memory: 8 * giga, Physical: 8 * giga, CPU: 4000, Disk: 100 * giga}

func of(value int64) *capacity.Amount       { return &capacity.Amount{Value: value} }
func percent(points int64) *capacity.Amount { return &capacity.Amount{Share: points * 100} }

func TestOffer(t *testing.T) {
	for name, c := range map[string]struct {
		policy capacity.Policy
		host   capacity.Host
		want   unit.Resources
	}{
		"what is detected, less the default reserves": {
			host: eight,
			want: unit.Resources{Memory: 8*giga - 8*giga/10, CPU: 3800, Disk: 90 * giga},
		},
		"large machines keep no more for themselves than enough": {
			host: capacity.Host{Memory: 512 * giga, CPU: 128000, Disk: 10000 * giga},
			want: unit.Resources{Memory: 510 * giga, CPU: 127000, Disk: 9980 * giga},
		},
		"small machines keep enough": {
			host: capacity.Host{Memory: giga, CPU: 1000, Disk: 10 * giga},
			want: unit.Resources{Memory: 768 * mega, CPU: 950, Disk: 9 * giga},
		},
		"tiny machines offer half": {
			host: capacity.Host{Memory: 128 * mega, CPU: 1000, Disk: giga},
			want: unit.Resources{Memory: 64 * mega, CPU: 950, Disk: giga - giga/10},
		},
		"a capacity that is set is offered whole": {
			policy: capacity.Policy{Memory: capacity.Rule{Capacity: of(3 * giga)}, CPU: capacity.Rule{Capacity: of(64000)}, Disk: capacity.Rule{Capacity: percent(50)}},
			host:   eight,
			want:   unit.Resources{Memory: 3 * giga, CPU: 64000, Disk: 50 * giga},
		},
		"unless a reserve is set as well": {
			policy: capacity.Policy{Memory: capacity.Rule{Capacity: of(3 * giga), Reserve: of(giga)}},
			host:   eight,
			want:   unit.Resources{Memory: 2 * giga, CPU: 3800, Disk: 90 * giga},
		},
		"reserves that are set": {
			policy: capacity.Policy{Memory: capacity.Rule{Reserve: percent(25)}, CPU: capacity.Rule{Reserve: of(0)}, Disk: capacity.Rule{Reserve: of(100 * giga)}},
			host:   eight,
			want:   unit.Resources{Memory: 6 * giga, CPU: 4000, Disk: 0},
		},
		"countable ones": {
			policy: capacity.Policy{Named: map[string]int64{"gpu": 2}},
			host:   eight,
			want:   unit.Resources{Memory: 8*giga - 8*giga/10, CPU: 3800, Disk: 90 * giga, Named: map[string]int64{"gpu": 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.policy.Offer(c.host)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Resources); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.PhysicalMemory != c.host.Physical {
				t.Errorf("physical memory %d, the host's is %d", got.PhysicalMemory, c.host.Physical)
			}
		})
	}
}

func TestAReserveLargerThanTheCapacityIsAnError(t *testing.T) {
	_, err := capacity.Policy{Memory: capacity.Rule{Reserve: of(9 * giga)}}.Offer(eight)
	var reserve *capacity.ReserveError
	if !errors.As(err, &reserve) || *reserve != (capacity.ReserveError{Resource: unit.Memory, Reserve: 9 * giga, Capacity: 8 * giga}) {
		t.Errorf("error %v", err)
	}
}

func TestWhateverTheHostHasDefaultsOfferSomeOfItAndNotMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(2, 1e9) // what ParseAmount takes of any of them
		h := capacity.Host{Memory: amount.Draw(t, "memory"), CPU: amount.Draw(t, "cpu"), Disk: amount.Draw(t, "disk")}
		got, err := capacity.Policy{}.Offer(h)
		if err != nil {
			t.Fatal(err)
		}
		if got.Memory < h.Memory/2 || got.Memory > h.Memory || got.CPU < h.CPU/2 || got.CPU > h.CPU || got.Disk < h.Disk/2 || got.Disk > h.Disk {
			t.Errorf("of %+v it offers %+v", h, got.Resources)
		}
	})
}

func TestShareDoesNotOverflow(t *testing.T) {
	if got := (capacity.Amount{Share: 10000}).Of(1<<62 + 12345); got != 1<<62+12345 {
		t.Errorf("100 %% of %d is %d", int64(1<<62+12345), got)
	}
}

func TestOnlyWhatMattersIsMoved(t *testing.T) {
	said := cluster.Capacity{Resources: unit.Resources{Memory: 8 * giga, CPU: 4000, Disk: 100 * giga}, PhysicalMemory: 8 * giga}
	for name, c := range map[string]struct {
		change func(*cluster.Capacity)
		want   bool
	}{
		"nothing":                      {func(*cluster.Capacity) {}, false},
		"a few megabytes of a balloon": {func(c *cluster.Capacity) { c.Memory += 5 * mega }, false},
		"memory was plugged in":        {func(c *cluster.Capacity) { c.Memory += giga }, true},
		"a CPU was taken away":         {func(c *cluster.Capacity) { c.CPU -= 1000 }, true},
		"the disk grew":                {func(c *cluster.Capacity) { c.Disk *= 2 }, true},
		"only percentages change":      {func(c *cluster.Capacity) { c.PhysicalMemory *= 2 }, true},
	} {
		now := said
		c.change(&now)
		if got := capacity.Moved(said, now); got != c.want {
			t.Errorf("%s: moved is %t", name, got)
		}
	}
}
