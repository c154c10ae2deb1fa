package registry

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"fleet/cluster"
)

// guarded is a record that this session writes. Nobody else can tell what it
// said, should other hands damage it.
type guarded struct {
	key     string
	session func(cluster.MachineID, Pair) (cluster.Session, error) // whose a record is, if it can be read
	lease   func() int64                                           // that it is bound to

	mu struct {
		sync.Mutex
		value []byte // as written last, or about to be; nil before
		put   int64  // revision of the last put that is known of; 0 if none is
	}
}

func machineSession(id cluster.MachineID, p Pair) (cluster.Session, error) {
	r, err := decodeMachine(id, p)
	if err != nil {
		return cluster.Session{}, err
	}
	return r.Session, nil
}

func reportSession(id cluster.MachineID, p Pair) (cluster.Session, error) {
	r, err := decodeReport(id, p)
	if err != nil {
		return cluster.Session{}, err
	}
	return r.Session, nil
}

func (g *guarded) expect(value []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.value = value
}

func (g *guarded) expected() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.value
}

func (g *guarded) wrote(revision int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.put = revision
}

func (g *guarded) last() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.put
}

func (g *guarded) lastPut() lastPut { return lastPut{key: g.key, revision: g.last()} }

// guard sees to it that one of this session's records can be read, and is the session's. When the
// machine's record is gone the session ends, whatever its lease does: the cluster has taken this
// machine for lost. Not being able to look means nothing.
func (m *Member) guard(ctx context.Context, g *guarded) {
	retry := backoff{}
	for {
		from, err := m.mend(ctx, g)
		if err == nil {
			retry.reset()
			err = m.registry.await(ctx, g.key, from, func(e Event) bool {
				return e.Deleted || e.Mod > g.last() && !bytes.Equal(e.Value, g.expected())
			})
		}
		switch {
		case errors.Is(err, cluster.ErrSessionLost):
			m.lost()
			return
		case retry.wait(ctx) != nil:
			return
		}
	}
}

// mend looks at the record, writes it anew if need be, and returns the revision from which on to watch it.
func (m *Member) mend(ctx context.Context, g *guarded) (from int64, err error) {
	pair, revision, err := m.registry.get(ctx, g.key)
	switch {
	case err != nil:
		return 0, err
	case g == &m.presence && (pair == nil || pair.Created != m.created):
		m.registry.log.Warn("this machine's record is gone", "machine", m.machine.ID, "session", m.Session())
		return 0, cluster.ErrSessionLost
	case m.sound(g, pair):
		return revision + 1, nil
	}
	value := g.expected()
	if value == nil || pair == nil && g == &m.report && g.last() == 0 {
		return revision + 1, nil // the first report is still to come, or on its way
	}
	there := Compare{Key: g.key}
	if pair != nil {
		there.Revision = pair.Mod
	}
	revision, err = m.registry.commit(ctx, Txn{
		If:   []Compare{m.present(), there},
		Then: []Op{Put(g.key, value, g.lease())},
	})
	if err != nil {
		return 0, err // cluster.ErrConflict if the session's own writing came in between: nothing was damaged then
	}
	m.registry.log.Warn("a record of this machine was damaged or gone, wrote it anew", "machine", m.machine.ID, "key", g.key, "rev", revision)
	return revision + 1, nil
}

// sound tells whether the record is one that this session has written, as far as others can see.
func (m *Member) sound(g *guarded, p *Pair) bool {
	if p == nil || p.Lease != g.lease() {
		return false
	}
	session, err := g.session(m.machine.ID, *p)
	return err == nil && session == m.Session()
}
