package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits bound what one request, and one client, may take of a server. The
// zero value means the defaults. Errors name a limit by the setting of fleetd that it comes from.
type Limits struct {
	Body    int           // api_max_body: bytes of a body; of one about many units manyUnits times as many. 0: 2 MiB
	Header  int           // api_max_header: bytes of the request line and the header. 0: 64 KiB
	Streams int           // api_max_streams: streams that one client may have open. 0: 500
	Writes  int           // api_max_writes: requests that change something under way at a time, of all clients. 0: 1000
	Request time.Duration // api_request_timeout: how long a request may take that is no stream. 0: a minute
}

// manyUnits is how much larger a body may be that is about many units.
const manyUnits = 8

func (l Limits) withDefaults() Limits {
	if l.Body <= 0 {
		l.Body = 2 << 20
	}
	if l.Header <= 0 {
		l.Header = 64 << 10
	}
	if l.Streams <= 0 {
		l.Streams = 500
	}
	if l.Writes <= 0 {
		l.Writes = 1000
	}
	if l.Request <= 0 {
		l.Request = time.Minute
	}
	return l
}

// byteLimit is the most bytes of something, and what has set that; empty: nobody can.
type byteLimit struct {
	bytes   int
	setting string
}

func (l Limits) body() byteLimit { return byteLimit{l.Body, "api_max_body"} }

func (l Limits) many() byteLimit {
	return byteLimit{manyUnits * l.Body, fmt.Sprintf("%d times api_max_body", manyUnits)}
}

// file is the limit of a unit file that is the whole body.
func (l Limits) file() byteLimit {
	if l.Body < maxFile {
		return l.body()
	}
	return byteLimit{bytes: maxFile}
}

func (l byteLimit) String() string {
	text := fmt.Sprintf("the limit of %d bytes", l.bytes)
	if l.setting != "" {
		text += " (" + l.setting + " of fleetd)"
	}
	return text
}

// checkHeader refuses a header that is too large. A listener has to let much larger ones pass for that: what
// net/http itself refuses gets an answer that is not JSON.
func (s *Server) checkHeader(r *http.Request) error {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n")
	size += len("Host: \r\n") + len(r.Host)
	for key, values := range r.Header {
		for _, value := range values {
			size += len(key) + len(value) + len(": \r\n")
		}
	}
	if limit := (byteLimit{s.o.Limits.Header, "api_max_header"}); size > limit.bytes {
		return &Error{
			http.StatusRequestHeaderFieldsTooLarge,
			fmt.Sprintf("request line and header have %d bytes, more than %s", size, limit),
		}
	}
	return nil
}

// errOverdue ends the context of a request that takes too long.
var errOverdue = errors.New("the request took too long")

type timerKey struct{}

// limited hands on a request whose context ends when it takes too long, unless it turns out to be a stream.
func (s *Server) limited(r *http.Request, handle func(*http.Request) error) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	timer := time.AfterFunc(s.o.Limits.Request, func() { cancel(errOverdue) })
	defer timer.Stop()
	ctx = context.WithValue(ctx, timerKey{}, timer)
	held := &load{pressure: s.pressure}
	defer held.keep(0)
	ctx = context.WithValue(ctx, loadKey{}, held)
	return s.overdue(ctx, handle(r.WithContext(ctx)))
}

// overdue says of an error, if that is so, that it came because the request took too long.
func (s *Server) overdue(ctx context.Context, err error) error {
	var answer *Error
	if err == nil || !errors.Is(context.Cause(ctx), errOverdue) || errors.As(err, &answer) {
		return err
	}
	return &Error{
		http.StatusServiceUnavailable,
		fmt.Sprintf("not done within the limit of %s (api_request_timeout of fleetd), what was to be written may have been: %v",
			s.o.Limits.Request, err),
	}
}

// errNotBegun is told of what was to be done in a request behind something that took too long.
func (s *Server) errNotBegun() *Error {
	return &Error{
		http.StatusServiceUnavailable,
		fmt.Sprintf("not begun within the limit of %s (api_request_timeout of fleetd): nothing was changed", s.o.Limits.Request),
	}
}

// streams counts the streams that clients have open.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

// retryAfter is what a client is told that has too many streams.
const retryAfter = 10 * time.Second

// occupy counts a stream of the request's client until release is called, and lifts the limit of the
// request's time. Its error says that the client has too many.
func (s *Server) occupy(w http.ResponseWriter, r *http.Request) (release func(), err error) {
	who := clientOf(r)
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	if s.streams.open[who] >= s.o.Limits.Streams {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
		return nil, &Error{
			http.StatusTooManyRequests,
			fmt.Sprintf("%s has as many streams open as the limit allows one client, %d (api_max_streams of fleetd)", who, s.o.Limits.Streams),
		}
	}
	if s.streams.open == nil {
		s.streams.open = make(map[string]int)
	}
	s.streams.open[who]++
	if timer, ok := r.Context().Value(timerKey{}).(*time.Timer); ok {
		timer.Stop()
	}
	return func() {
		s.streams.mu.Lock()
		defer s.streams.mu.Unlock()
		if s.streams.open[who]--; s.streams.open[who] == 0 {
			delete(s.streams.open, who)
		}
	}, nil
}

type clientKey struct{}

// WithClient says in the context of requests whose they are, where only who accepts the connection
// knows: "the user with uid 1000". Without it a client is the subject of its certificate, or else its address.
func WithClient(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, clientKey{}, who)
}

func clientOf(r *http.Request) string {
	if who, ok := r.Context().Value(clientKey{}).(string); ok {
		return who
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if subject := r.TLS.PeerCertificates[0].Subject.String(); subject != "" {
			return subject
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "whoever asks from " + strconv.Quote(r.RemoteAddr)
	}
	return host
}
