package systemd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"fleet/journal"
	"fleet/unit"
)

const (
	// maxEntry is the longest entry that is handed on; longer ones, such as core dumps in the journal, are left out.
	maxEntry = 16 << 20

	// lastGasp is how long a program may take to end once it was killed before its output is given up.
	lastGasp = 2 * time.Second
)

// Journal hands fn the entries of the journal that journalctl --unit would show of a unit, each
// as the line of JSON that journalctl makes of it. It returns when there are no more, or with
// Query.Follow when ctx ends; an error of fn ends it too and is returned as it is. The line is fn's only until fn returns.
//
// The unit need not be loaded, nor ever have been fleet's.
func (m *Manager) Journal(ctx context.Context, n unit.Name, q journal.Query, fn func(line []byte) error) error {
	if q.Sync {
		// Only root may ask journald to hurry; for others the newest lines may lack.
		_ = exec.CommandContext(ctx, "journalctl", "--sync").Run()
	}
	args, err := m.journalArgs(n, q)
	if err != nil {
		return fmt.Errorf("read the journal of %s: %w", n, err)
	}
	err = stream(ctx, fn, "journalctl", args...)
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.err
	}
	if err != nil {
		return fmt.Errorf("read the journal of %s: %w", n, err)
	}
	return nil
}

func (m *Manager) journalArgs(n unit.Name, q journal.Query) ([]string, error) {
	args := []string{"--quiet", "--no-pager", "--output=json", "--all"}
	if m.user {
		args = append(args, "--user-unit="+string(n))
	} else {
		args = append(args, "--unit="+string(n))
	}
	lines := "all"
	if q.Lines >= 0 {
		lines = strconv.Itoa(q.Lines)
	}
	args = append(args, "--lines="+lines)
	switch {
	case q.After != "":
		args = append(args, "--after-cursor="+q.After)
	case q.Placed:
		began, err := m.placed(n)
		if err != nil {
			return nil, err
		}
		args = append(args, since(began))
	case !q.Since.IsZero():
		args = append(args, since(q.Since))
	}
	if !q.Until.IsZero() {
		args = append(args, "--until="+journal.FormatTime(q.Until))
	}
	if q.Follow {
		args = append(args, "--follow")
	}
	return args, nil
}

// placed is when the unit's file was put here: now, if it is not here yet.
func (m *Manager) placed(n unit.Name) (time.Time, error) {
	info, err := os.Stat(m.disk.file(n))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return time.Now(), nil
	case err != nil:
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// StatusText is what systemctl status says of a unit, with the last log lines.
func (m *Manager) StatusText(ctx context.Context, n unit.Name, lines int) (string, error) {
	args := []string{"status", "--no-pager", "--full", "--lines=" + strconv.Itoa(lines)}
	if m.user {
		args = append(args, "--user")
	}
	cmd := program(ctx, "systemctl", append(args, "--", string(n))...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &exit) && len(out) > 0 && exit.Exited():
		return string(out), nil // a unit that does not run is no failure to tell so
	case errors.As(err, &exit) && exit.ExitCode() == 4:
		return stderr.String(), nil // systemd does not know the unit
	}
	if err != nil {
		return "", fmt.Errorf("ask systemctl about %s: %w: %s", n, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// program is a command that ends with ctx, whatever it has started itself, and
// whose output is for machines: without colours, links and a pager.
func program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_URLIFY=0", "SYSTEMD_PAGER=", "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lastGasp
	return cmd
}

// refusal is an error of the reader.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

// stream hands fn the lines that a program writes. The program has ended when it returns.
func stream(ctx context.Context, fn func([]byte) error, name string, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := program(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read := eachLine(bufio.NewReaderSize(stdout, 64<<10), fn)
	if read != nil {
		cancel()
	}
	err = cmd.Wait()
	switch {
	case read != nil && ctx.Err() != nil && errors.As(read, new(*refusal)):
		return read
	case context.Cause(ctx) != nil && read == nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return read
}

// eachLine hands fn every line that is not too long.
func eachLine(r *bufio.Reader, fn func([]byte) error) error {
	var long []byte // the beginning of a line that does not fit the reader's buffer
	skip := false
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if skip = skip || len(long)+len(part) > maxEntry; skip {
				long = nil
			} else {
				long = append(long, part...)
			}
			continue
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		line := part
		if len(long) > 0 {
			line = append(long, part...)
		}
		if !skip {
			if err := fn(line); err != nil {
				return &refusal{err}
			}
		}
		long, skip = long[:0], false
	}
}
