package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

// fakeKeeper looks after a store of which there is only what it says.
type fakeKeeper struct {
	mu       sync.Mutex
	store    cluster.Store
	content  string // of which snapshots are made
	cut      bool   // snapshots break off
	restored string
}

// newFakeKeeper has three members, which all serve.
func newFakeKeeper() *fakeKeeper {
	k := &fakeKeeper{content: "everything that is stored"}
	k.store.Embedded = true
	for i, name := range []string{"a", "b", "c"} {
		address := "http://192.0.2." + string(rune('1'+i))
		k.store.Members = append(k.store.Members, cluster.StoreMember{
			ID: strings.Repeat(name, 16), Name: name, PeerURLs: []string{address + ":2380"}, ClientURLs: []string{address + ":2379"},
			Local: i == 0, Leader: i == 1, Version: "3.7.3", Revision: 4711, Size: 1 << 20, InUse: 1 << 19, Quota: 2 << 30,
		})
	}
	return k
}

// lose has members not serve, and no majority if these are too many.
func (k *fakeKeeper) lose(names ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, m := range k.store.Members {
		if slices.Contains(names, m.Name) {
			k.store.Members[i].Problem, k.store.Members[i].Leader = "no answer within 2s", false
		}
	}
	if k.store.MayLose() < 0 {
		k.store.Problem = "list the members of etcd: it does not answer"
	}
}

func (k *fakeKeeper) Status(context.Context) (cluster.Store, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.store
	s.Members = slices.Clone(s.Members)
	return s, nil
}

func (k *fakeKeeper) First(context.Context) string {
	return "a=http://192.0.2.1:2380,b=http://192.0.2.2:2380,c=http://192.0.2.3:2380"
}

func (k *fakeKeeper) Add(_ context.Context, peerURLs []string) (cluster.StoreMember, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := cluster.StoreMember{ID: "d0d0d0d0d0d0d0d0", PeerURLs: peerURLs, Learner: true, Problem: "it has not started yet"}
	k.store.Members = append(k.store.Members, m)
	return m, nil
}

func (k *fakeKeeper) Remove(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store.Members = slices.DeleteFunc(k.store.Members, func(m cluster.StoreMember) bool { return m.ID == id })
	return nil
}

// snapshotOf is what etcd would send: content and sum.
func snapshotOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return content + string(sum[:])
}

func (k *fakeKeeper) Snapshot(context.Context) (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	whole := strings.NewReader(snapshotOf(k.content))
	if k.cut {
		return io.NopCloser(io.MultiReader(io.LimitReader(whole, 10), brokenReader{})), nil
	}
	return io.NopCloser(whole), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the member is gone") }

// alone is what is left of the store.
func (k *fakeKeeper) alone() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.store.Embedded {
		return cluster.ErrNoMember
	}
	k.store.Members, k.store.Problem, k.store.Condition = k.store.Members[:1], "", ""
	k.store.Members[0].Problem, k.store.Members[0].Leader = "", true
	return nil
}

func (k *fakeKeeper) Recover(context.Context) error { return k.alone() }

func (k *fakeKeeper) Restore(_ context.Context, snapshot io.Reader) error {
	data, err := io.ReadAll(snapshot)
	if err != nil {
		return err
	}
	content := string(data[:max(0, len(data)-sha256.Size)])
	if content == "" || snapshotOf(content) != string(data) {
		return cluster.ErrNoSnapshot
	}
	k.mu.Lock()
	k.restored = content
	k.mu.Unlock()
	return k.alone()
}

func storeFixture(t *testing.T) (*fixture, *fakeKeeper) {
	k := newFakeKeeper()
	return newFixture(t, api.Options{Keeper: k}), k
}

// refused wants an answer with a code and some words.
func refused(t *testing.T, err error, code int, words string) {
	t.Helper()
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != code || !strings.Contains(answer.Message, words) {
		t.Errorf("the answer is %v, want %d with %q", err, code, words)
	}
}

func TestTheStoreIsShownAndItsMembersAreChanged(t *testing.T) {
	f, k := storeFixture(t)
	s, err := f.client.Store(t.Context())
	if err != nil || len(s.Members) != 3 || s.MayLose != 1 || !s.Embedded || !s.Members[0].Local {
		t.Fatalf("the store is %+v, %v", s, err)
	}
	added, err := f.client.AddMember(t.Context(), "d", "http://192.0.2.4:2380")
	if err != nil || added.InitialCluster != "a=http://192.0.2.1:2380,b=http://192.0.2.2:2380,c=http://192.0.2.3:2380,d=http://192.0.2.4:2380" {
		t.Errorf("added: %+v, %v", added, err)
	}
	_, err = f.client.AddMember(t.Context(), "e", "http://192.0.2.4:2380")
	refused(t, err, http.StatusConflict, "there is a member at http://192.0.2.4:2380 already")
	_, err = f.client.AddMember(t.Context(), "", "http://192.0.2.5:2380")
	refused(t, err, http.StatusBadRequest, `name ""`)
	_, err = f.client.AddMember(t.Context(), "e", "192.0.2.5")
	refused(t, err, http.StatusBadRequest, "expect http://ADDRESS:PORT")
	_, err = f.client.ReplaceMember(t.Context(), "http://192.0.2.4:2380", "")
	refused(t, err, http.StatusConflict, "is awaited already")
	if err := f.client.RemoveMember(t.Context(), "http://192.0.2.4:2380"); err != nil {
		t.Error(err)
	}
	refused(t, f.client.RemoveMember(t.Context(), "z"), http.StatusNotFound, "no member z")

	_, err = f.client.ReplaceMember(t.Context(), "c", "")
	refused(t, err, http.StatusConflict, "member c serves")
	k.lose("c")
	_, err = f.client.AddMember(t.Context(), "d", "http://192.0.2.4:2380")
	refused(t, err, http.StatusConflict, "member c does not serve")
	refused(t, f.client.RemoveMember(t.Context(), "a"), http.StatusConflict, "only 1 of 2 members would serve")
	_, err = f.client.ReplaceMember(t.Context(), "c", "http://192.0.2.2:2380")
	refused(t, err, http.StatusConflict, "there is a member at http://192.0.2.2:2380 already: b")
	_, err = f.client.ReplaceMember(t.Context(), "c", "nowhere")
	refused(t, err, http.StatusBadRequest, "expect http://ADDRESS:PORT")
	added, err = f.client.ReplaceMember(t.Context(), "c", "http://192.0.2.9:2380")
	if err != nil || !strings.HasSuffix(added.InitialCluster, ",c=http://192.0.2.9:2380") {
		t.Errorf("replaced: %+v, %v", added, err)
	}
	if s, err = f.client.Store(t.Context()); err != nil || len(s.Members) != 3 || !s.Members[2].Learner {
		t.Errorf("afterwards the store is %+v, %v", s, err)
	}
}

func TestTheStoreIsRecoveredWhileNothingElseAnswers(t *testing.T) {
	f, k := storeFixture(t)
	_, err := f.client.RecoverStore(t.Context())
	refused(t, err, http.StatusConflict, "nothing to recover")

	k.lose("b", "c")
	f.notReady.Store(true)
	if _, err := f.client.Units(t.Context()); !errors.Is(err, api.ErrUnavailable) {
		t.Fatalf("without etcd units are %v", err)
	}
	s, err := f.client.Store(t.Context())
	if err != nil || s.MayLose != -1 || s.Problem == "" {
		t.Errorf("without a majority the store is %+v, %v", s, err)
	}
	s, err = f.client.RecoverStore(t.Context())
	if err != nil || len(s.Members) != 1 || s.Problem != "" {
		t.Errorf("recovered, it is %+v, %v", s, err)
	}
	// The lost ones are known by the settings of the one that is left.
	added, err := f.client.ReplaceMember(t.Context(), "b", "")
	if err != nil || added.InitialCluster != "a=http://192.0.2.1:2380,b=http://192.0.2.2:2380" {
		t.Errorf("replaced: %+v, %v", added, err)
	}
	_, err = f.client.ReplaceMember(t.Context(), "z", "")
	refused(t, err, http.StatusNotFound, "its peer URL is not known")
	f.stop()
	if _, err := f.client.Store(t.Context()); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("a fleetd that stops tells of the store: %v", err)
	}
}

func TestASnapshotIsTakenAndRestored(t *testing.T) {
	f, k := storeFixture(t)
	f.notReady.Store(true)
	k.content = strings.Repeat("everything that is stored ", 100_000)
	var taken bytes.Buffer
	size, err := f.client.Snapshot(t.Context(), &taken)
	if err != nil || size != int64(taken.Len()) || taken.String() != snapshotOf(k.content) {
		t.Fatalf("a snapshot of %d bytes, %v", size, err)
	}
	whole := taken.String()
	_, err = f.client.RestoreStore(t.Context(), strings.NewReader(whole[1:]), int64(len(whole)-1))
	refused(t, err, http.StatusBadRequest, "not a whole snapshot")
	s, err := f.client.RestoreStore(t.Context(), strings.NewReader(whole), int64(len(whole)))
	if err != nil || len(s.Members) != 1 || k.restored != k.content {
		t.Errorf("restored, the store is %+v, %v", s, err)
	}

	k.cut = true
	if _, err := f.client.Snapshot(t.Context(), io.Discard); err == nil {
		t.Error("a snapshot that broke off is taken for a whole one")
	}
	resp, err := f.server.Client().Head(f.server.URL + "/fleet/v1/store/snapshot")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %v, %v", resp, err)
	}
}

func TestMembersOfAnEtcdThatIsNotEmbeddedAreNotFleets(t *testing.T) {
	f, k := storeFixture(t)
	k.store.Embedded = false
	want := "not embedded in fleetd: its members are not fleet's"
	_, err := f.client.AddMember(t.Context(), "d", "http://192.0.2.4:2380")
	refused(t, err, http.StatusConflict, want)
	_, err = f.client.ReplaceMember(t.Context(), "c", "")
	refused(t, err, http.StatusConflict, want)
	refused(t, f.client.RemoveMember(t.Context(), "c"), http.StatusConflict, want)
	_, err = f.client.RecoverStore(t.Context())
	refused(t, err, http.StatusConflict, want)
	_, err = f.client.RestoreStore(t.Context(), strings.NewReader("x"), 1)
	refused(t, err, http.StatusConflict, want)
	if _, err := f.client.Snapshot(t.Context(), io.Discard); err != nil {
		t.Errorf("but a snapshot of it can be taken: %v", err)
	}
}

func TestAServerMayHaveNobodyWhoLooksAfterTheStore(t *testing.T) {
	f := newFixture(t, api.Options{})
	_, err := f.client.Store(t.Context())
	refused(t, err, http.StatusNotImplemented, "does not look after its store")
}
