package api

import (
	"context"
	"io"

	"fleet/cluster"
)

// Keeper looks after the cluster of etcd that all records are in. Status and Snapshot need no majority of it.
type Keeper interface {
	Status(ctx context.Context) (cluster.Store, error)
	// First are the members that there once were, NAME=PEER-URL of each with commas between them.
	First(ctx context.Context) string

	// Add adds a member that does not count until it has learned what the others have.
	Add(ctx context.Context, peerURLs []string) (cluster.StoreMember, error)
	Remove(ctx context.Context, id string) error

	// Snapshot is everything that is stored, with a sum at its end.
	Snapshot(ctx context.Context) (io.ReadCloser, error)

	// Recover makes the member of this fleetd, with what it has, the only one, and returns when it serves.
	// Its error, and Restore's, is ErrNotEmbedded or ErrNoMember if there is none.
	Recover(ctx context.Context) error
	// Restore does the same with what a snapshot has; what is none is ErrNoSnapshot, and changes nothing.
	Restore(ctx context.Context, snapshot io.Reader) error
}

// StoreStatus is the cluster of etcd that everything is stored in, as the fleetd that answers sees it.
type StoreStatus struct {
	Embedded  bool          `json:"embedded"`            // its members run in fleetds, and can be changed here
	MayLose   int           `json:"mayLose"`             // how many members more may be lost; below 0: too many are, and nothing can be written
	Condition string        `json:"condition,omitempty"` // what the member of this fleetd is doing while it does not serve
	Problem   string        `json:"problem,omitempty"`   // why no majority could be asked; the members are those that this fleetd knows then
	Members   []StoreMember `json:"members,omitempty"`
}

// StoreMember is one member of etcd.
type StoreMember struct {
	ID         string   `json:"id"`                   // in hexadecimal digits
	Name       string   `json:"name,omitempty"`       // missing until it has started for the first time
	PeerURLs   []string `json:"peerURLs"`             // where the other members reach it
	ClientURLs []string `json:"clientURLs,omitempty"` // where clients reach it; missing until it has started
	Local      bool     `json:"local,omitempty"`      // it is the one of the fleetd that answers
	Leader     bool     `json:"leader,omitempty"`     // it leads the others
	Learner    bool     `json:"learner,omitempty"`    // it does not count yet: it has not learned all that the others have
	Problem    string   `json:"problem,omitempty"`    // why it does not serve; missing: it does
	Version    string   `json:"version,omitempty"`    // of etcd
	Revision   int64    `json:"revision,omitempty"`   // up to which it has come
	Size       int64    `json:"size,omitempty"`       // of its database, in bytes
	InUse      int64    `json:"inUse,omitempty"`      // of that; the rest is used again
	Quota      int64    `json:"quota,omitempty"`      // the size at which it refuses to grow
	Alarms     []string `json:"alarms,omitempty"`     // what it complains of
}

// MemberRequest is a member that there is to be.
type MemberRequest struct {
	Name    string `json:"name,omitempty"`    // its etcd_name
	PeerURL string `json:"peerURL,omitempty"` // where the others will reach it
}

// MemberAdded is a member that is awaited.
type MemberAdded struct {
	Member         StoreMember `json:"member"`
	InitialCluster string      `json:"initialCluster"` // etcd_initial_cluster for its fleetd
}

func storeEntity(s cluster.Store) StoreStatus {
	out := StoreStatus{Embedded: s.Embedded, MayLose: s.MayLose(), Condition: s.Condition, Problem: s.Problem}
	for _, m := range s.Members {
		out.Members = append(out.Members, StoreMember(m))
	}
	return out
}
