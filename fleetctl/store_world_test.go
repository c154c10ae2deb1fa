package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleet/cluster"
)

// members is a store of three members that are only said to be. What is added serves at once.
type members struct {
	mu    sync.Mutex
	store cluster.Store
}

const contentOfStore = "everything that is stored"

func newMembers() *members {
	k := &members{store: cluster.Store{Embedded: true}}
	for i, name := range []string{"a", "b", "c"} {
		address := "http://10.0.0." + string(rune('1'+i))
		k.store.Members = append(k.store.Members, cluster.StoreMember{
			ID: strings.Repeat(name, 16), Name: name, PeerURLs: []string{address + ":2380"}, ClientURLs: []string{address + ":2379"},
			Local: i == 1, Leader: i == 0, Revision: 4711, Size: 1 << 20, InUse: 1 << 19, Quota: 2 << 30,
		})
	}
	return k
}

// lose has members not serve; "foreign" has none of them be fleet's.
func (k *members) lose(names ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store.Embedded = !slices.Contains(names, "foreign")
	for i, m := range k.store.Members {
		if slices.Contains(names, m.Name) || slices.Contains(names, m.PeerURLs[0]) {
			k.store.Members[i].Problem = "no answer within 2s"
		}
	}
	if k.store.MayLose() < 0 {
		k.store.Problem = "list the members of etcd: the store does not answer within 2s"
	}
}

func (k *members) Status(context.Context) (cluster.Store, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.store
	s.Members = slices.Clone(s.Members)
	return s, nil
}

func (k *members) First(context.Context) string {
	return "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380"
}

// Add adds a member that never comes at an address of documentation, and else one that is there.
func (k *members) Add(_ context.Context, peerURLs []string) (cluster.StoreMember, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := cluster.StoreMember{ID: "d0d0d0d0d0d0d0d0", PeerURLs: peerURLs, Learner: true, Problem: "it has not started yet"}
	there := m
	if !strings.Contains(peerURLs[0], "//192.0.2.") {
		there.Learner, there.Problem, there.ClientURLs = false, "", peerURLs
	}
	k.store.Members = append(k.store.Members, there)
	return m, nil
}

func (k *members) Remove(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store.Members = slices.DeleteFunc(k.store.Members, func(m cluster.StoreMember) bool { return m.ID == id })
	return nil
}

func (k *members) Snapshot(context.Context) (io.ReadCloser, error) {
	sum := sha256.Sum256([]byte(contentOfStore))
	return io.NopCloser(strings.NewReader(contentOfStore + string(sum[:]))), nil
}

func (k *members) Recover(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store.Members = k.store.Members[1:2]
	k.store.Members[0].Problem, k.store.Problem = "", ""
	return nil
}

func (k *members) Restore(ctx context.Context, snapshot io.Reader) error {
	data, err := io.ReadAll(snapshot)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(data, []byte(contentOfStore)) {
		return cluster.ErrNoSnapshot
	}
	return k.Recover(ctx)
}

// TestDocsOfTheStore holds the commands in docs/store.md to what fleetctl takes.
func TestDocsOfTheStore(t *testing.T) {
	text, err := os.ReadFile("../docs/store.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)(?:^    [$#] |`)fleetctl store ([^`\n]*)").FindAllStringSubmatch(string(text), -1) {
		args := strings.Fields(m[1])
		v, err := storeVerbOf(args)
		if v.name == "" || strings.Contains(m[0], "    ") && err != nil {
			t.Errorf("docs/store.md has fleetctl store %s: %v", m[1], err)
		}
		shown[v.name] = true
	}
	for _, v := range storeVerbs {
		if !shown[v.name] {
			t.Errorf("docs/store.md does not show fleetctl store %s", v.name)
		}
	}
}
