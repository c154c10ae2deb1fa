package hollow

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ProcessCost is what a process has cost so far.
type ProcessCost struct {
	CPU     time.Duration
	Memory  int64 // bytes that are resident now
	Peak    int64 // most that ever were
	Sockets int
}

// clockTick is the unit of times in /proc, which is the same on all Linuxes that Go runs on.
const clockTick = 10 * time.Millisecond

// OwnCost is what this process has cost.
func OwnCost() (ProcessCost, error) { return processCost(os.Getpid()) }

func processCost(pid int) (ProcessCost, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return ProcessCost{}, fmt.Errorf("read what process %d has cost: %w", pid, err)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return ProcessCost{}, fmt.Errorf("read what process %d has cost: %w", pid, err)
	}
	var c ProcessCost
	// The fields behind the name, which may have spaces and ends with the last parenthesis: state is the first, utime the twelfth.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return ProcessCost{}, fmt.Errorf("read what process %d has cost: %q", pid, stat)
	}
	for _, ticks := range fields[11:13] {
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return ProcessCost{}, fmt.Errorf("read what process %d has cost: %w", pid, err)
		}
		c.CPU += time.Duration(n) * clockTick
	}
	c.Memory, c.Peak = kilobytes(string(status), "VmRSS:"), kilobytes(string(status), "VmHWM:")
	descriptors, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return ProcessCost{}, fmt.Errorf("count the connections of process %d: %w", pid, err)
	}
	for _, d := range descriptors {
		if to, err := os.Readlink(filepath.Join(dir, "fd", d.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			c.Sockets++
		}
	}
	return c, nil
}

// kilobytes is a line of /proc/…/status, in bytes.
func kilobytes(status, name string) int64 {
	_, rest, _ := strings.Cut(status, name)
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(value, 10, 64) // 0 when there is no such line
	return n << 10
}
