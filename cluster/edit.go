package cluster

import "errors"

// UnitEdit is what the API wants written of one unit. The registry gives it
// its generation, and stores the file and the record in one transaction.
type UnitEdit struct {
	Unit    Unit   // Name, Content, Desired and Global; the other fields are the registry's
	File    []byte // the unit file's bytes whenever Content is new to this unit; nil keeps the file
	Restart bool   // also ask for a restart
	Move    bool   // also ask for it to be moved, to Unit.MoveTo
}

// What callers of a store branch on.
var (
	// ErrNotFound: the record does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: somebody else changed the record between reading and writing; nothing was written.
	ErrConflict = errors.New("changed by somebody else meanwhile")
	// ErrUnavailable: the store did not answer in time. Whether a write took place is unknown.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrNoSpace: the store is full; nothing was written.
	ErrNoSpace = errors.New("etcd is full: its database has reached its quota, and takes nothing until there is room (alarm NOSPACE)")
	// ErrBusy: the store has more under way than it can carry out; nothing was written. It is an ErrUnavailable too.
	ErrBusy = errors.New("etcd has too many requests under way")
	// ErrDeposed: another engine leads, or none; nothing was written.
	ErrDeposed = errors.New("no longer the leader")
	// ErrSessionLost: the session's lease has ended.
	ErrSessionLost = errors.New("session lost")
)
