package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	end  context.CancelFunc
	mu   sync.Mutex
	got  [][]byte
	held chan struct{} // closed when not
}

func watchKey(t *testing.T, store registry.Store, key string, from int64) *watched {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{end: cancel, held: make(chan struct{})}
	close(w.held)
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

// watchers is how many watches this process's etcds have at present, when that has come to rest.
func watchers(t *testing.T) int {
	t.Helper()
	n := counted(t, watchersThere, "")
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		before := n
		if n = counted(t, watchersThere, ""); n == before {
			return n
		}
	}
	t.Fatal("watches come and go")
	return 0
}

func TestWatchesShareAStreamThatLastsWhileNothingIsWritten(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	next := set(t, client, "x", nil) + 1
	before, others := counted(t, streamsStarted, "Watch"), watchers(t)
	const watches = 6
	var all []*watched
	for i := range watches {
		all = append(all, watchKey(t, client, fmt.Sprint(i), next))
	}
	eventually(t, "six watches", func() bool { return counted(t, watchersThere, "")-others == watches })
	time.Sleep(13 * time.Second)                                  // for more than one question whether the other end lives
	if n := counted(t, streamsStarted, "Watch") - before; n > 2 { // an etcd that is busy may answer late once
		t.Errorf("%d watches opened %d streams in 13 s", watches, n)
	}
	for i, w := range all {
		set(t, client, fmt.Sprint(i), nil)
		eventually(t, "an event", func() bool { return w.count() == 1 })
	}
}

// The first of them opened the stream, and the last one closes it.
func TestWatchesThatEndLeaveTheOthers(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	next := set(t, client, "x", nil) + 1
	others := watchers(t)
	for range 2 {
		var all []*watched
		for i := range 3 {
			all = append(all, watchKey(t, client, fmt.Sprint(i), next))
			eventually(t, "a watch", func() bool { return counted(t, watchersThere, "")-others == i+1 })
		}
		all[0].end()
		eventually(t, "the end of a watch", func() bool { return counted(t, watchersThere, "")-others == 2 })
		for i := range 3 {
			next = set(t, client, fmt.Sprint(i), nil) + 1
		}
		for _, w := range all[1:] {
			eventually(t, "an event", func() bool { return w.count() == 1 })
			w.end()
		}
		if n := all[0].count(); n != 0 {
			t.Errorf("a watch that had ended was told %d events", n)
		}
		eventually(t, "the end of all watches", func() bool { return counted(t, watchersThere, "") == others })
	}
}

func TestAWatchThatIsNotReadHoldsUpNoOtherAndLosesNothing(t *testing.T) {
	const big, many = 512 << 10, 50 // 25 MiB, more than may wait
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	next := set(t, client, "x", nil) + 1
	others := watchers(t)
	slow, quick := watchKey(t, client, "slow", next), watchKey(t, client, "quick", next)
	eventually(t, "two watches", func() bool { return counted(t, watchersThere, "")-others == 2 })
	slow.hold()
	for i := range many {
		set(t, client, "slow", bytes.Repeat([]byte{byte(i)}, big))
	}
	set(t, client, "quick", nil)
	eventually(t, "the other watch's event", func() bool { return quick.count() == 1 })
	eventually(t, "the end of the watch that is not read", func() bool { return counted(t, watchersThere, "")-others == 1 })
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

// What a watch has missed comes in parts: a revision of several of them is told as one.
func TestALongHistoryIsToldRevisionByRevision(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	value := bytes.Repeat([]byte("x"), 200<<10)
	var revisions []int64
	for range 10 {
		var ops []registry.Op
		for i := range 7 { // 1.4 MiB, nearly all that a transaction may have
			ops = append(ops, registry.Put(fmt.Sprintf("many/%d", i), value, 0))
		}
		out, err := client.Txn(t.Context(), registry.Txn{Then: ops})
		if err != nil {
			t.Fatal(err)
		}
		revisions = append(revisions, out.Revision)
	}
	var told []int64
	err := client.Watch(t.Context(), registry.Keys{Name: "many/", Prefix: true}, revisions[0], func(b registry.Batch) error {
		if len(b.Events) != 7 {
			t.Errorf("revision %d has %d events", b.Revision, len(b.Events))
		}
		if told = append(told, b.Revision); len(told) == len(revisions) {
			return context.Canceled
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(told, revisions) {
		t.Errorf("told were %d of %d: %v", told, revisions, err)
	}
}
