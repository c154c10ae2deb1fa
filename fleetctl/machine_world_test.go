package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// sessionTTL is long: no machine is lost because this one is busy. An engine that has just been elected has patience
// with machines that are lost for as long.
const sessionTTL = time.Minute

// programs are the commands that scripts may name in ExecStart=. Any other runs until it is stopped.
//
//	/fails     ends at once, with status 3
//	/homesick  does so on every machine but the first
//	/moody     does so in every boot but the first
//	/dies      lives a little longer, well within the grace that fleetctl gives a start
//	/flaps     likewise
//	/slow      takes until "cluster finish UNIT" to be started and to be stopped
//
// A unit with ConditionPathExists=/nonexistent is not started, as anywhere.
func programs(id cluster.MachineID, boot string) map[string]systemdtest.Program {
	fails := systemdtest.Program{Ends: true, Status: 3, Log: []string{"boom: no such table", "exiting"}}
	dies := fails
	dies.After = grace / 5
	all := map[string]systemdtest.Program{"/fails": fails, "/dies": dies, "/flaps": dies, "/slow": {Held: true}}
	if id != firstMachine {
		all["/homesick"] = fails
	}
	if boot != "boot" {
		all["/moody"] = fails
	}
	return all
}

// machine is a host in memory with what a fleetd runs on it. Its API is for the other machine.
type machine struct {
	id      cluster.MachineID
	journal *worldJournal
	server  *http.Server

	host   *systemdtest.Host
	client *memory.Client
	member *presence.Presence
	end    context.CancelFunc
	parts  sync.WaitGroup

	hold presence.Volatile
}

// startMachine has the machine with that number join the cluster, in a boot of that id.
func startMachine(store *memory.Server, id cluster.MachineID, number int, boot string) *machine {
	m := &machine{id: id, host: systemdtest.NewHost(), client: store.Client()}
	for path, p := range programs(id, boot) {
		m.host.Install(path, p)
	}
	connection := m.host.Manager()
	m.journal = &worldJournal{id: id, manager: connection, changed: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("listen on the loopback interface: %v", err))
	}
	worker, err := agent.New(connection, agent.Options{Machine: id, BootID: boot})
	if err != nil {
		panic(err)
	}
	m.member = presence.New(registry.New(m.client, registry.Options{}), worker, presence.Options{
		Machine: cluster.Machine{
			ID: id, Session: cluster.Session{BootID: boot}, Address: fmt.Sprintf("10.0.0.%d", number), Version: "2.0.0",
			API:      "http://" + l.Addr().String(),
			Metadata: map[string]string{"zone": fmt.Sprintf("z%d", number), "disk": "hdd"},
			Capacity: cluster.Capacity{Resources: unit.Resources{Memory: int64(number) << 30, CPU: 4000}},
		},
		LeaseTTL: sessionTTL,
		Memory:   &m.hold,
		Logger:   slog.New(slog.DiscardHandler),
	})
	ctx, end := context.WithCancel(context.Background())
	m.end = end
	m.listen(ctx, l, registry.New(store.Client(), registry.Options{}))
	for _, run := range []func(context.Context) error{connection.Run, worker.Run, m.member.Run} {
		m.parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				panic(fmt.Sprintf("machine %s: %v", id, err))
			}
		})
	}
	return m
}

// stop ends fleetd in good order.
func (m *machine) stop() {
	m.end()
	m.parts.Wait()
}

// crash is a loss of power. What of fleetd has not noticed yet cannot do anything any more.
func (m *machine) crash() {
	m.client.Cut()
	m.end()
	m.host.Crash()
}

func (m *machine) session() cluster.Session { return m.hold.Load().Session }
