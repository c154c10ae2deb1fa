package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Store is the cluster of etcd that holds all records, as one fleetd sees it.
type Store struct {
	Embedded  bool   // its members run in fleetds
	Condition string // what that member is doing while it does not serve; empty: it serves, or there is none
	Members   []StoreMember
	Problem   string // why the members could not be asked for; what is there of them is what this fleetd's own member has
}

// StoreMember is one member of etcd.
type StoreMember struct {
	ID         string // in hexadecimal digits
	Name       string // empty until it has started for the first time
	PeerURLs   []string
	ClientURLs []string

	Local    bool // it is the one of the fleetd that tells
	Leader   bool
	Learner  bool   // it does not count yet: it is still learning what the others have
	Problem  string // why it does not serve; empty: it does
	Version  string
	Revision int64 // up to which it has come
	Size     int64 // of its database, in bytes
	InUse    int64 // of that; the rest is free for use again
	Quota    int64 // the size at which it refuses writes; 0: not known
	Alarms   []string
}

var (
	// ErrNotEmbedded: etcd is a cluster of its own, whose members are not fleet's.
	ErrNotEmbedded = errors.New("this cluster's etcd is not embedded in fleetd: its members are not fleet's, and are changed, recovered and restored where it runs, with etcdctl and etcdutl")
	// ErrNoMember: this fleetd has no member of etcd, though others have.
	ErrNoMember = errors.New("this machine's fleetd has no member of etcd (etcd_servers is set): ask one that has")
	// ErrNoSnapshot: what was given is not a snapshot of an etcd, or not a whole one.
	ErrNoSnapshot = errors.New("this is not a whole snapshot of etcd")
)

// NamedMember finds a member by its name, id or a peer URL.
func (s Store) NamedMember(what string) (StoreMember, bool) {
	i := slices.IndexFunc(s.Members, func(m StoreMember) bool {
		return m.Name == what || m.ID == what || slices.Contains(m.PeerURLs, what)
	})
	if i < 0 {
		return StoreMember{}, false
	}
	return s.Members[i], true
}

// Voters counts the members that count, and those of them that serve.
func (s Store) Voters() (all, serving int) {
	for _, m := range s.Members {
		if m.Learner {
			continue
		}
		all++
		if m.Problem == "" {
			serving++
		}
	}
	return all, serving
}

// Majority is how many of some voters must serve.
func Majority(voters int) int { return voters/2 + 1 }

// MayLose is how many members more may be lost, below 0 if too many are already.
func (s Store) MayLose() int {
	all, serving := s.Voters()
	return serving - Majority(all)
}

// MayAdd tells why no member may be added at a peer URL now; nil: one may.
func (s Store) MayAdd(name, peerURL string) error {
	if m, found := s.NamedMember(peerURL); found {
		return fmt.Errorf("there is a member at %s already: %s", peerURL, m.Label())
	}
	if m, found := s.NamedMember(name); found {
		return fmt.Errorf("there is a member %s already, at %s: replace it, or take another name", name, strings.Join(m.PeerURLs, ","))
	}
	return s.healthy()
}

// healthy tells which voter does not serve.
func (s Store) healthy() error {
	for _, m := range s.Members {
		if !m.Learner && m.Problem != "" {
			return fmt.Errorf("member %s does not serve (%s): replace or remove it first", m.Label(), m.Problem)
		}
	}
	return nil
}

// MayRemove tells why a member may not be removed now; nil: it may.
func (s Store) MayRemove(m StoreMember) error {
	if m.Learner {
		return nil
	}
	all, serving := s.Voters()
	if all == 1 {
		return fmt.Errorf("member %s is the only one: with it everything that is stored would go", m.Label())
	}
	if m.Problem == "" {
		serving--
	}
	if need := Majority(all - 1); serving < need {
		return fmt.Errorf("without member %s only %d of %d members would serve, and %d are needed: bring one of the others back first",
			m.Label(), serving, all-1, need)
	}
	return nil
}

// MayReplace tells why a member may not be replaced by one without data now; nil: it may.
func (s Store) MayReplace(m StoreMember) error {
	if m.Learner && len(m.ClientURLs) == 0 {
		return fmt.Errorf("member %s is awaited already, without data: it joins when its fleetd starts", m.Label())
	}
	if m.Problem == "" && !m.Learner {
		return fmt.Errorf("member %s serves: to have another one in its place, add that one, and remove this one when it counts", m.Label())
	}
	rest := s
	rest.Members = slices.DeleteFunc(slices.Clone(s.Members), func(o StoreMember) bool { return o.ID == m.ID })
	if err := s.MayRemove(m); err != nil {
		return err
	}
	return rest.healthy()
}

// Label names a member to people.
func (m StoreMember) Label() string {
	switch {
	case m.Name != "":
		return m.Name
	case len(m.PeerURLs) > 0:
		return m.PeerURLs[0]
	}
	return m.ID
}
