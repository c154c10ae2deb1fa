package systemd

import (
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

// ErrConnection is wrapped by errors of calls that were cut off from systemd.
// Whether systemd did what was asked is unknown: read the state again.
var ErrConnection = errors.New("no connection to systemd")

// ErrRunning is wrapped by Unload's error for a unit that is not inactive or failed.
var ErrRunning = errors.New("unit is not stopped")

// HostUnitError refuses a name that the host uses for a unit of its own.
type HostUnitError struct {
	Name unit.Name
	Path string // the host's unit file; empty if systemd made the unit without one
}

func (e *HostUnitError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s is a unit of the host", e.Name)
	}
	return fmt.Sprintf("%s is a unit of the host: %s", e.Name, e.Path)
}

// LoadError tells that systemd does not accept a unit file.
type LoadError struct {
	Name   unit.Name
	State  string // LoadState: bad-setting, error, masked, not-found
	Reason string // systemd's own words; may be empty
}

func (e *LoadError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("systemd cannot load %s: %s", e.Name, e.State)
	}
	return fmt.Sprintf("systemd cannot load %s: %s: %s", e.Name, e.State, e.Reason)
}

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"

// gone are the D-Bus errors that say the peer, not the request, is at fault:
// systemd left the bus before it answered.
var gone = map[string]bool{
	"org.freedesktop.DBus.Error.NoReply":        true,
	"org.freedesktop.DBus.Error.Disconnected":   true,
	"org.freedesktop.DBus.Error.NameHasNoOwner": true,
	"org.freedesktop.DBus.Error.ServiceUnknown": true,
	"org.freedesktop.DBus.Error.NoServer":       true,
}

// dbusName is the D-Bus name of an error that systemd answered, or "".
func dbusName(err error) string {
	var byValue dbus.Error
	if errors.As(err, &byValue) {
		return byValue.Name
	}
	var byPointer *dbus.Error
	if errors.As(err, &byPointer) {
		return byPointer.Name
	}
	return ""
}
