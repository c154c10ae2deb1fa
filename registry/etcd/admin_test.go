package etcd_test

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/storetest"
)

func ask(t *testing.T, c *etcd.Client) cluster.Store {
	t.Helper()
	s, err := c.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMembersAreToldAddedAndRemoved(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	s := ask(t, client)
	if len(s.Members) != 1 || s.Problem != "" {
		t.Fatalf("the store is %+v", s)
	}
	one := s.Members[0]
	if !one.Leader || one.Problem != "" || one.Size == 0 || one.Quota == 0 || one.Version == "" || one.Revision == 0 || one.Name == "" {
		t.Errorf("its member is %+v", one)
	}

	url := storetest.FreeURL(t)
	added, err := client.AddMember(t.Context(), []string{url})
	if err != nil {
		t.Fatal(err)
	}
	s = ask(t, client)
	m, found := s.NamedMember(url)
	if !found || m.ID != added.ID || !m.Learner || m.Problem == "" {
		t.Errorf("what was added is %+v", m)
	}
	if err := client.RemoveMember(t.Context(), added.ID); err != nil {
		t.Fatal(err)
	}
	if s = ask(t, client); len(s.Members) != 1 {
		t.Errorf("after the removal the store is %+v", s)
	}
	if err := client.RemoveMember(t.Context(), added.ID); err != nil {
		t.Errorf("what is gone is removed: %v", err)
	}
}

func TestASnapshotHasEverything(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	_, err := client.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("unit", []byte("a text to be found again"), 0)}})
	if err != nil {
		t.Fatal(err)
	}
	from, err := client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	data, err := io.ReadAll(from)
	if err != nil || !bytes.Contains(data, []byte("a text to be found again")) {
		t.Errorf("it has %d bytes, %v", len(data), err)
	}
}

// Members that are lost are named, also when they were the majority.
func TestTheStoreIsToldWithoutAMajority(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	configs := make([]embedded.Config, 3)
	var initial []string
	for i := range configs {
		configs[i] = embedded.Config{
			Name: string(rune('a' + i)), DataDir: t.TempDir(),
			ListenPeerURLs: []string{storetest.FreeURL(t)}, ListenClientURLs: []string{storetest.FreeURL(t)},
		}
		initial = append(initial, configs[i].Name+"="+configs[i].ListenPeerURLs[0])
	}
	servers := make([]*embedded.Server, len(configs))
	var wg sync.WaitGroup
	for i, c := range configs {
		c.InitialCluster = strings.Join(initial, ",")
		wg.Go(func() {
			var err error
			if servers[i], err = embedded.Start(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	defer servers[0].Close()
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: configs[0].ListenClientURLs, RequestTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if s := ask(t, client); s.MayLose() != 1 || s.Problem != "" {
		t.Errorf("with three members the store is %+v", s)
	}
	servers[1].Close()
	servers[2].Close()
	// One that leads finds out after a while that nobody follows it.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s := ask(t, client)
		serving := slices.ContainsFunc(s.Members, func(m cluster.StoreMember) bool { return m.Problem == "" })
		if s.MayLose() == -2 && s.Problem != "" && !serving {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("with one of three members the store is %+v", s)
		}
	}
}

// An etcd whose database has reached its quota refuses what would make it larger, and says so. What renews leases, and what
// is to make room, is done.
func TestAStoreThatIsFullSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.LogOutputs = t.TempDir(), "fatal", []string{"/dev/null"}
	c.QuotaBackendBytes = 256 << 10
	client, peer := listenAt(t), listenAt(t)
	c.ListenClientUrls, c.AdvertiseClientUrls = client, client
	c.ListenPeerUrls, c.AdvertisePeerUrls = peer, peer
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	server, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	<-server.Server.ReadyNotify()

	store, ctx := dial(t, client[0].String()), t.Context()
	lease, err := store.Grant(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := store.Txn(ctx, registry.Txn{Then: []registry.Op{registry.Put("k", make([]byte, 32<<10), 0)}})
		return err
	}
	// etcd knows how large it is as of its last commit of a batch: as many as can be are put before that is due.
	for end := time.Now().Add(30 * time.Second); err == nil; {
		if err = put(); time.Now().After(end) {
			t.Fatal("it is never full")
		}
	}
	for doing, err := range map[string]error{"a write": err, "another one": put()} {
		if !errors.Is(err, cluster.ErrNoSpace) || errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("%s: %v", doing, err)
		}
	}
	if _, err := store.Grant(ctx, time.Minute); !errors.Is(err, cluster.ErrNoSpace) {
		t.Errorf("a lease is granted: %v", err)
	}
	if _, err := store.KeepAlive(ctx, lease); err != nil {
		t.Errorf("a lease is not renewed: %v", err)
	}
	if m := ask(t, store).Members[0]; m.Problem != "" || len(m.Alarms) != 1 || !strings.HasPrefix(m.Alarms[0], "full: takes no writes") {
		t.Errorf("its member is %+v", m)
	}
	if _, err := store.Txn(ctx, registry.Txn{Then: []registry.Op{registry.Delete("k")}}); err != nil {
		t.Errorf("nothing can be removed: %v", err)
	}
}

func listenAt(t *testing.T) []url.URL {
	t.Helper()
	u, err := url.Parse(storetest.FreeURL(t))
	if err != nil {
		t.Fatal(err)
	}
	return []url.URL{*u}
}
