package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fleet/journal"
	"fleet/unit"
)

// maxLogLine is where Logs cuts a line, in bytes.
const maxLogLine = 512

// Logs returns the last lines about the unit's latest invocation from the
// journal, oldest first: what its processes wrote, and what systemd said. Of a
// unit that never ran, or whose file systemd cannot use, it is what systemd said
// since the file was put there: why it refused.
func (m *Manager) Logs(ctx context.Context, n unit.Name, lines int) ([]string, error) {
	states, err := m.States(ctx, []unit.Name{n})
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n, err)
	}
	if lines <= 0 {
		return nil, nil
	}
	about, err := m.about(ctx, n, states[n])
	if err != nil || about == nil {
		return nil, err
	}
	// What a process wrote just before it died may still be on its way. Only
	// root may ask journald to hurry; for others the newest lines may lack.
	_ = exec.CommandContext(ctx, "journalctl", "--sync").Run()
	args := append([]string{"--quiet", "--no-pager", "--output=cat", "--boot", "--lines=" + strconv.Itoa(lines)}, about...)
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read log of %s: journalctl: %w: %s", n, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return tail(string(out), lines), nil
}

// about are the arguments of journalctl that select the entries about the unit; nil if there are none.
func (m *Manager) about(ctx context.Context, n unit.Name, st unit.State) ([]string, error) {
	byUnit, byInvocation, fromUnit := "UNIT=", "INVOCATION_ID=", "_SYSTEMD_UNIT="
	if m.user {
		byUnit, byInvocation, fromUnit = "USER_UNIT=", "USER_INVOCATION_ID=", "_SYSTEMD_USER_UNIT="
	}
	if st.InvocationID != "" && st.Load == "loaded" {
		began, err := m.began(ctx, n)
		if err != nil {
			return nil, err
		}
		// A busy journald looks at what a process wrote after the unit is gone, and
		// then knows the unit but not the invocation: the time has to tell.
		return []string{since(began), "_SYSTEMD_INVOCATION_ID=" + st.InvocationID, "+", byInvocation + st.InvocationID, "+", fromUnit + string(n)}, nil
	}
	info, err := os.Stat(m.disk.file(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n, err)
	}
	return []string{since(info.ModTime()), byUnit + string(n)}, nil
}

func since(t time.Time) string { return "--since=" + journal.FormatTime(t) }

// spawning is how long systemd may take from a look at the conditions until it notes that the unit runs.
const spawning = 5 * time.Second

// began is when the unit's latest run began, or just before.
//
// systemd notes that a unit has left inactivity after it has started the process, which may have written by then. It
// looks at the unit's conditions just before that; but also with a start that does nothing because they are not met, after
// the run that is asked for, and, from version 254 on, not with a restart of its own.
func (m *Manager) began(ctx context.Context, n unit.Name) (time.Time, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("read log of %s: %w", n, err)
	}
	var checked, left uint64 // microseconds
	r := reader{ask: func(iface, property string, to any) error { return s.get(ctx, objectPath(n), iface, property, to) }}
	r.get(unitIface, "ConditionTimestamp", &checked)
	r.get(unitIface, "InactiveExitTimestamp", &left)
	if r.err != nil {
		return time.Time{}, fmt.Errorf("read log of %s: %w", n, r.err)
	}
	from := time.UnixMicro(int64(left))
	if at := time.UnixMicro(int64(checked)); at.Before(from) && from.Sub(at) < spawning {
		from = at
	}
	return from, nil
}

// tail is the last lines of a text: one journal entry may have several.
func tail(text string, lines int) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\n")
	all = all[max(0, len(all)-lines):]
	for i, l := range all {
		all[i] = cut(strings.ToValidUTF8(l, "\uFFFD"), maxLogLine)
	}
	return all
}

// cut shortens to at most n bytes, at the border of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
