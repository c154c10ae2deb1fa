package registry_test

import (
	"context"
	"fmt"
	"testing"

	"fleet/cluster"
	"fleet/registry"
	"fleet/unit"
)

func BenchmarkUpdateUnitOnEtcd(b *testing.B) {
	r := registry.New(dial(b, startEtcd(b)), registry.Options{})
	for b.Loop() {
		_, err := r.UpdateUnit(b.Context(), app, launch(app, file))
		must(b, err)
	}
}

// BenchmarkCommitOnEtcd writes the orders of two machines with many units each: a move.
func BenchmarkCommitOnEtcd(b *testing.B) {
	for _, units := range []int{10, 1000} {
		b.Run(fmt.Sprintf("units=%d", units), func(b *testing.B) {
			r := registry.New(dial(b, startEtcd(b)), registry.Options{})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			err := r.Join(ctx, machine("m1", "boot", "10.0.0.1"), registry.JoinOptions{}, func(ctx context.Context, m *registry.Member) error {
				return m.Lead(ctx, func(ctx context.Context, term *registry.Term) error {
					orders := cluster.Orders{Session: m.Session(), Units: make(map[unit.Name]cluster.Order)}
					for i := range units {
						orders.Units[unit.Name(fmt.Sprintf("web@%d.service", i))] = cluster.Order{
							Content: unit.IDOf([]byte(file)), Desired: cluster.Launched, Generation: 1000, Reason: "fewest units",
						}
					}
					for b.Loop() {
						_, err := term.Commit(ctx, cluster.Decision{Orders: map[cluster.MachineID]cluster.Orders{"m1": orders, "m2": orders}})
						must(b, err)
					}
					return nil
				})
			})
			must(b, err)
		})
	}
}
