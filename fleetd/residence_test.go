package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyPagesOfTheProgramThatNobodyWritesAreGivenBack(t *testing.T) {
	const maps = `00400000-0105d000 r-xp 00000000 00:29 811315                             /usr/bin/fleetd
0105d000-01e4d000 r--p 00c5d000 00:29 811315                             /usr/bin/fleetd
01e4d000-01ef7000 rw-p 01a4d000 00:29 811315                             /usr/bin/fleetd
83100000000-83100800000 rw-p 00000000 00:00 0
7f5094000000-7f5314000000 r--s 00000000 00:29 811421                     /var/lib/fleet/etcd/member/snap/db
7f6b6cfa6000-7f6b6d0fc000 r-xp 00026000 00:29 764324                     /usr/lib/x86_64-linux-gnu/libc.so.6
`
	want := []mapping{{0x400000, 0x105d000}, {0x105d000, 0x1e4d000}}
	if diff := cmp.Diff(want, mappingsOf(strings.NewReader(maps), "/usr/bin/fleetd"), cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("mappings (-want +got):\n%s", diff)
	}
}

func TestTheProgramGoesOnWithoutItsPages(t *testing.T) {
	before := residentFile(t)
	if err := unmapProgram(); err != nil {
		t.Fatal(err)
	}
	after := residentFile(t)
	if after > before/2 {
		t.Errorf("%d kB of files are resident, and were %d kB before", after, before)
	}
}

// residentFile is what this process has resident of files, in kB.
func residentFile(t *testing.T) (kilobytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, err := fmt.Sscanf(line, "RssFile: %d kB", &kilobytes); n == 1 && err == nil {
			return kilobytes
		}
	}
	t.Fatal("the kernel does not say how much of files is resident")
	return 0
}

func TestMemoryIsGivenBackWhenThereIsSome(t *testing.T) {
	const mebibyte = 1 << 20
	for _, c := range []struct {
		held, live uint64
		want       bool
	}{
		{4 * mebibyte, 3 * mebibyte, false},
		{6 * mebibyte, 3 * mebibyte, true},
		{220 * mebibyte, 200 * mebibyte, false},
		{320 * mebibyte, 200 * mebibyte, true},
	} {
		if got := worthwhile(c.held, c.live); got != c.want {
			t.Errorf("%d of %d MiB in use: %v", c.live/mebibyte, c.held/mebibyte, got)
		}
	}
	runtime.GC()
	if held, live := heap(); held == 0 || live == 0 {
		t.Errorf("the heap holds %d bytes, of which %d are in use", held, live)
	}
}
