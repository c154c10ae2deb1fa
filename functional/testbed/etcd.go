package testbed

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
)

const etcdLog = "etcd.log"

// Etcd is one separate etcd process with a network namespace of its own.
type Etcd struct {
	node
}

func newEtcd(s state, root string, index int) *Etcd {
	return &Etcd{node: newNode(s, root, "e", index, firstEtcdAddress+index)}
}

// URL is where the process answers etcd's clients.
func (e *Etcd) URL() string { return endpoint(e.Address, clientPort) }

// DataDir is where the process keeps its data on this machine.
func (e *Etcd) DataDir() string { return filepath.Join(e.dir, "data") }

// start makes the process run, without waiting for a quorum.
func (e *Etcd) start(ctx context.Context, s state) error {
	populated, err := e.group.populated()
	if populated || err != nil {
		return err
	}
	if err := e.ensureNetwork(ctx); err != nil {
		return err
	}
	if s.EtcdDisks {
		if err := e.ensureDisk(ctx); err != nil {
			return err
		}
	}
	return e.launch(ctx, etcdLog, nil,
		"nsenter", "--net="+filepath.Join(netnsDir, e.link), "--",
		filepath.Join(s.Source, "bin/etcd"),
		"--name="+e.Name, "--data-dir="+e.DataDir(), "--log-level=warn",
		"--listen-peer-urls="+endpoint(e.Address, peerPort),
		"--initial-advertise-peer-urls="+endpoint(e.Address, peerPort),
		"--listen-client-urls="+e.URL(), "--advertise-client-urls="+e.URL(),
		"--initial-cluster="+externalCluster(s), "--initial-cluster-token="+s.Name)
}

// PID is the process as this machine sees it.
func (e *Etcd) PID() (int, error) {
	pids, err := e.group.processes("")
	if err != nil {
		return 0, err
	}
	if len(pids) != 1 {
		return 0, fmt.Errorf("etcd %s has %d processes", e.Name, len(pids))
	}
	return pids[0], nil
}

// Kill ends the process by SIGKILL.
func (e *Etcd) Kill(ctx context.Context) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return e.group.kill(ctx)
}

// Freeze has the process stand still; Thaw continues it.
func (e *Etcd) Freeze(ctx context.Context) error { return e.freeze(ctx, true) }

// Thaw ends a Freeze.
func (e *Etcd) Thaw(ctx context.Context) error { return e.freeze(ctx, false) }

func (e *Etcd) freeze(ctx context.Context, frozen bool) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return e.group.freeze(ctx, frozen)
}

// Stop ends the process in order.
func (e *Etcd) Stop(ctx context.Context) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	pids, err := e.group.processes("")
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("stop etcd %s: %w", e.Name, err)
		}
	}
	return e.group.waitEmpty(ctx)
}

func endpoint(address netip.Addr, port int) string {
	return fmt.Sprintf("http://%s:%d", address, port)
}

// etcdServers lists the client URLs of the cluster's etcd, embedded or not.
func etcdServers(s state) string {
	var urls []string
	for _, i := range s.Members {
		urls = append(urls, endpoint(address(s.Slot, i), clientPort))
	}
	if s.ExternalEtcd {
		for i := 1; i <= ExternalMembers; i++ {
			urls = append(urls, endpoint(address(s.Slot, firstEtcdAddress+i), clientPort))
		}
	}
	return strings.Join(urls, ",")
}

// initialCluster lists the peers of the embedded etcd.
func initialCluster(s state) string {
	var peers []string
	for _, i := range s.Members {
		peers = append(peers, fmt.Sprintf("h%d=%s", i, endpoint(address(s.Slot, i), peerPort)))
	}
	return strings.Join(peers, ",")
}

// externalCluster lists the peers of the separate etcd processes.
func externalCluster(s state) string {
	var peers []string
	for i := 1; i <= ExternalMembers; i++ {
		peers = append(peers, fmt.Sprintf("e%d=%s", i, endpoint(address(s.Slot, firstEtcdAddress+i), peerPort)))
	}
	return strings.Join(peers, ",")
}
