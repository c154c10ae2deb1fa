package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// mutexFraction: one in so many waits for a lock is in the profile.
const mutexFraction = 100

// profiled writes profiles of this process while it does something, if they are asked for.
func profiled(s *stage, name string, do func(context.Context) error) func(context.Context) error {
	return inProfile(s.o.profile, scaleCase(s.machines)+"-"+name, do)
}

// inProfile writes them to a folder, unless that is empty.
func inProfile(folder, name string, do func(context.Context) error) func(context.Context) error {
	if folder == "" {
		return do
	}
	return func(ctx context.Context) error {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		base := filepath.Join(folder, name)
		cpu, err := os.Create(base + ".cpu")
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		runtime.SetMutexProfileFraction(mutexFraction)
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return errors.Join(fmt.Errorf("profile: %w", err), cpu.Close())
		}
		err = do(ctx)
		pprof.StopCPUProfile()
		runtime.SetMutexProfileFraction(0)
		return errors.Join(err, cpu.Close(), writeProfile(base, "mutex"), writeProfile(base, "heap"))
	}
}

func writeProfile(base, name string) error {
	file, err := os.Create(base + "." + name)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	runtime.GC()
	return errors.Join(pprof.Lookup(name).WriteTo(file, 0), file.Close())
}
