package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"unicode/utf8"

	"fleet/unit"
)

// maxLogLine is where Logs cuts a line, in bytes.
const maxLogLine = 512

// Logs returns the last lines about the unit's latest invocation from the
// journal, oldest first: what its processes wrote, and what systemd said. A
// unit that was never started, or whose last run systemd forgot, has none.
func (m *Manager) Logs(ctx context.Context, n unit.Name, lines int) ([]string, error) {
	states, err := m.States(ctx, []unit.Name{n})
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n, err)
	}
	id := states[n].InvocationID
	if id == "" || lines <= 0 {
		return nil, nil
	}
	// What a process wrote just before it died may still be on its way. Only
	// root may ask journald to hurry; for others the newest lines may lack.
	_ = exec.CommandContext(ctx, "journalctl", "--sync").Run()
	bySystemd := "INVOCATION_ID="
	if m.user {
		bySystemd = "USER_INVOCATION_ID="
	}
	cmd := exec.CommandContext(ctx, "journalctl", "--quiet", "--no-pager", "--output=cat", "--boot",
		"--lines="+strconv.Itoa(lines), "_SYSTEMD_INVOCATION_ID="+id, "+", bySystemd+id)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read log of %s: journalctl: %w: %s", n, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return tail(string(out), lines), nil
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
