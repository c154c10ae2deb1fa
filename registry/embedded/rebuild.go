package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
)

// Leap is by how much the revision grows when a member is recovered or restored: more than what other members, or the time since
// the snapshot, may have added that nobody here knows of. It is what etcd's own documentation of restores suggests.
const Leap = 1_000_000_000

// rebuilding is a change of a member into one that is alone, and with what. It is written down before
// anything is touched, and can be carried out again from any point at which it was interrupted.
type rebuilding struct {
	Restore  bool  `json:"restore"`  // of a snapshot, not with what the member has
	Revision int64 `json:"revision"` // to go on from
}

// Recover makes this member the only one of its cluster, with all that it has, and returns when it serves.
//
// For a cluster that has lost its majority for good. The other members are removed: what is left of them is told so when
// it reaches this one, and puts its data aside.
func (m *Member) Recover(ctx context.Context) error {
	return m.do(ctx, func() error { return m.rebuild(false) })
}

// Restore makes this member the only one of its cluster, with what a snapshot has, and returns
// when it serves. Nothing that is bound to a lease comes back. The snapshot is read before anything is stopped.
func (m *Member) Restore(ctx context.Context, snapshot io.Reader) error {
	if err := os.MkdirAll(m.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("restore a snapshot: %w", err)
	}
	f, err := os.CreateTemp(m.config.DataDir, uploadFile+".*")
	if err != nil {
		return fmt.Errorf("restore a snapshot: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := takeSnapshot(f, snapshot); err != nil {
		return err
	}
	return m.do(ctx, func() error {
		if err := os.Rename(f.Name(), m.path(restoredFile)); err != nil {
			return fmt.Errorf("restore a snapshot: %w", err)
		}
		return m.rebuild(true)
	})
}

// rebuild writes down what has to be done to the data of the member, which has stopped.
func (m *Member) rebuild(restore bool) error {
	if err := m.firstAlone(restore); err != nil {
		return err
	}
	own := openDatabase(m.zap, m.database())
	defer own.Close()
	revision, err := own.revision()
	if err != nil {
		return fmt.Errorf("read the database of the member: %w", err)
	}
	if restore {
		if revision, err = m.prepare(own, revision); err != nil {
			return fmt.Errorf("prepare the snapshot: %w", err)
		}
	} else {
		revision += Leap
	}
	data, err := json.Marshal(rebuilding{Restore: restore, Revision: revision})
	if err != nil {
		return fmt.Errorf("encode what is to be done: %w", err)
	}
	return m.write(rebuildFile, data)
}

// prepare makes the snapshot the database that this member would have, and returns the revision to go on from.
func (m *Member) prepare(own database, revision int64) (int64, error) {
	snapshot := openDatabase(m.zap, m.path(restoredFile))
	defer snapshot.Close()
	taken, err := snapshot.revision()
	if err != nil {
		return 0, err
	}
	revision = max(revision, taken) + Leap
	if err := snapshot.takePlace(own); err != nil {
		return 0, err
	}
	return revision, snapshot.endLeases(revision)
}

// firstAlone makes sure that there is a member to be rebuilt: a snapshot may be restored where nothing is left, or
// where nothing ever was but a start that waited in vain.
func (m *Member) firstAlone(restore bool) error {
	if m.config.hasMember() && !m.has(unprovenFile) {
		return nil
	}
	if !restore {
		return errors.New("this member has no data to recover the cluster with: recover another one, or restore a snapshot")
	}
	if err := os.RemoveAll(m.path(memberDir)); err != nil {
		return fmt.Errorf("begin anew: %w", err)
	}
	config, err := m.config.etcd()
	if err != nil {
		return err
	}
	config.ClusterState = embed.ClusterStateFlagNew
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	s, err := start(context.Background(), config)
	if err != nil {
		return err
	}
	s.Close()
	return m.proven()
}

// finishRebuild carries out what is written down. That it is done is noted when the member serves.
func (m *Member) finishRebuild() error {
	data, err := os.ReadFile(m.path(rebuildFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var r rebuilding
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return fmt.Errorf("read what is to be done to the data of etcd: %w", err)
	}
	if m.has(restoredFile) && r.Restore {
		if err := os.Rename(m.path(restoredFile), m.database()); err != nil {
			return fmt.Errorf("put the restored database in place: %w", err)
		}
		if err := syncDir(filepath.Dir(m.database())); err != nil {
			return fmt.Errorf("put the restored database in place: %w", err)
		}
	}
	l, err := openLog(m.zap, filepath.Join(m.path(memberDir), "wal"))
	if err != nil {
		return err
	}
	defer l.Close()
	db := openDatabase(m.zap, m.database())
	defer db.Close()
	if err := db.alone(m.zap, l.self); err != nil {
		return err
	}
	db.raise(r.Revision)
	db.ForceCommit()
	if err := l.alone(db.applied(), !r.Restore); err != nil {
		return err
	}
	m.log.Warn("this member of etcd goes on as the only one", "restored", r.Restore, "revision", r.Revision)
	return nil
}

func (m *Member) database() string { return filepath.Join(m.path(memberDir), "snap", "db") }
