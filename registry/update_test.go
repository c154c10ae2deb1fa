package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cluster"
	"fleet/unit"
)

const app = unit.Name("app.service")

func unitLife(t *testing.T, w world) {
	r := w.registry(t)
	made, err := r.UpdateUnit(t.Context(), app, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if current != nil {
			t.Errorf("a unit that does not exist is %+v", current)
		}
		return launch(app, file)(current)
	})
	must(t, err)
	want := cluster.Unit{
		Name: app, Content: unit.IDOf([]byte(file)), Desired: cluster.Launched,
		Generation: made.Revision, Revision: made.Revision,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("created unit (-want +got):\n%s", diff)
	}

	restarted, err := r.UpdateUnit(t.Context(), app, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if diff := cmp.Diff(&want, current); diff != "" {
			t.Errorf("read unit (-want +got):\n%s", diff)
		}
		return &cluster.UnitEdit{Unit: *current, Restart: true}, nil
	})
	must(t, err)
	if restarted.Generation <= made.Generation || restarted.Restart != restarted.Generation {
		t.Errorf("a restart after %+v is %+v", made, restarted)
	}
	s := snapshot(t, r)
	if got, _ := s.Unit(app); got != restarted {
		t.Errorf("followed unit is %+v, written was %+v", got, restarted)
	}
	f, ok := s.File(made.Content)
	if !ok || string(f.Bytes()) != file {
		t.Errorf("followed file is %+v", f)
	}

	gone, err := r.UpdateUnit(t.Context(), app, destroy)
	must(t, err)
	if gone.Revision <= restarted.Revision {
		t.Errorf("destroyed at %d, written at %d", gone.Revision, restarted.Revision)
	}
	_, err = r.UpdateUnit(t.Context(), app, destroy)
	wantErr(t, err, cluster.ErrNotFound)
	if _, ok := snapshot(t, r).Unit(app); ok {
		t.Error("a destroyed unit is still followed")
	}
}

func moves(t *testing.T, w world) {
	r := w.registry(t)
	edit := func(e cluster.UnitEdit, to cluster.MachineID) cluster.Unit {
		t.Helper()
		u, err := r.UpdateUnit(t.Context(), app, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
			e.Unit = *current
			e.Unit.MoveTo = to
			return &e, nil
		})
		must(t, err)
		if got, _ := snapshot(t, r).Unit(app); got != u {
			t.Errorf("written was %+v, read %+v", u, got)
		}
		return u
	}
	_, err := r.UpdateUnit(t.Context(), app, launch(app, file))
	must(t, err)
	if u := edit(cluster.UnitEdit{}, "m1"); u.Move != 0 || u.MoveTo != "" {
		t.Errorf("nobody asked for a move, the unit is %+v", u)
	}
	asked := edit(cluster.UnitEdit{Move: true}, "m1")
	if asked.Move != asked.Generation || asked.MoveTo != "m1" || asked.Restart != 0 {
		t.Errorf("asked to move it is %+v", asked)
	}
	restarted := edit(cluster.UnitEdit{Restart: true}, "m2")
	replaced, err := r.UpdateUnit(t.Context(), app, launch(app, file+"# new\n"))
	must(t, err)
	for what, later := range map[string]cluster.Unit{"a restart": restarted, "a new file": replaced} {
		if later.Generation <= asked.Generation || later.Move != asked.Move || later.MoveTo != "m1" {
			t.Errorf("%s after %+v left %+v", what, asked, later)
		}
	}
	again := edit(cluster.UnitEdit{Move: true}, "")
	if again.Move != again.Generation || again.MoveTo != "" {
		t.Errorf("asked to move anywhere it is %+v", again)
	}
}

func generationsGrow(t *testing.T, w world) {
	r := w.registry(t)
	var last int64
	for range 3 {
		for range 3 {
			u, err := r.UpdateUnit(t.Context(), app, launch(app, file))
			must(t, err)
			if u.Generation <= last {
				t.Errorf("generation %d after %d", u.Generation, last)
			}
			last = u.Generation
		}
		_, err := r.UpdateUnit(t.Context(), app, destroy)
		must(t, err)
	}
}

func slowerWriter(t *testing.T, w world) {
	slow, fast := w.registry(t), w.registry(t)
	_, err := fast.UpdateUnit(t.Context(), app, launch(app, file))
	must(t, err)
	calls := 0
	u, err := slow.UpdateUnit(t.Context(), app, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if calls++; calls == 1 {
			_, err := fast.UpdateUnit(t.Context(), app, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
				return &cluster.UnitEdit{Unit: *current, Restart: true}, nil
			})
			must(t, err)
		}
		current.Desired = cluster.Inactive
		return &cluster.UnitEdit{Unit: *current}, nil
	})
	must(t, err)
	if calls != 2 || u.Desired != cluster.Inactive || u.Restart == 0 {
		t.Errorf("after %d calls the unit is %+v: it must be inactive and have the other's restart", calls, u)
	}
}

func slowerWriterOtherContent(t *testing.T, w world) {
	slow, fast := w.registry(t), w.registry(t)
	for _, faster := range []func(*cluster.Unit) (*cluster.UnitEdit, error){
		launch(app, file), launch(app, file+"# changed\n"), destroy,
	} {
		calls := 0
		_, err := slow.UpdateUnit(t.Context(), app, func(*cluster.Unit) (*cluster.UnitEdit, error) {
			calls++
			_, err := fast.UpdateUnit(t.Context(), app, faster)
			must(t, err)
			return launch(app, file+"# mine\n")(nil)
		})
		wantErr(t, err, cluster.ErrConflict)
		if calls != 1 {
			t.Errorf("the slower writer was asked %d times", calls)
		}
		if strings.Contains(w.get(t, "units/app.service"), string(unit.IDOf([]byte(file+"# mine\n")))) {
			t.Error("the slower writer has written")
		}
	}
}

func manyWriters(t *testing.T, w world) {
	const writers, writes = 4, 5
	_, err := w.registry(t).UpdateUnit(t.Context(), app, launch(app, file))
	must(t, err)
	var mu sync.Mutex
	given := make(map[int64]bool)
	var wg sync.WaitGroup
	for range writers {
		r := w.registry(t)
		wg.Go(func() {
			for range writes {
				u, err := r.UpdateUnit(t.Context(), app, launch(app, file))
				if errors.Is(err, cluster.ErrConflict) {
					continue // told, and nothing written
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if given[u.Generation] {
					t.Errorf("generation %d was given twice", u.Generation)
				}
				given[u.Generation] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	u, _ := snapshot(t, w.registry(t)).Unit(app)
	for g := range given {
		if g > u.Generation {
			t.Errorf("generation %d was given, but the unit has %d", g, u.Generation)
		}
	}
}

func badEdits(t *testing.T, w world) {
	r := w.registry(t)
	id := unit.IDOf([]byte(file))
	for what, edit := range map[string]cluster.UnitEdit{
		"no file":          {Unit: cluster.Unit{Content: id, Desired: cluster.Loaded}},
		"another file":     {Unit: cluster.Unit{Content: id, Desired: cluster.Loaded}, File: []byte("[Unit]\n")},
		"no content":       {Unit: cluster.Unit{Desired: cluster.Loaded}},
		"no desired state": {Unit: cluster.Unit{Content: id}, File: []byte(file)},
	} {
		_, err := r.UpdateUnit(t.Context(), app, func(*cluster.Unit) (*cluster.UnitEdit, error) { return &edit, nil })
		if err == nil {
			t.Errorf("an edit with %s was accepted", what)
		}
	}
	_, err := r.UpdateUnit(t.Context(), app, func(*cluster.Unit) (*cluster.UnitEdit, error) {
		return &cluster.UnitEdit{
			Unit: cluster.Unit{Content: id, Desired: cluster.Loaded, MoveTo: "a/b"}, File: []byte(file), Move: true,
		}, nil
	})
	if err == nil {
		t.Error("a move to a machine that cannot be was accepted")
	}
	for _, name := range []unit.Name{"", "app", "../app.service", "a/b.service", "a\nb.service"} {
		if _, err := r.UpdateUnit(t.Context(), name, launch(name, file)); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
	mine := errors.New("mine")
	_, err = r.UpdateUnit(t.Context(), app, func(*cluster.Unit) (*cluster.UnitEdit, error) { return nil, mine })
	wantErr(t, err, mine)
	if names := snapshot(t, r).Names(); len(names) != 0 {
		t.Errorf("refused edits left %v", names)
	}
}

func unknownFields(t *testing.T, w world) {
	r := w.registry(t)
	_, err := r.UpdateUnit(t.Context(), app, launch(app, file))
	must(t, err)
	_, err = r.UpdateSettings(t.Context(), "m1", func(cluster.Settings) (cluster.Settings, error) { return cluster.Settings{}, nil })
	must(t, err)
	for _, key := range []string{"units/app.service", "settings/m1"} {
		w.put(t, key, strings.Replace(w.get(t, key), "{", `{"later":{"a":[1]},`, 1))
	}
	_, err = r.UpdateUnit(t.Context(), app, launch(app, file+"\n"))
	must(t, err)
	disk := "ssd"
	_, err = r.UpdateSettings(t.Context(), "m1", func(s cluster.Settings) (cluster.Settings, error) {
		return cluster.Settings{Metadata: map[string]*string{"disk": &disk}, Cordoned: true, Capacity: map[string]int64{"gpu": 1}}, nil
	})
	must(t, err)
	for _, key := range []string{"units/app.service", "settings/m1"} {
		var fields map[string]json.RawMessage
		must(t, json.Unmarshal([]byte(w.get(t, key)), &fields))
		if string(fields["later"]) != `{"a":[1]}` {
			t.Errorf("%s has become %s", key, w.get(t, key))
		}
	}
}

func corruptUnit(t *testing.T, w world) {
	r := w.registry(t)
	zero := func(then func(*cluster.Unit) (*cluster.UnitEdit, error)) func(*cluster.Unit) (*cluster.UnitEdit, error) {
		return func(current *cluster.Unit) (*cluster.UnitEdit, error) {
			if current == nil || *current != (cluster.Unit{Name: app, Revision: current.Revision}) || current.Revision == 0 {
				t.Errorf("an unreadable unit is %+v", current)
			}
			return then(current)
		}
	}
	w.put(t, "units/app.service", "{")
	u, err := r.UpdateUnit(t.Context(), app, zero(launch(app, file)))
	must(t, err)
	if got, _ := snapshot(t, r).Unit(app); got != u {
		t.Errorf("replaced by %+v, read %+v", u, got)
	}
	w.put(t, "units/app.service", `{"v":99}`)
	_, err = r.UpdateUnit(t.Context(), app, zero(destroy))
	must(t, err)
	if got := w.get(t, "units/app.service"); got != "" {
		t.Errorf("destroyed unit has the record %s", got)
	}
}

func settings(t *testing.T, w world) {
	r := w.registry(t)
	a, b := "1", "2"
	set := func(key string, value *string) func(cluster.Settings) (cluster.Settings, error) {
		return func(s cluster.Settings) (cluster.Settings, error) {
			if s.Metadata == nil {
				s.Metadata = make(map[string]*string)
			}
			s.Metadata[key] = value
			return s, nil
		}
	}
	_, err := r.UpdateSettings(t.Context(), "m1", set("a", &a))
	must(t, err)
	_, err = r.UpdateSettings(t.Context(), "m1", func(s cluster.Settings) (cluster.Settings, error) {
		if len(s.Metadata) == 1 {
			_, err := r.UpdateSettings(t.Context(), "m1", set("b", &b))
			must(t, err)
		}
		return set("hidden", nil)(s)
	})
	must(t, err)
	want := cluster.Settings{Metadata: map[string]*string{"a": &a, "b": &b, "hidden": nil}}
	if diff := cmp.Diff(want, snapshot(t, r).Settings("m1")); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	_, err = r.UpdateSettings(t.Context(), "m1", func(s cluster.Settings) (cluster.Settings, error) {
		s.Cordoned, s.Capacity = true, map[string]int64{unit.Memory: 1 << 30}
		return s, nil
	})
	must(t, err)
	_, err = r.UpdateSettings(t.Context(), "m1", set("a", &b))
	must(t, err)
	_, err = r.UpdateSettings(t.Context(), "m1", set("a", &a))
	must(t, err)
	want.Cordoned, want.Capacity = true, map[string]int64{unit.Memory: 1 << 30}
	if diff := cmp.Diff(want, snapshot(t, r).Settings("m1")); diff != "" {
		t.Errorf("settings of a cordoned machine (-want +got):\n%s", diff)
	}
	_, err = r.UpdateSettings(t.Context(), "m1", func(s cluster.Settings) (cluster.Settings, error) {
		s.Capacity["gpu"] = -1
		return s, nil
	})
	if err == nil {
		t.Error("a capacity of less than nothing was accepted")
	}
	before := snapshot(t, r).Revision
	same, err := r.UpdateSettings(t.Context(), "m1", set("a", &a))
	must(t, err)
	if same != before || snapshot(t, r).Revision != before {
		t.Errorf("settings that were so already were written")
	}
	if _, err := r.UpdateSettings(t.Context(), "a/b", set("a", &a)); err == nil {
		t.Error("a machine id with a slash was accepted")
	}
}

func files(t *testing.T, w world) {
	r := w.registry(t)
	u, err := r.UpdateUnit(t.Context(), app, launch(app, file))
	must(t, err)
	raw, err := r.File(t.Context(), u.Content)
	must(t, err)
	if string(raw) != file {
		t.Errorf("file is %q", raw)
	}
	other := unit.IDOf([]byte("other"))
	_, err = r.File(t.Context(), other)
	wantErr(t, err, cluster.ErrNotFound)
	w.put(t, "files/"+string(other), "not it")
	if raw, err := r.File(t.Context(), other); err == nil || errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("a file that is not what its id says is %q, %v", raw, err)
	}
}
