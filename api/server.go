package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Store is what the server needs of the registry.
type Store interface {
	// Follow hands fn the whole cluster and then every change, in order, until ctx ends or fn fails.
	Follow(ctx context.Context, fn func(cluster.Update) error) error
	// UpdateUnit reads a record, lets change say what to write (nil: remove the record)
	// and writes it unless somebody else did meanwhile. A record that cannot be read is
	// given to change as one without content.
	UpdateUnit(ctx context.Context, name unit.Name,
		change func(current *cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error)
	// UpdateSettings does the same for the operator's settings of a machine.
	UpdateSettings(ctx context.Context, id cluster.MachineID,
		change func(cluster.Settings) (cluster.Settings, error)) (revision int64, err error)
	// Acknowledge records that the engine may go on in spite of the alarm of that name that was raised then.
	Acknowledge(ctx context.Context, name cluster.AlarmName, since time.Time) (revision int64, err error)
}

// Options are the settings of a Server. The zero value works.
type Options struct {
	Version string
	// Ready tells whether this fleetd may answer; while it returns an error
	// every path answers 503. It is called on every request. nil: always.
	Ready  func() error
	Logger *slog.Logger // nil: none
	// Advisor answers for explanations and plans. nil: there are none.
	Advisor Advisor
	// Local is the systemd of this machine, and Machine its id. nil: journals are not read here.
	Local   Local
	Machine cluster.MachineID
	// PeerTLS is for asking the fleetds of other machines. nil: they are asked only by plain HTTP.
	PeerTLS *tls.Config
	// Keeper looks after the store itself. nil: nobody does.
	Keeper Keeper
	// PageSize is the greatest number of items in one page of a list; 0 means 100.
	PageSize int
	Limits   Limits
	// Follow says when the cluster is followed.
	Follow Follow
	// Applied is told of every update of the cluster, for whoever counts. It must not wait for anything. May be nil.
	Applied func(Applied)
}

// Server answers the API's requests from a cache of the cluster.
type Server struct {
	store     Store // as many of its changes at a time as are good for it
	o         Options
	shown     atomic.Pointer[cache]
	demand    *demand
	zips      sync.Pool
	table     []route
	discovery []byte
	openapi   []byte
	peers     peers
	streams   streams
	pressure  *pressure
	lingering lingering
	advising  chan struct{} // holds one element while the advisor works
	keeping   chan struct{} // holds one element while the store itself is changed

	sameOrigin *http.CrossOriginProtection

	ended chan struct{} // closed when Run returns
	end   func()
}

// New makes a server. It answers 503 until Run has filled its cache, or has found that the cluster is followed on demand.
func New(store Store, o Options) *Server {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.PageSize <= 0 {
		o.PageSize = 100
	}
	o.Limits = o.Limits.withDefaults()
	if o.Applied == nil {
		o.Applied = func(Applied) {}
	}
	ended := make(chan struct{})
	s := &Server{
		o:         o,
		demand:    newDemand(o.Follow),
		pressure:  newPressure(o.Limits),
		discovery: compact(discoverySource),
		openapi:   compact(openapiSource),
		advising:  make(chan struct{}, 1),
		keeping:   make(chan struct{}, 1),

		sameOrigin: http.NewCrossOriginProtection(),

		ended: ended,
		end:   sync.OnceFunc(func() { close(ended) }),
	}
	s.shown.Store(newCache())
	s.store = slowed{store, s}
	s.table = s.routes()
	return s
}

// cache is what is followed at present. Who needs it has it to the end of his request; when nobody does it is
// dropped, and the next one begins as that of a server which was started anew.
func (s *Server) cache() *cache { return s.shown.Load() }

// Run keeps the cache up to date, for as long as Options.Follow says. It blocks until ctx ends, and then ends all
// event streams; the server answers 503 from there on. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.peers.close()
	defer s.end()
	idle := func() { s.o.Applied(Applied{Dropped: true}) }
	for {
		if !s.demand.always() && s.demand.await(ctx, idle) != nil {
			return nil
		}
		s.o.Logger.Debug("following the cluster")
		err := s.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errRests):
			s.o.Logger.Debug("not following the cluster: nobody has asked for it for a while", "rest", s.demand.o.Rest)
			continue
		case err == nil:
			err = errors.New("the store ended it")
		}
		return fmt.Errorf("follow the cluster for the api: %w", err)
	}
}

// Handler is the API on the paths of fleet 1. It may be served by several listeners.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer s.tellOfPanics(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.answer(w, r)
		return
	}
	c := compressed(w, r, &s.zips)
	s.answer(c, r)
	c.close()
}

// tellOfPanics logs what a mistake of ours has come to. net/http ends the connection, and would log it among the mistakes of clients.
func (s *Server) tellOfPanics(r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause != http.ErrAbortHandler {
		s.o.Logger.Error("request panicked", "method", r.Method, "path", r.URL.Path, "err", cause, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", serverName+s.o.Version)
	if err := s.ready(); err != nil && !s.standsAlone(r) {
		s.o.Logger.Debug("request refused: not ready", "path", r.URL.Path, "err", err)
		writeError(w, errNotReady())
		return
	}
	if err := s.refuseForeignPages(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.checkHeader(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.limited(r, func(r *http.Request) error { return s.route(w, r) }); err != nil {
		s.fail(w, r, err)
	}
}

// refuseForeignPages keeps a page of another site, open in the browser of somebody who
// reaches the API, from changing anything.
func (s *Server) refuseForeignPages(r *http.Request) error {
	if err := s.sameOrigin.Check(r); err != nil {
		return &Error{http.StatusForbidden, "a web page of another site may not change anything: " + err.Error()}
	}
	return nil
}

// errNotReady is v1's answer.
func errNotReady() *Error {
	return &Error{http.StatusServiceUnavailable, "fleet server unable to communicate with etcd"}
}

// ready says why nothing is answered. That the cluster is not followed is no reason if it would be for who asks.
func (s *Server) ready() error {
	select {
	case <-s.ended:
		return errors.New(shuttingDown)
	default:
	}
	if !s.cache().filled() && !s.demand.patient() {
		return errors.New("the cluster has not been read yet")
	}
	return s.o.Ready()
}
