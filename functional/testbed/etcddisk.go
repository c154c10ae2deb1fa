package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// diskSize is that of an etcd process's own disk: it holds etcd's first files, which it makes 64 MB large.
const diskSize = 512 << 20

// ensureDisk gives the process a file system of its own for its data, so that it can be made to stand still.
func (e *Etcd) ensureDisk(ctx context.Context) error {
	data := e.DataDir()
	if is, err := mounted(data); is || err != nil {
		return err
	}
	image := filepath.Join(e.dir, "disk")
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			return fmt.Errorf("make disk of etcd %s: %w", e.Name, err)
		}
		if err := os.Truncate(image, diskSize); err != nil {
			return fmt.Errorf("make disk of etcd %s: %w", e.Name, err)
		}
		if _, err := run(ctx, "mkfs.ext4", "-q", "-F", image); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return fmt.Errorf("mount disk of etcd %s: %w", e.Name, err)
	}
	if _, err := run(ctx, "mount", "-o", "loop", image, data); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(data, "lost+found"))
}

// FreezeDisk has every write to the process's disk wait until the disk is thawed. Only with Spec.EtcdDisks.
func (e *Etcd) FreezeDisk(ctx context.Context, frozen bool) error {
	how := "--unfreeze"
	if frozen {
		how = "--freeze"
	}
	_, err := run(ctx, "fsfreeze", how, e.DataDir())
	return err
}
