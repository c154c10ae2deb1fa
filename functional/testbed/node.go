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
	"time"
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

// enterGroup moves itself into a cgroup and becomes the command. It is not cloned
// into the cgroup (CLONE_INTO_CGROUP): kernels of 2025 end such a child at once when
// the cgroup was ever killed.
const enterGroup = `echo $$ >"$0/cgroup.procs" && exec "$@"`

// launch starts a command that outlives us, in the node's cgroup: a session of
// its own, no terminal, its output in a log file. It returns when the command is
// in the cgroup.
func (n *node) launch(ctx context.Context, log string, env []string, args ...string) error {
	if err := n.group.create(); err != nil {
		return err
	}
	output, err := os.OpenFile(filepath.Join(n.dir, log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	defer output.Close()

	cmd := exec.Command("sh", append([]string{"-c", enterGroup, n.group.path()}, args...)...)
	cmd.Dir = "/"
	cmd.Env = append([]string{defaultPath}, env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = poll(ctx, time.Millisecond, func() (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("it ended at once (%v): %s", err, n.logTail(log))
		default:
			return n.group.populated()
		}
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
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
