package api_test

import (
	"encoding/json"
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
	f.Add("GET", "state?glob=*%5B&selector=a+in+(b)&sort=-name&fields=,name&limit=1&global=1", "", "")
	f.Add("GET", "units?sort=-generation&nextPageToken=AgOspe4CDAAKZGIuc2VydmljZQA=", "", "")
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

// Whatever is sent as a token is read or refused, and what is read of ours says all that was written.
func FuzzPageToken(f *testing.F) {
	const list = "units?glob=web%2A"
	f.Add("ZAACAA==")
	f.Add("AAAAAA==")
	f.Add("_____w==")
	f.Add("AQAAAP____8=")
	f.Add(api.PageToken(list, 100, 4711, "", "web@1.service", ""))
	f.Add(api.PageToken(list, 1, 1<<62, "active", "web@1.service", "2d1f8c1e5b0a4c0e9a55c0ffee000001"))
	f.Fuzz(func(t *testing.T, s string) {
		again, ours, err := api.ParsePageToken(s, list)
		if err != nil || !ours {
			return
		}
		if twice, _, err := api.ParsePageToken(again, list); err != nil || twice != again {
			t.Errorf("%q is written as %q and then as %q, %v", s, again, twice, err)
		}
		if _, _, err := api.ParsePageToken(again, list+"&global=true"); err == nil {
			t.Errorf("%q is good for another list too", again)
		}
	})
}
