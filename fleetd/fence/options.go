package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Options are what a fence stands on. All but Unchecked and Logger must be set.
type Options struct {
	// Life tells this process from the fences before it: systemd's invocation id.
	Life string

	// Session reads which session is to be guarded; the zero Session: there is none yet.
	Session func() (Session, error)

	// Dial makes a client of the store.
	Dial func(ctx context.Context, endpoints []string) (Renewer, error)

	Host Host

	// Notify sends systemd a message about this service (sd_notify(3)).
	Notify func(state string) error

	// Deadline has the kernel kill this process at that time, whatever it does or has done to it, unless another
	// time is given before.
	Deadline func(at time.Time) error

	// Watched tells that systemd watches this service: it has WatchdogSec=.
	Watched bool

	// Unchecked has the fence do without systemd's watchdog, without a deadline, and without a check of its times. Then it
	// guards nothing when it hangs: it is for tests that show what these are for.
	Unchecked bool

	Logger *slog.Logger // nil discards
}

// Session is what fleetd tells the fence of the machine's session.
type Session struct {
	cluster.Session
	Endpoints []string // of the store
}

// Renewer renews leases. Several renewals may be under way at a time.
type Renewer interface {
	// Renew renews a lease and returns for how long. ErrGone: there is no such lease.
	Renew(ctx context.Context, lease int64) (ttl time.Duration, err error)
	Close() error
}

// ErrGone is wrapped by the error of a renewal of a lease that has ended.
var ErrGone = errors.New("the lease has ended")

// Host is the part of this host that the fence has to do with: units that are bound to it, and what it and the agent tell each other.
type Host interface {
	// Announce tells the agent what is guarded; the zero Guard: nothing is.
	Announce(Guard) error
	// Mark notes by when bound units have to be gone, for a process that comes after this one. Marked is what was
	// noted last, zero if nothing was.
	Mark(at time.Time) error
	Marked() time.Time
	// Revoke takes away the permits to start of all sessions but this one.
	Revoke(keep cluster.Session) error

	// Left are the bound units that have processes.
	Left() ([]unit.Name, error)
	// Kill ends the processes of all bound units by force, whatever they are doing.
	Kill() error

	// Freeze stops the processes of those bound units that want it, Thaw continues them, and KillFrozen
	// is Kill for them alone.
	Freeze() error
	Thaw() error
	KillFrozen() error
}

// Guard is what a fence says of itself.
type Guard struct {
	Life    string          `json:"life"`    // invocation id of the fence
	Session cluster.Session `json:"session"` // that is guarded
	Times   cluster.Fence   `json:"times"`
}

// check says why this fence would not be one.
func (o Options) check(times cluster.Fence) error {
	if o.Unchecked {
		return nil
	}
	if !o.Watched {
		return errors.New("systemd does not watch this service: its unit needs WatchdogSec= and Type=notify, as the fleet-fence.service that comes with fleet has them")
	}
	if err := times.Check(); err != nil {
		return fmt.Errorf("the fence's times do not fit into the lease: %w; give fleetd a longer agent_ttl", err)
	}
	return nil
}
