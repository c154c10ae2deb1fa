package systemd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"fleet/unit"
)

// Options says which systemd to talk to. The zero value is the system's.
type Options struct {
	// User selects the systemd of the user this process runs as. It needs
	// XDG_RUNTIME_DIR, and a session bus.
	User bool
	// UnitsDir is where unit files are put: an absolute path on a file
	// system that a reboot empties. Default /run/fleet/units, or
	// $XDG_RUNTIME_DIR/fleet/units with User.
	UnitsDir string
	// FenceDir is the directory of permits for units that are bound to the fence. Default /run/fleet/fence.
	FenceDir string
	// Logger takes connection changes and what was cleaned up. Default: discard.
	Logger *slog.Logger
	Events Events
}

// New returns a Manager that is not connected: Run connects.
func New(opts Options) (*Manager, error) {
	runtime := "/run"
	linkDir := "/run/systemd/system"
	if opts.User {
		runtime = os.Getenv("XDG_RUNTIME_DIR")
		if !filepath.IsAbs(runtime) {
			return nil, errors.New("talk to the user's systemd: XDG_RUNTIME_DIR is not set to an absolute path")
		}
		linkDir = filepath.Join(runtime, "systemd/user")
	}
	if opts.UnitsDir == "" {
		opts.UnitsDir = filepath.Join(runtime, "fleet/units")
	}
	if !filepath.IsAbs(opts.UnitsDir) {
		return nil, fmt.Errorf("units directory %q is not an absolute path", opts.UnitsDir)
	}
	if opts.FenceDir == "" {
		opts.FenceDir = filepath.Join(runtime, "fleet/fence")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		user:    opts.User,
		runtime: runtime,
		disk:    disk{units: filepath.Clean(opts.UnitsDir), links: linkDir},
		fence:   filepath.Clean(opts.FenceDir),
		log:     opts.Logger,
		events:  opts.Events,
		bell:    newBell(),
		batch:   make(chan struct{}, 1),
		enabled: map[unit.Name]unit.ContentID{},
	}
	m.mu.changed = make(chan struct{})
	if !opts.User {
		m.bell.know(unit.FenceService)
	}
	return m, nil
}
