package api_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleet/api"
)

// Whatever is sent is answered: with JSON, and never with a 5xx.
func FuzzRequest(f *testing.F) {
	fx := newFixture(f, api.Options{PageSize: 2})
	fx.settle(f, fx.store.write())
	f.Add("PUT", "units/a.service", "application/json", `{"desiredState":"launched","options":[{"section":"A","name":"b","value":"c\\\n d"}]}`)
	f.Add("PUT", "units/a%2fb", "application/json", `{"options":[null,{}]}`)
	f.Add("PUT", "units/g.target/file?desiredState=loaded", "", "[X-Fleet]\nGlobal=true\n")
	f.Add("PATCH", "machines", "", `[{"op":"add","path":"/m/metadata/k","value":{"value":"v"}}]`)
	f.Add("GET", "units?nextPageToken=AgACAA==", "", "")
	f.Add("GET", "state?unitName=a&machineID=%00", "", "")
	f.Add("DELETE", "units/%ff%00.service", "", "")
	f.Add("POST", "units/a.service/restart", "", "")
	handler := fx.api.Handler()
	f.Fuzz(func(t *testing.T, method, path, contentType, body string) {
		if strings.HasPrefix(path, "events") && method == http.MethodGet {
			t.Skip("it does not end")
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://h/fleet/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Skip("no HTTP request")
		}
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s answered %d: %s", method, path, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s answered what is no JSON: %q", method, path, w.Body)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add("ZAACAA==")
	f.Add("AAAAAA==")
	f.Add("_____w==")
	f.Add("AQAAAP____8=")
	f.Fuzz(func(t *testing.T, s string) {
		token, limit, page, err := api.ParsePageToken(s)
		if err != nil {
			return
		}
		again, limit2, page2, err := api.ParsePageToken(token)
		if err != nil || again != token || limit2 != limit || page2 != page {
			t.Errorf("%q reads as %d/%d, is written as %q and reads as %d/%d, %v", s, limit, page, token, limit2, page2, err)
		}
		if limit == 0 || page == 0 {
			return
		}
		for _, total := range []int{0, 1, int(limit), math.MaxInt} {
			from, to, next := api.PageBounds(limit, page, total)
			if from < 0 || from > to || to > total || uint64(to-from) > uint64(limit) || (next != "" && to == total) {
				t.Errorf("page %d of %d in %d items: %d to %d, next %q", page, limit, total, from, to, next)
			}
		}
	})
}

// More pages than fleet 1 can count: its numbers began anew at 65536.
func TestTokensBeyond16Bits(t *testing.T) {
	_, _, next := api.PageBounds(100, 65535, 100*65536+1)
	_, limit, page, err := api.ParsePageToken(next)
	if err != nil || limit != 100 || page != 65536 {
		t.Fatalf("token %q: limit %d, page %d, %v", next, limit, page, err)
	}
	if from, to, next := api.PageBounds(100, 65537, 100*65536+1); from != 100*65536 || to != from+1 || next != "" {
		t.Errorf("last page: %d to %d, next %q", from, to, next)
	}
	if token, _, _, err := api.ParsePageToken("ZAACAA=="); err != nil || token != "ZAACAA==" {
		t.Errorf("fleet 1's token became %q, %v", token, err)
	}
}
