package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	sddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

const (
	busName      = "org.freedesktop.systemd1"
	managerPath  = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerIface = "org.freedesktop.systemd1.Manager"
	unitIface    = "org.freedesktop.systemd1.Unit"
	getProperty  = "org.freedesktop.DBus.Properties.Get"
)

// inFlight bounds the calls without an answer: enough to hide the latency of
// the bus, and half of what dbus-daemon allows a connection (128).
const inFlight = 64

// handshake is how long systemd may take to answer its first questions; a bus
// that is starting may have to wait for it.
const handshake = 30 * time.Second

// session is one connection to one life of systemd.
type session struct {
	conn     *dbus.Conn
	sd       *sddbus.Conn // the same connection, with go-systemd's methods
	version  string
	unitPath []string // where systemd looks for unit files, first wins
	slots    chan struct{}
	jobs     *jobs
	seen     *seen
	events   Events

	mu struct {
		sync.Mutex
		reason error
	}
}

// connect dials the bus and subscribes before anything is read, so that no
// change after the first read goes unnoticed.
func (m *Manager) connect(ctx context.Context) (*session, error) {
	s := &session{events: m.events, slots: make(chan struct{}, inFlight), jobs: newJobs(), seen: newSeen()}
	opts := []dbus.ConnOption{
		dbus.WithContext(ctx),
		dbus.WithSignalHandler(&listener{session: s, bell: m.bell}),
		// The number, not the name: no user database is needed.
		dbus.WithAuth(dbus.AuthExternal(strconv.Itoa(os.Getuid()))),
	}
	var err error
	if m.user {
		s.conn, err = dbus.Connect(m.userBus(), opts...)
	} else {
		s.conn, err = dbus.ConnectSystemBus(opts...)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if err := s.subscribe(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// userBus never starts a bus of its own: systemd would not be on it.
func (m *Manager) userBus() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	return "unix:path=" + filepath.Join(m.runtime, "bus")
}

func (s *session) subscribe(ctx context.Context) error {
	// Not UnitNew and UnitRemoved: every reload sends both for every unit, and
	// nothing happens to a unit in memory without one of the others.
	rules := [][]dbus.MatchOption{
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(managerIface), dbus.WithMatchMember("JobRemoved")},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(managerIface), dbus.WithMatchMember("Reloading")},
		propertiesOf(unitIface),
	}
	for _, iface := range results {
		rules = append(rules, propertiesOf(iface))
	}
	for _, r := range rules {
		if err := s.conn.AddMatchSignalContext(ctx, r...); err != nil {
			return fmt.Errorf("subscribe to systemd's signals: %w", err)
		}
	}
	if err := s.conn.Object(busName, managerPath).CallWithContext(ctx, managerIface+".Subscribe", 0).Err; err != nil {
		return fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	if err := s.get(ctx, managerPath, managerIface, "Version", &s.version); err != nil {
		return err
	}
	if err := s.get(ctx, managerPath, managerIface, "UnitPath", &s.unitPath); err != nil {
		return err
	}
	// go-systemd wants two connections; one keeps replies and signals in
	// order. Its own listener ends at once: see listener.AddSignal.
	sd, err := sddbus.NewConnection(func() (*dbus.Conn, error) { return s.conn, nil })
	if err != nil {
		return fmt.Errorf("wrap connection: %w", err)
	}
	s.sd = sd
	return nil
}

// propertiesOf matches the changes of one interface.
func propertiesOf(iface string) []dbus.MatchOption {
	return []dbus.MatchOption{
		dbus.WithMatchSender(busName), dbus.WithMatchInterface("org.freedesktop.DBus.Properties"), dbus.WithMatchMember("PropertiesChanged"), dbus.WithMatchArg(0, iface),
	}
}

// do makes one call when there is room for it.
func (s *session) do(ctx context.Context, what Call, call func() error) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
		began := time.Now()
		err := call()
		s.events.called(what, began, err)
		return s.wrap(ctx, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) get(ctx context.Context, p dbus.ObjectPath, iface, property string, to any) error {
	err := s.do(ctx, callProperty, func() error {
		var v dbus.Variant
		if err := s.conn.Object(busName, p).CallWithContext(ctx, getProperty, 0, iface, property).Store(&v); err != nil {
			return err
		}
		return v.Store(to)
	})
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", property, p, err)
	}
	return nil
}

// wrap marks errors that mean that the answer is unknown.
func (s *session) wrap(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if s.conn.Context().Err() != nil || errors.Is(err, dbus.ErrClosed) || gone[dbusName(err)] {
		return fmt.Errorf("%w: %w", ErrConnection, err)
	}
	return err
}

// end closes the connection for a reason.
func (s *session) end(reason error) {
	s.mu.Lock()
	if s.mu.reason == nil {
		s.mu.reason = reason
	}
	s.mu.Unlock()
	s.close()
}

func (s *session) close() {
	_ = s.conn.Close()
	s.jobs.abandon()
}

func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.reason != nil {
		return s.mu.reason
	}
	return errors.New("the bus closed the connection")
}
