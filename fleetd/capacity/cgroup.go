package capacity

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// group is a cgroup around the systemd that fleetd drives: its directory, in one hierarchy.
type group string

// groups are the cgroups in which a process's systemd is, in all hierarchies that are mounted where
// systemd mounts them, from the root of each down. root cuts a process's cgroup down to that of its systemd.
func (p Probe) groups(pid int, root func(string) string) []group {
	raw, err := os.ReadFile(p.path(fmt.Sprintf("proc/%d/cgroup", pid)))
	if err != nil {
		raw = []byte("0::/\n1:memory:/\n2:cpu:/\n")
	}
	var all []group
	for line := range strings.Lines(string(raw)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, mount := range mounts(fields[1]) {
			dir := p.path(mount)
			all = append(all, group(dir))
			for part := range strings.SplitSeq(strings.Trim(root(path.Clean(fields[2])), "/"), "/") {
				if part == "" || part == ".." { // .. is outside of the cgroup namespace
					continue
				}
				dir = filepath.Join(dir, part)
				all = append(all, group(dir))
			}
		}
	}
	return all
}

// mounts are the places of a hierarchy, by the controllers that /proc/PID/cgroup names: none is version 2.
func mounts(controllers string) []string {
	if controllers == "" {
		return []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}
	}
	var places []string
	for controller := range strings.SplitSeq(controllers, ",") {
		if controller == "memory" || controller == "cpu" {
			places = append(places, "sys/fs/cgroup/"+controller)
		}
	}
	return places
}

// systemRoot is the cgroup below which systemd as PID 1 keeps everything; itself it is in init.scope there.
func systemRoot(own string) string { return strings.TrimSuffix(own, "/init.scope") }

// userRoot is the cgroup of the user's systemd, for any process of that user: user@UID.service in user-UID.slice.
// A process that is not in a user's slice is not bounded by one.
func userRoot(own string) string {
	before, after, ok := strings.Cut(own, "/user-")
	uid, _, isSlice := strings.Cut(after, ".slice")
	if !ok || !isSlice {
		return "/"
	}
	return before + "/user-" + uid + ".slice/user@" + uid + ".service"
}

// memoryLimits are those of the groups that have one, in bytes. Version 1 says "no limit" with a huge one.
func memoryLimits(groups []group) []int64 {
	var limits []int64
	for _, g := range groups {
		for _, file := range []string{"memory.max", "memory.limit_in_bytes"} {
			if limit, ok := g.number(file, 0); ok {
				limits = append(limits, limit)
			}
		}
	}
	return limits
}

// cpuLimits are the quotas of the groups that have one, in thousandths of a CPU.
func cpuLimits(groups []group) []int64 {
	var limits []int64
	for _, g := range groups {
		quota, hasQuota := g.number("cpu.max", 0)
		period, hasPeriod := g.number("cpu.max", 1)
		if !hasQuota {
			quota, hasQuota = g.number("cpu.cfs_quota_us", 0)
			period, hasPeriod = g.number("cpu.cfs_period_us", 0)
		}
		if hasQuota && hasPeriod && period > 0 {
			limits = append(limits, quota*1000/period)
		}
	}
	return limits
}

// number reads a positive number, one of the words of a file. What is not one, as "max" and -1, is no limit.
func (g group) number(file string, word int) (int64, bool) {
	raw, err := os.ReadFile(filepath.Join(string(g), file))
	if err != nil {
		return 0, false
	}
	words := strings.Fields(string(raw))
	if word >= len(words) {
		return 0, false
	}
	n, err := strconv.ParseInt(words[word], 10, 64)
	return n, err == nil && n > 0
}
