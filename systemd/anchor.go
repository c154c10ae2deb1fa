package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"fleet/unit"
)

// anchorName is a target that makes systemd keep fleet's units in memory, with
// the result and the invocation of their last run, while they are inactive:
// systemd forgets an inactive unit to which no active unit refers. It refers
// to them by After=, the weakest of references, which starts and stops
// nothing. It outlives fleetd, so a run that ends while fleetd is away is seen.
//
// When the host is shut down it is stopped before the units that it refers to, and what
// is ordered after it, as fleet-handover.service is, before both: until that has stopped they run.
//
// References of the bus (Unit.Ref) would be tidier, but cost systemd a match
// rule each, and at the 512th dbus-daemon throws systemd off the bus.
const anchorName = "fleet-units.target"

const anchorHead = `# Written by fleetd: keeps the states of fleet's units in systemd's memory.
[Unit]
Description=Units placed on this host by fleet
DefaultDependencies=no
IgnoreOnIsolate=yes
RefuseManualStop=yes
Conflicts=shutdown.target
Before=shutdown.target
`

// anchor makes the anchor refer to these units, and no others, with the next reload.
func (m *Manager) anchor(names []unit.Name) error {
	var b bytes.Buffer
	b.WriteString(anchorHead)
	for _, n := range names {
		fmt.Fprintf(&b, "After=%s\n", n)
	}
	file := m.disk.link(anchorName)
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, b.Bytes()) {
		return nil
	}
	if err := os.MkdirAll(m.disk.links, 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := replace(m.disk.links, file, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	m.stale = true
	return nil
}

// anchorAll is anchor for the files that are on disk. If it fails, units work
// all the same; only what happened to inactive ones may be forgotten.
func (m *Manager) anchorAll() {
	names, err := m.disk.names()
	if err == nil {
		err = m.anchor(names)
	}
	if err != nil {
		m.log.Warn("cannot keep units in systemd's memory", "err", err)
	}
}

// startAnchor starts the anchor. Its job waits for those of units that are just
// starting, and is not waited for.
func (s *session) startAnchor(ctx context.Context) error {
	err := s.do(ctx, callStart, func() error {
		_, err := s.sd.StartUnitContext(ctx, anchorName, "replace", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", anchorName, err)
	}
	return nil
}
