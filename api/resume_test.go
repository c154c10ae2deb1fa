package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestEventsResume(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)                             // 2
		f.store.submit(t, "b.service", sleepUnit, cluster.Inactive)                             // 3
		f.store.write(cluster.MachineChanged{ID: "m1", Machine: &cluster.Machine{ID: "m1"}})    // 4
		f.store.write(cluster.MachineChanged{ID: "m2", Machine: &cluster.Machine{ID: "m2"}})    // 5
		f.store.submit(t, "web@1.service", sleepUnit, cluster.Launched)                         // 6
		f.store.write(cluster.UnitChanged{Name: "a.service"}, cluster.MachineChanged{ID: "m1"}) // 7
		synctest.Wait()

		open(t, f.api, "since=3&machines=true").expect("machine-gone m1", "machine m2", "unit a.service absent", "unit web@1.service launched 6", "sync")
		open(t, f.api, "since=3").expect("unit a.service absent", "unit web@1.service launched 6", "sync")
		open(t, f.api, "since=3&glob=web@*&unitName=b.service").expect("unit web@1.service launched 6", "sync")
		open(t, f.api, "since=7").expect("sync")
		open(t, f.api, "glob=web@*&unitName=none.service").expect("unit none.service absent", "unit web@1.service launched 6", "sync")
	})
}

func TestEventsSayWhenTheyCannotResume(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		api.Remember(f.api, 2)
		for range 3 {
			f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		}
		synctest.Wait()
		const forgotten = "reset: this server does not remember everything since the revision that was asked for"
		open(t, f.api, "since=1").expect(forgotten, "unit a.service inactive 4", "sync")
		open(t, f.api, "since=2").expect("unit a.service inactive 4", "sync")
		open(t, f.api, "since=9").expect("reset: this server has not seen the revision yet that was asked for", "unit a.service inactive 4", "sync")

		f.store.reset() // the store has compacted changes away that this server had not seen
		synctest.Wait()
		open(t, f.api, "since=4").expect(forgotten, "sync")
		open(t, f.api, "since=5").expect("sync")
	})
}

// A client may come from a server that is ahead of this one.
func TestEventsWaitForARevisionThatIsOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := open(t, f.api, "since=2")
		synctest.Wait()
		f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		r.expect("sync")
		f.store.submit(t, "a.service", sleepUnit, cluster.Launched)
		r.expect("unit a.service launched 3")
	})
}

func TestWrongParametersOfEvents(t *testing.T) {
	f := newFixture(t, api.Options{})
	for query, says := range map[string]string{
		"since=yesterday": `parameter since: "yesterday": expect a revision, such as an event has`,
		"since=-1":        `parameter since: "-1": expect a revision, such as an event has`,
		"glob=%5Ba":       `parameter glob: malformed pattern "[a"`,
	} {
		code, message := f.call(t, "GET", "/fleet/v1/events?"+query, "", http.NoBody)
		if code != 400 || message != says {
			t.Errorf("%s: %d %q", query, code, message)
		}
	}
}

// mirror is what a client knows that follows the events.
type mirror struct {
	*reader
	known map[string]string
	fresh map[string]string // what was told since a reset; nil: there was none
	seen  int64             // revision to resume from
}

// take takes in one event, and says whether it was a ping: nothing is left to tell.
func (m *mirror) take() (idle bool) {
	var e api.Event
	if err := m.decoder.Decode(&e); err != nil {
		m.t.Fatal(err)
	}
	if e.Revision > 0 {
		m.seen = e.Revision
	}
	put := func(key string, v any, gone bool) {
		text, err := json.Marshal(v)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, known := range []map[string]string{m.known, m.fresh} {
			switch {
			case known == nil:
			case gone:
				delete(known, key)
			default:
				known[key] = string(text)
			}
		}
	}
	switch e.Type {
	case api.EventUnit:
		put("unit "+string(e.Unit.Name), e.Unit, e.Unit.Absent && len(e.Unit.Copies) == 0)
	case api.EventMachine, api.EventMachineGone:
		put("machine "+string(e.Machine.ID), e.Machine, e.Type == api.EventMachineGone)
	case api.EventReset:
		m.seen, m.fresh = 0, make(map[string]string)
	case api.EventSync:
		if m.fresh != nil {
			m.known, m.fresh = m.fresh, nil
		}
	case api.EventPing:
		return true
	}
	return false
}

// A client that drops the stream at any moment and resumes it ends up knowing what one knows that never dropped it.
func TestWhoResumesKnowsWhatOthersKnow(t *testing.T) {
	resets := 0
	for seed := range uint64(100) {
		bubble(t, func(t *testing.T, f *fixture) {
			api.Remember(f.api, 12)
			random := rand.New(rand.NewPCG(seed, 4))
			world := newTurmoil(t, f.store, random)
			constant := &mirror{reader: open(t, f.api, "machines=true"), known: make(map[string]string)}
			fickle := &mirror{reader: open(t, f.api, "machines=true"), known: make(map[string]string)}
			for range 60 {
				for range random.IntN(6) {
					world.step()
				}
				switch random.IntN(4) {
				case 0:
					fickle.leave()
					synctest.Wait()
					if random.IntN(3) == 0 {
						for range random.IntN(15) {
							world.step()
						}
					}
					fickle.fresh = nil
					query := "machines=true"
					if fickle.seen != 0 {
						query += "&since=" + strconv.FormatInt(fickle.seen, 10)
					} else {
						fickle.known = make(map[string]string)
					}
					fickle.reader = open(t, f.api, query)
				case 1:
					for range random.IntN(8) {
						fickle.take()
						if fickle.fresh != nil {
							resets++
						}
					}
				}
				if random.IntN(3) == 0 {
					synctest.Wait()
				}
			}
			for !constant.take() {
			}
			for !fickle.take() {
			}
			if fickle.seen != f.store.revision || constant.seen != f.store.revision {
				t.Errorf("seed %d: resumes at %d and %d, the store is at %d", seed, constant.seen, fickle.seen, f.store.revision)
			}
			if diff := gocmp.Diff(constant.known, fickle.known); diff != "" {
				t.Errorf("seed %d: who resumed knows something else:\n%s", seed, diff)
			}
		})
	}
	if resets == 0 {
		t.Error("no stream was ever reset: the test does not test that")
	}
}

// turmoil changes a cluster at random.
type turmoil struct {
	t      *testing.T
	store  *fakeStore
	random *rand.Rand
	orders map[cluster.MachineID]map[unit.Name]cluster.Order
}

func newTurmoil(t *testing.T, store *fakeStore, random *rand.Rand) *turmoil {
	return &turmoil{t, store, random, make(map[cluster.MachineID]map[unit.Name]cluster.Order)}
}

func (w *turmoil) step() {
	name := unit.Name(fmt.Sprintf("u%d.service", w.random.IntN(8)))
	id := cluster.MachineID(fmt.Sprintf("m%d", w.random.IntN(3)))
	switch w.random.IntN(12) {
	case 0, 1, 2:
		w.store.submit(w.t, name, variant(w.random.IntN(3)), cluster.Launched)
	case 3:
		if w.store.unit(name).Name != "" {
			if _, err := w.store.UpdateUnit(w.t.Context(), name, func(*cluster.Unit) (*cluster.UnitEdit, error) { return nil, nil }); err != nil {
				w.t.Fatal(err)
			}
		}
	case 4:
		w.store.write(cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Address: strconv.Itoa(w.random.IntN(9))}})
	case 5:
		w.store.write(cluster.MachineChanged{ID: id}, cluster.ReportChanged{ID: id})
	case 6:
		w.store.write(cluster.SettingsChanged{ID: id, Settings: &cluster.Settings{Cordoned: w.random.IntN(2) == 0}})
	case 7:
		w.store.write(cluster.PendingChanged{Name: name, Pending: &cluster.Pending{Message: strconv.Itoa(w.random.IntN(9))}})
	case 8, 9:
		units := maps.Clone(w.orders[id])
		if units == nil {
			units = make(map[unit.Name]cluster.Order)
		}
		if _, there := units[name]; there {
			delete(units, name)
		} else {
			units[name] = cluster.Order{Content: w.store.unit(name).Content, Desired: cluster.Launched}
		}
		w.orders[id] = units
		w.store.write(cluster.OrdersChanged{ID: id, Orders: &cluster.Orders{Machine: id, Units: units}})
	case 10:
		reports := make(map[unit.Name]cluster.UnitReport)
		for name := range w.orders[id] {
			active := []string{"active", "failed", "inactive"}[w.random.IntN(3)]
			reports[name] = cluster.UnitReport{State: unit.State{Active: active}}
		}
		w.store.write(cluster.ReportChanged{ID: id, Report: &cluster.Report{Machine: id, Units: reports}})
	case 11:
		if w.random.IntN(4) == 0 {
			w.reset()
		}
	}
}

func variant(n int) string { return strings.Repeat("#\n", n) + sleepUnit }

// reset tells everything anew, as when the store has compacted changes away: some of it is gone.
func (w *turmoil) reset() {
	var changes []cluster.Change
	for n := range 3 {
		file, err := unit.Parse([]byte(variant(n)))
		if err != nil {
			w.t.Fatal(err)
		}
		changes = append(changes, cluster.FileChanged{ID: file.ID(), File: file})
	}
	w.store.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(w.store.units)) {
		if w.random.IntN(4) == 0 {
			delete(w.store.units, name)
			continue
		}
		u := w.store.units[name]
		changes = append(changes, cluster.UnitChanged{Name: name, Unit: &u})
	}
	w.store.mu.Unlock()
	clear(w.orders)
	w.store.reset(changes...)
}
