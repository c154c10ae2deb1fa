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

	// Resume is what Remember was last given, zero if that is nothing.
	Resume Hold

	// Remember is called with a new session before it begins, and with a new lease of the agent's before that is
	// used, to make Resume possible after a restart. If it fails the session begins nevertheless.
	Remember func(Hold) error
}

// Hold is what a machine stands on in the store: its session, and the lease of the fleetd that serves it.
type Hold struct {
	Session cluster.Session
	Agent   int64         // a lease, 0 for none
	TTL     time.Duration // of both leases
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
// If the session o.Resume is still alive it is resumed, and so is one of this boot of the same host
// that no fleetd serves, whether it was remembered or not. If the machine's
// record belongs to another session Join waits for that one's lease to end,
// and fails with *InUseError if it does not. It waits for a store that does not answer.
//
// The context of fn ends with ctx, or when the lease is found to have ended;
// its cause then is cluster.ErrSessionLost, and so is Join's error. A store
// that cannot be reached does not end a session: what has become of it is
// unknown until the store answers. Join returns after fn has: nil when ctx has ended, else fn's error.
//
// The lease of the session is left to run out, so that a restarted fleetd may resume it. A second lease
// is the agent's own. It tells that this process serves the machine, the candidacy to lead is bound to it, and
// Join ends it when it returns. A process that is killed cannot; the next one resumes it as well, if it comes in time.
func (r *Registry) Join(ctx context.Context, m cluster.Machine, o JoinOptions, fn func(context.Context, *Member) error) error {
	if err := checkMachineID(m.ID); err != nil {
		return err
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	o.TTL = (o.TTL + time.Second - 1).Truncate(time.Second)
	m.Attends = true
	j := joining{registry: r, machine: m, options: o, candidate: o.Resume.Session, hold: Hold{Agent: o.Resume.Agent, TTL: o.TTL}, told: o.Resume}
	member, err := j.join(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("join as machine %s: %w", m.ID, err)
	}
	return member.live(ctx, fn)
}

// joining is one Join before the session begins.
type joining struct {
	registry *Registry
	machine  cluster.Machine
	options  JoinOptions

	// candidate is a session that is ours if the store says that it lives:
	// a former one to resume, or one whose creation was not answered.
	candidate cluster.Session

	// lease is the one this Join was granted for the session, 0 before.
	lease int64

	hold Hold // that the session is to begin with
	told Hold // what Remember was last given
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
	line := j.registry.store.line()
	member, err := j.try(ctx)
	if err != nil {
		return nil, err
	}
	member.line = line
	return member, nil
}

func (j *joining) try(ctx context.Context) (*Member, error) {
	if err := j.registry.store.check(ctx, j.registry.store.now()); err != nil {
		return nil, err
	}
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
	if abandoned, err := j.abandoned(ctx, *theirs); err != nil {
		return nil, err
	} else if abandoned {
		return j.resume(ctx, *theirs, *pair)
	}
	over, err := j.shutDown(ctx, *theirs)
	if err != nil {
		return nil, err
	}
	if over {
		j.revoke(ctx, pair.Lease)
		return nil, cluster.ErrConflict
	}
	return nil, j.await(ctx, *pair, revision, *theirs)
}

// shutDown tells whether a record is that of this very host before it was shut down in order and booted again: nothing of
// that boot can be running, and nobody has to wait for its session to end. Another host that was given the same id has another
// address, or is there.
func (j *joining) shutDown(ctx context.Context, theirs cluster.Machine) (bool, error) {
	if !theirs.Leaving || theirs.Session.BootID == j.machine.Session.BootID {
		return false, nil
	}
	return j.unserved(ctx, theirs)
}

// abandoned tells whether a record is that of this very host since it booted, and no fleetd serves it: of a session that
// was not remembered. The machine's fence may renew that for ever, and what is bound to it goes on in it.
func (j *joining) abandoned(ctx context.Context, theirs cluster.Machine) (bool, error) {
	mine := j.machine.Session.BootID
	if !theirs.Attends || mine == "" || theirs.Session.BootID != mine {
		return false, nil
	}
	return j.unserved(ctx, theirs)
}

// unserved tells whether a record is that of this very host, and no fleetd serves it.
func (j *joining) unserved(ctx context.Context, theirs cluster.Machine) (bool, error) {
	if theirs.Address != j.machine.Address {
		return false, nil
	}
	agent, _, err := j.registry.get(ctx, j.registry.keys.agent(j.machine.ID))
	return agent == nil, err
}

func (j *joining) ours(s cluster.Session, p Pair) bool {
	return (s == j.candidate || s == j.options.Resume.Session) && !s.IsZero() && p.Lease == s.Lease && s.BootID == j.machine.Session.BootID
}

// resume goes on with a session whose record is there, and writes the record anew if the machine has changed.
func (j *joining) resume(ctx context.Context, was cluster.Machine, p Pair) (*Member, error) {
	sent := time.Now()
	if _, err := j.registry.store.KeepAlive(ctx, p.Lease); err != nil {
		return nil, err
	}
	fits, granted, err := j.fits(ctx, p.Lease)
	if err != nil {
		return nil, err
	}
	now := j.machine
	now.Session, now.Since = was.Session, was.Since
	if !fits {
		if err := j.obtainLease(ctx); err != nil {
			return nil, err
		}
		now.Session.Lease = j.lease
	}
	member, puts, err := j.member(ctx, now)
	if err != nil {
		return nil, err
	}
	if !fits && granted > j.options.TTL && (was.Fence != cluster.Fence{} || now.Fence != cluster.Fence{}) {
		if sent, err = j.outlast(ctx, granted); err != nil {
			return nil, err
		}
	}
	if string(member.presence.expected()) == string(p.Value) {
		puts = puts[1:]
	}
	if _, err := j.registry.commit(ctx, Txn{If: []Compare{{Key: p.Key, Revision: p.Mod}}, Then: puts}); err != nil {
		return nil, err
	}
	if !fits {
		j.revoke(ctx, p.Lease) // what else the old session holds ends with it
	}
	member.began(p.Created, sent)
	return member, nil
}

// fits tells whether a lease, just renewed, lives as long as asked for. If not, because the TTL was changed
// meanwhile, renewals in step with another TTL would come too late. etcd makes very short leases longer, by up to a second.
func (j *joining) fits(ctx context.Context, lease int64) (fits bool, granted time.Duration, err error) {
	_, granted, err = j.registry.store.TimeToLive(ctx, lease)
	if err != nil {
		return false, 0, err
	}
	fits = (granted - j.options.TTL).Abs() <= time.Second
	if !fits {
		j.registry.log.Info("the TTL has changed, a new lease replaces the former one", "machine", j.machine.ID, "was", granted, "ttl", j.options.TTL)
	}
	return fits, granted, nil
}

// outlast waits until the fence, which was told of the new session when that was remembered, has ended what is bound to the former
// one. That takes parts of the former lease's TTL (at most a tenth until it looks, and a fifth for the units to stop), which the new
// lease, if it is shorter, might not live to see; whoever is cut off then would be given up before its units have ended. The
// former lease, just renewed, outlives it. It returns when the new lease was renewed.
func (j *joining) outlast(ctx context.Context, granted time.Duration) (sent time.Time, err error) {
	for end := time.Now().Add(granted * 2 / 5); time.Now().Before(end); {
		select {
		case <-time.After(min(time.Until(end), j.options.TTL/3)):
		case <-ctx.Done():
			return sent, ctx.Err()
		}
		sent = time.Now()
		for _, lease := range []int64{j.lease, j.hold.Agent} {
			if _, err := j.registry.store.KeepAlive(ctx, lease); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

func (j *joining) revoke(ctx context.Context, lease int64) {
	if err := j.registry.store.Revoke(ctx, lease); err != nil && !errors.Is(err, ErrLeaseNotFound) {
		j.registry.log.Warn("cannot revoke a former lease; it runs out", "err", err)
	}
}

// member is the one of the session that now is of, and the writes that make it present: first the
// machine's record, then the agent's.
func (j *joining) member(ctx context.Context, now cluster.Machine) (*Member, []Op, error) {
	if err := j.obtainAgent(ctx); err != nil {
		return nil, nil, err
	}
	j.hold.Session = now.Session
	machine, err := encodeMachine(now)
	if err != nil {
		return nil, nil, err
	}
	agent, err := encodeAgent(cluster.Agent{Session: now.Session, Since: j.machine.Since})
	if err != nil {
		return nil, nil, err
	}
	m := newMember(j, now)
	m.presence.expect(machine)
	m.agent.expect(agent)
	if j.hold != j.told {
		m.remember(j.hold)
		j.told = j.hold
	}
	return m, []Op{Put(m.presence.key, machine, now.Session.Lease), Put(m.agent.key, agent, j.hold.Agent)}, nil
}

// begin makes a new session.
func (j *joining) begin(ctx context.Context) (*Member, error) {
	sent := time.Now()
	if err := j.obtainLease(ctx); err != nil {
		return nil, err
	}
	now := j.machine
	now.Session.Lease, now.Since = j.lease, j.registry.now() // Join may have waited for long
	member, puts, err := j.member(ctx, now)
	if err != nil {
		return nil, err
	}
	created, err := j.registry.commit(ctx, Txn{If: []Compare{Absent(member.presence.key)}, Then: puts})
	if err != nil {
		return nil, err
	}
	member.began(created, sent)
	return member, nil
}

// obtainLease renews the lease of an earlier attempt, whose record may yet
// arrive in the store, or is granted one.
func (j *joining) obtainLease(ctx context.Context) error {
	if j.lease != 0 {
		_, err := j.registry.store.KeepAlive(ctx, j.lease)
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
	return nil
}

// await waits for the session that holds the record to end, at most as long
// as its lease lives if nobody renews it. It fails with cluster.ErrConflict when it has ended.
func (j *joining) await(ctx context.Context, p Pair, revision int64, theirs cluster.Machine) error {
	if p.Lease == 0 {
		// Presence is bound to a lease; a record without one would be present for ever.
		err := j.registry.remove(ctx, p)
		return cmp.Or(err, cluster.ErrConflict)
	}
	ttl, _, err := j.registry.store.TimeToLive(ctx, p.Lease)
	if errors.Is(err, ErrLeaseNotFound) {
		ttl, err = 0, nil
	}
	if err != nil {
		return err
	}
	j.registry.log.Info("the machine id is in use, waiting for that session to end", "machine", j.machine.ID, "theirs", theirs.Address, "ttl", ttl)
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
	if err := j.kept(ctx, p.Lease); err != nil {
		return err
	}
	if abandoned, err := j.abandoned(ctx, theirs); err != nil || abandoned {
		return cmp.Or(err, cluster.ErrConflict)
	}
	return &InUseError{ID: j.machine.ID, Mine: j.machine.Address, Theirs: theirs.Address}
}

// kept returns nil if somebody renews a lease, again and again. That a lease lives on does not tell: the store
// prolongs all of them when another of its members leads. It fails with cluster.ErrConflict when nobody does.
func (j *joining) kept(ctx context.Context, lease int64) error {
	const looks = 3
	for range looks {
		_, granted, err := j.registry.store.TimeToLive(ctx, lease)
		late := granted/3 + time.Second + overdueSlack // the store tells whole seconds
		if err == nil {
			select {
			case <-time.After(late + overdueSlack):
			case <-ctx.Done():
				return ctx.Err()
			}
			var left time.Duration
			left, granted, err = j.registry.store.TimeToLive(ctx, lease)
			if err == nil && granted-left > late {
				return cluster.ErrConflict
			}
		}
		if errors.Is(err, ErrLeaseNotFound) {
			return cluster.ErrConflict
		}
		if err != nil {
			return err
		}
	}
	return nil
}
