package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Client speaks to the API of one fleetd. It may be used from several goroutines at once.
//
// Every method gives one request ClientOptions.Timeout, or less if its context ends before; streams last until their
// context ends. Errors are told apart with errors.Is (ErrNotFound, ErrConflict, ErrUnavailable, ErrStreamEnded and
// context.DeadlineExceeded); what a server says is an *Error besides. A request is sent once, unless the server has too much to do and
// says when to try again (429), which is done within that time: after an error that is no *Error it is
// unknown whether it was carried out, and it may be repeated.
//
// A server of fleet 1 is understood by Units, Unit, States, Machines, SetDesired, Destroy and Version; of fields that it does not know it
// sends none. Everything else is ErrNotFound there.
type Client struct {
	endpoint string // as the user wrote it, for errors
	base     string // URL up to and with "/fleet/v1/"
	o        ClientOptions
	http     *http.Client
}

// ClientOptions are the settings of a Client. The zero value works.
type ClientOptions struct {
	TLS       *tls.Config // for https
	UserAgent string
	Timeout   time.Duration // for one request, but not for the event stream; 0 means 30 s

	// Dial makes the connections, for instance through a tunnel; nil means directly. It is given
	// "unix" and the socket's path, or "tcp" and host:port. Proxies that the environment names
	// are not used then.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Log *slog.Logger // is told every request, at debug level; nil: nobody is

	peer string // the machine of the fleetd that asks; empty: it is no fleetd
}

// Result is what came of a request to change a unit.
type Result struct {
	Generation int64 // of the unit that expresses the request; 0 if a server of fleet 1 answered
	Created    bool  // the unit did not exist before
}

// PutFileOptions are the details of PutFile.
type PutFileOptions struct {
	Desired   cluster.DesiredState // empty: as it is, or inactive for a new unit
	NoReplace bool                 // refuse to replace a file that differs
	IfMatch   int64                // refuse unless this is the unit's generation; 0: any
}

// Dial makes a client for an endpoint: unix:///path/of/socket, http://host:port
// or https://host:port, the latter two optionally with a base path. It does not connect yet.
func Dial(endpoint string, o ClientOptions) (*Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: expect unix:///path, http://host:port or https://host:port", endpoint)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	transport := &http.Transport{
		TLSClientConfig:     o.TLS,
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     time.Minute,
		MaxIdleConnsPerHost: 16,
		ForceAttemptHTTP2:   true,
		DialContext:         o.Dial,
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	} else {
		transport.Proxy = nil
	}
	if o.peer != "" {
		// Machines reach each other directly, and one that is gone must not hold up who asks for it.
		transport.Proxy = nil
		transport.DialContext = (&net.Dialer{Timeout: peerConnect}).DialContext
		transport.TLSHandshakeTimeout = peerConnect
		transport.ResponseHeaderTimeout = peerAnswer
		transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingInterval, PingTimeout: peerConnect}
	}
	c := &Client{endpoint: endpoint, o: o, http: &http.Client{Transport: transport}}
	if o.peer != "" {
		// No fleetd sends others elsewhere: what a record of a machine names is that machine or nothing.
		c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	switch u.Scheme {
	case "unix", "file":
		if u.Host != "" || u.Path == "" {
			return nil, fmt.Errorf("endpoint %q: expect %s:///path/of/socket", endpoint, u.Scheme)
		}
		transport.Proxy = nil
		transport.DisableCompression = true // it costs more than it spares
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, "unix", u.Path)
		}
		c.base = "http://domain-sock/fleet/v1/"
	case "http", "https":
		if u.Host == "" {
			return nil, fmt.Errorf("endpoint %q: no host", endpoint)
		}
		u.RawQuery, u.Fragment = "", ""
		c.base = strings.TrimSuffix(u.String(), "/") + "/fleet/v1/"
	default:
		return nil, fmt.Errorf("endpoint %q: expect unix:///path, http://host:port or https://host:port", endpoint)
	}
	return c, nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Unit returns one unit. The error is ErrNotFound if there is no such unit.
func (c *Client) Unit(ctx context.Context, name unit.Name) (Unit, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: unitPath(name)})
	if err != nil {
		return Unit{}, err
	}
	var u Unit
	if err := json.Unmarshal(a.body, &u); err != nil {
		return Unit{}, fmt.Errorf("%s: decode unit %s: %w", c.endpoint, name, err)
	}
	return u, nil
}

// File returns a unit's file, byte for byte as it was submitted.
func (c *Client) File(ctx context.Context, name unit.Name) ([]byte, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: unitPath(name) + "/file"})
	return a.body, err
}

// PutFile submits a unit file, byte for byte. Replacing a file keeps the
// unit's desired state unless o gives another.
func (c *Client) PutFile(ctx context.Context, name unit.Name, raw []byte, o PutFileOptions) (Result, error) {
	query := url.Values{}
	if o.Desired != "" {
		query.Set("desiredState", string(o.Desired))
	}
	if o.NoReplace {
		query.Set("replace", "false")
	}
	return c.change(ctx, request{
		method: http.MethodPut, path: unitPath(name) + "/file", query: query,
		contentType: textType, body: raw, ifMatch: o.IfMatch,
	})
}

// SetDesired asks for a state of a unit that exists. Asking for the state that
// it is already wanted in is a new request nevertheless: a unit that failed is started again.
func (c *Client) SetDesired(ctx context.Context, name unit.Name, state cluster.DesiredState) (Result, error) {
	body, err := json.Marshal(Unit{Name: name, DesiredState: state})
	if err != nil {
		return Result{}, fmt.Errorf("encode the desired state of %s: %w", name, err)
	}
	return c.change(ctx, request{
		method: http.MethodPut, path: unitPath(name), contentType: jsonType, body: body,
	})
}

// Restart asks for a restart of a unit that is wanted launched.
func (c *Client) Restart(ctx context.Context, name unit.Name) (Result, error) {
	return c.change(ctx, request{method: http.MethodPost, path: unitPath(name) + "/restart"})
}

// Destroy removes a unit. Its copies are stopped afterwards; the event stream tells when they are gone.
func (c *Client) Destroy(ctx context.Context, name unit.Name) (Result, error) {
	return c.change(ctx, request{method: http.MethodDelete, path: unitPath(name)})
}

// Version is the version of the fleetd that answers, whether or not it is ready.
func (c *Client) Version(ctx context.Context) (string, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: "discovery"})
	if a.code == 0 {
		return "", err
	}
	version, ok := strings.CutPrefix(a.header.Get("Server"), serverName)
	if !ok {
		return "", fmt.Errorf("%s: not a fleetd (Server: %q)", c.endpoint, a.header.Get("Server"))
	}
	return version, nil
}

func unitPath(name unit.Name) string { return "units/" + url.PathEscape(string(name)) }

type request struct {
	method, path string
	query        url.Values
	contentType  string
	body         []byte
	ifMatch      int64

	upload io.Reader // in place of the body, of a size that is known
	size   int64
}

func (c *Client) change(ctx context.Context, r request) (Result, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return Result{}, err
	}
	generation, _ := strconv.ParseInt(a.header.Get(generationHeader), 10, 64)
	return Result{Generation: generation, Created: a.code == http.StatusCreated}, nil
}

// answer is what came back; the code is 0 if nothing did.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// do carries out one request and reads the whole answer. The error is an *Error if the answer is one. A request that
// the server has too much to do for is sent again when that has said, for as long as there is time.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, noAnswer(c.o.Timeout))
	defer cancel()
	for {
		a, err := c.try(ctx, r)
		pause, later := a.later()
		if !later || r.upload != nil || !sleep(ctx, pause+rand.N(pause)) { // not all at once
			return a, err
		}
	}
}

// sleep tells whether there was time for that.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// later tells whether a server has refused a request because it has too much to do, and after which time it is to be sent again.
func (a answer) later() (after time.Duration, yes bool) {
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.code != http.StatusTooManyRequests || err != nil || seconds < 1 {
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

func (c *Client) try(ctx context.Context, r request) (answer, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, c.failed(ctx, err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, body: body}
	if resp.StatusCode/100 != 2 {
		return a, c.answerError(resp, body)
	}
	return a, nil
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	body := r.upload
	if body == nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.endpoint, err)
	}
	if r.upload != nil {
		req.ContentLength = r.size
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.ifMatch != 0 {
		req.Header.Set("If-Match", etag(r.ifMatch))
	}
	if c.o.peer != "" {
		req.Header.Set(forwardedHeader, c.o.peer)
	}
	if c.o.UserAgent != "" {
		req.Header.Set("User-Agent", c.o.UserAgent)
	}
	asked := time.Now()
	resp, err := c.http.Do(req)
	log := c.o.Log.With("method", r.method, "url", target, "took", time.Since(asked))
	if err != nil {
		err = c.failed(ctx, err)
		log.DebugContext(ctx, "request was not answered", "err", err)
		return nil, err
	}
	log.DebugContext(ctx, "request was answered", "status", resp.Status)
	return resp, nil
}

// open sends a request whose answer is a stream, which the caller has to close.
func (c *Client) open(ctx context.Context, r request) (io.ReadCloser, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	return nil, c.answerError(resp, body)
}

// failed says of a request without an answer who did not give it and why,
// without the URL that net/http puts in between.
func (c *Client) failed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	return fmt.Errorf("reach fleetd at %s: %w", c.endpoint, err)
}

// answerError reads an error answer as v1's clients do: the code in the body
// counts, else the HTTP status. That something else than a fleetd knows no such path says nothing of any unit.
func (c *Client) answerError(resp *http.Response, body []byte) error {
	var b errorAnswer
	if json.Unmarshal(body, &b) == nil && b.Error.Code != 0 {
		return &b.Error
	}
	if resp.StatusCode == http.StatusNotFound && !strings.HasPrefix(resp.Header.Get("Server"), serverName) {
		return fmt.Errorf("%s: not a fleetd (Server: %q): HTTP status %s", c.endpoint, resp.Header.Get("Server"), resp.Status)
	}
	message := strings.TrimSpace(string(body))
	if len(message) > 500 || message == "" || strings.HasPrefix(message, "{") {
		message = "HTTP status " + resp.Status
	}
	return &Error{Code: resp.StatusCode, Message: message}
}
