package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

// metered is a store that counts what it is asked and what it tells.
type metered struct {
	*memory.Client
	counts, read, told, watches atomic.Int64
}

func (m *metered) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	page, err := m.Client.Range(ctx, q)
	if q.CountOnly {
		m.counts.Add(1)
	}
	m.read.Add(int64(len(page.Pairs)))
	return page, err
}

func (m *metered) Watch(ctx context.Context, keys registry.Keys, from int64, fn func(registry.Batch) error) error {
	m.watches.Add(1)
	defer m.watches.Add(-1)
	return m.Client.Watch(ctx, keys, from, func(b registry.Batch) error {
		m.told.Add(int64(len(b.Events)))
		return fn(b)
	})
}

// crowd is a cluster of some machines, with one server that may follow it.
type crowd struct {
	t     *testing.T
	api   *api.Server
	line  *metered           // of the server
	user  *registry.Registry // who writes meanwhile
	away  atomic.Bool        // what the server is told of the store
	store *memory.Server
	size  int
}

// crowded runs a test in a cluster of so many machines that the server follows all the time up to a limit.
func crowded(t *testing.T, machines, limit int, test func(c *crowd)) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New()}
		defer c.store.Close()
		c.line = &metered{Client: c.store.Client()}
		c.user = registry.New(c.store.Client(), registry.Options{})
		for range machines {
			c.join()
		}
		c.submit("first.service")
		records := registry.New(c.line, registry.Options{})
		c.api = api.New(records, api.Options{
			Ready: c.ready, Follow: api.Follow{Count: records.CountMachines, Machines: limit},
			Machine: "m1", Local: silentJournal{},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.api.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		synctest.Wait()
		test(c)
	})
}

type silentJournal struct{}

func (silentJournal) Journal(ctx context.Context, _ unit.Name, q journal.Query, _ func([]byte) error) error {
	if q.Follow {
		<-ctx.Done()
	}
	return nil
}

func (silentJournal) StatusText(context.Context, unit.Name, int) (string, error) {
	return "it runs\n", nil
}

func (c *crowd) ready() error {
	if c.away.Load() {
		return errors.New("etcd has not answered for 10s")
	}
	return nil
}

func (c *crowd) write(op registry.Op) {
	c.t.Helper()
	if _, err := c.store.Client().Txn(c.t.Context(), registry.Txn{Then: []registry.Op{op}}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crowd) join() {
	c.size++
	c.write(registry.Put(fmt.Sprintf("/fleet/machines/m%d", c.size), []byte(`{"v":1,"session":{"lease":1,"bootID":"b"},"address":"10.0.0.1"}`), 0))
}

func (c *crowd) leave() {
	c.write(registry.Delete(fmt.Sprintf("/fleet/machines/m%d", c.size)))
	c.size--
}

// submit has somebody else write a unit, and returns at which revision.
func (c *crowd) submit(name unit.Name) int64 {
	c.t.Helper()
	f := mustParse(sleepUnit)
	u, err := c.user.UpdateUnit(c.t.Context(), name, func(*cluster.Unit) (*cluster.UnitEdit, error) {
		return &cluster.UnitEdit{Unit: cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Inactive}, File: f.Bytes()}, nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return u.Revision
}

func (c *crowd) ask(method, path string, header ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, "/fleet/v1/"+path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	c.api.Handler().ServeHTTP(answer, r)
	return answer
}

func (c *crowd) expect(about string, following bool) {
	c.t.Helper()
	synctest.Wait()
	open := c.line.watches.Load()
	if got := c.api.Load().Following; got != following || (open == 1) != following {
		c.t.Fatalf("%s: follows: %v, with %d watches; want %v", about, got, open, following)
	}
}

func TestALargeClusterIsFollowedOnDemand(t *testing.T) {
	crowded(t, 11, 10, func(c *crowd) {
		c.expect("nobody has asked", false)
		for i := range 5 {
			c.submit(unit.Name(fmt.Sprintf("%d.service", i)))
		}
		time.Sleep(time.Hour)
		if read, told := c.line.read.Load(), c.line.told.Load(); read+told > 0 {
			t.Errorf("nobody has asked: %d records were read, %d told", read, told)
		}
		if n := c.line.counts.Load(); n > 13 {
			t.Errorf("%d counts in an hour", n)
		}

		c.line.Slow(time.Second)
		asked := time.Now()
		if a := c.ask("GET", "units/4.service"); a.Code != http.StatusOK {
			t.Fatalf("the first who asks: %d %s", a.Code, a.Body)
		}
		if took := time.Since(asked); took < time.Second || took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		c.line.Heal()
		c.expect("somebody has asked", true)
		before := c.line.told.Load()
		c.submit("later.service")
		time.Sleep(5 * time.Second)
		if c.line.told.Load() == before {
			t.Error("what is followed is not told")
		}
		if c.ask("GET", "units/later.service").Code != http.StatusOK {
			t.Error("what was followed is not shown")
		}

		time.Sleep(9 * time.Minute)
		c.ask("GET", "machines")
		time.Sleep(9 * time.Minute)
		c.expect("nine minutes later", true)
		gone := api.Gone(c.api)
		time.Sleep(2 * time.Minute)
		c.expect("nobody has asked for ten minutes", false)
		if !gone() {
			t.Error("the memory of what was followed is not given back")
		}
		if load := c.api.Load(); len(load.Units) > 0 || load.Records[cluster.KindUnit].Records > 0 {
			t.Errorf("something is kept: %+v", load)
		}
		read, told := c.line.read.Load(), c.line.told.Load()
		c.submit("while.service")
		time.Sleep(time.Hour)
		if c.line.read.Load() != read || c.line.told.Load() != told {
			t.Error("the store is asked or tells although nobody follows it")
		}
		if c.ask("GET", "units/while.service").Code != http.StatusOK {
			t.Error("what came while nobody followed is not shown")
		}
	})
}

// What changes something needs the cluster as well: the answer comes when the cache shows what was written.
func TestAChangeHasTheClusterFollowed(t *testing.T) {
	crowded(t, 2, 0, func(c *crowd) {
		c.expect("nobody has asked", false)
		if a := c.ask("DELETE", "units/first.service"); a.Code != http.StatusNoContent {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		c.expect("something was changed", true)
		if a := c.ask("GET", "units/first.service"); a.Code != http.StatusNotFound {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		time.Sleep(20 * time.Minute)
		c.expect("long after", false)
		if n := c.line.counts.Load(); n > 0 {
			t.Errorf("%d counts, and no number of machines would be small", n)
		}
	})
}

// A store that is full takes in no new units, also when the server has to read that first.
func TestAStoreThatIsFullIsKnownToWhoBeginsToFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.write(cluster.AlarmChanged{Name: cluster.StoreFull, Alarm: &cluster.Alarm{Name: cluster.StoreFull, Since: noon}})
		server := api.New(store, api.Options{Follow: api.Follow{Count: func(context.Context) (int, error) { return 5, nil }}})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = server.Run(ctx) })
		r := httptest.NewRequestWithContext(ctx, "PUT", "/fleet/v1/units/a.service/file", strings.NewReader(sleepUnit))
		r.Header.Set("Content-Type", "text/plain")
		answer := httptest.NewRecorder()
		server.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusInsufficientStorage {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		cancel()
		running.Wait()
	})
}

func TestWhatStandsAloneHasNothingFollowed(t *testing.T) {
	crowded(t, 11, 10, func(c *crowd) {
		for _, ask := range []struct {
			method, path string
			code         int
			header       []string
		}{
			{"GET", "discovery", 200, nil},
			{"GET", "openapi.json", 200, nil},
			{"GET", "store", 501, nil},
			{"GET", "nothing", 404, nil},
			{"DELETE", "events", 405, nil},
			{"GET", "units/first.service/journal?machineID=m1", 200, []string{"Fleet-Forwarded", "m2"}},
			{"GET", "units/first.service/status?machineID=m1", 200, []string{"Fleet-Forwarded", "m2"}},
			{"POST", "units/first.service/restart", 403, []string{"Origin", "https://example.com", "Sec-Fetch-Site", "cross-site"}},
			{"GET", "units", 431, []string{"X-Long", strings.Repeat("x", 1<<20)}},
		} {
			if a := c.ask(ask.method, ask.path, ask.header...); a.Code != ask.code {
				t.Errorf("%s %s: %d %s", ask.method, ask.path, a.Code, a.Body)
			}
			c.expect(ask.path, false)
		}
		c.ask("GET", "units/first.service/status")
		c.expect("a status that is asked for here", true)
		for range 11 {
			time.Sleep(time.Minute)
			c.api.Load()
			c.ask("GET", "discovery")
		}
		c.expect("only what stands alone was asked for since", false)
	})
}

func TestStreamsKeepTheClusterFollowed(t *testing.T) {
	for _, path := range []string{"events?unitName=a.service", "history?follow=true", "units/first.service/journal?follow=true&machineID=m1"} {
		t.Run(path, func(t *testing.T) {
			crowded(t, 11, 10, func(c *crowd) {
				r := openPath(c.t, c.api, path)
				go drain(r)
				time.Sleep(3 * time.Hour)
				c.expect("a stream is open", true)
				r.leave()
				time.Sleep(9 * time.Minute)
				c.expect("it was, nine minutes ago", true)
				time.Sleep(3 * time.Minute)
				c.expect("it was, twelve minutes ago", false)
			})
		})
	}
}

func drain(r *reader) {
	for {
		if r.decoder.Decode(new(any)) != nil {
			return
		}
	}
}

// Who resumes after the server has not followed for a while is told what a server tells that was started meanwhile.
func TestWhatCannotBeResumedAfterAPauseIsToldSo(t *testing.T) {
	crowded(t, 11, 10, func(c *crowd) {
		last := c.submit("a.service")
		r := open(c.t, c.api, fmt.Sprintf("unitName=a.service&since=%d", last))
		if got := r.next(); got != "sync" {
			t.Fatalf("nothing has happened since: %s", got)
		}
		r.leave()
		tag := c.ask("GET", "units").Header().Get("ETag")
		page := c.ask("GET", "units?limit=1")
		_, token, _ := strings.Cut(page.Body.String(), `"nextPageToken":"`)
		token, _, _ = strings.Cut(token, `"`)
		if c.ask("GET", "units", "If-None-Match", tag).Code != http.StatusNotModified {
			t.Error("the list has not changed, and its tag has")
		}
		time.Sleep(12 * time.Minute)
		c.expect("nobody has asked", false)
		if _, err := c.user.UpdateUnit(c.t.Context(), "a.service", func(*cluster.Unit) (*cluster.UnitEdit, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}

		again := open(c.t, c.api, fmt.Sprintf("unitName=a.service&since=%d", last))
		again.expect("reset: this server does not remember everything since the revision that was asked for", "unit a.service absent", "sync")
		again.leave()
		if a := c.ask("GET", fmt.Sprintf("history?since=%d", last)); !strings.Contains(a.Body.String(), `"type":"gap"`) {
			t.Errorf("the history has no gap: %s", a.Body)
		}
		if a := c.ask("GET", "units", "If-None-Match", tag); a.Code != http.StatusOK || a.Header().Get("ETag") == tag {
			t.Errorf("a tag of before the pause: %d", a.Code)
		}
		if a := c.ask("GET", "units?nextPageToken="+token); a.Code != http.StatusOK || !strings.Contains(a.Body.String(), "first.service") {
			t.Errorf("a token of before the pause: %d %s", a.Code, a.Body)
		}
	})
}

// In a small cluster nothing is counted but once, at the start.
func TestASmallClusterIsAlwaysFollowed(t *testing.T) {
	crowded(t, 10, 10, func(c *crowd) {
		c.expect("at the start", true)
		time.Sleep(24 * time.Hour)
		c.expect("nobody has asked for a day", true)
		if n := c.line.counts.Load(); n != 1 {
			t.Errorf("%d counts", n)
		}
	})
}

// A cluster that grows and shrinks is not followed and left with every machine.
func TestAClusterThatGrowsIsFollowedOnDemand(t *testing.T) {
	crowded(t, 20, 20, func(c *crowd) {
		time.Sleep(time.Hour)
		c.join()
		c.expect("it has grown", true)
		time.Sleep(9 * time.Minute)
		c.expect("a while ago", true)
		time.Sleep(2 * time.Minute)
		c.expect("nobody has asked since", false)
		c.leave()
		c.leave()
		time.Sleep(time.Hour)
		c.expect("nearly as small as it was", false)
		c.leave()
		time.Sleep(16 * time.Minute)
		c.expect("smaller", true)
		c.join()
		c.join()
		time.Sleep(24 * time.Hour)
		c.expect("as large as the limit", true)
	})
}

func TestKeepHasTheClusterFollowed(t *testing.T) {
	crowded(t, 11, 10, func(c *crowd) {
		c.api.Keep(true)
		time.Sleep(24 * time.Hour)
		c.expect("it is kept", true)
		c.api.Keep(false)
		time.Sleep(9 * time.Minute)
		c.expect("it was", true)
		time.Sleep(2 * time.Minute)
		c.expect("long ago", false)
	})
}

// Who needs the cluster when the store is away is told so as soon as that is known, and at the latest when his request has taken
// as long as it may.
func TestWhoCannotBeWaitedForIsRefused(t *testing.T) {
	crowded(t, 11, 10, func(c *crowd) {
		c.line.Cut()
		refused := func(about string, code int, says string, least, most time.Duration) {
			t.Helper()
			asked := time.Now()
			a := c.ask("GET", "units")
			if took := time.Since(asked); a.Code != code || !strings.Contains(a.Body.String(), says) || took < least || took > most {
				t.Errorf("%s: %d %s after %v", about, a.Code, a.Body, took)
			}
		}
		refused("nobody knows yet", 503, "not begun within the limit of 1m0s", time.Minute, time.Minute)
		time.AfterFunc(10*time.Second, func() { c.away.Store(true) })
		refused("it becomes known", 503, "unable to communicate with etcd", 10*time.Second, 11*time.Second)
		refused("it is known", 503, "unable to communicate with etcd", 0, 0)
		c.line.Heal()
		c.away.Store(false)
		refused("it is back", 200, "first.service", 0, 5*time.Second)

		time.Sleep(20 * time.Minute)
		c.line.Cut()
		gone, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		defer cancel()
		answer := httptest.NewRecorder()
		c.api.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(gone, "GET", "/fleet/v1/units", http.NoBody))
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("a client that has gone: %d", answer.Code)
		}
		c.line.Heal()
	})
}

// A store that is away when a server starts is asked again and again, and nobody is answered until it was told how large the cluster is.
func TestTheNumberOfMachinesIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.write()
		var machines, asked atomic.Int64
		count := func(context.Context) (int, error) {
			if asked.Add(1); machines.Load() == 0 {
				return 0, errors.New("away")
			}
			return int(machines.Load()), nil
		}
		server := api.New(store, api.Options{Follow: api.Follow{Count: count, Machines: 10}})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = server.Run(ctx) })
		get := func() int {
			answer := httptest.NewRecorder()
			server.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/fleet/v1/units", http.NoBody))
			return answer.Code
		}
		time.Sleep(time.Minute)
		if code := get(); code != 503 || asked.Load() < 50 {
			t.Errorf("the store is away: %d, asked %d times", code, asked.Load())
		}
		machines.Store(3)
		time.Sleep(2 * time.Second)
		if code := get(); code != 200 || !server.Load().Following {
			t.Errorf("three machines: %d", code)
		}
		cancel()
		running.Wait()
		if code := get(); code != 503 {
			t.Errorf("after its end: %d", code)
		}
	})
}

// However requests and the end of following meet, an answer is of the whole cluster.
func TestNobodyIsAnsweredFromACacheThatWasDropped(t *testing.T) {
	store := newFakeStore()
	store.submit(t, "a.service", sleepUnit, cluster.Inactive)
	var dropped atomic.Int64
	server := api.New(store, api.Options{
		Follow: api.Follow{Count: func(context.Context) (int, error) { return 1, nil }, Rest: time.Microsecond},
		Applied: func(a api.Applied) {
			if a.Dropped {
				dropped.Add(1)
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running, asking sync.WaitGroup
	running.Go(func() { _ = server.Run(ctx) })
	began := time.Now()
	for range 3 {
		asking.Go(func() {
			for dropped.Load() < 20 && time.Since(began) < 10*time.Second {
				for _, path := range []string{"units/a.service", "units"} {
					answer := httptest.NewRecorder()
					server.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/fleet/v1/"+path, http.NoBody))
					if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "a.service") {
						t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
					}
				}
				server.Load()
				time.Sleep(rand.N(200 * time.Microsecond))
			}
		})
	}
	asking.Wait()
	cancel()
	running.Wait()
	if dropped.Load() < 5 {
		t.Errorf("dropped only %d times: this has tested nothing", dropped.Load())
	}
}
