package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fleet/unit"
)

// fenceDropIn is the file by which a unit is bound to the fence. fleetd/fence finds bound units by it.
const fenceDropIn = "50-fleet-fence.conf"

// execs are the types of units in whose section commands have an environment.
var execs = map[unit.Type]string{unit.Service: "Service", unit.Socket: "Socket"}

// binding is the drop-in of a unit that says AtMostOnce, nil for another one. Such a unit stops when its fence does, for
// whatever reason, and cannot be started without a permit: neither by systemd itself (Restart=, a timer), nor by people.
// The assertion is for the types that run nothing themselves; the environment file holds for every command of a service,
// also where systemd starts one again without looking at assertions.
func (m *Manager) binding(n unit.Name, raw []byte) []byte {
	if !bytes.Contains(raw, []byte("AtMostOnce")) {
		return nil
	}
	f, err := unit.Parse(raw)
	if err != nil {
		return nil // systemd says what is wrong with it
	}
	rules, err := f.Rules(n)
	if err != nil || !rules.AtMostOnce {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Written by fleetd: %s must never run on two machines.\n", n)
	if rules.Freeze {
		b.WriteString("# OnFence=freeze\n")
	}
	permit := filepath.Join(escapePercent(m.fence), "%n.env")
	fmt.Fprintf(&b, "[Unit]\nBindsTo=%[1]s\nAfter=%[1]s\nAssertPathExists=%[2]s\n", unit.FenceService, permit)
	if section := execs[n.Type()]; section != "" {
		fmt.Fprintf(&b, "[%s]\nEnvironmentFile=%s\n", section, permit)
		b.WriteString(leaveNothing(f, section))
	}
	return b.Bytes()
}

func escapePercent(path string) string { return strings.ReplaceAll(path, "%", "%%") }

// leaveNothing overrides what would let processes outlive a unit that systemd says is stopped.
func leaveNothing(f *unit.File, section string) string {
	var b strings.Builder
	if mode, _ := f.Value(section, "KillMode"); mode == "process" || mode == "none" {
		b.WriteString("KillMode=control-group\n")
	}
	if _, said := f.Value(section, "SendSIGKILL"); said {
		b.WriteString("SendSIGKILL=yes\n")
	}
	return b.String()
}

// Permit lets a unit that is bound to the fence be started in this session, with a fencing number that it sees as FLEET_FENCE.
// The fence takes back permits of other sessions, and all of them when it ends its units; Unload those of its units.
func (m *Manager) Permit(ctx context.Context, n unit.Name, session string, number int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := os.MkdirAll(m.fence, 0o755)
	if err == nil {
		err = replace(m.fence, m.permit(n), fmt.Appendf(nil, "# session %s\nFLEET_FENCE=%d\n", session, number))
	}
	if err != nil {
		return fmt.Errorf("permit %s to start: %w", n, err)
	}
	return nil
}

func (m *Manager) permit(n unit.Name) string { return filepath.Join(m.fence, string(n)+".env") }

// revoke takes back permits of units that are to go.
func (m *Manager) revoke(names []unit.Name, failed map[unit.Name]error) {
	for _, n := range names {
		if err := os.Remove(m.permit(n)); err != nil && !absent(err) {
			failed[n] = fmt.Errorf("take back the permit of %s: %w", n, err)
		}
	}
}

func (d disk) dropIn(n unit.Name) string { return filepath.Join(d.links, string(n)+".d", fenceDropIn) }

// absent tells whether there is no such file. There cannot be one beside a unit whose name is as long as a name may be.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG)
}

// bind makes the unit's drop-in be this; nil: there is none. changed tells whether systemd has to look again.
func (d disk) bind(n unit.Name, text []byte) (changed bool, err error) {
	path := d.dropIn(n)
	old, errOld := os.ReadFile(path)
	switch {
	case text == nil && absent(errOld), text != nil && errOld == nil && bytes.Equal(old, text):
		return false, nil
	case text == nil:
		err = os.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // only succeeds on an empty directory
	default:
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = replace(filepath.Dir(path), path, text)
		}
	}
	if err != nil {
		return false, fmt.Errorf("bind %s to the fence: %w", n, err)
	}
	return true, nil
}

// sweepBindings removes drop-ins of units that have no file, and returns which.
func (d disk) sweepBindings() (removed []string, err error) {
	paths, err := filepath.Glob(filepath.Join(d.links, "*.d", fenceDropIn))
	if err != nil {
		return nil, fmt.Errorf("list left-over drop-ins: %w", err)
	}
	for _, path := range paths {
		n := unit.Name(strings.TrimSuffix(filepath.Base(filepath.Dir(path)), ".d"))
		if d.has(n) {
			continue
		}
		if _, err := d.bind(n, nil); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}
	return removed, nil
}

// idOf is the id of a unit's file: another one than its bytes have if the unit is not bound to the fence as they
// say, so that it is loaded anew.
func (m *Manager) idOf(n unit.Name, raw []byte) unit.ContentID {
	text := m.binding(n, raw)
	if text == nil {
		return unit.IDOf(raw)
	}
	if there, err := os.ReadFile(m.disk.dropIn(n)); err != nil || !bytes.Equal(there, text) {
		return unit.IDOf(append([]byte("not bound to the fence\n"), raw...))
	}
	return unit.IDOf(raw)
}
