package testbed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const cacheDir = "/var/cache/fleet-testbed"

// recipe changes whenever the tree is made differently from the same packages.
const recipe = "1"

// packages of a host: systemd and its bus; what a person needs to look around
// (ip, ps); and a web server to have something worth running.
func packages() []string {
	return []string{"systemd", "systemd-sysv", "dbus", "iproute2", "procps", "nginx"}
}

// nuisances are units that Debian's packages enable and that a host must not run
// on its own: the web server belongs to fleet here, and nothing may wake up by
// itself in the middle of a test.
func nuisances() []string {
	return []string{
		"nginx.service", "e2scrub_reap.service", "console-getty.service",
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
		"e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer",
	}
}

// rootfs returns the tree under all hosts and makes it when it is not there yet.
// It takes some 20 seconds, once per machine and list of packages; whoever comes
// second waits.
func rootfs(ctx context.Context, progress func(string)) (string, error) {
	suite := debianSuite()
	key := sha256.Sum256([]byte(strings.Join(append(packages(), suite, recipe), " ")))
	dir := filepath.Join(cacheDir, fmt.Sprintf("rootfs-%x", key[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	held, err := lockFile(ctx, "rootfs")
	if err != nil {
		return "", err
	}
	defer held.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("make root file system: %w", err)
	}

	progress(fmt.Sprintf("making the hosts' root file system out of Debian %s, once (about 20 s)", suite))
	building := dir + ".building"
	if err := removeTree(building); err != nil { // of a killed run: we hold the lock
		return "", err
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	if err := bootstrap(ctx, held, suite, building); err != nil {
		return "", err
	}
	if err := tame(building); err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	if err := os.Rename(building, dir); err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	return dir, nil
}

// bootstrap hands the lock to mmdebstrap: should we be killed, the next run waits
// until it has ended before it sweeps.
func bootstrap(ctx context.Context, held *os.File, suite, dir string) error {
	sources, err := aptSources(suite)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--quiet", "--variant=minbase",
		"--include="+strings.Join(packages(), ","), "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", suite, dir, "-")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it cleans up after itself
	cmd.Stdin = strings.NewReader(strings.Join(sources, "\n") + "\n")
	cmd.ExtraFiles = []*os.File{held}
	if _, err := finish(cmd); err != nil {
		return fmt.Errorf("make root file system: %w", err)
	}
	return nil
}

// tame turns a fresh Debian into a quiet host without an identity.
func tame(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, unit := range nuisances() {
		link := filepath.Join("etc/systemd/system", unit)
		if err := root.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := root.Symlink("/dev/null", link); err != nil {
			return err
		}
	}
	scripts, err := fs.Glob(root.FS(), "etc/rc?.d/*") // sysv links, wrapped by a generator at boot
	if err != nil {
		return err
	}
	for _, script := range scripts {
		if err := root.Remove(script); err != nil {
			return err
		}
	}
	if err := root.Remove("etc/machine-id"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeAll(root, map[string]string{
		"etc/systemd/journald.conf.d/testbed.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=128M\nRateLimitIntervalSec=0\n",
	})
}

// writeAll writes small configuration files below root.
func writeAll(root *os.Root, files map[string]string) error {
	for _, path := range sortedKeys(files) {
		if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(path, []byte(files[path]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
