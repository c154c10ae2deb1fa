package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// DefaultTTL is how long a session lives without a renewal unless JoinOptions say otherwise.
const DefaultTTL = 10 * time.Second

// goneSlack is how much later than its lease a key may go: the store looks for
// ended leases only every so often, and must agree on what it finds.
const goneSlack = 2 * time.Second

// JoinOptions are the settings of one Join.
type JoinOptions struct {
	// TTL is how long the session outlives its last renewal; whole seconds, rounded up. DefaultTTL if 0.
	TTL time.Duration

	// Resume is the session that Remember was last given, zero if there was none.
	Resume cluster.Session

	// Remember is called with a new session before it begins, to make Resume
	// possible after a restart. If it fails the session begins nevertheless.
	Remember func(cluster.Session) error
}

// InUseError: another machine is present under the same machine id, or this
// one's former session refuses to end.
type InUseError struct {
	ID     cluster.MachineID
	Mine   string // address of the machine that was refused
	Theirs string // address of the machine that is present
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("machine id %s is in use: this machine is %s, the one present is %s", e.ID, e.Mine, e.Theirs)
}

// Join makes the machine m present and runs fn for as long as it is.
// m.Session needs only its BootID.
//
// If the session o.Resume is still alive it is resumed. If the machine's
// record belongs to another session Join waits for that one's lease to end,
// and fails with *InUseError if it does not. It waits for a store that does not answer.
//
// The context of fn ends with ctx, or when the lease is found to have ended;
// its cause then is cluster.ErrSessionLost, and so is Join's error. A store
// that cannot be reached does not end a session: what has become of it is
// unknown until the store answers. Join returns after fn has: nil when ctx has ended, else fn's error.
//
// The lease is left to run out, so that a restarted fleetd may resume it.
func (r *Registry) Join(ctx context.Context, m cluster.Machine, o JoinOptions, fn func(context.Context, *Member) error) error {
	if err := checkMachineID(m.ID); err != nil {
		return err
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	o.TTL = (o.TTL + time.Second - 1).Truncate(time.Second)
	j := joining{registry: r, machine: m, options: o, candidate: o.Resume}
	member, err := j.join(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("join as machine %s: %w", m.ID, err)
	}
	return member.live(ctx, o.TTL, fn)
}

// joining is one Join before the session begins.
type joining struct {
	registry *Registry
	machine  cluster.Machine
	options  JoinOptions

	// candidate is a session that is ours if the store says that it lives:
	// a former one to resume, or one whose creation was not answered.
	candidate cluster.Session

	// lease is the one this Join was granted, 0 before.
	lease int64
}

func (j *joining) join(ctx context.Context) (*Member, error) {
	log := j.registry.log.With("machine", j.machine.ID)
	retry := backoff{}
	for {
		member, err := j.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			return member, err
		}
		if errors.Is(err, cluster.ErrUnavailable) {
			log.Warn("cannot join, trying again", "err", err)
		} else if !errors.Is(err, cluster.ErrConflict) && !errors.Is(err, ErrLeaseNotFound) {
			return nil, err
		}
		if err := retry.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// attempt fails with cluster.ErrConflict or ErrLeaseNotFound when what it stood on has changed under it.
func (j *joining) attempt(ctx context.Context) (*Member, error) {
	pair, revision, err := j.registry.get(ctx, j.registry.keys.machine(j.machine.ID))
	if err != nil {
		return nil, err
	}
	if pair == nil {
		return j.begin(ctx)
	}
	theirs, err := decodeMachine(j.machine.ID, *pair)
	if err != nil {
		theirs = &cluster.Machine{Address: "unknown, its record cannot be read: " + err.Error(), Since: j.machine.Since}
		if pair.Lease == j.candidate.Lease {
			theirs.Session = j.candidate // whose it is, its lease tells
		}
	}
	if j.ours(theirs.Session, *pair) {
		return j.resume(ctx, *theirs, *pair)
	}
	return nil, j.await(ctx, *pair, revision, theirs.Address)
}

func (j *joining) ours(s cluster.Session, p Pair) bool {
	return (s == j.candidate || s == j.options.Resume) && !s.IsZero() && p.Lease == s.Lease && s.BootID == j.machine.Session.BootID
}

// resume goes on with a session whose record is there, and writes the record anew if the machine has changed.
func (j *joining) resume(ctx context.Context, was cluster.Machine, p Pair) (*Member, error) {
	sent := time.Now()
	if err := j.registry.store.KeepAlive(ctx, p.Lease); err != nil {
		return nil, err
	}
	lease, err := j.fitting(ctx, p.Lease)
	if err != nil {
		return nil, err
	}
	now := j.machine
	now.Session, now.Since = was.Session, was.Since
	now.Session.Lease = lease
	value, err := encodeMachine(now)
	if err != nil {
		return nil, err
	}
	if string(value) != string(p.Value) {
		_, err := j.registry.commit(ctx, Txn{
			If:   []Compare{{Key: p.Key, Revision: p.Mod}},
			Then: []Op{Put(p.Key, value, lease)},
		})
		if err != nil {
			return nil, err
		}
	}
	if lease != p.Lease {
		// What else the old session holds, such as a candidacy, ends with it.
		if err := j.registry.store.Revoke(ctx, p.Lease); err != nil {
			j.registry.log.Warn("cannot revoke the lease of the former session; it runs out", "err", err)
		}
	}
	return newMember(j.registry, now, value, p.Created, sent), nil
}

// fitting is the session's lease, just renewed, if it lives as long as asked
// for. If not, because the TTL was changed meanwhile, it is a new one: renewals in step with
// another TTL would come too late. The store tells what is left of a lease in whole seconds.
func (j *joining) fitting(ctx context.Context, lease int64) (int64, error) {
	left, err := j.registry.store.TimeToLive(ctx, lease)
	if err != nil {
		return 0, err
	}
	if (left - j.options.TTL).Abs() <= time.Second {
		return lease, nil
	}
	j.registry.log.Info("the TTL has changed, a new session replaces the former one", "machine", j.machine.ID, "was", left, "ttl", j.options.TTL)
	if err := j.obtainLease(ctx); err != nil {
		return 0, err
	}
	return j.lease, nil
}

// begin makes a new session.
func (j *joining) begin(ctx context.Context) (*Member, error) {
	sent := time.Now()
	if err := j.obtainLease(ctx); err != nil {
		return nil, err
	}
	now := j.machine
	now.Session.Lease = j.lease
	value, err := encodeMachine(now)
	if err != nil {
		return nil, err
	}
	key := j.registry.keys.machine(now.ID)
	created, err := j.registry.commit(ctx, Txn{If: []Compare{Absent(key)}, Then: []Op{Put(key, value, j.lease)}})
	if err != nil {
		return nil, err
	}
	return newMember(j.registry, now, value, created, sent), nil
}

// obtainLease renews the lease of an earlier attempt, whose record may yet
// arrive in the store, or is granted one and has it remembered.
func (j *joining) obtainLease(ctx context.Context) error {
	if j.lease != 0 {
		err := j.registry.store.KeepAlive(ctx, j.lease)
		if !errors.Is(err, ErrLeaseNotFound) {
			return err
		}
	}
	lease, err := j.registry.store.Grant(ctx, j.options.TTL)
	if err != nil {
		return err
	}
	j.lease = lease
	j.candidate = cluster.Session{Lease: lease, BootID: j.machine.Session.BootID}
	if j.options.Remember == nil {
		return nil
	}
	if err := j.options.Remember(j.candidate); err != nil {
		j.registry.log.Warn("cannot remember the session, a restart will have to wait for its end", "session", j.candidate, "err", err)
	}
	return nil
}

// await waits for the session that holds the record to end, at most as long
// as its lease lives if nobody renews it. It fails with cluster.ErrConflict when it has ended.
func (j *joining) await(ctx context.Context, p Pair, revision int64, theirs string) error {
	if p.Lease == 0 {
		// Presence is bound to a lease; a record without one would be present for ever.
		_, err := j.registry.commit(ctx, Txn{If: []Compare{{Key: p.Key, Revision: p.Mod}}, Then: []Op{Delete(p.Key)}})
		return cmp.Or(err, cluster.ErrConflict)
	}
	ttl, err := j.registry.store.TimeToLive(ctx, p.Lease)
	if errors.Is(err, ErrLeaseNotFound) {
		ttl, err = 0, nil
	}
	if err != nil {
		return err
	}
	j.registry.log.Info("the machine id is in use, waiting for that session to end", "machine", j.machine.ID, "theirs", theirs, "ttl", ttl)
	limited, cancel := context.WithTimeout(ctx, ttl+goneSlack)
	defer cancel()
	err = j.registry.awaitDeletion(limited, p.Key, revision+1)
	if err == nil {
		return cluster.ErrConflict
	}
	if ctx.Err() != nil || limited.Err() == nil {
		return err
	}
	// The watch may have been deaf all that time: only the record itself can
	// tell that its holder outlived its lease.
	now, _, err := j.registry.get(ctx, p.Key)
	switch {
	case err != nil:
		return err
	case now == nil || now.Created != p.Created:
		return cluster.ErrConflict
	}
	return &InUseError{ID: j.machine.ID, Mine: j.machine.Address, Theirs: theirs}
}
