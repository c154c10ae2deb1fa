package embedded

import (
	"errors"
	"fmt"
	"io"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// applied is how far a member's database has come in its log.
type applied struct{ index, term uint64 }

// memberLog is the log of a member that is stopped.
type memberLog struct {
	*wal.WAL
	self    types.ID
	state   *raftpb.HardState
	entries []*raftpb.Entry
}

// openLog opens a log for writing. What a crash has torn off at its end is mended once.
func openLog(log *zap.Logger, dir string) (*memberLog, error) {
	for mended := false; ; mended = true {
		snapshots, err := wal.ValidSnapshotEntries(log, dir)
		if err != nil {
			return nil, fmt.Errorf("read the log of the member: %w", err)
		}
		if len(snapshots) == 0 {
			return nil, errors.New("the log of the member has no beginning")
		}
		w, err := wal.Open(log, dir, snapshots[len(snapshots)-1])
		if err != nil {
			return nil, fmt.Errorf("open the log of the member: %w", err)
		}
		l := &memberLog{WAL: w}
		var metadata []byte
		metadata, l.state, l.entries, err = w.ReadAll()
		var m etcdserverpb.Metadata
		if err == nil {
			err = proto.Unmarshal(metadata, &m)
		}
		if err == nil {
			l.self = types.ID(m.GetNodeID())
			return l, nil
		}
		w.Close()
		if mended || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(log, dir) {
			return nil, fmt.Errorf("read the log of the member: %w", err)
		}
	}
}

// alone makes the log one of a member that is the only one.
//
// What the member has taken into its log counts as committed if keep is set. Whoever wrote it may have been told that it is: a majority of
// which only this member is left had it. etcd's own way out, a forced new cluster, would drop it. Not so from a change of the members on, which
// would be undone by it.
//
// The log then begins at what the database has: the database was changed beside the log, so nobody who
// joins may be told the former entries in place of the database.
func (l *memberLog) alone(done applied, keep bool) error {
	commit := max(l.state.GetCommit(), done.index)
	for _, e := range l.entries {
		if !keep || e.GetIndex() > commit && e.GetType() != raftpb.EntryNormal {
			break
		}
		commit = max(commit, e.GetIndex())
	}
	var kept []*raftpb.Entry
	if n := len(l.entries); n > 0 && l.entries[n-1].GetIndex() > commit {
		kept = []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: new(l.state.GetTerm()), Index: new(commit + 1)}} // in place of all that follow
	}
	err := l.Save(&raftpb.HardState{Term: new(l.state.GetTerm()), Vote: new(uint64(l.self)), Commit: new(commit)}, kept)
	if err == nil {
		err = l.SaveSnapshot(&walpb.Snapshot{Index: new(done.index), Term: new(done.term), ConfState: &raftpb.ConfState{Voters: []uint64{uint64(l.self)}}})
	}
	if err != nil {
		return fmt.Errorf("write to the log of the member: %w", err)
	}
	return nil
}
