package systemd_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"fleet/systemd"
	"fleet/unit"
)

func manyUnits(n int) (files map[unit.Name][]byte, names []unit.Name) {
	files = map[unit.Name][]byte{}
	for i := range n {
		name := unit.Name(fmt.Sprintf("contract-bench@%d.service", i))
		files[name] = []byte(sleeper)
		names = append(names, name)
	}
	return files, names
}

func loadAll(b *testing.B, m *systemd.Manager, files map[unit.Name][]byte) {
	b.Helper()
	if failed, err := m.Load(context.Background(), files); err != nil || len(failed) > 0 {
		b.Fatalf("Load = %v, %v", failed, err)
	}
}

func BenchmarkLoad100(b *testing.B) {
	m := connectSystem(b)
	files, names := manyUnits(100)
	for b.Loop() {
		loadAll(b, m, files)
		b.StopTimer()
		if failed, err := m.Unload(context.Background(), names); err != nil || len(failed) > 0 {
			b.Fatalf("Unload = %v, %v", failed, err)
		}
		b.StartTimer()
	}
}

func BenchmarkAt1000Units(b *testing.B) {
	m := connectSystem(b)
	files, names := manyUnits(1000)
	began := time.Now()
	loadAll(b, m, files)
	b.Logf("Load of 1000: %v", time.Since(began))
	for _, n := range names[:200] {
		start(b, m, n)
	}
	b.Run("States of all, first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh, err := systemd.New(systemd.Options{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			began := time.Now()
			go func() { ended <- fresh.Run(ctx) }()
			waitAll(b, fresh)
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "connect-ms")
			b.StartTimer()
			if _, err := fresh.States(ctx, names); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			cancel()
			<-ended
			b.StartTimer()
		}
	})
	b.Run("States of all, again", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.States(context.Background(), names); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("States of one", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.States(context.Background(), names[:1]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Load of one more", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			load(b, m, names[0], fmt.Sprintf("%s# %d\n", sleeper, i))
		}
	})
	b.Run("restart of one", func(b *testing.B) {
		before := ownCPU(b)
		for b.Loop() {
			if _, err := m.Restart(context.Background(), names[0]); err != nil {
				b.Fatal(err)
			}
			state(b, m, names[0])
		}
		b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(b.N), "own-cpu-us/op")
	})
	b.Run("Files", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Files(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// ownCPU is the time that this process has computed.
func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
