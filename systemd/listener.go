package systemd

import (
	"errors"

	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

// listener takes the signals of a session in the order in which they arrive,
// in the goroutine that reads the connection. It only marks things, because
// a call to systemd from here would wait for itself.
type listener struct {
	session *session
	bell    *bell
}

// DeliverSignal implements dbus.SignalHandler.
func (l *listener) DeliverSignal(_, name string, sig *dbus.Signal) {
	switch name {
	case "PropertiesChanged":
		l.changed(sig.Path, sig.Body)
	case "JobRemoved":
		l.jobRemoved(sig.Body)
	case "Reloading":
		if len(sig.Body) == 1 && sig.Body[0] == false {
			l.bell.ringAll()
		}
	case "NameOwnerChanged":
		l.ownerChanged(sig.Body)
	}
}

// changed takes in which values a unit has now. systemd tells those of its type first, and rings with those of all units;
// both have all that can change, whatever it was that did.
func (l *listener) changed(p dbus.ObjectPath, body []any) {
	var (
		iface  string
		now    values
		others []string
	)
	if err := dbus.Store(body, &iface, &now, &others); err != nil {
		iface, now = unitIface, nil
	}
	if iface != unitIface {
		if n := l.bell.name(p); n != "" {
			l.session.seen.tellHalf(n, now)
		}
		return
	}
	if n := l.bell.ring(p); n != "" {
		l.session.seen.tell(n, now)
	}
}

func (l *listener) jobRemoved(body []any) {
	var (
		id           uint32
		job          dbus.ObjectPath
		name, result string
	)
	if err := dbus.Store(body, &id, &job, &name, &result); err != nil {
		return
	}
	l.session.jobs.done(id, result)
	// Whatever of the unit has changed with it systemd has told before.
	if n := l.bell.ring(objectPath(unit.Name(name))); n != "" {
		l.session.seen.doubt(n)
	}
}

// ownerChanged ends the session when systemd left the bus. After a
// daemon-reexec it is back at once, but what it said in between is lost.
func (l *listener) ownerChanged(body []any) {
	var name, from, to string
	if err := dbus.Store(body, &name, &from, &to); err != nil || name != busName || from == "" {
		return
	}
	// Closing waits for this goroutine's locks, so it is left to another.
	go l.session.end(errors.New("systemd left the bus"))
}

// AddSignal implements dbus.SignalRegistrar for go-systemd, whose own
// dispatcher ends when its channel is closed.
func (l *listener) AddSignal(ch chan<- *dbus.Signal) { close(ch) }

// RemoveSignal implements dbus.SignalRegistrar.
func (l *listener) RemoveSignal(chan<- *dbus.Signal) {}
