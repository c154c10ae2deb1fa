package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine says where something is measured, in one line.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s memory, %s, %s/%s",
		field("/proc/cpuinfo", "model name", "unknown CPU"), runtime.NumCPU(), memory(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func memory() string {
	bytes, err := memoryBytes()
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", float64(bytes)/(1<<30))
}

func memoryBytes() (int64, error) {
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal", ""), " kB"), 10, 64)
	return kilobytes << 10, err
}

// field is the first value of that name in a file of "name: value" lines.
func field(path, name, otherwise string) string {
	file, err := os.Open(path)
	if err != nil {
		return otherwise
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}
