package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/storetest"
)

const tinyQuota = 8 << 20

// tiny are members whose databases may not become large.
func tiny(t *testing.T, n int) (endpoints []string) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	configs := make([]embedded.Config, n)
	var initial []string
	for i := range configs {
		configs[i] = embedded.Config{
			Name: string(rune('a' + i)), DataDir: t.TempDir(), Quota: tinyQuota,
			ListenPeerURLs: []string{storetest.FreeURL(t)}, ListenClientURLs: []string{storetest.FreeURL(t)},
		}
		initial = append(initial, configs[i].Name+"="+configs[i].ListenPeerURLs[0])
		endpoints = append(endpoints, configs[i].ListenClientURLs...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range configs {
		c.InitialCluster = strings.Join(initial, ",")
		wg.Go(func() {
			server, err := embedded.Start(ctx, c)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(server.Close)
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return endpoints
}

func put(t *testing.T, c *etcd.Client, key string, size int) error {
	t.Helper()
	_, err := c.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(key, bytes.Repeat([]byte("x"), size), 0)}})
	return err
}

func look(t *testing.T, c *etcd.Client) cluster.Store {
	t.Helper()
	s := ask(t, c)
	s.Embedded = true
	return s
}

// An etcd that is full of former values alone finds its way out by itself.
func TestAFullEtcdIsMadeRoomIn(t *testing.T) {
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			client := dial(t, tiny(t, members)...)
			var logs bytes.Buffer
			tidier := etcd.NewTidier(client, slog.New(slog.NewTextHandler(&logs, nil)))
			tidy := func() {
				t.Helper()
				if err := tidier.Tidy(t.Context(), look(t, client)); err != nil {
					t.Fatal(err)
				}
			}
			tidy()
			if logs.Len() > 0 {
				t.Errorf("there is enough room, and: %s", &logs)
			}
			var err error
			for i := 0; err == nil && i < 1000; i++ {
				err = put(t, client, "same", 200<<10)
			}
			if !errors.Is(err, cluster.ErrNoSpace) || errors.Is(err, cluster.ErrUnavailable) {
				t.Fatalf("a full etcd says: %v", err)
			}
			if space := look(t, client).Space(); !space.Refuses || space.Quota != tinyQuota || space.Size < tinyQuota*9/10 {
				t.Errorf("it is said to be %+v", space)
			}
			if _, err := client.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Delete("other")}}); err != nil {
				t.Errorf("removing something: %v", err)
			}

			// Each member gives up former values when it comes to that, and says what is in use when it has written something.
			until := func(what string, holds func(cluster.Space) bool, do func()) {
				t.Helper()
				for range 50 {
					if holds(look(t, client).Space()) {
						return
					}
					tidy()
					do()
					time.Sleep(20 * time.Millisecond)
				}
				t.Errorf("%s: it is %+v\n%s", what, look(t, client), &logs)
			}
			until("it takes in something again", func(s cluster.Space) bool { return !s.Refuses }, func() {})
			write := func() {
				if err := put(t, client, "same", 200<<10); err != nil {
					t.Error(err)
				}
			}
			write()
			until("all files are small", func(s cluster.Space) bool { return s.Size < tinyQuota/2 }, write)
			if n := strings.Count(logs.String(), "member defragmented"); n < members || n > 2*members {
				t.Errorf("members were defragmented %d times:\n%s", n, &logs)
			}
			logs.Reset()
			tidy()
			if logs.Len() > 0 {
				t.Errorf("there is enough room again, and: %s", &logs)
			}
		})
	}
}

// What is in use is not removed by anybody, and while it is that much etcd goes on to refuse.
func TestAnEtcdThatIsInUseStaysFull(t *testing.T) {
	client := dial(t, tiny(t, 1)...)
	tidier := etcd.NewTidier(client, slog.New(slog.DiscardHandler))
	keys := 0
	for full := false; !full; { // etcd refuses by the size of its file, of which some may not be in use
		var err error
		for ; err == nil && keys < 1000; keys++ {
			err = put(t, client, fmt.Sprintf("key%d", keys), 200<<10)
		}
		if !errors.Is(err, cluster.ErrNoSpace) {
			t.Fatal(err)
		}
		for range 3 {
			if err := tidier.Tidy(t.Context(), look(t, client)); err != nil {
				t.Fatal(err)
			}
		}
		space := look(t, client).Space()
		full = space.Refuses
		if used := float64(space.InUse) / tinyQuota; full != (used >= 0.9) {
			t.Fatalf("it is %+v", space)
		}
	}
	for i := range keys { // an operator removes what is not needed
		if _, err := client.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Delete(fmt.Sprintf("key%d", i))}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := tidier.Tidy(t.Context(), look(t, client)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, client, "new", 200<<10); err != nil {
		t.Errorf("there is room again: %v, %+v", err, look(t, client).Space())
	}
}
