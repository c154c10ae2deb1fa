package hollow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Etcd is one etcd process with one member.
type Etcd struct {
	address string // of its clients' port
	command *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// etcdStart is how long etcd may take until it answers.
const etcdStart = time.Minute

// StartEtcd starts an etcd on this host, with its data and its log in a folder. Its settings are those that fleet gives to the one it
// embeds: old revisions are kept for five minutes.
func StartEtcd(ctx context.Context, binary, dir string) (*Etcd, error) {
	client, err := freePort()
	if err != nil {
		return nil, err
	}
	peer, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "etcd.log"))
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	e := &Etcd{address: client, log: log, ended: make(chan struct{})}
	e.command = exec.Command(binary,
		"--name=e1", "--data-dir="+filepath.Join(dir, "data"), "--log-level=warn",
		"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=e1=http://"+peer,
		"--auto-compaction-mode=periodic", "--auto-compaction-retention=5m", "--quota-backend-bytes="+strconv.Itoa(8<<30))
	e.command.Stdout, e.command.Stderr = log, log
	e.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start etcd: %w", err), log.Close())
	}
	go func() {
		_ = e.command.Wait() // how it ended tells its log
		close(e.ended)
	}()
	if err := e.awaitHealth(ctx); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// freePort is an address that nobody listens at.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port for etcd: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (e *Etcd) awaitHealth(ctx context.Context) error {
	for until := time.Now().Add(etcdStart); ; {
		body, err := e.get(ctx, "/health")
		if err == nil && strings.Contains(body, `"true"`) {
			return nil
		}
		select {
		case <-e.ended:
			return fmt.Errorf("etcd does not start: see %s", e.log.Name())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(until) {
			return fmt.Errorf("etcd does not answer: %w", err)
		}
	}
}

// Address is where clients connect.
func (e *Etcd) Address() string { return e.address }

// Stop ends the process.
func (e *Etcd) Stop() error {
	_ = e.command.Process.Kill() // it may have ended
	<-e.ended
	return e.log.Close()
}

// EtcdCost is what an etcd has cost, from its start unless said otherwise.
type EtcdCost struct {
	CPU         time.Duration
	Memory      int64 // bytes that are resident now
	Database    int64 // bytes of the file
	InUse       int64 // of these
	Connections int   // now
	Watchers    int   // now
	Sent        int64 // bytes to clients
	Received    int64
	Revisions   int64 // transactions that changed something
}

// Cost looks at the process.
func (e *Etcd) Cost(ctx context.Context) (EtcdCost, error) {
	process, err := processCost(e.command.Process.Pid)
	if err != nil {
		return EtcdCost{}, fmt.Errorf("look at etcd: %w", err)
	}
	figures, err := e.metrics(ctx)
	if err != nil {
		return EtcdCost{}, fmt.Errorf("look at etcd: %w", err)
	}
	return EtcdCost{
		CPU: process.CPU, Memory: process.Memory, Connections: process.Sockets - 4, // its listeners, the one that asks, and its own client
		Database: int64(figures["etcd_mvcc_db_total_size_in_bytes"]), InUse: int64(figures["etcd_mvcc_db_total_size_in_use_in_bytes"]),
		Watchers: int(figures["etcd_debugging_mvcc_watcher_total"]),
		Sent:     int64(figures["etcd_network_client_grpc_sent_bytes_total"]), Received: int64(figures["etcd_network_client_grpc_received_bytes_total"]),
		Revisions: int64(figures["etcd_debugging_mvcc_current_revision"]),
	}, nil
}

// metrics are those that have no labels.
func (e *Etcd) metrics(ctx context.Context) (map[string]float64, error) {
	body, err := e.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	figures := make(map[string]float64)
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			figures[name] = f
		}
	}
	return figures, nil
}

func (e *Etcd) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.address+path, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}
