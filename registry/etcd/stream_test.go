package etcd_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/registry"
)

// counted is a metric of the etcd that runs in this process, with that label if one is given.
func counted(t *testing.T, name, label string) int {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		sum := 0.0
		for _, m := range f.GetMetric() {
			wanted := label == ""
			for _, l := range m.GetLabel() {
				wanted = wanted || l.GetValue() == label
			}
			if wanted {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return int(sum)
	}
	t.Fatalf("etcd has no metric %s", name)
	return 0
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what, "did not happen within 20 s")
		}
	}
}

// watched is what a watch of a key is told.
type watched struct {
	mu   sync.Mutex
	got  [][]byte
	held chan struct{} // closed when not
}

func watchKey(t *testing.T, store registry.Store, key string, from int64) *watched {
	w := &watched{held: make(chan struct{})}
	close(w.held)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = store.Watch(ctx, registry.Keys{Name: key}, from, func(b registry.Batch) error {
			w.mu.Lock()
			held := w.held
			for _, e := range b.Events {
				w.got = append(w.got, e.Value)
			}
			w.mu.Unlock()
			<-held
			return nil
		})
	})
	t.Cleanup(func() {
		cancel()
		w.release()
		watching.Wait()
	})
	return w
}

func (w *watched) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = make(chan struct{})
}

func (w *watched) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.held:
	default:
		close(w.held)
	}
}

func (w *watched) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

func set(t *testing.T, store registry.Store, key string, value []byte) int64 {
	t.Helper()
	out, err := store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(key, value, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Revision
}

const (
	streamsStarted = "grpc_server_started_total"
	watchersThere  = "etcd_debugging_mvcc_watcher_total"
)

func TestWatchesShareAStreamThatLastsWhileNothingIsWritten(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	next := set(t, client, "x", nil) + 1
	before, others := counted(t, streamsStarted, "Watch"), counted(t, watchersThere, "")
	const watches = 6
	var all []*watched
	for i := range watches {
		all = append(all, watchKey(t, client, fmt.Sprint(i), next))
	}
	eventually(t, "six watches", func() bool { return counted(t, watchersThere, "")-others == watches })
	time.Sleep(13 * time.Second) // for more than one question whether the other end lives
	if n := counted(t, streamsStarted, "Watch") - before; n != 1 {
		t.Errorf("%d watches opened %d streams in 13 s", watches, n)
	}
	if n := counted(t, watchersThere, "") - others; n != watches {
		t.Errorf("%d watches are left of %d", n, watches)
	}
	for i, w := range all {
		set(t, client, fmt.Sprint(i), nil)
		eventually(t, "an event", func() bool { return w.count() == 1 })
	}
}

func TestAWatchThatIsNotReadHoldsUpNoOtherAndLosesNothing(t *testing.T) {
	const big, many = 512 << 10, 50 // 25 MiB, more than may wait
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	next := set(t, client, "x", nil) + 1
	slow, quick := watchKey(t, client, "slow", next), watchKey(t, client, "quick", next)
	slow.hold()
	for i := range many {
		set(t, client, "slow", bytes.Repeat([]byte{byte(i)}, big))
	}
	set(t, client, "quick", nil)
	eventually(t, "the other watch's event", func() bool { return quick.count() == 1 })
	if n := slow.count(); n != 1 {
		t.Fatalf("the slow reader has read %d", n)
	}
	slow.release()
	eventually(t, "all events", func() bool { return slow.count() == many })
	for i, value := range slow.got {
		if value[0] != byte(i) || len(value) != big {
			t.Fatalf("event %d has %d bytes of %d", i, len(value), value[0])
		}
	}
}
