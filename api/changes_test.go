package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestChangesAreCarriedOutEachByItself(t *testing.T) {
	f := newFixture(t, api.Options{})
	ctx := t.Context()
	for _, name := range []unit.Name{"gone.service", "runs.service", "stays.service", "wanted.service"} {
		f.settle(t, f.store.submit(t, name, sleepUnit, cluster.Launched).Revision)
	}
	stays := f.store.unit("stays.service")
	binary := []byte("# \xff\xfe\n[Service]\nExecStart=/bin/true\n")
	changes := []api.Change{
		{Name: "new.service", File: []byte(sleepUnit), Desired: cluster.Launched},
		{Name: "bytes.service", File: binary},
		{Name: "bad.service", File: []byte("ExecStart=/bin/true\n")},
		{Name: "empty.service", File: []byte{}},
		{Name: "gone.service", Destroy: true},
		{Name: "none.service", Destroy: true},
		{Name: "missing.service", Desired: cluster.Launched},
		{Name: "runs.service", Restart: true},
		{Name: "stays.service", File: []byte(sleepUnit), IfMatch: stays.Generation},
		{Name: "wanted.service", Desired: cluster.Loaded, IfMatch: 4711},
		{Name: "no name", Desired: cluster.Loaded},
		{Name: "t@.service", File: []byte(sleepUnit), Desired: cluster.Launched},
	}
	results, err := f.client.Change(ctx, changes)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, r := range results {
		if r.Name != changes[i].Name {
			t.Errorf("result %d is about %s, want %s", i, r.Name, changes[i].Name)
		}
		got = append(got, fmt.Sprintf("%d created=%t changed=%t %s", r.Code, r.Created, r.Changed, r.Error))
	}
	want := []string{
		"201 created=true changed=true ",
		"201 created=true changed=true ",
		`400 created=false changed=false line 1: text before the first section: "ExecStart=/bin/true"`,
		"400 created=false changed=false unit file is empty: systemd would take the unit for masked",
		"204 created=false changed=true ",
		"404 created=false changed=false unit does not exist",
		"404 created=false changed=false unit does not exist",
		"204 created=false changed=true ",
		"204 created=false changed=false ",
		"412 created=false changed=false If-Match: unit is at generation " + strconv.FormatInt(f.store.unit("wanted.service").Generation, 10),
		"400 created=false changed=false " + results[10].Error,
		`400 created=false changed=false cannot activate template "t@.service"`,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(results[5].Err(), api.ErrNotFound) || results[0].Err() != nil {
		t.Errorf("as errors: %v, %v", results[5].Err(), results[0].Err())
	}

	// Whoever wrote reads it back at once.
	for _, r := range []api.ChangeResult{results[0], results[1], results[7], results[8]} {
		if u, err := f.client.Unit(ctx, r.Name); err != nil || u.Generation != r.Generation {
			t.Errorf("%s is read at generation %d, %v, want %d", r.Name, u.Generation, err, r.Generation)
		}
	}
	if file, err := f.client.File(ctx, "bytes.service"); err != nil || !bytes.Equal(file, binary) {
		t.Errorf("read back: %q, %v", file, err)
	}
}

func TestRequestsOfManyChangesThatAreRefusedWhole(t *testing.T) {
	f := newFixture(t, api.Options{})
	many := strings.TrimSuffix(strings.Repeat(`{"name":"a.service"},`, 1001), ",")
	for _, c := range []struct {
		body, says string
		code       int
	}{
		{`{"changes":[{"name":"a.service","destroy":true},{"name":"b.service"},{"name":"a.service"}]}`, "unit a.service is given twice", 400},
		{`{}`, "there are no changes", 400},
		{`{"units":[]}`, `unknown field "units"`, 400},
		{`{"changes":[` + many + `]}`, "1001 changes are more than the limit of 1000 in one request", 413},
		{strings.Repeat(" ", 17<<20), "request body is larger than the limit of 16777216 bytes", 413},
		{"{\"changes\":[{\"name\":\"a.service\",\"file\":\"\xff\"}]}", "fileBase64", 400},
		{`{"changes":[{"name":1}]}`, "changes[0]: field name cannot be a JSON number", 400},
		{
			`{"changes":[{"name":"a.service","destroy":true},{"fileBase64":"W1=!","name":"b.service"}]}`,
			`changes[1], unit "b.service": fileBase64 is not base64: illegal base64 data at input byte 2`, 400,
		},
		{`{"changes":[{"name":"b.service","restart":"yes"}]}`, `changes[0], unit "b.service": field restart cannot be a JSON string`, 400},
		{`{"changes":{"name":"b.service"}}`, "field changes cannot be a JSON object", 400},
	} {
		code, message := f.call(t, "POST", "/fleet/v1/changes", "application/json", strings.NewReader(c.body))
		if code != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%.60s…: %d %q, want %d and %q", c.body, code, message, c.code, c.says)
		}
	}
	twice := []api.Change{{Name: "a.service", Destroy: true}, {Name: "a.service", Restart: true}}
	if _, err := f.client.Change(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "a.service is given twice") {
		t.Errorf("the client sends the same name twice: %v", err)
	}
	if f.store.revision != 1 {
		t.Error("something was stored")
	}
}

func TestChangesThatContradictThemselves(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.settle(t, f.store.submit(t, "a.service", sleepUnit, cluster.Launched).Revision)
	before := f.store.unit("a.service")
	for change, says := range map[string]string{
		`"destroy":true,"desiredState":"loaded"`:              "a unit that is destroyed has no file",
		`"destroy":true,"restart":true`:                       "a unit that is destroyed has no file",
		`"restart":true,"file":"[Service]\n"`:                 "a restart goes with neither",
		`"file":"","options":[{"section":"A"}]`:               "send one of file, fileBase64 and options",
		`"ifMatch":1,"ifAbsent":true,"desiredState":"loaded"`: "exclude each other",
		`"ifMatch":-1,"destroy":true`:                         "not negative",
		`"desiredState":"started"`:                            `invalid desired state "started"`,
		`"ifAbsent":true,"desiredState":"loaded"`:             "If-None-Match: unit exists",
		`"replace":false,"file":"[Unit]\n"`:                   "exists with a different file",
		`"replace":true`:                                      "nothing is asked of the unit",
		`"fileBase64":"","desiredState":"inactive"`:           "unit file is empty",
	} {
		resp, err := http.Post(f.server.URL+"/fleet/v1/changes", "application/json",
			strings.NewReader(`{"changes":[{"name":"a.service",`+change+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		var answer struct{ Results []api.ChangeResult }
		if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Results) != 1 {
			t.Fatalf("%s: %q", change, raw)
		}
		if r := answer.Results[0]; r.Code < 400 || !strings.Contains(r.Error, says) {
			t.Errorf("%s: %+v, want %q", change, r, says)
		}
	}
	if f.store.unit("a.service") != before {
		t.Error("the unit was changed")
	}
}

// Many changes in one call are the same as one call for each.
func TestChangesAreWhatSingleRequestsAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []unit.Name{"a.service", "b@1.service", "c@.service", "d.timer"}
		files := []string{sleepUnit, "# with a comment\n" + sleepUnit, "[X-Fleet]\nConflict=x\n", "[Service]\nExecStart=/bin/b\n"}
		states := []cluster.DesiredState{"", cluster.Inactive, cluster.Loaded, cluster.Launched}
		together, alone := newFixture(t, api.Options{}), newFixture(t, api.Options{})
		defer together.close()
		defer alone.close()
		for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
			var changes []api.Change
			for _, name := range names {
				if !rapid.Bool().Draw(rt, "concerned") {
					continue
				}
				c := api.Change{Name: name}
				switch rapid.IntRange(0, 3).Draw(rt, "verb") {
				case 0:
					c.Destroy = true
				case 1:
					c.Restart = true
				case 2:
					c.Desired = rapid.SampledFrom(states[1:]).Draw(rt, "state")
				default:
					c.File = []byte(rapid.SampledFrom(files).Draw(rt, "file"))
					c.Desired = rapid.SampledFrom(states).Draw(rt, "state")
					c.NoReplace = rapid.Bool().Draw(rt, "keep")
				}
				changes = append(changes, c)
			}
			if len(changes) == 0 {
				continue
			}
			results, err := together.client.Change(t.Context(), changes)
			if err != nil {
				rt.Fatal(err)
			}
			for i, c := range changes {
				code, message := alone.single(t, c)
				// v1's words about a unit that is not there are a conflict.
				if code == http.StatusConflict && strings.HasPrefix(message, "unit does not exist") {
					code, message = http.StatusNotFound, "unit does not exist"
				}
				if got := results[i]; got.Code != code || got.Error != message {
					rt.Fatalf("%+v: together %d %q, alone %d %q", c, got.Code, got.Error, code, message)
				}
			}
		}
		for _, name := range names {
			a, b := together.store.unit(name), alone.store.unit(name)
			if a.Content != b.Content || a.Desired != b.Desired || (a.Restart == a.Generation) != (b.Restart == b.Generation) {
				rt.Fatalf("%s: together %+v, alone %+v", name, a, b)
			}
		}
	})
}

// single is the request about one unit that stands for a change.
func (f *fixture) single(t testing.TB, c api.Change) (int, string) {
	t.Helper()
	path := "/fleet/v1/units/" + url.PathEscape(string(c.Name))
	switch {
	case c.Destroy:
		return f.call(t, http.MethodDelete, path, "", nil)
	case c.Restart:
		return f.call(t, http.MethodPost, path+"/restart", "", nil)
	case c.File == nil:
		return f.call(t, http.MethodPut, path, "application/json", strings.NewReader(`{"desiredState":"`+string(c.Desired)+`"}`))
	}
	query := url.Values{"desiredState": {string(c.Desired)}, "replace": {strconv.FormatBool(!c.NoReplace)}}
	return f.call(t, http.MethodPut, path+"/file?"+query.Encode(), "", bytes.NewReader(c.File))
}

func TestTheClientSplitsWhatIsTooMuchForOneRequest(t *testing.T) {
	f := newFixture(t, api.Options{})
	big := []byte("[Service]\n" + strings.Repeat("Environment=A="+strings.Repeat("<", 980)+"\n", 1000))
	var changes []api.Change
	for i := range 2300 {
		c := api.Change{Name: unit.Name(fmt.Sprintf("u%04d.service", i)), File: []byte(sleepUnit)}
		if i < 5 {
			c.File = big // six bytes of JSON for each of most of its bytes
		}
		changes = append(changes, c)
	}
	results, err := f.client.Change(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(changes) {
		t.Fatalf("%d results", len(results))
	}
	if i := slices.IndexFunc(results, func(r api.ChangeResult) bool { return !r.Created }); i >= 0 {
		t.Errorf("%+v", results[i])
	}
	if results, err := f.client.Change(t.Context(), nil); err != nil || len(results) != 0 {
		t.Errorf("no changes: %v, %v", results, err)
	}
}

// What a thousand units cost in one call, and one by one: with a store that answers
// at once, and with one that takes the time in which an etcd syncs its log.
func BenchmarkThousandUnits(b *testing.B) {
	changes := make([]api.Change, 1000)
	for i := range changes {
		changes[i] = api.Change{Name: unit.Name(fmt.Sprintf("u%04d.service", i)), File: []byte(sleepUnit), Desired: cluster.Launched}
	}
	together := func(b *testing.B, f *fixture) {
		results, err := f.client.Change(b.Context(), changes)
		if err != nil || results[999].Err() != nil {
			b.Fatal(err, results[999])
		}
	}
	single := func(b *testing.B, f *fixture) {
		for _, c := range changes {
			if _, err := f.client.PutFile(b.Context(), c.Name, c.File, api.PutFileOptions{Desired: c.Desired}); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, delay := range []time.Duration{0, 2 * time.Millisecond} {
		for name, run := range map[string]func(*testing.B, *fixture){"together": together, "single": single} {
			b.Run(fmt.Sprintf("store=%s/%s", delay, name), func(b *testing.B) {
				f := newFixture(b, api.Options{})
				f.store.delay = delay
				for b.Loop() {
					run(b, f)
				}
			})
		}
	}
}
