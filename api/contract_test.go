package api_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is openapi.json as far as requests and answers can be held to it. Every server of a
// fixture is: what the tests of this package send and get has to be in the document,
// field by field; and what the document promises has to happen in some test.
type contract struct {
	Paths      map[string]pathItem `json:"paths"`
	Components struct {
		Responses  map[string]response  `json:"responses"`
		Parameters map[string]parameter `json:"parameters"`
	} `json:"components"`

	compact  string
	compiler *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // "METHOD path status", and "METHOD path ?parameter" of requests that succeeded
}

type pathItem struct {
	Parameters []parameter `json:"parameters"`
	Get        *operation  `json:"get"`
	Put        *operation  `json:"put"`
	Patch      *operation  `json:"patch"`
	Post       *operation  `json:"post"`
	Delete     *operation  `json:"delete"`
}

type operation struct {
	ID          string              `json:"operationId"`
	Summary     string              `json:"summary"`
	Tags        []string            `json:"tags"`
	Parameters  []parameter         `json:"parameters"`
	RequestBody *response           `json:"requestBody"`
	Responses   map[string]response `json:"responses"`

	pointer string
}

type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

type response struct {
	Ref     string                     `json:"$ref"`
	Headers map[string]json.RawMessage `json:"headers"`
	Content map[string]json.RawMessage `json:"content"`
}

func (p pathItem) operations() map[string]*operation {
	all := map[string]*operation{
		http.MethodGet: p.Get, http.MethodPut: p.Put, http.MethodPatch: p.Patch, http.MethodPost: p.Post, http.MethodDelete: p.Delete,
	}
	for method, o := range all {
		if o == nil {
			delete(all, method)
		}
	}
	return all
}

const documentURL = "file:///openapi.json"

var loadContract = sync.OnceValues(func() (*contract, error) {
	source, err := os.ReadFile(openAPIFile)
	if err != nil {
		return nil, err
	}
	c := &contract{compiler: jsonschema.NewCompiler(), seen: make(map[string]bool)}
	if err := json.Unmarshal(source, c); err != nil {
		return nil, fmt.Errorf("%s: %w", openAPIFile, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, source); err != nil {
		return nil, err
	}
	c.compact = compact.String()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		return nil, err
	}
	walk(document, func(o map[string]any) {
		// In the tests nothing may be there that is not described.
		if _, open := o["additionalProperties"]; o["type"] == "object" && o["properties"] != nil && !open {
			o["additionalProperties"] = false
		}
	})
	c.compiler.AssertFormat()
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	return c, c.compiler.AddResource(documentURL, document)
})

func theContract(t testing.TB) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// holding serves a handler and complains about every exchange that the document does not allow.
func (c *contract) holding(t testing.TB, h http.Handler) http.Handler {
	var complaints sync.Once // the first says what to do
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &overheard{ReadCloser: r.Body}
		r.Body = sent
		answer := &recorder{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(answer, r)
		if err := c.check(r, sent, answer); err != nil {
			complaint := fmt.Sprintf("%s %s → %d is not what %s says: %v", r.Method, r.URL.Path, answer.code, openAPIFile, err)
			complaints.Do(func() { t.Error(complaint) })
		}
	})
}

func (c *contract) check(r *http.Request, sent *overheard, answer *recorder) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
		answer.body.Reset()
	}
	path, item, found := c.find(r.URL.EscapedPath())
	o := item.operations()[method]
	if o == nil {
		want := []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable, http.StatusForbidden}
		if found {
			want = want[1:]
		}
		if !slices.Contains(want, answer.code) {
			return errors.New("there is no such call")
		}
		return c.validate("#/components/schemas/ErrorAnswer", answer.body.Bytes())
	}
	own := *o // several requests are checked at the same time
	o = &own
	o.pointer = fmt.Sprintf("#/paths/%s/%s", escapePointer(path), strings.ToLower(method))
	c.saw(method, path, strconv.Itoa(answer.code))
	if answer.code/100 == 2 {
		if err := c.checkRequest(r, item, o, sent); err != nil {
			return err
		}
		for key := range r.URL.Query() {
			c.saw(method, path, "?"+key)
		}
		for _, p := range c.parameters(item, o) {
			if p.In == "header" && r.Header.Get(p.Name) != "" {
				c.saw(method, path, "?"+p.Name)
			}
		}
	}
	return c.checkAnswer(o, r.Method == http.MethodHead, answer)
}

func (c *contract) saw(parts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[strings.Join(parts, " ")] = true
}

// find looks a path up in the document, not in the server's routes.
func (c *contract) find(escaped string) (path string, item pathItem, found bool) {
	rest, ok := strings.CutPrefix(escaped, "/fleet/v1")
	if !ok {
		rest, ok = strings.CutPrefix(escaped, "/v1-alpha")
	}
	if !ok {
		return "", pathItem{}, false
	}
	segments := strings.Split(rest, "/")
	for path, item := range c.Paths {
		matches := func(word, segment string) int {
			if strings.HasPrefix(word, "{") && segment != "" || word == segment {
				return 0
			}
			return 1
		}
		if slices.CompareFunc(strings.Split(path, "/"), segments, matches) == 0 {
			return path, item, true
		}
	}
	return "", pathItem{}, false
}

func (c *contract) parameters(item pathItem, o *operation) []parameter {
	all := slices.Concat(item.Parameters, o.Parameters)
	for i, p := range all {
		if name, isRef := strings.CutPrefix(p.Ref, "#/components/parameters/"); isRef {
			all[i] = c.Components.Parameters[name]
		}
	}
	return all
}

// ignoredParameters are those that v1's clients send and no server looks at, and one that tests send for that reason.
var ignoredParameters = []string{"alt", "prettyPrint", "unknown"}

// ignoredField is in the bodies of tests that send more to a call of v1 than the server looks at.
const ignoredField = `"colour":`

// wrongState is in the bodies of tests in which one of several changes is refused for it.
const wrongState = `"desiredState":"started"`

func (c *contract) checkRequest(r *http.Request, item pathItem, o *operation, sent *overheard) error {
	known := c.parameters(item, o)
	for key := range r.URL.Query() {
		described := slices.ContainsFunc(known, func(p parameter) bool { return p.In == "query" && p.Name == key })
		if !described && !slices.Contains(ignoredParameters, key) {
			return fmt.Errorf("parameter %s is not described", key)
		}
	}
	if o.RequestBody == nil || !sent.whole() || len(sent.body) == 0 {
		return nil
	}
	if bytes.Contains(sent.body, []byte(ignoredField)) || bytes.Contains(sent.body, []byte(wrongState)) {
		return nil
	}
	if _, isJSON := o.RequestBody.Content["application/json"]; !isJSON {
		return nil
	}
	return c.validate(o.pointer+"/requestBody/content/application~1json/schema", sent.body)
}

func (c *contract) checkAnswer(o *operation, head bool, answer *recorder) error {
	code := strconv.Itoa(answer.code)
	described, ok := o.Responses[code]
	if !ok {
		return errors.New("no such status is described")
	}
	pointer := o.pointer + "/responses/" + code
	if name, isRef := strings.CutPrefix(described.Ref, "#/components/responses/"); isRef {
		described, pointer = c.Components.Responses[name], described.Ref
	}
	for _, key := range []string{"ETag", "Fleet-Generation", "Retry-After"} {
		if _, ok := described.Headers[key]; !ok && answer.Header().Get(key) != "" {
			return fmt.Errorf("header %s is not described", key)
		}
	}
	body, err := answer.content()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		if _, needed := described.Content["application/json"]; needed && !head {
			return errors.New("it has no body")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	if err != nil {
		return err
	}
	if _, ok := described.Content[media]; !ok {
		return fmt.Errorf("content type %s is not described", media)
	}
	schema := pointer + "/content/" + escapePointer(media) + "/schema"
	switch media {
	case "application/json":
		return c.validate(schema, body)
	case "application/x-ndjson":
		for line := range bytes.Lines(body) {
			if err := c.validate(schema, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// content is the body as it was before it was compressed.
func (a *recorder) content() ([]byte, error) {
	if a.Header().Get("Content-Encoding") != "gzip" || a.body.Len() == 0 {
		return a.body.Bytes(), nil
	}
	zip, err := gzip.NewReader(&a.body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zip)
}

func (c *contract) validate(schema string, body []byte) error {
	c.mu.Lock()
	compiled, err := c.compiler.Compile(documentURL + schema)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(firstValue(body)))
	if err != nil {
		return fmt.Errorf("%w in %.200q", err, body)
	}
	if err := compiled.Validate(value); err != nil {
		return fmt.Errorf("%w in %.2000s", err, body)
	}
	return nil
}

// firstValue is what v1 reads of a body.
func firstValue(body []byte) []byte {
	var first json.RawMessage
	if json.NewDecoder(bytes.NewReader(body)).Decode(&first) != nil {
		return body
	}
	return first
}

func TestMain(m *testing.M) {
	code := m.Run()
	c, err := loadContract()
	everything := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" && !testing.Short()
	if code == 0 && err == nil && everything {
		for _, promise := range c.unfulfilled() {
			fmt.Printf("%s promises what no test has seen: %s\n", openAPIFile, promise)
			code = 1
		}
	}
	os.Exit(code)
}

// always are the statuses that any call may have: the causes are the same for all, and tested for some.
var always = []string{"403", "408", "413", "429", "431", "500", "501", "503", "507"}

// unfulfilled lists what the document promises and no test has seen.
func (c *contract) unfulfilled() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for path, item := range c.Paths {
		for method, o := range item.operations() {
			for code := range o.Responses {
				if key := method + " " + path + " " + code; !slices.Contains(always, code) && !c.seen[key] {
					missing = append(missing, key)
				}
			}
			for _, p := range c.parameters(item, o) {
				if key := method + " " + path + " ?" + p.Name; p.In != "path" && !c.seen[key] {
					missing = append(missing, key+" in a request that succeeds")
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func escapePointer(s string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
}

// overheard is a request's body as the handler reads it.
type overheard struct {
	io.ReadCloser
	body  []byte
	ended bool
}

const overheardLimit = 1 << 20

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	o.body = append(o.body, p[:min(n, overheardLimit+1-len(o.body))]...)
	o.ended = o.ended || err == io.EOF
	return n, err
}

func (o *overheard) whole() bool { return o.ended && len(o.body) <= overheardLimit }

// recorder is an answer as it is sent.
type recorder struct {
	http.ResponseWriter
	code  int
	wrote bool
	body  bytes.Buffer
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(code int) {
	if !r.wrote {
		r.code, r.wrote = code, true
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	n, err := r.ResponseWriter.Write(p)
	r.body.Write(p[:cmp.Or(n, 0)])
	return n, err
}
