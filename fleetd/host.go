package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fleet/cluster"
)

// machineID reads the host's id. An empty file is refused: systemd leaves it
// empty in images, and a cluster of machines without an id would be one machine.
func machineID(path string) (cluster.MachineID, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the machine id: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		return "", fmt.Errorf("machine id %q in %s: expect 32 hexadecimal digits; systemd-machine-id-setup makes one", id, path)
	}
	return cluster.MachineID(id), nil
}

// bootID is the kernel's name for this boot.
func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(raw)), "-", ""), nil
}

// address is where others reach this host: the first global IPv4 address of the
// interface with the default route, or else the first global address of any interface.
func address() (string, error) {
	if name := defaultRouteInterface(); name != "" {
		if i, err := net.InterfaceByName(name); err == nil {
			if addrs, err := i.Addrs(); err == nil {
				if ip := firstGlobal(addrs); ip != "" {
					return ip, nil
				}
			}
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("list the addresses of this host: %w", err)
	}
	if ip := firstGlobal(addrs); ip != "" {
		return ip, nil
	}
	return "", errors.New("this host has no address but loopback: set public_ip")
}

// defaultRouteInterface reads the kernel's IPv4 routing table (proc(5)).
func defaultRouteInterface() string {
	raw, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			return fields[0]
		}
	}
	return ""
}

// firstGlobal prefers IPv4.
func firstGlobal(addrs []net.Addr) string {
	six := ""
	for _, a := range addrs {
		network, ok := a.(*net.IPNet)
		if !ok || !network.IP.IsGlobalUnicast() {
			continue
		}
		if network.IP.To4() != nil {
			return network.IP.String()
		}
		if six == "" {
			six = network.IP.String()
		}
	}
	return six
}

// lockDir makes dir and holds it for this process: two daemons that drive one
// systemd would undo each other's work.
func lockDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("another fleetd (pid %s) already drives this host: %s is locked", strings.TrimSpace(string(pid)), path)
	}
	if err := errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}
