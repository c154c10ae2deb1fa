package hollow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"fleet/agent"
	"fleet/cluster"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/systemd/systemdtest"
)

// Machine is one hollow machine. What is on its host outlives the fleetd, as its units do in reality.
type Machine struct {
	ID   cluster.MachineID
	Host *systemdtest.Host

	o       *Options
	dir     string
	mortal  bool
	session presence.Volatile
	history registry.History
	log     *slog.Logger
	trouble *Trouble

	fleetd *fleetd // nil while none runs
	lost   bool
}

// fleetd is one life of a machine's fleetd.
type fleetd struct {
	line  Line
	end   context.CancelFunc
	ended chan struct{}
	err   error
	ready chan struct{} // closed when its session is served
}

// start starts fleetd, and returns when the machine is in the cluster.
func (m *Machine) start(ctx context.Context) error {
	line, err := m.o.Dial(ctx, m.mortal)
	if err != nil {
		return fmt.Errorf("connect machine %s: %w", m.ID, err)
	}
	records := registry.New(line, registry.Options{Logger: m.log, History: m.history})
	host := m.Host.Manager()
	worker, err := agent.New(host, agent.Options{
		Machine: m.ID, BootID: m.boot(), StateFile: filepath.Join(m.dir, "agent.json"), Logger: m.log,
	})
	if err != nil {
		return errors.Join(err, line.Close())
	}
	f := &fleetd{line: line, ended: make(chan struct{}), ready: make(chan struct{})}
	in := sync.OnceFunc(func() { close(f.ready) })
	member := presence.New(records, worker, presence.Options{
		Machine: cluster.Machine{
			ID: m.ID, Session: cluster.Session{BootID: m.boot()}, Address: "10.0.0.1", Capacity: m.o.capacity(), Version: cluster.Version,
		},
		LeaseTTL: m.o.TTL,
		Brain:    brain,
		Memory:   &m.session,
		Status: func(words string) {
			if strings.HasPrefix(words, "In the cluster") {
				in()
			}
		},
		Logger: m.log,
	})
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	f.end = end
	group, life := errgroup.WithContext(life)
	for _, run := range []func(context.Context) error{host.Run, worker.Run, member.Run} {
		group.Go(func() error {
			if err := run(life); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("machine %s: %w", m.ID, err)
			}
			return nil
		})
	}
	go func() {
		f.err = group.Wait()
		m.history = records.History()
		close(f.ended)
	}()
	m.fleetd = f
	select {
	case <-f.ready:
		return nil
	case <-f.ended:
		return errors.Join(f.err, fmt.Errorf("machine %s does not join", m.ID))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends fleetd as "systemctl stop" does. Units go on.
func (m *Machine) stop() error {
	f := m.fleetd
	if f == nil {
		return nil
	}
	m.fleetd = nil
	f.end()
	<-f.ended
	return errors.Join(f.err, f.line.Close())
}

// lose takes the power from the machine: nothing that it says reaches anybody any more, and nothing ends in order.
func (m *Machine) lose() {
	m.lost = true
	m.trouble.expectLoss(m.ID)
	m.fleetd.line.Cut()
	m.Host.Crash()
	m.fleetd.end()
}

func (m *Machine) boot() string { return "boot-of-" + string(m.ID) }
