package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"fleet/agent"
	"fleet/cluster"
	"fleet/fleetd/fence"
	"fleet/registry"
	"fleet/registry/etcd"
)

const fenceHelp = `fleetd fence ends units that must not run twice (AtMostOnce=yes) before the lease of this machine does.
It is run by systemd as fleet-fence.service, and takes the settings of fleetd.

  fleetd fence          guard the session of this machine
  fleetd fence --kill   end what a fence that has ended has left (ExecStopPost= of the service)
`

// uncheckedVariable is set in tests that show what a fence is worth without systemd's watchdog.
const uncheckedVariable = "FLEET_FENCE_UNCHECKED"

// fenceCommand is "fleetd fence". It returns 0 after a stop in order, 1 when it had to end units, and
// 2 when there can be no fence with these settings.
func fenceCommand(args, environ []string, stdout io.Writer, stderr *os.File) int {
	kill := slices.Contains(args, "--kill")
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "--kill" })
	unchecked := slices.Contains(environ, uncheckedVariable+"=1")
	environ = slices.DeleteFunc(slices.Clone(environ), func(pair string) bool { return strings.HasPrefix(pair, uncheckedVariable+"=") })
	inv, err := parse(args, environ, os.Geteuid() == 0)
	switch {
	case err == nil && inv.help:
		fmt.Fprint(stdout, fenceHelp)
		return 0
	case err == nil && inv.settings.SystemdUser:
		err = errors.New("there is no fence for a user's systemd: it needs to be root")
	}
	if err != nil && !kill {
		fmt.Fprintf(stderr, "fleetd fence: %v\n", err)
		return 2
	}
	if err != nil {
		// What there is to kill is then where it is without settings.
		inv.settings = Defaults(true, os.Getenv)
	}
	level := new(slog.LevelVar)
	level.Set(inv.settings.LogLevel)
	log := newLogger(inv.settings.LogFormat, level, stderr)
	settings, err := inv.settings.settled(inv.settings.directoriesFile())
	if err != nil {
		log.Warn("going by the settings", "err", err)
	}
	if kill {
		err = killFenced(settings, log)
	} else {
		err = runFence(settings, unchecked, log)
	}
	wrong := (*fence.SetupError)(nil)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		log.Error("there is no fence on this machine: units with AtMostOnce=yes cannot run here", "err", err)
		return 2
	}
	log.Error("the fence ends", "err", err)
	return 1
}

// fence is where this fleetd and the fence of its host meet.
func (s Settings) fence() fence.Files { return fence.System(s.StateDir) }

// guard reads what the fence of this host says of itself. A user's systemd has none.
func (s Settings) guard(log *slog.Logger) func() agent.Guard {
	if s.SystemdUser {
		return nil
	}
	return func() agent.Guard {
		said, err := s.fence().Guard()
		if err != nil {
			log.Error("units that must not run twice cannot run here", "err", err)
			return agent.Guard{}
		}
		return agent.Guard(said)
	}
}

// resumedFence are the times of the fence, if it guards the session that fleetd is about to resume: it is told as it
// was, so that nobody takes it for gone.
func (s Settings) resumedFence(session cluster.Session) cluster.Fence {
	said, err := s.fence().Guard()
	if err != nil || s.SystemdUser || session.IsZero() || said.Session != session {
		return cluster.Fence{}
	}
	return said.Times
}

// runFence is the process that guards.
func runFence(s Settings, unchecked bool, log *slog.Logger) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	// What it needs in an hour of need must not have to be read from a disk that hangs, or be waited for while memory is short.
	debug.SetGCPercent(50)
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		log.Info("the fence's memory is not locked, it may have to be read from a disk when it is needed", "err", err)
	}
	deadline, err := fence.NewDeadline()
	if err != nil {
		return err
	}
	watched, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog's interval: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return fence.Run(ctx, fence.Options{
		Life: os.Getenv("INVOCATION_ID"),
		Session: func() (fence.Session, error) {
			return fence.ReadSession(s.sessionFile(), boot)
		},
		Dial: func(ctx context.Context, endpoints []string) (fence.Renewer, error) {
			return dialRenewer(ctx, s, endpoints)
		},
		Host:      s.fence(),
		Notify:    notifyFence,
		Deadline:  deadline.Set,
		Watched:   watched > 0,
		Unchecked: unchecked,
		Logger:    log,
	})
}

func notifyFence(state string) error {
	told, err := daemon.SdNotify(false, state)
	if err == nil && !told {
		err = errors.New("there is no systemd to tell: $NOTIFY_SOCKET is not set")
	}
	return err
}

// killFenced is run by systemd when the fence has ended.
func killFenced(s Settings, log *slog.Logger) error {
	host := s.fence()
	last, err := host.Guard()
	if err != nil {
		log.Warn("not knowing how long units may take to stop, ending them at once", "err", err)
	}
	return fence.Kill(host, last, os.Getenv("SERVICE_RESULT") == "timeout", func(d time.Duration) {
		notify(log, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
	})
}

// renewer is a client of etcd that renews leases, for the fence.
type renewer struct{ *etcd.Client }

// dialTimeout bounds how long a user of etcd may wait to be let in, after which there may be other endpoints.
const dialTimeout = 5 * time.Second

func dialRenewer(ctx context.Context, s Settings, endpoints []string) (fence.Renewer, error) {
	config := storeConfig(s)
	if len(endpoints) > 0 {
		config.Endpoints = endpoints
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	client, err := etcd.Dial(ctx, config)
	if err != nil {
		return nil, err
	}
	return renewer{client}, nil
}

func (r renewer) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	ttl, err := r.Client.Renew(ctx, lease)
	if errors.Is(err, registry.ErrLeaseNotFound) {
		return 0, fmt.Errorf("%w: %w", fence.ErrGone, err)
	}
	return ttl, err
}
