package registry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
)

// A machine that was rebooted waits for its former session to end. When another member of the store leads meanwhile
// that lasts longer, and is no reason to take the machine's id for another machine's.
func TestALeaseThatTheStoreProlongsIsNotTakenForAnotherMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		r := registry.New(server.Client(), registry.Options{})
		join := func(ctx context.Context, boot string) (joined bool, err error) {
			m := cluster.Machine{ID: "m1", Address: "10.0.0.1", Session: cluster.Session{BootID: boot}}
			err = r.Join(ctx, m, registry.JoinOptions{}, func(ctx context.Context, _ *registry.Member) error {
				joined = true
				<-ctx.Done()
				return nil
			})
			return joined, err
		}
		before, reboot := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, reboot)
		if joined, err := join(before, "boot-1"); !joined || err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, server.Elect)
		after, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, stop)
		if joined, err := join(after, "boot-2"); !joined || err != nil {
			t.Errorf("the machine could not join again: %v", err)
		}
	})
}
