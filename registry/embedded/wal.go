package embedded

import (
	"errors"
	"fmt"
	"io"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// applied is how far a member's database has come in its log.
type applied struct {
	index, term uint64
	members     *raftpb.ConfState
}

// endLog makes the log of a member that has stopped one of a member that is alone from here on.
//
// What the member has taken into its log counts as committed if keep is set. Whoever wrote it may have been told that it is: a majority of
// which only this member is left had it. etcd's own way, to drop it, would lose such writes.
//
// The log then begins at what the database has: the database is about to be changed beside the log, so nobody who
// joins may be told the former entries in place of the database.
func endLog(log *zap.Logger, dir string, done applied, keep bool) error {
	w, state, entries, err := openLog(log, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	commit := max(state.GetCommit(), done.index)
	if keep && len(entries) > 0 {
		commit = max(commit, entries[len(entries)-1].GetIndex())
	}
	if err := w.Save(&raftpb.HardState{Term: new(state.GetTerm()), Vote: new(state.GetVote()), Commit: new(commit)}, nil); err != nil {
		return fmt.Errorf("write to the log of the member: %w", err)
	}
	begin := walpb.Snapshot{Index: new(done.index), Term: new(done.term), ConfState: done.members}
	if err := w.SaveSnapshot(&begin); err != nil {
		return fmt.Errorf("write to the log of the member: %w", err)
	}
	return nil
}

// openLog opens a log for writing. What a crash has torn off at its end is mended once.
func openLog(log *zap.Logger, dir string) (*wal.WAL, *raftpb.HardState, []*raftpb.Entry, error) {
	for mended := false; ; mended = true {
		snapshots, err := wal.ValidSnapshotEntries(log, dir)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read the log of the member: %w", err)
		}
		if len(snapshots) == 0 {
			return nil, nil, nil, errors.New("the log of the member has no beginning")
		}
		w, err := wal.Open(log, dir, snapshots[len(snapshots)-1])
		if err != nil {
			return nil, nil, nil, fmt.Errorf("open the log of the member: %w", err)
		}
		_, state, entries, err := w.ReadAll()
		if err == nil {
			return w, state, entries, nil
		}
		w.Close()
		if mended || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(log, dir) {
			return nil, nil, nil, fmt.Errorf("read the log of the member: %w", err)
		}
	}
}
