package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

const (
	stateRoot = "/var/lib/fleet-testbed"
	stateFile = "cluster.json"
	lastSlot  = 250
)

// ErrNoCluster is returned when no cluster of the name exists.
var ErrNoCluster = errors.New("no such cluster")

// state is what a cluster's file holds: what was asked for, and what had to be
// chosen once.
type state struct {
	Spec

	// Slot is the cluster's number among the clusters of this machine; names and
	// addresses on the network are made of it.
	Slot int `json:"slot"`

	// Members are the hosts that embed etcd. They are fixed at the first Up: a
	// later host joins as a client.
	Members []int `json:"members,omitempty"`
}

func stateDir(name string) string { return filepath.Join(stateRoot, name) }

func loadState(name string) (state, error) {
	data, err := os.ReadFile(filepath.Join(stateDir(name), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, fmt.Errorf("cluster %q: %w", name, ErrNoCluster)
	}
	if err != nil {
		return state{}, fmt.Errorf("read state of cluster %q: %w", name, err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return state{}, fmt.Errorf("read state of cluster %q: %w", name, err)
	}
	return s, nil
}

// save replaces the state file in one step, so that a kill at any moment leaves
// the old or the new one.
func (s state) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write state of cluster %q: %w", s.Name, err)
	}
	dir := stateDir(s.Name)
	err = os.MkdirAll(dir, 0o755)
	for range 10 { // another cluster, that was the last one, takes the directory of all away
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("write state of cluster %q: %w", s.Name, err)
	}
	return replaceFile(filepath.Join(dir, stateFile), append(data, '\n'), 0o644)
}

func replaceFile(path string, data []byte, mode os.FileMode) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Names returns the names of the clusters on this machine.
func Names() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(stateRoot, "*", stateFile))
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(filepath.Dir(file))
	}
	return names, nil
}

// claim chooses a slot for a new cluster and writes its first state file under
// the lock of all slots, so that two clusters never choose the same.
func claim(ctx context.Context, spec Spec) (state, error) {
	unlock, err := lock(ctx, "slots")
	if err != nil {
		return state{}, err
	}
	defer unlock()

	taken, err := takenSlots()
	if err != nil {
		return state{}, err
	}
	local, err := localNetworks()
	if err != nil {
		return state{}, err
	}
	for slot := 1; slot <= lastSlot; slot++ {
		if taken[slot] || overlaps(subnet(slot), local) {
			continue
		}
		s := state{Spec: spec, Slot: slot}
		if !spec.ExternalEtcd {
			s.Members = embeddedMembers(spec.Hosts)
		}
		return s, s.save()
	}
	return state{}, fmt.Errorf("no subnet is free for cluster %q", spec.Name)
}

// embeddedMembers gives an etcd to the first three hosts, or to one: two members
// would lose their quorum with either.
func embeddedMembers(hosts int) []int {
	if hosts < EmbeddedMembers {
		return []int{1}
	}
	members := make([]int, EmbeddedMembers)
	for i := range members {
		members[i] = i + 1
	}
	return members
}

func takenSlots() (map[int]bool, error) {
	names, err := Names()
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, name := range names {
		s, err := loadState(name)
		if errors.Is(err, ErrNoCluster) {
			continue // taken down since it was listed
		}
		if err != nil {
			return nil, err
		}
		taken[s.Slot] = true
	}
	return taken, nil
}

func localNetworks() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list this machine's addresses: %w", err)
	}
	var local []netip.Prefix
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			local = append(local, prefix)
		}
	}
	return local, nil
}

func overlaps(prefix netip.Prefix, others []netip.Prefix) bool {
	for _, other := range others {
		if prefix.Overlaps(other) {
			return true
		}
	}
	return false
}
