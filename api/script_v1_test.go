package api_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// v1 sends requests, one in each line, as the client sends them that was
// generated from fleet 1's discovery document, and shows of each answer what that client sees:
//
//	METHOD PATH [BODY]
//
// A PATH without a slash at its beginning is below the prefix. What only asks is asked under both
// prefixes, which must not make a difference; with the argument "alpha" everything goes to the older one.
// TOKEN in a PATH is the token of the last page.
func (s *script) v1(t *testing.T, d *datadriven.TestData) string {
	prefix, other := "/fleet/v1", "/v1-alpha"
	if d.HasArg("alpha") {
		prefix, other = other, prefix
	}
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		method, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, body, _ := strings.Cut(rest, " ")
		path = strings.ReplaceAll(path, "TOKEN", url.QueryEscape(s.token))
		answer := s.generated(t, method, prefix, path, body)
		if method == http.MethodGet && s.generated(t, method, other, path, body) != answer {
			t.Errorf("%s: %s is answered otherwise under %s", d.Pos, line, other)
		}
		fmt.Fprintf(&out, "%s %s\n  %s\n", method, rest, answer)
	}
	return out.String()
}

// The JSON of v1 as the generated client knows it: it keeps none of the fields that it has never heard of.
type (
	v1Option struct {
		Name    string `json:"name,omitempty"`
		Section string `json:"section,omitempty"`
		Value   string `json:"value,omitempty"`
	}
	v1Unit struct {
		CurrentState string     `json:"currentState,omitempty"`
		DesiredState string     `json:"desiredState,omitempty"`
		MachineID    string     `json:"machineID,omitempty"`
		Name         string     `json:"name,omitempty"`
		Options      []v1Option `json:"options,omitempty"`
	}
	v1State struct {
		Hash               string `json:"hash,omitempty"`
		MachineID          string `json:"machineID,omitempty"`
		Name               string `json:"name,omitempty"`
		SystemdActiveState string `json:"systemdActiveState,omitempty"`
		SystemdLoadState   string `json:"systemdLoadState,omitempty"`
		SystemdSubState    string `json:"systemdSubState,omitempty"`
	}
	v1Machine struct {
		ID        string            `json:"id,omitempty"`
		Metadata  map[string]string `json:"metadata,omitempty"`
		PrimaryIP string            `json:"primaryIP,omitempty"`
	}
	v1Page struct {
		Machines      []v1Machine `json:"machines,omitempty"`
		States        []v1State   `json:"states,omitempty"`
		Units         []v1Unit    `json:"units,omitempty"`
		NextPageToken string      `json:"nextPageToken,omitempty"`
	}
)

// understood is what that client has in its hands. Of a page it keeps the token, to be asked for as TOKEN.
func (s *script) understood(t *testing.T, path string, raw []byte) string {
	var page v1Page
	var answer any = &page
	switch {
	case strings.HasPrefix(path, "units/"):
		answer = &v1Unit{}
	case strings.HasPrefix(path, "state/"):
		answer = &v1State{}
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		t.Errorf("%v in %q", err, raw)
	}
	s.token = page.NextPageToken
	if page.NextPageToken != "" {
		page.NextPageToken = "TOKEN"
	}
	out, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) == "{}" && string(raw) != "{}" {
		t.Errorf("GET %s: an empty page has to be {}, not %q", path, raw)
	}
	return string(out)
}

// generated sends one request on a connection of its own.
func (s *script) generated(t *testing.T, method, prefix, path, body string) string {
	target := path
	if !strings.HasPrefix(path, "/") {
		target = strings.TrimSuffix(prefix+"/"+path, "/.")
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	lines := []string{
		method + " " + target + separator + "alt=json HTTP/1.1",
		"Host: domain-sock",
		"User-Agent: google-api-go-client/0.5",
	}
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "Content-Type: application/json")
	}
	lines = append(lines, "Accept-Encoding: gzip", "Connection: close")
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return "broken off: " + err.Error()
	}
	defer resp.Body.Close()
	content := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if content, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	if server := resp.Header.Get("Server"); server != "fleetd/1.2.3" {
		t.Errorf("%s %s: Server is %q", method, path, server)
	}
	said := []string{fmt.Sprint(resp.StatusCode)}
	if kind := resp.Header.Get("Content-Type"); kind != "" && kind != "application/json" {
		said = append(said, kind)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		said = append(said, s.understood(t, path, raw))
	case len(raw) > 0:
		said = append(said, string(raw))
	}
	return strings.Join(said, " ")
}
