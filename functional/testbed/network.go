package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

const netnsDir = "/run/netns"

// A cluster's addresses: host i is 10.213.SLOT.i, etcd process i is
// 10.213.SLOT.(200+i), the bridge, which is this machine, is 10.213.SLOT.254.
const (
	firstEtcdAddress = 200
	bridgeAddress    = 254
)

func subnet(slot int) netip.Prefix { return netip.PrefixFrom(address(slot, 0), 24) }

func address(slot, last int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 213, byte(slot), byte(last)})
}

func bridgeName(slot int) string { return fmt.Sprintf("flt%d", slot) }

// ensureBridge makes the cluster's bridge, or completes it.
func ensureBridge(ctx context.Context, slot int) error {
	bridge := bridgeName(slot)
	if !interfaceExists(bridge) {
		if _, err := run(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	if _, err := run(ctx, "ip", "address", "replace", fmt.Sprintf("%s/24", address(slot, bridgeAddress)), "dev", bridge); err != nil {
		return err
	}
	_, err := run(ctx, "ip", "link", "set", bridge, "up")
	return err
}

// ensureNetwork makes the node's network namespace and its link to the bridge, or
// completes what an interrupted run left, and applies the cut that was asked for.
func (n *node) ensureNetwork(ctx context.Context) error {
	if err := n.ensureNamespace(ctx); err != nil {
		return err
	}
	if !interfaceExists(n.link) {
		if _, err := run(ctx, "ip", "link", "add", n.link, "type", "veth", "peer", "name", "eth0", "netns", n.link); err != nil {
			return err
		}
	}
	inside := strings.Join([]string{
		"link set lo up",
		fmt.Sprintf("address replace %s/24 dev eth0", n.Address),
		"link set eth0 up",
		fmt.Sprintf("route replace default via %s", address(n.slot, bridgeAddress)),
	}, "\n")
	if _, err := run(ctx, "ip", "link", "set", n.link, "master", bridgeName(n.slot)); err != nil {
		return err
	}
	if _, err := runWith(ctx, inside, "ip", "-n", n.link, "-batch", "-"); err != nil {
		return err
	}
	return n.applyCut(ctx)
}

func (n *node) ensureNamespace(ctx context.Context) error {
	path := filepath.Join(netnsDir, n.link)
	is, err := mounted(path)
	if is || err != nil {
		return err
	}
	// Killed between creating the file and mounting the namespace on it, ip netns
	// leaves an empty file.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create network namespace %s: %w", n.link, err)
	}
	_, err = run(ctx, "ip", "netns", "add", n.link)
	return err
}

// removeNetwork deletes the bridge and everything of the cluster that hangs on
// it, found by its name: the state file may know less than what was made.
func removeNetwork(ctx context.Context, slot int) error {
	prefix := bridgeName(slot) + "-"
	namespaces, err := filepath.Glob(filepath.Join(netnsDir, prefix+"*"))
	if err != nil {
		return fmt.Errorf("list network namespaces: %w", err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Name != bridgeName(slot) && !strings.HasPrefix(i.Name, prefix) {
			continue
		}
		if _, err := run(ctx, "ip", "link", "delete", i.Name); err != nil && interfaceExists(i.Name) {
			return err
		}
	}
	for _, path := range namespaces {
		if _, err := run(ctx, "ip", "netns", "delete", filepath.Base(path)); err != nil {
			return err
		}
	}
	return nil
}

func interfaceExists(name string) bool {
	_, err := os.Lstat(filepath.Join("/sys/class/net", name))
	return err == nil
}
