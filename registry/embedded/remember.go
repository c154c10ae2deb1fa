package embedded

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// Beside etcd's own folder the data directory has what outlives it.
const (
	memberDir    = "member"        // etcd's
	asideDir     = "removed"       // etcd's folder of a member that was removed, for whoever misses something
	notesFile    = "members.json"  // who the members are
	unprovenFile = "unproven"      // etcd's folder was begun, and never was a member's that served
	rebuildFile  = "rebuild.json"  // a rebuilding that was begun
	restoredFile = "restore.db"    // the database that it is to begin with
	uploadFile   = "snapshot.part" // a snapshot on its way here
)

// notes are what a member remembers of its cluster.
type notes struct {
	Self    types.ID             `json:"self"`
	Members []*membership.Member `json:"members"` // sorted by id
}

// Known is a member of which was heard.
type Known struct {
	ID       string // in hexadecimal digits
	Name     string
	PeerURLs []string
	Local    bool // it is this one
}

// Known are the members of which this one heard last, for when etcd itself does not serve.
func (m *Member) Known() []Known {
	n, err := m.notes()
	if err != nil {
		m.log.Warn("cannot tell who the members of etcd were", "err", err)
	}
	var all []Known
	for _, o := range n.Members {
		all = append(all, Known{ID: o.ID.String(), Name: o.Name, PeerURLs: o.PeerURLs, Local: o.ID == n.Self})
	}
	return all
}

func (m *Member) path(name string) string { return filepath.Join(m.config.DataDir, name) }

func (m *Member) notes() (notes, error) {
	var n notes
	data, err := os.ReadFile(m.path(notesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("read who the members of etcd are: %w", err)
	}
	// What cannot be read is as good as not written: there is the initial cluster.
	_ = json.Unmarshal(data, &n)
	return n, nil
}

// remember writes down who the members are, if that is news.
func (m *Member) remember(self types.ID, all []*membership.Member) error {
	slices.SortFunc(all, func(a, b *membership.Member) int { return cmp.Compare(a.ID, b.ID) })
	data, err := json.Marshal(notes{Self: self, Members: all})
	if err != nil {
		return fmt.Errorf("encode who the members of etcd are: %w", err)
	}
	if was, err := os.ReadFile(m.path(notesFile)); err == nil && bytes.Equal(was, data) {
		return nil
	}
	return m.write(notesFile, data)
}

// peers are the peer URLs at which others may be: the first members', and those of the last ones that were known.
func (m *Member) peers() ([]string, error) {
	first, err := m.config.others()
	if err != nil {
		return nil, err
	}
	n, err := m.notes()
	if err != nil {
		return nil, err
	}
	own, err := m.config.peerURLs()
	if err != nil {
		return nil, err
	}
	all := first
	for _, o := range n.Members {
		all = append(all, o.PeerURLs...)
	}
	all = slices.DeleteFunc(all, func(u string) bool { return slices.Contains(own, u) })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// write puts a file into the data directory, in one step that lasts.
func (m *Member) write(name string, data []byte) error {
	f, err := os.CreateTemp(m.config.DataDir, name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), m.path(name))
	}
	if err == nil {
		err = syncDir(m.config.DataDir)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (m *Member) has(name string) bool {
	_, err := os.Stat(m.path(name))
	return err == nil
}

// remove takes a file away that may not be there.
func (m *Member) remove(name string) error {
	if err := os.Remove(m.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// begun notes that etcd's folder is about to be made, and as which member of several.
func (m *Member) begun(p placement) error {
	if err := os.MkdirAll(m.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("embedded etcd: %w", err)
	}
	if p.beginning.ID == 0 {
		return nil
	}
	data, err := json.Marshal(p.beginning)
	if err != nil {
		return fmt.Errorf("encode how the member begins: %w", err)
	}
	return m.write(unprovenFile, data)
}

// beginning is how the member began, if it never served since.
func (m *Member) beginning() (b beginning, unproven bool, err error) {
	data, err := os.ReadFile(m.path(unprovenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return b, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		return b, true, fmt.Errorf("read how the member of etcd began: %w", err)
	}
	return b, true, nil
}

// proven notes that the member has served, and that nothing is left to be done to its data.
func (m *Member) proven() error {
	if err := m.remove(unprovenFile); err != nil {
		return err
	}
	return m.remove(rebuildFile)
}

// setAside puts the data of a member that is none any more out of the way.
func (m *Member) setAside(reason string) error {
	m.log.Warn("the data of this member of etcd are put aside", "reason", reason, "dir", m.path(asideDir))
	if err := os.RemoveAll(m.path(asideDir)); err != nil {
		return fmt.Errorf("put the data of the removed member aside: %w", err)
	}
	if err := os.Rename(m.path(memberDir), m.path(asideDir)); err != nil {
		return fmt.Errorf("put the data of the removed member aside: %w", err)
	}
	return m.proven()
}
