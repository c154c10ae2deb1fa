package capacity_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/fleetd/capacity"
)

const (
	mega = 1 << 20
	giga = 1 << 30
)

// host is a root with the files of a kernel: 8G of memory, 4 CPUs of which systemd may use all.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"proc/meminfo":                  "MemTotal:        8388608 kB\nMemFree:         1000000 kB\n",
		"proc/1/status":                 "Name:\tsystemd\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n",
		"proc/1/cgroup":                 "0::/init.scope\n",
		"sys/devices/system/cpu/online": "0-3\n",
	}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if content == "" {
			continue
		}
		path := filepath.Join(root, strings.ReplaceAll(name, "PID", fmt.Sprint(os.Getpid())))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHost(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		user     bool
		memory   int64
		physical int64
		cpu      int64
	}{
		"a bare machine": {memory: 8 * giga, physical: 8 * giga, cpu: 4000},
		"CPUs that are offline do not count": {
			files:  map[string]string{"sys/devices/system/cpu/online": "0,2\n"},
			memory: 8 * giga, physical: 8 * giga, cpu: 2000,
		},
		"the affinity of systemd counts": {
			files:  map[string]string{"proc/1/status": "Cpus_allowed_list:\t1-2,6\n"},
			memory: 8 * giga, physical: 8 * giga, cpu: 2000,
		},
		"a container with a cgroup namespace": {
			files: map[string]string{
				"sys/fs/cgroup/memory.max": "2147483648\n",
				"sys/fs/cgroup/cpu.max":    "150000 100000\n",
			},
			memory: 2 * giga, physical: 2 * giga, cpu: 1500,
		},
		"a container without one, limited further up": {
			files: map[string]string{
				"proc/1/cgroup":                                  "0::/machine.slice/a.scope/payload/init.scope\n",
				"sys/fs/cgroup/machine.slice/memory.max":         "max\n",
				"sys/fs/cgroup/machine.slice/a.scope/memory.max": "1073741824\n",
				"sys/fs/cgroup/machine.slice/cpu.max":            "max 100000\n",
				"sys/fs/cgroup/machine.slice/a.scope/cpu.max":    "50000 100000\n",
			},
			memory: giga, physical: giga, cpu: 500,
		},
		"what limits a sibling, or init alone, limits nobody else": {
			files: map[string]string{
				"sys/fs/cgroup/init.scope/memory.max":   "1048576\n",
				"sys/fs/cgroup/system.slice/memory.max": "1048576\n",
			},
			memory: 8 * giga, physical: 8 * giga, cpu: 4000,
		},
		"version 1, in a container that sees the hierarchy of its host": {
			files: map[string]string{
				"proc/1/cgroup": "5:cpu,cpuacct:/docker/c0\n4:memory:/docker/c0\n1:name=systemd:/docker/c0/init.scope\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes":           "9223372036854771712\n",
				"sys/fs/cgroup/memory/docker/c0/memory.limit_in_bytes": "3221225472\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us":                   "-1\n",
				"sys/fs/cgroup/cpu/cpu.cfs_period_us":                  "100000\n",
				"sys/fs/cgroup/cpu/docker/c0/cpu.cfs_quota_us":         "250000\n",
				"sys/fs/cgroup/cpu/docker/c0/cpu.cfs_period_us":        "100000\n",
			},
			memory: 3 * giga, physical: 3 * giga, cpu: 2500,
		},
		"a limit above what there is": {
			files:  map[string]string{"sys/fs/cgroup/memory.max": "109951162777600\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"},
			memory: 8 * giga, physical: 8 * giga, cpu: 4000,
		},
		"a user has what the slice of the user has, percentages are of the machine": {
			user: true,
			files: map[string]string{
				"proc/PID/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
				"sys/fs/cgroup/user.slice/user-1000.slice/memory.max":                "4294967296\n",
				"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cpu.max": "300000 100000\n",
				"sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/cpu.max":   "10000 100000\n",
			},
			memory: 4 * giga, physical: 8 * giga, cpu: 3000,
		},
		"of other users' processes nothing is seen": {
			user: true,
			files: map[string]string{
				"proc/1/status": "", "proc/1/cgroup": "",
				"proc/self/status": "Cpus_allowed_list:\t0-1\n",
				"proc/PID/cgroup":  "0::/somewhere/else\n",
			},
			memory: 8 * giga, physical: 8 * giga, cpu: 2000,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := capacity.Probe{Root: host(t, c.files), Directory: t.TempDir(), User: c.user}.Host()
			if err != nil {
				t.Fatal(err)
			}
			if got.Memory != c.memory || got.Physical != c.physical || got.CPU != c.cpu {
				t.Errorf("got %+v, want memory %d, physical %d, cpu %d", got, c.memory, c.physical, c.cpu)
			}
			if got.Disk < mega {
				t.Errorf("disk %d: expect the size of the file system", got.Disk)
			}
		})
	}
}

func TestThisHost(t *testing.T) {
	got, err := capacity.Probe{Directory: "/"}.Host()
	if err != nil {
		t.Fatal(err)
	}
	if got.Memory < 64*mega || got.Memory > got.Physical || got.CPU < 10 || got.Disk < mega {
		t.Errorf("this host has %+v", got)
	}
}

func TestWhatCannotBeFoundIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		dir   string
		want  string
	}{
		"no meminfo":        {files: map[string]string{"proc/meminfo": ""}, dir: "/", want: "proc/meminfo"},
		"strange meminfo":   {files: map[string]string{"proc/meminfo": "Memory: lots\n"}, dir: "/", want: "no line MemTotal"},
		"no status":         {files: map[string]string{"proc/1/status": ""}, dir: "/", want: "find the CPUs"},
		"strange CPUs":      {files: map[string]string{"proc/1/status": "Cpus_allowed_list:\t0-x\n"}, dir: "/", want: `"\t0-x\n"`},
		"huge list":         {files: map[string]string{"proc/1/status": "Cpus_allowed_list:\t0-999999999\n"}, dir: "/", want: "cannot be read"},
		"no such directory": {dir: "/nonexistent", want: "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := capacity.Probe{Root: host(t, c.files), Directory: c.dir}.Host()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v: expect it to say %q", err, c.want)
			}
		})
	}
}
