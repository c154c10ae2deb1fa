package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockDir   = "/run/lock/fleet-testbed"
	aloneFile = "/run/lock/fleet-functional"
)

// lock takes the named lock, waiting for whoever holds it: another goroutine or
// another process. The kernel drops it when its holder dies.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := lockFile(ctx, name)
	if err != nil {
		return nil, err
	}
	return func() { file.Close() }, nil
}

// lockFile is lock for callers who hand the lock on to a child process: it is
// held until the last copy of the file is closed.
func lockFile(ctx context.Context, name string) (*os.File, error) {
	if err := os.MkdirAll(lockDir, 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return lockPath(ctx, filepath.Join(lockDir, name))
}

func lockPath(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// poll asks until the condition holds, fails, or the context ends. It is for
// facts of the kernel that cannot be waited for otherwise.
func poll(ctx context.Context, every time.Duration, condition func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		done, err := condition()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Alone waits until nobody else measures or tests on this machine's hosts, and keeps others from it until unlock: runs that
// share its processors disturb each other. It asks nobody who does not ask it.
func Alone(ctx context.Context) (unlock func(), err error) {
	file, err := lockPath(ctx, aloneFile)
	if err != nil {
		return nil, err
	}
	return func() { file.Close() }, nil
}
