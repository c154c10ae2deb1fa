package record

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

// Host is a machine with systemd as PID 1.
type Host interface {
	// Leader is the process id of its PID 1 here; an error if it is off.
	Leader() (int, error)
	// Command prepares a command to run on it.
	Command(ctx context.Context, args ...string) (*exec.Cmd, error)
}

const (
	systemdName  = "org.freedesktop.systemd1"
	managerPath  = "/org/freedesktop/systemd1"
	managerIface = "org.freedesktop.systemd1.Manager"
	unitIface    = "org.freedesktop.systemd1.Unit"
	unitPaths    = "/org/freedesktop/systemd1/unit/"

	privateSocket = "/run/systemd/private" // of PID 1, on the host

	// unitFiles is where fleetd puts the files of its units, on the host.
	unitFiles = "run/fleet/units"

	// look is between two looks at what cannot be waited for: a host that is off.
	look = 5 * time.Millisecond
)

// follower writes down one host's runs, over all its boots.
type follower struct {
	name string
	host Host

	mu      sync.Mutex
	history *history
	kinds   map[unit.Name]Kind // as last read
	leader  int                // of the boot that is followed; 0: none
	conn    *dbus.Conn         // nil: not connected
	heard   []Span             // when it was connected
}

// Span is a time in which a host was listened to.
type Span struct{ From, To Moment } // To 0: it still is

func newFollower(name string, host Host) *follower {
	f := &follower{name: name, host: host, kinds: make(map[unit.Name]Kind)}
	f.history = newHistory(name, f.kind)
	return f
}

// run follows the host until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		leader, err := f.host.Leader()
		if f.settle(leader) && err == nil {
			f.listen(ctx, leader)
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
}

// settle ends the boot that was followed when its PID 1 is gone, and tells whether another may be followed. Leader is 0 for
// a host that is off.
func (f *follower) settle(leader int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leader == 0 || f.leader == leader {
		return true
	}
	if !gone(f.leader) {
		return false // it is dying
	}
	f.history.died(Now())
	f.leader = 0
	return true
}

// gone tells whether nothing executes of a process, nor, if it was a PID 1, of those that were its.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}

// listen follows one connection to PID 1, until it breaks: with the host, or because systemd executed itself anew.
func (f *follower) listen(ctx context.Context, leader int) {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", leader, privateSocket)); err != nil {
		return // it is booting
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pipes, err := openBridge(ctx, f.host)
	if err != nil {
		return
	}
	defer pipes.Close()
	conn, err := dbus.NewConn(pipes, dbus.WithSignalHandler(f), dbus.WithContext(ctx))
	if err != nil {
		return
	}
	defer conn.Close()
	f.mu.Lock()
	f.leader = leader
	f.mu.Unlock()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		return
	}
	if err := f.catchUp(ctx, conn); err != nil {
		return
	}
	f.connected(conn)
	defer f.connected(nil)
	<-conn.Context().Done()
}

func (f *follower) connected(conn *dbus.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = conn
	if conn != nil {
		f.heard = append(f.heard, Span{From: Now()})
		return
	}
	f.heard[len(f.heard)-1].To = Now()
}

// catchUp asks for what happened while nobody listened.
func (f *follower) catchUp(ctx context.Context, conn *dbus.Conn) error {
	began := Now()
	var units [][]any
	if err := conn.Object(systemdName, managerPath).CallWithContext(ctx, managerIface+".ListUnits", 0).Store(&units); err != nil {
		return fmt.Errorf("list units of %s: %w", f.name, err)
	}
	known := make(map[unit.Name]bool)
	for _, u := range units {
		name, ok := u[0].(string)
		path, also := u[6].(dbus.ObjectPath)
		if !ok || !also || !f.ours(unit.Name(name)) {
			continue
		}
		known[unit.Name(name)] = true
		var properties map[string]dbus.Variant
		if err := conn.Object(systemdName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, unitIface).Store(&properties); err != nil {
			return fmt.Errorf("read %s of %s: %w", name, f.name, err)
		}
		f.hear(unit.Name(name), properties)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, run := range f.history.open {
		if !known[name] && run.Start < began {
			f.history.forgotten(name, Now())
		}
	}
	return nil
}

// DeliverSignal implements dbus.SignalHandler. It is called in the order of the signals, before any later answer is
// handed out.
func (f *follower) DeliverSignal(iface, member string, signal *dbus.Signal) {
	if iface+"."+member != "org.freedesktop.DBus.Properties.PropertiesChanged" {
		return
	}
	of, ok := first[string](signal.Body)
	name := unitName(signal.Path)
	if !ok || of != unitIface || !f.ours(name) || len(signal.Body) < 2 {
		return
	}
	if properties, ok := signal.Body[1].(map[string]dbus.Variant); ok {
		f.hear(name, properties)
	}
}

func first[T any](body []any) (one T, ok bool) {
	if len(body) > 0 {
		one, ok = body[0].(T)
	}
	return one, ok
}

func (f *follower) hear(name unit.Name, properties map[string]dbus.Variant) {
	invocation, _ := properties["InvocationID"].Value().([]byte)
	active, _ := properties["ActiveState"].Value().(string)
	sub, _ := properties["SubState"].Value().(string)
	if active == "" {
		return
	}
	at := func(key string) Moment {
		microseconds, _ := properties[key].Value().(uint64)
		return Moment(microseconds * 1000)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history.hear(fact{
		unit: name, invocation: hex.EncodeToString(invocation), active: active, sub: sub,
		changed: at("StateChangeTimestampMonotonic"), left: at("InactiveExitTimestampMonotonic"), inactive: at("InactiveEnterTimestampMonotonic"),
	})
}

// ours tells whether the unit is one of fleet's: then its file is there, from before it starts until after it has stopped.
func (f *follower) ours(name unit.Name) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.history.open[name] != nil {
		return true
	}
	_, err := os.Lstat(f.file(name))
	return err == nil
}

// file is the unit's file as seen from here. The caller holds mu.
func (f *follower) file(name unit.Name) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", f.leader), unitFiles, string(name))
}

// kind reads it out of the unit's file; of one that is gone already it is what it last was. The caller holds mu.
func (f *follower) kind(name unit.Name) Kind {
	raw, err := os.ReadFile(f.file(name))
	if err != nil {
		return cmp.Or(f.kinds[name], Plain)
	}
	kind := Plain
	if file, err := unit.Parse(raw); err == nil {
		if rules, err := file.Rules(name); err == nil && rules.Global {
			kind = Global
		} else if err == nil && rules.AtMostOnce {
			kind = AtMostOnce
		}
	}
	f.kinds[name] = kind
	return kind
}

// flush waits until everything is written down that systemd has told so far. A host that is off, or paused, tells nothing.
func (f *follower) flush(ctx context.Context) error {
	for {
		f.mu.Lock()
		conn, leader := f.conn, f.leader
		f.mu.Unlock()
		now, err := f.host.Leader()
		if err != nil && leader == 0 {
			return nil
		}
		if err == nil && conn != nil && now == leader {
			// A ping would be answered by the bridge.
			err := conn.Object(systemdName, managerPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, managerIface, "Version").Err
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for what systemd of %s tells: %w", f.name, context.Cause(ctx))
		case <-time.After(look):
		}
	}
}

func (f *follower) runs() []Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.history.runs()
}

// unitName is what systemd made an object path of; empty if it is none of a unit.
func unitName(path dbus.ObjectPath) unit.Name {
	escaped, ok := strings.CutPrefix(string(path), unitPaths)
	if !ok {
		return ""
	}
	var name strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '_' && i+2 < len(escaped) {
			if b, err := hex.DecodeString(escaped[i+1 : i+3]); err == nil {
				name.Write(b)
				i += 2
				continue
			}
		}
		name.WriteByte(escaped[i])
	}
	return unit.Name(name.String())
}
