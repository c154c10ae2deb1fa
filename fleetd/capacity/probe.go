package capacity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what a host has for the systemd that fleetd drives.
type Host struct {
	Memory   int64 // bytes
	Physical int64 // bytes of memory that systemd takes percentages of; more than Memory if a user is limited to less
	CPU      int64 // thousandths of a CPU
	Disk     int64 // bytes
}

// Probe says where to look.
type Probe struct {
	Root      string // where /proc and /sys are; empty: /
	Directory string // Host.Disk is the size of the file system it is on
	User      bool   // a user's systemd: what limits the user counts as well
}

// Host looks at the host. Limits that cannot be read are none: without the file there is no such limit.
func (p Probe) Host() (Host, error) {
	memory, memoryErr := p.totalMemory()
	cpus, cpuErr := p.cpus()
	disk, diskErr := size(p.Directory)
	if err := errors.Join(memoryErr, cpuErr, diskErr); err != nil {
		return Host{}, err
	}
	system, own := p.groups(1, systemRoot), p.groups(1, systemRoot)
	if p.User {
		own = append(own, p.groups(os.Getpid(), userRoot)...)
	}
	return Host{
		Memory:   least(memory, memoryLimits(own)),
		Physical: least(memory, memoryLimits(system)),
		CPU:      least(cpus*1000, cpuLimits(own)),
		Disk:     disk,
	}, nil
}

// totalMemory reads MemTotal (proc_meminfo(5)).
func (p Probe) totalMemory() (int64, error) {
	path := p.path("proc/meminfo")
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("find the physical memory: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("find the physical memory in %s: %w", path, err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("find the physical memory: %s has no line MemTotal", path)
}

// cpus counts those that are online and that PID 1 may use: its affinity is what units begin with,
// and heeds cpusets. fleetd's own may be narrower (CPUAffinity= in its unit).
func (p Probe) cpus() (int64, error) {
	allowed, err := p.affinity("proc/1/status")
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		allowed, err = p.affinity("proc/self/status") // /proc is mounted with hidepid
	}
	if err != nil {
		return 0, fmt.Errorf("find the CPUs: %w", err)
	}
	raw, err := os.ReadFile(p.path("sys/devices/system/cpu/online"))
	if err != nil {
		return int64(len(allowed)), nil
	}
	online, err := cpuList(string(raw))
	if err != nil {
		return 0, fmt.Errorf("find the CPUs that are online: %w", err)
	}
	n := int64(0)
	for cpu := range allowed {
		if online[cpu] {
			n++
		}
	}
	return n, nil
}

// affinity reads Cpus_allowed_list (proc_pid_status(5)).
func (p Probe) affinity(status string) (map[int]bool, error) {
	raw, err := os.ReadFile(p.path(status))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(raw)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return cpuList(list)
		}
	}
	return nil, fmt.Errorf("%s has no line Cpus_allowed_list", p.path(status))
}

// cpuList reads the kernel's form of a set of CPUs: 0-3,8,10-11.
func cpuList(list string) (map[int]bool, error) {
	const most = 1 << 16 // far above what any kernel is built for
	cpus := make(map[int]bool)
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err := errors.Join(err1, err2); err != nil || first < 0 || last > most {
			return nil, fmt.Errorf("list of CPUs %q cannot be read", list)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus[cpu] = true
		}
	}
	return cpus, nil
}

// size is that of the file system on which the directory is, its used part included.
func size(directory string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return 0, fmt.Errorf("find the size of a file system: %w", &fs.PathError{Op: "statfs", Path: directory, Err: err})
	}
	return int64(stat.Blocks) * stat.Frsize, nil
}

func (p Probe) path(name string) string { return filepath.Join("/", p.Root, name) }

// least is the smallest of what there is and its limits.
func least(have int64, limits []int64) int64 {
	for _, limit := range limits {
		have = min(have, limit)
	}
	return have
}
