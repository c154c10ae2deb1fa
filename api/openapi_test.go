package api_test

import (
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
)

const openAPIFile = "openapi.json"

// TestOpenAPISchemas holds the schemas of the document to the types of this package. With -rewrite it writes them anew.
func TestOpenAPISchemas(t *testing.T) {
	source, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin = `    "schemas": {`
	head, _, found := strings.Cut(string(source), begin)
	if !found {
		t.Fatalf("%s has no schemas at its end", openAPIFile)
	}
	want := head + begin + readSources(t).schemas() + "\n    }\n  }\n}\n"
	if want == string(source) {
		return
	}
	if rewrite := flag.Lookup("rewrite"); rewrite != nil && rewrite.Value.String() == "true" {
		if err := os.WriteFile(openAPIFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the schemas in %s are not those of the Go types; run this test with -rewrite (-document +types):\n%s",
		openAPIFile, gocmp.Diff(string(source), want))
}

// TestOpenAPIRoutes holds the document to the server's table of routes.
func TestOpenAPIRoutes(t *testing.T) {
	f := newFixture(t, api.Options{})
	var described []string
	for path, item := range theContract(t).Paths {
		for method := range item.operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(described)
	if diff := gocmp.Diff(slices.Sorted(slices.Values(api.Routes(f.api))), described); diff != "" {
		t.Errorf("%s does not describe the server's routes (-server +document):\n%s", openAPIFile, diff)
	}
}

// TestOpenAPIDocument holds the document to what it has to be in itself.
func TestOpenAPIDocument(t *testing.T) {
	source, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	defined := make(map[string]bool)
	for kind, members := range document["components"].(map[string]any) {
		for name := range members.(map[string]any) {
			defined["#/components/"+kind+"/"+name] = true
		}
	}
	used := make(map[string]bool)
	walk(document, func(o map[string]any) {
		ref, ok := o["$ref"].(string)
		if !ok {
			return
		}
		used[ref] = true
		if !defined[ref] {
			t.Errorf("%s is referred to, but not there", ref)
		}
	})
	for _, requirement := range document["security"].([]any) {
		for scheme := range requirement.(map[string]any) {
			used["#/components/securitySchemes/"+scheme] = true
		}
	}
	for ref := range defined {
		if !used[ref] {
			t.Errorf("nothing refers to %s", ref)
		}
	}
	ids := make(map[string]string)
	for path, item := range theContract(t).Paths {
		for method, o := range item.operations() {
			where := method + " " + path
			if other := ids[o.ID]; o.ID == "" || other != "" {
				t.Errorf("%s has no operationId of its own: %q, of %s", where, o.ID, other)
			}
			ids[o.ID] = where
			if o.Summary == "" || len(o.Tags) == 0 || len(o.Responses) == 0 {
				t.Errorf("%s has no summary, tags or responses", where)
			}
		}
	}
}

// TestOpenAPIServed: the document is what the server answers, under both prefixes.
func TestOpenAPIServed(t *testing.T) {
	f := newFixture(t, api.Options{})
	want := theContract(t).compact
	for _, prefix := range []string{"/fleet/v1", "/v1-alpha"} {
		resp, err := f.server.Client().Get(f.server.URL + prefix + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != want {
			t.Errorf("%s/openapi.json is not %s, compact (%d bytes, %v)", prefix, openAPIFile, len(got), err)
		}
	}
}

// walk visits every object in a JSON value.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(v[key], visit)
		}
	case []any:
		for _, element := range v {
			walk(element, visit)
		}
	}
}
