package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// residenceFirst is how long a start takes, with all that it needs and nothing needs again.
	residenceFirst = 20 * time.Second

	// residenceEvery is how often memory is given back after that.
	residenceEvery = time.Minute
)

// giveBack gives memory back to the host that nothing has needed for a while: what the last burst of work has left in Go's heap,
// and the pages of the program itself that only its start has read. The kernel maps a program in large pieces around each
// address that is used, and of this one, most of which is etcd's server and its libraries, it does so until all of it is resident.
// A page that is needed after all comes back from the page cache, from which memory that is short takes unmapped pages first.
func giveBack(ctx context.Context, log *slog.Logger) error {
	wait := residenceFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = residenceEvery
		if worthwhile(heap()) {
			debug.FreeOSMemory()
		}
		if err := unmapProgram(); err != nil {
			log.Debug("cannot give back the pages of the program", "err", err)
		}
	}
}

// heap is what Go's heap holds of this machine's memory, and what of it was in use when it was last looked at, in bytes. Gaps
// between objects do not count: they cannot be given back.
func heap() (held, live uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples[1:] {
		held += s.Value.Uint64()
	}
	return held, samples[0].Value.Uint64()
}

// worthwhile tells whether so much can be given back that it is worth to look at the whole heap, which takes about a
// millisecond for each mebibyte that is in use: an idle daemon of a large cluster does not do it again and again for nothing.
func worthwhile(held, live uint64) bool { return held > live+max(live/2, 2<<20) }

// unmapProgram has the kernel forget the pages of this program's own file that nobody can write to.
func unmapProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("find this program in memory: %w", err)
	}
	for _, m := range mappingsOf(bytes.NewReader(maps), program) {
		// Or else each page that comes back brings two megabytes, where the file system keeps files in pages of that size. Kernels
		// without them refuse.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_NOHUGEPAGE)
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("unmap %x-%x of this program: %w", m.from, m.to, errno)
		}
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// mappingsOf finds the mappings of a file that are private and cannot be written to, in what /proc/PID/maps says. What can be
// written to may have been, and would be lost.
func mappingsOf(maps io.Reader, file string) []mapping {
	var all []mapping
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var m mapping
		var may string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &m.from, &m.to, &may); err != nil {
			continue
		}
		if strings.HasSuffix(lines.Text(), " "+file) && (may == "r-xp" || may == "r--p") {
			all = append(all, m)
		}
	}
	return all
}
