package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// recall is the history as short texts.
func (f *fixture) recall(t *testing.T, o api.HistoryOptions) []string {
	t.Helper()
	var told []string
	err := f.client.History(t.Context(), o, func(h api.Happening) error {
		told = append(told, fmt.Sprintf("%d %s %s%s", h.Revision, h.Type, h.Unit, h.MachineID))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func TestHistoryIsSelected(t *testing.T) {
	f := newFixture(t, api.Options{})
	clock := noon
	api.SetClock(f.api, func() time.Time { clock = clock.Add(time.Minute); return clock })
	start := clock
	f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)                                                // 2, 12:02
	f.store.submit(t, "web@1.service", sleepUnit, cluster.Inactive)                                            // 3
	f.store.write(cluster.MachineChanged{ID: "m1", Machine: &cluster.Machine{ID: "m1"}})                       // 4
	f.store.write(cluster.UnitChanged{Name: "a.service"}, cluster.LeaderChanged{Machine: "m1"})                // 5
	f.settle(t, f.store.write(cluster.SettingsChanged{ID: "m1", Settings: &cluster.Settings{Cordoned: true}})) // 6

	all := []string{
		"2 submitted a.service", "3 submitted web@1.service", "4 machine-joined m1",
		"5 leader m1", "5 destroyed a.service", "6 cordoned m1",
	}
	for about, c := range map[string]struct {
		o    api.HistoryOptions
		want []string
	}{
		"everything":      {api.HistoryOptions{}, all},
		"a unit":          {api.HistoryOptions{Units: []unit.Name{"a.service"}}, []string{all[0], all[4]}},
		"a pattern":       {api.HistoryOptions{Globs: []unit.Glob{"web@*"}}, all[1:2]},
		"a machine":       {api.HistoryOptions{Machines: []cluster.MachineID{"m1"}}, []string{all[2], all[3], all[5]}},
		"since":           {api.HistoryOptions{Since: 4}, all[3:]},
		"since a time":    {api.HistoryOptions{SinceTime: start.Add(3 * time.Minute)}, all[2:]},
		"before it began": {api.HistoryOptions{SinceTime: start.Add(-time.Minute)}, append([]string{"0 gap "}, all...)},
		"the newest":      {api.HistoryOptions{Newest: 2}, all[4:]},
		"nothing":         {api.HistoryOptions{Since: 6}, nil},
	} {
		if diff := gocmp.Diff(c.want, f.recall(t, c.o)); diff != "" {
			t.Errorf("%s: %s", about, diff)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	f := newFixture(t, api.Options{})
	api.RememberHappenings(f.api, 3)
	for range 5 {
		f.settle(t, f.store.submit(t, "a.service", sleepUnit, cluster.Inactive).Revision)
	}
	last := []string{"4 wanted a.service", "5 wanted a.service", "6 wanted a.service"}
	if diff := gocmp.Diff(last, f.recall(t, api.HistoryOptions{})); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(append([]string{"0 gap "}, last...), f.recall(t, api.HistoryOptions{Since: 2})); diff != "" {
		t.Errorf("since 2: %s", diff)
	}
	if diff := gocmp.Diff(last, f.recall(t, api.HistoryOptions{Since: 3})); diff != "" {
		t.Errorf("since 3: %s", diff)
	}
}

// What was there when the server began has not happened.
func TestHistoryBeginsWithTheServer(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.settle(t, f.store.submit(t, "a.service", sleepUnit, cluster.Launched).Revision)
	second := api.New(f.store, api.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- second.Run(ctx) }()
	defer func() { cancel(); <-done }()
	g := serve(t, second)
	g.settle(t, 2)
	if told := g.recall(t, api.HistoryOptions{}); told != nil {
		t.Errorf("%q has happened", told)
	}
	if told := g.recall(t, api.HistoryOptions{Since: 1}); !slices.Equal(told, []string{"0 gap "}) {
		t.Errorf("%q, want a gap: the server did not see revision 2", told)
	}
}

// historyReader reads one stream of happenings.
type historyReader struct{ *reader }

func openHistory(t *testing.T, server *api.Server, query string) historyReader {
	return historyReader{openPath(t, server, "history?"+query)}
}

func (r historyReader) expect(want ...string) {
	r.t.Helper()
	for i, w := range want {
		var h api.Happening
		got := ""
		if err := r.decoder.Decode(&h); err != nil {
			got = err.Error()
		} else if got = string(h.Type); h.Message != "" {
			got += ": " + h.Message
		}
		if got != w {
			r.t.Fatalf("happening %d is %q, want %q", i, got, w)
		}
	}
}

// A stream tells every happening once and in order, whatever happens how fast, and says when it could not.
func TestHistoryIsFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		f.store.submit(t, "b.service", sleepUnit, cluster.Inactive)
		synctest.Wait()
		r := openHistory(t, f.api, "follow=true&limit=1&unitName=a.service")
		r.expect("submitted: a.service submitted, wanted inactive")
		f.store.submit(t, "b.service", sleepUnit, cluster.Loaded)
		f.store.submit(t, "a.service", sleepUnit, cluster.Loaded)
		r.expect("wanted: a.service wanted loaded, was wanted inactive", "ping", "ping")
		api.RememberHappenings(f.api, 2)
		for range 5 {
			f.store.submit(t, "a.service", sleepUnit, cluster.Loaded)
			synctest.Wait()
		}
		// One was on its way when the reader stopped to read.
		r.expect("wanted: a.service wanted loaded once more",
			"gap: the reader was too slow: what happened in between is no longer remembered",
			"wanted: a.service wanted loaded once more", "wanted: a.service wanted loaded once more")
		f.notReady.Store(true)
		r.expect("end: the store does not answer", "EOF")
	})
}

func TestTheClientFollowsHistory(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
	f.settle(t, f.store.submit(t, "b.service", sleepUnit, cluster.Inactive).Revision)
	enough := errors.New("enough")
	var told []int64
	n := 0
	err := f.client.History(t.Context(), api.HistoryOptions{
		Since: 1, Follow: true, Told: func(revision int64) { told = append(told, revision) },
	}, func(h api.Happening) error {
		switch n++; n {
		case 2:
			f.store.submit(t, "a.service", sleepUnit, cluster.Launched)
		case 3:
			return enough
		}
		return nil
	})
	// Of the newest revision there might have been more.
	if !errors.Is(err, enough) || !slices.Equal(told, []int64{2, 3}) {
		t.Errorf("told up to %d, %v", told, err)
	}
	go f.stop()
	err = f.client.History(t.Context(), api.HistoryOptions{Follow: true}, func(api.Happening) error { return nil })
	var refused *api.Error
	if !errors.Is(err, api.ErrStreamEnded) && !errors.As(err, &refused) {
		t.Errorf("at the end of the server: %v", err)
	}
}

// A client that asked for what is not there yet goes on from what is there, and is not told of the gap again and again.
func TestAfterAGapTheClientGoesOnFromWhereTheServerIs(t *testing.T) {
	lines := `{"type":"gap","message":"this server has not seen the revision yet that was asked for"}
{"type":"ping","revision":40}
{"type":"submitted","revision":41,"unit":"a.service"}
{"type":"gap","revision":20,"message":"read anew"}
{"type":"destroyed","revision":20,"unit":"a.service"}
{"type":"submitted","revision":21,"unit":"b.service"}
{"type":"end","message":"enough"}
`
	canned := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(lines))}, nil
	})
	var told []int64
	err := api.ClientOver(canned, api.ClientOptions{}).History(t.Context(), api.HistoryOptions{
		Since: 1000, Follow: true, Told: func(revision int64) { told = append(told, revision) },
	}, func(api.Happening) error { return nil })
	if !errors.Is(err, api.ErrStreamEnded) || !slices.Equal(told, []int64{40, 20}) {
		t.Errorf("told up to %d, %v", told, err)
	}
}

// That the server reads everything anew has more than one reason; it does not name one that it does not know.
func TestHistorySaysWhatIsKnownOfAReset(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.store.reset()
	f.settle(t, f.store.revision)
	err := f.client.History(t.Context(), api.HistoryOptions{}, func(h api.Happening) error {
		if h.Type != api.HappenedGap || !strings.Contains(h.Message, "read everything anew") || strings.Contains(h.Message, "discarded") {
			t.Errorf("told %+v", h)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWrongParametersOfTheHistory(t *testing.T) {
	f := newFixture(t, api.Options{})
	for query, says := range map[string]string{
		"since=yesterday":                     `parameter since: "yesterday" is neither a revision nor a time such as 2026-03-01T12:00:00Z`,
		"limit=all":                           `parameter limit: "all": expect a number of happenings`,
		"follow=on":                           "parameter follow: expect true or false",
		"machineID=" + url.QueryEscape("a/b"): `parameter machineID: invalid machine id "a/b"`,
	} {
		if code, message := f.call(t, "GET", "/fleet/v1/history?"+query, "", http.NoBody); code != 400 || message != says {
			t.Errorf("%s: %d %q", query, code, message)
		}
	}
}
