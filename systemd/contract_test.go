package systemd_test

import (
	"context"
	"os"
	"testing"

	"fleet/systemd"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// connect runs a Manager on the host's systemd for as long as the test, and
// removes what the test loaded. The variable says that this process may do so:
// FLEET_TEST_SYSTEMD=system as root, FLEET_TEST_SYSTEMD=user on a session bus.
// Either is meant for a host that is there to be tried on: see functional.
func connect(t testing.TB) *systemd.Manager {
	t.Helper()
	which := os.Getenv("FLEET_TEST_SYSTEMD")
	if which == "" {
		t.Skip("FLEET_TEST_SYSTEMD is not set: no systemd to test with")
	}
	m, err := systemd.New(systemd.Options{User: which == "user"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, m)
	t.Cleanup(func() { removeAll(t, m) })
	removeAll(t, m)
	return m
}

// run keeps the connection until the test ends.
func run(t testing.TB, m *systemd.Manager) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func removeAll(t testing.TB, m *systemd.Manager) {
	ctx := context.Background()
	files, err := m.Files(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var names []unit.Name
	stopped := make(chan error)
	for n := range files {
		names = append(names, n)
		go func() {
			_, err := m.Stop(ctx, n)
			stopped <- err
		}()
	}
	for range names {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
	failed, err := m.Unload(ctx, names)
	if err != nil || len(failed) > 0 {
		t.Errorf("clean up: %v, %v", failed, err)
	}
}

func TestContract(t *testing.T) {
	systemdtest.Contract(t, func(t *testing.T, test func(*testing.T, systemdtest.Subject)) {
		m := connect(t)
		s := systemdtest.Subject{Systemd: m, HostUnit: "dbus.service", HostInstance: "getty@tty9.service", Mounts: true}
		if os.Getenv("FLEET_TEST_SYSTEMD") == "user" {
			s.HostInstance, s.Mounts = "", false
		}
		test(t, s)
	})
}
