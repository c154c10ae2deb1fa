package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	gocmp "github.com/google/go-cmp/cmp"
)

// fleet1 sends requests that were sent to fleetd 1.0.0, and compares the answers with those that it gave: these
// are written below each request and are not to be changed. Its machine was M1, and its token_limit 3.
//
//	METHOD [HEADER: VALUE]... PATH [BODY]
//	  STATUS [HEADER: VALUE]... [BODY]
//
// A request with a body is one with Content-Type: application/json if it has neither another one nor [-]. The
// answer's Content-Type is not written down if it is that of a body, nor what every answer had. A body of
// several lines is quoted; "closed" is a connection that was closed without an answer. TOKEN in a PATH is the
// token of the last page.
//
// Ours may say more: headers, and fields that fleet 1 did not have. Where it says something else there is above
// the request, as "## FLEET 1", the row of the handbook's table of differences; what ours says is the output.
func (s *script) fleet1(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	var request, row string
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		recorded, isAnswer := strings.CutPrefix(line, "  ")
		headline, isRow := strings.CutPrefix(line, "## ")
		switch {
		case isRow:
			row = headline
		case !isAnswer:
			request = line
		default:
			ours := s.replay(t, request)
			difference := parseRecorded(t, recorded).difference(ours)
			switch {
			case difference != "" && row == "":
				t.Errorf("%s: %s\nfleet 1 said %s\nours says %s\n%s", d.Pos, request, recorded, ours, difference)
			case difference == "" && row != "":
				t.Errorf("%s: %s: ours says what fleet 1 said, and nothing of %q", d.Pos, request, row)
			case row != "" && !slices.Contains(s.deviations(t), row):
				t.Errorf("%s: %s has no row %q", d.Pos, handbook, row)
			case row != "":
				fmt.Fprintf(&out, "%s\n  %s\n", request, ours)
			}
			request, row = "", ""
		}
	}
	return out.String()
}

// deviations are the first cells of the table of what differs from fleet 1.
func (s *script) deviations(t *testing.T) []string {
	if s.rows == nil {
		source, err := os.ReadFile(handbook)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows(t, string(source), "| fleet 1 | here | why |") {
			s.rows = append(s.rows, row[0])
		}
	}
	return s.rows
}

// recordedAnswer is an answer as it is written down.
type recordedAnswer struct {
	closed bool
	code   int
	header map[string]string
	body   string
}

func (a recordedAnswer) String() string {
	said := []string{strconv.Itoa(a.code)}
	if kind := a.header["Content-Type"]; kind != "" && (kind != "application/json" || a.body == "") {
		said = append(said, "["+"Content-Type: "+kind+"]")
	}
	if a.body != "" {
		said = append(said, a.body)
	}
	return strings.Join(said, " ")
}

func parseRecorded(t *testing.T, line string) recordedAnswer {
	if line == "closed" {
		return recordedAnswer{closed: true}
	}
	code, rest, _ := strings.Cut(line, " ")
	a := recordedAnswer{header: make(map[string]string)}
	var err error
	if a.code, err = strconv.Atoi(code); err != nil {
		t.Fatal(err)
	}
	for strings.HasPrefix(rest, "[") {
		var header string
		header, rest, _ = strings.Cut(rest[1:], "]")
		rest = strings.TrimPrefix(rest, " ")
		if key, value, hasValue := strings.Cut(header, ": "); hasValue {
			a.header[key] = value
		}
	}
	if a.body = rest; rest != "" && a.header["Content-Type"] == "" {
		a.header["Content-Type"] = "application/json"
	}
	if strings.HasPrefix(rest, `"`) {
		if err := json.Unmarshal([]byte(rest), &a.body); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// difference is what a client of fleet 1 would notice.
func (a recordedAnswer) difference(ours recordedAnswer) string {
	if a.closed || a.code != ours.code {
		return "another status"
	}
	for key, value := range a.header {
		if ours.header[key] != value {
			return "another " + key
		}
	}
	var was, is any
	if json.Unmarshal([]byte(a.body), &was) != nil || json.Unmarshal([]byte(ours.body), &is) != nil {
		return gocmp.Diff(a.body, ours.body)
	}
	return gocmp.Diff(comparable1(was, ""), comparable1(is, ""))
}

// fields1 are the fields that fleet 1 had: of pages, units, their options, states, machines and errors.
var fields1 = map[string][]string{
	"":         {"units", "states", "machines", "nextPageToken", "error"},
	"units":    {"name", "options", "desiredState", "currentState", "machineID"},
	"options":  {"section", "name", "value"},
	"states":   {"name", "hash", "machineID", "systemdLoadState", "systemdActiveState", "systemdSubState"},
	"machines": {"id", "primaryIP", "metadata"},
	"error":    {"code", "message"},
}

// comparable1 leaves away of some JSON what fleet 1 did not have: fields, and of its discovery document the prose.
// Page tokens are all the same.
func comparable1(v any, kind string) any {
	switch v := v.(type) {
	case map[string]any:
		if kind == "" {
			kind = kind1(v)
		}
		kept := make(map[string]any)
		for key, value := range v {
			switch {
			case kind == "metadata":
				kept[key] = value
			case kind == "discovery" && slices.Contains([]string{"description", "enumDescriptions", "documentationLink"}, key):
			case kind == "discovery":
				kept[key] = comparable1(value, kind)
			case key == "nextPageToken":
				kept[key] = "TOKEN"
			case slices.Contains(fields1[kind], key):
				kept[key] = comparable1(value, key)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = comparable1(v[i], kind)
		}
		return kept
	}
	return v
}

// kind1 says what an answer is about.
func kind1(answer map[string]any) string {
	switch {
	case answer["discoveryVersion"] != nil:
		return "discovery"
	case answer["options"] != nil:
		return "units"
	case answer["systemdLoadState"] != nil:
		return "states"
	}
	return ""
}

var requestHeader = regexp.MustCompile(`^\[([^]]*)\] `)

// replay sends a request on a connection of its own.
func (s *script) replay(t *testing.T, request string) recordedAnswer {
	method, rest, _ := strings.Cut(request, " ")
	var headers []string
	typed := false
	for {
		m := requestHeader.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		rest = rest[len(m[0]):]
		typed = typed || m[1] == "-" || strings.HasPrefix(m[1], "Content-Type:")
		if m[1] != "-" {
			headers = append(headers, m[1])
		}
	}
	path, body, _ := strings.Cut(rest, " ")
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
		if !typed {
			headers = append(headers, "Content-Type: application/json")
		}
	}
	headers = append(headers, "Host: domain-sock", "User-Agent: google-api-go-client/0.5", "Connection: close")
	if s.bare == nil {
		s.bare = httptest.NewServer(s.api.Handler()) // much of what is sent here is not in openapi.json
		t.Cleanup(s.bare.Close)
	}
	conn, err := net.Dial("tcp", s.bare.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := strings.ReplaceAll(path, "TOKEN", url.QueryEscape(s.token))
	if _, err := io.WriteString(conn, method+" "+target+" HTTP/1.1\r\n"+strings.Join(headers, "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return recordedAnswer{closed: true}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := recordedAnswer{code: resp.StatusCode, header: make(map[string]string), body: string(raw)}
	for key := range resp.Header {
		a.header[key] = resp.Header.Get(key)
	}
	if length := resp.Header.Get("Content-Length"); length != "" {
		a.header["Content-Length"] = length
	}
	var page v1Page
	if json.Unmarshal(raw, &page) == nil {
		s.token = page.NextPageToken
	}
	return a
}
