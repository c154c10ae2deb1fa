package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// Whatever happens while the pages of a list are read one after the other, put together they are the
// list as it was when the first was read.
func TestPagesAreOfOneRevision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(1, 3).Draw(t, "page size"))
		whole := w.serve(1000)
		w.populate(t)
		for range rapid.IntRange(0, 8).Draw(t, "changes before") {
			w.change(t)
		}
		query := drawList(t)
		var want page
		w.get(t, whole, query, &want)

		var got page
		w.get(t, w.server, query, &got)
		for i := 0; got.next() != ""; i++ {
			for range rapid.IntRange(0, 4).Draw(t, "changes between") {
				w.change(t)
			}
			var more page
			w.get(t, w.server, withToken(query, got.next()), &more)
			if more.items() == 0 {
				t.Fatalf("page %d of %s is empty", i+2, query)
			}
			got = got.and(more)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("the pages of %s are not the list when the first was read (-list +pages):\n%s", query, diff)
		}
	})
}

// When a reader is so slow that its revision is given up, the list goes on at the newest revision, behind the last item
// that was read: what has been there all the time is told once.
func TestSlowReadersMissNothingThatStays(t *testing.T) {
	type step struct {
		pause   int // minutes
		name    unit.Name
		destroy bool
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.IntRange(0, 2).Draw(t, "minutes"), rapid.SampledFrom(names[5:]).Draw(t, "name"), rapid.Bool().Draw(t, "destroy")}
	}), 20, 20)
	lists := rapid.SampledFrom([]string{"units", "units?sort=name", "units?sort=-name", "units?glob=*.*", "units?sort=content"})
	rapid.Check(t, func(r *rapid.T) {
		steps, query := steps.Draw(r, "steps"), lists.Draw(r, "list")
		seen := make(map[unit.Name]int)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 2)
			for _, name := range names[:5] {
				w.submit(name, texts[0], cluster.Inactive)
			}
			token := ""
			for _, s := range steps {
				var p page
				w.get(t, w.server, withToken(query, token), &p)
				for _, u := range p.Units {
					seen[u.Name]++
				}
				if token = p.next(); token == "" {
					return
				}
				time.Sleep(time.Duration(s.pause) * time.Minute)
				if s.destroy {
					w.destroy(s.name)
				} else {
					w.submit(s.name, texts[0], cluster.Inactive)
				}
			}
			t.Error("there is no end of pages")
		})
		for _, name := range names[:5] {
			if seen[name] != 1 {
				r.Fatalf("%s: %s was told %d times", query, name, seen[name])
			}
		}
	})
}

// What is kept for readers is bounded, and nothing is kept for those who do not come back.
func TestWhatIsKeptForReadersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for i := range 100 {
			w.submit(unit.Name(fmt.Sprintf("u%d.service", i)), texts[0], cluster.Inactive)
			var p page
			w.get(t, w.server, "units", &p)
		}
		if revisions, _ := api.Pasts(w.server); len(revisions) == 0 || len(revisions) > 16 {
			t.Errorf("%d revisions are kept for lists that have begun", len(revisions))
		}
		time.Sleep(2 * time.Minute)
		w.submit("last.service", texts[0], cluster.Inactive)
		if revisions, kept := api.Pasts(w.server); len(revisions) > 0 || kept > 0 {
			t.Errorf("%v are kept for nobody, with %d units", revisions, kept)
		}
	})
}

// Orders that are kept are bounded too; a list whose order was given up is in order nevertheless.
func TestOrdersThatAreKeptAreBounded(t *testing.T) {
	const most = 20
	w := newWorld(t, 2)
	api.Rows(w.server, most)
	for _, name := range names {
		w.submit(name, texts[0], cluster.Inactive)
	}
	var first page
	w.get(t, w.server, "units?sort=-name", &first)
	for _, by := range []string{"name", "generation", "-generation", "content", "hash"} {
		w.get(t, w.server, "units?sort="+by, &page{})
		if kept := api.Rows(w.server, most); kept > most || kept == 0 {
			t.Errorf("%d lines are kept", kept)
		}
	}
	w.destroy(names[4])
	var second page
	if w.get(t, w.server, withToken("units?sort=-name", first.next()), &second); second.Units[0].Name != names[5] || second.Units[1].Name != names[4] {
		t.Errorf("%v do not come behind %v", second.Units, first.Units)
	}
}

// A list that was read to its end holds nothing for long, so that those which are being read are not given up for it.
func TestNothingIsKeptOfAListThatWasReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for _, name := range names {
			w.submit(name, texts[0], cluster.Inactive)
		}
		var p page
		w.get(t, w.server, "units", &p)
		for p.next() != "" {
			time.Sleep(30 * time.Second)
			w.tell(false)
			if revisions, _ := api.Pasts(w.server); len(revisions) != 1 {
				t.Fatalf("%d revisions are kept for a list that is being read", len(revisions))
			}
			token := p.next()
			p = page{}
			w.get(t, w.server, withToken("units", token), &p)
		}
		time.Sleep(15 * time.Second)
		w.tell(false)
		if revisions, _ := api.Pasts(w.server); len(revisions) > 0 {
			t.Errorf("%v are kept", revisions)
		}
	})
}

// A page that was not answered, or whose answer got lost, can be asked for again: it is of the list's revision then, too.
func TestAPageCanBeAskedForAgain(t *testing.T) {
	w := newWorld(t, 2)
	for _, name := range names[:4] {
		w.submit(name, texts[0], cluster.Inactive)
	}
	var first, last page
	w.get(t, w.server, "units", &first)
	query := withToken("units", first.next())

	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "/fleet/v1/"+query, http.NoBody)
	w.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	for range 2 {
		w.submit(names[4], texts[0], cluster.Inactive)
		last = page{}
		if w.get(t, w.server, query, &last); len(last.Units) != 2 || last.next() != "" {
			t.Errorf("the last page has %d units, and a next page %q: it is not of the list's revision", len(last.Units), last.next())
		}
	}
}

// Who ends a list at another revision than it began at does not end those of others.
func TestListsThatEndElsewhereEndNoOthers(t *testing.T) {
	w := newWorld(t, 2)
	other := w.serve(2)
	for _, name := range names[:4] {
		w.submit(name, texts[0], cluster.Inactive)
	}
	var theirs, mine page
	w.get(t, other, "units", &theirs)
	w.tell(false)
	w.get(t, w.server, "units", &mine)
	w.get(t, w.server, withToken("units", theirs.next()), &page{})
	w.submit(names[4], texts[0], cluster.Inactive)

	var last page
	if w.get(t, w.server, withToken("units", mine.next()), &last); last.next() != "" {
		t.Error("behind the last page there is another one: it is not of the list's revision")
	}
}

// Names may be long, and differ only at their ends.
func TestLongNamesAreInOrder(t *testing.T) {
	w := newWorld(t, 1)
	long := strings.Repeat("x", 240)
	for _, last := range []string{"b", "a", "c"} {
		w.submit(unit.Name(long+last+".service"), texts[0], cluster.Inactive)
	}
	order, token := "", ""
	for range 3 {
		var p page
		w.get(t, w.server, withToken("units?sort=-name", token), &p)
		order, token = order+string(p.Units[0].Name[len(long)]), p.next()
	}
	if order != "cba" {
		t.Errorf("sort=-name: %s", order)
	}
}

// A client of fleet 1 repeats its filters and nothing else; whoever sends others is told.
func TestATokenIsGoodForItsListAlone(t *testing.T) {
	w := newWorld(t, 1)
	for _, name := range names {
		w.submit(name, texts[0], cluster.Loaded)
	}
	var first page
	w.get(t, w.server, "units?desiredState=loaded&desiredState=inactive&glob=*", &first)
	for _, other := range []string{"units", "units?glob=*", "state?desiredState=loaded&desiredState=inactive&glob=*", "units?desiredState=loaded&desiredState=inactive&glob=*&sort=name"} {
		if code, body := w.ask(w.server, withToken(other, first.next())); code != http.StatusBadRequest || !strings.Contains(body, "not of this list") {
			t.Errorf("%s took a token of another list: %d %s", other, code, body)
		}
	}
	for _, same := range []string{"units?glob=*&desiredState=inactive&desiredState=loaded", "units?glob=*&desiredState=inactive&desiredState=loaded&fields=name&alt=json"} {
		var p page
		if w.get(t, w.server, withToken(same, first.next()), &p); len(p.Units) != 1 || p.Units[0].Name == first.Units[0].Name {
			t.Errorf("%s: %v", same, p.Units)
		}
	}
}

var (
	names    = []unit.Name{"a.service", "b@1.service", "b@2.service", "c.timer", "d.service", "e.service", "f.socket", "g.service"}
	machines = []cluster.MachineID{"1111aaaa", "2222bbbb", "3333cccc"}
	texts    = []string{"[Service]\nExecStart=/bin/a\n", "[Service]\nExecStart=/bin/b\nMemoryMax=1G\n", "[X-Fleet]\nGlobal=true\n"}
)

func drawList(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"units", "state", "machines",
		"units?glob=*.service", "units?glob=b@*&unitName=d.service", "units?machineID=1111aaaa&machineID=2222bbbb", "units?desiredState=launched",
		"units?activeState=active", "units?phase=working", "units?selector=disk=ssd", "units?global=false",
		"units?sort=-name", "units?sort=desiredState", "units?sort=-generation", "units?sort=outcome&glob=*", "units?fields=name,copies",
		"state?machineID=2222bbbb", "state?unitName=a.service&unitName=d.service", "state?sort=-observedAt", "state?sort=machineID", "state?selector=disk",
		"machines?sort=-units", "machines?selector=disk=ssd", "machines?unitName=a.service", "machines",
		"machines?absent=true", "machines?absent=true&sort=-state", "machines?absent=true&selector=disk=ssd",
	}).Draw(t, "list")
}

// page is one of any list.
type page struct {
	Units         []api.Unit      `json:"units"`
	States        []api.UnitState `json:"states"`
	Machines      []api.Machine   `json:"machines"`
	NextPageToken string          `json:"nextPageToken"`
}

func (p page) next() string { return p.NextPageToken }
func (p page) items() int   { return len(p.Units) + len(p.States) + len(p.Machines) }

func (p page) and(o page) page {
	return page{slices.Concat(p.Units, o.Units), slices.Concat(p.States, o.States), slices.Concat(p.Machines, o.Machines), o.NextPageToken}
}

func withToken(query, token string) string {
	if token == "" {
		return query
	}
	between := "?"
	if strings.Contains(query, "?") {
		between = "&"
	}
	return query + between + "nextPageToken=" + token
}
