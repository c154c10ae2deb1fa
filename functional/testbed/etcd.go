package testbed

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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

// start makes the process run, without waiting for a quorum.
func (e *Etcd) start(ctx context.Context, s state) error {
	populated, err := e.group.populated()
	if populated || err != nil {
		return err
	}
	if err := e.ensureNetwork(ctx); err != nil {
		return err
	}
	return e.launch(ctx, etcdLog, nil,
		"nsenter", "--net="+filepath.Join(netnsDir, e.link), "--",
		filepath.Join(s.Source, "bin/etcd"),
		"--name="+e.Name, "--data-dir="+filepath.Join(e.dir, "data"), "--log-level=warn",
		"--listen-peer-urls="+endpoint(e.Address, peerPort),
		"--initial-advertise-peer-urls="+endpoint(e.Address, peerPort),
		"--listen-client-urls="+e.URL(), "--advertise-client-urls="+e.URL(),
		"--initial-cluster="+externalCluster(s), "--initial-cluster-token="+s.Name)
}

// Healthy waits until the process answers and knows a leader.
func (e *Etcd) Healthy(ctx context.Context) error {
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		populated, err := e.group.populated()
		if err != nil {
			return false, err
		}
		if !populated {
			return false, fmt.Errorf("it ended; the end of its log:\n%s", e.logTail(etcdLog))
		}
		return answers(ctx, e.URL()+"/health"), nil
	})
	if err != nil {
		return fmt.Errorf("wait for etcd %s: %w", e.Name, err)
	}
	return nil
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

// answers says whether a GET of the URL is a 200 within two seconds.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Close = true // a kept connection to a killed host would stall the next question
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
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
