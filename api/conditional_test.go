package api_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// reads are calls that show something, one of each kind.
var reads = []string{
	"discovery", "openapi.json", "settings", "alarms", "machines?absent=true", "machines", "units", "state", "units?sort=-name&fields=name&limit=1",
	"units/web.service", "units/web.service/file", "units/web.service/explanation", "state/web.service", "state/none.service",
	"machines/2d1f8c1e5b0a4c0e9a55c0ffee000001", "history",
}

func newReads(t *testing.T) *fixture {
	f := newFixture(t, api.Options{Version: "1.2.3", Advisor: advisor{}})
	f.store.submit(t, "web.service", "[Service]\nExecStart=/bin/web\n", cluster.Launched)
	f.store.submit(t, "long.service", "[Service]\nExecStart=/bin/"+strings.Repeat("long", 1000)+"\n", cluster.Inactive)
	id := cluster.MachineID("2d1f8c1e5b0a4c0e9a55c0ffee000001")
	f.settle(t, f.store.write(
		cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: sessionOf(id), Since: noon}},
		cluster.SettingsChanged{ID: id, Settings: &cluster.Settings{Cordoned: true}},
	))
	return f
}

// get sends a request without the client's own ideas about compression.
func (f *fixture) get(t *testing.T, method, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.server.URL+"/fleet/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := f.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func TestWhatIsKnownIsNotSentAgain(t *testing.T) {
	f := newReads(t)
	for _, path := range reads {
		resp, _ := f.get(t, http.MethodGet, path)
		tag := resp.Header.Get("ETag")
		if resp.StatusCode != http.StatusOK || tag == "" {
			t.Errorf("GET %s: %s, ETag %q", path, resp.Status, tag)
			continue
		}
		for _, known := range []string{tag, `"other", ` + tag, "W/" + strings.TrimPrefix(tag, "W/"), "*"} {
			again, body := f.get(t, http.MethodGet, path, "If-None-Match", known)
			if again.StatusCode != http.StatusNotModified || len(body) > 0 || again.Header.Get("ETag") != tag {
				t.Errorf("GET %s If-None-Match %s: %s, ETag %q, %d bytes", path, known, again.Status, again.Header.Get("ETag"), len(body))
			}
		}
		if other, _ := f.get(t, http.MethodGet, path, "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
			t.Errorf("GET %s If-None-Match something else: %s", path, other.Status)
		}
	}
}

// A tag that stays when what it stands for changes would hide the change for as long as nothing else happens.
func TestTagsChangeWithWhatTheyAreOf(t *testing.T) {
	f := newReads(t)
	id := cluster.MachineID("2d1f8c1e5b0a4c0e9a55c0ffee000001")
	web := f.store.unit("web.service")
	before := make(map[string]string)
	changing := []string{"units/web.service", "state/web.service", "units", "state", "machines", "machines/" + string(id)}
	for _, path := range changing {
		resp, _ := f.get(t, http.MethodGet, path)
		before[path] = resp.Header.Get("ETag")
	}
	f.settle(t, f.store.write(cluster.ReportChanged{ID: id, Report: &cluster.Report{
		Machine: id, Session: sessionOf(id), At: noon,
		Units: map[unit.Name]cluster.UnitReport{"web.service": {Content: web.Content, Generation: web.Generation}},
	}}))
	for _, path := range changing {
		if resp, _ := f.get(t, http.MethodGet, path, "If-None-Match", before[path]); resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s after a change: %s", path, resp.Status)
		}
	}
}

// Lists that are asked for differently are different things.
func TestTagsOfListsTellWhatWasAskedFor(t *testing.T) {
	f := newReads(t)
	seen := make(map[string]string)
	for _, path := range []string{"units", "state", "units?fields=name", "units?limit=1", "units?limit=2", "units?glob=*", "units?sort=-name"} {
		resp, _ := f.get(t, http.MethodGet, path)
		if other, is := seen[resp.Header.Get("ETag")]; is {
			t.Errorf("%s and %s have the same tag", path, other)
		}
		seen[resp.Header.Get("ETag")] = path
	}
}

// Whoever has looked at a unit may change it under the tag that he got, compressed or not.
func TestAUnitsTagIsGoodForIfMatch(t *testing.T) {
	f := newReads(t)
	for _, encoding := range []string{"identity", "gzip"} {
		for _, path := range []string{"units/long.service", "units/long.service/file"} {
			shown, _ := f.get(t, http.MethodGet, path, "Accept-Encoding", encoding)
			tag := shown.Header.Get("ETag")
			if answer, body := f.get(t, http.MethodPut, "units/long.service/file?desiredState=loaded", "If-Match", tag); answer.StatusCode != http.StatusBadRequest {
				t.Errorf("PUT If-Match %s: %s %s, want what is said of an empty file", tag, answer.Status, body)
			}
			if answer, body := f.get(t, http.MethodDelete, "units/long.service", "If-Match", `"1-`+strings.SplitN(tag, "-", 2)[0]); answer.StatusCode != http.StatusPreconditionFailed {
				t.Errorf("DELETE If-Match of another generation: %s %s", answer.Status, body)
			}
		}
	}
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	f := newReads(t)
	for _, path := range slices.Concat(reads, []string{"units/long.service", "units/long.service/file", "units/none.service"}) {
		plain, want := f.get(t, http.MethodGet, path)
		zipped, got := f.get(t, http.MethodGet, path, "Accept-Encoding", "br, gzip;q=0.5")
		encoding := zipped.Header.Get("Content-Encoding")
		if large := len(want) >= 1024; large != (encoding == "gzip") {
			t.Errorf("GET %s, %d bytes: Content-Encoding %q", path, len(want), encoding)
		}
		if encoding == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
			tag, zippedTag := plain.Header.Get("ETag"), zipped.Header.Get("ETag")
			if tag == zippedTag && !strings.HasPrefix(tag, "W/") {
				t.Errorf("GET %s: two encodings have the same strong tag %s", path, tag)
			}
			if again, _ := f.get(t, http.MethodGet, path, "Accept-Encoding", "gzip", "If-None-Match", zippedTag); again.StatusCode != http.StatusNotModified {
				t.Errorf("GET %s with its compressed tag: %s", path, again.Status)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("GET %s is something else when it is compressed", path)
		}
		for _, resp := range []*http.Response{plain, zipped} {
			if resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("GET %s: Vary %q", path, resp.Header.Get("Vary"))
			}
		}
	}
	if refused, _ := f.get(t, http.MethodGet, "units", "Accept-Encoding", "gzip;q=0, *"); refused.Header.Get("Content-Encoding") != "" {
		t.Errorf("compressed although it was refused")
	}
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	f := newReads(t)
	for _, path := range slices.Concat(reads, []string{"units/none.service", "units?limit=0"}) {
		for _, encoding := range []string{"identity", "gzip"} {
			get, body := f.get(t, http.MethodGet, path, "Accept-Encoding", encoding)
			head, none := f.get(t, http.MethodHead, path, "Accept-Encoding", encoding)
			if head.StatusCode != get.StatusCode || len(none) > 0 {
				t.Errorf("HEAD %s: %s, GET %s", path, head.Status, get.Status)
			}
			for _, key := range []string{"Content-Type", "Content-Encoding", "ETag", "Vary", "Fleet-Revision", "Fleet-Generation"} {
				if head.Header.Get(key) != get.Header.Get(key) {
					t.Errorf("HEAD %s (%s): %s %q, GET %q", path, encoding, key, head.Header.Get(key), get.Header.Get(key))
				}
			}
			if length := head.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
				t.Errorf("HEAD %s (%s): Content-Length %s, GET sends %d bytes", path, encoding, length, len(body))
			}
		}
	}
}
