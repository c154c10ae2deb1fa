package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// node is what hosts and etcd processes have in common: an address in a network
// namespace, a cgroup that holds its processes, a directory.
type node struct {
	Index   int
	Name    string
	Address netip.Addr

	cluster string
	slot    int
	link    string // name of its network namespace and of its port on the bridge
	dir     string
	group   cgroup
}

func newNode(s state, root, prefix string, index, lastByte int) node {
	name := fmt.Sprintf("%s%d", prefix, index)
	return node{
		Index:   index,
		Name:    name,
		Address: address(s.Slot, lastByte),
		cluster: s.Name,
		slot:    s.Slot,
		link:    bridgeName(s.Slot) + "-" + name,
		dir:     filepath.Join(stateDir(s.Name), name),
		group:   cgroup{root: root, name: filepath.Join(clusterGroup(s.Name), name)},
	}
}

func clusterGroup(name string) string { return filepath.Join("fleet-testbed", name) }

func (n *node) lock(ctx context.Context) (func(), error) {
	return lock(ctx, n.cluster+"."+n.Name)
}

// launch starts a command that outlives us, in the node's cgroup: a session of
// its own, no terminal, its output in a log file.
func (n *node) launch(log string, env []string, args ...string) error {
	if err := n.group.create(); err != nil {
		return err
	}
	group, err := os.Open(n.group.path())
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	defer group.Close()
	output, err := os.OpenFile(filepath.Join(n.dir, log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	defer output.Close()

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{defaultPath}, env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	go cmd.Wait() // reaps it, should it end before we do
	return nil
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// logTail returns the end of one of the node's log files.
func (n *node) logTail(log string) string {
	const most = 4096
	data, err := os.ReadFile(filepath.Join(n.dir, log))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-most):])
}

// ErrOff is returned by operations that need a host that is on.
var ErrOff = errors.New("is off")
