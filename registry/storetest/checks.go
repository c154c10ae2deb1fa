package storetest

import (
	"testing"

	"fleet/registry"
)

// Backend is a store under test. Other tests may have used it before; no other uses it meanwhile.
type Backend struct {
	Store   registry.Store
	Prefix  string                             // for this check's keys alone, without a slash at its end
	Compact func(t *testing.T, revision int64) // forgets what was before a revision
}

// Check is one thing that a store must do.
type Check struct {
	Name string
	Run  func(t *testing.T, b Backend)
}

// Checks are all of them.
func Checks() []Check {
	return []Check{
		{"a transaction is one revision", oneRevision},
		{"a transaction without changes is no revision", noRevision},
		{"comparisons choose the branch", comparisons},
		{"a get sees the operations before it", getSeesOps},
		{"a key cannot be changed twice at one revision", noDoubleChange},
		{"of concurrent writers one wins each revision", concurrentWriters},
		{"a range is sorted and bounded by its prefix", rangePrefix},
		{"pages are of one revision", rangePages},
		{"keys can be counted without being read", rangeCount},
		{"former revisions can be read until compacted", rangeHistory},
		{"a watch tells of every revision once", watchHistory},
		{"a watch waits for a future revision", watchFuture},
		{"a watch tells only of its keys", watchKeys},
		{"a watch of compacted revisions says so", watchCompacted},
		{"a watch ends with its function", watchEnds},
		{"a call ends with its context", callEnds},
		{"revoking a lease removes its keys at one revision", revoke},
		{"a lease that is not renewed ends", expire},
		{"a lease that is renewed lives", keepAlive},
		{"a key is bound by its last put", rebind},
		{"nothing can be bound to a lease that has ended", deadLease},
	}
}
